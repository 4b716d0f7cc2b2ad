"""From arrays to batches: checks, splits, loaders, augmentation, random streams."""
