"""How lucky the best of 50 random candidates is: whether the best do it again with other seeds.

``bench_search_compute_to_target.py`` asks how soon a search reaches the best score of
``RandomizedSearchCV`` with 50 trials. Here the eight best candidates of that search are trained
again on the same folds, with other seeds of the network. Somebody who knew these eight from the
beginning, and tried one after another, each time with a new seed, would need 1 / share candidates
until one is as good, and would be there 50 times that share sooner. A search can do better only
where there are better candidates than these, or by stopping some early.

    python examples/benchmarks/bench_search_luck.py --data breast_cancer --repeats 24
"""

# %%
import numpy as np
import pandas as pd
from bench_search_compute_to_target import N_RANDOM, SPACE, make_parser, make_task, prepare
from sklearn.base import clone
from sklearn.model_selection import RandomizedSearchCV

from sklearn_trainkit.model_selection import OptunaSearchCV

N_BEST = 8


# %%
def measure_luck(X, y, seed, n_repeats, schedule):
    """Return the share of trainings that reach the target, for each of the best candidates."""
    pipe, cv, rows, _, labels, _ = make_task(X, y, seed, schedule)
    random = RandomizedSearchCV(
        pipe, SPACE, n_iter=N_RANDOM, cv=cv, random_state=seed, refit=False
    ).fit(rows, labels)
    results = pd.DataFrame(random.cv_results_).nlargest(N_BEST, "mean_test_score")
    again = OptunaSearchCV(
        pipe, SPACE, enqueue=results["params"].tolist(), n_trials=N_BEST, cv=cv, refit=False
    )
    reached = np.zeros(N_BEST)
    for repeat in range(n_repeats):
        other = clone(again).set_params(estimator__net__random_state=1000 + repeat)
        reached += other.fit(rows, labels).cv_results_["mean_test_score"] >= random.best_score_
    return reached / n_repeats


# %%
def main():
    parser = make_parser(__doc__)
    parser.add_argument("--repeats", type=int, default=24, help="seeds of the network")
    options = parser.parse_args()
    X, y = prepare(options)
    means = []
    for seed in range(options.seeds):
        shares = measure_luck(X, y, seed, options.repeats, options.schedule)
        means.append(shares.mean())
        print(
            f"seed {seed}: winner again {shares[0]:.2f}, all eight {shares.mean():.3f}, "
            f"so {N_RANDOM * shares.mean():.1f} times sooner; the best of them {shares.max():.2f}",
            flush=True,
        )
    print(f"median: {N_RANDOM * np.median(means):.1f} times sooner")


if __name__ == "__main__":
    main()
