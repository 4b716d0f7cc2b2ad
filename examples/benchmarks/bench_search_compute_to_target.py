"""How much training each search needs to reach what 50 random candidates reach.

For each data set and seed, ``RandomizedSearchCV`` with 50 trials sets the target: its best mean
score over three folds. The other searches see the same folds and stop at the first complete
candidate that is as good. Counted are fold-epochs (one epoch of one fold) and CPU seconds; winners
are also scored on fresh folds and on rows held out from all of it.

    python examples/benchmarks/bench_search_compute_to_target.py --data digits --seeds 5
"""

# %%
import argparse
import os
import time
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna
import optuna_integration
import pandas as pd
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.pruners import SuccessiveHalvingPruner
from scipy.stats import loguniform, uniform
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.model_selection import (
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_score,
    train_test_split,
)
from sklearn.pipeline import Pipeline

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.neural_network import MLPNetClassifier
from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler

N_EPOCHS, N_SPLITS, N_RANDOM = 12, 3, 50
# Most candidates of a race end after one epoch of one fold; so many cost what random search costs.
N_RACING = 460
WIDTHS = [(16,), (32,), (64,), (32, 32), (64, 64), (64, 32, 16)]
SPACE = {
    "scale": [StandardScaler(), MinMaxScaler()],
    "net__hidden_units": WIDTHS,
    "net__activation": ["relu", "tanh", "gelu"],
    "net__norm": [None, "batch", "layer"],
    "net__dropout": uniform(0.0, 0.5),
    "net__lr": loguniform(1e-5, 1e0),
    "net__optimizer": ["adam", "rmsprop", "sgd"],
    "net__batch_size": [16, 32, 64, 128],
    "net__weight_decay": loguniform(1e-7, 1e-1),
    "net__clip_norm": [None, 1.0],
}
# Untuned dimensions stay at the net's own defaults.
GRID = {
    "scale": SPACE["scale"],
    "net__hidden_units": WIDTHS[:4],
    "net__lr": [1e-3, 1e-2, 1e-1],
    "net__optimizer": ["adam", "sgd"],
}


# The same for optuna's own search, which wants its own distributions and no objects in them.
LABELS = {name: {str(v): v for v in SPACE[name]} for name in ("scale", "net__hidden_units")}
OPTUNA_SPACE = {
    **{
        name: CategoricalDistribution(list(LABELS.get(name, values)))
        for name, values in SPACE.items()
        if isinstance(values, list)
    },
    "net__dropout": FloatDistribution(0.0, 0.5),
    "net__lr": FloatDistribution(1e-5, 1e0, log=True),
    "net__weight_decay": FloatDistribution(1e-7, 1e-1, log=True),
}
OPTUNA = "optuna-integration, TPE"


class LabelledPipeline(Pipeline):
    """A Pipeline that takes the labels of choices."""

    def set_params(self, **params):
        return super().set_params(
            **{
                name: LABELS[name][value] if isinstance(value, str) and name in LABELS else value
                for name, value in params.items()
            }
        )


def load(name, csv=None, target=None):
    if csv is not None:
        table = pd.read_csv(csv).dropna()
        y = table.pop(target or table.columns[-1])
        return table.select_dtypes("number").to_numpy(), pd.factorize(y)[0]
    if name == "synthetic":
        return make_classification(
            5000, 20, n_informative=8, n_classes=4, n_clusters_per_class=2, random_state=0
        )
    return {"digits": load_digits, "breast_cancer": load_breast_cancer}[name](return_X_y=True)


# %%
# The searches, all with the folds of ``cv``
def ours(pipe, cv, seed, target, n_trials=100, space=SPACE, **settings):
    return OptunaSearchCV(
        pipe,
        space,
        n_trials=n_trials,
        target_score=target,
        cv=cv,
        random_state=seed,
        **settings,
    )


def optunas(pipe, cv, seed, target):
    def stop(study, trial):
        if trial.value is not None and trial.value >= target:
            study.stop()

    return optuna_integration.OptunaSearchCV(
        LabelledPipeline(pipe.steps),
        OPTUNA_SPACE,
        n_trials=N_RANDOM,
        cv=cv,
        random_state=seed,
        callbacks=[stop],
    )


STRATEGIES = {
    "coarse grid, 48 points": {"sampler": "grid", "space": GRID, "n_trials": None},
    OPTUNA: {},
    "random, successive halving": {"sampler": "random", "pruner": "successive_halving"},
    "TPE": {"sampler": "tpe"},
    "TPE, median": {"sampler": "tpe", "pruner": "median"},
    "TPE, successive halving": {"sampler": "tpe", "pruner": "successive_halving"},
    "TPE, successive halving by 3": {
        "sampler": "tpe",
        "pruner": SuccessiveHalvingPruner(min_resource=1, reduction_factor=3),
    },
    "TPE, pause and resume": {"sampler": "tpe", "pruner": "pause_and_resume"},
    "TPE, portfolio first": {"sampler": "tpe", "enqueue": "portfolio"},
    "TPE, own first, pause and resume": {
        "sampler": "tpe",
        "pruner": "pause_and_resume",
        "enqueue": "estimator",
    },
    "random, racing": {"sampler": "random", "pruner": "racing", "n_trials": N_RACING},
    "TPE, racing": {"sampler": "tpe", "pruner": "racing", "n_trials": N_RACING},
    "forest, successive halving": {"sampler": "forest", "pruner": "successive_halving"},
    "forest, racing": {"sampler": "forest", "pruner": "racing", "n_trials": N_RACING},
}


def measure(search, X, y, X_held, y_held, fresh):
    started = time.process_time()
    search.fit(X, y)
    seconds = time.process_time() - started - search.refit_time_
    results = getattr(search, "cv_results_", {})
    n_trials = search.n_trials_ if hasattr(search, "n_trials_") else len(results["params"])
    # Without pruning all folds train to the end; a race trains some of them several times.
    fold_epochs = results.get("n_fold_epochs", np.full(n_trials, N_EPOCHS * N_SPLITS))
    best = clone(search.best_estimator_)
    return {
        "trials": n_trials,
        "fold_epochs": int(np.sum(fold_epochs)),
        "seconds": seconds,
        "cv": search.best_score_,
        "fresh_cv": cross_val_score(best, X, y, cv=fresh).mean(),
        "held_out": search.score(X_held, y_held),
    }


def make_task(X, y, seed, schedule):
    """Return what is tuned, the folds, and rows and labels to tune on and to judge by."""
    rows, held, labels, held_labels = train_test_split(X, y, stratify=y, random_state=seed)
    cv = StratifiedKFold(N_SPLITS, shuffle=True, random_state=seed)
    net = MLPNetClassifier((32,), max_epochs=N_EPOCHS, lr_schedule=schedule, random_state=seed)
    pipe = Pipeline([("scale", StandardScaler()), ("net", net)])
    return pipe, cv, rows, held, labels, held_labels


def run_seed(X, y, seed, names, schedule):
    pipe, cv, rows, held, labels, held_labels = make_task(X, y, seed, schedule)
    fresh = StratifiedKFold(N_SPLITS, shuffle=True, random_state=seed + 1000)
    random = RandomizedSearchCV(pipe, SPACE, n_iter=N_RANDOM, cv=cv, random_state=seed)
    reference = measure(random, rows, labels, held, held_labels, fresh)
    target = reference["cv"]
    table = [{"search": "RandomizedSearchCV, 50", "seed": seed, "reached": True, **reference}]
    for name in names:
        make = optunas if name == OPTUNA else ours
        search = make(pipe, cv, seed, target, **STRATEGIES[name])
        found = measure(search, rows, labels, held, held_labels, fresh)
        table.append({"search": name, "seed": seed, "reached": found["cv"] >= target, **found})
        print(table[-1], flush=True)
    return table


def summarize(table):
    """Median over seeds of how many times less each search needed; a miss counts as no gain."""
    frame = pd.DataFrame(table)
    reference = frame[frame.search == "RandomizedSearchCV, 50"].set_index("seed")
    rows = []
    for name, part in frame.groupby("search", sort=False):
        part = part.set_index("seed")
        rows.append(
            {
                "search": name,
                "reached": f"{part.reached.sum()} of {len(part)}",
                "fewer epochs": (reference.fold_epochs / part.fold_epochs).median(),
                "fewer seconds": (reference.seconds / part.seconds).median(),
                "cv": part.cv.mean(),
                "fresh cv": part.fresh_cv.mean(),
                "held out": part.held_out.mean(),
            }
        )
    return pd.DataFrame(rows).set_index("search")


# %%
def make_parser(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", default="digits", help="digits, breast_cancer or synthetic")
    parser.add_argument("--csv", help="a table whose numeric columns are the features")
    parser.add_argument("--target", help="its target column; the last one by default")
    parser.add_argument("--rows", type=int, default=4000, help="at most this many rows")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--schedule", default="one_cycle", help="of the networks' learning rate")
    return parser


def prepare(options):
    """Return the rows and labels that the command line asks for; one thread, no warnings."""
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    torch.set_num_threads(1)
    X, y = load(options.data, options.csv, options.target)
    if len(X) > options.rows:
        X, _, y, _ = train_test_split(X, y, train_size=options.rows, stratify=y, random_state=0)
    return X, y


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--only", nargs="+", choices=list(STRATEGIES), help="searches to run")
    parser.add_argument("--out", help="CSV file for the runs")
    options = parser.parse_args()
    X, y = prepare(options)
    table = []
    for seed in range(options.seeds):
        table += run_seed(X, y, seed, options.only or list(STRATEGIES), options.schedule)
    if options.out:
        pd.DataFrame(table).to_csv(options.out, index=False)
    print(f"\n{options.csv or options.data}: {X.shape[0]} rows, {X.shape[1]} columns")
    print(summarize(table).round(3).to_string())


if __name__ == "__main__":
    main()
