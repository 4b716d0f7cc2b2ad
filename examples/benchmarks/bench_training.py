"""Epoch time of MLPNetClassifier against a hand-written loop, plain skorch and scikit-learn.

One process, one torch thread, float32, results checked equal first: the same seed gives the same
loss curve as the hand-written loop. Each figure is the median over paired rounds of the ratio to
the hand-written PyTorch loop with fused Adam and batches gathered by index.

With ``--engine compiled`` the networks train in compiled code, which is compiled first if need be,
and small networks are measured as well.

    python examples/benchmarks/bench_training.py [--rounds 7] [--quick] [--engine compiled]
"""

# %%
import argparse
import itertools
import time
import warnings

import numpy as np
import torch
from sklearn.datasets import load_digits, make_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from skorch import NeuralNetClassifier
from torch import nn
from torch.nn import functional

from sklearn_trainkit.callbacks import EpochScoring, GradientFlow
from sklearn_trainkit.neural_network import MLPNetClassifier, compile_engines
from sklearn_trainkit.utils._random_streams import stream_seeds

# Of the case at hand.
case = {"hidden": (128, 64), "activation": "relu", "engine": "auto"}
LAYERS = {"relu": nn.ReLU, "gelu": nn.GELU}


def data_sets(quick):
    X, y = load_digits(return_X_y=True)
    yield "digits", (X / 16).astype(np.float32), y
    n_rows = 5_000 if quick else 20_000
    X, y = make_classification(n_rows, 50, n_informative=20, n_classes=5, random_state=0)
    yield f"{n_rows} x 50", X.astype(np.float32), y


# %%
# The peers, each a function that trains ``n_epochs`` epochs.
def ours(X, y, batch_size, n_epochs, **params):
    net = MLPNetClassifier(
        case["hidden"],
        activation=case["activation"],
        engine=case["engine"],
        label_smoothing=0.0,
        optimizer="adam",
        lr=1e-3,
        lr_schedule="constant",
        batch_size=batch_size,
        max_epochs=n_epochs,
        random_state=0,
        **params,
    )
    return net.fit(X, y)


def hand_written(X, y, batch_size, n_epochs):
    seeds = stream_seeds(0)
    torch.manual_seed(seeds.weights)
    widths = [X.shape[1], *case["hidden"]]
    layers = [
        layer
        for n_in, n_out in itertools.pairwise(widths)
        for layer in (nn.Linear(n_in, n_out), LAYERS[case["activation"]]())
    ]
    module = nn.Sequential(*layers, nn.Linear(case["hidden"][-1], len(np.unique(y))))
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=True)
    order = torch.Generator().manual_seed(seeds.order)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    losses = []
    module.train()
    for _ in range(n_epochs):
        total = 0.0
        for index in torch.randperm(len(X), generator=order).split(batch_size):
            optimizer.zero_grad()
            loss = functional.cross_entropy(module(X[index]), y[index])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        losses.append(total / len(X))
    return losses


class Dense(nn.Sequential):
    def __init__(self, n_in, n_classes):
        widths = [n_in, *case["hidden"]]
        hidden = [
            layer
            for pair in itertools.pairwise(widths)
            for layer in (nn.Linear(*pair), LAYERS[case["activation"]]())
        ]
        super().__init__(*hidden, nn.Linear(case["hidden"][-1], n_classes))


def plain_skorch(X, y, batch_size, n_epochs):
    net = NeuralNetClassifier(
        Dense,
        module__n_in=X.shape[1],
        module__n_classes=len(np.unique(y)),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=1e-3,
        batch_size=batch_size,
        max_epochs=n_epochs,
        train_split=None,
        iterator_train__shuffle=True,
        verbose=0,
    )
    return net.fit(X, y.astype(np.int64))


def scikit_learn(X, y, batch_size, n_epochs):
    mlp = MLPClassifier(
        case["hidden"], batch_size=batch_size, max_iter=n_epochs, n_iter_no_change=10**6, alpha=0.0
    )
    return mlp.fit(X, y)


def watched(X, y, batch_size, n_epochs):
    """Ours with history, a score an epoch and gradient diagnostics on."""
    scoring = EpochScoring("accuracy", lower_is_better=False, on_train=True)
    return ours(X, y, batch_size, n_epochs, callbacks=[scoring, GradientFlow()])


PEERS = {
    "ours": ours,
    "ours + callbacks": watched,
    "plain skorch": plain_skorch,
    "scikit-learn MLP": scikit_learn,
}


# %%
# Equality first, then paired rounds.
def seconds(function, *args):
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def check_equal(X, y, batch_size):
    if len(X) % batch_size == 1:
        raise SystemExit("choose a batch size that leaves no single row, which ours merges")
    expected = hand_written(X, y, batch_size, 3)
    seen = ours(X, y, batch_size, 3).history[:, "train_loss"]
    np.testing.assert_allclose(seen, expected, rtol=1e-4)


CASES = [((128, 64), "relu", batch_size) for batch_size in (64, 256, 1024)]
SMALL_CASES = [((16, 16), "relu", 32), ((32, 32), "relu", 64), ((256, 128), "gelu", 64)]
LARGE_CASES = [((256, 128), "relu", 1024)]


def cases_of(name, engine):
    if engine != "compiled":
        return CASES
    return [*(SMALL_CASES if name == "digits" else []), *CASES, *LARGE_CASES]


def measure(name, X, y, batch_size, rounds):
    check_equal(X, y, batch_size)
    n_epochs = max(2, 40_000 // len(X))
    base, ratios = [], {peer: [] for peer in PEERS}
    for _ in range(rounds):
        base.append(seconds(hand_written, X, y, batch_size, n_epochs))
        for peer, function in PEERS.items():
            ratios[peer].append(seconds(function, X, y, batch_size, n_epochs) / base[-1])
    cells = (f"{np.median(ratios[peer]):20.3f}" for peer in PEERS)
    shape = f"{case['hidden'][0]}-{case['hidden'][1]} {case['activation']}"
    hand = f"{1e3 * np.median(base) / n_epochs:8.2f}"
    print(f"{name:12} {shape:12} {batch_size:5} {hand}", *cells, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds")
    parser.add_argument("--engine", default="auto", help="of ours: see MLPNetClassifier")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", ConvergenceWarning)
    case["engine"] = options.engine
    if options.engine == "compiled":
        compile_engines(["float32"])
    rounds = 3 if options.quick else options.rounds
    head = f"{'data':12} {'widths':12} {'batch':>5} {'hand ms':>8}"
    print(head, *(f"{name:>20}" for name in PEERS))
    for name, X, y in data_sets(options.quick):
        for hidden, activation, batch_size in cases_of(name, options.engine):
            case.update(hidden=hidden, activation=activation)
            measure(name, X, y, batch_size, rounds)


if __name__ == "__main__":
    main()
