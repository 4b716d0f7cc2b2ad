"""Sequences, images and masks that come as lists, columns of tables, or tables of their own."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from numpy.testing import assert_array_equal
from sklearn.model_selection import KFold, cross_validate

from sklearn_trainkit.model_selection import cross_validate as own_cross_validate
from sklearn_trainkit.neural_network import (
    ConvNetClassifier,
    RecurrentNetClassifier,
    RecurrentNetRegressor,
    UNetSegmenter,
)
from sklearn_trainkit.neural_network.batches._input_lists import as_list

rng = np.random.default_rng(0)
LENGTHS = rng.integers(2, 6, 20)
PARTS = [rng.normal(size=(n, 2)) for n in LENGTHS]
LABELS = np.array([int(part[-1, 0] > 0) for part in PARTS])
INDEX = np.arange(100, 120)
FAST = {"hidden_units": (4,), "max_epochs": 2, "random_state": 0}
NAMES = ["flow", "heat"]


def objects(parts):
    column = np.empty(len(parts), dtype=object)
    column[:] = parts
    return column


def tables(kind, names=NAMES, parts=PARTS):
    return [
        pd.DataFrame(part, columns=names)
        if kind == "pandas"
        else pl.DataFrame(dict(zip(names, part.T, strict=True)))
        for part in parts
    ]


COLUMNS = {
    "list": list,
    "tuple": tuple,
    "objects": objects,
    "column of objects": lambda parts: objects(parts)[:, None],
    "series": lambda parts: pd.Series(parts, index=INDEX[: len(parts)]),
    "one column": lambda parts: pd.DataFrame({"track": parts}, index=INDEX[: len(parts)]),
    "nested lists": lambda parts: [part.tolist() for part in parts],
    "series of lists": lambda parts: pd.Series([part.tolist() for part in parts]),
    "polars": lambda parts: pl.Series("track", [part.tolist() for part in parts]),
    "polars objects": lambda parts: pl.Series("track", parts, dtype=pl.Object),
    "polars column": lambda parts: pl.DataFrame({"track": [part.tolist() for part in parts]}),
    "arrow": lambda parts: pa.chunked_array([[part.tolist() for part in parts]]),
    "tensors": lambda parts: [torch.from_numpy(part) for part in parts],
    "series of tables": lambda parts: pd.Series(tables("pandas", parts=parts)),
}


@pytest.mark.parametrize("form", COLUMNS)
def test_sequences_in_every_form_are_the_same(form):
    X = COLUMNS[form](PARTS)
    wanted = RecurrentNetClassifier(**FAST).fit(PARTS, LABELS)
    net = RecurrentNetClassifier(**FAST).fit(X, LABELS, X_val=X, y_val=LABELS)
    assert_array_equal(net.predict_proba(X), wanted.predict_proba(PARTS))
    assert net.score(X, pd.Series(LABELS, index=INDEX)) == wanted.score(PARTS, LABELS)
    assert len(RecurrentNetClassifier(**FAST).partial_fit(X, LABELS).predict(X)) == 20
    cut = RecurrentNetClassifier(**FAST).fit(X, LABELS, lengths=np.full(20, 2))
    assert_array_equal(
        cut.predict_proba(X, lengths=np.full(20, 2)),
        RecurrentNetClassifier(**FAST)
        .fit(PARTS, LABELS, lengths=np.full(20, 2))
        .predict_proba([part[:2] for part in PARTS]),
    )


@pytest.mark.parametrize("form", ["series", "one column", "objects", "polars column"])
def test_columns_are_cross_validated(form):
    X, net = COLUMNS[form](PARTS), RecurrentNetClassifier(**FAST)
    wanted = cross_validate(net, PARTS, LABELS, cv=KFold(2))["test_score"]
    for validate in (cross_validate, own_cross_validate):
        got = validate(net, X, LABELS, cv=KFold(2), error_score="raise")["test_score"]
        assert_array_equal(got, wanted)


@pytest.mark.parametrize("form", ["series", "one column", "polars", "objects", "list"])
def test_targets_of_steps_are_taken_in_every_form(form):
    y = COLUMNS[form]([part[:, 0] for part in PARTS])
    net = RecurrentNetRegressor(return_sequences=True, **FAST)
    wanted = net.fit(PARTS, [part[:, 0] for part in PARTS]).score(
        PARTS, [part[:, 0] for part in PARTS]
    )
    assert net.fit(PARTS, y).score(PARTS, y) == wanted


@pytest.mark.parametrize("form", ["series", "one column", "objects", "polars"])
def test_columns_of_images_and_masks(form):
    images = list(rng.normal(size=(12, 8, 8)).astype(np.float32))
    masks = [(image > 0).astype(int) for image in images]
    X, y = COLUMNS[form](images), COLUMNS[form](masks)
    net = UNetSegmenter((2, 4), max_epochs=1, random_state=0, dtype="float32")
    wanted = net.fit(images, masks).predict_proba(images)
    assert_array_equal(net.fit(X, y).predict_proba(X), wanted)
    assert net.score(X, y) == net.score(images, masks)
    labels = np.arange(12) % 2
    conv = ConvNetClassifier((2,), max_epochs=1, random_state=0, dtype="float32")
    wanted = conv.fit(images, labels).predict_proba(images)
    assert_array_equal(conv.fit(X, labels).predict_proba(X), wanted)


def test_plain_numbers_are_no_list_of_arrays():
    for X in (pd.Series([1.0, 2.0]), pd.DataFrame({"a": [1.0]}), pl.Series([1, 2]), "text", {}, []):
        assert as_list(X) is X


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_names_of_columns_are_kept_and_compared(kind):
    X = tables(kind)
    net = RecurrentNetClassifier(**FAST).fit(X, LABELS)
    assert net.feature_names_in_.tolist() == NAMES
    wanted = RecurrentNetClassifier(**FAST).fit(PARTS, LABELS)
    assert_array_equal(net.predict_proba(X), wanted.predict_proba(PARTS))
    turned = [part[NAMES[::-1]] for part in X]
    named = tables(kind, ["flow", "cold"])
    lengths = np.full(20, 2)
    for other in (turned, named, pd.Series(turned)):
        for call in (
            lambda other: net.predict(other),
            lambda other: net.predict_proba(other, lengths=lengths),
            lambda other: net.score(other, LABELS),
            lambda other: net.partial_fit(other, LABELS),
            lambda other: RecurrentNetClassifier(**FAST).fit(X, LABELS, X_val=other, y_val=LABELS),
        ):
            with pytest.raises(ValueError, match="feature names should match"):
                call(other)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        net.predict(PARTS)
    assert not hasattr(net.fit(PARTS, LABELS), "feature_names_in_")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: part[["heat", "flow"]], r"X\[3\] and X\[0\].*\['heat', 'flow'\]"),
        (lambda part: part.rename(columns={"heat": "cold"}), r"X\[3\].*\['flow', 'cold'\]"),
        (lambda part: part[["flow"]], r"X\[3\].*\['flow'\] and columns \['flow', 'heat'\]"),
        (lambda part: part.assign(more=0.0), r"X\[3\].*'more'\]"),
        (lambda part: part.to_numpy(), r"X\[3\].*an array without names"),
    ],
)
def test_tables_that_disagree_among_themselves_are_named(change, message):
    X = tables("pandas")
    X[3] = change(X[3])
    net = RecurrentNetClassifier(**FAST)
    for call in (
        lambda: net.fit(X, LABELS),
        lambda: RecurrentNetClassifier(**FAST).fit(tables("pandas"), LABELS).predict(X),
        lambda: net.fit(X, LABELS, lengths=np.full(20, 2)),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_columns_without_names_still_have_an_order():
    X = [pd.DataFrame(part) for part in PARTS]
    net = RecurrentNetClassifier(**FAST).fit(X, LABELS)
    assert not hasattr(net, "feature_names_in_")
    X[2] = X[2][[1, 0]]
    with pytest.raises(ValueError, match=r"X\[2\] and X\[0\] must have the same feature names"):
        net.predict(X)


def test_tables_of_arrow_are_tables_too():
    X = [pa.table(dict(zip(NAMES, part.T, strict=True))) for part in PARTS]
    net = RecurrentNetClassifier(**FAST).fit(X, LABELS)
    assert net.feature_names_in_.tolist() == NAMES
    wanted = RecurrentNetClassifier(**FAST).fit(PARTS, LABELS)
    assert_array_equal(net.predict_proba(X), wanted.predict_proba(PARTS))
    X[3] = X[3].select(NAMES[::-1])
    with pytest.raises(ValueError, match=r"X\[3\] and X\[0\].*\['heat', 'flow'\]"):
        net.predict(X)
    column = pa.table({"part": [part.tolist() for part in PARTS]})
    assert_array_equal(wanted.predict_proba(column), wanted.predict_proba(PARTS))
