"""Epoch time of the convolutional networks and the U-Net against a hand-written torch loop.

The loop trains a copy of the very module that our estimator built, with fused Adam, on batches
gathered by index in the same order; the loss curves are compared first. One process, one torch
thread, float32; each figure is the median over paired rounds of the ratio ours / loop.

    python examples/benchmarks/bench_images.py [--rounds 5]
"""

# %%
import argparse
import copy
import time

import numpy as np
import torch
from sklearn.datasets import load_digits

from sklearn_trainkit.neural_network import ConvNetClassifier, UNetSegmenter
from sklearn_trainkit.utils._random_streams import stream_seeds

N_EPOCHS = 4
COMMON = {
    "optimizer": "adam",
    "lr": 1e-3,
    "lr_schedule": "constant",
    "standardize_X": False,
    "random_state": 0,
}


# %%
# Each case: an estimator, images and targets.
def cases():
    X, y = load_digits(return_X_y=True)
    digits = (X / 16).reshape(-1, 1, 8, 8).astype(np.float32)
    plain = {"label_smoothing": 0.0, **COMMON}
    yield "digits, plain, batch 64", ConvNetClassifier(batch_size=64, **plain), digits, y
    residual = ConvNetClassifier((16, 32, 64), skip="add", batch_size=64, **plain)
    yield "digits, residual, batch 64", residual, digits, y
    generator = np.random.default_rng(0)
    images = generator.normal(size=(2000, 1, 28, 28)).astype(np.float32)
    labels = generator.integers(0, 10, size=2000)
    yield "2000 x 28 x 28, batch 256", ConvNetClassifier(batch_size=256, **plain), images, labels
    images = generator.normal(size=(32, 1, 96, 96)).astype(np.float32)
    segmenter = UNetSegmenter((8, 16, 32), batch_size=8, loss="cross_entropy", **COMMON)
    yield "U-Net, 32 x 96 x 96, batch 8", segmenter, images, (images[:, 0] > 0).astype(np.int64)


def hand_written(module, X, y, batch_size, n_epochs):
    """Train and return the mean loss of each epoch."""
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, fused=True)
    order = torch.Generator().manual_seed(stream_seeds(0).order)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    losses = []
    module.train()
    for _ in range(n_epochs):
        total = 0.0
        for index in torch.randperm(len(X), generator=order).split(batch_size):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(module(X[index]), y[index])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        losses.append(total / len(X))
    return losses


def fresh(estimator, X, y, n_epochs):
    """Return a run that is about to start, and a copy of its module."""
    run = estimator.set_params(max_epochs=n_epochs).start_fit(X, y)
    return run, copy.deepcopy(run.net.module_)


def check_equal(estimator, X, y):
    """Raise unless both ways give the same losses."""
    run, module = fresh(estimator, X, y, 2)
    run.train()
    wanted = hand_written(module, X, y, estimator.batch_size, 2)
    np.testing.assert_allclose(run.net.history_[:, "train_loss"], wanted, rtol=1e-3)


def paired_ratio(estimator, X, y):
    """Return ours / hand-written for some epochs, and the seconds of ours for one."""
    run, module = fresh(estimator, X, y, N_EPOCHS)
    start = time.perf_counter()
    run.train()
    ours = time.perf_counter() - start
    start = time.perf_counter()
    hand_written(module, X, y, estimator.batch_size, N_EPOCHS)
    return ours / (time.perf_counter() - start), ours / N_EPOCHS


def main(n_rounds):
    torch.set_num_threads(1)
    for name, estimator, X, y in cases():
        check_equal(estimator, X, y)
        paired_ratio(estimator, X, y)
        ratios, seconds = zip(
            *(paired_ratio(estimator, X, y) for _ in range(n_rounds)), strict=True
        )
        print(
            f"{name:30} {np.median(ratios):.3f} times the loop "
            f"({min(ratios):.2f} to {max(ratios):.2f}), {np.median(seconds):.2f} s an epoch",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    main(parser.parse_args().rounds)
