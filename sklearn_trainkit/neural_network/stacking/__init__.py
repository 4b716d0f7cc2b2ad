"""Several networks in one block of parameters, with gradients by hand."""
