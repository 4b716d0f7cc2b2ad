"""Both ways through the data: numpy's operations, and compiled loops."""

import pytest

from sklearn_trainkit.preprocessing import _compiled


@pytest.fixture(params=["numpy", "compiled"])
def both_loops(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setattr(_compiled, "_load", without_numba)
    else:
        pytest.importorskip("numba", reason="numba is not installed")
        monkeypatch.setattr(_compiled, "_WORTHWHILE_ELEMENTS", 1)


def without_numba():
    return None


without_numba.cache_info = _compiled._load.cache_info
