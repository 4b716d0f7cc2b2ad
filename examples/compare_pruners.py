"""
What does stopping early save, and what does it cost?
=====================================================

A pruner stops trials that look hopeless after a few epochs. We give the same random candidates to
six searches that differ in their pruner only, count the epochs that each trains, and see whether
the best candidate survived.

    python examples/compare_pruners.py
"""

# %%
# The same candidates for all
# ---------------------------
# Random proposals do not depend on earlier scores, so with one seed every search sees the same 40
# candidates, and pruning can only lose, never gain: what is measured is the loss and the saving.

import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import loguniform, uniform
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import Pipeline

from sklearn_trainkit.inspection import TrainingCurvesDisplay
from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.neural_network import MLPNetClassifier
from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler

PRUNERS = {
    "none": None,
    "median": "median",
    "successive halving": "successive_halving",
    "Hyperband": "hyperband",
    "pause and resume": "pause_and_resume",
    "racing": "racing",
}
N_TRIALS, N_EPOCHS = 40, 12

net = MLPNetClassifier((32,), max_epochs=N_EPOCHS, batch_size=32)
pipeline = Pipeline([("scaler", StandardScaler()), ("net", net)])
space = {
    "scaler": [StandardScaler(), MinMaxScaler(), "passthrough"],
    "net__lr": loguniform(1e-5, 1e0),
    "net__dropout": uniform(0.0, 0.6),
    "net__hidden_units": [(16,), (32,), (64,), (32, 32)],
}
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, y, train_size=450, random_state=0, stratify=y
)

# %%
# Six searches
# ------------

searches, rows = {}, []
for name, pruner in PRUNERS.items():
    search = OptunaSearchCV(
        pipeline, space, n_trials=N_TRIALS, sampler="random", pruner=pruner,
        evaluator="per-epoch", cv=StratifiedKFold(3, shuffle=True, random_state=0), random_state=0,
    )  # fmt: skip
    began = time.perf_counter()
    searches[name] = search.fit(X_train, y_train)
    seconds = time.perf_counter() - began
    n_epochs = search.cv_results_.get("n_fold_epochs", np.full(N_TRIALS, 3 * N_EPOCHS))
    states = search.cv_results_.get("state", np.full(N_TRIALS, "complete"))
    rows.append(
        {
            "pruner": name,
            "epochs": int(np.sum(n_epochs)),
            "pruned": int(np.sum(states == "pruned")),
            "seconds": seconds,
            "best inner score": search.best_score_,
            "held-out score": search.score(X_test, y_test),
        }
    )
results = pd.DataFrame(rows)
results.insert(2, "share", results["epochs"] / results["epochs"].iloc[0])
print(results.round(3).to_string(index=False))

# %%
# The picture: whose curves were cut where
# ----------------------------------------

figure, axes = plt.subplots(2, 3, figsize=(14, 7), sharex=True, sharey=True, layout="constrained")
axes.flat[-1].remove()
for ax, name in zip(axes.flat, list(PRUNERS)[1:], strict=False):
    TrainingCurvesDisplay.from_estimator(searches[name], ax=ax)
    share = results.set_index("pruner")["share"][name]
    ax.set_title(f"{name}: {share:.0%} of the epochs", loc="left", fontsize="medium")
plt.show()

# %%
# What we learned
# ---------------
# One seed, 40 random candidates of up to 12 epochs on three folds:
#
# - All five kept the winner: the median with 47 % of the epochs, Hyperband with 48 %, successive
#   halving with 35 %, pause and resume with 24 %, racing with 12 %. Seconds followed the epochs.
# - A race begins on one fold; in the figure its candidates are dots after one epoch, and few curves
#   go on. Its saving is in the candidates that one epoch on one fold told to be poor: here most.
# - A single seed says nothing about which is best in general: where good candidates differ by less
#   than the noise of a fold, racing picks among them by chance (docs/search.md has four data sets).
#   With a sampler that learns, savings are smaller, because its proposals are good already.
