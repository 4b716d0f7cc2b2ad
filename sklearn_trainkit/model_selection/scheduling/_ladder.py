"""Who came how far, who is on the way, and who goes on next.

Plain successive halving decides on a candidate when it arrives at a rung and never comes back to
it. Here nobody is dismissed: a candidate that waits goes on as soon as it is among the best third
of all that came to its rung (Li et al., "A System for Massively Parallel Hyperparameter Tuning",
2020, whose promotion rule this is).
"""

import math
from collections.abc import Sequence

__all__ = ["Ladder"]


class Ladder:
    """The candidates on their rungs.

    Parameters
    ----------
    factors : sequence of int
        One in how many goes on, for each rung but the last, which is the end.
    """

    def __init__(self, factors: Sequence[int]) -> None:
        self._factors = factors
        self._values: list[dict[int, float]] = [{} for _ in range(len(factors) + 1)]
        self._climbing: dict[int, int] = {}

    def start(self, number: int, rung: int) -> None:
        """Note that a candidate is on its way to a rung."""
        self._climbing[number] = rung

    def arrive(self, number: int, rung: int, value: float) -> None:
        """Note that a candidate came to a rung; NaN counts as the worst."""
        self._climbing.pop(number, None)
        self._values[rung][number] = -math.inf if math.isnan(value) else value

    def leave(self, number: int) -> None:
        """Forget a candidate that ended without coming to the end."""
        self._climbing.pop(number, None)
        for values in self._values:
            values.pop(number, None)

    def is_waiting(self, number: int, rung: int) -> bool:
        """Return whether a candidate came to this rung, no further, and is not on its way."""
        return (
            number in self._values[rung]
            and number not in self._values[rung + 1]
            and number not in self._climbing
        )

    def pick(self, *, more_to_come: bool) -> tuple[int, int] | None:
        """Return who goes on, and from which rung: those furthest up first.

        While there are more to come to a rung, no more than their share of those that came there
        go on, even if better ones came since; at the end these go on too.
        """
        climbing = self._climbing.values()
        for rung in reversed(range(len(self._values) - 1)):
            ranked = self._rank(rung)
            places = len(ranked) // self._factors[rung]
            taken = len(self._values[rung + 1]) + sum(to == rung + 1 for to in climbing)
            more = more_to_come or any(to <= rung for to in climbing)
            if more and taken >= places:
                continue
            for number in ranked[:places]:
                if self.is_waiting(number, rung):
                    return number, rung
        return None

    def pick_last(self) -> tuple[int, int] | None:
        """Return the best of those furthest up when nobody came to the end, or is on the way."""
        if self._values[-1] or self._climbing:
            return None
        for rung in reversed(range(len(self._values) - 1)):
            if self._values[rung]:
                return self._rank(rung)[0], rung
        return None

    def _rank(self, rung: int) -> list[int]:
        values = self._values[rung]
        return sorted(values, key=lambda number: (-values[number], number))
