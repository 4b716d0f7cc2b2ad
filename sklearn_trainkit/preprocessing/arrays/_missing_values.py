"""NaN in sums: left out, and counted."""

from typing import Any

import numpy as np

from sklearn_trainkit.preprocessing.arrays._feature_blocks import FeatureBlocks

__all__ = ["leave_out_missing"]

Array = np.ndarray[Any, np.dtype[Any]]


def leave_out_missing(blocks: FeatureBlocks, deviations: Array) -> Array | int:
    """Set NaN to zero in the deviations, and count them per feature."""
    if np.isfinite(np.add.reduce(deviations, axis=None)):
        return 0
    missing = np.isnan(deviations)
    np.copyto(deviations, 0.0, where=missing)
    layout = blocks.layout
    if blocks.folded and missing.size <= 255 * layout.period * blocks.n_fold:
        # Sums of at most 255 bytes cannot overflow a byte, and add sixteen times as fast.
        main, rest = blocks.fold(missing.view(np.uint8), blocks.n_fold)
        row = np.add.reduce(main, axis=0, dtype=np.uint8).astype(np.int64)
        pattern = layout.join_patterns(np.add, row) + np.add.reduce(rest, axis=0, dtype=np.int64)
        return layout.gather_row(np.add, pattern)
    return blocks.reduce(np.add, missing, dtype=np.int64)
