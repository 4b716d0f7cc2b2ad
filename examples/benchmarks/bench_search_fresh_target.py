"""How much training each search needs for a network as good as random search's, on fresh folds.

The target of ``bench_search_compute_to_target.py`` is the score of the best of 50 candidates on
the folds that chose it, and that is partly luck. Here each search goes on to the end of its 50
trials; whenever a candidate becomes the best so far on the search's own folds, it is scored on
three fresh splits into three folds. The search has arrived with the first that is as good there as
the winner of ``RandomizedSearchCV``. That search is measured in the same way, since it has its
winner before its end. What the judging costs is not counted.

    python examples/benchmarks/bench_search_fresh_target.py --data breast_cancer
"""

# %%
import numpy as np
import pandas as pd
from bench_search_compute_to_target import (
    N_EPOCHS,
    N_RANDOM,
    N_SPLITS,
    SPACE,
    STRATEGIES,
    make_parser,
    make_task,
    ours,
    prepare,
)
from sklearn.base import clone
from sklearn.model_selection import (
    RandomizedSearchCV,
    RepeatedStratifiedKFold,
    cross_val_score,
)

NAMES = ["TPE, portfolio first", "TPE", "TPE, successive halving"]


# %%
def list_incumbents(results):
    """Return the parameters of each best candidate so far, and the fold-epochs until then."""
    scores = np.asarray(results["mean_test_score"])
    complete = np.asarray(results.get("state", "complete")) == "complete"
    spent = np.cumsum(results.get("n_fold_epochs", np.full(len(scores), N_EPOCHS * N_SPLITS)))
    scores = np.where(complete & np.isfinite(scores), scores, -np.inf)
    before = np.concatenate([[-np.inf], np.maximum.accumulate(scores)[:-1]])
    return [(results["params"][row], int(spent[row])) for row in np.flatnonzero(scores > before)]


def run_seed(X, y, seed, schedule):
    pipe, cv, rows, _, labels, _ = make_task(X, y, seed, schedule)
    fresh = RepeatedStratifiedKFold(n_splits=N_SPLITS, n_repeats=3, random_state=seed + 1000)

    def judge(params):
        return cross_val_score(clone(pipe).set_params(**clone_all(params)), rows, labels, cv=fresh)

    random = RandomizedSearchCV(pipe, SPACE, n_iter=N_RANDOM, cv=cv, random_state=seed, refit=False)
    searches = {"RandomizedSearchCV": random}
    for name in NAMES:
        settings = {**STRATEGIES[name], "n_trials": N_RANDOM, "refit": False}
        searches[name] = ours(pipe, cv, seed, None, **settings)
    goal = None
    table = []
    for name, search in searches.items():
        incumbents = list_incumbents(search.fit(rows, labels).cv_results_)
        judged = [judge(params).mean() for params, _ in incumbents]
        goal = judged[-1] if goal is None else goal
        spent = [
            epochs for (_, epochs), score in zip(incumbents, judged, strict=True) if score >= goal
        ]
        table.append({
            "search": name,
            "seed": seed,
            "times sooner": N_RANDOM * N_EPOCHS * N_SPLITS / spent[0] if spent else np.nan,
            "own folds": search.best_score_,
            "fresh folds": judged[-1],
        })  # fmt: skip
        print(table[-1], flush=True)
    return table


def clone_all(params):
    return {name: clone(value, safe=False) for name, value in params.items()}


# %%
def main():
    options = make_parser(__doc__).parse_args()
    X, y = prepare(options)
    table = []
    for seed in range(options.seeds):
        table += run_seed(X, y, seed, options.schedule)
    # A search that never arrives has gained nothing.
    frame = pd.DataFrame(table).assign(arrived=lambda each: each["times sooner"].notna())
    summary = (
        frame.fillna({"times sooner": 1.0})
        .groupby("search", sort=False)
        .agg(
            {"arrived": "sum", "times sooner": "median", "own folds": "mean", "fresh folds": "mean"}
        )
    )
    print(f"\n{options.csv or options.data}: {X.shape[0]} rows, {X.shape[1]} columns")
    print(summary.round(3).to_string())


if __name__ == "__main__":
    main()
