"""From records to scikit-learn's attributes: tables, the winner, the refit."""
