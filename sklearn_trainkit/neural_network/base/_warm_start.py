"""Fits that go on from earlier weights: which parameters may change, and how they are taken up."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklearn_trainkit.neural_network.batches._input_checks import checked_device
from sklearn_trainkit.neural_network.saving._made_with import changed_names, own_copy
from sklearn_trainkit.utils._random_streams import StreamSeeds


def refuse_changes(net: Any, further: Sequence[str] = ()) -> None:
    """Raise if a parameter that an existing network cannot follow has changed since it was made.

    One that waits for its data has been trained in no type and no units yet.

    Parameters
    ----------
    net : estimator
        With a ``module_``.
    further : sequence of str, default=()
        Names that must not change either.

    Raises
    ------
    ValueError
        Naming the parameters, with both values.
    """
    now = net.get_params(deep=False)
    before = _earlier(net, now)
    waits = net._waits_for_data
    names = net._architecture.fixed_names(net) if waits else [*net._fixed_names(), *further]
    changed = [
        f"{n}={before.get(n)!r}, now {n}={now.get(n)!r}" for n in changed_names(before, now, names)
    ]
    if not waits and net.dtype not in ("auto", net.dtype_):
        changed.append(f"dtype={net.dtype_!r}, now dtype={net.dtype!r}")
    if not waits and net.precision != "full" and net.dtype_ != "float32":
        changed.append(
            f"dtype={net.dtype_!r}, now precision={net.precision!r}, which works on float32"
        )
    if changed:
        raise ValueError(
            f"{type(net).__name__} goes on from earlier weights (warm_start=True or partial_fit), "
            f"and these were made with {'; '.join(changed)}. Set it back, or start anew with "
            "fit and warm_start=False."
        )


def take_changes(net: Any, seeds: StreamSeeds, *, new_callbacks: bool) -> None:
    """Let an existing network go on with the parameters as they are now, not as they were.

    Parameters
    ----------
    net : estimator
    seeds : StreamSeeds
        Of the present ``random_state``: another int than before begins new streams of them.
    new_callbacks : bool
        Whether callbacks begin anew though they are the same.
    """
    now = net.get_params(deep=False)
    before = _earlier(net, now)
    changed = set(changed_names(before, now, now))
    if changed & {"device"}:
        net.module_.to(checked_device(net.device))
    if changed & {"device", "random_state"}:
        streams = net._architecture.new_streams(net, seeds)
        if not _is_other_seed(before["random_state"], net.random_state):
            streams.load_state_dict(net.streams_.state_dict())
        net.streams_ = streams
    if new_callbacks or changed & {"callbacks", "verbose"}:
        net.initialize_callbacks()
    net.initialize_criterion()
    if changed & {"optimizer", "optimizer_params", "lr", "weight_decay", "device"}:
        _renew_optimizer(net, keep_state="optimizer_params" not in changed)
    if net._made_with is not None:
        net._made_with = net._made_with._replace(parameters=own_copy(now))


def _earlier(net: Any, now: dict[str, Any]) -> dict[str, Any]:
    # What a network that an earlier version has pickled was made with is not known.
    return own_copy(now) if net._made_with is None else net._made_with.parameters


def _is_other_seed(before: Any, now: Any) -> bool:
    # An instance or None is advanced by each fit, so that the streams may as well go on.
    return isinstance(now, (int, np.integer)) or isinstance(before, (int, np.integer))


def _renew_optimizer(net: Any, keep_state: bool) -> None:
    """Make the optimizer anew, with the momenta of the one before if they suit it."""
    earlier = net.optimizer_
    net.initialize_optimizer()
    if keep_state and type(net.optimizer_) is type(earlier):
        state = earlier.state_dict()["state"]
        net.optimizer_.load_state_dict({**net.optimizer_.state_dict(), "state": state})
