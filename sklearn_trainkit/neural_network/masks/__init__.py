"""U-Nets that label every pixel."""
