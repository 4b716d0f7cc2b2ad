"""Studies that outlive the process: where they are kept, whose they are, and going on with them."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from sklearn_trainkit.model_selection.evaluation._trial_record import FoldOutcome, TrialRecord
from sklearn_trainkit.model_selection.space._search_space import EnqueuedTrial, SearchSpace
from sklearn_trainkit.model_selection.study._identity import describe_difference, summarize_identity
from sklearn_trainkit.model_selection.study._journal import open_journal
from sklearn_trainkit.model_selection.study._patient_storage import be_patient, open_patiently
from sklearn_trainkit.model_selection.study._search_study import STUDY_NAME, SearchStudy
from sklearn_trainkit.model_selection.study._secrets import (
    hide_password,
    is_connection_without_scheme,
    reveal,
    scrub,
)

__all__ = [
    "ENQUEUED",
    "RECORD",
    "copy_to_memory",
    "draw_params",
    "open_study",
    "read_record",
    "record_to_json",
    "store_record",
]

_IDENTITY = "fingerprint"
RECORD = "record"
_ALREADY_THERE = ("already exists", "duplicate key", "UNIQUE")
ENQUEUED = "enqueued"


def open_study(
    storage: Any,
    study_name: str | None,
    *,
    resume: bool,
    identity: Mapping[str, Any] | None,
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
        None names the study after its identity, so that searches on different rows (as in
        nested cross-validation) never share one.
    resume : bool
        Go on if the study exists.
    identity : dict or None
        Of the search, from :func:`identify_search`; None in memory.
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
    assert identity is not None
    opened = _open_storage(storage)
    name = study_name or f"{STUDY_NAME}-{summarize_identity(identity)}"
    exists = name in {study.study_name for study in opened.get_all_studies()}
    if exists and not resume:
        raise ValueError(
            f"The storage already holds a study named {name!r}. Pass resume=True to go on with "
            "it, or another study_name."
        )
    if not exists:
        try:
            opened.create_new_study(directions, name)
        except optuna.exceptions.DuplicatedStudyError:  # somebody was faster
            if not resume:
                raise
            exists = True
    study = SearchStudy(name, opened, sampler=sampler, pruner=pruner)
    if exists:
        _check_owner(study, identity)
    else:
        study.set_user_attr(_IDENTITY, dict(identity))
    return study


def store_record(trial: optuna.Trial, record: TrialRecord) -> None:
    """Keep with ``trial`` what optuna has no place for: folds, times, errors."""
    trial.set_user_attr(RECORD, record_to_json(record))


def record_to_json(record: TrialRecord) -> dict[str, Any]:
    """Return the part of a record that optuna has no place for."""
    return {
        "folds": [_fold_to_json(fold) for fold in record.folds],
        "state": record.state,
        "n_epochs": record.n_epochs,
        "n_fold_epochs": record.n_fold_epochs,
        "reason": record.reason,
        "evaluation": record.evaluation,
    }


def draw_params(
    trial: optuna.Trial | FrozenTrial, space: SearchSpace, enqueued: Mapping[str, EnqueuedTrial]
) -> dict[str, Any]:
    """Return the parameters of ``trial``; the user's own objects where it was enqueued so."""
    params = space.suggest(trial)
    key = trial.user_attrs.get(ENQUEUED) if enqueued else None
    if key is not None and key in enqueued:
        params.update(enqueued[key].params)
    return params


def read_record(
    trial: FrozenTrial, space: SearchSpace, enqueued: Mapping[str, EnqueuedTrial]
) -> TrialRecord:
    """Return the record that was stored with ``trial``."""
    return _record_from_json(trial, draw_params(trial, space, enqueued))


def copy_to_memory(study: SearchStudy, trials: Sequence[FrozenTrial] | None = None) -> SearchStudy:
    """Return a copy that needs no database.

    With ``trials`` it holds these, and the storage, which may be lost, is not asked.
    """
    memory = InMemoryStorage()
    study_id = memory.create_new_study(study.directions, study.study_name)
    if trials is None:
        trials = study.get_trials(deepcopy=False)
        for key, value in study.user_attrs.items():
            memory.set_study_user_attr(study_id, key, value)
    for trial in _without_gaps(trials):
        memory.create_new_trial(study_id, trial)
    return SearchStudy(study.study_name, memory, sampler=study.sampler, pruner=study.pruner)


def _without_gaps(trials: Sequence[FrozenTrial]) -> Iterator[FrozenTrial]:
    """Yield the trials, in the order of their numbers, and failed ones where numbers are missing.

    A storage numbers its trials itself.
    """
    by_number = {trial.number: trial for trial in trials}
    for number in range(max(by_number, default=-1) + 1):
        yield by_number.get(number) or create_trial(state=TrialState.FAIL)


def _open_storage(storage: Any) -> BaseStorage:
    if isinstance(storage, InMemoryStorage):
        return storage
    name = str(hide_password(storage))
    if isinstance(storage, BaseStorage):
        return be_patient(optuna.storages.get_storage(storage), name)
    if isinstance(storage, str) and is_connection_without_scheme(reveal(storage)):
        raise ValueError(
            f"storage={name!r} looks like a database, but is no URL. Write it as "
            "'postgresql://user:password@host/database'."
        )
    try:
        if isinstance(storage, str) and "://" in storage:
            return be_patient(open_patiently(partial(_open_database, reveal(storage))), name)
        return be_patient(open_journal(Path(storage)), name)
    except Exception as error:
        # Not chained: the traceback of a driver shows what it was called with.
        raise ValueError(
            f"storage={name!r} cannot be opened: "
            f"{scrub(str(error), storage)}. Pass the path of a journal file, a database URL such "
            "as 'sqlite:///study.db', or an optuna storage."
        ) from None


def _open_database(url: str) -> BaseStorage:
    if url.startswith("sqlite"):
        # sqlite's own five seconds are too short when two processes write.
        database = _create_tables(url, {"connect_args": {"timeout": 30}})
        with database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")
    else:
        # A server that was restarted leaves dead connections in the pool.
        database = _create_tables(url, {"pool_pre_ping": True})
    return optuna.storages.get_storage(database)


def _create_tables(url: str, engine_kwargs: dict[str, Any]) -> "optuna.storages.RDBStorage":
    """Open a database; a second process may be creating the tables at the same moment."""
    n_tries = 5
    for _ in range(n_tries - 1):
        try:
            return optuna.storages.RDBStorage(url, engine_kwargs=engine_kwargs)
        except Exception as error:
            if not any(
                text in str(error) for text in ("already exists", "duplicate key", "UNIQUE")
            ):
                raise
            time.sleep(0.2)
    return optuna.storages.RDBStorage(url, engine_kwargs=engine_kwargs)


def _check_owner(study: SearchStudy, identity: Mapping[str, Any]) -> None:
    owner = study.user_attrs.get(_IDENTITY)
    patience = time.monotonic() + 5.0
    while owner is None and time.monotonic() < patience and not study.get_trials(deepcopy=False):
        time.sleep(0.1)  # its maker may be about to sign it
        owner = study.user_attrs.get(_IDENTITY)
    if owner is None:
        raise ValueError(
            f"The study {study.study_name!r} was not made by OptunaSearchCV, so it cannot be "
            "resumed. Choose another study_name."
        )
    difference = describe_difference(identity, owner)
    if difference is not None:
        raise ValueError(
            f"The study {study.study_name!r} {difference}. Resume with the same data, splits "
            "(seed them), space, estimator and scoring, choose another study_name, or leave it at "
            "None, which gives each search a study of its own."
        )


def _fold_to_json(fold: FoldOutcome) -> dict[str, Any]:
    return {key: _to_json(value) for key, value in asdict(fold).items()}


def _record_from_json(trial: FrozenTrial, params: dict[str, Any]) -> TrialRecord:
    stored = trial.user_attrs[RECORD]
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
        n_fold_epochs=stored.get("n_fold_epochs"),
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
