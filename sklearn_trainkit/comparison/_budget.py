"""Judge every strategy at the same cost: in trials, epochs trained, or seconds."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from sklearn_trainkit.callbacks import TrainingLimit
from sklearn_trainkit.comparison._trial_costs import TrialCosts
from sklearn_trainkit.model_selection.evaluation._trial_record import COMPLETE, FAILED
from sklearn_trainkit.model_selection.results._trials_table import TrialRow

__all__ = ["Budget", "BudgetError", "make_budget"]

CURRENCIES = ("trials", "epochs", "seconds")


class BudgetError(ValueError):
    """A strategy cannot be judged within its budget."""


class Budget(NamedTuple):
    """What each run may spend before its winner is chosen.

    Attributes
    ----------
    currency : {"trials", "epochs", "seconds"}
        What is counted.
    amount : float
        How much of it.
    """

    currency: str
    amount: float

    def limit(self, began: float) -> TrainingLimit | None:
        """Return when training should stop, for a run that began at ``time.monotonic()``."""
        if self.currency == "seconds":
            return TrainingLimit(deadline=began + self.amount)
        if self.currency == "epochs":
            return TrainingLimit(n_epochs=int(self.amount))
        return None

    def select(self, trials: Sequence[TrialRow], costs: TrialCosts) -> list[int]:
        """Return the indices of the trials that ended within the budget.

        Raises
        ------
        BudgetError
            When the costs are not known, or no trial was complete in time.
        """
        spent = self._spent(costs)
        if np.isnan(spent).any():
            raise BudgetError(
                f"the {self.currency} of this strategy are not known, so it cannot be judged "
                f"within {self.amount:g} of them"
            )
        within = [index for index, cost in enumerate(spent) if self._fits(trials[index], cost)]
        if not any(trials[index].state == COMPLETE for index in within):
            raise BudgetError(f"no trial was complete within {self.amount:g} {self.currency}")
        return within

    def _spent(self, costs: TrialCosts) -> np.ndarray:
        if self.currency == "trials":
            return np.argsort(np.argsort(costs.seconds, kind="stable")) + 1.0
        known = costs.epochs if self.currency == "epochs" else costs.seconds
        return np.array(known, dtype=float)

    def _fits(self, trial: TrialRow, cost: float) -> bool:
        # A trial that fails when everything is spent was cut off, or refused.
        return cost < self.amount or (cost == self.amount and trial.state != FAILED)


def make_budget(budget: Any) -> Budget | None:
    """Check the argument ``budget`` and return it as a :class:`Budget`.

    Raises
    ------
    ValueError
        When it is neither None nor one positive amount of a known currency.
    """
    if budget is None:
        return None
    if isinstance(budget, Mapping) and len(budget) == 1:
        [(currency, amount)] = budget.items()
        is_number = isinstance(amount, int | float | np.number) and not isinstance(amount, bool)
        if currency in CURRENCIES and is_number and amount > 0:
            return Budget(currency, float(amount))
    raise ValueError(
        "budget must be None or one positive amount, such as {'epochs': 2000}, with the currency "
        f"one of {list(CURRENCIES)}; got {budget!r}"
    )
