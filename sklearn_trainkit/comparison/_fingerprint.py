"""What a run of a comparison is: a short text that changes when it would be another run."""

from collections.abc import Sequence
from typing import Any

from sklearn_trainkit.utils._fingerprint import FINGERPRINT_VERSION, Fingerprinter, fingerprint

__all__ = ["VERSION_MARK", "fingerprint_data", "fingerprint_run"]

LENGTH = 12
# Runs without it were told apart by labels of objects, which may be equal for other objects.
VERSION_MARK = f"v{FINGERPRINT_VERSION}-"


def fingerprint_data(X: Any, y: Any, groups: Any = None) -> str:
    """Return a fingerprint of the rows, targets and groups of a data set.

    Raises
    ------
    FingerprintError
        When a part of them cannot be read.
    """
    prints = Fingerprinter()
    return "".join(
        prints.digest(part, name) for part, name in ((X, "X"), (y, "y"), (groups, "groups"))
    )


def fingerprint_run(searcher: Any, strategy: str, shared: Sequence[Any], data: str) -> str:
    """Return the fingerprint of a run.

    Parameters
    ----------
    searcher : searcher
        Its own ``cv`` is replaced before it is fitted, so it does not count.
    strategy : str
        Its name, for messages.
    shared : sequence of object
        The settings that all runs share.
    data : str
        From :func:`fingerprint_data`.

    Raises
    ------
    FingerprintError
        When a setting cannot be read.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.model_selection import GridSearchCV
    >>> one, other = (GridSearchCV(Ridge(), {"alpha": [alpha]}) for alpha in (1, 2))
    >>> fingerprint_run(one, "grid", [], "") == fingerprint_run(other, "grid", [], "")
    False
    """
    prints = Fingerprinter()
    params = dict(searcher.get_params(deep=False))
    params["cv"] = None
    parts = [
        prints.digest(type(searcher), f"searchers[{strategy!r}]"),
        prints.digest(params, f"searchers[{strategy!r}].", cloned=True),
        prints.digest(list(shared), "settings"),
        data,
    ]
    return VERSION_MARK + fingerprint(parts)[:LENGTH]
