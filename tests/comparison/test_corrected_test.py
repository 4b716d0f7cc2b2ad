"""The corrected test is an ordinary t-test whose variance is widened for overlapping splits."""

import math

import numpy as np
import pytest
from scipy import stats

from sklearn_trainkit.comparison._corrected_test import corrected_mean, score_range

DIFFERENCES = np.array([0.02, -0.01, 0.03, 0.015, 0.0])


def test_without_overlap_it_is_the_one_sample_t_test():
    result = corrected_mean(DIFFERENCES, test_train_ratio=0.0)
    reference = stats.ttest_1samp(DIFFERENCES, 0.0)
    interval = reference.confidence_interval(0.95)
    assert result.p_value == pytest.approx(reference.pvalue)
    assert (result.low, result.high) == pytest.approx((interval.low, interval.high))


def test_the_formula_of_nadeau_and_bengio_by_hand():
    ratio = 10 / 90
    n = len(DIFFERENCES)
    variance = ((DIFFERENCES - DIFFERENCES.mean()) ** 2).sum() / (n - 1)
    t = DIFFERENCES.mean() / math.sqrt((1 / n + ratio) * variance)
    assert corrected_mean(DIFFERENCES, ratio).p_value == pytest.approx(
        2 * (1 - stats.t.cdf(t, df=n - 1))
    )


def test_overlap_widens_the_interval_and_raises_the_p_value():
    plain, corrected = (corrected_mean(DIFFERENCES, ratio) for ratio in (0.0, 0.25))
    assert corrected.low < plain.low < plain.high < corrected.high
    assert corrected.p_value > plain.p_value


def test_under_no_difference_the_corrected_test_rejects_less_often_than_the_plain_one():
    # Two equal strategies: 10 repeated hold-outs of one sample of 40 rows each time.
    rng = np.random.default_rng(0)
    rejected = {0.0: 0, 1 / 3: 0}
    for _ in range(400):
        rows = rng.normal(size=40)  # difference of the two strategies' scores on each row
        means = [rng.permutation(rows)[:10].mean() for _ in range(10)]
        for ratio in rejected:
            rejected[ratio] += corrected_mean(means, ratio).p_value < 0.05
    assert rejected[0.0] / 400 > 0.2  # far above the promised 0.05
    assert rejected[1 / 3] / 400 < 0.1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], (math.nan, math.nan, 0)),
        ([0.1], (0.1, math.nan, 1)),
        ([0.1, math.nan], (0.1, math.nan, 1)),
        ([0.0, 0.0], (0.0, 1.0, 2)),
        ([0.5, 0.5], (0.5, math.nan, 2)),
        ([0.3 - 0.1, 0.2, 0.9 - 0.7], (0.2, math.nan, 3)),  # equal but for their last digits
    ],
)
def test_too_few_or_equal_values(values, expected):
    result = corrected_mean(values, 0.1)
    assert (result.mean, result.p_value, result.n_values) == pytest.approx(expected, nan_ok=True)
    assert math.isnan(result.low)
    assert math.isnan(result.high)


def test_the_interval_of_a_share_is_wilsons():
    # Independent shares of 1 / n each: Wilson's interval of as many trials as have this variance.
    shares = np.array([0.9, 0.95, 1.0, 0.85, 0.92])
    result = corrected_mean(shares, test_train_ratio=0.25, within=(0.0, 1.0))
    mean = shares.mean()
    error = math.sqrt((1 / 5 + 0.25) * shares.var(ddof=1))
    n, t = mean * (1 - mean) / error**2, stats.t.ppf(0.975, df=4)
    for end in (result.low, result.high):  # Wilson: the shares whose own error reaches the mean
        assert abs(mean - end) == pytest.approx(t * math.sqrt(end * (1 - end) / n))
    assert result.low < mean < result.high < 1


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.0, 1.0], (0, 1)),
        ([-1.0, 0.0], (-math.inf, 0)),
        ([-1.0, 0.5], (-math.inf, 1)),
        ([0.5, 1.5], (-math.inf, math.inf)),
        ([float("nan"), -math.inf, 0.5], (0, 1)),
        ([], (-math.inf, math.inf)),
    ],
)
def test_ranges_that_scores_keep_to(scores, expected):
    assert score_range(scores) == expected
