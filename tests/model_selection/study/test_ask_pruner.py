"""A pruner decides on a snapshot as it would in the study itself."""

import numpy as np
import optuna
import pytest

from sklearn_trainkit.model_selection.study._ask_pruner import CurveSnapshot, SnapshotPruning
from sklearn_trainkit.model_selection.study._pruners import make_pruner
from sklearn_trainkit.model_selection.study._search_study import STUDY_NAME

N_STEPS = 9
COMPLETE_STATE = optuna.trial.TrialState.COMPLETE


def curves(n_trials):
    rng = np.random.RandomState(0)
    return np.cumsum(rng.uniform(-0.3, 1, size=(n_trials, N_STEPS)), axis=1)


@pytest.mark.parametrize("name", ["median", "successive_halving", "hyperband"])
def test_same_decisions_as_in_the_study(name):
    def pruner():
        return make_pruner(name, n_trials=30, n_splits=3, n_epochs=N_STEPS)

    study = optuna.create_study(direction="maximize", pruner=pruner(), study_name=STUDY_NAME)
    snapshot = CurveSnapshot(f"test {name}", pruner())
    n_pruned = 0
    for number, curve in enumerate(curves(30)):
        trial = study.ask()
        copy = SnapshotPruning(snapshot.freeze(), number)
        for step, value in enumerate(curve, start=1):
            trial.report(value, step)
            stop = trial.should_prune()
            assert copy.prune(step, value) == stop
            if stop:
                break
        n_pruned += stop
        state = optuna.trial.TrialState.PRUNED if stop else optuna.trial.TrialState.COMPLETE
        frozen = study.tell(trial, None if stop else value, state=state)
        rungs = {k: v for k, v in frozen.system_attrs.items() if k.startswith("completed_rung")}
        assert copy.finish() == rungs
        snapshot.add(frozen)
    assert 0 < n_pruned < 30


def test_a_worker_knows_of_its_own_trials_as_late_as_the_others():
    snapshot = CurveSnapshot("own trials", optuna.pruners.MedianPruner(n_startup_trials=0))
    own = SnapshotPruning(snapshot.freeze(), 0)
    assert not own.prune(1, 0.9)
    own.finish()
    assert not SnapshotPruning(snapshot.freeze(), 1).prune(1, 0.1)  # not told of trial 0 yet
    snapshot.add(
        optuna.trial.create_trial(value=0.9, intermediate_values={1: 0.9}, state=COMPLETE_STATE)
    )
    assert SnapshotPruning(snapshot.freeze(), 2).prune(1, 0.1)
