"""What numba compiles for dense networks: layers, losses, optimizers and the loop over steps."""
