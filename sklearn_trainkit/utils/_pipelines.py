"""What trains in a Pipeline, and whether its steps may be fitted one by one from outside."""

from collections.abc import Iterable
from typing import Any

from sklearn.pipeline import Pipeline

from sklearn_trainkit.utils._sklearn_private import routing_enabled

__all__ = ["innermost_step", "last_step", "own_fit_params", "reason_to_keep_whole"]


def last_step(estimator: Any) -> Any:
    """Return what trains: the last step of a Pipeline, or the estimator itself.

    A Pipeline is not looked into where it is the last step of another: it is fitted as a whole.

    >>> from sklearn.linear_model import Ridge
    >>> last_step(Pipeline([("all", "passthrough"), ("ridge", Ridge())]))
    Ridge()
    """
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def innermost_step(estimator: Any) -> Any:
    """Return the last step, of Pipelines inside a Pipeline too: what a fitted one predicts with.

    >>> from sklearn.linear_model import Ridge
    >>> innermost_step(Pipeline([("inner", Pipeline([("ridge", Ridge())]))]))
    Ridge()
    """
    while isinstance(estimator, Pipeline):
        estimator = last_step(estimator)
    return estimator


def reason_to_keep_whole(estimator: Any, fit_params: Iterable[str] = ()) -> str | None:
    """Return why only the Pipeline's own ``fit`` trains it; None if its steps may be taken apart.

    Taken apart, the steps before the last are fitted and applied, and the last one is trained on
    what comes out. That is what scikit-learn's Pipeline does, and nobody knows what another does:
    imbalanced-learn's changes rows between steps.

    Parameters
    ----------
    estimator : estimator
        What is no Pipeline has no reason.
    fit_params : iterable of str, default=()
        Names of the arguments of ``fit``.

    >>> from sklearn.preprocessing import StandardScaler
    >>> reason_to_keep_whole(Pipeline([("scale", StandardScaler())])) is None
    True
    """
    if not isinstance(estimator, Pipeline):
        return None
    if type(estimator) is not Pipeline:
        kind = f"{type(estimator).__module__}.{type(estimator).__qualname__}"
        return f"{kind} is a Pipeline with a fit of its own"
    for name, step in estimator.steps:
        if hasattr(step, "fit_resample"):
            return f"step {name!r} changes rows (fit_resample)"
    if estimator.transform_input is not None:
        return f"transform_input={estimator.transform_input!r} is for the Pipeline's own fit"
    fit_params = list(fit_params)
    if fit_params and routing_enabled():
        return f"fit arguments {fit_params} are routed by the Pipeline's own fit"
    names = {name for name, _ in estimator.steps}
    for param in fit_params:
        if "__" not in param or param.partition("__")[0] not in names:
            return f"the Pipeline's own fit decides about the argument {param!r}"
    return None


def own_fit_params(estimator: Any, fit_params: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the arguments of the last step's ``fit``, and those of the steps before it."""
    if not isinstance(estimator, Pipeline):
        return fit_params, {}
    prefix = f"{estimator.steps[-1][0]}__"
    own = {
        name.removeprefix(prefix): value
        for name, value in fit_params.items()
        if name.startswith(prefix)
    }
    rest = {name: value for name, value in fit_params.items() if not name.startswith(prefix)}
    return own, rest
