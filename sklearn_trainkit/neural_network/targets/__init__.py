"""Labels and their weights: from y to what a loss takes, and back."""
