"""Fitting, as every network estimator does it."""

from abc import abstractmethod
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.utils.validation import check_array, check_consistent_length, column_or_1d
from skorch.helper import SliceDataset
from torch.utils.data import Dataset

from sklearn_trainkit.neural_network.base._going_on import refuse_changes, take_changes
from sklearn_trainkit.neural_network.base._shared_parameters import SharedParameters, constraints_of
from sklearn_trainkit.neural_network.base._skorch_face import SkorchFace
from sklearn_trainkit.neural_network.batches._input_checks import (
    FLOAT_TYPES,
    INPUT_TYPES,
    checked_device,
    mean_one_weights,
    resolved_batch_size,
    writeable,
)
from sklearn_trainkit.neural_network.batches._input_types import as_plain
from sklearn_trainkit.neural_network.batches._source_rows import (
    SourceRows,
    as_source,
    dataset_targets,
    is_mapped,
    shared_tensor,
)
from sklearn_trainkit.neural_network.batches._tensor_loader import Rows, TensorRows, batch_bounds
from sklearn_trainkit.neural_network.engines._learning_rates import LRSchedule
from sklearn_trainkit.neural_network.engines._settings import LoopSettings
from sklearn_trainkit.neural_network.training._checkpoint import CheckpointFile, fit_fingerprint
from sklearn_trainkit.neural_network.training._training_run import TrainingRun
from sklearn_trainkit.utils._random_streams import StreamSeeds, stream_seeds
from sklearn_trainkit.utils._sklearn_private import fit_context
from sklearn_trainkit.utils._validation_split import validation_split

# Up to this size, the parts of a validation split are copied; of larger data, batches are gathered.
_COPIED_BYTES = 1 << 26
_NOT_IN_FINGERPRINT = ("checkpoint_dir", "device", "n_threads", "verbose")


class BaseNet(SkorchFace):
    """A network estimator; sub-classes give the module, the loss and the treatment of targets."""

    _parameter_constraints: ClassVar[dict] = constraints_of(SharedParameters)
    _score_name: str
    _y_numeric = False

    def _kept_for_score(self, output: torch.Tensor) -> torch.Tensor:
        """Return what the score needs of a batch's output."""
        return output

    def _n_counted(self, batch: TensorRows) -> int:
        """Return what a batch's mean loss is a mean over: rows, or what of them has a target."""
        return len(batch.y)

    @abstractmethod
    def _rows_score(self, output: torch.Tensor, rows: Rows) -> float:
        """Return the score recorded for the validation rows, from all that was kept of them."""

    @abstractmethod
    def _learn_targets(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Set what is learnt from the training targets: classes, mean and scale."""

    @abstractmethod
    def _encode_targets(self, y: np.ndarray, name: str) -> np.ndarray:
        """Return ``y`` in training units: class codes, standardized values."""

    def _check_targets(self, y: Any) -> np.ndarray:
        """Return ``y`` if it is of the right kind, or raise."""
        return y

    def _check_data(self, X: Any, y: Any, reset: bool) -> tuple[Any, np.ndarray]:
        """Return the checked data: samples as the module takes them, and targets."""
        if isinstance(X, Dataset):
            X = self._checked_samples(X, reset)
            y = dataset_targets(X.dataset) if y is None else y
            y = as_plain(y) if isinstance(y, SliceDataset) else y
            y = check_array(y, ensure_2d=False, dtype=None, input_name="y")
            check_consistent_length(X, y)
        else:
            y = as_plain(y) if isinstance(y, SliceDataset) else y
            X, y = self._validated(X, reset, y=y, multi_output=True, y_numeric=self._y_numeric)
            X = self._as_samples(X)
            self._learn_input(X, reset)
        return X, self._check_targets(y)

    def _stratify_by(self, y: np.ndarray) -> np.ndarray | None:
        """Return what a validation split keeps the shares of; None for nothing."""
        return None

    @abstractmethod
    def _target_units(self) -> tuple[np.ndarray, ...]:
        """Return what makes training units of targets: classes, or mean and scale."""

    @abstractmethod
    def _targets_of(self, codes: np.ndarray, units: tuple[np.ndarray, ...]) -> np.ndarray:
        """Return the targets whose codes in these units are given."""

    def _in_present_units(self, rows: Rows, units: tuple[np.ndarray, ...]) -> Rows:
        """Return rows whose targets are in ``units`` with targets in the present ones."""
        targets = self._targets_of(rows.y.numpy(force=True), units)
        codes = torch.from_numpy(writeable(self._encode_targets(targets, "y")))
        return rows.with_targets(codes.to(rows.y.device))

    def _learn_from_training_part(self, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Learn again what depends on the values of the targets, not on their kind."""

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        groups: Any = None,
    ) -> "BaseNet":
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows, converted to ``dtype``. NaN and infinity are refused.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Class labels of any kind, or numbers for a regressor.
        sample_weight : array-like of shape (n_samples,) or None, default=None
            Weight of each row in the loss. With all rows in one batch a weight of 2 is the same
            as the row given twice, but for ``norm="batch"``, whose statistics are unweighted.
        X_val, y_val : array-like or None, default=None
            Rows for early stopping; without them ``validation_fraction`` of X is set aside. In a
            Pipeline, ``transform_input=["X_val"]`` sends them through the same steps.
        groups : array-like of shape (n_samples,) or None, default=None
            Rows of one group are set aside together.

        Returns
        -------
        self : estimator

        Raises
        ------
        ValueError
            For parameters or data that cannot be trained on.
        DivergenceError
            If the loss or a weight becomes NaN or infinite and ``on_divergence="raise"``.
        OSError
            If ``checkpoint_dir`` does not take files: before the training; or, for a disk that
            was full at its end, after it, with the network fitted.
        """
        checkpoint = self._checkpoint_file(X, y, sample_weight, X_val, y_val, groups)
        if checkpoint is not None:
            checkpoint.prepare()
        run = self.start_fit(X, y, sample_weight, X_val=X_val, y_val=y_val, groups=groups)
        run.train(checkpoint)
        return self

    def _checkpoint_file(self, *data: Any) -> CheckpointFile | None:
        if self.checkpoint_dir is None:
            return None
        if not isinstance(self.random_state, Integral):
            raise ValueError(
                f"checkpoint_dir={self.checkpoint_dir!r} needs an int random_state, so that a "
                f"fit can be told from another. Got random_state={self.random_state!r}."
            )
        if self.warm_start:
            raise ValueError(
                f"checkpoint_dir={self.checkpoint_dir!r} does not go with warm_start=True: a fit "
                "that goes on from other weights cannot be told from one that starts anew."
            )
        params = {
            k: v for k, v in self.get_params(deep=False).items() if k not in _NOT_IN_FINGERPRINT
        }
        return CheckpointFile(
            self.checkpoint_dir, fit_fingerprint(type(self).__name__, params, *data)
        )

    def start_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        groups: Any = None,
    ) -> TrainingRun:
        """Prepare a fit and return it, to be advanced epoch by epoch.

        ``fit`` is this followed by ``train()``. Between epochs the network can predict; after
        the last one ``finish()`` restores the best weights and tells the callbacks.

        Parameters
        ----------
        X, y, sample_weight, X_val, y_val, groups
            As for :meth:`fit`.

        Returns
        -------
        run : TrainingRun
            With ``advance()``, ``done``, ``epoch``, ``train()`` and ``finish()``.
        """
        fresh = not (self.warm_start and hasattr(self, "module_"))
        unseen = fresh or self._waits_for_data
        if not unseen:
            # What was set aside by another share would be rows that it has been trained on.
            splits_again = self.early_stopping and X_val is None and self._has_split()
            refuse_changes(self, ["validation_fraction"] if splits_again else [])
        X, y = self._check_data(X, y, reset=unseen)
        weight = None if sample_weight is None else mean_one_weights(sample_weight, y)
        if unseen:
            self._learn_targets(y, weight)
            X = self._settle_input(X)
        else:
            self._learn_from_training_part(y, weight)
        seeds = stream_seeds(self.random_state)
        if fresh or not hasattr(self, "_split_seed"):
            self._split_seed = seeds.split
        # A warm start must not stop by rows that it has been trained on.
        seeds = seeds._replace(split=self._split_seed)
        train, valid = self._split(X, y, weight, X_val, y_val, groups, seeds)
        if fresh:
            self._initialize_all(seeds, train)
        elif unseen:
            self._take_data(train)
        else:
            take_changes(self, seeds, new_callbacks=True)
        batch_size = self._batch_rows(self.batch_size, train.n_rows)
        schedule = LRSchedule(
            self.lr_schedule,
            self.lr_schedule_params,
            self.max_epochs,
            steps_per_epoch=len(batch_bounds(train.n_rows, batch_size)),
        )
        return self._training_run(train, valid, batch_size, self.max_epochs, schedule, (X, y))

    def _begins(self) -> bool:
        """Return whether ``partial_fit`` begins; raise if it can neither begin nor go on."""
        if self.early_stopping:
            raise ValueError(
                "partial_fit does not go with early_stopping=True: it trains one epoch and has no "
                "rows to stop by. Use set_params(early_stopping=False), or fit with "
                "warm_start=True to train on until the validation loss rises."
            )
        if not hasattr(self, "module_") or self._waits_for_data:
            return True
        refuse_changes(self)
        return False

    def _train_one_epoch(self, X: Any, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Train one epoch on checked data, going on from the present weights.

        Weights are taken as they are: chunks may differ in their mean weight, and a row counts by
        its own whichever rows it comes with.
        """
        fresh = not hasattr(self, "module_")
        if fresh or self._waits_for_data:
            X = self._settle_input(X)
        codes = self._encode_targets(y, "y")
        weight = self._row_weights(codes, weight)
        rows = self._rows(X, codes, weight)
        seeds = stream_seeds(self.random_state)
        if fresh:
            self._initialize_all(seeds, rows)
        elif self._waits_for_data:
            self._take_data(rows)
        else:
            take_changes(self, seeds, new_callbacks=False)
        if weight is not None and not weight.any():
            return  # rows of weight 0 teach nothing; momentum and decay would move the weights
        # The last chunk of a stream may well be smaller than a batch; the first should not.
        batch_size = self.batch_size
        if batch_size != "auto" and batch_size > rows.n_rows and not fresh:
            batch_size = -1
        batch_size = self._batch_rows(batch_size, rows.n_rows)
        schedule = LRSchedule("constant", None, 1, 1)
        self._training_run(rows, None, batch_size, 1, schedule, (X, y)).train()

    def _take_data(self, rows: Rows) -> None:
        """Let a network that was made before its data keep its weights and get to know these."""
        self.module_.to(checked_device(self.device), FLOAT_TYPES[self.dtype_])
        self._prepare_module(self.module_, rows)
        self._waits_for_data = False
        self.initialize_criterion()
        self.initialize_optimizer()

    def _training_run(
        self,
        train: Rows,
        valid: Rows | None,
        batch_size: int,
        n_epochs: int,
        schedule: LRSchedule,
        callback_data: tuple[Any, Any],
    ) -> TrainingRun:
        self._check_batches(batch_size)
        settings = LoopSettings(
            n_epochs=n_epochs,
            batch_size=batch_size,
            clip_norm=self.clip_norm,
            clip_value=self.clip_value,
            clip_adaptive=self.clip_adaptive,
            early_stopping=self.early_stopping and valid is not None,
            patience=self.patience,
            on_divergence=self.on_divergence,
            n_threads=self.n_threads,
            precision=self.precision,
            compile=self.compile,
            engine=getattr(self, "engine", "auto"),
        )
        return TrainingRun(
            self,
            train=train,
            valid=valid,
            streams=self.streams_,
            settings=settings,
            schedule=schedule,
            callback_data=callback_data,
        )

    def _has_split(self) -> bool:
        """Return whether the fit before has set validation rows aside."""
        return self._made_with is not None and self._made_with.parameters["early_stopping"]

    def _batch_rows(self, batch_size: int | str, n_rows: int) -> int:
        """Return how many of ``n_rows`` training rows make a batch."""
        return resolved_batch_size(batch_size, n_rows)

    def _check_batches(self, n_rows: int) -> None:
        """Raise if batches of ``n_rows`` rows cannot be trained on."""

    def _row_weights(self, codes: np.ndarray, weight: np.ndarray | None) -> np.ndarray | None:
        """Return the weight of each row in the loss, from the weight that it was given."""
        return weight

    def _mean_one_row_weights(
        self, codes: np.ndarray, weight: np.ndarray | None
    ) -> np.ndarray | None:
        """Return the weights of the rows in the loss, with mean 1 over them.

        Raises
        ------
        ValueError
            If they are all zero.
        """
        weight = self._row_weights(codes, weight)
        if weight is None:
            return None
        means = weight.mean(axis=0)
        if not np.all(means):
            raise ValueError(
                f"class_weight={self.get_params()['class_weight']!r} leaves no weight to "
                f"{len(weight)} rows that are trained on or stop the training; at least one must "
                "count."
            )
        return weight / means

    def _split(
        self,
        X: Any,
        y: np.ndarray,
        weight: np.ndarray | None,
        X_val: Any,
        y_val: Any,
        groups: Any,
        seeds: StreamSeeds,
    ) -> tuple[Rows, Rows | None]:
        """Return the training rows and, for early stopping, the validation rows."""
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together; only one of them was given.")
        if X_val is not None:
            X_val, y_val = self._check_data(X_val, y_val, reset=False)
            valid = self._weighted_rows(X_val, y_val, None, name="y_val")
            return self._weighted_rows(X, y, weight), valid
        if not self.early_stopping:
            return self._weighted_rows(X, y, weight), None
        index = self._validation_split(y, weight, groups, seeds.split)
        weights = [None if weight is None else mean_one_weights(weight[i], y[i]) for i in index]
        # What is learnt from the targets must not come from the rows that stop the training.
        self._learn_from_training_part(y[index[0]], weights[0])
        train, held_out = (
            self._weighted_rows(X, y[i], w, i) for i, w in zip(index, weights, strict=True)
        )
        return train, held_out

    def _weighted_rows(
        self,
        X: Any,
        y: np.ndarray,
        weight: np.ndarray | None,
        index: np.ndarray | None = None,
        name: str = "y",
    ) -> Rows:
        """Return rows of a fit, whose weights in the loss have mean 1."""
        codes = self._encode_targets(y, name)
        return self._rows(X, codes, self._mean_one_row_weights(codes, weight), index)

    def _validation_split(
        self, y: np.ndarray, weight: np.ndarray | None, groups: Any, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return which rows are trained on and which set aside: never those of weight zero."""
        counted = np.arange(len(y)) if weight is None else np.flatnonzero(weight)
        classes = self._stratify_by(y)
        if groups is not None:
            groups = column_or_1d(groups)
            check_consistent_length(groups, y)
            groups = groups[counted]
        try:
            if classes is not None and groups is None:
                self._check_share(len(y))
            _, aside = places = validation_split(
                len(counted),
                self.validation_fraction,
                seed,
                None if classes is None else classes[counted],
                groups,
            )
        except ValueError as error:
            raise ValueError(
                f"early_stopping=True cannot set aside validation_fraction="
                f"{self.validation_fraction!r} of {len(y)} rows: {error}"
            ) from error
        if len(counted) == len(y):
            return places
        return np.setdiff1d(np.arange(len(y)), counted[aside]), counted[aside]

    def _check_share(self, n_rows: int) -> None:
        """Raise if so small a share is asked for that no class can be told from another by it."""
        if self.validation_fraction * n_rows < 1:
            raise ValueError("that is less than one row.")

    def _rows(
        self,
        X: Any,
        codes: np.ndarray,
        weight: np.ndarray | None,
        index: np.ndarray | None = None,
    ) -> Rows:
        """Return rows to train or validate on: those of ``index``, whose targets are given."""
        device = checked_device(self.device)
        y = torch.from_numpy(writeable(codes)).to(device)
        factors = None
        if weight is not None:
            factors = torch.from_numpy(weight).to(device, FLOAT_TYPES[self.dtype_])
        X = self._as_input(X)
        plain = isinstance(X, np.ndarray) and X.dtype == self.input_dtype_ and not is_mapped(X)
        if plain and (index is None or X.nbytes <= _COPIED_BYTES or device.type != "cpu"):
            part = X if index is None else X[index]
            return TensorRows(shared_tensor(part).to(device), y, factors)
        places = None if index is None else torch.from_numpy(index)
        return SourceRows(as_source(X), y, factors, INPUT_TYPES[self.input_dtype_], places)
