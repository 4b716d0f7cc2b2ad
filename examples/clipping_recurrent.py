"""
Can clipping rescue an exploding recurrence?
============================================

A simple recurrent network multiplies its state by the same matrix at every step, and the
gradient by its transpose at every step back. Where that matrix stretches, the gradient grows with
the number of steps. We train such a network on sequences of sixty steps, with and without
clipping the gradient's norm.

    python examples/clipping_recurrent.py [--output FOLDER]
"""

# %%
# The question on the smallest data that shows it
# -----------------------------------------------
# Noise, and as the target the sum of its last five steps. The recurrent weights start as
# rotations times 1.2: a signal that tanh does not hold back grows by a fifth at every step.

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from skorch.callbacks import Callback
from torch import nn
from torch.nn.utils import get_total_norm

from sklearn_trainkit.exceptions import DivergenceError
from sklearn_trainkit.neural_network import RecurrentNetRegressor

EPOCHS = 30
VARIANTS = {
    "no clipping": {"clip_norm": None, "lr": 0.3},
    "no clipping, a tenth of the rate": {"clip_norm": None, "lr": 0.03},
    "norm clipped to 1": {"clip_norm": 1.0, "lr": 0.3},
}


def make_data(n_sequences, seed):
    X = np.random.default_rng(seed).normal(size=(n_sequences, 60, 1)).astype(np.float32)
    return X, X[:, -5:, 0].sum(axis=1)


def stretching(weight):
    nn.init.orthogonal_(weight, gain=1.2)


# %%
# A callback of four lines notes the norm of every step's gradient, before it is clipped.


class NormMeter(Callback):
    def initialize(self):
        self.norms_ = []
        return self

    def on_grad_computed(self, net, named_parameters, **kwargs):
        gradients = [p.grad for _, p in named_parameters if p.grad is not None]
        self.norms_.append(float(get_total_norm(gradients)))


# %%
# Training and the figure
# -----------------------


def train(X, y, **params):
    meter = NormMeter()
    net = RecurrentNetRegressor(
        (32,),
        cell="tanh",
        init=stretching,
        optimizer="sgd",
        lr_schedule="constant",
        batch_size=32,
        max_epochs=EPOCHS,
        callbacks=[meter],
        random_state=0,
        **params,
    )
    try:
        net.fit(X, y)
        outcome = None
    except DivergenceError as error:
        outcome = str(error)
    losses = [row["train_loss"] for row in net.history if "train_loss" in row]
    return net, losses, meter.norms_, outcome


def draw(runs, path):
    figure, (curves, norms) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, (_, losses, gradient_norms, outcome) in runs.items():
        (line,) = curves.semilogy(range(1, len(losses) + 1), losses, marker=".", label=name)
        if outcome is not None:
            curves.plot(len(losses), losses[-1], "x", color=line.get_color(), markersize=12)
            curves.annotate(
                "infinite in the next epoch",
                (len(losses), losses[-1]),
                xytext=(8, 0),
                textcoords="offset points",
            )
        steps = np.arange(1, len(gradient_norms) + 1)
        norms.semilogy(steps, gradient_norms, linewidth=1, color=line.get_color())
    norms.axhline(1.0, color="grey", linestyle=":", linewidth=1)
    norms.annotate("clipped down to here", (60, 1.0), (0, 4), textcoords="offset points")
    curves.set(xlabel="epoch", ylabel="training loss", title="What is learnt")
    curves.legend()
    norms.set(xlabel="step", ylabel="norm of the gradient", title="Before clipping")
    figure.savefig(path, dpi=150)


def main(output):
    X, y = make_data(128, seed=0)
    X_test, y_test = make_data(1000, seed=1)
    runs = {name: train(X, y, **params) for name, params in VARIANTS.items()}
    for name, (net, losses, norms, outcome) in runs.items():
        end = f"test R2 {net.score(X_test, y_test):.3f}" if outcome is None else outcome
        print(
            f"{name:33} largest gradient {np.nanmax(norms):.1e}, "
            f"last loss {losses[-1]:.3g}. {end}"
        )
    output.mkdir(parents=True, exist_ok=True)
    draw(runs, output / "clipping_recurrent.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--output", type=Path, default=Path("clipping_recurrent_output"))
    main(parser.parse_args().output)
