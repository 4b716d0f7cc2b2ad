"""A fingerprint is that of the value: equal copies agree in every process, nothing else does."""

import builtins
import copy
import importlib
import inspect
import json
import os
import pickle
import random
import socket
import subprocess
import sys
import threading
import types
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_trainkit.utils._fingerprint import Fingerprinter, FingerprintError, fingerprint
from tests.utils import fingerprint_recipes as recipes
from tests.utils.fingerprint_recipes import CONTAINERS, LEAVES, build, list_changes, make

LEAF = st.tuples(st.sampled_from(sorted(LEAVES)), st.integers(0, 50)).map(list)


def _grow(inner):
    parts = st.lists(inner, min_size=1, max_size=3)
    return st.tuples(st.sampled_from(sorted(CONTAINERS)), parts).map(list)


@settings(max_examples=60, deadline=None, database=None)
@given(st.recursive(LEAF, _grow, max_leaves=6))
def test_any_change_of_a_nested_value_changes_it_and_equal_copies_agree(recipe):
    value = build(recipe)
    mark = fingerprint(value)
    assert fingerprint(build(recipe)) == mark
    assert fingerprint(copy.deepcopy(value)) == mark
    for changed in list_changes(recipe):
        assert fingerprint(build(changed)) != mark


@pytest.mark.parametrize("kind", LEAVES)
def test_each_kind_of_value_is_told_from_others_inside_each_container(kind):
    marks = {fingerprint(build([kind, number])) for number in (0, 1, 2, 17)}
    assert len(marks) == 4
    for container in CONTAINERS:
        here = {fingerprint(build([container, [[kind, number], ["int", 0]]])) for number in (0, 1)}
        assert len(here) == 2, container


# Functions and classes that were made from a text, which pickle looks for by name.
MADE_HERE = {
    "constant", "default", "keyword", "global", "called", "inner", "circle", "class", "instance",
    "property", "base", "vectorized", "cached", "closure",
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted((LEAVES.keys() | CONTAINERS.keys()) - MADE_HERE))
def test_a_pickled_copy_has_the_same(kind):
    value = build([kind, 3] if kind in LEAVES else [kind, [["set", 3], ["table", 1]]])
    assert fingerprint(pickle.loads(pickle.dumps(value))) == fingerprint(value)


def test_equal_values_of_another_process_have_the_same():
    source = random.Random(5)
    made = [recipes.draw(source) for _ in range(100)] + [[kind, 7] for kind in LEAVES]
    here = [fingerprint(build(recipe)) for recipe in made]
    command = [sys.executable, "-m", "tests.utils.fingerprint_recipes", "5", "100"]
    environment = os.environ | {"PYTHONHASHSEED": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    # Run as a script, its classes are those of __main__.
    assert json.loads(done.stdout) == here


X = np.random.RandomState(0).rand(5, 4)
FRAME = pd.DataFrame({"a": [1.0, 2.0], "s": ["x", None], "b": [3.0, 4.0]})
MATRIX = sparse.random(6, 6, 0.4, format="csr", random_state=0)
ZEROS = MATRIX.copy()
ZEROS.data[0] = 0
ARROWS = pa.table({"a": [1, 2], "s": ["x", None]})
POLARS = pl.DataFrame({"a": [1, 2], "s": ["x", None]})
LAYERS = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
EQUAL = {
    "order in memory": (X, np.asfortranarray(X)),
    "strides": (X, np.repeat(X, 2, axis=1)[:, ::2]),
    "order of bytes": (X, X.astype(">f8")),
    "memory map": (X, X.view(np.memmap)),
    "zeros": (np.array([0.0, 1.0]), np.array([-0.0, 1.0])),
    "signs of NaN": (np.array([np.nan]), -np.array([np.nan])),
    "room for strings": (np.array(["a", "b"]), np.array(["a", "b"], dtype="U9")),
    "under a mask": (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 3], mask=[0, 1])),
    "numpy scalars": ([0.1, 3, True, "a"], [np.float64(0.1), np.int32(3), np.True_, np.str_("a")]),
    "blocks": (FRAME, FRAME[["a"]].assign(s=FRAME["s"], b=FRAME["b"])),
    "parts": (FRAME, pd.concat([FRAME[:1], FRAME[1:]])),
    "index": (FRAME, FRAME.set_axis(pd.Index([0, 1]))),
    "storages of strings": (
        pd.Series(["a", None], dtype="string[python]"),
        pd.Series(["a", None], dtype="string[pyarrow]"),
    ),
    "chunks of polars": (POLARS, pl.concat([POLARS[:1], POLARS[1:]])),
    "chunks of arrow": (ARROWS, pa.concat_tables([ARROWS[:1], ARROWS[1:]])),
    "sparse formats": (MATRIX, MATRIX.tocsc()),
    "stored zeros": (ZEROS, sparse.csr_matrix(ZEROS.toarray())),
    "unsorted": (
        sparse.csr_matrix((np.array([1.0, 2.0]), np.array([1, 0]), np.array([0, 2])), shape=(1, 2)),
        sparse.csr_matrix([[2.0, 1.0]]),
    ),
    "order of keys": ({"a": 1, "b": {2, 3}}, {"b": {3, 2}, "a": 1}),
    "shared": ([[1]] * 2, [[1], [1]]),
    "module": (LAYERS, copy.deepcopy(LAYERS)),
    "texts of a function": (
        make("def f(X):\n  'One.'\n  # two\n  none = None\n  return X + 1", "f"),
        make("\n\ndef f(X):\n\n    none = None\n    return X + 1", "f"),
    ),
    "texts of a class": (
        make("class C:\n  'One.'\n  def f(self):\n    'Two.'", "C"),
        make("\n\nclass C:\n  def f(self):\n    pass", "C"),
    ),
    "learned": (LogisticRegression(), LogisticRegression().fit([[0.0], [1.0]], [0, 1])),
}


@pytest.mark.parametrize(("one", "other"), EQUAL.values(), ids=EQUAL)
def test_what_is_equal_has_the_same(one, other):
    assert fingerprint(one, cloned=True) == fingerprint(other, cloned=True)


def _slope(slope):
    return nn.Sequential(nn.Linear(2, 2), nn.LeakyReLU(slope))


def _tied(tied):
    first = nn.Linear(2, 2)
    second = copy.deepcopy(first)
    if tied:
        second.weight = first.weight
    return nn.Sequential(first, second)


def _named(*names):
    module = nn.Sequential()
    for name in names:
        module.add_module(name, nn.Tanh() if name == "tanh" else nn.ReLU())
    return module


def _spawned(n_spawned):
    generator = np.random.default_rng(0)
    generator.spawn(n_spawned)
    return generator


FITTED = [LogisticRegression().fit([[0.0], [1.0]], classes) for classes in ([0, 1], [1, 0])]
SCORE = "def f(X): return X.mean({})"
DIFFERENT = {
    "int and float": (1, 1.0),
    "bool and int": (True, 1),
    "list and tuple": ([1], (1,)),
    "nesting": ([[1], 2], [1, [2]]),
    "lengths of strings": (["a", "bc"], ["ab", "c"]),
    "precision": (0.1, np.float32(0.1)),
    "type of an array": (X, X.astype(np.float32)),
    "shape": (X, X.reshape(4, 5)),
    "kind of sparse": (sparse.csr_array(X), sparse.csr_matrix(X)),
    "order of columns": (FRAME, FRAME[["b", "a", "s"]]),
    "index": (FRAME, FRAME.set_axis([1, 2])),
    "order of categories": tuple(
        pd.Series(["a"], dtype=pd.CategoricalDtype(order)) for order in (["a", "b"], ["b", "a"])
    ),
    "missing and zero": tuple(pd.Series([1, x], dtype="Int64") for x in (None, 0)),
    "columns": tuple(ColumnTransformer([("n", StandardScaler(), [c])]) for c in "ab"),
    "selectors": tuple(make_column_selector(pattern=pattern) for pattern in "ab"),
    "tables between steps": (StandardScaler(), StandardScaler().set_output(transform="pandas")),
    "frozen": tuple(map(FrozenEstimator, FITTED)),
    "in a partial": tuple(partial(max, FITTED[place]) for place in (0, 1)),
    "keywords": (make(SCORE.format("axis=0"), "f"), make(SCORE.format("dim=0"), "f")),
    "names of attributes": (make("f = lambda X: X.a", "f"), make("f = lambda X: X.b", "f")),
    "signs in code": (make("f = lambda X: 0.0", "f"), make("f = lambda X: -0.0", "f")),
    "imported functions": tuple(
        make(f"from numpy import {name} as g\ndef f(X): return g(X)", "f")
        for name in ["sin", "cos"]
    ),
    "attributes of layers": (_slope(0.1), _slope(0.2)),
    "tied weights": (_tied(True), _tied(False)),
    "order of layers": (_named("relu", "tanh"), _named("tanh", "relu")),
    "frozen weights": (nn.Linear(1, 1).requires_grad_(False), nn.Linear(1, 1)),
    "half precision": tuple(torch.tensor([1.0, x], dtype=torch.bfloat16) for x in (1, 2)),
    "spawned generators": (_spawned(0), _spawned(1)),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_differs_has_another(one, other):
    assert fingerprint(one, cloned=True) != fingerprint(other, cloned=True)


COUNTERS = {
    "a list": "calls = []\ndef f(X):\n calls.append(X)\n return X",
    "a number": "n = 0\ndef f(X):\n global n\n n += 1\n return X",
    "a dict": "n = {'f': 0}\ndef f(X):\n n['f'] += 1\n return X",
    "an attribute": "def f(X):\n f.n = getattr(f, 'n', 0) + 1\n return X",
    "a closure": "def g():\n n = 0\n def f(X):\n  nonlocal n\n  n += 1\n return f\nf = g()",
    "a class": "class C:\n n = 0\n def __init__(self, X):\n  C.n += 1\nf = C",
    "a list of a class": "class C:\n n = []\n def __init__(self, X):\n  self.n.append(X)\nf = C",
    "a default": "def f(X, seen=[]):\n seen.append(X)\n return X",
    "a keyword's default": "def f(X, *, seen={}):\n seen[X] = 1\n return X",
    "a cached property": (
        "from functools import cached_property\n"
        "class C:\n @cached_property\n def a(self): return 1\n def __call__(self, X): self.a\n"
        "f = C()"
    ),
    "what it remembers": "from functools import cache\n@cache\ndef f(X): return X",
}


@pytest.mark.parametrize("source", COUNTERS.values(), ids=COUNTERS)
def test_what_code_counts_while_it_runs_is_no_part_of_it(source):
    function = make(source, "f")
    mark = fingerprint(function)
    function(1)
    assert fingerprint(function) == mark


@pytest.mark.parametrize("draw", [random.random, random.shuffle, np.random.rand])
def test_the_state_of_a_global_generator_is_no_part_of_what_draws_from_it(draw):
    mark = fingerprint(partial(draw, [1]))
    random.random()
    np.random.rand()  # noqa: NPY002
    assert fingerprint(partial(draw, [1])) == mark


def _lock_in_a_global():
    return make("import threading\nlock = threading.Lock()\ndef f(X):\n with lock: return X", "f")


def _multiply(expression, **names):
    names = {"__name__": "__main__", **names}
    exec(f"def f(X): return X * {expression}", names)
    return names["f"]


LOOK_UPS = [
    "globals()['k']",
    "globals().get('k', 1)",
    "[globals()['k'] for _ in range(2)][0]",
    "('k' in globals() and k)",
    "getattr(own, 'k')",
    "getattr(own, 'k', None)",
    "getattr(own.inner, 'k')",
    "vars(own)['k']",
    "vars(own).get('k')",
]


@pytest.mark.parametrize("expression", LOOK_UPS)
def test_globals_that_are_looked_up_by_their_names_count(expression):
    def look_up(k):
        own = types.ModuleType("own_settings")
        own.k, own.inner = k, types.ModuleType("own_inner")
        own.inner.k = k
        return fingerprint(_multiply(expression, k=k, own=own))

    assert look_up(1) == look_up(1)
    assert look_up(1) != look_up(2)


def test_a_global_that_is_set_by_its_name_is_no_setting():
    assert fingerprint(make("k = 1\ndef f(X):\n globals()['k'] = 3\n return X", "f"))


REFUSED = {
    "generator": (lambda: (n for n in [1]), "value.a[1]['net']", "generator"),
    "lock": (threading.Lock, "value.a[1]['net']", "lock"),
    "open file": (Path(__file__).open, "value.a[1]['net']", "TextIOWrapper"),
    "socket": (socket.socket, "value.a[1]['net']", "socket"),
    "ufunc": (lambda: np.frompyfunc(abs, 1, 1), "value.a[1]['net']", "function cannot be reached"),
    "global": (_lock_in_a_global, "value.a[1]['net'].<lock>", "lock"),
    "name of a global": (lambda: _multiply("globals()[str(X)]"), "['net']", "by globals()"),
    "all globals": (lambda: _multiply("len(globals())"), "['net']", "by globals()"),
    "evaluated": (lambda: _multiply("eval(X)"), "['net']", "reads by eval() what is not written"),
    "evaluated by another name": (lambda: _multiply("e(X)", e=eval), "['net']", "by eval()"),
    "evaluated by builtins": (lambda: _multiply("b.eval(X)", b=builtins), "['net']", "by eval()"),
    "evaluated in a partial": (lambda: partial(eval, "k"), "['net']", "by eval()"),
    "evaluated in a default": (lambda: _hold_default(exec), "['net'].__defaults__[1]", "by exec()"),
    "evaluated in a closure": (lambda: _hold(eval), "['net']", "by eval()"),
    "globals by another name": (
        lambda: _multiply("g()['k']", g=globals),
        "['net']",
        "by globals()",
    ),
    "globals of a function": (lambda: _multiply("f.__globals__['k']"), "['net']", "by __globals__"),
    "globals of a frame": (
        lambda: _multiply("s._getframe().f_globals['k']", s=sys),
        "['net']",
        "by f_globals",
    ),
    "a frame handed on": (lambda: _multiply("len(s._getframe())", s=sys), "['net']", "_getframe()"),
    "a frame of inspect": (
        lambda: _multiply("c()", c=inspect.currentframe),
        "['net']",
        "inspect.currentframe()",
    ),
    "modules by name": (lambda: _multiply("s.modules[X]", s=sys), "['net']", "by sys.modules"),
    "all modules": (lambda: _multiply("len(m)", m=sys.modules), "['net']", "by sys.modules"),
    "imported by name": (
        lambda: _multiply("i(X).k", i=importlib.import_module),
        "['net']",
        "by import_module()",
    ),
    "environment": (lambda: _multiply("len(os.environ)", os=os), "['net']", "by os.environ"),
    "variable": (lambda: _multiply("os.getenv(X)", os=os), "['net']", "by os.environ"),
    "closure": (lambda: lru_cache(_hold(threading.Lock())), "['net'].__wrapped__.<held>", "lock"),
}


def _hold_default(held):
    def read(X, a=1, by=held):
        return by(X)

    return read


def _hold(held):
    return lambda X: (X, held)


VARIABLES = [
    "os.environ['FINGERPRINT_TEST']",
    "os.environ.get('FINGERPRINT_TEST', 1)",
    "os.getenv('FINGERPRINT_TEST')",
    "environ['FINGERPRINT_TEST']",
    "getenv('FINGERPRINT_TEST')",
    "[environ['FINGERPRINT_TEST'] for _ in X][0]",
]


@pytest.mark.parametrize("expression", VARIABLES)
def test_variables_of_the_environment_that_are_read_count_and_others_do_not(
    expression, monkeypatch
):
    def read(value, other):
        monkeypatch.setenv("FINGERPRINT_TEST", value)
        monkeypatch.setenv("FINGERPRINT_OTHER", other)
        names = {"os": os, "environ": os.environ, "getenv": os.getenv}
        return fingerprint(_multiply(expression, **names))

    assert read("1", "a") == read("1", "b")
    assert read("1", "a") != read("2", "a")


@pytest.mark.parametrize(
    "source",
    [
        "import os\ndef f(X):\n os.environ['A'] = X\n os.environ.setdefault('B', X)",
        "import os\ndef f(X): return 'A' in os.environ",
        "import sys\ndef f(X): return 'torch' in sys.modules and sys.modules['torch'].inf",
        "import importlib\ndef f(X): return importlib.import_module('numpy').sin(X)",
        "def f(X):\n a = X\n return locals()['a']",
    ],
)
def test_code_that_asks_for_no_hidden_state_is_read(source):
    assert fingerprint(make(source, "f")) == fingerprint(make(source, "f"))


KEPT = {
    "slots": "class C:\n __slots__ = ('a',)\n def __init__(self): self.a = {}\nf = C()",
    "setter": "class C:\n def _set(self, v): self.v = v * {}\n p = property(None, _set)\nf = C",
    "metaclass": "class M(type):\n def __call__(cls): return {}\nclass C(metaclass=M): pass\nf = C",
    "nested class": "class C:\n class D:\n  def g(self): return {}\nf = C",
    "local class": "def f(X):\n class D:\n  def g(self): return {}\n return D().g()",
    "bound method": (
        "class C:\n def __init__(self): self.k = {}\n def g(self): return self.k\nf = C().g"
    ),
    "descriptor": (
        "class D:\n def __init__(self, n): self.n = n\n def __get__(self, o, t): return self.n\n"
        "class C:\n a = D({})\nf = C"
    ),
    "attribute of an object": "class S: pass\ns = S()\ns.k = {}\ndef f(X): return s.k",
    "item of a module": (
        "import types\nm = types.ModuleType('own_m')\nm.s = [{}]\ndef f(X): return m.s[0]"
    ),
    "generator of a module": (
        "import numpy as np\nr = np.random.RandomState({})\ndef f(X): return r.rand()"
    ),
    "mutable default": "def f(X, a=[{}]): return a",
    "wrapped": (
        "from functools import wraps\ndef g(X): return {}\ndef h(k):\n @wraps(k)\n"
        " def i(*a): return k(*a)\n return i\nf = h(g)"
    ),
}


@pytest.mark.parametrize("source", KEPT.values(), ids=KEPT)
def test_state_that_code_can_reach_counts(source):
    one, same, other = (fingerprint(make(source.format(n), "f")) for n in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize(("make_value", "path", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_with_its_path(make_value, path, reason):
    value = recipes.Holder([1, {"net": make_value()}])
    with pytest.raises(FingerprintError) as caught:
        fingerprint(value, cloned=True)
    assert path in str(caught.value)
    assert reason in str(caught.value)


def test_several_values_share_what_was_read():
    prints = Fingerprinter()
    assert prints.digest([X, X]) == fingerprint([X.copy(), X])
    assert prints.digest(X) == fingerprint(X)


def test_long_chains_and_rings_are_read():
    chain: list = []
    for _ in range(2000):
        chain = [chain]
    ring: list = [[place] for place in range(30)]
    for place in range(30):
        ring[place].append(ring[(place + 1) % 30])
    assert fingerprint(chain) != fingerprint(chain[0])
    before = fingerprint(ring[0])
    assert before == fingerprint(copy.deepcopy(ring[0]))
    ring[15][0] = -1
    assert fingerprint(ring[0]) != before


def test_a_changed_module_of_the_user_changes_what_imports_it(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    source = "def f(X):\n from helper_of_a_user import g\n return g(X)"
    marks = []
    for factor in ("1", "2", "2  # a comment"):
        (tmp_path / "helper_of_a_user.py").write_text(f"def g(X):\n    return X * {factor}\n")
        sys.modules.pop("helper_of_a_user", None)
        marks.append(fingerprint(make(source, "f")))
    assert marks[0] != marks[1] == marks[2]
