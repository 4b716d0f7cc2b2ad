"""Fit several networks at once: seeds of one configuration, candidates, bags of rows."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from sklearn.utils import indexable

from sklearn_trainkit.neural_network.training._stacked_run import stacks_by_shape
from sklearn_trainkit.utils._sklearn_private import safe_split
from sklearn_trainkit.utils._told_once import told_once


@told_once()
def fit_stacked(
    nets: Sequence[Any], X: Any, y: Any, *, subsets: Sequence[Any] | None = None
) -> list[Any]:
    """Fit several networks at once, those of one shape as a single stacked network.

    The result is that of ``net.fit(X[rows], y[rows])`` for each of them: weights, history and
    predictions agree to rounding. Small networks take a fraction of the time. Seeds, learning
    rates, weight decay, clipping, dropout rates, label smoothing, schedules and numbers of epochs
    may differ inside a stack; networks of other shapes, with a ``checkpoint_dir``, or that cannot
    be stacked, are trained beside it.

    Parameters
    ----------
    nets : sequence of networks of this package
        Fitted in place. Give each a ``random_state`` of its own for an ensemble over seeds
        (Lakshminarayanan, Pritzel, Blundell: Simple and scalable predictive uncertainty estimation
        using deep ensembles. NeurIPS 2017).
    X : array-like of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
    subsets : sequence of index arrays or None, default=None
        The training rows of each network; None trains all on all rows, which are then shared in
        memory.

    Returns
    -------
    nets : list
        The same networks, fitted.

    Raises
    ------
    ValueError
        If there is not one subset for each network, if a network is there twice, or for data that
        cannot be trained on.
    DivergenceError
        If a loss becomes NaN or infinite and ``on_divergence="raise"``; raised once the other
        networks are fitted.

    See Also
    --------
    sklearn_trainkit.model_selection.cross_validate : Folds of a network or Pipeline.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_trainkit.neural_network import MLPNetClassifier, fit_stacked
    >>> X, y = load_iris(return_X_y=True)
    >>> seeds = [MLPNetClassifier((8,), max_epochs=5, random_state=seed) for seed in range(10)]
    >>> nets = fit_stacked(seeds, X, y)
    >>> sum(net.predict_proba(X) for net in nets).shape
    (150, 3)
    """
    X, y = indexable(X, y)
    if subsets is not None and len(subsets) != len(nets):
        raise ValueError(
            f"subsets has {len(subsets)} entries for {len(nets)} networks; give one for each."
        )
    if len({id(net) for net in nets}) < len(nets):
        raise ValueError("nets has the same object twice; give a clone for each fit.")
    runs, kept = [], []
    for index, net in enumerate(nets):
        net._validate_params()
        part = (X, y) if subsets is None else safe_split(net, X, y, subsets[index])
        if net.checkpoint_dir is None:
            runs.append(net.start_fit(*part))
        else:  # a fit that is to survive an interruption is made in one go
            kept.append((net, part))
    stacks, rest = stacks_by_shape(runs)
    errors = []
    for stack, _ in stacks:
        stack.train()
        errors += [stack.errors[index] for index in sorted(stack.errors)]
    for train in [run.train for run, _ in rest] + [partial(net.fit, *part) for net, part in kept]:
        try:
            train()
        except Exception as error:  # as in a stack, the others go on
            errors.append(error)
    if errors:
        raise errors[0]
    return list(nets)
