"""Estimators around the user's own torch modules."""
