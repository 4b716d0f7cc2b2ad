"""Cross-validation as one stacked network against plain skorch and against our own folds in turn.

One process, one torch thread, float32. Results are checked first: stacked folds score what separate
fits score, to rounding, and plain skorch (other shuffles) lands within 0.03 of them. Each figure is
the median over paired rounds.

    python examples/benchmarks/bench_fold_stacking.py [--rounds 5] [--quick] [--only skorch]
"""

# %%
import argparse
import itertools
import os
import time
import warnings

import numpy as np
import torch
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler as SkMinMaxScaler
from skorch import NeuralNetClassifier
from torch import nn

from sklearn_trainkit.exceptions import LeakageWarning
from sklearn_trainkit.model_selection import OptunaSearchCV, cross_validate
from sklearn_trainkit.neural_network import MLPNetClassifier, fit_stacked
from sklearn_trainkit.preprocessing import MinMaxScaler

HIDDEN = (128, 64)


def digits():
    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y.astype(np.int64)


def generated(n_rows):
    X, y = make_classification(n_rows, 50, n_informative=20, n_classes=5, random_state=0)
    return X.astype(np.float32), y.astype(np.int64)


def our_net(n_epochs, hidden=HIDDEN, batch_size=64):
    return MLPNetClassifier(
        hidden,
        activation="relu",
        label_smoothing=0.0,
        optimizer="adam",
        lr=1e-3,
        lr_schedule="constant",
        batch_size=batch_size,
        max_epochs=n_epochs,
        random_state=0,
    )


class Dense(nn.Sequential):
    def __init__(self, n_in, n_classes):
        super().__init__(
            nn.Linear(n_in, HIDDEN[0]),
            nn.ReLU(),
            nn.Linear(HIDDEN[0], HIDDEN[1]),
            nn.ReLU(),
            nn.Linear(HIDDEN[1], n_classes),
        )


def skorch_net(X, y, n_epochs):
    return NeuralNetClassifier(
        Dense,
        module__n_in=X.shape[1],
        module__n_classes=len(np.unique(y)),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=64,
        max_epochs=n_epochs,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )


def seconds(function, *args, **kwargs):
    start = time.perf_counter()
    result = function(*args, **kwargs)
    return time.perf_counter() - start, result


# %%
# Against plain skorch: the cross-validation of one candidate.
def stacked_scores(X, y, n_epochs, cv):
    return cross_validate(our_net(n_epochs), X, y, cv=cv, stack=True)["test_score"]


def skorch_scores(X, y, n_epochs, cv):
    torch.manual_seed(0)
    search = GridSearchCV(skorch_net(X, y, n_epochs), {"lr": [1e-3]}, cv=cv, refit=False)
    return search.fit(X, y).cv_results_["mean_test_score"]


def check_skorch(X, y, cv):
    separate = cross_validate(our_net(10), X, y, cv=cv, stack=False)["test_score"]
    stacked = stacked_scores(X, y, 10, cv)
    np.testing.assert_allclose(stacked, separate, atol=0.01)
    assert abs(skorch_scores(X, y, 10, cv).mean() - stacked.mean()) < 0.03


def against_skorch(rounds, quick):
    print(f"{'data':12} {'folds':>5} {'skorch s':>9} {'stacked s':>9} {'ratio':>6} {'worst':>6}")
    n_rows = 3_000 if quick else 10_000
    for name, (X, y) in (("digits", digits()), (f"{n_rows} x 50", generated(n_rows))):
        n_epochs = 5 if quick else max(2, 20_000 // len(X))
        for n_folds in (5, 3):
            cv = StratifiedKFold(n_folds)
            check_skorch(X, y, cv)
            plain, ours = [], []
            for _ in range(rounds):
                plain.append(seconds(skorch_scores, X, y, n_epochs, cv)[0])
                ours.append(seconds(stacked_scores, X, y, n_epochs, cv)[0])
            ratios = np.divide(plain, ours)
            print(
                f"{name:12} {n_folds:5} {np.median(plain):9.2f} {np.median(ours):9.2f}"
                f" {np.median(ratios):6.1f} {ratios.min():6.1f}",
                flush=True,
            )


# %%
# Against the per-epoch evaluator of the search, which trains fold by fold, over a grid of sizes.
def search_seconds(net, X, y, evaluator, n_folds, pruner):
    search = OptunaSearchCV(
        net,
        {"lr": [1e-3]},
        n_trials=1,
        cv=n_folds,
        refit=False,
        evaluator=evaluator,
        pruner=pruner,
        random_state=0,
    )
    spent, search = seconds(search.fit, X, y)
    return spent, search


def against_per_epoch(rounds, quick):
    print(
        f"{'rows':>6} {'hidden':>12} {'batch':>5} {'folds':>5} {'ratio':>6} {'worst':>6}  evaluated"
    )
    sizes = [(1797, None), (10_000, 50)]
    hiddens = [(32,), (128, 64), (256, 128), (512, 512)]
    for (n_rows, width), hidden, batch_size in itertools.product(sizes, hiddens, (64, 256, 1024)):
        if quick and (n_rows > 2000 or hidden[0] > 256):
            continue
        X, y = digits() if width is None else generated(n_rows)
        work = sum(hidden) * len(X) / 1e6
        n_epochs = max(2, min(20, int(6 / work)))
        for n_folds in (5,) if hidden != (128, 64) else (3, 5, 10):
            net = our_net(n_epochs, hidden, batch_size)
            ratios = []
            for _ in range(rounds):
                in_turn, one = search_seconds(net, X, y, "per-epoch", n_folds, None)
                stacked, other = search_seconds(net, X, y, "auto", n_folds, None)
                np.testing.assert_allclose(
                    one.cv_results_["mean_test_score"],
                    other.cv_results_["mean_test_score"],
                    atol=0.01,
                )
                ratios.append(in_turn / stacked)
            print(
                f"{len(X):6} {hidden!s:>12} {batch_size:5} {n_folds:5} {np.median(ratios):6.2f}"
                f" {min(ratios):6.2f}  {other.evaluations_[0][:40]}",
                flush=True,
            )


# %%
# Seeds of one configuration, and candidates times folds, in one stack.
def many_networks(rounds, quick):
    X, y = digits()
    print(f"{'networks':>8} {'alone s':>8} {'stacked s':>9} {'ratio':>6} {'worst':>6}")
    for n_networks in (5, 20, 100):
        base = our_net(2 if quick else 5, (16,), 32)
        nets = [
            clone(base).set_params(random_state=seed, lr=(1e-3, 3e-3, 1e-2)[seed % 3])
            for seed in range(n_networks)
        ]
        alone, stacked = [], []
        for _ in range(rounds):
            alone.append(seconds(lambda: [clone(net).fit(X, y) for net in nets])[0])  # noqa: B023
            stacked.append(seconds(fit_stacked, [clone(net) for net in nets], X, y)[0])
        expected = clone(nets[-1]).fit(X, y).predict_proba(X)
        seen = fit_stacked([clone(net) for net in nets], X, y)[-1].predict_proba(X)
        np.testing.assert_allclose(seen, expected, atol=1e-3)
        ratios = np.divide(alone, stacked)
        print(
            f"{n_networks:8} {np.median(alone):8.2f} {np.median(stacked):9.2f}"
            f" {np.median(ratios):6.1f} {ratios.min():6.1f}",
            flush=True,
        )


# %%
# A whole search of 50 trials with pruning, against random search over plain skorch: how long random
# search needs to a candidate as good as the best of ours (all its time, a lower bound, if it never
# has one), and when each of the two first had what random search ends with.
class Hidden(nn.Sequential):
    def __init__(self, n_in, n_classes, width):
        super().__init__(nn.Linear(n_in, width), nn.ReLU(), nn.Linear(width, n_classes))


def whole_searches(rounds, quick):
    X, y = load_digits(return_X_y=True)
    X, y = X.astype(np.float32), y.astype(np.int64)
    n_trials, n_epochs = (6, 3) if quick else (50, 15)
    rates, widths = loguniform(1e-4, 1e-1), [16, 32, 64, 128]
    cv = StratifiedKFold(5)
    names = ("random s", "best", "at s", "to ours", "ours s", "best", "at s")
    print("seed", *(f"{name:>8}" for name in names))
    ratios = []
    for seed in range(1 if quick else 5):
        plain = skorch_net(X, y, n_epochs).set_params(module=Hidden)
        pipe = Pipeline([("scale", SkMinMaxScaler()), ("net", plain)])
        space = {"net__lr": rates, "net__module__width": widths}
        torch.manual_seed(seed)
        random = RandomizedSearchCV(
            pipe, space, n_iter=n_trials, cv=cv, refit=False, random_state=seed
        )
        random_seconds, random = seconds(random.fit, X, y)
        table = random.cv_results_
        spent = np.cumsum(5 * (table["mean_fit_time"] + table["mean_score_time"]))
        random_at = spent[random.best_index_]
        net = our_net(n_epochs).set_params(random_state=None)
        space = {"net__lr": rates, "net__hidden_units": [(width,) for width in widths]}
        moments = []
        ours = OptunaSearchCV(
            Pipeline([("scale", MinMaxScaler()), ("net", net)]),
            space,
            n_trials=n_trials,
            cv=cv,
            pruner="auto",
            refit=False,
            random_state=seed,
            callbacks=[lambda study, trial: moments.append(time.perf_counter())],  # noqa: B023
        )
        started = time.perf_counter()
        ours_seconds, ours = seconds(ours.fit, X, y)
        means = np.where(
            ours.cv_results_["state"] == "complete", ours.cv_results_["mean_test_score"], 0.0
        )
        reached = np.flatnonzero(means >= random.best_score_ - 1e-9)
        # A score that was never reached counts as no gain at all.
        at = moments[reached[0]] - started if len(reached) else np.inf
        as_good = np.flatnonzero(table["mean_test_score"] >= ours.best_score_ - 1e-9)
        to_ours = spent[as_good[0]] if len(as_good) else random_seconds
        ratios.append((random_seconds / ours_seconds, to_ours / ours_seconds, random_at / at))
        print(
            f"{seed:4} {random_seconds:8.1f} {random.best_score_:8.4f} {random_at:8.1f}"
            f" {'' if len(as_good) else '>'}{to_ours:7.1f} {ours_seconds:8.1f}"
            f" {ours.best_score_:8.4f} {at:8.1f}",
            flush=True,
        )
    print(
        "median ratios: whole search {:.1f}, random search to our best and our whole search "
        "{:.1f}, both to random's best {:.1f}".format(*np.median(ratios, axis=0))
    )


PARTS = {
    "skorch": against_skorch,
    "per-epoch": against_per_epoch,
    "many": many_networks,
    "search": whole_searches,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds")
    parser.add_argument("--only", choices=sorted(PARTS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    # The pixels of the digits are divided by their known range, outside of the folds.
    warnings.simplefilter("ignore", LeakageWarning)
    print(f"torch {torch.__version__}, load {os.getloadavg()[0]:.1f} at the start")
    for name, part in PARTS.items():
        if options.only in (None, name):
            part(3 if options.quick else options.rounds, options.quick)


if __name__ == "__main__":
    main()
