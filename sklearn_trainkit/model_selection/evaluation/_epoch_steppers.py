"""Training one estimator epoch by epoch, whichever of several interfaces it offers for that.

A stepper is begun once on the training rows and then advanced one epoch at a time; in between the
estimator can predict.
"""

import pickle
from abc import ABC, abstractmethod
from typing import Any

from sklearn.base import clone, is_classifier
from sklearn.utils.multiclass import unique_labels

from sklearn_trainkit.model_selection.evaluation._ongoing_order import OngoingOrder
from sklearn_trainkit.model_selection.evaluation._stepping_table import (
    MLP,
    PARTIAL_FIT,
    SKORCH,
    START_FIT,
    epochs_name,
)
from sklearn_trainkit.utils._pipelines import last_step
from sklearn_trainkit.utils._sklearn_private import mlp_stopped

__all__ = ["EpochStepper", "count_epochs", "limit_epochs", "make_stepper", "name_with_memory"]


class EpochStepper(ABC):
    """Trains one estimator on one set of rows.

    Parameters
    ----------
    estimator : estimator
        Unfitted; trained in place.
    n_epochs : int
        How many epochs it wants.

    Attributes
    ----------
    epoch : int
        Epochs trained so far.
    done : bool
        Whether the estimator wants no further epoch.
    rows : tuple of (X, y)
        What it trains on.
    rows_stay : bool
        Whether a pickle has no rows: whoever opens it has them, and says so to ``go_on``.
    """

    rows: tuple[Any, Any]

    def __init__(self, estimator: Any, n_epochs: int) -> None:
        self.estimator = estimator
        self.n_epochs = n_epochs
        self.epoch = 0
        self.done = False
        self.rows_stay = False

    @abstractmethod
    def begin(self, X: Any, y: Any, fit_params: dict[str, Any]) -> None:
        """Take the training rows; nothing is trained yet."""

    @abstractmethod
    def train_epoch(self) -> None:
        """Train one epoch, uncounted; set ``done`` when the estimator stops by itself."""

    def count_epoch(self) -> None:
        """Count an epoch that has been trained, here or together with those of others."""
        self.epoch += 1
        self.done = self.done or self.epoch >= self.n_epochs

    def finish(self) -> None:
        """Say goodbye: callbacks, best weights."""
        self.done = True

    def __getstate__(self) -> dict[str, Any]:
        raise pickle.PicklingError(f"{type(self).__name__} cannot be left and taken up again")

    def go_on(self, rows: tuple[Any, Any] | None) -> None:
        """Go on after a pickle was opened; ``rows`` are those that stayed, None if they did not."""
        if rows is not None:
            self.rows = rows

    def _state_without_rows(self) -> dict[str, Any]:
        return {
            key: value for key, value in vars(self).items() if key != "rows" or not self.rows_stay
        }


class StartFitStepper(EpochStepper):
    """For our nets: ``start_fit`` returns a run that is ``fit``, taken apart. Exact."""

    def begin(self, X: Any, y: Any, fit_params: dict[str, Any]) -> None:
        # What ``fit`` does first; scikit-learn's own name for it, which our nets have.
        self.estimator._validate_params()
        self.rows, self._fit_params = (X, y), fit_params
        self._run = self.estimator.start_fit(X, y, **fit_params)

    def __getstate__(self) -> dict[str, Any]:
        if self.estimator.random_state is None:
            # Rows for early stopping would be picked anew.
            raise pickle.PicklingError("an unseeded net cannot be left and taken up again")
        if (name := name_with_memory(self.estimator)) is not None:
            raise pickle.PicklingError(f"{name} keeps what a pickle of the training has not")
        run = {"_run": self._run.state_dict(), "estimator": clone(self.estimator)}
        return self._state_without_rows() | run

    def go_on(self, rows: tuple[Any, Any] | None) -> None:
        """Begin again with these rows, and take up the state that was left."""
        super().go_on(rows)
        left = self._run
        self._run = self.estimator.start_fit(*self.rows, **self._fit_params)
        self._run.load_state_dict(left)

    def train_epoch(self) -> None:
        # Nobody but scorers looks at the net before the next epoch.
        self._run.advance(release=False)

    def count_epoch(self) -> None:
        self.done = self._run.done
        super().count_epoch()

    @property
    def run(self) -> Any:
        """The net's training run, to be advanced together with others."""
        return self._run

    def finish(self) -> None:
        super().finish()
        self._run.finish()


class SkorchStepper(EpochStepper):
    """For any skorch net: the steps of skorch's own ``fit_loop``. Exact."""

    def begin(self, X: Any, y: Any, fit_params: dict[str, Any]) -> None:
        net = self.estimator
        net.initialize()
        net.notify("on_train_begin", X=X, y=y)
        net.check_data(X, y)
        net.check_training_readiness()
        self._data = net.get_split_datasets(X, y, **fit_params)
        train, valid = self._data
        self._train = net.get_iterator(train, training=True)
        self._valid = None if valid is None else net.get_iterator(valid, training=False)
        self._X, self._y, self._fit_params = X, y, fit_params

    def train_epoch(self) -> None:
        net = self.estimator
        data = dict(zip(("dataset_train", "dataset_valid"), self._data, strict=True))
        net.notify("on_epoch_begin", **data)
        for iterator, training, prefix, step in (
            (self._train, True, "train", net.train_step),
            (self._valid, False, "valid", net.validation_step),
        ):
            net.run_single_epoch(
                iterator, training=training, prefix=prefix, step_fn=step, **self._fit_params
            )
        try:
            net.notify("on_epoch_end", **data)
        except KeyboardInterrupt:  # how skorch's EarlyStopping asks to stop
            self.done = True

    def finish(self) -> None:
        super().finish()
        self.estimator.notify("on_train_end", X=self._X, y=self._y)


class PartialFitStepper(EpochStepper):
    """For estimators of others, taken at their word: a ``partial_fit`` with all rows is an epoch.

    All epochs are trained, whatever ``fit`` would do.
    """

    def begin(self, X: Any, y: Any, fit_params: dict[str, Any]) -> None:
        self.rows = X, y
        self._fit_params = dict(fit_params)
        self._first: dict[str, Any] = {}
        if is_classifier(self.estimator):
            self._first["classes"] = unique_labels(y)

    def __getstate__(self) -> dict[str, Any]:
        return self._state_without_rows()

    def train_epoch(self) -> None:
        arguments = self.rows[:1] if self.rows[1] is None else self.rows
        self.estimator.partial_fit(*arguments, **self._first, **self._fit_params)
        self._first = {}


class MLPStepper(PartialFitStepper):
    """For scikit-learn's multilayer perceptrons: ``partial_fit`` in the order of ``fit``. Exact.

    ``fit`` draws weights and orders from one stream of random numbers, and shuffles what it has
    shuffled; each ``partial_fit`` would begin again. So the estimator trains with a generator that
    goes on, and gets its own ``random_state`` back at the end.
    """

    def begin(self, X: Any, y: Any, fit_params: dict[str, Any]) -> None:
        super().begin(X, y, fit_params)
        self._random_state = self.estimator.random_state
        self.estimator.random_state = OngoingOrder(self._random_state)

    def train_epoch(self) -> None:
        super().train_epoch()
        if len(self.estimator.loss_curve_) <= self.epoch:
            raise KeyboardInterrupt  # scikit-learn makes a warning of it
        self.estimator.n_iter_ = self.epoch + 1
        self.done = mlp_stopped(self.estimator)

    def finish(self) -> None:
        super().finish()
        self.estimator.random_state = self._random_state


def name_with_memory(net: Any) -> str | None:
    """Return the name of a callback of one of our nets that loses what it knows in a pickle.

    An EarlyStopping's patience, for example; None if there is no such callback.
    """
    from sklearn_trainkit.neural_network.engines import _callback_hooks  # torch is loaded by now

    given = net.callbacks
    return _callback_hooks.name_with_memory(given if isinstance(given, list | tuple) else [])


_STEPPERS: dict[str, type[EpochStepper]] = {
    START_FIT: StartFitStepper,
    SKORCH: SkorchStepper,
    MLP: MLPStepper,
    PARTIAL_FIT: PartialFitStepper,
}


def count_epochs(estimator: Any) -> int:
    """Return how many epochs ``estimator`` wants.

    Raises
    ------
    ValueError
        If that is no number.
    """
    name = epochs_name(estimator)
    try:
        return int(getattr(estimator, name))
    except (TypeError, ValueError, OverflowError):
        raise ValueError(
            f"{name} must be a whole number of epochs. Got {getattr(estimator, name)!r}."
        ) from None


def limit_epochs(estimator: Any, n_epochs: int) -> None:
    """Have ``estimator``, or a Pipeline's last step, train for at most ``n_epochs`` epochs.

    Its learning-rate schedule ends with them.
    """
    final = last_step(estimator)
    if count_epochs(final) > n_epochs:
        final.set_params(**{epochs_name(final): n_epochs})


def make_stepper(kind: str, estimator: Any, n_epochs: int | None = None) -> EpochStepper:
    """Return the stepper for ``estimator``, for as many epochs as it wants unless told."""
    return _STEPPERS[kind](estimator, count_epochs(estimator) if n_epochs is None else n_epochs)
