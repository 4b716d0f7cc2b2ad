"""A class for each step: only labelled steps count; against plain torch and scikit-learn."""

import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from sklearn_trainkit.callbacks import EpochScoring
from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.model_selection import cross_validate as own_cross_validate
from sklearn_trainkit.neural_network import RecurrentNetClassifier
from sklearn_trainkit.neural_network.sequences._step_coding import step_labels, with_ends
from sklearn_trainkit.neural_network.sequences._step_labels import step_accuracy

rng = np.random.default_rng(0)
N, T = 24, 6
LENGTHS = rng.integers(2, T + 1, N)
LENGTHS[0] = T
X = rng.normal(size=(N, T, 2))
THERE = np.arange(T) < LENGTHS[:, None]
PADDED = np.where(THERE[..., None], X, np.nan)
PARTS = [part[:n] for part, n in zip(X, LENGTHS, strict=True)]
CODES = (X[..., 0] > 0).astype(int) + (X[..., 1] > 0.5)
KNOWN = (rng.random((N, T)) < 0.7) & THERE
NAMES = np.array(["rest", "run", "walk"])
FAST = {"hidden_units": (4,), "max_epochs": 3, "random_state": 0, "return_sequences": True}


def net(**params):
    return RecurrentNetClassifier(**{**FAST, **params})


def as_parts(y):
    return [each[:n] for each, n in zip(y, LENGTHS, strict=True)]


LABELS = {
    "words": NAMES[CODES],
    "numbers": CODES,
    "floats": np.where(THERE, CODES, np.nan),
    "booleans": CODES > 0,
    "negative": CODES - 1,
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_any_kind_come_back_and_nothing_after_the_end(kind):
    y = LABELS[kind]
    fitted = net(max_epochs=30, lr=0.05).fit(PARTS, as_parts(y))
    assert_array_equal(fitted.classes_, np.unique(y[THERE]))
    predicted = fitted.predict(PARTS)
    assert predicted.shape == (N, T)
    assert np.mean(predicted[THERE] == y[THERE]) > 0.8
    ended = predicted[~THERE]
    assert (ended == "").all() if kind == "words" else np.isnan(ended).all()
    full = fitted.predict(X)
    assert full.dtype == fitted.classes_.dtype
    probabilities = fitted.predict_proba(PARTS)
    assert probabilities.shape == (N, T, len(fitted.classes_))
    assert_allclose(probabilities[THERE].sum(axis=1), 1, rtol=1e-6)
    assert np.isnan(probabilities[~THERE]).all()
    assert_allclose(np.exp(fitted.predict_log_proba(PARTS)), probabilities, rtol=1e-6)
    assert_array_equal(fitted.classes_[probabilities[THERE].argmax(axis=1)], predicted[THERE])
    assert fitted.score(PARTS, as_parts(y)) == np.mean(predicted[THERE] == y[THERE])


def forms():
    """Sequences and labels with some steps unlabelled, in the forms that users have them."""
    words = np.where(KNOWN, NAMES[CODES], None)
    floats = np.where(KNOWN, CODES, np.nan)
    marked = np.where(KNOWN, CODES, -100)
    yield "none", PADDED, words, {}
    yield "lists", PARTS, as_parts(words), {}
    yield "nested lists", PARTS, [part.tolist() for part in as_parts(words)], {}
    yield "series", pd.Series(PARTS, index=range(9, 9 + N)), pd.Series(as_parts(words)), {}
    yield "nan", PADDED, floats, {}
    yield "lists of nan", PARTS, as_parts(floats), {}
    yield "nullable", PADDED, pd.DataFrame(floats).astype("Int64"), {}
    yield "masked", PADDED, np.ma.masked_array(CODES, mask=~KNOWN), {}
    yield "mark", PADDED, marked, {"ignore_index": -100}
    yield "tensors", torch.from_numpy(PADDED), torch.from_numpy(marked), {"ignore_index": -100}
    yield "word as mark", PARTS, as_parts(np.where(KNOWN, NAMES[CODES], "?")), {"ignore_index": "?"}
    yield "column", PADDED, marked[..., None], {"ignore_index": -100}


FORMS = {name: rest for name, *rest in forms()}


@pytest.mark.parametrize("form", FORMS)
def test_unlabelled_steps_are_the_same_in_every_form(form):
    sequences, y, params = FORMS[form]
    wanted = net().fit(PADDED, np.where(KNOWN, CODES, np.nan))
    fitted = net(**params).fit(sequences, y, X_val=sequences, y_val=y)
    assert_allclose(fitted.predict_proba(sequences), wanted.predict_proba(PADDED))
    codes = wanted.predict_proba(PADDED).argmax(axis=2)
    assert fitted.score(sequences, y) == accuracy_score(CODES[KNOWN], codes[KNOWN])
    assert fitted.history_[-1, "valid_acc"] == pytest.approx(fitted.score(sequences, y))
    partial = net(**params).partial_fit(sequences, y, classes=fitted.classes_)
    assert partial.partial_fit(sequences, y).predict(sequences).shape == (N, T)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_the_loss_is_torchs_with_ignore_index(class_weight):
    y = np.where(KNOWN, CODES, -1)
    fitted = net(
        batch_size=-1, max_epochs=1, label_smoothing=0.0, ignore_index=-1, class_weight=class_weight
    )
    run = fitted.start_fit(PADDED, y)
    output = fitted.module_(torch.from_numpy(PADDED)).detach()
    losses = torch.nn.functional.cross_entropy(
        output.movedim(2, 1), torch.from_numpy(y), ignore_index=-1, reduction="none"
    ).numpy()[KNOWN]
    counts = np.bincount(CODES[KNOWN])
    factors = KNOWN.sum() / (3 * counts)[CODES[KNOWN]] if class_weight else np.ones(KNOWN.sum())
    run.train()
    assert fitted.history_[-1, "train_loss"] == pytest.approx(np.mean(factors * losses))


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1, 1: 2, 2: 3}])
def test_a_weight_of_two_is_the_sequence_given_twice(class_weight):
    y = np.where(KNOWN, CODES, -1)
    y[3] = -1
    params = {
        "batch_size": -1, "standardize_X": False, "ignore_index": -1, "class_weight": class_weight,
    }  # fmt: skip
    once = net(**params).fit(PADDED, y, np.r_[2.0, np.ones(N - 1)])
    twice = net(**params).fit(PADDED[[0, *range(N)]], y[[0, *range(N)]])
    assert_allclose(once.predict_proba(PADDED), twice.predict_proba(PADDED), rtol=1e-6)


def test_neither_padding_nor_batches_change_a_prediction():
    y = NAMES[CODES]
    fitted = net().fit(PADDED, y)
    assert_array_equal(
        net().fit(X, y, lengths=LENGTHS).predict(X, lengths=LENGTHS), fitted.predict(PADDED)
    )
    alone = fitted.predict_proba([PARTS[3]])
    assert_allclose(alone[0], fitted.predict_proba(PADDED)[3, : LENGTHS[3]], rtol=1e-6)


def test_early_stopping_and_weighted_scores_leave_them_out():
    y = np.where(KNOWN, CODES, -1)
    fitted = net(early_stopping=True, ignore_index=-1, label_smoothing=0.0).fit(
        PADDED[6:], y[6:], X_val=PADDED[:6], y_val=y[:6]
    )
    known, predicted = KNOWN[:6], fitted.predict(PADDED[:6])
    best = fitted.best_epoch_ - 1
    assert fitted.history_[best, "valid_acc"] == np.mean(predicted[known] == CODES[:6][known])
    weight = rng.uniform(0.5, 2, 6)
    weights = np.repeat(weight, T).reshape(6, T)[known]
    wanted = accuracy_score(CODES[:6][known], predicted[known], sample_weight=weights)
    assert fitted.score(PADDED[:6], y[:6], sample_weight=weight) == pytest.approx(wanted)
    assert (predicted[~THERE[:6]] == -1).all()
    assert predicted.dtype == CODES.dtype


def test_a_label_that_was_never_shown_is_wrong():
    fitted = net().fit(PARTS, as_parts(NAMES[CODES]))
    assert fitted.score(PARTS, as_parts(np.full((N, T), "swim"))) == 0.0


def test_searches_and_cross_validation_take_them():
    y = as_parts(np.where(KNOWN, NAMES[CODES], None))
    wanted = cross_val_score(net(), PARTS, y, cv=KFold(3), error_score="raise")
    for cv in (3, KFold(3)):
        got = own_cross_validate(net(), PARTS, y, cv=cv, error_score="raise")["test_score"]
        assert_allclose(got, wanted)
        for search in (
            GridSearchCV(net(), {"lr": [0.01]}, cv=cv),
            OptunaSearchCV(net(), {"lr": [0.01]}, n_trials=1, cv=cv, pruner="median"),
        ):
            assert search.fit(PARTS, y).best_score_ == pytest.approx(wanted.mean())


@pytest.mark.parametrize("cv", [3, KFold(3)])
def test_steps_without_a_label_are_no_matter_for_folds(cv):
    y = np.where(KNOWN, CODES, np.nan)
    wanted = cross_val_score(net(), PADDED, y, cv=KFold(3), error_score="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = own_cross_validate(net(), PADDED, y, cv=cv, error_score="raise")["test_score"]
        search = OptunaSearchCV(net(), {"lr": [0.01]}, n_trials=1, cv=cv, refit=False).fit(
            PADDED, y
        )
    assert_allclose(got, wanted)
    assert search.best_score_ == pytest.approx(wanted.mean())


def test_epoch_scoring_pickles_and_clones():
    y = np.where(KNOWN, CODES, -1)
    scoring = EpochScoring("accuracy", lower_is_better=False, name="own")
    fitted = net(ignore_index=-1, callbacks=[scoring], early_stopping=True).fit(PADDED, y)
    assert_allclose(fitted.history_[:, "own"], fitted.history_[:, "valid_acc"])
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.predict_proba(PADDED), fitted.predict_proba(PADDED))
    assert clone(fitted).get_params()["ignore_index"] == -1


def test_weights_travel_to_another_network(tmp_path):
    fitted = net().fit(PARTS, as_parts(NAMES[CODES]))
    fitted.save_params(f_params=str(tmp_path / "weights.pt"))
    other = net()
    other.load_params(f_params=str(tmp_path / "weights.pt"))
    assert_array_equal(other.predict(PARTS), fitted.predict(PARTS))


def test_chunks_without_labels_or_with_one_class_go_on():
    fitted = net(ignore_index=-1, class_weight="balanced", weight_decay=0.0)
    fitted.partial_fit(PADDED, np.zeros((N, T), int), classes=[0, 1, 2, -1])
    fitted.partial_fit(PADDED[:3], np.full((3, T), -1))
    assert np.isfinite(fitted.predict_proba(X)).all()
    assert fitted.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("labels", "mark", "classes"),
    [
        ([0, 1, 2], -1, [0, 1, 2, -1]),
        ([0, 1, 2], -1, [2, 1, 0]),
        (["rest", "run", "walk"], "?", ["?", "rest", "run", "walk"]),
        (["rest", "run", "walk"], "?", pd.Series(["?", "rest", "run", "walk"], dtype=object)),
        ([0.0, 1.0, 2.0], None, [0.0, 1.0, 2.0, np.nan]),
        (["rest", "run", "walk"], None, ["rest", "run", "walk", None]),
    ],
)
def test_every_chunk_may_name_what_stands_for_no_label(labels, mark, classes):
    y = np.where(KNOWN, np.array(labels, dtype=object)[CODES], mark)
    fitted = net(ignore_index=mark)
    for part in (slice(0, 8), slice(8, 16), slice(16, 24)):
        fitted.partial_fit(PADDED[part], y[part], classes=classes)
    wanted = net(ignore_index=mark)
    for part in (slice(0, 8), slice(8, 16), slice(16, 24)):
        wanted.partial_fit(PADDED[part], y[part], classes=labels)
    assert_array_equal(fitted.classes_, np.array(labels))
    assert fitted.classes_.dtype == np.array(labels).dtype
    assert_array_equal(fitted.predict_proba(PADDED), wanted.predict_proba(PADDED))
    with pytest.raises(ValueError, match="are not those of the first call"):
        fitted.partial_fit(PADDED, y, classes=labels[:2])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (CODES[:, :-1], r"a label for each of the steps of X. Got y of shape \(24, 5\)"),
        (CODES[:, 0], r"a label for each of the steps"),
        ([part[:-1] for part in PARTS], r"y\[0\] has shape"),
        (np.where(KNOWN, None, None), "needs at least 2 classes in y. Got 0"),
        (np.zeros((N, T)), "needs at least 2 classes in y. Got 1"),
        (X[..., 0], "continuous"),
        (np.where(KNOWN, NAMES[CODES].astype(object), 3), "labels of one kind"),
        (None, "requires y"),
    ],
)
def test_what_cannot_be_trained_on_is_said(y, message):
    with pytest.raises(ValueError, match=message):
        net().fit(PADDED, y)


def test_what_is_meant_is_said_where_steps_have_labels_and_are_not_asked_for():
    with pytest.raises(ValueError, match="needs return_sequences=True"):
        RecurrentNetClassifier().fit(PARTS, as_parts(NAMES[CODES]))


def test_a_validation_part_without_labels_is_said():
    with pytest.raises(ValueError, match="None of the 4 validation sequences"):
        net(early_stopping=True).fit(PADDED, CODES, X_val=PADDED[:4], y_val=np.full((4, T), np.nan))
    with pytest.raises(ValueError, match="must have a label at some step"):
        net().fit(PADDED, CODES).score(PADDED[:4], np.full((4, T), np.nan))


@pytest.mark.parametrize(
    ("labels", "mark", "expected"),
    [
        ([[1, 2]], None, [[1.0, np.nan]]),
        ([[1, 2]], -1, [[1, -1]]),
        ([["a", "b"]], None, [["a", ""]]),
        ([["a", "b"]], "unlabelled", [["a", "unlabelled"]]),
        ([[True, False]], None, [[1.0, np.nan]]),
        ([["a", "b"]], -1, [["a", -1]]),
    ],
)
def test_marks_after_the_end(labels, mark, expected):
    got = with_ends(np.array(labels), np.array([[True, False]]), mark)
    assert_array_equal(got, np.array(expected, dtype=got.dtype))


def test_labels_after_the_end_are_ignored():
    y = step_labels([["a", "b", "c"], ["d"]], np.array([2, 1]), 3)
    assert y.tolist() == [["a", "b", None], ["d", None, None]]


def test_a_batch_has_as_many_steps_as_rows_would_be():
    sequences = rng.normal(size=(100, 20, 2))
    y = (sequences[..., 0] > 0).astype(int)
    assert net().start_fit(sequences, y).settings.batch_size == 8  # 64 steps would be 3
    short = net().start_fit(sequences[:, :4], y[:, :4]).settings.batch_size
    assert short == 16  # 64 steps
    assert net(batch_size=50).start_fit(sequences, y).settings.batch_size == 50
    per_sequence = RecurrentNetClassifier(max_epochs=1).start_fit(sequences, y[:, 0])
    assert per_sequence.settings.batch_size == 64


def test_unlabelled_sequences_are_not_marked():
    with pytest.raises(ValueError, match="ignore_index=-1 is for steps without a label"):
        RecurrentNetClassifier(ignore_index=-1).fit(PARTS, CODES[:, 0])


@pytest.mark.parametrize(
    ("y", "mark", "message"),
    [
        (np.array([["a", "-100"], ["b", "a"]]), -100, "ignore_index=-100 is a number, but y has t"),
        ([["a", "-100"], ["b", "a"]], -100, "Write ignore_index='-100' as it stands in y"),
        (np.array([[0, 1], [1, 0]]), "?", "ignore_index='?' is text, but y has numbers"),
    ],
)
def test_a_mark_that_no_label_can_equal_is_said(y, mark, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        step_labels(y, np.array([2, 2]), 2, mark)


def test_steps_are_scored_by_labels_of_one_kind():
    with pytest.raises(ValueError, match="Got 0 in y and 'a' in classes_"):
        step_accuracy([[0, 1]], np.array([["a", "b"]]), np.ones((1, 2), bool))


def test_the_validation_loss_is_the_mean_over_the_labelled_steps_of_its_rows():
    longer, y_longer = np.tile(X, (1, 3, 1)), np.tile(CODES, (1, 3))
    fitted = net(early_stopping=True, max_epochs=1, label_smoothing=0.0)
    fitted.fit(PADDED, np.where(KNOWN, CODES, np.nan), X_val=longer, y_val=y_longer)
    wanted = log_loss(y_longer.ravel(), fitted.predict_proba(longer).reshape(-1, 3))
    assert fitted.history_[-1, "valid_loss"] == pytest.approx(wanted, rel=1e-6)


def test_a_step_of_a_stream_counts_the_same_whichever_steps_it_comes_with():
    fitted = net(label_smoothing=0.0, lr=1e-9, batch_size=-1, ignore_index=-1)
    fitted.partial_fit(PADDED, np.full((N, T), -1), classes=[0, 1, 2])  # says nothing yet
    fitted.partial_fit(X, CODES)
    few = np.where(np.arange(T) < 1, CODES, -1)
    fitted.partial_fit(X, few)
    wanted = log_loss(CODES[:, 0], fitted.predict_proba(X)[:, 0]) / T
    assert fitted.history_[-1, "train_loss"] == pytest.approx(wanted, rel=1e-6)


def test_labels_of_sequences_without_weight_are_none():
    y = np.where(np.arange(N)[:, None] < 4, CODES, np.nan)
    with pytest.raises(ValueError, match="sample_weight is zero for every sequence that has a t"):
        net().fit(X, y, np.where(np.arange(N) < 4, 0.0, 1.0))


DATES = np.array(["2020-01-01", "2021-01-01", "2022-01-01"], dtype="M8[ns]")


@pytest.mark.parametrize("labels", [DATES, DATES - DATES[0], 2**60 + np.arange(3)])
@pytest.mark.parametrize("form", ["array", "list", "masked"])
def test_dates_and_large_numbers_stay_themselves(labels, form):
    y = labels[CODES]
    given = {"array": y, "list": as_parts(y), "masked": np.ma.masked_array(y, ~THERE)}[form]
    fitted = net().fit(PARTS, given)
    assert_array_equal(fitted.classes_, labels)
    assert fitted.classes_.dtype == labels.dtype
    predicted = fitted.predict(PARTS)
    codes = fitted.predict_proba(PARTS)[THERE].argmax(axis=1)
    assert predicted[THERE].tolist() == labels[codes].tolist()
    assert pd.isna(predicted[~THERE]).all()


def test_dates_that_are_not_there_are_no_labels():
    y = np.where(KNOWN, DATES[CODES], np.datetime64("NaT"))
    wanted = net().fit(PADDED, np.where(KNOWN, CODES, np.nan)).predict_proba(PADDED)
    for form in (y, as_parts(y)):
        assert_array_equal(net().fit(PARTS, form).predict_proba(PARTS), wanted)


def test_what_numpy_masks_in_a_list_is_no_label():
    wanted = net().fit(PADDED, np.where(KNOWN, CODES, np.nan)).predict_proba(PADDED)
    masked = as_parts(np.ma.masked_array(CODES, ~KNOWN))
    assert_array_equal(net().fit(PARTS, masked).predict_proba(PARTS), wanted)
