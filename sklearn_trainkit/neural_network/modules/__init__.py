"""The torch modules that the estimators train, and their parts."""
