"""A training from its first epoch to its last: stopping, checkpoints, divergence."""
