"""
Do skip connections keep the gradient alive?
============================================

A gradient that is multiplied by small numbers on its way back through thirty layers does not
arrive. We train the same deep, narrow network three times, plain, with residual addition and
with layer normalization, and look at what reaches each layer.

    python examples/gradient_flow.py [--output FOLDER]
"""

# %%
# The question on the smallest data that shows it
# -----------------------------------------------
# Digits, thirty layers of 32 units, tanh. :class:`~sklearn_trainkit.callbacks.GradientFlow`
# looks at one step of each epoch and, at the end, names what is wrong.

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

from sklearn_trainkit.callbacks import GradientFlow
from sklearn_trainkit.neural_network import MLPNetClassifier
from sklearn_trainkit.preprocessing import MinMaxScaler

DEPTH, WIDTH, EPOCHS = 30, 32, 12
VARIANTS = {
    "plain": {},
    "residual addition": {"skip": "add"},
    "layer normalization": {"norm": "layer"},
}


def train(X, y, **params):
    flow = GradientFlow(warn=False)
    net = MLPNetClassifier(
        (WIDTH,) * DEPTH,
        activation="tanh",
        optimizer="adam",
        lr=1e-3,
        max_epochs=EPOCHS,
        callbacks=[flow],
        random_state=0,
        **params,
    )
    return make_pipeline(MinMaxScaler(dtype="float32"), net).fit(X, y), flow


# %%
# Training and the figure
# -----------------------


def first_epoch_norms(net):
    flow = net.history[0]["gradient_flow"]
    return [layer.grad_norm for layer in flow if "projection" not in layer.layer]


def draw(runs, path):
    figure, (curves, norms) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, (pipeline, _) in runs.items():
        net = pipeline[-1]
        curves.plot(range(1, EPOCHS + 1), net.history[:, "train_loss"], marker="o", label=name)
        norms.semilogy(first_epoch_norms(net), marker=".", label=name)
    curves.axhline(np.log(10), color="grey", linestyle=":", linewidth=1)
    curves.annotate("guessing", (1, np.log(10)), xytext=(0, 4), textcoords="offset points")
    curves.set(xlabel="epoch", ylabel="training loss", title="What is learnt")
    norms.set(
        xlabel="layer, from the input to the output",
        ylabel="root mean square of the gradient",
        title="What reaches each layer in the first step",
    )
    norms.legend()
    figure.savefig(path, dpi=150)


def main(output):
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
    runs = {name: train(X_train, y_train, **params) for name, params in VARIANTS.items()}
    for name, (pipeline, flow) in runs.items():
        norms = first_epoch_norms(pipeline[-1])
        print(
            f"{name:20} test accuracy {pipeline.score(X_test, y_test):.3f}, "
            f"first layer's gradient {norms[0] / norms[-1]:.0e} of the last's. "
            f"{flow.diagnosis_ or 'Nothing wrong.'}"
        )
    output.mkdir(parents=True, exist_ok=True)
    draw(runs, output / "gradient_flow.png")


# %%
# What we learned
# ---------------
# The plain network's first layer sees a ten-millionth of the last layer's gradient, and for eleven
# epochs nothing is learnt. Both remedies bring the gradient to every layer. Only one of them makes
# this network learn well: residual addition also keeps the signal whole on its way forward, while
# thirty normalized tanh layers still garble it. An even gradient is necessary, not sufficient.

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--output", type=Path, default=Path("gradient_flow_output"))
    main(parser.parse_args().output)
