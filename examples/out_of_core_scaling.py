"""
Scaling data that does not fit in memory
========================================

The table is on disk, larger than what we want to hold at once. Can a scaler learn from it, and
write it back scaled, in constant memory, and is the result the same as in one piece?
"""

# %%
# The smallest data that shows it: one table, three kinds of file
# ----------------------------------------------------------------
# 200,000 rows of 20 columns, with means far from zero and some values missing.
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd

from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler

folder = Path(tempfile.mkdtemp())
rng = np.random.default_rng(0)
X = (rng.normal(size=(200_000, 20)) * 10 + rng.uniform(-1e4, 1e4, 20)).astype(np.float32)
X[rng.random(X.shape) < 0.01] = np.nan
names = [f"sensor_{i}" for i in range(20)]

np.save(folder / "X.npy", X)
pd.DataFrame(X[:20_000], columns=names).to_csv(folder / "X.csv", index=False)
pd.DataFrame(X, columns=names).to_parquet(folder / "X.parquet", row_group_size=20_000)

# %%
# A memory-mapped array
# ---------------------
# ``fit`` reads a map block by block, so nothing needs to be cut: what it allocates is a buffer of
# a megabyte, whatever the size of the file. (Where numba is installed, the first large array of a
# process loads it, once; that is not counted here.)
mapped = np.load(folder / "X.npy", mmap_mode="r")
StandardScaler().fit(mapped)
tracemalloc.start()
whole = StandardScaler().fit(mapped)
peak = tracemalloc.get_traced_memory()[1]
tracemalloc.stop()
print(f"fit read {mapped.nbytes / 1e6:.0f} MB and allocated {peak / 1e6:.1f} MB")

# %%
# ``transform`` returns a new array, so the output is cut by hand and written into another map.
scaled = np.lib.format.open_memmap(
    folder / "scaled.npy", mode="w+", dtype=np.float32, shape=mapped.shape
)
for start in range(0, len(mapped), 20_000):
    rows = slice(start, start + 20_000)
    scaled[rows] = whole.transform(mapped[rows])
print("means", np.nanmean(scaled[:, :3], axis=0).round(6))

# %%
# Parquet, a row group at a time
# ------------------------------
# ``partial_fit`` merges what each chunk holds. Chunks may be uneven; names of columns are checked
# from the second chunk on.
import pyarrow.parquet as pq  # noqa: E402

from_parquet, ranges = StandardScaler(), MinMaxScaler((-1, 1))
tracemalloc.start()
for batch in pq.ParquetFile(folder / "X.parquet").iter_batches(batch_size=20_000):
    chunk = batch.to_pandas()
    from_parquet.partial_fit(chunk)
    ranges.partial_fit(chunk)
peak = tracemalloc.get_traced_memory()[1]
tracemalloc.stop()
print(f"peak in Python {peak / 1e6:.1f} MB, {from_parquet.n_samples_seen_.max():,} values seen")

# %%
# CSV, some rows at a time
# ------------------------
from_csv = StandardScaler()
for chunk in pd.read_csv(folder / "X.csv", chunksize=7_000, dtype=np.float32):
    from_csv.partial_fit(chunk)
print("rows from CSV", from_csv.n_samples_seen_.max())

# %%
# Is it the same?
# ---------------
# In units of the standard deviation, and relative to it:
mean_gap = np.abs(from_parquet.mean_ - whole.mean_) / whole.scale_
scale_gap = np.abs(from_parquet.scale_ / whole.scale_ - 1)
print(f"mean off by {mean_gap.max():.1e} deviations, deviation by {scale_gap.max():.1e}")
assert mean_gap.max() < 1e-10
assert scale_gap.max() < 1e-12
assert (ranges.data_min_ == np.nanmin(X, axis=0)).all()

# %%
# What we learned
# ---------------
# Chunks give the statistics of the whole to rounding, and a map needs no chunks at all for
# ``fit``. What costs time out of core is the file format: reading CSV takes far longer than
# scaling it, so a table that is read more than once belongs in Parquet or ``.npy``.
