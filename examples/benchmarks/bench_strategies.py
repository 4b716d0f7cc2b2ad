"""Eight ways to search on six data sets, with the same compute: which wins, and by how much?

Manual trials ("babysitting"), grid, random, successive halving, and Optuna with TPE, GP, CMA-ES,
and TPE with pruning tune one Pipeline of a scaler and a small network. Each may train the same
number of epochs; what it finds is scored on rows that it has not seen. Four data sets come from a
folder of CSV files with a column ``target``, two are scikit-learn's. The results file lets an
interrupted run go on; the report is one HTML file.

    python examples/benchmarks/bench_strategies.py --folder DATA --output strategies
"""

# %%
import argparse
import os
import warnings
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import torch
from scipy.stats import loguniform, uniform
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline

from sklearn_trainkit.comparison import compare_searches, rank_strategies, summarize_strategies
from sklearn_trainkit.inspection import write_report
from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.neural_network import MLPNetClassifier
from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler

N_EPOCHS, N_FOLDS, N_TRIALS = 9, 3, 24
BUDGET = N_EPOCHS * N_FOLDS * N_TRIALS
FOLDER_SETS = ("satimage", "spambase", "cells", "magic")

# %%
# The space holds good and bad values alike, as a first user writes it. What a grid or a person
# does not touch stays at the values of this Pipeline.

PIPELINE = Pipeline(
    [
        ("scaler", StandardScaler()),
        ("net", MLPNetClassifier((32,), max_epochs=N_EPOCHS, batch_size=64)),
    ]
)
SPACE = {
    "scaler": [StandardScaler(), MinMaxScaler(), "passthrough"],
    "net__hidden_units": [(16,), (32,), (64,), (32, 32), (64, 32)],
    "net__norm": [None, "batch", "layer"],
    "net__optimizer": ["adam", "sgd"],
    "net__lr": loguniform(1e-5, 1.0),
    "net__dropout": uniform(0.0, 0.5),
    "net__weight_decay": loguniform(1e-6, 1e-1),
}
GRID = {
    "scaler": [StandardScaler(), MinMaxScaler()],
    "net__hidden_units": [(32,), (64,), (64, 32)],
    "net__lr": [1e-3, 3e-3, 1e-2, 1e-1],
}

# %%
# What a person tries who knows the usual advice: raw input first, then a scaler, then the learning
# rate up and down, then a larger network with some dropout and a normalization.

FIRST = {
    "scaler": "passthrough", "net__hidden_units": (32,), "net__norm": None,
    "net__optimizer": "adam", "net__lr": 1e-3, "net__dropout": 0.0, "net__weight_decay": 1e-6,
}  # fmt: skip
MANUAL = [
    FIRST,
    {**FIRST, "scaler": MinMaxScaler()},
    {**FIRST, "scaler": StandardScaler()},
    {**FIRST, "scaler": StandardScaler(), "net__lr": 1e-2},
    {**FIRST, "scaler": StandardScaler(), "net__lr": 1e-4},
    {**FIRST, "scaler": StandardScaler(), "net__lr": 1e-2, "net__hidden_units": (64, 32)},
    {**FIRST, "scaler": StandardScaler(), "net__lr": 1e-2, "net__hidden_units": (64, 32),
     "net__dropout": 0.2},
    {**FIRST, "scaler": StandardScaler(), "net__lr": 1e-2, "net__hidden_units": (64, 32),
     "net__norm": "batch"},
]  # fmt: skip


def make_searchers():
    def optuna(**options):
        return OptunaSearchCV(PIPELINE, SPACE, **{"n_trials": N_TRIALS, **options})

    # 66, 22 and 8 candidates with 1, 3 and 9 epochs cost about as much as 24 with 9.
    halving = HalvingRandomSearchCV(
        PIPELINE, SPACE, n_candidates=66, factor=3, resource="net__max_epochs", min_resources=1,
        max_resources=N_EPOCHS,
    )  # fmt: skip
    return {
        "random": RandomizedSearchCV(PIPELINE, SPACE, n_iter=N_TRIALS),
        "manual, 8 trials": optuna(enqueue=MANUAL, n_trials=len(MANUAL)),
        "grid": GridSearchCV(PIPELINE, GRID),
        "halving": halving,
        "TPE": optuna(),
        "TPE, pruning": optuna(n_trials=4 * N_TRIALS, pruner="successive_halving"),
        "GP": optuna(sampler="gp"),
        "CMA-ES": optuna(sampler="cmaes"),
    }


# %%


def load_datasets(folder, n_rows):
    datasets = {
        "digits": load_digits(return_X_y=True),
        "breast_cancer": load_breast_cancer(return_X_y=True),
    }
    if folder is not None:
        for name in FOLDER_SETS:
            frame = pd.read_csv(folder / f"{name}.csv.gz")
            y = frame.pop("target").astype("category").cat.codes.to_numpy()
            datasets[name] = frame.to_numpy(np.float64), y
    return {name: take_some(*data, n_rows) for name, data in datasets.items()}


def take_some(X, y, n_rows):
    rows = np.random.default_rng(0).permutation(len(y))[:n_rows]
    return X[rows].astype(np.float32), y[rows]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="holds satimage.csv.gz and the others")
    parser.add_argument("--rows", type=int, default=1500, help="at most, of each data set")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("bench_strategies"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module="sklearn")
    warnings.filterwarnings("ignore", category=UserWarning)
    options.output.mkdir(parents=True, exist_ok=True)
    table = compare_searches(
        make_searchers(),
        datasets=load_datasets(options.folder, options.rows),
        cv=N_FOLDS,
        test_size=0.4,
        seeds=range(options.seeds),
        budget={"epochs": BUDGET},
        results_file=options.output / "results.csv.gz",
        verbose=1,
    )
    write_report(
        table,
        options.output / "report.html",
        baseline="random",
        params=["net__lr", "scaler"],
        method=(
            f"Each strategy may train {BUDGET} epochs, counted over all folds and trials, as much "
            f"as {N_TRIALS} trials of {N_EPOCHS} epochs on {N_FOLDS} folds; the manual list is "
            f"shorter. At most {options.rows} rows of each data set; 40 % are held out."
        ),
    )
    columns = ["dataset", "strategy", "test_score", "difference", "p_holm", "mean_rank"]
    columns += ["winners_curse", "trials", "epochs", "seconds", "area_epochs", "note"]
    summary = summarize_strategies(table, baseline="random")
    with pd.option_context("display.width", 200, "display.max_columns", 20):
        print(summary[columns].to_string(index=False, float_format="{:.4f}".format))
        print(rank_strategies(table, baseline="random").to_string(index=False))


if __name__ == "__main__":
    main()
