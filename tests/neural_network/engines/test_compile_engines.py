"""Who compiles, who loads, and who is told."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

import sklearn_trainkit
from sklearn_trainkit.neural_network import MLPNetClassifier, compile_engines
from sklearn_trainkit.neural_network.engines import _compile_engines
from sklearn_trainkit.neural_network.engines._choose_engine import EngineName
from sklearn_trainkit.neural_network.kernels import _code
from sklearn_trainkit.neural_network.kernels._code import NOT_YET

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3))
Y = (X[:, 0] > 0).astype(int)


def fit(**params):
    return MLPNetClassifier((4,), max_epochs=1, random_state=0, **params).fit(X, Y)


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A process that has loaded nothing, and a user who has compiled nothing."""
    monkeypatch.setenv("SKLEARN_TRAINKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(_code, "_steps", {})
    return tmp_path


def test_it_is_found_at_the_top():
    assert sklearn_trainkit.compile_engines is compile_engines
    assert "compile_engines" in dir(sklearn_trainkit)


def test_before_it_nothing_is_compiled_and_nobody_waits(fresh):
    net = fit()
    assert net.engine_ == "stacked"
    assert net.engine_.passed_over == {"compiled": NOT_YET}
    assert list(fresh.iterdir()) == []
    with pytest.raises(ValueError, match=r"engine='compiled' cannot train .*compile_engines\(\)"):
        fit(engine="compiled")


def test_another_process_loads_and_does_not_compile(compiled_code):
    code = (
        "import numba; from numba.core import compiler\n"
        "def refuse(*args, **kwargs): raise AssertionError('compiles')\n"
        "compiler.compile_extra = refuse\n"
        "from tests.neural_network.engines.test_compile_engines import fit\n"
        "assert fit().engine_ == 'compiled'"
    )
    environment = {**os.environ, "SKLEARN_TRAINKIT_CACHE": str(compiled_code)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_a_user_who_has_compiled_nothing_does_not_load_numba(fresh):
    code = (
        "import sys\n"
        "from tests.neural_network.engines.test_compile_engines import fit\n"
        "assert fit().engine_ == 'stacked'\n"
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("damage", ["truncated", "garbage", "folder"])
def test_a_damaged_cache_costs_only_the_speed(fresh, compiled_code, damage):
    for path in compiled_code.glob("*.nbc"):
        copy = fresh / path.name
        content = path.read_bytes()
        if damage == "folder":
            copy.mkdir()
        else:
            copy.write_bytes(content[:1000] if damage == "truncated" else os.urandom(1000))
    net = fit()
    assert net.engine_ == "stacked"
    assert net.engine_.passed_over == {"compiled": NOT_YET}


def test_without_numba_everything_works(fresh, compiled_code, monkeypatch):
    monkeypatch.setenv("SKLEARN_TRAINKIT_CACHE", str(compiled_code))
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "sklearn_trainkit.utils._loop_cache", raising=False)
    net = fit()
    assert net.engine_ == "stacked"
    assert "numba cannot be used" in net.engine_.passed_over["compiled"]
    with pytest.raises(ImportError, match="compile_engines needs numba"):
        compile_engines()


def test_numba_that_is_not_installed_is_the_reason(fresh, monkeypatch):
    def missing(name):
        raise _code.PackageNotFoundError(name)

    monkeypatch.setattr(_code, "version", missing)
    assert fit().engine_.passed_over == {"compiled": "numba is not installed"}


def test_code_that_cannot_be_kept_serves_the_process(tmp_path, compiled_code, monkeypatch):
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv("SKLEARN_TRAINKIT_CACHE", str(compiled_code))
    monkeypatch.setattr(_code, "_steps", {})
    compile_engines()  # loads
    monkeypatch.setenv("SKLEARN_TRAINKIT_CACHE", str(blocked / "below"))
    with pytest.warns(UserWarning, match="cannot be kept in"):
        compile_engines()
    assert fit().engine_ == "compiled"


@pytest.mark.parametrize("dtypes", ["float32", ["float16"]])
def test_other_types_are_refused(dtypes):
    with pytest.raises(ValueError, match=r"dtypes must be among \['float32', 'float64'\]"):
        compile_engines(dtypes)


def test_long_training_is_told_of_it_once(fresh, monkeypatch):
    monkeypatch.setattr(_compile_engines, "_spent", {"seconds": 0.0})
    slow, fast = EngineName("stacked", {"compiled": NOT_YET}), EngineName("compiled", {})
    other = EngineName("autograd", {"compiled": "precision='bf16'"})

    def told(engine, seconds):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            _compile_engines.tell_of_compiling(engine, seconds)
        return [str(each.message) for each in caught]

    assert told(fast, 500.0) == told(other, 500.0) == told(slow, 59.0) == []
    (message,) = told(slow, 2.0)
    assert "sklearn_trainkit.compile_engines()" in message
    assert "61 s" in message
    assert told(slow, 100.0) == []
    _compile_engines._spent["seconds"] = 0.0  # another process of the same user
    assert told(slow, 100.0) == []
