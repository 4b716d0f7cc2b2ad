"""Where candidates wait."""

import pytest

from sklearn_trainkit.model_selection.study._rungs import PauseAndResumePruner, make_rungs


@pytest.mark.parametrize(
    ("settings", "rungs"),
    [
        ((12, 1, 3), [1, 3, 12]),
        ((20, 1, 3), [1, 3, 9, 20]),
        ((16, 2, 2), [2, 4, 8, 16]),
        ((1, 1, 3), [1]),
    ],
)
def test_rungs(settings, rungs):
    assert make_rungs(*settings) == rungs


@pytest.mark.parametrize("settings", [{"reduction_factor": 1}, {"min_epochs": 0}])
def test_bad_settings(settings):
    with pytest.raises(ValueError, match=f"{next(iter(settings))}="):
        PauseAndResumePruner(**settings)
