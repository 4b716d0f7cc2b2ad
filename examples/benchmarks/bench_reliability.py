"""Whether probabilities are probabilities: expected against observed events, on held-out rows.

Default networks, the same without label smoothing, and scikit-learn's network and logistic
regression, all behind the same preprocessing. For each set the rarest class's expected events over
those that came, the log-loss, the Brier score, the accuracy and the area under the ROC curve; means
over splits, nothing tuned.

    python examples/benchmarks/bench_reliability.py [--data FOLDER] [--rows 3000] [--splits 2]
"""

# %%
import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from bench_defaults import folder_sets, pipeline
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from sklearn_trainkit.neural_network import (
    ConvNetClassifier,
    MLPNetClassifier,
    RecurrentNetClassifier,
)


# %%
# Sets with 0.5 to 50 % of positives, and with several classes.
def logistic(offset, n_rows, seed=0):
    """Events whose log-odds are linear: the logistic regression knows the truth."""
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n_rows, 4))
    y = generator.random(n_rows) < 1 / (1 + np.exp(offset - 2 * X[:, 0]))
    return pd.DataFrame(X), y.astype(int)


def clusters(share, noise, n_rows):
    X, y = datasets.make_classification(
        n_rows, 20, n_informative=8, weights=[1 - share], flip_y=noise, random_state=0
    )
    return pd.DataFrame(X), y


def digits(label=None):
    X, y = datasets.load_digits(return_X_y=True)
    return pd.DataFrame(X), y if label is None else (y == label).astype(int)


def made_sets(n_rows):
    yield "logistic, rare", *logistic(7, n_rows)
    yield "logistic", *logistic(5.5, n_rows)
    for share, noise in ((0.01, 0.005), (0.05, 0.02), (0.2, 0.2), (0.5, 0.3)):
        yield f"clusters, noise {noise}", *clusters(share, noise, n_rows)
    X, y = datasets.load_breast_cancer(return_X_y=True)
    yield "breast_cancer", pd.DataFrame(X), 1 - y
    yield "digits, the eights", *digits(8)
    yield "digits", *digits()
    X, y = datasets.load_wine(return_X_y=True)
    yield "wine", pd.DataFrame(X), y


def table_sets(folder, n_rows):
    """Classification sets of a folder; of those with many classes, one against the rest too."""
    for name, X, y, classify in folder_sets(folder, []):
        if not classify:
            continue
        kept = np.random.default_rng(0).permutation(len(y))[:n_rows]
        X, y = X.iloc[kept].reset_index(drop=True), np.unique(y[kept], return_inverse=True)[1]
        if np.bincount(y).min() >= 10:
            yield name, X, y
        if y.max() > 1:
            rarest = np.abs(np.bincount(y) - 0.05 * len(y)).argmin()
            yield f"{name}, one class", X, (y == rarest).astype(int)


# %%
# Models of tables, and of the digits as images and as sequences of rows.
def table_models(seed):
    yield "logistic", LogisticRegression(max_iter=1000)
    yield "scikit-learn", MLPClassifier(random_state=seed)
    yield "no smoothing", MLPNetClassifier(label_smoothing=0.0, random_state=seed)
    yield "default", MLPNetClassifier(random_state=seed)


def digit_models(seed):
    for kind, params in (
        (ConvNetClassifier, {"image_shape": (1, 8, 8)}),
        (RecurrentNetClassifier, {"sequence_shape": (8, 8)}),
    ):
        for name, smoothing in (("no smoothing", {"label_smoothing": 0.0}), ("default", {})):
            yield f"{kind.__name__}, {name}", kind(random_state=seed, **params, **smoothing)


# %%
# What is measured, on rows that no model has seen.
def measures(y, probabilities):
    """Return expected / observed events of the rarest class, log-loss, Brier, accuracy, AUC."""
    n_classes = probabilities.shape[1]
    indicator = np.eye(n_classes)[y]
    rarest = indicator.sum(axis=0).argmin()
    scores = probabilities[:, 1] if n_classes == 2 else probabilities
    return (
        probabilities[:, rarest].sum() / indicator[:, rarest].sum(),
        log_loss(y, probabilities.astype(float)),
        ((probabilities - indicator) ** 2).sum(axis=1).mean(),
        (probabilities.argmax(axis=1) == y).mean(),
        roc_auc_score(y, scores, multi_class="ovr"),
    )


def report(name, X, y, models, n_splits):
    rows = {}
    for seed in range(n_splits):
        train, test = train_test_split(
            np.arange(len(y)), test_size=0.4, stratify=y, random_state=seed
        )
        for label, model in models(seed):
            fitted = pipeline(model).fit(X.iloc[train], y[train])
            rows.setdefault(label, []).append(measures(y[test], fitted.predict_proba(X.iloc[test])))
    share = np.bincount(y).min() / len(y)
    for label, values in rows.items():
        cells = " ".join(f"{value:8.3f}" for value in np.mean(values, axis=0))
        print(f"{name:24} {share:6.1%} {label:38} {cells}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of gzip CSV files")
    parser.add_argument("--rows", type=int, default=3000, help="at most so many rows of each set")
    parser.add_argument("--splits", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    names = ("exp./obs.", "log-loss", "Brier", "accuracy", "AUC")
    print(f"{'data':24} {'rarest':>6} {'model':38}", *(f"{name:>8}" for name in names))
    with threadpool_limits(1):
        for name, X, y in made_sets(options.rows):
            report(name, X, y, table_models, options.splits)
        report("digits, the eights", *digits(8), digit_models, options.splits)
        for name, X, y in table_sets(options.data, options.rows) if options.data else ():
            report(name, X, y, table_models, options.splits)


if __name__ == "__main__":
    main()
