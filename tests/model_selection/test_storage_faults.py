"""A storage that goes away for a while costs nothing; one that stays away ends in a clear error."""

import pickle
import shutil
import subprocess
import threading

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from sklearn_trainkit.model_selection import OptunaSearchCV, _patient_storage
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


def test_a_restarted_database_costs_nothing(server):
    returning = threading.Timer(0.5, server.start)

    def go_away():
        server.stop()
        returning.start()

    search = make_search(server.url, study_name="away", callbacks=[after(2, go_away)]).fit(X, y)
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

    monkeypatch.setattr(_patient_storage, "open", open_on_full_disk, raising=False)
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


@pytest.mark.parametrize("password", ["s3cret", "with:colon", "with@at"])
def test_passwords_are_shown_nowhere(password):
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
