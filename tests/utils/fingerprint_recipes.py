"""Recipes of nested values, to be made anew in any process; run as a module, it prints prints.

A recipe is a leaf ``[kind, number]`` or a container ``[kind, [recipe, ...]]``. Another number makes
another value.
"""

import datetime
import decimal
import enum
import json
import random
import sys
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse, stats
from sklearn.base import BaseEstimator
from sklearn.gaussian_process.kernels import RBF
from sklearn.metrics import fbeta_score, make_scorer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_trainkit.utils._fingerprint import fingerprint


@dataclass
class Record:
    first: object
    rest: object = None


class Slotted:
    __slots__ = ("held",)

    def __init__(self, held):
        self.held = held


class Scorer:
    def __init__(self, held):
        self.held = held

    def __call__(self, estimator, X, y):
        return self.held

    def score(self, estimator, X, y):
        return self.held


class Holder(BaseEstimator):
    def __init__(self, a=None, b=None):
        self.a = a
        self.b = b

    def fit(self, X, y=None):
        return self


Point = namedtuple("Point", "x y")
Level = enum.IntEnum("Level", [f"L{number}" for number in range(100)], start=0)


class Name(str):
    __slots__ = ()


def make(source, name):
    """Return what a piece of source code defines, as an editor and a new session do."""
    names = {"np": np}
    exec(source, names)
    return names[name]


def close_over(value):
    def function(X):
        return X, value

    return function


LEAVES = {
    "int": lambda n: n,
    "float": lambda n: n + 0.5,
    "numpy": lambda n: np.float32(n),
    "str": lambda n: f"s{n}",
    "own str": lambda n: Name(n),
    "bytes": lambda n: b"%d" % n,
    "complex": lambda n: complex(0, n),
    "date": lambda n: datetime.datetime(2020, 1, 1) + datetime.timedelta(n),
    "decimal": lambda n: decimal.Decimal(n) / 10,
    "fraction": lambda n: Fraction(n, 1009),
    "path": lambda n: Path("folder") / str(n),
    "range": lambda n: range(1, n + 2),
    "slice": lambda n: slice(None, n),
    "enum": lambda n: Level(n),
    "array": lambda n: np.where(np.arange(3000) == 1500, n, -1.0),
    "dates": lambda n: np.array([n, 0], dtype="M8[D]"),
    "objects": lambda n: np.array(["a", None, n], dtype=object),
    "structured": lambda n: np.array([(1, n)], dtype=[("a", "i4"), ("b", "f8")]),
    "masked": lambda n: np.ma.array([n, 1], mask=[False, True]),
    "table": lambda n: pd.DataFrame({"a": [1.0, n], "s": ["x", f"y{n}"]}),
    "categories": lambda n: pd.Series([f"c{n}", "d"], dtype="category"),
    "sparse": lambda n: sparse.csr_array([[0.0, n + 1.0]]),
    "set": lambda n: {f"k{n}", "b", "c", (1, "d")},
    "frozenset": lambda n: frozenset({f"k{n}", "b", "c"}),
    "distribution": lambda n: stats.expon(scale=n + 1),
    "generator": lambda n: np.random.default_rng(n),
    "random state": lambda n: np.random.RandomState(n),
    "kernel": lambda n: RBF(n + 1.0),
    "scorer": lambda n: make_scorer(fbeta_score, beta=n + 1),
    "constant": lambda n: make(f"def f(X): return X * {n}", "f"),
    "default": lambda n: make(f"def f(X, a={n}): return X * a", "f"),
    "keyword": lambda n: make(f"def f(X, *, a={n}): return X * a", "f"),
    "global": lambda n: make(f"K = {n}\ndef f(X): return X * K", "f"),
    "called": lambda n: make(f"def g(X): return X + {n}\ndef f(X): return g(X)", "f"),
    "inner": lambda n: make(f"def f(X): return [v + {n} for v in X]", "f"),
    "circle": lambda n: make(f"def g(X): return f(X, {n})\ndef f(X): return g(X)", "f"),
    "class": lambda n: make(f"class C:\n def fit(self): return {n}", "C"),
    "instance": lambda n: make(f"class C:\n def fit(self): return {n}", "C")(),
    "property": lambda n: make(f"class C:\n @property\n def p(self): return {n}", "C"),
    "base": lambda n: make(f"class B:\n a = {n}\nclass C(B): pass", "C"),
    "vectorized": lambda n: np.vectorize(make(f"f = lambda x: x + {n}", "f")),
    "cached": lambda n: lru_cache(make(f"f = lambda x: x + {n}", "f")),
}
CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "dict": lambda parts: {f"k{place}": part for place, part in enumerate(parts)},
    "ordered": lambda parts: OrderedDict((str(place), part) for place, part in enumerate(parts)),
    "keys": lambda parts: {(place, "key"): part for place, part in enumerate(parts)},
    "array of objects": lambda parts: _fill(np.empty(len(parts), dtype=object), parts),
    "record": lambda parts: Record(parts[0], parts[1:]),
    "named": lambda parts: Point(parts[0], parts[1:]),
    "slots": Slotted,
    "closure": close_over,
    "partial": lambda parts: partial(max, *parts, key=parts[0]),
    "arguments": lambda parts: FunctionTransformer(np.log, kw_args={"given": parts}),
    "estimator": lambda parts: Holder(parts[0], parts[1:]),
    "pipeline": lambda parts: Pipeline(
        [(f"s{place}", Holder(part)) for place, part in enumerate(parts)]
    ),
    "union": lambda parts: FeatureUnion(
        [(f"s{place}", Holder(part)) for place, part in enumerate(parts)]
    ),
    "callable": Scorer,
    "method": lambda parts: Scorer(parts).score,
    "itself": lambda parts: _tie(list(parts)),
}


def build(recipe):
    """Return the value of a recipe."""
    kind, content = recipe
    return LEAVES[kind](content) if kind in LEAVES else CONTAINERS[kind](list(map(build, content)))


def list_changes(recipe):
    """Yield the recipes that differ from this one in one number."""
    kind, content = recipe
    if kind in LEAVES:
        yield [kind, content + 1]
        return
    for place, part in enumerate(content):
        for changed in list_changes(part):
            yield [kind, [*content[:place], changed, *content[place + 1 :]]]


def draw(random_source, depth=3):
    """Return a random recipe."""
    if depth == 0 or random_source.random() < 0.3:
        return [random_source.choice(sorted(LEAVES)), random_source.randrange(50)]
    n_parts = random_source.randint(1, 3)
    parts = [draw(random_source, depth - 1) for _ in range(n_parts)]
    return [random_source.choice(sorted(CONTAINERS)), parts]


def _fill(array, parts):
    for place, part in enumerate(parts):
        array[place] = part
    return array


def _tie(parts):
    parts.append(parts)
    return parts


if __name__ == "__main__":
    source = random.Random(int(sys.argv[1]))
    recipes = [draw(source) for _ in range(int(sys.argv[2]))]
    recipes += [[kind, 7] for kind in LEAVES]
    json.dump([fingerprint(build(recipe)) for recipe in recipes], sys.stdout)
