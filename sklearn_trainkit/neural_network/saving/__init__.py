"""What a prediction needs, written to files beside the weights and read back."""
