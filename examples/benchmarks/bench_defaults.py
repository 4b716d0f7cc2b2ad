"""Default networks against scikit-learn's default networks, nothing tuned.

Both behind the same preprocessing (median, mode and one-hot encoding, standardization), the same
shuffled folds, one thread. scikit-learn's bundled sets, and any folder of gzip CSV files whose
last column is ``target``.

    python examples/benchmarks/bench_defaults.py [--data FOLDER] [--rows 4000] [--folds 5]
"""

# %%
import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn import datasets
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, StratifiedKFold, cross_validate
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from threadpoolctl import threadpool_limits

from sklearn_trainkit.neural_network import MLPNetClassifier, MLPNetRegressor
from sklearn_trainkit.preprocessing import StandardScaler

BUNDLED = {
    "breast_cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
    "wine": datasets.load_wine,
    "iris": datasets.load_iris,
    "diabetes": datasets.load_diabetes,
}


def bundled_sets():
    for name, load in BUNDLED.items():
        bunch = load()
        yield name, pd.DataFrame(bunch.data), bunch.target, name != "diabetes"


def folder_sets(folder, regression):
    for path in sorted(folder.glob("*.csv.gz")):
        name = path.name.removesuffix(".csv.gz")
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])
        target = table.pop("target")
        words = not pd.api.types.is_numeric_dtype(target)
        yield (
            name,
            table,
            target.to_numpy(),
            words or (target.nunique() <= 30 and name not in regression),
        )


# %%
# One Pipeline for both, and the same folds.
def pipeline(model):
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    words = make_pipeline(
        SimpleImputer(strategy="most_frequent"),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False, max_categories=30),
    )
    encode = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (words, make_column_selector(dtype_exclude="number")),
    )
    return make_pipeline(encode, model)


def score(model, X, y, classify, n_folds):
    splitter = StratifiedKFold if classify else KFold
    cv = splitter(n_folds, shuffle=True, random_state=0)
    start = time.perf_counter()
    scoring = "accuracy" if classify else "r2"
    result = cross_validate(pipeline(model), X, y, cv=cv, scoring=scoring, error_score="raise")
    return result["test_score"].mean(), time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of gzip CSV files")
    parser.add_argument(
        "--regression", nargs="*", default=[], help="sets of few distinct targets that are numbers"
    )
    parser.add_argument("--rows", type=int, default=4000, help="at most so many rows of each set")
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(f"{'data':20} {'metric':>8} {'scikit-learn':>16} {'ours':>16}")
    sets = list(bundled_sets()) + (
        list(folder_sets(options.data, options.regression)) if options.data else []
    )
    with threadpool_limits(1):
        for name, X, y, classify in sets:
            kept = np.random.default_rng(0).permutation(len(X))[: options.rows]
            X, y = X.iloc[kept].reset_index(drop=True), y[kept]
            models = (
                (MLPClassifier(random_state=0), MLPNetClassifier(random_state=0))
                if classify
                else (MLPRegressor(random_state=0), MLPNetRegressor(random_state=0))
            )
            results = [score(model, X, y, classify, options.folds) for model in models]
            cells = (f"{value:8.3f} {seconds:5.1f} s" for value, seconds in results)
            print(f"{name:20} {'accuracy' if classify else 'R2':>8}", *cells)


if __name__ == "__main__":
    main()
