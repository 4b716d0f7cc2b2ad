"""What a search shows of itself and puts in a pickle: no database, and no password."""

from typing import Any

import optuna
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState

from sklearn_trainkit.model_selection.study._secrets import PrivateURL, hide_password
from sklearn_trainkit.model_selection.study._storage import copy_to_memory

__all__ = ["SelfContained"]


class SelfContained:
    """Base of a search whose pickle and ``repr`` can be given away."""

    storage: Any = PrivateURL()

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        assert isinstance(state, dict)
        state = {**state, "storage": hide_password(self.storage)}
        study = state.get("study_")
        if study is not None and not isinstance(study._storage, InMemoryStorage):
            # A pickled search predicts and shows its results where there is no database.
            state["study_"] = copy_to_memory(study)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        parent: Any = super()
        parent.__setstate__(state)
        study = state.get("study_")
        if study is not None:
            _restore_enumerations(study)


def _restore_enumerations(study: optuna.Study) -> None:
    """Make names of what skops has written as numbers; a pickle has left them as they are."""
    for trial in study.get_trials(deepcopy=False):
        trial.state = TrialState(trial.state)
    for directions in (study._directions, study._storage.get_study_directions(study._study_id)):
        directions[:] = [StudyDirection(direction) for direction in directions]
