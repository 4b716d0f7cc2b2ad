import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklearn_trainkit.neural_network.sequences._sequence_checks import (
    as_sequences,
    check_padding,
    joined_sequences,
    padded_by_lengths,
    step_counts,
)

A, B = np.arange(6.0).reshape(3, 2), np.arange(2.0).reshape(1, 2)


@pytest.mark.parametrize("container", [list, tuple, lambda x: np.array([*x, None], object)[:-1]])
def test_lists_of_sequences_are_joined_and_padded_with_nan(container):
    joined = joined_sequences(container([A, B]))
    assert joined.shape == (2, 3, 2)
    assert joined.dtype == np.float64
    assert_array_equal(joined[0], A)
    assert_array_equal(joined[1], [[0, 1], [np.nan] * 2, [np.nan] * 2])
    assert step_counts(joined).tolist() == [3, 1]


@pytest.mark.parametrize(
    ("dtypes", "wanted"),
    [("ff", "f4"), ("fd", "f8"), ("ii", "f4"), ("ee", "f4"), ("??", "f4")],
)
def test_joined_sequences_are_floats(dtypes, wanted):
    parts = [part.astype(dtype) for part, dtype in zip((A, B), dtypes, strict=True)]
    assert joined_sequences(parts).dtype == wanted


def test_flat_rows_and_arrays_are_left_as_they_are():
    for X in (A, A.tolist(), [1.0, 2.0], [A[0], A[1]], "text", [], A[None]):
        assert joined_sequences(X) is X


def test_nested_lists_are_sequences():
    assert joined_sequences([[[1, 2], [3, 4]], [[5, 6]]]).shape == (2, 2, 2)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([A, B[:, :1]], r"X\[1\] has shape \(1, 1\), but sequences of shape \(n_steps, 2\)"),
        ([A, B, A[:0]], r"X\[2\] has shape \(0, 2\)"),
        ([A, B[0]], r"X\[1\] has shape \(2,\)"),
        ([A[0], A[0, :1]], r"X\[0\] has shape \(2,\).*\(n_steps, n_features\)"),
        ([A[None], A[None]], r"X\[0\] has shape \(1, 3, 2\)"),
        ([A, [[1.0, 2.0], [3.0]]], r"X\[1\] is not one array of numbers"),
        ([A, np.array([["a", "b"]])], r"X\[1\] is not an array of numbers"),
    ],
)
def test_a_sequence_that_does_not_fit_is_named(X, message):
    with pytest.raises(ValueError, match=message):
        joined_sequences(X)


def test_lengths_become_nan_in_a_copy():
    X = np.ones((2, 4, 3), np.float32)
    cut = padded_by_lengths(X, [4, 2])
    assert step_counts(cut).tolist() == [4, 2]
    assert cut.dtype == np.float32
    assert (X == 1).all()
    assert padded_by_lengths(X, None) is X
    assert padded_by_lengths(X.astype(int), [1, 1]).dtype == np.float32
    flat = padded_by_lengths(X.reshape(2, 12), [4, 2], (-1, 3))
    assert_array_equal(flat, cut.reshape(2, 12))
    assert step_counts(padded_by_lengths([A, B], [2, 1])).tolist() == [2, 1]


def test_what_comes_after_the_length_may_be_anything():
    X = np.ones((1, 4, 2))
    X[0, 2:] = [[np.inf, np.nan], [1, 2]]
    cut = padded_by_lengths(X, [2])
    check_padding(cut)
    assert step_counts(cut).tolist() == [2]


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([4, 5], r"lengths\[1\]=5 must be from 1 to the 4 steps"),
        ([0, 2], r"lengths\[0\]=0 must be from 1 to the 4 steps"),
        ([-1, 2], r"lengths\[0\]=-1"),
        ([1], "lengths must be 2 ints"),
        ([1.5, 2.0], "lengths must be 2 ints.*float64"),
    ],
)
def test_lengths_that_do_not_fit_are_named(lengths, message):
    with pytest.raises(ValueError, match=message):
        padded_by_lengths(np.ones((2, 4, 3)), lengths)


def test_a_length_must_not_reach_into_the_padding():
    with pytest.raises(ValueError, match=r"lengths\[1\]=3 must be from 1 to the 1 steps"):
        padded_by_lengths([A, B], [3, 3])


@pytest.mark.parametrize("shape", [(4, 3), (-1, 3), (4, -1), [np.int64(4), 3]])
def test_flat_rows_take_their_sequence_shape(shape):
    X = np.arange(24.0).reshape(2, 12)
    assert_array_equal(as_sequences(X, shape), X.reshape(2, 4, 3))


@pytest.mark.parametrize(
    ("X_shape", "sequence_shape", "message"),
    [
        (
            (2, 12),
            (5, 3),
            r"sequence_shape=\(5, 3\) does not fit X of shape \(2, 12\).* 15",
        ),
        ((2, 12), (-1, 5), "a multiple of 5 columns"),
        ((2, 12), (0, 3), "sequence_shape must be"),
        ((2, 12), (-1, -1), "sequence_shape must be"),
        ((2, 12), (4,), "sequence_shape must be"),
        ((2, 12), (4.0, 3.0), "sequence_shape must be"),
        ((2, 12), None, r"X has shape \(2, 12\), but a recurrent network takes"),
        ((2, 4, 3, 1), None, r"X has shape \(2, 4, 3, 1\)"),
        ((2, 0, 3), None, r"X has shape \(2, 0, 3\)"),
        ((2, 4, 3), (4, 2), r"sequence_shape=\(4, 2\) does not fit X of shape \(2, 4, 3\)"),
    ],
)
def test_shapes_that_are_no_sequences_are_told(X_shape, sequence_shape, message):
    with pytest.raises(ValueError, match=message):
        as_sequences(np.zeros(X_shape), sequence_shape)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ((1, 1), "step 1 of sample 1 is NaN and steps after it are not"),
        ((1, 3, 0), "step 3 of sample 1 is NaN in some features and not in others"),
        ((1,), "step 0 of sample 1 is NaN, so the sequence has no steps at all"),
    ],
)
def test_nan_that_is_no_padding_is_named(where, message, monkeypatch):
    X = np.ones((3, 4, 2))
    X[2, 2:] = np.nan
    check_padding(X)
    X[where] = np.nan
    with pytest.raises(ValueError, match=message):
        check_padding(X)
    monkeypatch.setattr(
        "sklearn_trainkit.neural_network.sequences._sequence_checks._CHUNK_VALUES", X[0].size
    )
    with pytest.raises(ValueError, match=message):
        check_padding(X)
