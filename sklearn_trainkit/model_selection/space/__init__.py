"""What may be tried: distributions, spaces, candidates to begin with."""
