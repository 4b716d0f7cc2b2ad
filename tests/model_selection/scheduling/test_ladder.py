"""Who waits, and who goes on."""

import math

from sklearn_trainkit.model_selection.scheduling._ladder import Ladder


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


def test_better_ones_that_came_later_go_on_at_the_end():
    ladder = Ladder([2])
    for number, value in enumerate([0.5, 0.1, 0.9, 0.8]):
        ladder.arrive(number, 0, value)
    ladder.arrive(0, 1, 0.5)
    ladder.arrive(2, 1, 0.9)
    assert ladder.pick(more_to_come=True) is None
    assert ladder.pick(more_to_come=False) == (3, 0)


def test_nobody_goes_on_twice_while_on_the_way():
    ladder = Ladder([2, 2])
    for number, value in enumerate([0.1, 0.2, 0.3, 0.4]):
        ladder.arrive(number, 0, value)
    ladder.start(3, 1)
    assert ladder.pick(more_to_come=True) == (2, 0)
    ladder.start(2, 1)
    assert ladder.pick(more_to_come=True) is None
    assert ladder.pick(more_to_come=False) is None


def test_the_last_ones_wait_for_those_on_the_way():
    ladder = Ladder([2])
    for number, value in enumerate([0.5, 0.1, 0.9]):
        ladder.arrive(number, 0, value)
    ladder.start(2, 1)
    ladder.start(4, 0)
    # Whether the second place is the one of number 0 is known once number 4 has come.
    assert ladder.pick(more_to_come=False) is None
    ladder.arrive(4, 0, 0.7)
    assert ladder.pick(more_to_come=False) == (4, 0)


def test_who_dies_on_the_way_is_in_nobodys_way():
    ladder = Ladder([2])
    ladder.arrive(0, 0, 0.5)
    ladder.start(0, 1)
    ladder.leave(0)
    assert ladder.pick_last() is None
    ladder.arrive(1, 0, 0.4)
    assert ladder.pick_last() == (1, 0)
