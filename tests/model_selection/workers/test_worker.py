"""A worker says nothing of its own accord."""

import optuna
import pytest
from sklearn import get_config

from sklearn_trainkit.model_selection.evaluation._evaluator import (
    EvaluationSetup,
    OneByOne,
    TrialJob,
)
from sklearn_trainkit.model_selection.evaluation._trial_record import FoldOutcome, TrialRecord
from sklearn_trainkit.model_selection.evaluation._trial_watch import Deadlines
from sklearn_trainkit.model_selection.study._ask_pruner import SnapshotRows
from sklearn_trainkit.model_selection.workers._worker import SharedSetup, evaluate_jobs
from sklearn_trainkit.utils import _told_once


@pytest.fixture
def chatty_optuna():
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.INFO)
    yield
    optuna.logging.set_verbosity(level)


def evaluate(setup, job, watch):
    return TrialRecord(job.number, job.params, (FoldOutcome(0.5, None, 0.0, 0.0),))


def test_the_first_job_with_a_pruner_is_silent(chatty_optuna, capfd, monkeypatch):
    monkeypatch.setattr(_told_once, "_told", _told_once._Told())  # this process is no worker
    setup = EvaluationSetup(None, None, None, None, 0.0, False)
    shared = SharedSetup(OneByOne(evaluate), setup, get_config(), [], 1, driver=-1)
    rows = SnapshotRows("a token of its own", optuna.pruners.MedianPruner(), ())
    evaluate_jobs(shared, [TrialJob(0, {})], rows, Deadlines())
    written = capfd.readouterr()
    assert written.out + written.err == ""
