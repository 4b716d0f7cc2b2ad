"""The same statistics and scaling in compiled loops."""
