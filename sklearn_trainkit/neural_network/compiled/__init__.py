"""Dense networks as programs for the kernels, with their memory and optimizers."""
