"""Both ways through the data: numpy's operations, and compiled loops."""

import pytest

from sklearn_trainkit.preprocessing.arrays import _choose_loops


@pytest.fixture(params=["numpy", "compiled"])
def both_loops(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(_choose_loops, "_load", without_numba)
    else:
        pytest.importorskip("numba", reason="numba is not installed")
        monkeypatch.setattr(_choose_loops, "_WORTHWHILE_ELEMENTS", 1)


def without_numba():
    return None


without_numba.cache_info = _choose_loops._load.cache_info
