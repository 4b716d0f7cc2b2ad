"""Names of parametrized tests that are the same in every process, as pytest-xdist needs them."""

import re


def stable_id(value):
    """Return the text of a value without its address in memory."""
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", str(value))
