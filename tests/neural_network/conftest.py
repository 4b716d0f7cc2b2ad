"""Compiled engines, compiled once for all tests, and in use where a test asks for them."""

import time
from pathlib import Path

import pytest

from sklearn_trainkit.neural_network import compile_engines
from sklearn_trainkit.neural_network.kernels import _code


@pytest.fixture(scope="session")
def compiled_code(tmp_path_factory):
    """Return the folder with the code, which all processes of this run of tests share."""
    pytest.importorskip("numba", reason="numba is not installed")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "compiled"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKLEARN_TRAINKIT_CACHE", str(folder))
        patch.setattr(_code, "_steps", {})
        try:
            folder.mkdir()
        except FileExistsError:
            _wait_for(folder / "done")
        compile_engines()
        (folder / "done").touch()
    return folder


def _wait_for(mark: Path) -> None:
    """Let another process compile, unless something has happened to it."""
    for _ in range(2_400):
        if mark.exists():
            return
        time.sleep(0.1)


@pytest.fixture(scope="module")
def compiled_engines(compiled_code):
    """Have ``engine="auto"`` take compiled code, as after ``compile_engines``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKLEARN_TRAINKIT_CACHE", str(compiled_code))
        patch.setattr(_code, "_steps", {})
        yield
