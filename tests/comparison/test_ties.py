"""Scores are tied exactly where rounding could have made the difference."""

import numpy as np
import pytest
from scipy import stats

from sklearn_trainkit.comparison._ties import rounding_error, tie_scores

NAN = float("nan")


@pytest.mark.parametrize(
    ("first", "second", "tied"),
    [
        (0.1 + 0.2, 0.3, True),
        (0.0, -2.2e-16, True),  # R2 of a constant
        (-2.5e9, -2.5e9 - 1e-6, True),  # a squared error in large units
        (-3e-10, -4e-10, False),  # a squared error in small units
        (0.9, 0.9 - 1e-7, False),  # one row of ten million
        (0.5, NAN, False),
        (np.inf, np.inf, True),
        (-np.inf, 0.5, False),
    ],
)
def test_what_is_a_tie(first, second, tied):
    one, other = tie_scores([first, second])
    assert (one == other) is tied or (one == other) == tied


def test_many_small_steps_are_not_one_tie():
    values = 0.5 - 4e-11 * np.arange(6)
    assert len(set(tie_scores(values))) == 3


def test_ranks_are_those_of_rounded_scores():
    rng = np.random.default_rng(0)
    exact = rng.integers(0, 6, 40) / 10
    noisy = exact + rng.uniform(-1e-16, 1e-16, 40)
    np.testing.assert_array_equal(
        stats.rankdata(tie_scores(noisy)), stats.rankdata(noisy.round(12))
    )


def test_the_tolerance_grows_with_the_score():
    np.testing.assert_allclose(rounding_error([0.0, 1.0, -1e6, NAN]), [1e-14, 1e-10, 1e-4, 1e-14])
