"""Compiling what trains dense networks, once on a machine; and telling those whom it would help."""

import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sklearn_trainkit.neural_network.engines._choose_engine import EngineName
from sklearn_trainkit.neural_network.kernels._code import (
    FLOATS,
    NOT_YET,
    cache_folder,
    compile_steps,
    is_kept,
)
from sklearn_trainkit.utils._warn_user import warn_user

__all__ = ["compile_engines", "tell_of_compiling"]

# From so many seconds of training in one process on, it would have paid.
_WORTHWHILE_SECONDS = 60.0
_spent = {"seconds": 0.0}


def compile_engines(dtypes: Sequence[str] = FLOATS) -> None:
    """Compile the code that trains dense networks, once for this machine and user.

    It takes half a minute of processor time for each type of number. From then on all processes
    of the user load it, and ``engine="auto"`` takes it where it is exact and faster: epochs of
    small networks take a tenth of a PyTorch loop's time. Nothing else ever waits for a compiler,
    and the engine of a fit changes only by this call: the same fit gives the same bits before it,
    and again after it.

    The code is kept in the user's folder for caches, or in that of the environment variable
    ``SKLEARN_TRAINKIT_CACHE``, and made for this processor, this version of numba and this version
    of the package: call it again after one of them has changed. What is there already costs
    nothing.

    Parameters
    ----------
    dtypes : sequence of {"float32", "float64"}, default=both
        Types of the networks' parameters.

    Raises
    ------
    ImportError
        If numba is not installed, or does not work with this version of NumPy.
    ValueError
        For another type of number.

    Warns
    -----
    UserWarning
        If the code cannot be kept: it then serves this process only.

    See Also
    --------
    sklearn_trainkit.neural_network.MLPNetClassifier : ``engine_`` says what trained it, and why
        nothing faster.

    Examples
    --------
    >>> import sklearn_trainkit
    >>> sklearn_trainkit.compile_engines()  # doctest: +SKIP
    """
    unknown = [dtype for dtype in dtypes if dtype not in FLOATS]
    if unknown or isinstance(dtypes, str):
        raise ValueError(f"dtypes must be among {list(FLOATS)}. Got {dtypes!r} instead.")
    for dtype in dtypes:
        try:
            compile_steps(dtype)
        except ImportError as error:
            raise ImportError(
                f"compile_engines needs numba, which cannot be used here: {error}."
            ) from error
    if not all(is_kept(dtype) for dtype in dtypes):
        warnings.warn(
            f"The compiled code cannot be kept in {cache_folder()} and serves this process only. "
            "The environment variable SKLEARN_TRAINKIT_CACHE names another folder.",
            stacklevel=2,
        )


def tell_of_compiling(engine: str, seconds: float) -> None:
    """Say once to a user whose networks have trained for long that they could be faster.

    Parameters
    ----------
    engine : EngineName
        What has trained a network.
    seconds : float
        How long.
    """
    if not isinstance(engine, EngineName) or engine.passed_over.get("compiled") != NOT_YET:
        return
    before = _spent["seconds"]
    _spent["seconds"] = before + seconds
    if not before < _WORTHWHILE_SECONDS <= _spent["seconds"] or _was_told():
        return
    warn_user(
        f"Dense networks have trained for {_spent['seconds']:.0f} s in this process. After "
        "sklearn_trainkit.compile_engines(), which takes about a minute once, they train several "
        "times faster on this machine. (This is said once.)"
    )


def _was_told() -> bool:
    """Tell whether any process of the user has said it, and note that it is said now."""
    mark: Path = cache_folder() / "told-of-compile-engines"
    if mark.exists():
        return True
    with suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    return False
