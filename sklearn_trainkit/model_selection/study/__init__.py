"""The study behind a search: samplers, pruners, storage, and who shares it."""
