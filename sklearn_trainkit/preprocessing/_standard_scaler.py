"""A `StandardScaler` that reads memory once, takes any shape, and is scikit-learn's elsewhere."""

from collections.abc import Sequence
from copy import deepcopy
from numbers import Real
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.preprocessing import StandardScaler as SklearnStandardScaler
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from sklearn_trainkit.preprocessing._dense_scaler import (
    SHARED_CONSTRAINTS,
    DenseScalerMixin,
)
from sklearn_trainkit.preprocessing._standard_steps import restoring_steps, standardizing_steps
from sklearn_trainkit.preprocessing.arrays._column_moments import ColumnMoments
from sklearn_trainkit.preprocessing.arrays._column_range import column_min_max
from sklearn_trainkit.preprocessing.arrays._dense_input import (
    DenseInput,
    needs_inherited_path,
    take_input,
)
from sklearn_trainkit.preprocessing.arrays._feature_blocks import InfiniteValueError
from sklearn_trainkit.preprocessing.arrays._piece_steps import raise_if_infinite
from sklearn_trainkit.preprocessing.arrays._scaling_steps import Step, take_steps
from sklearn_trainkit.preprocessing.arrays._standard_moments import (
    lay_out_as_table,
    refuse_lost_scales,
    resume_moments,
    update_moments,
    weighted_rows,
)
from sklearn_trainkit.utils._sklearn_callbacks import get_callbacks
from sklearn_trainkit.utils._sklearn_private import Interval, fit_context

__all__ = ["StandardScaler"]

Array = np.ndarray[Any, np.dtype[Any]]

_SMOOTH_LIMIT = 3.0


class StandardScaler(DenseScalerMixin, SklearnStandardScaler):
    """Bring every feature to mean 0 and standard deviation 1, learnt from the training rows.

    A subclass of :class:`sklearn.preprocessing.StandardScaler` with all its parameters,
    attributes and behaviour. Dense input is read once, in cache-sized blocks, with float64 sums
    around the running mean; sparse and array API input and scikit-learn callbacks take
    scikit-learn's own way, on which columns of numbers beyond 1e140 or below 1e-140 are refused.

    Parameters
    ----------
    copy : bool, default=True
        False scales a float array in place where the output has its dtype.
    with_mean : bool, default=True
        Whether to subtract the mean.
    with_std : bool, default=True
        Whether to divide by the standard deviation.
    clip : bool or "smooth", default=False
        True cuts transformed values at the range of the training data, or at `clip_limit`.
        "smooth" leaves ``[-L, L]`` unchanged, with ``L = clip_limit`` (3 by default), and puts a
        value that exceeds it by `e` at ``L + m * e / (m + e)`` with ``m = L / 2``: in order,
        without a kink, and never beyond ``1.5 * L``. `inverse_transform` does not undo either.
    clip_limit : float, default=None
        Bound in standard deviations for `clip`.
    channel_axis : int or tuple of int, default=None
        The axes that keep statistics of their own in input of any number of dimensions: 1 for
        images (N, C, H, W) by channel, -1 for sequences (N, T, C) by feature, (1, 2, 3) by
        pixel. None keeps scikit-learn's two dimensions.
    dtype : {"float32", "float64"} or dtype, default=None
        Precision of the output. None keeps float32 and turns everything else into float64.
    drift_threshold : float, default=None
        Share of values outside the fitted range above which `transform` warns. Setting it makes
        `fit` record the range and `transform` store `out_of_range_share_`.
    n_jobs : int, default=None
        Threads for large arrays; None means one.

    Attributes
    ----------
    mean_, var_, scale_ : ndarray of shape (n_features,) or None
        As in scikit-learn; features of several axes lie in C order.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of features, if `X` had names.
    n_samples_seen_ : int or ndarray of shape (n_features,)
        Values seen per feature; an int where all features have as many.
    feature_shape_ : tuple of int
        Sizes of the `channel_axis`; only if that is set.
    data_min_, data_max_ : ndarray of shape (n_features,)
        Fitted range; only if `clip` or `drift_threshold` needs it.
    out_of_range_share_ : ndarray of shape (n_features,)
        Share of values outside the fitted range in the latest `transform`; only if
        `drift_threshold` is set.

    See Also
    --------
    MinMaxScaler : Scale to a range.

    Notes
    -----
    NaN are left out in `fit` and kept by `transform`. A constant column becomes exactly 0: one
    whose deviation is within the rounding of its values, that is, at most
    ``n * eps * abs(mean)`` for `n` rows and float64's `eps`, scikit-learn's rule. A
    batch in which a feature is NaN throughout leaves that feature's statistics as they were.
    One row has variance 0 and is treated as constant. For float32 whose mean is much larger
    than its deviation, the mean is subtracted in two parts, so that nothing is lost.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_trainkit.preprocessing import StandardScaler
    >>> StandardScaler().fit([[1.0], [3.0]]).transform([[2.0], [3.0]])
    array([[0.],
           [1.]])
    >>> images = np.arange(24.0).reshape(2, 3, 2, 2)
    >>> StandardScaler(channel_axis=1).fit(images).mean_
    array([ 7.5, 11.5, 15.5])
    """

    _parameter_constraints: dict[str, list[Any]] = {
        **SklearnStandardScaler._parameter_constraints,
        **SHARED_CONSTRAINTS,
        "clip_limit": [Interval(Real, 0, None, closed="neither"), None],
    }

    def __init__(
        self,
        *,
        copy: bool = True,
        with_mean: bool = True,
        with_std: bool = True,
        clip: bool | str = False,
        clip_limit: float | None = None,
        channel_axis: int | tuple[int, ...] | None = None,
        dtype: Any = None,
        drift_threshold: float | None = None,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(copy=copy, with_mean=with_mean, with_std=with_std)
        self.clip = clip
        self.clip_limit = clip_limit
        self.channel_axis = channel_axis
        self.dtype = dtype
        self.drift_threshold = drift_threshold
        self.n_jobs = n_jobs

    mean_: Any
    scale_: Any
    data_min_: Array
    data_max_: Array

    # -- fit -----------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "StandardScaler":
        """Learn mean and standard deviation from the training rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or (n_samples, ...)
            Training data.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative: only their ratios count, a row of weight zero is
            left out, and a weight of 2 is the row given twice.

        Returns
        -------
        self : StandardScaler
            Fitted scaler.
        """
        self._reset()
        return self.partial_fit(X, y, sample_weight)

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> "StandardScaler":
        """Add a batch of training rows.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or (n_samples, ...)
            Training data.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative: only their ratios count, a row of weight zero is
            left out, and a weight of 2 is the row given twice.

        Returns
        -------
        self : StandardScaler
            The scaler itself.
        """
        if needs_inherited_path(self, X):
            self._refuse_own_options("sparse and array API input")
            return self._inherited_partial_fit(X, y, sample_weight)
        inherited = self._has_to_inherit()
        if inherited and self.channel_axis is None and not self._needs_range():
            return self._inherited_partial_fit(X, y, sample_weight)
        dense = take_input(self, X, reset=not hasattr(self, "n_samples_seen_"))
        if inherited:
            known = {k: v for k, v in self.__dict__.items() if k.startswith("feature_")}
            self._inherited_partial_fit(*lay_out_as_table(dense, y, sample_weight))
            self.__dict__.update(known)
        else:
            self._publish(self._updated_moments(dense, sample_weight))
        if self._needs_range():
            self._update_range(dense, sample_weight)
        return self

    def _has_to_inherit(self) -> bool:
        if not (self.with_mean or self.with_std):
            return True
        return bool(get_callbacks(self))  # those of a Pipeline or search among them

    def _inherited_partial_fit(self, X: Any, y: Any, sample_weight: Any) -> "StandardScaler":
        self.__dict__.pop("_moments", None)
        before = {k: deepcopy(value) for k, value in vars(self).items() if k.endswith("_")}
        super().partial_fit(X, y, sample_weight)
        if isinstance(self.var_, np.ndarray):
            try:
                refuse_lost_scales(X, self.var_)
            except ValueError:  # what was learnt before is left as it was
                for key in [key for key in vars(self) if key.endswith("_")]:
                    delattr(self, key)
                self.__dict__.update(before)
                raise
        return self

    def _updated_moments(self, dense: DenseInput, sample_weight: Any) -> ColumnMoments:
        moments = resume_moments(self)
        check_finite = not get_config()["assume_finite"]
        try:
            if sample_weight is None and moments.rows is None:
                update_moments(moments, dense, check_finite, self._n_threads(dense.values))
            else:
                moments.merge(weighted_rows(dense, sample_weight, check_finite))
        except InfiniteValueError:
            raise_if_infinite(dense.values)
        return moments

    def _publish(self, moments: ColumnMoments) -> None:
        count = moments.seen()
        self.n_samples_seen_ = count[0] if count.min() == count.max() else count.copy()
        self.mean_ = moments.mean()
        self.var_ = self.scale_ = None
        if self.with_std:
            self.var_ = moments.variance()
            self.scale_ = moments.standard_deviation()
            self.scale_[moments.is_constant()] = 1.0
        self._moments = moments
        self._step_memory = {}

    def _needs_range(self) -> bool:
        return self.drift_threshold is not None or (self.clip is True and self.clip_limit is None)

    def _update_range(self, dense: DenseInput, sample_weight: Any) -> None:
        values = dense.values
        weight = np.asarray(1.0 if sample_weight is None else sample_weight)
        values = values[weight != 0] if weight.ndim else values
        low, high = column_min_max(values, dense.feature_axes, check_finite=False)
        if "data_min_" in self.__dict__:
            low, high = np.fmin(low, self.data_min_), np.fmax(high, self.data_max_)
        self.data_min_, self.data_max_ = low, high

    # -- transform -----------------------------------------------------------------------

    def transform(self, X: Any, copy: bool | None = None) -> Any:
        """Standardize `X` by what was learnt.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or (n_samples, ...)
            Data to scale.
        copy : bool, default=None
            Overrides the parameter of that name.

        Returns
        -------
        X_scaled : {ndarray, sparse matrix} of the shape of `X`
            Scaled data.
        """
        if "n_samples_seen_" not in self.__dict__:
            check_is_fitted(self)
        dense = self._take_for_transform(X)
        if dense is None:
            self._refuse_clip()
            return super().transform(X, copy=copy)
        self._report_drift(dense)
        finish = None
        if self.clip == "smooth":
            limit = _SMOOTH_LIMIT if self.clip_limit is None else self.clip_limit
            finish = self._smooth_finish(-limit, limit)
        copy = self.copy if copy is None else copy
        return self._run_steps(
            dense, self._forward_steps, copy=copy, dtype=self.dtype, finish=finish
        )

    def inverse_transform(self, X: Any, copy: bool | None = None) -> Any:
        """Bring standardized values back to the original scale.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features) or (n_samples, ...)
            Standardized data.
        copy : bool, default=None
            Overrides the parameter of that name.

        Returns
        -------
        X_original : {ndarray, sparse matrix} of the shape of `X`
            Data in the original scale.
        """
        if "n_samples_seen_" not in self.__dict__:
            check_is_fitted(self)
        dense = self._take_for_transform(X, check_features=False)
        if dense is None or (self.channel_axis is None and self._differs(dense)):
            return super().inverse_transform(X, copy=copy)
        copy = self.copy if copy is None else copy
        return self._run_steps(dense, self._backward_steps, copy=copy, dtype=None)

    def _differs(self, dense: DenseInput) -> bool:
        return bool(dense.values.shape[1] != self.n_features_in_)

    def _refuse_clip(self) -> None:
        if self.clip is not False:
            raise ValueError(
                f"clip={self.clip!r} does not support sparse and array API input: pass a dense "
                "array."
            )

    def _forward_steps(self, dtype: np.dtype[Any]) -> Sequence[Step]:
        steps = standardizing_steps(*self._used_statistics(), dtype)
        if self.clip is not True:
            return steps
        if self.clip_limit is not None:
            return [*steps, Step(np.maximum, -self.clip_limit), Step(np.minimum, self.clip_limit)]
        if "data_min_" not in self.__dict__:
            raise ValueError(
                "clip=True was set after fit, which therefore has not recorded the range of the "
                "training data: fit again, or set clip_limit."
            )
        low, high = (take_steps(edge, steps, dtype) for edge in (self.data_min_, self.data_max_))
        return [*steps, Step(np.maximum, low), Step(np.minimum, high)]

    def _step_key(self) -> tuple[Any, ...]:
        arrays: list[Any] = [*self._used_statistics()]
        if self.clip is True and self.clip_limit is None:
            arrays += [self.__dict__.get("data_min_"), self.__dict__.get("data_max_")]
        statistics = [None if array is None else array.tobytes() for array in arrays]
        return (self.clip is True, self.clip_limit, *statistics)

    def _used_statistics(self) -> tuple[Array | None, Array | None]:
        return self.mean_ if self.with_mean else None, self.scale_ if self.with_std else None

    def _backward_steps(self, dtype: np.dtype[Any]) -> Sequence[Step]:
        return restoring_steps(*self._used_statistics(), dtype)

    # -- around --------------------------------------------------------------------------

    def to_sklearn(self) -> SklearnStandardScaler:
        """Return a scikit-learn `StandardScaler` with the same parameters and statistics.

        For converters and other tools that look up the exact class.

        Returns
        -------
        scaler : sklearn.preprocessing.StandardScaler
            Fitted if this scaler is.

        Raises
        ------
        ValueError
            If `clip` or `channel_axis` is set, which scikit-learn's scaler does not have.

        See Also
        --------
        sklearn_trainkit.preprocessing.to_sklearn : Converts a whole Pipeline.
        """
        for name, neutral in (("clip", False), ("channel_axis", None)):
            if getattr(self, name) is not neutral:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} has no counterpart in scikit-learn's "
                    f"StandardScaler: only {name}={neutral!r} can be converted."
                )
        plain = SklearnStandardScaler(
            copy=self.copy, with_mean=self.with_mean, with_std=self.with_std
        )
        self._copy_statistics(plain, "mean_", "var_")
        return plain

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        if self.clip is not False or self.channel_axis is not None:
            tags.input_tags.sparse = False
        return tags
