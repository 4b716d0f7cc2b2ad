"""Epoch time of RecurrentNetClassifier against a hand-written loop over the same network.

One process, one torch thread, float32, losses of the first epochs checked equal first. The loop
has torch's own recurrent layer, fused Adam, clipping by norm and batches gathered by index; for
ragged data its padding is zeros and it takes the state of the last true step. Each figure is the
median over paired rounds of the ratio to that loop. Beside it, the same loop over packed sequences.

    python examples/benchmarks/bench_recurrent.py [--rounds 7] [--quick]
"""

# %%
import argparse
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

from sklearn_trainkit.neural_network import RecurrentNetClassifier
from sklearn_trainkit.utils._random_streams import stream_seeds

UNITS, CLASSES, BATCH, RATE = 64, 4, 64, 1e-3
CELLS = {"gru": nn.GRU, "lstm": nn.LSTM, "tanh": nn.RNN}


def make_data(n_rows, n_steps, ragged):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_rows, n_steps, 8)).astype(np.float32)
    lengths = rng.integers(n_steps // 4, n_steps + 1, n_rows) if ragged else [n_steps] * n_rows
    X[np.arange(n_steps) >= np.asarray(lengths)[:, None]] = np.nan
    return X, rng.integers(0, CLASSES, n_rows), torch.as_tensor(np.asarray(lengths))


# %%
# The peers, each a function that trains ``n_epochs`` epochs.
def ours(X, y, lengths, cell, n_epochs):
    net = RecurrentNetClassifier(
        (UNITS,),
        cell=cell,
        bidirectional=False,
        pooling="last",
        init="default",
        standardize_X=False,
        label_smoothing=0.0,
        clip_norm=1.0,
        optimizer="adam",
        lr=RATE,
        lr_schedule="constant",
        batch_size=BATCH,
        max_epochs=n_epochs,
        random_state=0,
    )
    return net.fit(X, y).history[:, "train_loss"]


class LastState(nn.Module):
    def __init__(self, cell, n_features, packed):
        super().__init__()
        self.rnn = CELLS[cell](n_features, UNITS, batch_first=True)
        self.output = nn.Linear(UNITS, CLASSES)
        self.packed = packed

    def forward(self, x, lengths):
        if self.packed:
            x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
            state = self.rnn(x)[1]
            return self.output((state[0] if isinstance(state, tuple) else state)[0])
        out = self.rnn(x[:, : int(lengths.max())])[0]
        return self.output(out[torch.arange(len(out)), lengths - 1])


def hand_written(X, y, lengths, cell, n_epochs, packed=False):
    seeds = stream_seeds(0)
    torch.manual_seed(seeds.weights)
    module = LastState(cell, X.shape[2], packed)
    optimizer = torch.optim.Adam(module.parameters(), lr=RATE, fused=True)
    order = torch.Generator().manual_seed(seeds.order)
    X, y = torch.from_numpy(np.nan_to_num(X)), torch.from_numpy(y)
    losses = []
    for _ in range(n_epochs):
        total = 0.0
        for index in torch.randperm(len(X), generator=order).split(BATCH):
            optimizer.zero_grad()
            loss = functional.cross_entropy(module(X[index], lengths[index]), y[index])
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), 1.0)
            optimizer.step()
            total += loss.item() * len(index)
        losses.append(total / len(X))
    return losses


# %%
# Equality first, then paired rounds.
def seconds(function, *args):
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds")
    parser.add_argument("--cells", nargs="+", default=list(CELLS), choices=CELLS)
    parser.add_argument("--steps", nargs="+", type=int, default=[30, 100])
    options = parser.parse_args()
    torch.set_num_threads(1)
    rounds = 3 if options.quick else options.rounds
    n_rows = 320 if options.quick else 960
    n_epochs = 4
    print(f"{'cell':5} {'steps':>12} {'hand ms':>8} {'ours':>6} {'packed':>7}")
    for n_steps, ragged in ((30, False), (30, True), (100, True)):
        if n_steps not in options.steps:
            continue
        X, y, lengths = make_data(n_rows, n_steps, ragged)
        for cell in options.cells:
            data = (X, y, lengths, cell)
            wanted = hand_written(*data, 3)
            np.testing.assert_allclose(ours(*data, 3), wanted, rtol=1e-4)
            np.testing.assert_allclose(hand_written(*data, 3, True), wanted, rtol=1e-4)
            base, own, packed = [], [], []
            for _ in range(rounds):
                base.append(seconds(hand_written, *data, n_epochs))
                own.append(seconds(ours, *data, n_epochs) / base[-1])
                packed.append(seconds(hand_written, *data, n_epochs, True) / base[-1])
            name = f"{n_steps // 4} to {n_steps}" if ragged else str(n_steps)
            hand = 1e3 * np.median(base) / n_epochs
            print(
                f"{cell:5} {name:>12} {hand:8.1f} {np.median(own):6.2f} {np.median(packed):7.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
