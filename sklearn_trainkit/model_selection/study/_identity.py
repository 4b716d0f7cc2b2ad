"""What a stored search is: everything that decides a score, by value and part by part."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sklearn import get_config
from sklearn.metrics import get_scorer

from sklearn_trainkit.model_selection.evaluation._evaluator import EvaluationSetup
from sklearn_trainkit.model_selection.evaluation._folds import FrozenFolds
from sklearn_trainkit.model_selection.space._search_space import SearchSpace
from sklearn_trainkit.utils._fingerprint import FINGERPRINT_VERSION, Fingerprinter, fingerprint
from sklearn_trainkit.utils._scorers import name_first_metric

__all__ = ["describe_difference", "identify_search", "summarize_identity"]

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# Parameters that only hold other parameters: their parts say more.
_HOLDERS = ("steps", "transformers", "transformer_list", "estimators")
_DIGITS = 16


def identify_search(
    setup: EvaluationSetup,
    space: SearchSpace,
    estimator: Any,
    scoring: Any,
    objectives: Sequence[str],
) -> dict[str, Any]:
    """Return what tells this search from another.

    Parameters
    ----------
    setup : EvaluationSetup
        Data, splits, scorer, and how fits are scored.
    space : SearchSpace
    estimator : estimator
        As the user gave it.
    scoring : object
        As the user gave it.
    objectives : sequence of str
        What the study is told.

    Returns
    -------
    identity : dict
        ``version`` of the fingerprint, ``python``, and ``parts``, a hash for each part; a part of
        a part has a colon in its name, such as ``"estimator: clf__C"``.

    Raises
    ------
    FingerprintError
        When a part cannot be read; the message has its path.
    """
    prints = Fingerprinter()
    parts = {
        name: prints.digest(value, path, cloned=cloned)[:_DIGITS]
        for name, path, value, cloned in [
            *_list_data(setup.folds),
            *_list_space(space),
            *_list_estimator(estimator),
            *_list_scoring(setup, scoring, objectives),
            *_list_seed(setup, space, estimator),
        ]
    }
    return {"version": FINGERPRINT_VERSION, "python": PYTHON, "parts": parts}


def describe_difference(mine: Mapping[str, Any], stored: Mapping[str, Any]) -> str | None:
    """Return how a stored search differs from this one, in words; None when it does not."""
    if stored.get("version") != mine["version"]:
        return (
            "was stored by another version of sklearn_trainkit, which compared searches by other "
            "rules (it looked at labels of objects, where values may differ), so whether its "
            "scores belong to this search cannot be told"
        )
    names = mine["parts"].keys() | stored["parts"].keys()
    differing = [name for name in names if mine["parts"].get(name) != stored["parts"].get(name)]
    if not differing:
        return None
    text = f"belongs to another search: {_list_parts(differing)} differ"
    if stored["python"] != mine["python"]:
        text += (
            f". It was made under Python {stored['python']}, this is {mine['python']}: functions "
            "and classes of your own are compared by their bytecode, which is not the same"
        )
    return text


def summarize_identity(identity: Mapping[str, Any]) -> str:
    """Return a short text that is another one for another search."""
    return fingerprint([identity["version"], dict(identity["parts"])])[:12]


Entry = tuple[str, str, Any, bool]


def _list_data(folds: FrozenFolds) -> Iterator[Entry]:
    yield "data: X", "X", folds.X, False
    yield "data: y", "y", folds.y, False
    splits = [(fold.train, fold.test) for fold in folds.folds]
    yield "splits", "cv", splits, False
    for kind, params in (("fit", folds.fit_params), ("score", folds.score_params)):
        for name, value in params.items():
            yield f"{kind} parameters: {name}", name, value, False


def _list_space(space: SearchSpace) -> Iterator[Entry]:
    contents = space.contents()
    if not isinstance(contents, list):
        yield "space", "param_distributions", contents, False
        return
    yield "space", "param_distributions", [sorted(branch) for branch in contents], False
    for index, branch in enumerate(contents):
        place = f"[{index}]" if len(contents) > 1 else ""
        for name, values in branch.items():
            path = f"param_distributions{place}[{name!r}]"
            yield f"space: {place}{name}", path, values, True


def _list_estimator(estimator: Any) -> Iterator[Entry]:
    yield "estimator", "estimator", estimator, True
    # Steps may find their columns by the names that this gives to what they hand on.
    yield "configuration", "sklearn.get_config()", get_config()["transform_output"], False
    params = estimator.get_params(deep=True)
    for name in sorted(params):
        yield f"estimator: {name}", f"estimator.{name}", params[name], True


def _list_scoring(
    setup: EvaluationSetup, scoring: Any, objectives: Sequence[str]
) -> Iterator[Entry]:
    yield "scoring", "scoring", _resolve_scoring(scoring), False
    # A study holds values of one metric, which its sampler compares.
    guide = name_first_metric(setup.scorer)
    if setup.metric is not None and not (scoring is None or isinstance(scoring, str)):
        guide = setup.metric
    yield "refit", "refit", list(objectives) if len(objectives) > 1 else guide, False
    yield "error_score", "error_score", setup.error_score, False
    yield "return_train_score", "return_train_score", bool(setup.return_train_score), False


def _resolve_scoring(scoring: Any) -> Any:
    """Return scorers for names, so that it does not matter how a scorer was written."""
    if isinstance(scoring, str):
        return get_scorer(scoring)
    if isinstance(scoring, Mapping):
        return {name: _resolve_scoring(scorer) for name, scorer in scoring.items()}
    if isinstance(scoring, list | tuple | set):
        return {name: get_scorer(name) for name in scoring}
    return scoring


def _list_seed(setup: EvaluationSetup, space: SearchSpace, estimator: Any) -> Iterator[Entry]:
    """Give the search's own seed, where there is something that it seeds."""
    contents = space.contents()
    candidates = [estimator]
    if isinstance(contents, list):
        candidates += [values for branch in contents for values in branch.values()]
    drawn = {name for branch in contents for name in branch} if candidates[1:] else set()
    # Only a function of a trial knows which estimators it makes.
    if not isinstance(contents, list) or any(_is_seeded(each, drawn) for each in candidates):
        yield "random_state", "random_state", setup.seed, False


def _is_seeded(value: Any, drawn: set[str]) -> bool:
    if isinstance(value, list | tuple):
        return any(_is_seeded(item, drawn) for item in value)
    if not hasattr(value, "get_params") or isinstance(value, type):
        return False
    return any(
        name.split("__")[-1] == "random_state" and setting is None and name not in drawn
        for name, setting in value.get_params(deep=True).items()
    )


def _list_parts(names: Sequence[str]) -> str:
    """Return ``"data (X), estimator (clf__C)"``: the innermost parameters that differ."""
    grouped: dict[str, list[str]] = {}
    for name in sorted(names):
        part, _, detail = name.partition(": ")
        grouped.setdefault(part, [])
        if detail:
            grouped[part].append(detail)
    texts = []
    for part, details in grouped.items():
        inner = [name for name in details if not any(o.startswith(f"{name}__") for o in details)]
        telling = [name for name in inner if name.split("__")[-1] not in _HOLDERS] or inner
        texts.append(f"{part} ({', '.join(telling)})" if telling else part)
    return ", ".join(texts)
