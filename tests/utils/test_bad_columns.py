"""Columns that are named in errors."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sklearn_trainkit.neural_network import (
    MLPNetClassifier,
    MLPNetRegressor,
    NetClassifier,
    RecurrentNetClassifier,
)
from sklearn_trainkit.neural_network.modules._mlp_module import MLPModule
from sklearn_trainkit.preprocessing import MinMaxScaler, StandardScaler
from sklearn_trainkit.utils._bad_columns import describe_bad_columns

numbers = np.arange(20.0)
y = np.arange(20) % 2
FRUIT = ["apple", "pear"] * 10
DATES = pd.date_range("2020-01-01", periods=20)

TABLES = {
    "strings": (pd.DataFrame({"n": numbers, "fruit": FRUIT}), "'fruit'", "'apple'"),
    "objects": (
        pd.DataFrame({"n": numbers, "mixed": [*numbers[:19], "?"]}, dtype=object),
        "'mixed'",
        "'?'",
    ),
    "dates": (pd.DataFrame({"day": DATES, "n": numbers}), "'day'", "2020-01-01"),
    "categories": (pd.DataFrame({"n": numbers, "c": pd.Categorical(FRUIT)}), "'c'", "'apple'"),
    "two": (pd.DataFrame({"a": FRUIT, "n": numbers, "b": FRUIT}), "'a', 'b'", "'apple'"),
    "int names": (pd.DataFrame({7: numbers, 9: FRUIT}), "9", "'apple'"),
    "polars": (pl.DataFrame({"n": numbers, "fruit": FRUIT}), "'fruit'", "'apple'"),
    "array": (np.column_stack([numbers.astype(object), np.array(FRUIT, object)]), "1", "'apple'"),
    "array of strings": (np.column_stack([numbers.astype(str), FRUIT]), "1", "apple"),
    "list": ([[n, word] for n, word in zip(numbers, FRUIT, strict=True)], "1", "'apple'"),
    "polars dates": (pl.DataFrame({"n": numbers, "day": DATES.to_numpy()}), "'day'", "2020-01-01"),
    "array of dates": (np.stack([DATES.to_numpy()] * 2, axis=1), "0, 1", "2020-01-01"),
    "only durations": (pd.DataFrame({"wait": DATES - DATES[0]}), "'wait'", "0 "),
    "python dates": (
        [[n, datetime.date(2020, 1, 1)] for n in numbers],
        "1",
        "datetime.date(2020, 1, 1)",
    ),
}
ESTIMATORS = {
    "classifier": MLPNetClassifier((4,), max_epochs=1),
    "regressor": MLPNetRegressor((4,), max_epochs=1),
    "own module": NetClassifier(MLPModule, max_epochs=1),
    "sequences": RecurrentNetClassifier((4,), sequence_shape=(-1, 1), max_epochs=1),
    "standard scaler": StandardScaler(),
    "min-max scaler": MinMaxScaler(),
}


@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
@pytest.mark.parametrize(("table", "names", "value"), TABLES.values(), ids=TABLES)
def test_columns_without_numbers_are_named_with_a_value(estimator, table, names, value):
    with pytest.raises((TypeError, ValueError)) as caught:
        estimator.fit(table, y)
    message = str(caught.value)
    assert f"do not hold numbers: {names}. Encode" in message
    assert value in message


def test_they_are_named_when_predicting_and_for_validation_rows_too():
    table = pd.DataFrame({"n": numbers, "m": numbers})
    words = table.assign(m=FRUIT)
    net = MLPNetClassifier((4,), max_epochs=1, early_stopping=True).fit(table, y)
    for action in (lambda: net.predict(words), lambda: net.score(words, y)):
        with pytest.raises(ValueError, match=r"numbers: 'm'\. Encode"):
            action()
    with pytest.raises(ValueError, match=r"numbers: 'm'\. Encode"):
        net.fit(table, y, X_val=words, y_val=y)
    net.set_params(early_stopping=False)
    with pytest.raises(ValueError, match=r"numbers: 'm'\. Encode"):
        net.partial_fit(words, y)


@pytest.mark.parametrize("bad", [np.nan, np.inf, None, pd.NA])
def test_columns_with_missing_or_infinite_values_are_named(bad):
    table = pd.DataFrame({"n": numbers, "gap": numbers})
    table = table.astype({"gap": object if bad is None else "Float64" if bad is pd.NA else float})
    table.loc[3, "gap"] = bad
    with pytest.raises(ValueError, match=r"not finite: 'gap' \(1 of 20\)"):
        MLPNetClassifier((4,), max_epochs=1).fit(table, y)


@pytest.mark.parametrize("missing", [pd.NA, pd.NaT])
@pytest.mark.parametrize("form", [pd.DataFrame, np.asarray, list], ids=lambda form: form.__name__)
@pytest.mark.parametrize("estimator", [MLPNetClassifier((4,), max_epochs=1), StandardScaler()])
def test_columns_of_objects_with_missing_values_of_pandas_are_named(estimator, form, missing):
    rows = [[n, missing if n == 3 else n] for n in numbers]
    table = pd.DataFrame(rows, columns=["n", "gap"], dtype=object) if form is pd.DataFrame else rows
    name = "'gap'" if form is pd.DataFrame else "1"
    with pytest.raises(TypeError, match=rf"NA or NaT: {name} \(1 of 20\)\. .*astype\('Float64'\)"):
        estimator.fit(np.array(rows, object) if form is np.asarray else table, y)


def test_many_columns_are_counted():
    table = [["x"] * 8]
    told = describe_bad_columns(table, "could not convert", "Encode them.")
    assert "0, 1, 2, 3, 4 and 3 more. Encode them." in told


@pytest.mark.parametrize(
    "X", [[[1, 2], [3]], "words", None, np.zeros((2, 2, 2)), [1, "a"], object()]
)
def test_what_is_no_table_is_left_to_the_error_itself(X):
    assert describe_bad_columns(X, "error", "advice") == ""


def test_an_error_about_the_targets_names_no_column():
    with pytest.raises(ValueError, match="NaN") as caught:
        MLPNetRegressor((4,), max_epochs=1).fit(numbers[:, None], [np.nan] * 20)
    assert "olumn" not in str(caught.value)
