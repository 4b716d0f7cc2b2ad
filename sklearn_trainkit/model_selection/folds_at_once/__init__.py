"""Cross-validation and ensembles whose folds train together."""
