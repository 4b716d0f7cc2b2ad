"""Which settings of a dense network do well on many data sets: how its portfolio was chosen.

Random settings are tried on all tables (3 folds, few epochs), then settings like the best of them,
and ``choose_portfolio`` picks those with the least mean regret that differ from one another. It
prints the rows of ``neural_network/dense/_mlp_portfolio.py``.

    python examples/benchmarks/build_portfolio.py data/*.csv --jobs 2
    python examples/benchmarks/build_portfolio.py data/*.csv --jobs 2 --regression

Tables are CSV files; columns that are no numbers are coded one-hot, rows with gaps are left out.
"""

# %%
import argparse
import os
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna
import pandas as pd
import torch
from joblib import Parallel, delayed
from sklearn.compose import make_column_transformer
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import KFold, ParameterSampler, StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from sklearn_trainkit.model_selection import OptunaSearchCV, choose_portfolio
from sklearn_trainkit.neural_network import MLPNetClassifier, MLPNetRegressor
from sklearn_trainkit.preprocessing import StandardScaler

OPTIMIZERS = ["adam", "adamw", "rmsprop", "sgd"]
# Round values: nobody could tell 0.0098 from 0.01.
SPACE = {
    "hidden_units": [(32,), (64,), (128,), (256,), (32, 32), (64, 64), (128, 64), (256, 128)],
    "activation": ["relu", "tanh", "gelu"],
    "norm": [None, "batch", "layer"],
    "dropout": [0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4],
    "clip_norm": [None, 1.0],
    "optimizer": OPTIMIZERS,
    "lr": [float(f"{digit}e{power}") for power in range(-4, 0) for digit in (1, 2, 3, 5)] + [1.0],
    "weight_decay": [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 0.3],
    "batch_size": [16, 32, 64, 128],
}
ORDERED = ("lr", "weight_decay", "dropout", "batch_size")
SEED = 7


# %%
# Trying the same candidates on one table
def load(csv, target, n_rows, regression):
    table = pd.read_csv(csv).dropna()
    y = table.pop(target or table.columns[-1])
    X = pd.get_dummies(table).to_numpy("float32")
    y = y.to_numpy("float32") if regression else pd.factorize(y)[0]
    if len(X) > n_rows:
        classes = None if regression else y
        X, _, y, _ = train_test_split(X, y, train_size=n_rows, stratify=classes, random_state=SEED)
    return X, y


def try_all(csv, candidates, options):
    """Return ``cv_results_`` of the candidates on one table."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    X, y = load(csv, options.target, options.rows, options.regression)
    make_net = MLPNetRegressor if options.regression else MLPNetClassifier
    net = make_net(max_epochs=options.epochs, random_state=SEED)
    folds = (KFold if options.regression else StratifiedKFold)(3, shuffle=True, random_state=SEED)
    search = OptunaSearchCV(
        Pipeline([("scale", StandardScaler()), ("net", net)]),
        {f"net__{name}": values for name, values in SPACE.items()},
        enqueue=[{f"net__{name}": value for name, value in each.items()} for each in candidates],
        n_trials=len(candidates),
        cv=folds,
        refit=False,
        random_state=SEED,
    )
    scores = search.fit(X, y).cv_results_["mean_test_score"]
    print(f"{csv}: best {np.nanmax(scores):.4f}, median {np.nanmedian(scores):.4f}", flush=True)
    return {"params": candidates, "mean_test_score": scores}


def try_everywhere(candidates, options):
    return Parallel(n_jobs=options.jobs)(
        delayed(try_all)(csv, candidates, options) for csv in options.tables
    )


# %%
# Candidates like the best: mutations that a forest thinks well of, for each optimizer
def vary(candidate, rng):
    """Return the candidate with some settings changed: numbers a little, choices drawn anew."""
    changed = dict(candidate)
    for name in sorted(SPACE):
        if name == "optimizer" or rng.rand() >= 0.3:
            continue
        values = SPACE[name]
        if name in ORDERED:
            place = values.index(changed[name]) + rng.choice([-2, -1, 1, 2])
            changed[name] = values[int(np.clip(place, 0, len(values) - 1))]
        else:
            changed[name] = values[rng.randint(len(values))]
    return changed


def describe(candidates):
    """Return a table of candidates that a forest can learn from."""
    table = pd.DataFrame(candidates)
    table["depth"] = table["hidden_units"].map(len)
    table["units"] = table.pop("hidden_units").map(sum)
    return table


def refine(results, n_each, seed=1):
    """Return ``n_each`` new candidates for every optimizer."""
    tried = results[0]["params"]
    ranked = choose_portfolio(results, len(tried))
    places = {repr(candidate): place for place, candidate in enumerate(ranked)}
    named = ["activation", "norm", "optimizer", "clip_norm"]
    forest = make_pipeline(
        make_column_transformer((OneHotEncoder(), named), remainder=FunctionTransformer(np.log1p)),
        ExtraTreesRegressor(200, min_samples_leaf=2, random_state=0),
    ).fit(describe(tried), [places[repr(candidate)] for candidate in tried])
    rng = np.random.RandomState(seed)
    chosen = []
    for optimizer in OPTIMIZERS:
        best = [each for each in ranked if each["optimizer"] == optimizer][:10]
        pool = {
            repr(new): new for new in (vary(best[rng.randint(len(best))], rng) for _ in range(3000))
        }
        fresh = [new for key, new in pool.items() if key not in places]
        expected = forest.predict(describe(fresh))
        chosen += [fresh[index] for index in np.argsort(expected)[:n_each]]
    return chosen


# %%
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="+", help="CSV files")
    parser.add_argument("--target", help="target column; the last one by default")
    parser.add_argument("--regression", action="store_true", help="targets are numbers")
    parser.add_argument("--rows", type=int, default=1500, help="at most this many of each table")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--draws", type=int, default=160, help="random candidates")
    parser.add_argument("--refined", type=int, default=25, help="further ones for each optimizer")
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()

    drawn = list(ParameterSampler(SPACE, options.draws, random_state=20261125))
    first = try_everywhere(drawn, options)
    refined = refine(first, options.refined)
    second = try_everywhere(refined, options)
    both = [
        {
            "params": drawn + refined,
            "mean_test_score": np.concatenate([one["mean_test_score"], two["mean_test_score"]]),
        }
        for one, two in zip(first, second, strict=True)
    ]
    # Searches whose optimizer is fixed use the candidates with it alone, so each has some.
    ranked = choose_portfolio(both, len(both[0]["params"]), min_differences=4)
    portfolio = ranked[: options.size]
    for optimizer in OPTIMIZERS:
        missing = 4 - sum(each["optimizer"] == optimizer for each in portfolio)
        others = [each for each in ranked if each["optimizer"] == optimizer]
        portfolio += [each for each in others if each not in portfolio][: max(missing, 0)]
    for each in portfolio:
        print(f"    {tuple(each[name] for name in SPACE)},")


if __name__ == "__main__":
    main()
