"""A comparison survives being written, read, and interrupted."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

from sklearn_trainkit.comparison import compare_searches, read_comparison, write_comparison
from sklearn_trainkit.model_selection import OptunaSearchCV
from tests.callbacks.iterative_classifier import IterativeClassifier

LRS = [0.1, 0.5]


class Counting(IterativeClassifier):
    n_fits = 0

    def fit(self, X, y):
        Counting.n_fits += 1
        return super().fit(X, y)


class InterruptedOnce(IterativeClassifier):
    # A file and not a flag of the class: that would be another class.
    works: Path

    def fit(self, X, y):
        if self.random_state == 1 and not InterruptedOnce.works.exists():
            raise KeyboardInterrupt
        return super().fit(X, y)


class Failing(IterativeClassifier):
    def __init__(self, text=""):
        self.text = text

    def fit(self, X, y):
        raise ValueError(self.text)


def search(**params):
    return GridSearchCV(IterativeClassifier(**params), {"lr": LRS})


@pytest.fixture
def table(data):
    # One run that is watched, one that is not, one that fails.
    searchers = {
        "NA": search(),
        "svc": GridSearchCV(SVC(), {"C": [0.1, 1.0]}),
        "bad": GridSearchCV(IterativeClassifier(fail_in_epoch=0), {"lr": LRS}, error_score="raise"),
    }
    return compare_searches(searchers, *data, cv=2)


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz", "table.parquet"])
def test_a_table_comes_back_as_it_was(table, tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    write_comparison(table, tmp_path / name)
    pd.testing.assert_frame_equal(read_comparison(tmp_path / name), table, check_exact=True)
    assert [path.name for path in tmp_path.iterdir()] == [name]


TEXTS = [
    "step 1\rstep 2 failed", "\r", "\n", "a\r\nb", "a\n\rb\n", 'he said "no"', '"', '""', "'", ",",
    ";\t", "nul\0inside", "\0", "\u2028\u2029\x85\x0b\x0c\x1c\x1d", "\ufeffmark", "", " ", "NA",
    "nan", "\\", "#", "\U0001f600 \u00e9", "\x1b[31mred", "x" * 300_000, "=1+1",
]  # fmt: skip


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz", "table.parquet"])
def test_texts_of_every_kind_come_back(table, tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    rows = pd.concat([table.head(1)] * len(TEXTS), ignore_index=True)
    rows = rows.assign(run_error=TEXTS, run_note=TEXTS[::-1], strategy=TEXTS).astype(table.dtypes)
    write_comparison(rows, tmp_path / name)
    pd.testing.assert_frame_equal(read_comparison(tmp_path / name), rows, check_exact=True)


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz", "table.parquet"])
@pytest.mark.parametrize("text", ["a\rb", "half \ud83d pair", "nul\0", "\u2028"])
def test_a_comparison_goes_on_whatever_an_error_says(data, tmp_path, name, text):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    searchers = {"bad": GridSearchCV(Failing(text), {}, error_score="raise")}
    first = compare_searches(searchers, *data, cv=2, results_file=tmp_path / name)
    again = compare_searches(searchers, *data, cv=2, results_file=tmp_path / name)
    pd.testing.assert_frame_equal(again, first)
    pd.testing.assert_frame_equal(read_comparison(tmp_path / name), first)
    assert text.encode("utf-8", "backslashreplace").decode() in first["run_error"][0]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("table.csv", lambda raw: b""),
        ("table.csv", lambda raw: b"\x00\xff\xfe" * 50),
        ("table.csv", lambda raw: raw[:-40]),
        ("table.csv", lambda raw: raw.replace(b"NA", b"N\xffA")),
        ("table.csv.gz", lambda raw: raw[:-20]),
        ("table.csv.gz", lambda raw: b"dataset,seed"),
        ("table.parquet", lambda raw: raw[:100]),
        ("table.parquet", lambda raw: b""),
    ],
)
def test_a_damaged_file_is_named(table, data, tmp_path, name, damage):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    write_comparison(table, path)
    path.write_bytes(damage(path.read_bytes()))
    damaged = path.read_bytes()
    with pytest.raises(ValueError, match=name):
        read_comparison(path)
    with pytest.raises(ValueError, match=name):
        compare_searches({"a": search()}, *data, cv=2, results_file=path)
    assert path.read_bytes() == damaged


def test_a_damaged_number_is_shown_with_its_row_and_column(table, tmp_path):
    write_comparison(table, tmp_path / "table.csv")
    frame = pd.read_csv(tmp_path / "table.csv", dtype=str, keep_default_na=False)
    for value in ("many", ""):
        frame.loc[2, "run_trials"] = value
        frame.to_csv(tmp_path / "other.csv", index=False)
        with pytest.raises(ValueError, match=r"other\.csv is damaged.*row"):
            read_comparison(tmp_path / "other.csv")


@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz", "table.parquet"])
def test_a_full_disk_leaves_the_old_table(table, tmp_path, name, small_files):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    path = tmp_path / name
    write_comparison(table, path)
    before = path.read_bytes()
    with small_files(100), pytest.raises(OSError, match=name):
        write_comparison(table, path)
    assert [found.name for found in tmp_path.iterdir()] == [name]
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_a_comparison_whose_runs_are_all_in_the_file_fits_nothing(data, tmp_path, name, capsys):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    searchers = {"a": GridSearchCV(Counting(), {"lr": LRS})}
    options = {"cv": 2, "seeds": [0, 1], "results_file": tmp_path / "deep" / name}
    first = compare_searches(searchers, *data, **options)
    Counting.n_fits = 0
    second = compare_searches(searchers, *data, **options, verbose=1)
    assert Counting.n_fits == 0
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert capsys.readouterr().out == "2 of 2 runs are in the results file\n"


def test_an_interrupted_comparison_goes_on_where_it_stopped(data, tmp_path):
    searchers = {"a": GridSearchCV(InterruptedOnce(), {"lr": LRS})}
    options = {"cv": 2, "seeds": [0, 1, 2]}
    path = tmp_path / "table.csv"
    InterruptedOnce.works = tmp_path / "works"
    with pytest.raises(KeyboardInterrupt):
        compare_searches(searchers, *data, **options, results_file=path)
    assert read_comparison(path)["seed"].unique().tolist() == [0]
    InterruptedOnce.works.touch()
    resumed = compare_searches(searchers, *data, **options, results_file=path)
    whole = compare_searches(searchers, *data, **options)
    same = ["seed", "trial", "params", "score", "epochs", "run_test_score", "run_fresh_score"]
    pd.testing.assert_frame_equal(resumed[same], whole[same], check_exact=True)


def test_strategies_and_seeds_join_what_a_file_holds(data, tmp_path):
    path = tmp_path / "table.csv"
    compare_searches({"a": search()}, *data, cv=2, results_file=path)
    both = compare_searches({"b": search(), "a": search()}, *data, cv=2, results_file=path)
    assert both["strategy"].unique().tolist() == ["b", "a"]
    only_b = compare_searches({"b": search()}, *data, cv=2, results_file=path)
    assert only_b["strategy"].unique().tolist() == ["b"]
    assert set(read_comparison(path)["strategy"]) == {"a", "b"}


@pytest.mark.parametrize(
    "change",
    [
        {"searchers": {"a": search(max_epochs=4)}},
        {"cv": 3},
        {"test_size": 0.3},
        {"scoring": "f1"},
        {"rows": slice(10, None)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_results_of_other_settings_or_data_are_never_mixed(data, tmp_path, change):
    path = tmp_path / "table.csv"
    compare_searches({"a": search()}, *data, cv=2, results_file=path)
    arguments = {"searchers": {"a": search()}, "cv": 2} | change
    rows = arguments.pop("rows", slice(None))
    with pytest.raises(ValueError, match="with other settings or other data"):
        compare_searches(X=data[0][rows], y=data[1][rows], **arguments, results_file=path)


def test_a_wrong_path_is_refused_before_anything_runs(data, tmp_path):
    with pytest.raises(ValueError, match=r"must end in .csv, .csv.gz or .parquet; got 'a.xlsx'"):
        compare_searches({"a": search()}, *data, results_file="a.xlsx")
    foreign = tmp_path / "foreign.csv"
    pd.DataFrame({"x": np.arange(3)}).to_csv(foreign)
    with pytest.raises(ValueError, match="is not a comparison's table; it lacks the columns"):
        compare_searches({"a": search()}, *data, results_file=foreign)


def test_writing_sweeps_what_dead_processes_left_of_this_table(table, tmp_path):
    for name in ("table.csv", "other.csv"):
        (tmp_path / f".unfinished-4194305-{name}").write_bytes(b"half")
    write_comparison(table, tmp_path / "table.csv")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".unfinished-4194305-other.csv", "table.csv"]


def space_with(scale):
    def space(trial):
        return {"lr": scale * trial.suggest_float("share", 0.1, 1.0)}

    return OptunaSearchCV(IterativeClassifier(), space, n_trials=1)


def scored_with(sign):
    def score(estimator, X, y):
        return sign * estimator.score(X, y)

    return GridSearchCV(IterativeClassifier(), {"lr": LRS}, scoring=score)


@pytest.mark.parametrize("make", [space_with, scored_with])
def test_other_code_under_the_same_name_is_another_run(data, tmp_path, make):
    path = tmp_path / "table.csv"
    compare_searches({"a": make(1.0)}, *data, cv=2, results_file=path)
    compare_searches({"a": make(1.0)}, *data, cv=2, results_file=path)
    with pytest.raises(ValueError, match="with other settings or other data"):
        compare_searches({"a": make(-1.0)}, *data, cv=2, results_file=path)


def test_a_table_of_an_earlier_version_is_refused_with_the_reason(data, tmp_path):
    path = tmp_path / "table.csv"
    table = compare_searches({"a": search()}, *data, cv=2)
    write_comparison(table.assign(run_fingerprint="0123456789ab"), path)
    with pytest.raises(ValueError, match="another version of sklearn_trainkit"):
        compare_searches({"a": search()}, *data, cv=2, results_file=path)


def test_what_has_no_identity_runs_without_a_file_and_is_refused_with_one(data, tmp_path):
    unreadable = np.frompyfunc(lambda score: score, 1, 1)
    searcher = scored_with(1.0)
    searcher.scoring.unreadable = unreadable
    table = compare_searches({"a": searcher}, *data, cv=2)
    assert (table["run_fingerprint"] == "").all()
    with pytest.raises(ValueError, match=r"searchers\['a'\].*scoring.*function cannot be reached"):
        compare_searches({"a": searcher}, *data, cv=2, results_file=tmp_path / "table.csv")
