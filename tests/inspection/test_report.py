"""The report is one file that needs nothing else, and holds what the tables say."""

import base64
import json
import socket
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sklearn_trainkit.comparison import rank_strategies, summarize_strategies
from sklearn_trainkit.comparison._table import build_table
from sklearn_trainkit.inspection import _report_datasets, write_report
from sklearn_trainkit.inspection._environment import describe_environment

VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Collects tags and text, and checks that every tag is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def report(comparison, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(comparison, path, baseline="random", title="Nets & <others>")
    reader = Reader()
    reader.feed(path.read_text())
    assert reader.open == []
    return reader


def test_nothing_is_fetched_from_anywhere(report):
    sources = [attrs[key] for _, attrs in report.tags for key in ("src", "href") if key in attrs]
    assert sources
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert not any(tag in ("script", "link", "iframe") for tag, _ in report.tags)
    css = "".join(report.text)
    assert "url(" not in css
    assert "@import" not in css
    assert "@media print" in css


def test_every_figure_has_words_and_a_caption(report):
    images = [attrs for tag, attrs in report.tags if tag == "img"]
    n_captions = sum(tag == "figcaption" for tag, _ in report.tags)
    # Ranks, two anytime curves; importances, coverage and learning curves of two data sets.
    assert len(images) == n_captions == 3 + 2 * 3
    assert all(len(attrs["alt"]) > 20 for attrs in images)
    for attrs in images:
        drawing = base64.b64decode(attrs["src"].partition(",")[2])
        assert drawing.lstrip().startswith(b"<?xml")


def test_the_tables_hold_the_summaries(report, comparison):
    text = "|".join(report.text)
    for _, row in rank_strategies(comparison, baseline="random").iterrows():
        assert f"{row['strategy']}|{row['mean_rank']:.2f}|" in text
    for _, row in summarize_strategies(comparison, baseline="random").iterrows():
        assert f"{row['strategy']}|{row['test_score']:.4f}|" in text


def test_it_says_what_is_unequal_and_how_it_was_made(report):
    text = " ".join(report.text)
    assert "Nets & <others>" in text
    assert "by hand on iris, narrow: 2 trials a run, the baseline 6" in text
    assert "4 strategies searched on 2 data sets with 2 seeds and 1 outer fold" in text


def test_failed_runs_are_listed(comparison, tmp_path):
    broken = comparison[comparison["dataset"] == "narrow"].copy()
    rows = (broken["strategy"] == "grid") & (broken["seed"] == 1)
    broken.loc[rows, "run_error"] = "RuntimeError: out of <memory>"
    broken.loc[rows, "run_test_score"] = float("nan")
    write_report(broken, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "1 of 2 runs failed: RuntimeError: out of &lt;memory&gt;" in page


def test_no_host_or_path_is_told(report):
    text = " ".join(report.text)
    for private in (socket.gethostname(), str(Path.home()), str(Path.cwd())):
        assert private not in text


def test_the_environment_names_versions_and_processors():
    found = describe_environment()
    assert {"Python", "processors", "scikit-learn", "torch", "optuna"} <= set(found)
    assert int(found["processors"]) >= 1


def test_the_trials_of_each_strategy_are_parsed_once_for_a_data_set(comparison, monkeypatch):
    parsed, read = [], _report_datasets.read_trials

    def read_and_note(rows):
        parsed.append((rows["dataset"].iloc[0], rows["strategy"].iloc[0]))
        return read(rows)

    monkeypatch.setattr(_report_datasets, "read_trials", read_and_note)
    summary = summarize_strategies(comparison)
    _report_datasets.dataset_sections(comparison, summary, summary["strategy"].iloc[0], None)
    present = comparison.dropna(subset=["trial"])
    assert sorted(parsed) == sorted(set(zip(present["dataset"], present["strategy"], strict=True)))


def test_the_same_table_gives_the_same_file(comparison, tmp_path):
    one_run = comparison[(comparison["seed"] == 0) & (comparison["dataset"] == "iris")]
    for name in ("a", "b"):
        write_report(one_run, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_data_set_on_which_all_trials_score_the_same(comparison, tmp_path):
    equal = comparison[comparison["dataset"] == "narrow"].assign(score=1.0, best_so_far=1.0)
    write_report(equal, tmp_path / "equal.html")
    assert "scores and parameters differ" in (tmp_path / "equal.html").read_text()


@pytest.fixture(scope="module")
def broken(comparison):
    """Every strategy failed in the first run of one data set, and everywhere on the other."""
    failed = (comparison["dataset"] == "narrow") | (comparison["seed"] == 0)
    rest = comparison[failed].drop_duplicates(["dataset", "seed", "fold", "strategy"])
    rest = rest.assign(params="{}", status="", curve="[]", run_trials=0)
    rest[["trial", "score", "best_so_far", "epochs", "steps", "run_test_score"]] = None
    rest["run_error"] = "OSError: [Errno 2] No such file: '/home/someone/data/x.npy'"
    return build_table([*rest.to_dict("records"), *comparison[~failed].to_dict("records")])


@pytest.mark.parametrize("params", [None, ["lr", "dropout"]])
def test_a_first_run_without_trials_is_no_obstacle(broken, tmp_path, params):
    write_report(broken, tmp_path / "broken.html", params=params)
    text = (tmp_path / "broken.html").read_text()
    assert "Where each strategy looked on iris, seed 1" in text
    assert "Learning curves of TPE, pruned on iris, seed 1" in text
    assert "someone" not in text
    assert "x.npy" in text


def test_everything_failed(broken, tmp_path):
    nothing = broken[broken["dataset"] == "narrow"]
    write_report(nothing, tmp_path / "nothing.html", params=["lr", "dropout"])
    assert "8 runs and 0 trials" in (tmp_path / "nothing.html").read_text()


@pytest.mark.parametrize("params", ["lr", ["lr"], ["lr", "nothing"]])
def test_unknown_parameters_are_explained(comparison, tmp_path, params):
    with pytest.raises(ValueError, match="params must be two of"):
        write_report(comparison, tmp_path / "none.html", params=params)


def test_names_are_text_and_neither_tags_nor_formulas(comparison, tmp_path):
    bad = "<script>$x^$"
    run = comparison[(comparison["dataset"] == "iris") & (comparison["seed"] == 0)]
    params = run["params"].str.replace('"lr"', json.dumps(bad))
    odd = run.assign(dataset=bad, strategy=bad + run["strategy"], params=params)
    write_report(odd, tmp_path / "odd.html", title=bad, params=[bad, "dropout"])
    text = (tmp_path / "odd.html").read_text()
    assert "<script" not in text
    assert "&lt;script&gt;$x^$grid" in text


def test_a_full_disk_leaves_the_old_report(broken, tmp_path, small_files):
    nothing = broken[broken["dataset"] == "narrow"]
    path = tmp_path / "report.html"
    path.write_text("old")
    with small_files(1000), pytest.raises(OSError, match=r"report\.html"):
        write_report(nothing, path)
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["report.html"]
