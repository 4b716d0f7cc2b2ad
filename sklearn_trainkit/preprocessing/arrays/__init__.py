"""What scalers ask of arrays: layouts, checks, moments, ranges, scaling steps."""
