"""A `MinMaxScaler` that keeps its promise of a range, and is scikit-learn's elsewhere."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.preprocessing import MinMaxScaler as SklearnMinMaxScaler
from sklearn.utils.validation import check_is_fitted

from sklearn_trainkit.preprocessing._dense_scaler import (
    SHARED_CONSTRAINTS,
    DenseScalerMixin,
    require_finite,
)
from sklearn_trainkit.preprocessing._minmax_steps import (
    FittedRange,
    restoring_steps,
    scaling_steps,
)
from sklearn_trainkit.preprocessing.arrays._column_range import column_min_max
from sklearn_trainkit.preprocessing.arrays._dense_input import (
    DenseInput,
    needs_inherited_path,
    take_input,
)
from sklearn_trainkit.preprocessing.arrays._feature_blocks import InfiniteValueError
from sklearn_trainkit.preprocessing.arrays._piece_steps import raise_if_infinite
from sklearn_trainkit.preprocessing.arrays._scaling_steps import Step
from sklearn_trainkit.utils._sklearn_private import fit_context

__all__ = ["MinMaxScaler"]

Array = np.ndarray[Any, np.dtype[Any]]


class MinMaxScaler(DenseScalerMixin, SklearnMinMaxScaler):
    """Scale every feature into a range learnt from the training rows.

    A subclass of :class:`sklearn.preprocessing.MinMaxScaler` with all its parameters, attributes
    and behaviour. It computes ``(X - data_min_) * scale_ + feature_range[0]``, where
    scikit-learn computes ``X * scale_ + min_``: so no training row leaves `feature_range`, not
    even by rounding.

    Parameters
    ----------
    feature_range : tuple (min, max), default=(0, 1)
        Range of the transformed training data.
    copy : bool, default=True
        False scales a float array in place where the output has its dtype.
    clip : bool or "smooth", default=False
        True cuts values outside the fitted range at `feature_range`. "smooth" puts a value that
        exceeds a bound by `e` at ``bound + m * e / (m + e)``, with `m` a quarter of the width of
        `feature_range`: in order, without a kink, and never further than `m` beyond the bound.
        `inverse_transform` does not undo either.
    data_range : tuple (min, max), default=None
        Known limits of the data, used for every feature in place of what is seen in `fit`:
        ``(0, 255)`` for 8-bit images, so that a dark training batch does not set the scale.
    channel_axis : int or tuple of int, default=None
        The axes that keep statistics of their own in input of any number of dimensions: 1 for
        images (N, C, H, W) by channel, -1 for sequences (N, T, C) by feature, (1, 2, 3) by
        pixel. None keeps scikit-learn's two dimensions.
    dtype : {"float32", "float64"} or dtype, default=None
        Precision of the output. None keeps float32 and turns everything else into float64.
    drift_threshold : float, default=None
        Share of values outside the fitted range above which `transform` warns. Setting it makes
        `transform` store `out_of_range_share_`.
    n_jobs : int, default=None
        Threads for large arrays; None means one.

    Attributes
    ----------
    min_, scale_, data_min_, data_max_, data_range_ : ndarray of shape (n_features,)
        As in scikit-learn; features of several axes lie in C order.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of features, if `X` had names.
    n_samples_seen_ : int
        Rows seen.
    feature_shape_ : tuple of int
        Sizes of the `channel_axis`; only if that is set.
    out_of_range_share_ : ndarray of shape (n_features,)
        Share of values outside the fitted range in the latest `transform`; only if
        `drift_threshold` is set.

    See Also
    --------
    StandardScaler : Scale to mean 0 and standard deviation 1.

    Notes
    -----
    NaN are left out in `fit` and kept by `transform`. A constant column becomes exactly
    ``feature_range[0]``: one whose range is within the rounding of its values, that is, at most
    ``n * eps * max(abs(X))`` for `n` rows and float64's `eps`, as for `StandardScaler`. A range is
    never too small by itself: values between 0 and 1e-300 are scaled like others. A batch in which
    a feature is NaN throughout leaves that feature's range as it was.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_trainkit.preprocessing import MinMaxScaler
    >>> MinMaxScaler().fit([[1.0], [3.0]]).transform([[2.0]])
    array([[0.5]])
    >>> dark = np.array([[[[0, 51]]]], dtype=np.uint8)
    >>> scaler = MinMaxScaler(data_range=(0, 255), channel_axis=1, dtype="float32")
    >>> scaler.fit_transform(dark).round(2)
    array([[[[0. , 0.2]]]], dtype=float32)
    """

    _parameter_constraints: dict[str, list[Any]] = {
        **SklearnMinMaxScaler._parameter_constraints,
        **SHARED_CONSTRAINTS,
        "data_range": [tuple, None],
    }

    def __init__(
        self,
        feature_range: tuple[float, float] = (0, 1),
        *,
        copy: bool = True,
        clip: bool | str = False,
        data_range: tuple[float, float] | None = None,
        channel_axis: int | tuple[int, ...] | None = None,
        dtype: Any = None,
        drift_threshold: float | None = None,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(feature_range=feature_range, copy=copy, clip=clip)
        self.data_range = data_range
        self.channel_axis = channel_axis
        self.dtype = dtype
        self.drift_threshold = drift_threshold
        self.n_jobs = n_jobs

    n_samples_seen_: int
    data_min_: Array
    data_max_: Array

    # -- fit -----------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None) -> "MinMaxScaler":
        """Add a batch of training rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Training data.
        y : None
            Ignored.

        Returns
        -------
        self : MinMaxScaler
            The scaler itself.
        """
        _check_range("feature_range", self.feature_range)
        if needs_inherited_path(self, X):
            self._refuse_own_options("sparse and array API input")
            self.__dict__.pop("_published", None)
            return super().partial_fit(X, y)
        dense = take_input(self, X, reset=not hasattr(self, "n_samples_seen_"))
        low, high = self._range_of(dense)
        if hasattr(self, "n_samples_seen_"):
            low, high = np.fmin(self.data_min_, low), np.fmax(self.data_max_, high)
            self.n_samples_seen_ += len(dense.values)
        else:
            self.n_samples_seen_ = len(dense.values)
        self._publish(low, high)
        return self

    def _range_of(self, dense: DenseInput) -> tuple[Array, Array]:
        values = dense.values
        dtype = values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)
        if self.data_range is not None:
            _check_range("data_range", self.data_range)
            require_finite(values)
            low, high = (np.full(self.n_features_in_, v, dtype=dtype) for v in self.data_range)
            return low, high
        try:
            low, high = column_min_max(
                values,
                dense.feature_axes,
                not get_config()["assume_finite"],
                self._n_threads(values),
            )
        except InfiniteValueError:
            raise_if_infinite(values)
        return low.astype(dtype, copy=False), high.astype(dtype, copy=False)

    def _publish(self, low: Array, high: Array) -> None:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            self.data_min_, self.data_max_ = low, high
            self.data_range_ = high - low
            first, last = (low.dtype.type(bound) for bound in self.feature_range)
            divisor, half = self._fitted_range().divisor(low.dtype)
            scale = (last - first) / divisor
            self.scale_ = scale * low.dtype.type(0.5) if half else scale
            self.min_ = first - low * self.scale_
        self._published = (self.min_, self.scale_)
        self._step_memory = {}

    def _fitted_range(self) -> FittedRange:
        return FittedRange(self.data_min_, self.data_max_, self.data_range_, self.n_samples_seen_)

    # -- transform -----------------------------------------------------------------------

    def transform(self, X: Any) -> Any:
        """Scale `X` by what was learnt.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Data to scale.

        Returns
        -------
        X_scaled : ndarray of the shape of `X`
            Scaled data.
        """
        if "scale_" not in self.__dict__:
            check_is_fitted(self)
        dense = self._take_for_transform(X)
        if dense is None or self._was_edited():
            return super().transform(X)
        self._report_drift(dense)
        first, last = self.feature_range
        return self._run_steps(
            dense,
            self._forward_steps,
            copy=self.copy,
            dtype=self.dtype,
            finish=self._smooth_finish(first, last),
        )

    def inverse_transform(self, X: Any) -> Any:
        """Bring scaled values back to the original scale.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Scaled data.

        Returns
        -------
        X_original : ndarray of the shape of `X`
            Data in the original scale.
        """
        if "scale_" not in self.__dict__:
            check_is_fitted(self)
        dense = self._take_for_transform(X, check_features=False)
        if dense is None or self._was_edited():
            return super().inverse_transform(X)
        if self.channel_axis is None and dense.values.shape[1] != self.n_features_in_:
            return super().inverse_transform(X)
        return self._run_steps(dense, self._backward_steps, copy=self.copy, dtype=None)

    def _was_edited(self) -> bool:
        """Tell whether a user has replaced `min_` or `scale_`, which then have the say."""
        if "data_min_" not in self.__dict__:
            return True
        published = self.__dict__.get("_published")
        return published is not None and not (
            published[0] is self.min_ and published[1] is self.scale_
        )

    def _forward_steps(self, dtype: np.dtype[Any]) -> Sequence[Step]:
        clip = self.clip is True
        return scaling_steps(self._fitted_range(), self.feature_range, dtype, clip=clip)

    def _backward_steps(self, dtype: np.dtype[Any]) -> Sequence[Step]:
        return restoring_steps(self._fitted_range(), self.feature_range, dtype)

    def _step_key(self) -> tuple[Any, ...]:
        arrays = (self.data_min_, self.data_max_, self.data_range_)
        statistics = [(array.dtype, array.tobytes()) for array in arrays]
        return (self.clip is True, self.feature_range, self.n_samples_seen_, *statistics)

    # -- around --------------------------------------------------------------------------

    def to_sklearn(self) -> SklearnMinMaxScaler:
        """Return a scikit-learn `MinMaxScaler` with the same parameters and statistics.

        For converters and other tools that look up the exact class.

        Returns
        -------
        scaler : sklearn.preprocessing.MinMaxScaler
            Fitted if this scaler is.

        Raises
        ------
        ValueError
            If `clip` is "smooth" or `channel_axis` is set, or `data_range` before `fit`, which
            scikit-learn's scaler does not have; or if a range is so small that the inverse that
            scikit-learn multiplies by is infinite.

        See Also
        --------
        sklearn_trainkit.preprocessing.to_sklearn : Converts a whole Pipeline.
        """
        if self.clip == "smooth" or self.channel_axis is not None:
            name = "clip" if self.clip == "smooth" else "channel_axis"
            raise ValueError(
                f"{name}={getattr(self, name)!r} has no counterpart in scikit-learn's "
                "MinMaxScaler: pass clip=True or False and channel_axis=None."
            )
        if self.data_range is not None and "scale_" not in self.__dict__:
            raise ValueError(
                f"data_range={self.data_range!r} has no counterpart in scikit-learn's "
                "MinMaxScaler: fit the scaler first, then the range is among its statistics."
            )
        infinite = np.flatnonzero(~np.isfinite(self.__dict__.get("scale_", 0.0)))
        if len(infinite):
            raise ValueError(
                "scikit-learn's MinMaxScaler multiplies by the inverse of the range, which is "
                f"infinite for features {infinite[:5].tolist()}: scale these values up first."
            )
        plain = SklearnMinMaxScaler(self.feature_range, copy=self.copy, clip=self.clip)
        self._copy_statistics(plain, "min_", "data_min_", "data_max_", "data_range_")
        return plain


def _check_range(name: str, limits: tuple[float, ...]) -> None:
    if name == "feature_range" and len(limits) == 2 and limits[0] >= limits[1]:
        # scikit-learn's words.
        raise ValueError(
            f"Minimum of desired feature range must be smaller than maximum. Got {limits}."
        )
    if len(limits) != 2 or not np.isfinite(limits).all() or limits[0] >= limits[1]:
        raise ValueError(f"{name}={limits!r} is not supported: pass (min, max) with min < max.")
