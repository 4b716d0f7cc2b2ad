"""A file is there as a whole or not at all, and what dead processes left is swept."""

import errno
import os
import signal
import time

import pytest

from sklearn_trainkit.utils import _whole_files
from sklearn_trainkit.utils._whole_files import replace_file, sweep_unfinished

NO_PROCESS = 2**22 + 1  # above the largest number that Linux gives


@pytest.fixture
def full_disk(monkeypatch):
    def refuse(*args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return lambda step: monkeypatch.setattr(_whole_files.os, step, refuse)


def die_while_writing(path):
    """Let a process be killed between the writing of a file and its move."""
    child = os.fork()
    if child == 0:
        _whole_files.os.replace = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
        replace_file(path, b"half")
        os._exit(0)
    os.waitpid(child, 0)


def test_an_earlier_file_is_replaced(tmp_path):
    path = tmp_path / ("long" * 40 + ".csv")
    for content in (b"first", b""):
        replace_file(path, content)
        assert path.read_bytes() == content
        assert len(list(tmp_path.iterdir())) == 1


def test_a_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(b"old")
    path.chmod(0o640)
    replace_file(path, b"new")
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(tmp_path):
    link, place = tmp_path / "link", tmp_path / "place"
    link.symlink_to(place)
    replace_file(link, b"x")
    assert link.is_symlink()
    assert place.read_bytes() == b"x"


def test_what_is_no_ordinary_file_is_written_to():
    replace_file("/dev/null", b"x")
    assert not os.path.isfile("/dev/null")


def test_a_full_disk_leaves_the_earlier_file_and_names_the_path(tmp_path, full_disk):
    path = tmp_path / "table"
    path.write_bytes(b"earlier")
    full_disk("replace")
    with pytest.raises(OSError, match=r"No space left.*table'") as raised:
        replace_file(path, b"x", "table")
    assert raised.value.errno == errno.ENOSPC
    assert [each.read_bytes() for each in tmp_path.iterdir()] == [b"earlier"]


def test_a_missing_folder_and_a_folder_say_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="The report cannot be written"):
        replace_file(tmp_path / "none" / "x", b"x", "report")
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path, b"x")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked process")
def test_what_a_killed_process_left_is_swept(tmp_path):
    die_while_writing(tmp_path / "a")
    die_while_writing(tmp_path / ("b" * 250))
    assert len(list(tmp_path.iterdir())) == 2
    sweep_unfinished(tmp_path, "a")
    assert len(list(tmp_path.iterdir())) == 1
    sweep_unfinished(tmp_path)
    assert list(tmp_path.iterdir()) == []
    sweep_unfinished(tmp_path / "none")


def test_a_file_that_is_being_written_is_left_alone(tmp_path):
    file, path = _whole_files._open_locked(tmp_path / "a")
    sweep_unfinished(tmp_path)
    assert path.exists()
    file.close()
    sweep_unfinished(tmp_path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "hours", "swept"),
    [
        (f".unfinished-{NO_PROCESS}-table.csv", 0, True),
        (f"{'a1' * 20}.{NO_PROCESS}.partial", 0, True),
        (".unfinished-OWN-table.csv", 0, False),
        (".unfinished-OWN-table.csv", 2, True),  # the number of another process by now
        (f".unfinished-{NO_PROCESS}-elsewhere-0123abcd-table.csv", 0, False),
        (f".unfinished-{NO_PROCESS}-elsewhere-0123abcd-table.csv", 2, True),
        ("download.1234.partial", 2, False),
        (".unfinished-business", 2, False),
    ],
)
def test_names_of_earlier_versions_and_other_machines(tmp_path, name, hours, swept):
    path = tmp_path / name.replace("OWN", str(os.getpid()))
    path.write_bytes(b"x")
    past = time.time() - hours * 3600 - 1
    os.utime(path, (past, past))
    sweep_unfinished(tmp_path)
    assert path.exists() is not swept
