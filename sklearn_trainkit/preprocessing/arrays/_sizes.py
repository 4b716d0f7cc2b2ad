"""How much of an array is gone through at a time, for statistics and for scaling alike.

All are numbers of elements. The last digit of a mean rests on those that say how sums are put
together (`BLOCK_ELEMENTS`, `FIRST_BLOCK_SHARE`, `LONG_RUN` and the rows of sums); the others only
decide how long something takes.
"""

__all__ = [
    "BLOCK_ELEMENTS",
    "COMPILED_ELEMENTS",
    "COMPILED_ROW",
    "COMPILED_SUMS_ROW",
    "FIRST_BLOCK_SHARE",
    "LONG_PERIOD",
    "LONG_RUN",
    "PIECE_ELEMENTS",
    "ROW_ELEMENTS",
    "RUN_IN_BLOCK",
    "SMALL_ELEMENTS",
    "SUMS_ROW",
    "WIDE_RUN",
]

# Below this, parts cost more than they save.
SMALL_ELEMENTS = 8_192
# Scaling: a piece, its source and the placed values stay in a core's second-level cache.
PIECE_ELEMENTS = 65_536
# Statistics: a block as float64 is a megabyte, so that its buffer stays in that cache.
BLOCK_ELEMENTS = 131_072
# A compiled loop goes through memory once, without a buffer: parts are only small enough to
# share out. The error of the first mean counts by its share of the rows, so it is of fewer.
COMPILED_ELEMENTS = 1_048_576
FIRST_BLOCK_SHARE = 16
# Columns of a column-major table that make a block have at least this many rows in it.
RUN_IN_BLOCK = 4_096

# From this length on, a run of one feature is summed by itself.
LONG_RUN = 128
# Numbers side by side in sums of short rows, for numpy and for a compiled loop, whose sums stay in
# the first-level cache.
SUMS_ROW, COMPILED_SUMS_ROW = 1_024, 128

# Scaling takes rows of several patterns where a run is shorter: a third faster, as numpy starts
# a loop for each run. Long patterns, however, would push their source out of the cache.
WIDE_RUN, LONG_PERIOD = 2_048, 16_384
# Numbers side by side in scaling, for numpy and for a compiled loop.
ROW_ELEMENTS, COMPILED_ROW = 4_096, 1_024
