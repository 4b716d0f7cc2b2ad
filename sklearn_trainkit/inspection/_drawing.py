"""What all figures share: matplotlib when it is needed, axes to draw on, colours, three sources."""

from typing import Any, Self

import numpy as np

from sklearn_trainkit.model_selection.results._read_trials import read_trials
from sklearn_trainkit.model_selection.results._trials_table import TrialsTable

__all__ = [
    "STATE_MARKERS",
    "TrialsDisplay",
    "best_last",
    "literal",
    "new_axes",
    "new_panels",
    "strategy_styles",
]

# Okabe and Ito's colours, which people with any colour vision tell apart, and three more.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444"]
COLORS += ["#7F3C8D", "#8C510A", "#80BA5A"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "*", "<", ">"]
LINES = ["-", "--", "-.", ":"]
STATE_MARKERS = {"complete": "o", "pruned": "v", "failed": "x"}


def import_pyplot(caller: str) -> Any:
    """Return ``matplotlib.pyplot``.

    Raises
    ------
    ImportError
        When matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} draws with matplotlib, which is not installed: "
            "pip install 'sklearn-trainkit[plots]'"
        ) from error
    return plt


def new_axes(ax: Any, caller: str, figsize: tuple[float, float] = (6.4, 4.2)) -> Any:
    """Return ``ax``, or the axes of a new figure."""
    plt = import_pyplot(caller)
    return plt.subplots(figsize=figsize, layout="constrained")[1] if ax is None else ax


def new_panels(
    ax: Any, n_panels: int, caller: str, *, n_columns: int = 3, share: bool = True
) -> np.ndarray:
    """Return ``n_panels`` axes: those given, those within the one given, or new ones.

    Raises
    ------
    ValueError
        When another number of axes is given.
    """
    plt = import_pyplot(caller)
    n_columns = min(n_columns, n_panels)
    n_rows = -(-n_panels // n_columns)
    if ax is None:
        size = (max(2.5 * n_columns, 4.0), 2.5 * n_rows + 0.5)
        figure = plt.figure(figsize=size, layout="constrained")
        spec = figure.add_gridspec(n_rows, n_columns)
    elif isinstance(ax, np.ndarray | list | tuple):
        given = np.ravel(np.asarray(ax, dtype=object))
        if len(given) != n_panels:
            raise ValueError(f"ax must hold {n_panels} axes, one for each panel; got {len(given)}")
        return given
    else:
        ax.set_axis_off()
        figure = ax.figure
        spec = _divide(ax, n_rows, n_columns)
    panels: list[Any] = []
    for index in range(n_panels):
        shared = {"sharex": panels[0], "sharey": panels[0]} if panels and share else {}
        panels.append(figure.add_subplot(spec[index // n_columns, index % n_columns], **shared))
    return np.array(panels, dtype=object)


def _divide(ax: Any, n_rows: int, n_columns: int) -> Any:
    within = ax.get_subplotspec()
    if within is not None:
        return within.subgridspec(n_rows, n_columns)
    # Axes that were placed by hand, as by `figure.add_axes`, belong to no grid.
    box = ax.get_position()
    edges = {"left": box.x0, "right": box.x1, "bottom": box.y0, "top": box.y1}
    return ax.figure.add_gridspec(n_rows, n_columns, **edges, wspace=0.4, hspace=0.4)


def best_last(cmap: Any, *, maximize: bool) -> Any:
    """Return the colours from the lowest to the highest score, so that the best has the last."""
    from matplotlib import colormaps

    return cmap if maximize else colormaps.get_cmap(cmap).reversed()


def literal(text: Any) -> str:
    """Return a text in which matplotlib sees no formula: names may hold dollars."""
    return str(text).replace("$", r"\$")


def strategy_styles(names: Any) -> dict[str, dict[str, Any]]:
    """Return colour, marker and line for each name, the same for the same order."""
    return {
        name: {
            "color": COLORS[index % len(COLORS)],
            "marker": MARKERS[index % len(MARKERS)],
            "linestyle": LINES[index % len(LINES)],
        }
        for index, name in enumerate(names)
    }


class TrialsDisplay:
    """Base of the figures of one search: three constructors over one data function."""

    @classmethod
    def _from_trials(cls, trials: TrialsTable, **options: Any) -> Self:
        raise NotImplementedError

    def plot(self, ax: Any = None) -> Self:
        """Draw the figure."""
        raise NotImplementedError

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, metric: str | None = None, ax: Any = None, **options: Any
    ) -> Self:
        """Draw the figure of a fitted searcher.

        Parameters
        ----------
        estimator : searcher
            Fitted: ``OptunaSearchCV``, ``GridSearchCV``, ``RandomizedSearchCV`` or another with
            ``cv_results_`` or ``study_``.
        metric : str, default=None
            Which score, when there are several; None takes the one that guides the search.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **options
            What the data function of this figure takes.

        Returns
        -------
        display : the Display
            Drawn, with ``ax_`` and ``figure_``.
        """
        return cls._from_trials(read_trials(estimator, metric), **options).plot(ax=ax)

    @classmethod
    def from_results(
        cls, results: Any, *, metric: str | None = None, ax: Any = None, **options: Any
    ) -> Self:
        """Draw the figure of a plain ``cv_results_``, or of rows of a comparison's table.

        Parameters
        ----------
        results : dict or DataFrame
            The ``cv_results_`` of any search, or rows of what ``compare_searches`` returned.
        metric : str, default=None
            Which score of a ``cv_results_``; None takes the first.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **options
            What the data function of this figure takes.

        Returns
        -------
        display : the Display
            Drawn, with ``ax_`` and ``figure_``.
        """
        return cls._from_trials(read_trials(results, metric), **options).plot(ax=ax)

    @classmethod
    def from_study(
        cls, study: Any, *, metric: str | int | None = None, ax: Any = None, **options: Any
    ) -> Self:
        """Draw the figure of an optuna study.

        Parameters
        ----------
        study : optuna.Study
            With finished trials.
        metric : str or int, default=None
            Which objective, when there are several; None takes the first.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a new figure.
        **options
            What the data function of this figure takes.

        Returns
        -------
        display : the Display
            Drawn, with ``ax_`` and ``figure_``.
        """
        return cls._from_trials(read_trials(study, metric), **options).plot(ax=ax)
