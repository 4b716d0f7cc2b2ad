"""What both scalers share: options, the way through the blocks, drift, and the way back."""

import warnings
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn import get_config
from sklearn.utils import Tags

from sklearn_trainkit.exceptions import DriftWarning
from sklearn_trainkit.preprocessing._clipping import smooth_clipper
from sklearn_trainkit.preprocessing.arrays._dense_input import (
    DenseInput,
    needs_inherited_path,
    resolve_dtype,
    take_input,
)
from sklearn_trainkit.preprocessing.arrays._feature_blocks import FeatureBlocks
from sklearn_trainkit.preprocessing.arrays._scaling_steps import (
    Step,
    apply_steps,
    check_no_infinity,
)
from sklearn_trainkit.preprocessing.arrays._sizes import BLOCK_ELEMENTS
from sklearn_trainkit.utils._sklearn_private import Interval, Options, StrOptions

__all__ = ["SHARED_CONSTRAINTS", "DenseScalerMixin", "require_finite"]

Array = np.ndarray[Any, np.dtype[Any]]

SHARED_CONSTRAINTS: dict[str, list[Any]] = {
    "clip": ["boolean", StrOptions({"smooth"})],
    "channel_axis": [Integral, tuple, list, None],
    "dtype": [
        StrOptions({"float32", "float64"}),
        Options(type, {np.float32, np.float64}),
        np.dtype,
        None,
    ],
    "drift_threshold": [Interval(Real, 0, 1, closed="both"), None],
    "n_jobs": [Integral, None],
}


class DenseScalerMixin:
    """The dense way of a scaler whose sparse and array-API ways are scikit-learn's."""

    channel_axis: Any
    dtype: Any
    clip: Any
    drift_threshold: float | None
    n_jobs: int | None
    copy: bool
    _step_memory: dict[str, Any]

    def out_of_range_share(self, X: Any) -> Array:
        """Return the share of the values of `X` outside the fitted range, per feature.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or (n_samples, ...)
            Data in its original scale.

        Returns
        -------
        share : ndarray of shape (n_features,)
            Between 0 and 1; NaN are not counted, and a feature without values has share 0.
        """
        if "data_min_" not in self.__dict__:
            raise AttributeError(
                f"This {type(self).__name__} has not recorded the range of its training data: "
                "fit it with drift_threshold set (1.0 records the range and never warns)."
            )
        dense = take_input(self, X, reset=False)
        return self._share_outside(dense)

    def _share_outside(self, dense: DenseInput) -> Array:
        blocks = FeatureBlocks(dense.values, dense.feature_axes)
        edges = self.data_min_, self.data_max_  # type: ignore[attr-defined]
        low, high = map(blocks.layout.spread, edges)
        outside = np.zeros(blocks.n_features)
        known = np.zeros(blocks.n_features)
        for index in blocks.slices():
            block = np.ascontiguousarray(blocks.view[index])
            outside += blocks.reduce(np.add, (block < low) | (block > high), dtype=np.int64)
            known += blocks.reduce(np.add, block == block, dtype=np.int64)
        return outside / np.maximum(known, 1)

    def _report_drift(self, dense: DenseInput) -> None:
        if self.drift_threshold is None or "data_min_" not in self.__dict__:
            return
        share = self._share_outside(dense)
        self.out_of_range_share_ = share
        drifted = np.flatnonzero(share > self.drift_threshold)
        if len(drifted):
            names = self.get_feature_names_out()  # type: ignore[attr-defined]
            worst = drifted[np.argsort(-share[drifted], kind="stable")][:5]
            listed = ", ".join(f"{names[i]} ({share[i]:.1%})" for i in worst)
            warnings.warn(
                f"{len(drifted)} of {len(share)} features have more than "
                f"drift_threshold={self.drift_threshold} of their values outside the range seen "
                f"in fit: {listed}{', ...' if len(drifted) > 5 else ''}.",
                DriftWarning,
                stacklevel=4,
            )

    # -- the dense way -------------------------------------------------------------------

    def _take_for_transform(self, X: Any, *, check_features: bool = True) -> DenseInput | None:
        """Validate `X`, or return None where scikit-learn's implementation has to go on."""
        if needs_inherited_path(self, X):
            self._refuse_own_options("sparse and array API input")
            return None
        return take_input(self, X, reset=False, check_features=check_features)

    def _refuse_own_options(self, what: str) -> None:
        for name in ("channel_axis", "drift_threshold"):
            if getattr(self, name) is not None:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} does not support {what}: pass a dense array."
                )

    def _run_steps(
        self,
        dense: DenseInput,
        steps: Callable[[np.dtype[Any]], Sequence[Step]],
        *,
        copy: bool,
        dtype: Any,
        finish: Callable[[Array], None] | None = None,
    ) -> Array:
        values = dense.values
        output, compute = resolve_dtype(dtype, values)
        in_place = not copy and dense.is_users_array and values.dtype == output
        return apply_steps(
            values,
            dense.feature_axes,
            partial(self._remembered, steps),
            output_dtype=output,
            compute_dtype=compute,
            in_place=in_place and values.flags.writeable,
            finish=finish,
            check_finite=not get_config()["assume_finite"],
            n_threads=self._n_threads(values),
        )

    def _remembered(
        self, make: Callable[[np.dtype[Any]], Sequence[Step]], dtype: np.dtype[Any]
    ) -> Sequence[Step]:
        """Return what `make` returns, from the latest call if nothing has changed since.

        For one row, making the steps takes longer than applying them. The statistics are
        compared byte by byte, because they may be changed in place.
        """
        memory = self.__dict__.get("_step_memory")
        if memory is None:
            return make(dtype)
        key = (dtype, *self._step_key())
        known = memory.get(make.__name__)
        if known is None or known[0] != key:
            memory[make.__name__] = known = (key, make(dtype))
        steps: Sequence[Step] = known[1]
        return steps

    def _step_key(self) -> tuple[Any, ...]:
        """Return what the steps depend on, except for the dtype."""
        raise NotImplementedError

    def _n_threads(self, values: Array) -> int:
        if self.n_jobs is None or values.size < 8 * BLOCK_ELEMENTS:
            return 1
        return min(effective_n_jobs(self.n_jobs), len(values))

    def _smooth_finish(self, low: float, high: float) -> Callable[[Array], None] | None:
        return smooth_clipper(low, high) if self.clip == "smooth" else None

    # -- around --------------------------------------------------------------------------

    def _reset(self) -> None:
        super()._reset()  # type: ignore[misc]
        for name in _LEARNT:
            self.__dict__.pop(name, None)

    def _copy_statistics(self, plain: Any, *own: str) -> None:
        """Give scikit-learn's scaler what this one has learnt, `own` beside what both kinds do."""
        for name in ("scale_", "n_samples_seen_", "n_features_in_", "feature_names_in_", *own):
            if name in self.__dict__:
                setattr(plain, name, deepcopy(self.__dict__[name]))

    def __sklearn_tags__(self) -> Tags:
        tags: Tags = super().__sklearn_tags__()  # type: ignore[misc]
        if self.dtype is not None:
            tags.transformer_tags.preserves_dtype = []
        tags.input_tags.three_d_array = self.channel_axis is not None
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        return {name: value for name, value in state.items() if name not in _NOT_PICKLED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[misc]
        if "n_features_in_" in self.__dict__:
            self._step_memory = {}


# Short cuts that are only valid, or only useful, in the process that made them.
_NOT_PICKLED = ("_fitted_columns", "_published", "_step_memory")
# What only our scalers learn, so that only they forget it.
_LEARNT = (
    *("_moments", "_published", "_step_memory", "data_min_", "data_max_"),
    *("feature_shape_", "out_of_range_share_"),
)


def require_finite(values: Array) -> None:
    """Raise if `values` holds infinity, unless the configuration assumes finite input."""
    if values.dtype.kind == "f" and not get_config()["assume_finite"]:
        with np.errstate(over="ignore", invalid="ignore"):
            check_no_infinity(values)
