"""Studies that outlive the process: where they are kept, whose they are, and going on with them."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from sklearn_trainkit.model_selection._distributions import describe
from sklearn_trainkit.model_selection._folds import FrozenFolds
from sklearn_trainkit.model_selection._search_space import EnqueuedTrial, SearchSpace
from sklearn_trainkit.model_selection._study import STUDY_NAME, SearchStudy
from sklearn_trainkit.model_selection._trial_record import FoldOutcome, TrialRecord

__all__ = [
    "ENQUEUED",
    "copy_to_memory",
    "load_records",
    "make_fingerprint",
    "open_study",
    "store_record",
]

_FINGERPRINT = "fingerprint"
_RECORD = "record"
ENQUEUED = "enqueued"


def make_fingerprint(
    folds: FrozenFolds, space: SearchSpace, estimator: Any, scoring: Any, objectives: Any = None
) -> dict[str, str]:
    """Return what tells this search from another, part by part."""
    params = estimator.get_params(deep=True)
    described = {name: describe(params[name]) for name in sorted(params)}
    return {
        "data": joblib.hash((folds.X, folds.y)),
        "splits": joblib.hash([(fold.train, fold.test) for fold in folds.folds]),
        "space": joblib.hash(json.dumps(space.describe(), sort_keys=True)),
        "estimator": joblib.hash(f"{type(estimator).__qualname__} {described}"),
        "scoring": joblib.hash(f"{_describe_scoring(scoring)} {objectives}"),
    }


def open_study(
    storage: Any,
    study_name: str | None,
    *,
    resume: bool,
    fingerprint: Mapping[str, str] | None,
    directions: Sequence[StudyDirection],
    sampler: BaseSampler,
    pruner: "optuna.pruners.BasePruner | None",
) -> SearchStudy:
    """Return the study to search in: new, or that of an earlier session.

    Parameters
    ----------
    storage : None, str, path or optuna storage
        None keeps trials in memory.
    study_name : str or None
        None names the study after its fingerprint, so that searches on different rows (as in
        nested cross-validation) never share one.
    resume : bool
        Go on if the study exists.
    fingerprint : dict or None
        What the study belongs to; None in memory.
    directions : sequence of StudyDirection
        One for each objective.
    sampler, pruner
        Of the study.

    Raises
    ------
    ValueError
        When the storage cannot be opened, the study exists but should not, or belongs to another
        search.
    """
    pruner = optuna.pruners.NopPruner() if pruner is None else pruner
    if storage is None:
        memory = InMemoryStorage()
        memory.create_new_study(directions, study_name or STUDY_NAME)
        return SearchStudy(study_name or STUDY_NAME, memory, sampler=sampler, pruner=pruner)
    assert fingerprint is not None
    opened = _open_storage(storage)
    name = study_name or f"{STUDY_NAME}-{joblib.hash(dict(fingerprint))[:12]}"
    exists = name in {study.study_name for study in opened.get_all_studies()}
    if exists and not resume:
        raise ValueError(
            f"The storage already holds a study named {name!r}. Pass resume=True to go on with "
            "it, or another study_name."
        )
    if not exists:
        opened.create_new_study(directions, name)
    study = SearchStudy(name, opened, sampler=sampler, pruner=pruner)
    if exists:
        _check_owner(study, fingerprint)
    else:
        study.set_user_attr(_FINGERPRINT, dict(fingerprint))
    return study


def load_records(
    study: SearchStudy, space: SearchSpace, enqueued: tuple[EnqueuedTrial, ...]
) -> list[TrialRecord]:
    """Return the trials that earlier sessions finished, and put back those that they did not.

    A trial that was running when its session died is tried again, first.
    """
    records = []
    for trial in study.get_trials(deepcopy=False):
        if _RECORD in trial.user_attrs:
            params = space.suggest(trial)
            index = trial.user_attrs.get(ENQUEUED)
            if index is not None and index < len(enqueued):
                params.update(enqueued[index].params)
            records.append(_record_from_json(trial, params))
        elif trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
            study.enqueue_trial(trial.params, user_attrs=trial.user_attrs)
    return records


def store_record(trial: optuna.Trial, record: TrialRecord) -> None:
    """Keep with ``trial`` what optuna has no place for: folds, times, errors."""
    value = {
        "folds": [_fold_to_json(fold) for fold in record.folds],
        "state": record.state,
        "n_epochs": record.n_epochs,
        "reason": record.reason,
        "evaluation": record.evaluation,
    }
    trial.set_user_attr(_RECORD, value)


def copy_to_memory(study: SearchStudy) -> SearchStudy:
    """Return a copy that needs no database."""
    memory = InMemoryStorage()
    study_id = memory.create_new_study(study.directions, study.study_name)
    for key, value in study.user_attrs.items():
        memory.set_study_user_attr(study_id, key, value)
    for trial in study.get_trials(deepcopy=False):
        memory.create_new_trial(study_id, trial)
    return SearchStudy(study.study_name, memory, sampler=study.sampler, pruner=study.pruner)


def _open_storage(storage: Any) -> BaseStorage:
    if isinstance(storage, BaseStorage):
        return storage
    try:
        if isinstance(storage, str) and "://" in storage:
            return _open_database(storage)
        return _open_journal(Path(storage))
    except Exception as error:
        raise ValueError(
            f"storage={str(storage)!r} cannot be opened: {error}. Pass the path of a journal "
            "file, a database URL such as 'sqlite:///study.db', or an optuna storage."
        ) from error


def _open_database(url: str) -> BaseStorage:
    if not url.startswith("sqlite"):
        return optuna.storages.RDBStorage(url)
    # sqlite's own five seconds are too short when two processes write.
    database = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 30}})
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    return database


def _open_journal(path: Path) -> BaseStorage:
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    lock = JournalFileOpenLock(str(path))
    if path.exists():
        lock.acquire()
        try:
            _drop_torn_tail(path)
        finally:
            lock.release()
    return optuna.storages.JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _drop_torn_tail(path: Path) -> None:
    """Remove a last line that a kill or a full disk left unfinished: it fails every later load."""
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    last = whole.rstrip(b"\n").rsplit(b"\n", 1)[-1]
    try:
        json.loads(last or b"{}")
    except ValueError:
        whole = whole[: len(whole.rstrip(b"\n")) - len(last)]
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))


def _check_owner(study: SearchStudy, fingerprint: Mapping[str, str]) -> None:
    owner = study.user_attrs.get(_FINGERPRINT)
    if owner is None:
        raise ValueError(
            f"The study {study.study_name!r} was not made by OptunaSearchCV, so it cannot be "
            "resumed. Choose another study_name."
        )
    differing = [part for part, value in fingerprint.items() if owner.get(part) != value]
    if differing:
        raise ValueError(
            f"The study {study.study_name!r} belongs to another search: {', '.join(differing)} "
            "differ. Resume with the same data, splits (seed them), space, estimator and "
            "scoring, choose another study_name, or leave it at None, which gives each search "
            "a study of its own."
        )


def _describe_scoring(scoring: Any) -> str:
    if isinstance(scoring, Mapping):
        return str({name: describe(scoring[name]) for name in sorted(scoring)})
    return describe(scoring)


def _fold_to_json(fold: FoldOutcome) -> dict[str, Any]:
    return {key: _to_json(value) for key, value in asdict(fold).items()}


def _record_from_json(trial: FrozenTrial, params: dict[str, Any]) -> TrialRecord:
    stored = trial.user_attrs[_RECORD]
    folds = [FoldOutcome(**_from_json(fold)) for fold in stored["folds"]]
    curve = tuple(sorted(trial.intermediate_values.items()))
    return TrialRecord(
        trial.number,
        params,
        tuple(folds),
        stored["state"],
        curve,
        stored["n_epochs"],
        stored["reason"],
        stored.get("evaluation"),
    )


def _to_json(value: Any) -> Any:
    # NaN is not JSON, and not every database takes it.
    if isinstance(value, dict):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, float | np.floating):
        return "nan" if math.isnan(value) else float(value)
    return value.item() if isinstance(value, np.generic) else value


def _from_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _from_json(item) for key, item in value.items()}
    return math.nan if value == "nan" else value
