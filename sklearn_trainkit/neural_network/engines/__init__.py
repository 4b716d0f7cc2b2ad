"""How an epoch is trained: steps, optimizers, learning rates, precision."""
