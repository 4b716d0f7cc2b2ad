"""Whether probabilities are probabilities: expected against observed events, on held-out rows.

Default networks, the same without label smoothing, and scikit-learn's network and logistic
regression, all behind the same preprocessing. For each set the rarest class's expected events over
those that came, the log-loss, the Brier score, the accuracy and the area under the ROC curve; means
over splits, nothing tuned. With ``--kinds`` the other kinds of networks instead, on made data with
1 and 5 % of events, beside who always says the share of the training rows.

    python examples/benchmarks/bench_reliability.py [--data FOLDER] [--rows 3000] [--splits 2]
    python examples/benchmarks/bench_reliability.py --kinds [--rows 2000] [--splits 3]
"""

# %%
import argparse
import warnings
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from bench_defaults import folder_sets, pipeline
from scipy.optimize import brentq
from scipy.special import expit
from sklearn import datasets
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits
from torch import nn

from sklearn_trainkit.neural_network import (
    ConvNetClassifier,
    MLPNetClassifier,
    NetClassifier,
    RecurrentNetClassifier,
    UNetSegmenter,
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
# Made data for the other kinds: causes of events are seen in images, sequences and masks, too.
def events(cause, share, generator):
    """Return events that come with this share, and with log-odds of 2.5 times their cause."""
    offset = brentq(lambda x: expit(2.5 * cause - x).mean() - share, -50, 50)
    return (generator.random(cause.shape) < expit(2.5 * cause - offset)).astype(int)


def made_rows(n, share, generator):
    X = generator.normal(size=(n, 6))
    return X, events(X[:, 0], share, generator)


def made_labels(n, share, generator):
    X = generator.normal(size=(n, 6))
    return X, np.stack([events(X[:, j], share * (j + 1) / 2, generator) for j in range(3)], axis=1)


def made_images(n, share, generator, noise=0.3):
    X, cause = noise * generator.normal(size=(n, 1, 12, 12)), generator.normal(size=n)
    X[:, :, 3:9, 3:9] += cause[:, None, None, None]
    return X, events(cause, share, generator)


def made_sequences(n, share, generator):
    X, cause = generator.normal(size=(n, 12, 2)), generator.normal(size=n)
    X[:, :, 0] += cause[:, None]
    return X, events(cause, share, generator)


def made_masks(n, share, generator):
    """Discs in noise, on 32 x 32 pixels."""
    n, places = n // 25, np.arange(32)
    centres, contrasts = generator.uniform(6, 26, (n, 2)), generator.uniform(0.5, 2, n)
    distances = np.hypot(
        places[:, None] - centres[:, 0, None, None], places - centres[:, 1, None, None]
    )
    masks = distances < np.sqrt(share * 32**2 / np.pi)
    noise = 0.7 * generator.normal(size=masks.shape)
    return noise + masks * contrasts[:, None, None], masks.astype(int)


def tiny_module(n_features, n_outputs):
    return nn.Sequential(nn.Linear(n_features, 32), nn.ReLU(), nn.Linear(32, n_outputs))


KINDS = {
    "MLPNet": (made_rows, MLPNetClassifier()),
    "MLPNet, three labels": (made_labels, MLPNetClassifier()),
    "NetClassifier": (made_rows, NetClassifier(tiny_module)),
    "ConvNet": (made_images, ConvNetClassifier()),
    "ConvNet, noisy images": (partial(made_images, noise=1.0), ConvNetClassifier()),
    "RecurrentNet": (made_sequences, RecurrentNetClassifier()),
    "UNet": (made_masks, UNetSegmenter()),
    "UNet, cross-entropy": (made_masks, UNetSegmenter(loss="cross_entropy")),
}


def report_kind(name, make, model, share, n_rows, n_splits):
    rows = {}
    for seed in range(n_splits):
        X, y = make(n_rows, share, np.random.default_rng(seed))
        X_test, y_test = make(2 * n_rows, share, np.random.default_rng(100 + seed))
        fitted = clone(model).set_params(random_state=seed).fit(X, y)
        given = fitted.predict_proba(X_test)
        several = y.ndim == 2 and given.shape == y_test.shape
        found = given if several else given[:, 1]
        usual = np.broadcast_to(y.mean(axis=0) if several else y.mean(), y_test.shape)
        for label, share_of in (("always the share", usual), ("default", found)):
            chances = np.stack([1 - share_of.ravel(), share_of.ravel()], axis=1)
            rows.setdefault(label, []).append(measures(y_test.ravel(), chances))
    show(name, share, rows)


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
    show(name, np.bincount(y).min() / len(y), rows)


def show(name, share, rows):
    for label, values in rows.items():
        cells = " ".join(f"{value:8.3f}" for value in np.mean(values, axis=0))
        print(f"{name:24} {share:6.1%} {label:38} {cells}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of gzip CSV files")
    parser.add_argument("--rows", type=int, default=3000, help="at most so many rows of each set")
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--kinds", action="store_true", help="other kinds of networks")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    names = ("exp./obs.", "log-loss", "Brier", "accuracy", "AUC")
    print(f"{'data':24} {'rarest':>6} {'model':38}", *(f"{name:>8}" for name in names))
    with threadpool_limits(1):
        if options.kinds:
            for (name, (make, model)), share in product(KINDS.items(), (0.01, 0.05)):
                report_kind(name, make, model, share, options.rows, options.splits)
            return
        for name, X, y in made_sets(options.rows):
            report(name, X, y, table_models, options.splits)
        report("digits, the eights", *digits(8), digit_models, options.splits)
        for name, X, y in table_sets(options.data, options.rows) if options.data else ():
            report(name, X, y, table_models, options.splits)


if __name__ == "__main__":
    main()
