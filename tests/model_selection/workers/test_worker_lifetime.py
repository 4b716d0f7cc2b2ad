"""Workers end with the process they work for, and a trial that hangs ends with its worker."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

from sklearn_trainkit.model_selection.workers._overtime import end_process_after, read_note
from tests.forked_script import ForkedScript

SCRIPT = """
    import os, sys, time
    from pathlib import Path
    import joblib
    import numpy as np
    from sklearn.naive_bayes import GaussianNB
    from sklearn_trainkit.model_selection import OptunaSearchCV

    class Hangs(GaussianNB):
        def fit(self, X, y):
            Path(FOLDER, f"pid-{os.getpid()}").touch()
            time.sleep(1000)

    if __name__ == "__main__":
        if sys.argv[1] == "dask":
            from distributed import Client
            Client(n_workers=2, threads_per_worker=1, host="127.0.0.1",
                   dashboard_address="127.0.0.1:0")
        if sys.argv[1] == "ray":
            import ray
            from ray.util.joblib import register_ray
            ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1",
                     object_store_memory=2**28)
            register_ray()
        X, y = np.random.RandomState(0).randn(40, 3), np.arange(40) % 2
        with joblib.parallel_config(sys.argv[1], n_jobs=2):
            OptunaSearchCV(Hangs(), {"var_smoothing": [1e-9, 1e-8]}, n_trials=4, cv=2).fit(X, y)
"""


@pytest.mark.parametrize("backend", ["loky", "dask", "ray"])
def test_workers_do_not_outlive_a_killed_driver(backend, tmp_path):
    if backend != "loky":
        pytest.importorskip({"dask": "distributed", "ray": "ray"}[backend])
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT).replace("FOLDER", repr(str(tmp_path))))
    said = tmp_path / "said.txt"
    with said.open("w") as file:
        driver = subprocess.Popen(
            [sys.executable, str(script), backend],
            stdout=subprocess.DEVNULL,
            stderr=file,
            env=os.environ | {"PYTHONPATH": os.getcwd()},
        )
    while len(started := list(tmp_path.glob("pid-*"))) < 2:
        assert driver.poll() is None, said.read_text()
        time.sleep(0.05)
    workers = [psutil.Process(int(path.name[4:])) for path in started]
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    # Ray's raylet ends them, and on a busy machine takes its time to see that the driver is gone.
    _, alive = psutil.wait_procs(workers, timeout=240)
    assert alive == []


def test_a_note_says_where_a_process_hung(tmp_path):
    note = tmp_path / "note.txt"
    code = f"""
    import threading
    from sklearn_trainkit.model_selection.workers._overtime import end_process_after
    with end_process_after(0.05, {str(note)!r}):
        threading.Event().wait()
    """
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(code))
    process = ForkedScript(script)
    process.communicate(timeout=60)
    assert process.returncode == 1
    assert "threading.py" in read_note(note)


def test_in_time_nothing_happens_and_no_note_is_left(tmp_path):
    note = tmp_path / "note.txt"
    with end_process_after(1000, str(note)):
        assert read_note(note) is None
    assert not note.exists()
