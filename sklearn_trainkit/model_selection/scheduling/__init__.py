"""Which candidate is next, and up to where it trains."""
