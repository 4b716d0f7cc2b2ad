"""The gradient of every layer over the epochs of a training, vanishing and exploding marked."""

from typing import Any, Self

import numpy as np
import pandas as pd

from sklearn_trainkit.callbacks._gradient_flow import (
    EXPLODING_NORM,
    EXPLODING_RATIO,
    VANISHING_RATIO,
    LayerFlow,
    diagnose_flow,
    has_dead_units,
    read_flow,
)
from sklearn_trainkit.inspection._drawing import new_axes
from sklearn_trainkit.inspection._given_tables import check_table
from sklearn_trainkit.utils._pipelines import innermost_step

__all__ = ["GradientFlowDisplay", "gradient_flow_history"]

RECORD = "gradient_flow"
MARKS = {"vanishing": "v", "exploding": "^", "not finite": "x", "dead": "."}
FEWEST_COLORS = 1e-12


def gradient_flow_history(estimator: Any) -> pd.DataFrame:
    """Return what the callback ``GradientFlow`` recorded: a row for each epoch and layer.

    Parameters
    ----------
    estimator : net, Pipeline, searcher or History
        Fitted with ``callbacks=[GradientFlow()]``; a Pipeline whose last step is such a net; a
        search whose ``best_estimator_`` is one of these; or the history of such a net, as
        skorch's ``History.from_file`` reads it.

    Returns
    -------
    flow : pandas.DataFrame
        Columns ``epoch`` (from 1), ``layer`` (from the input to the output), ``grad_norm`` (root
        mean square of the gradient), ``zero_share``, ``nonfinite_share``, ``update_ratio``, and
        ``verdict``: "vanishing" or "exploding" for less than a ten-thousandth or more than
        ten thousand times the last layer's gradient (or more than 1e4 in itself), "not finite",
        "dead" where more than 90 % of the units have no gradient, and "" for nothing of it.

    Raises
    ------
    TypeError
        When the estimator has no history.
    ValueError
        When nothing was recorded.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_trainkit.callbacks import GradientFlow
    >>> from sklearn_trainkit.inspection import gradient_flow_history
    >>> from sklearn_trainkit.neural_network import MLPNetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPNetClassifier((8,), max_epochs=2, callbacks=[GradientFlow()]).fit(X, y)
    >>> gradient_flow_history(net)[["epoch", "layer"]]
       epoch              layer
    0      1  hidden.0.0.weight
    1      1      output.weight
    2      2  hidden.0.0.weight
    3      2      output.weight
    """
    epochs = _recorded(estimator)
    rows: list[dict[str, Any]] = []
    for epoch, flow in enumerate(epochs, start=1):
        for layer in flow:
            verdict = _judge(layer, flow[-1], is_last=layer is flow[-1])
            rows.append({"epoch": epoch, **layer._asdict(), "verdict": verdict})
    columns = ["epoch", "layer", "grad_norm", "zero_share", "nonfinite_share", "update_ratio"]
    return pd.DataFrame(rows)[[*columns, "verdict"]]


class GradientFlowDisplay:
    """The gradient of every layer over the epochs as colour; marks where something is wrong.

    Parameters
    ----------
    flow : DataFrame
        As :func:`gradient_flow_history` returns it.
    diagnosis : str or None, default=None
        What is wrong, in words.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it is drawn.
    figure_ : matplotlib Figure
        The whole figure.
    mesh_ : QuadMesh
        The root mean square of each layer's gradient in each epoch.
    marks_ : dict of str to PathCollection
        By verdict.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_trainkit.callbacks import GradientFlow
    >>> from sklearn_trainkit.inspection import GradientFlowDisplay
    >>> from sklearn_trainkit.neural_network import MLPNetClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPNetClassifier((8,), max_epochs=2, callbacks=[GradientFlow()]).fit(X, y)
    >>> GradientFlowDisplay.from_estimator(net).ax_.get_xlabel()
    'epoch'
    """

    def __init__(self, flow: pd.DataFrame, *, diagnosis: str | None = None) -> None:
        self.flow = flow
        self.diagnosis = diagnosis

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None) -> Self:
        """Draw the figure of a fitted net, or of a Pipeline that ends in one.

        Parameters
        ----------
        estimator : net, Pipeline, searcher or History
            As for :func:`gradient_flow_history`.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : GradientFlowDisplay
            Drawn.
        """
        diagnosis = diagnose_flow(_recorded(estimator))
        return cls(gradient_flow_history(estimator), diagnosis=diagnosis).plot(ax=ax)

    @classmethod
    def from_results(cls, flow: pd.DataFrame, *, ax: Any = None) -> Self:
        """Draw the figure of a table made by :func:`gradient_flow_history`.

        Parameters
        ----------
        flow : DataFrame
            The table.
        ax : matplotlib Axes, default=None
            None makes a new figure.

        Returns
        -------
        display : GradientFlowDisplay
            Drawn.
        """
        check_table(flow, ["layer", "epoch", "grad_norm"], "flow", "gradient_flow_history(net)")
        return cls(flow).plot(ax=ax)

    def plot(self, ax: Any = None, *, cmap: str = "viridis") -> Self:
        """Draw the layers over the epochs.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None makes a new figure.
        cmap : str, default="viridis"
            Colours from the smallest to the largest gradient.

        Returns
        -------
        display : GradientFlowDisplay
            Itself.
        """
        from matplotlib.colors import LogNorm

        layers = list(dict.fromkeys(self.flow["layer"]))
        size = (6.4, min(2.0 + 0.22 * len(layers), 8.0))
        self.ax_ = new_axes(ax, "GradientFlowDisplay.plot", size)
        self.figure_ = self.ax_.figure
        norms = self.flow.pivot(index="layer", columns="epoch", values="grad_norm").loc[layers]
        values = norms.to_numpy(dtype=float)
        values = np.where(np.isfinite(values), np.maximum(values, FEWEST_COLORS), np.nan)
        # At least two decades of colour, so that healthy layers look alike.
        top = np.nanmax(values) if np.isfinite(values).any() else 1.0
        shades = LogNorm(min(np.nanmin(values), top / 100), top)
        self.mesh_ = self.ax_.pcolormesh(
            norms.columns, np.arange(len(layers)), values, cmap=cmap, norm=shades, shading="nearest"
        )
        self._draw_marks(layers)
        self._dress(layers)
        return self

    def _draw_marks(self, layers: list[str]) -> None:
        self.marks_ = {}
        for verdict, rows in self.flow[self.flow["verdict"] != ""].groupby("verdict"):
            self.marks_[str(verdict)] = self.ax_.scatter(
                rows["epoch"], rows["layer"].map(layers.index), marker=MARKS[str(verdict)], s=22,
                color="#D55E00", label=verdict, linewidths=1,
            )  # fmt: skip
        if self.marks_:
            self.ax_.legend(
                loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, fontsize="small",
                frameon=False, borderaxespad=0.1, handletextpad=0.1,
            )  # fmt: skip

    def _dress(self, layers: list[str]) -> None:
        every = max(1, len(layers) // 16)
        shown = range(0, len(layers), every)
        names = [layers[index].removesuffix(".weight") for index in shown]
        self.ax_.set_yticks(shown, names, fontsize="small")
        self.ax_.set(xlabel="epoch", ylabel="layer, input at the bottom")
        self.ax_.xaxis.get_major_locator().set_params(integer=True)
        self.figure_.colorbar(self.mesh_, ax=self.ax_, label="root mean square of the gradient")
        if self.diagnosis:
            first = self.diagnosis.partition(": ")[0].rstrip(".")
            self.ax_.set_title(f"{first}.", fontsize="medium", loc="left")


def _recorded(estimator: Any) -> list[list[LayerFlow]]:
    net = innermost_step(estimator)
    net = innermost_step(getattr(net, "best_estimator_", net))
    history = net if isinstance(net, list) else getattr(net, "history_", None)
    history = getattr(net, "history", None) if history is None else history
    if history is None:
        raise TypeError(
            "estimator must be a fitted net with a history, a Pipeline that ends in one, a search "
            f"that refitted one (best_estimator_), or a history; got {estimator!r}"
        )
    epochs = [read_flow(row[RECORD]) for row in history if row.get(RECORD)]
    if not epochs:
        raise ValueError(
            "the net's history holds no gradient flow; train it with callbacks=[GradientFlow()]"
        )
    return epochs


def _judge(layer: Any, last: Any, *, is_last: bool) -> str:
    if layer.nonfinite_share > 0:
        return "not finite"
    if layer.grad_norm > EXPLODING_NORM or layer.grad_norm > EXPLODING_RATIO * last.grad_norm > 0:
        return "exploding"
    if layer.grad_norm < VANISHING_RATIO * last.grad_norm:
        return "vanishing"
    return "dead" if has_dead_units(layer) and not is_last else ""
