"""Random numbers and orders of rows that go on from one call of ``partial_fit`` to the next."""

from typing import Any

import numpy as np

__all__ = ["OngoingOrder"]


class OngoingOrder(np.random.RandomState):
    """A generator that shuffles the rows from where it left them.

    Parameters
    ----------
    random_state : int, RandomState (of MT19937) or None
        What it draws from: the same numbers as ``check_random_state(random_state)``; None is a
        seed from numpy's global generator.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.utils import shuffle
    >>> ongoing, plain = OngoingOrder(3), np.random.RandomState(3)
    >>> rows = np.arange(4)
    >>> for _ in range(3):
    ...     rows = shuffle(rows, random_state=plain)
    ...     bool((shuffle(np.arange(4), random_state=ongoing) == rows).all())
    True
    True
    True
    """

    def __init__(self, random_state: Any = None) -> None:
        if random_state is None:
            random_state = np.random.randint(2**31 - 1)  # noqa: NPY002
        if isinstance(random_state, np.random.RandomState):
            super().__init__()
            self.set_state(random_state.get_state(legacy=False))
        else:
            super().__init__(random_state)
        self._order: np.ndarray | None = None

    def shuffle(self, x: Any) -> None:
        """Shuffle numbers 0, 1, ... as the last shuffled ones would be shuffled now."""
        super().shuffle(x)
        self._order = x.copy() if self._order is None else self._order[x]
        x[:] = self._order

    def __reduce__(self) -> Any:
        return _restore, (self.get_state(legacy=False), self._order)


def _restore(state: Any, order: "np.ndarray | None") -> OngoingOrder:
    restored = OngoingOrder(0)
    restored.set_state(state)
    restored._order = order
    return restored
