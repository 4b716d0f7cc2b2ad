"""Who waits, and who goes on."""

import math

import pytest

from sklearn_trainkit.model_selection.study._rungs import Ladder, PauseAndResumePruner, make_rungs


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


def test_the_best_third_goes_on_once_there_are_three():
    ladder = Ladder([3, 3])
    ladder.arrive(0, 0, 0.5)
    ladder.arrive(1, 0, 0.7)
    assert ladder.pick(more_to_come=True) is None
    ladder.arrive(2, 0, 0.6)
    assert ladder.pick(more_to_come=True) == (1, 0)


def test_those_furthest_up_go_first_and_nobody_goes_twice():
    ladder = Ladder([2, 2])
    for number, value in enumerate([0.1, 0.2, 0.3, 0.4]):
        ladder.arrive(number, 0, value)
    ladder.arrive(3, 1, 0.45)
    ladder.arrive(2, 1, 0.35)
    assert ladder.pick(more_to_come=True) == (3, 1)
    ladder.arrive(3, 2, 0.5)
    assert ladder.pick(more_to_come=True) is None


def test_a_candidate_left_behind_goes_on_when_more_arrive():
    ladder = Ladder([2])
    ladder.arrive(0, 0, 0.9)
    ladder.arrive(1, 0, 0.8)
    ladder.arrive(0, 1, 0.9)
    assert ladder.pick(more_to_come=True) is None
    ladder.arrive(2, 0, 0.1)
    ladder.arrive(3, 0, 0.2)
    assert ladder.pick(more_to_come=True) == (1, 0)


def test_nan_is_the_worst():
    ladder = Ladder([2])
    ladder.arrive(0, 0, math.nan)
    ladder.arrive(1, 0, -1e9)
    assert ladder.pick(more_to_come=True) == (1, 0)


def test_somebody_always_reaches_the_end():
    ladder = Ladder([3, 3])
    ladder.arrive(4, 0, 0.5)
    assert ladder.pick_last() == (4, 0)
    ladder.arrive(4, 1, 0.5)
    assert ladder.pick_last() == (4, 1)
    ladder.arrive(4, 2, 0.5)
    assert ladder.pick_last() is None


@pytest.mark.parametrize("settings", [{"reduction_factor": 1}, {"min_epochs": 0}])
def test_bad_settings(settings):
    with pytest.raises(ValueError, match=f"{next(iter(settings))}="):
        PauseAndResumePruner(**settings)


def test_better_ones_that_came_later_go_on_at_the_end():
    ladder = Ladder([2])
    for number, value in enumerate([0.5, 0.1, 0.9, 0.8]):
        ladder.arrive(number, 0, value)
    ladder.arrive(0, 1, 0.5)
    ladder.arrive(2, 1, 0.9)
    assert ladder.pick(more_to_come=True) is None
    assert ladder.pick(more_to_come=False) == (3, 0)
