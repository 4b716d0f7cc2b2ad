"""Compiled loops survive whatever has happened to the files that keep them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sklearn_trainkit.utils._compile_loop import compile_loop

numba = pytest.importorskip("numba", reason="numba is not installed")


def double(x):
    return x + x


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def kept_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def call_anew(value=3.0):
    """Return what a process that starts now would get, and whether it compiled."""
    loop = compile_loop(double)
    result = loop(value)
    return result, bool(loop._cache_misses)


def test_another_process_does_not_compile_again(folder):
    call_anew()
    code = "from tests.utils import test_loop_cache as t; assert t.call_anew() == (6.0, False)"
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(folder)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def overwrite_the_middle(path):
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = bytes(64)
    path.write_bytes(content)


def put_a_folder_there(path):
    path.unlink()
    path.mkdir()


DAMAGES = {
    "truncated": truncate,
    "empty": lambda path: path.write_bytes(b""),
    "cut off in the digest": lambda path: os.truncate(path, 10),
    "overwritten": overwrite_the_middle,
    "garbage": lambda path: path.write_bytes(os.urandom(2_000)),
    "removed": Path.unlink,
    "unreadable": put_a_folder_there,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_compiled_and_written_again(folder, damage):
    assert call_anew() == (6.0, True)
    assert call_anew() == (6.0, False)
    (path,) = kept_files(folder)
    DAMAGES[damage](path)
    assert call_anew() == (6.0, True)
    if damage != "unreadable":
        assert call_anew() == (6.0, False)
    assert not list(folder.rglob("*.tmp"))


def test_the_code_of_another_type_is_never_run(folder):
    call_anew(3.0)
    (for_floats,) = kept_files(folder)
    call_anew(3)
    (for_ints,) = set(kept_files(folder)) - {for_floats}
    content = for_floats.read_bytes()
    for_floats.write_bytes(for_ints.read_bytes())
    for_ints.write_bytes(content)
    assert call_anew(3.5) == (7.0, True)
    assert call_anew(3) == (6, True)


def test_another_version_of_the_source_is_compiled(folder, monkeypatch):
    call_anew()
    monkeypatch.setattr(
        "numba.core.caching.UserProvidedCacheLocator.get_source_stamp", lambda self: "other"
    )
    assert call_anew() == (6.0, True)


def test_a_full_disk_costs_only_the_file(folder, monkeypatch):
    def fill(self, content):
        with self.open("wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill)
    assert call_anew() == (6.0, True)
    assert call_anew() == (6.0, True)
    assert kept_files(folder) == []


def test_a_folder_that_is_removed_is_made_again(folder):
    loop = compile_loop(double)
    for path in folder.iterdir():
        path.rmdir()
    assert loop(3.0) == 6.0
    assert call_anew() == (6.0, False)


def test_without_any_place_to_keep_it_a_loop_is_compiled(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(blocked))
    monkeypatch.setattr("numba.core.caching.CacheImpl._locator_classes", [])
    assert compile_loop(double)(np.float32(3)) == 6
