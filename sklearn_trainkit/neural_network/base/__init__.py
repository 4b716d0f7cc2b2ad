"""What every network estimator shares: parameters, targets, skorch's interface."""
