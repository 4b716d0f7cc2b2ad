"""From data and parameters to a training: what ``fit`` and ``partial_fit`` do before it begins."""

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np

from sklearn_trainkit.neural_network.base._fit_rows import chunk_rows, split_rows
from sklearn_trainkit.neural_network.base._initialize import initialize_all, take_data
from sklearn_trainkit.neural_network.base._warm_start import refuse_changes, take_changes
from sklearn_trainkit.neural_network.batches._input_checks import (
    checked_weights,
    mean_one_weights,
)
from sklearn_trainkit.neural_network.batches._tensor_loader import Rows, batch_bounds
from sklearn_trainkit.neural_network.engines._learning_rates import LRSchedule
from sklearn_trainkit.neural_network.engines._settings import LoopSettings
from sklearn_trainkit.neural_network.training._checkpoint import CheckpointFile, fit_fingerprint
from sklearn_trainkit.neural_network.training._training_run import TrainingRun
from sklearn_trainkit.utils._random_streams import StreamSeeds, stream_seeds

_NOT_IN_FINGERPRINT = ("checkpoint_dir", "device", "n_threads", "verbose")


def start_fit(
    net: Any,
    X: Any,
    y: Any,
    sample_weight: Any,
    *,
    X_val: Any,
    y_val: Any,
    groups: Any,
) -> TrainingRun:
    """Prepare a fit and return it; the arguments are those of ``fit``."""
    with _as_it_was_if_it_fails(net):
        return _prepared_run(net, (X, y, sample_weight), (X_val, y_val), groups)


def _prepared_run(
    net: Any, data: tuple[Any, Any, Any], validation: tuple[Any, Any], groups: Any
) -> TrainingRun:
    """Check data, learn from them, and let the network begin or go on with them."""
    X, y, sample_weight = data
    fresh = not (net.warm_start and hasattr(net, "module_"))
    unseen = fresh or net._waits_for_data
    if not fresh:
        # What was set aside by another share would be rows that it has been trained on.
        splits_again = net.early_stopping and validation[0] is None and _has_split(net)
        refuse_changes(net, ["validation_fraction"] if splits_again else [])
    X, y = net._input_form.read_with_targets(net, X, y, reset=unseen)
    weight = None if sample_weight is None else mean_one_weights(sample_weight, y)
    if unseen:
        net._targets.learn(net, y, weight)
        X = net._input_form.settle(net, X)
    else:
        net._targets.learn_again(net, y, weight)
    seeds = stream_seeds(net.random_state)
    if fresh or not hasattr(net, "_split_seed"):
        net._split_seed = seeds.split
    # A warm start must not stop by rows that it has been trained on.
    seeds = seeds._replace(split=net._split_seed)
    read = _read_validation(net, *validation)
    train, valid = split_rows(net, (X, y, weight), read, groups, seeds.split)
    _make_or_go_on(net, seeds, train, fresh=fresh, new_callbacks=True)
    batch_size = net._targets.batch_rows(net, net.batch_size, train.n_rows)
    schedule = LRSchedule(
        net.lr_schedule,
        net.lr_schedule_params,
        net.max_epochs,
        steps_per_epoch=len(batch_bounds(train.n_rows, batch_size)),
    )
    settings = _loop_settings(net, net.max_epochs, batch_size)
    return _training_run(net, train, valid, settings, schedule, (X, y))


def train_one_epoch(
    net: Any, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
) -> None:
    """Train one epoch, as ``partial_fit`` does, going on from the present weights."""
    with _as_it_was_if_it_fails(net):
        run = _chunk_run(net, (X, y, sample_weight), classes)
    if run is not None:
        run.train()


def _chunk_run(net: Any, data: tuple[Any, Any, Any], classes: Any) -> TrainingRun | None:
    """Check a chunk, learn from it, and return its training; None where no row of it counts."""
    X, y, sample_weight = data
    first = _begins(net)
    X, y = net._input_form.read_with_targets(net, X, y, reset=first)
    weight = None if sample_weight is None else checked_weights(sample_weight, y)
    net._targets.learn_chunk(net, y, weight, classes, first)
    if first:
        X = net._input_form.settle(net, X)
    rows = chunk_rows(net, X, y, weight)
    seeds = stream_seeds(net.random_state)
    fresh = not hasattr(net, "module_")
    _make_or_go_on(net, seeds, rows, fresh=fresh, new_callbacks=False)
    if rows.weight is not None and not rows.weight.any():
        return None  # rows of weight 0 teach nothing; momentum and decay would move the weights
    # The last chunk of a stream may well be smaller than a batch; the first should not.
    batch_size = net.batch_size
    if batch_size != "auto" and batch_size > rows.n_rows and not fresh:
        batch_size = -1
    batch_size = net._targets.batch_rows(net, batch_size, rows.n_rows)
    settings = _loop_settings(net, 1, batch_size)
    schedule = LRSchedule("constant", None, 1, 1)
    return _training_run(net, rows, None, settings, schedule, (X, y))


def checkpoint_file(net: Any, *data: Any) -> CheckpointFile | None:
    """Return where a fit keeps its checkpoints, or None where it keeps none.

    Raises
    ------
    ValueError
        If it could not be told from another fit.
    """
    if net.checkpoint_dir is None:
        return None
    if not isinstance(net.random_state, Integral):
        raise ValueError(
            f"checkpoint_dir={net.checkpoint_dir!r} needs an int random_state, so that a "
            f"fit can be told from another. Got random_state={net.random_state!r}."
        )
    if net.warm_start:
        raise ValueError(
            f"checkpoint_dir={net.checkpoint_dir!r} does not go with warm_start=True: a fit "
            "that goes on from other weights cannot be told from one that starts anew."
        )
    params = net.get_params(deep=False)
    params = {k: v for k, v in params.items() if k not in _NOT_IN_FINGERPRINT}
    return CheckpointFile(net.checkpoint_dir, fit_fingerprint(type(net).__name__, params, *data))


def _begins(net: Any) -> bool:
    """Return whether ``partial_fit`` begins; raise if it can neither begin nor go on."""
    if net.early_stopping:
        raise ValueError(
            "partial_fit does not go with early_stopping=True: it trains one epoch and has no "
            "rows to stop by. Use set_params(early_stopping=False), or fit with "
            "warm_start=True to train on until the validation loss rises."
        )
    if not hasattr(net, "module_"):
        return True
    refuse_changes(net)
    return net._waits_for_data


def _make_or_go_on(
    net: Any, seeds: StreamSeeds, rows: Rows, *, fresh: bool, new_callbacks: bool
) -> None:
    """Make the network, or let the one there is go on with data and parameters as they are now."""
    if fresh:
        initialize_all(net, seeds, rows)
        return
    if net._waits_for_data:
        take_data(net, rows)
    take_changes(net, seeds, new_callbacks=new_callbacks)


@contextmanager
def _as_it_was_if_it_fails(net: Any) -> Iterator[None]:
    """Put back all that a network knows where a fit fails before its training has begun.

    Old weights must not answer with new classes or in new units, nor new ones untrained.
    """
    before = dict(vars(net))
    try:
        yield
    except BaseException:
        vars(net).clear()
        vars(net).update(before)
        raise


def _has_split(net: Any) -> bool:
    """Return whether the fit before has set validation rows aside."""
    return net._made_with is not None and net._made_with.parameters["early_stopping"]


def _read_validation(net: Any, X_val: Any, y_val: Any) -> tuple[Any, np.ndarray] | None:
    if (X_val is None) != (y_val is None):
        raise ValueError("X_val and y_val go together; only one of them was given.")
    if X_val is None:
        return None
    return net._input_form.read_with_targets(net, X_val, y_val, reset=False)


def _loop_settings(net: Any, n_epochs: int, batch_size: int) -> LoopSettings:
    """Return what the loop wants to know: parameters by their names, but for what a fit settles."""
    settled: dict[str, Any] = {"n_epochs": n_epochs, "batch_size": batch_size}
    names = [name for name in LoopSettings._fields if name not in settled]
    return LoopSettings(**settled, **{name: getattr(net, name) for name in names})


def _training_run(
    net: Any,
    train: Rows,
    valid: Rows | None,
    settings: LoopSettings,
    schedule: LRSchedule,
    data: tuple[Any, Any],
) -> TrainingRun:
    net._architecture.check_batches(net, settings.batch_size)
    return TrainingRun(
        net,
        train=train,
        valid=valid,
        streams=net.streams_,
        settings=settings,
        schedule=schedule,
        callback_data=data,
    )
