"""Dense networks for tables."""
