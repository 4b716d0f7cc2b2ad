"""Scalers against scikit-learn's: agreement first, then speed and memory, in one process.

Every figure is a pair: scikit-learn's call and ours run in turns, and the ratio is the median of
the pairs' ratios, so that a busy moment hits both. ``copy`` is ``X.copy()`` and ``read`` is
``X.sum()``: the limits that memory sets. Run it on idle cores::

    python examples/benchmarks/bench_scalers.py            # all sizes, some minutes
    python examples/benchmarks/bench_scalers.py --quick    # small sizes, seconds
"""

import argparse
import os
import platform
import time
import tracemalloc
from itertools import chain

import numpy as np
import pandas as pd
import sklearn
import sklearn.preprocessing as theirs_module
from sklearn.base import clone
from threadpoolctl import threadpool_limits

import sklearn_trainkit.preprocessing as ours_module

SIZES = [(1_000_000, 50), (100_000, 500), (10_000, 10), (1_437, 64), (1, 64)]
QUICK_SIZES = [(20_000, 50), (10_000, 10), (1_437, 64), (1, 64)]
NAMES = ("StandardScaler", "MinMaxScaler")


def make_table(shape, dtype, missing, seed=0):
    """Columns of different means and deviations, as raw data have them."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal(shape, dtype=np.float64)
    X *= rng.uniform(0.5, 20, shape[1])
    X += rng.uniform(-30, 30, shape[1])
    X = X.astype(dtype)
    if missing:
        for start in range(0, len(X), 100_000):
            chunk = X[start : start + 100_000]
            chunk[rng.random(chunk.shape) < 0.05] = np.nan
    return X


def seconds(call, n_calls):
    start = time.perf_counter()
    for _ in range(n_calls):
        call()
    return (time.perf_counter() - start) / n_calls


def pair(first, second, repeats, n_calls):
    """Return the median times of two calls in turns, and the median ratio."""
    times = np.array([(seconds(first, n_calls), seconds(second, n_calls)) for _ in range(repeats)])
    return (*np.median(times, axis=0), float(np.median(times[:, 0] / times[:, 1])))


def check_agreement(theirs, ours, X, Z, dtype):
    tolerance = 2e-5 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(
        np.asarray(ours.transform(X)), np.asarray(Z), rtol=tolerance, atol=tolerance
    )
    np.testing.assert_allclose(
        np.asarray(ours.inverse_transform(Z)),
        np.asarray(theirs.inverse_transform(Z)),
        rtol=tolerance,
        atol=100 * tolerance,
    )


def effort(shape, budget):
    """Return repeats and calls per repeat, for about `budget` million elements."""
    size = shape[0] * shape[1]
    if size > 1_000_000:
        return max(3, int(budget * 1e6 // size)), 1
    return 9, max(1, min(300, 200_000 // size))


def bench_tables(sizes, budget, n_jobs):
    for shape in sizes:
        for dtype in (np.float32, np.float64):
            for missing in (False, True):
                for kind in ("array",) if missing else ("array", "frame", "F-frame"):
                    yield from bench_table(shape, dtype, missing, kind, budget, n_jobs)


def bench_table(shape, dtype, missing, kind, budget, n_jobs):
    if shape[0] == 1 and (missing or kind == "F-frame"):
        return
    X = make_table(shape, dtype, missing)
    train = X if shape[0] > 1 else make_table((100, shape[1]), dtype, False)
    copy = seconds(X.copy, 3)
    read = seconds(X.sum, 3)
    if kind != "array":
        names = [f"f{i}" for i in range(shape[1])]
        order = "F" if kind == "F-frame" else "C"
        X = pd.DataFrame(np.asarray(X, order=order), columns=names)
        train = X if shape[0] > 1 else pd.DataFrame(train, columns=X.columns)
    for name in NAMES:
        theirs = getattr(theirs_module, name)().fit(train)
        ours = getattr(ours_module, name)(n_jobs=n_jobs).fit(train)
        Z = theirs.transform(X)
        check_agreement(theirs, ours, X, Z, dtype)
        for what, calls in table_calls(theirs, ours, X, Z).items():
            times = pair(*calls, *effort(shape, budget))
            label = np.dtype(dtype).name + (" NaN" if missing else "")
            yield as_row(shape, label, kind, name, what, times, copy, read)


def table_calls(theirs, ours, X, Z):
    new_theirs, new_ours = clone(theirs), clone(ours)
    return {
        "fit": (lambda: new_theirs.fit(X), lambda: new_ours.fit(X)),
        "transform": (lambda: theirs.transform(X), lambda: ours.transform(X)),
        "inverse": (lambda: theirs.inverse_transform(Z), lambda: ours.inverse_transform(Z)),
    }


def as_row(shape, label, kind, name, what, times, copy, read):
    t_theirs, t_ours, ratio = times
    return {
        "X": " x ".join(f"{size:,}" for size in shape),
        "dtype": label,
        "as": kind,
        "scaler": name,
        "call": what,
        "scikit-learn": t_theirs,
        "ours": t_ours,
        "ratio": ratio,
        "ours / copy": t_ours / copy,
        "ours / read": t_ours / read,
    }


def bench_images(n_images, n_jobs):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_images, 3, 32, 32), dtype=np.float32) * 60 + 120

    copy = seconds(X.copy, 3)
    read = seconds(X.sum, 3)
    for name in NAMES:
        theirs = getattr(theirs_module, name)().fit(as_table(X))
        ours = getattr(ours_module, name)(channel_axis=1, n_jobs=n_jobs).fit(X)
        expected = as_images(theirs.transform(as_table(X)), X.shape)
        np.testing.assert_allclose(ours.transform(X), expected, atol=2e-5)
        for what, calls in image_calls(theirs, ours, X).items():
            yield as_row(X.shape, "float32", "images", name, what, pair(*calls, 3, 1), copy, read)


def as_table(images):
    return images.transpose(0, 2, 3, 1).reshape(-1, images.shape[1])


def as_images(table, shape):
    n, c, h, w = shape
    return np.ascontiguousarray(table.reshape(n, h, w, c).transpose(0, 3, 1, 2))


def image_calls(theirs, ours, X):
    new_theirs, new_ours = clone(theirs), clone(ours)
    return {
        "fit": (lambda: new_theirs.fit(as_table(X)), lambda: new_ours.fit(X)),
        "transform": (
            lambda: as_images(theirs.transform(as_table(X)), X.shape),
            lambda: ours.transform(X),
        ),
    }


def bench_memory(shape):
    """Return the peak of what a fit allocates, as a share of X."""
    rows = []
    for dtype in (np.float32, np.float64):
        X = make_table(shape, dtype, False)
        for name in NAMES:
            shares = []
            for module in (theirs_module, ours_module):
                scaler = getattr(module, name)()
                tracemalloc.start()
                scaler.fit(X)
                shares.append(tracemalloc.get_traced_memory()[1] / X.nbytes)
                tracemalloc.stop()
            rows.append(
                {
                    "X": f"{shape[0]:,} x {shape[1]}",
                    "dtype": np.dtype(dtype).name,
                    "scaler": name,
                    "scikit-learn": shares[0],
                    "ours": shares[1],
                }
            )
    return pd.DataFrame(rows)


def accuracy_cases(n_rows):
    """Yield name, data, and whether they arrive in uneven chunks."""
    rng = np.random.default_rng(0)
    normal = rng.standard_normal((n_rows, 4))
    for dtype in (np.float32, np.float64):
        label = np.dtype(dtype).name
        yield f"mean 0, deviation 1, {label}", normal.astype(dtype), False
        yield f"mean 1e6, deviation 1e-2, {label}", (normal * 1e-2 + 1e6).astype(dtype), False
    holes = normal + 3
    holes[rng.random(holes.shape) < 0.05] = np.nan
    yield "mean 3, deviation 1, 5 % NaN", holes, False
    yield "mean 1e6, deviation 1e-2, 40 uneven chunks", normal * 1e-2 + 1e6, True
    yield "deviation 1e-200", normal * 1e-200, False
    yield "deviation 1e200", normal * 1e200, False


def bench_accuracy(n_rows):
    """Return errors of mean (in deviations) and deviation (relative) against long double."""
    rows = []
    for name, X, in_chunks in accuracy_cases(n_rows):
        wide = X.astype(np.longdouble)
        mean, deviation = np.nanmean(wide, axis=0), np.nanstd(wide, axis=0)
        cuts = np.sort(np.random.default_rng(1).integers(1, n_rows, 39)) if in_chunks else []
        row = {"data": name}
        for label, module in (("scikit-learn", theirs_module), ("ours", ours_module)):
            scaler = module.StandardScaler()
            with np.errstate(all="ignore"):
                for chunk in np.split(X, cuts):
                    scaler.partial_fit(chunk)
            row[f"mean, {label}"] = np.max(np.abs(scaler.mean_ - mean) / deviation)
            row[f"deviation, {label}"] = np.max(np.abs(scaler.scale_ / deviation - 1))
        rows.append({key: v if key == "data" else f"{float(v):.0e}" for key, v in row.items()})
    return pd.DataFrame(rows)


def count_outside(n_fits):
    """Return in how many random fits a training row leaves [0, 1], for theirs and ours."""
    rng = np.random.default_rng(0)
    counts = [0, 0]
    for _ in range(n_fits):
        X = rng.normal(size=(30, 3)) * 10 ** rng.uniform(-6, 6) + rng.normal()
        for i, module in enumerate((theirs_module, ours_module)):
            Z = module.MinMaxScaler().fit_transform(X)
            counts[i] += bool(Z.min() < 0 or Z.max() > 1)
    return counts


def show(table):
    """Return a Markdown table with times in a fitting unit."""

    def in_unit(value):
        return f"{value * 1e6:.1f} us" if value < 1e-3 else f"{value * 1e3:.1f} ms"

    shown = table.copy()
    for column in ("scikit-learn", "ours"):
        shown[column] = shown[column].map(in_unit)
    return to_markdown(shown)


def to_markdown(table):
    rows = [[f"{v:.2f}" if isinstance(v, float) else str(v) for v in row] for row in table.values]
    lines = [table.columns.tolist(), ["---"] * len(table.columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--accuracy", action="store_true", help="accuracy only")
    parser.add_argument("--n-jobs", type=int, default=None, help="threads of our scalers")
    parser.add_argument("--budget", type=float, default=250, help="million elements per figure")
    parser.add_argument("--csv", help="where to write the figures")
    arguments = parser.parse_args()
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}, "
        f"scikit-learn {sklearn.__version__}, {os.cpu_count()} cores, "
        f"n_jobs={arguments.n_jobs}, seed 0\n"
    )
    with threadpool_limits(1):
        report(arguments)


def report(arguments):
    print("Errors against long double: mean in deviations, deviation relative\n")
    print(to_markdown(bench_accuracy(20_000 if arguments.quick else 1_000_000)))
    theirs, ours = count_outside(3_000)
    print(f"\nOf 3,000 fits with training rows outside [0, 1]: {theirs} and {ours}\n")
    if arguments.accuracy:
        return
    sizes = QUICK_SIZES if arguments.quick else SIZES
    n_images = 500 if arguments.quick else 20_000
    rows = []
    for row in chain(
        bench_images(n_images, arguments.n_jobs),
        bench_tables(sizes, arguments.budget, arguments.n_jobs),
    ):
        rows.append(row)
        print(show(pd.DataFrame([row])).splitlines()[-1], flush=True)
    table = pd.DataFrame(rows)
    print("\n" + show(table))
    print("\nPeak of a fit's allocations, as a share of X:\n")
    print(to_markdown(bench_memory(sizes[0])))
    if arguments.csv:
        table.to_csv(arguments.csv, index=False)


if __name__ == "__main__":
    main()
