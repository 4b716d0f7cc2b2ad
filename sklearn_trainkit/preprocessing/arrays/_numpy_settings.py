"""numpy settings for arithmetic on cache-sized blocks."""

from types import TracebackType

import numpy as np

__all__ = ["BlockLoops"]

# A row shorter than numpy's buffer is repeated in that buffer before it is broadcast, which
# doubles the time of an operation. Our rows are longer than this many elements.
_BUFFER_ELEMENTS = 512


class BlockLoops:
    """Context in which rows of a block are broadcast without a buffer, and no loop warns.

    Overflow, underflow and invalid values are silent inside. The settings are those of the
    thread that enters.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_trainkit.preprocessing.arrays._numpy_settings import BlockLoops
    >>> before = np.getbufsize()
    >>> with BlockLoops():
    ...     np.array([1e300]) * 1e300
    array([inf])
    >>> np.getbufsize() == before
    True
    """

    def __enter__(self) -> None:
        self._errors = np.errstate(over="ignore", under="ignore", invalid="ignore")
        self._errors.__enter__()
        self._size = np.setbufsize(_BUFFER_ELEMENTS)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._errors.__exit__(kind, error, traceback)
        # From numpy 2 on, the line above has brought back all settings.
        if np.getbufsize() != self._size:
            np.setbufsize(self._size)
