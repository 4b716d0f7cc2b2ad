"""A temporary folder goes with its owner, in whatever way that one goes."""

import os
import signal
import tempfile
from pathlib import Path

import pytest

from sklearn_trainkit.utils._owned_folders import OwnedFolder


@pytest.fixture(autouse=True)
def _own_temporary_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def names(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir())


def test_it_is_removed_with_its_object(tmp_path):
    folder = OwnedFolder("test")
    Path(folder.name, "x").write_text("x")
    del folder
    assert names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_what_a_killed_process_left_is_swept_and_no_other(tmp_path):
    (tmp_path / "sklearn_trainkit-test-abcdefgh").mkdir()  # nobody knows whose
    alive = OwnedFolder("test")
    child = os.fork()
    if child == 0:
        folder = OwnedFolder("test")
        Path(folder.name, "x").write_text("x")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(names(tmp_path)) == 3
    OwnedFolder("other").cleanup()
    assert len(names(tmp_path)) == 3
    OwnedFolder("test").cleanup()
    assert names(tmp_path) == sorted(["sklearn_trainkit-test-abcdefgh", Path(alive.name).name])


def test_a_folder_of_another_machine_is_left_alone(tmp_path):
    folder = tmp_path / "sklearn_trainkit-test-abcdefgh"
    folder.mkdir()
    (folder / ".owner").write_text("elsewhere")
    OwnedFolder("test").cleanup()
    assert folder.exists()
