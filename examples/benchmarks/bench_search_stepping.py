"""Training folds epoch by epoch in step, against training each fold in one go.

The same candidates over Pipeline(scaler, MLPNetClassifier) on digits, whole fits and per epoch,
alternately in one process on one thread: equal scores first, then the ratio of the times.

    python examples/benchmarks/bench_search_stepping.py --rounds 5
"""

# %%
import argparse
import os
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.pipeline import Pipeline

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.neural_network import MLPNetClassifier
from sklearn_trainkit.preprocessing import StandardScaler

X, y = load_digits(return_X_y=True)


def run(evaluator, width, batch_size):
    net = MLPNetClassifier((width,), batch_size=batch_size, max_epochs=12, random_state=0)
    pipe = Pipeline([("scale", StandardScaler()), ("net", net)])
    search = OptunaSearchCV(
        pipe,
        {"net__lr": [0.001, 0.01]},
        sampler="grid",
        n_trials=None,
        cv=3,
        evaluator=evaluator,
        refit=False,
        error_score="raise",
    )
    started = time.process_time()
    search.fit(X, y)
    return time.process_time() - started, search.cv_results_["mean_test_score"]


# %%
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print("width  batch  whole fits (CPU s)  per epoch (CPU s)  ratio")
    for width, batch_size in [(32, 32), (64, 64), (128, 128)]:
        seconds = {"whole-fit": [], "per-epoch": []}
        for _ in range(rounds):
            scores = {}
            for evaluator, measured in seconds.items():
                spent, scores[evaluator] = run(evaluator, width, batch_size)
                measured.append(spent)
            np.testing.assert_array_equal(scores["whole-fit"], scores["per-epoch"])
        whole, stepped = (np.median(seconds[name]) for name in ("whole-fit", "per-epoch"))
        ratio = np.median(np.divide(seconds["per-epoch"], seconds["whole-fit"]))
        print(f"{width:5}  {batch_size:5}  {whole:18.2f}  {stepped:17.2f}  {ratio:5.3f}")


if __name__ == "__main__":
    main()
