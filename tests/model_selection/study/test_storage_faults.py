"""A storage that goes away for a while costs nothing; one that stays away ends in a clear error."""

import os
import pickle
import re
import shutil
import subprocess
import threading

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.model_selection.study import _journal, _patient_storage
from tests.postgres_server import PASSWORD, PostgresServer, find_reason_to_skip

X, y = make_classification(n_samples=60, n_features=4, random_state=0)


@pytest.fixture(scope="module")
def server():
    if (reason := find_reason_to_skip()) is not None:
        pytest.skip(reason)
    pytest.importorskip("psycopg")
    server = PostgresServer()
    yield server
    server.remove()


def make_search(storage, **settings):
    return OptunaSearchCV(
        LogisticRegression(),
        {"C": loguniform(0.01, 10)},
        **({"n_trials": 6, "cv": 2, "random_state": 0, "storage": storage} | settings),
    )


def after(number, action):
    """Return a callback that acts once, after trial ``number``."""

    def callback(study, trial):
        if trial.number == number:
            action()

    return callback


@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_a_restarted_database_costs_nothing(server, mode):
    returning = threading.Timer(0.5, server.start)

    def go_away():
        server.stop(mode)
        returning.start()

    search = make_search(server.url, study_name=mode, callbacks=[after(2, go_away)]).fit(X, y)
    returning.join()
    alone = make_search(None).fit(X, y)
    assert search.cv_results_["params"] == alone.cv_results_["params"]
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"]
    )


def test_a_database_that_stays_away_ends_the_search_and_keeps_what_was_finished(
    server, monkeypatch
):
    monkeypatch.setattr(_patient_storage, "PATIENCE_SECONDS", 0.3)
    search = make_search(server.url, study_name="gone", callbacks=[after(2, server.stop)])
    try:
        with pytest.raises(
            RuntimeError, match=r"The storage could not be used.*resume=True"
        ) as info:
            search.fit(X, y)
    finally:
        server.start()
    assert PASSWORD not in str(info.getrepr(chain=True).reprcrash)
    calls = []
    again = make_search(
        server.url,
        study_name="gone",
        resume=True,
        callbacks=[lambda study, trial: calls.append(trial.number)],
    ).fit(X, y)
    assert len(calls) == 3
    assert len(again.cv_results_["params"]) == 6


class FullDisk:
    """Writes half of what it is given, then finds no room, as often as told."""

    def __init__(self, file, failures):
        self._file = file
        self._failures = failures

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __iter__(self):
        return iter(self._file)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self._file.close()

    def write(self, content):
        if self._failures:
            self._failures.pop()
            self._file.write(content[: len(content) // 2])
            raise OSError(28, "No space left on device")
        return self._file.write(content)


def test_a_full_disk_leaves_no_torn_line_and_the_search_goes_on(tmp_path, monkeypatch):
    failures = []

    def open_on_full_disk(path, *args, **kwargs):
        return FullDisk(open(path, *args, **kwargs), failures)

    monkeypatch.setattr(_journal, "open", open_on_full_disk, raising=False)
    path = str(tmp_path / "study")
    callbacks = [after(2, lambda: failures.extend([1, 1]))]
    search = make_search(path, callbacks=callbacks).fit(X, y)
    assert failures == []
    again = make_search(path, resume=True).fit(X, y)
    assert [params["C"] for params in again.cv_results_["params"]] == [
        params["C"] for params in search.cv_results_["params"]
    ]


def test_a_disk_that_is_really_full(tmp_path, monkeypatch):
    folder = tmp_path / "small"
    folder.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no mount program")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    monkeypatch.setattr(_patient_storage, "PATIENCE_SECONDS", 0.3)
    try:
        with pytest.raises(RuntimeError, match="No space left on device"):
            make_search(str(folder / "study"), n_trials=100).fit(X, y)
        shutil.copy(folder / "study", tmp_path / "rescued")
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    again = make_search(str(tmp_path / "rescued"), resume=True, n_trials=100).fit(X, y)
    assert len(again.cv_results_["params"]) == 100


def test_a_database_that_is_being_restarted_is_waited_for_when_it_is_opened(server):
    server.stop()
    returning = threading.Timer(0.5, server.start)
    returning.start()
    search = make_search(server.url, study_name="late").fit(X, y)
    returning.join()
    assert search.n_trials_ == 6


DAMAGES = {
    "cut off": (lambda path: os.truncate(path, 100), r"cut off after line 0; \d+ lines"),
    "emptied": (lambda path: os.truncate(path, 0), "cut off after line 0"),
    "removed": (lambda path: path.unlink(), "was removed"),
    "rewritten": (lambda path: path.write_bytes(b"x" * 10**5), "was rewritten"),
    "foreign line": (
        lambda path: append(path, b"hello\n[1]\n"),
        r"line \d+ of the journal .*'hello",
    ),
    "foreign object": (
        lambda path: append(path, b'{"a": 1}\n'),
        r"line \d+ .* no line of a journal",
    ),
    "line that does not follow": (
        lambda path: append(path, b'{"op_code": 77, "worker_id": "w"}\n'),
        r"line \d+ of the journal .* does not follow",
    ),
}


def append(path, content):
    with path.open("ab") as file:
        file.write(content)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("settings", [{}, {"pruner": "racing"}], ids=["plain", "racing"])
def test_a_journal_damaged_during_a_search_is_named_and_results_are_kept(
    tmp_path, damage, settings
):
    act, message = DAMAGES[damage]
    path = tmp_path / "study.journal"
    search = make_search(path, callbacks=[after(2, lambda: act(path))], **settings)
    with pytest.raises(RuntimeError, match=message) as info:
        search.fit(X, y)
    assert "study.journal" in str(info.value)
    assert len(search.cv_results_["params"]) >= 3
    assert search.n_trials_ == len(search.cv_results_["params"]) == len(search.trials_)
    assert search.best_score_ == search.best_trial_.value
    search.set_params(callbacks=None)
    assert len(pickle.loads(pickle.dumps(search)).trials_dataframe()) == search.n_trials_


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n", r"line 1 of .*study is no line of a journal: 'a,b"),
        (b"\x80\x04\x95 pickle without an end of line", "line 1 of"),
        (b"SQLite format 3\0 and so on", r"SQLite database.*sqlite:///"),
        (b'{"name": "package"}\n', "line 1 of"),
        (b"[1, 2]\n", "line 1 of"),
        (b"null\n", "line 1 of"),
        (b"\xff\xfe\x00\n" * 3, "line 1 of"),
        ("broken", r"line 3 of the journal .*study is broken: 'oops"),
        ("bytes", r"line 3 of the journal .*study is broken"),
        ("foreign", r"line 3 of the journal .*study is no line of a journal"),
    ],
)
def test_a_damaged_journal_is_named_with_its_line_and_left_alone(tmp_path, content, message):
    path = tmp_path / "study"
    if isinstance(content, str):
        make_search(path, n_trials=1).fit(X, y)
        lines = path.read_bytes().splitlines(keepends=True)
        inserted = {"broken": b"oops\n", "bytes": b"\xff\n", "foreign": b"{}\n"}
        content = b"".join([*lines[:2], inserted[content], *lines[2:]])
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot be opened") as info:
        make_search(path, resume=True).fit(X, y)
    assert re.search(message, str(info.value)), str(info.value)
    assert path.read_bytes() == content


def test_an_empty_file_and_a_torn_first_line_are_new_journals(tmp_path):
    for name, content in (("empty", b""), ("torn", b'{"op_code":0,"work')):
        (tmp_path / name).write_bytes(content)
        assert make_search(tmp_path / name, n_trials=1).fit(X, y).n_trials_ == 1


def test_what_cannot_be_a_journal_is_named_at_once(tmp_path):
    for path in (tmp_path, tmp_path / "none" / "study"):
        with pytest.raises(ValueError, match="cannot be opened"):
            make_search(path).fit(X, y)


@pytest.mark.parametrize("password", ["s3cret", "with:colon", "with@at"])
def test_passwords_are_shown_nowhere(password, monkeypatch):
    monkeypatch.setattr(_patient_storage, "OPENING_SECONDS", 0.0)
    url = f"postgresql+psycopg://tester:{password}@127.0.0.1:1/none"
    search = make_search(url)
    with pytest.raises(ValueError, match=r"tester:\*\*\*@127.0.0.1") as info:
        search.fit(X, y)
    shown = [repr(search), str(info.value), search._repr_html_(), str(pickle.dumps(search))]
    assert [password in text for text in shown] == [False] * 4
    assert clone(search).storage == url


def test_a_pickled_search_finds_its_password_again_in_this_process(server):
    copied = pickle.loads(pickle.dumps(make_search(server.url, study_name="pickled")))
    assert PASSWORD not in copied.storage
    fitted = copied.fit(X, y)
    assert PASSWORD not in str(pickle.dumps(fitted))
    assert PASSWORD not in repr(fitted)
