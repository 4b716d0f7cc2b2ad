"""A stored search is taken up only by itself, and by all that equals it."""

import os
import subprocess
import sys
from functools import partial

import numpy as np
import optuna
import pandas as pd
import pytest
from scipy.stats import expon
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import fbeta_score, get_scorer, make_scorer
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from torch import nn

from sklearn_trainkit.model_selection import OptunaSearchCV
from sklearn_trainkit.model_selection.scheduling import _run_search
from sklearn_trainkit.neural_network import NetClassifier
from tests.utils.fingerprint_recipes import make

rng = np.random.RandomState(0)
X = rng.rand(24, 3)
y = np.arange(24) % 2


def search(storage, X=X, y=y, fit=None, **settings):
    shared = {"n_trials": 1, "cv": 2, "random_state": 0, "study_name": "mine", "resume": True}
    made = OptunaSearchCV(
        **{"estimator": GaussianNB(), "param_distributions": {"var_smoothing": [1e-9, 1e-8]}}
        | shared
        | settings,
        storage=str(storage),
    )
    return made.fit(X, y, **(fit or {}))


def pipe(step, model=None):
    model = GaussianNB() if model is None else model
    return {
        "estimator": Pipeline([("first", step), ("nb", model)]),
        "param_distributions": {"nb__var_smoothing": [1e-9]},
    }


def apply(source, **kw_args):
    return pipe(FunctionTransformer(make(source, "f"), kw_args=kw_args or None))


def scoring(value):
    return {"scoring": make(f"def f(estimator, X, y): return {value}", "f")}


def space(values, name="var_smoothing"):
    return {"param_distributions": {name: values}}


def drawn(source):
    return {"param_distributions": make(source, "f")}


def net(*layers):
    return {
        "estimator": NetClassifier(nn.Sequential(*layers), max_epochs=1, random_state=0),
        "param_distributions": {"lr": [0.1]},
    }


def candidates(model):
    return {
        "estimator": Pipeline([("model", "passthrough")]),
        "param_distributions": {"model": [Pipeline([("pca", PCA()), ("last", model)])]},
        "scoring": "r2",
    }


def power(X, exponent):
    return X**exponent


LINEAR = nn.Linear(3, 2)
LONG = ["a rather long name of a column"] * 10
METRICS = {"scoring": ["accuracy", "neg_log_loss"]}
DRAW = "def f(trial): return {'var_smoothing': %s * trial.suggest_float('v', 1e-9, %s)}"
CHANGES = {
    "rows": ({}, {"X": X + 1e-9}, r"data \(X\)"),
    "type of rows": ({}, {"X": X.astype("f4")}, r"data \(X\)"),
    "a target": ({}, {"y": np.r_[1, y[1:]]}, r"data \(y\)"),
    "splits": ({}, {"cv": KFold(2, shuffle=True, random_state=0)}, "splits"),
    "weights": ({}, {"fit": {"sample_weight": np.r_[9, np.ones(23)]}}, r"fit .*sample_weight"),
    "error_score": ({}, {"error_score": "raise"}, "error_score"),
    "training scores": ({}, {"return_train_score": True}, "return_train_score"),
    "metric": ({**METRICS, "refit": "accuracy"}, {**METRICS, "refit": "neg_log_loss"}, "refit"),
    "first metric": (
        {**METRICS, "refit": False},
        {"scoring": METRICS["scoring"][::-1], "refit": False},
        "refit",
    ),
    "code of a scorer": (scoring("1.0"), scoring("2.0"), "scoring"),
    "code of one scorer": (
        {"scoring": {"a": "accuracy", "b": scoring("1.0")["scoring"]}, "refit": "a"},
        {"scoring": {"a": "accuracy", "b": scoring("2.0")["scoring"]}, "refit": "a"},
        "scoring",
    ),
    "argument of a scorer": (
        {"scoring": make_scorer(fbeta_score, beta=0.1)},
        {"scoring": make_scorer(fbeta_score, beta=10)},
        "scoring",
    ),
    "code of a step": (
        apply("def f(X): return X * 1"),
        apply("def f(X): return X * 2"),
        r"estimator \(first__func\)",
    ),
    "constant of a module": (
        apply("K = 1\ndef f(X): return X * K"),
        apply("K = 2\ndef f(X): return X * K"),
        "first__func",
    ),
    "function that is called": (
        apply("def g(X): return X\ndef f(X): return g(X)"),
        apply("def g(X): return -X\ndef f(X): return g(X)"),
        "first__func",
    ),
    "arguments": (
        apply("def f(X, t): return X * t[1500]", t=np.ones(3000)),
        apply("def f(X, t): return X * t[1500]", t=np.arange(3000) * 1.0),
        "first__kw_args",
    ),
    "partial": (
        pipe(FunctionTransformer(partial(power, exponent=1))),
        pipe(FunctionTransformer(partial(power, exponent=2))),
        "first__func",
    ),
    "columns": (
        pipe(ColumnTransformer([("n", StandardScaler(), [0])])),
        pipe(ColumnTransformer([("n", StandardScaler(), [0, 1])])),
        "first",
    ),
    "hidden estimators": (
        pipe(ColumnTransformer([("n", StandardScaler(), [0])])),
        pipe(ColumnTransformer([("n", StandardScaler(with_std=False), [0])])),
        "first__n__with_std",
    ),
    "order of steps": (
        {**pipe(StandardScaler()), **space([1e-9], "nb__var_smoothing")},
        {
            "estimator": Pipeline([("nb", GaussianNB())]),
            **space([1e-9], "nb__var_smoothing"),
        },
        "estimator",
    ),
    "a later layer": (net(LINEAR, nn.ReLU()), net(LINEAR, nn.LeakyReLU(0.5)), "module"),
    "weights of a layer": (net(nn.Linear(3, 2)), net(nn.Linear(3, 2)), "module"),
    "choices": (space([1e-9, 1.0]), space([1e-9, 2.0]), r"space \(var_smoothing\)"),
    "order of choices": (space([1e-9, 1.0]), space([1.0, 1e-9]), "space"),
    "long choices": (
        {**apply("def f(X, c): return X", c=0), **space([{"c": LONG}], "first__kw_args")},
        {**apply("def f(X, c): return X", c=0), **space([{"c": LONG[1:]}], "first__kw_args")},
        r"space \(first__kw_args\)",
    ),
    "distributions": (space(expon(scale=1e-9)), space(expon(scale=1e-3)), "space"),
    "candidates": (candidates(Ridge()), candidates(Ridge(2)), r"space \(model\)"),
    "constant of a space": (drawn(DRAW % (1, 1)), drawn(DRAW % (2, 1)), "space"),
    "bound of a space": (drawn(DRAW % (1, 1)), drawn(DRAW % (1, 2)), "space"),
    "seed of what is unseeded": (
        {"estimator": SVC(), **space([1.0], "C")},
        {"estimator": SVC(), **space([1.0], "C"), "random_state": 1},
        "random_state",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("before", "after", "part"), CHANGES.values(), ids=CHANGES)
def test_another_search_is_refused_and_the_message_says_what_differs(tmp_path, before, after, part):
    first = search(tmp_path / "j", **before)
    with pytest.raises(ValueError, match=f"'mine' belongs to another search: .*{part}"):
        search(tmp_path / "j", **after)
    assert search(tmp_path / "j", **before).n_trials_ == first.n_trials_
    unnamed = [search(tmp_path / "k", **each, study_name=None) for each in (before, after)]
    assert unnamed[0].study_.study_name != unnamed[1].study_.study_name


COPIES = {
    "Fortran order": {"X": np.asfortranarray(X)},
    "order of bytes": {"X": X.astype(">f8")},
    "a clone": {"estimator": clone(GaussianNB())},
    "a fitted estimator": {"estimator": GaussianNB().fit(X, y)},
    "an array of choices": space(np.array([1e-9, 1e-8])),
    "more trials": {"n_trials": 2},
    "another way to go on": {
        "n_trials": 2, "timeout": 100, "trial_timeout": 50, "patience": 9, "target_score": 2.0,
        "sampler": "random", "pruner": "median", "n_jobs": 1, "verbose": 0, "ordered": False,
        "callbacks": [lambda study, trial: None], "enqueue": [{"var_smoothing": 1e-9}],
        "refit": False, "refit_retries": 1, "evaluator": "whole-fit",
    },
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_an_equal_search_goes_on(tmp_path, copied):
    search(tmp_path / "j")
    again = search(tmp_path / "j", **copied)
    assert again.n_trials_ == copied.get("n_trials", 1)
    assert len(again.trials_) == again.n_trials_


def test_a_scorer_is_the_same_by_name_and_as_an_object(tmp_path):
    search(tmp_path / "j", scoring="f1")
    assert search(tmp_path / "j", scoring=get_scorer("f1")).n_trials_ == 1


def test_a_seed_that_seeds_nothing_may_change(tmp_path):
    search(tmp_path / "j")
    assert search(tmp_path / "j", random_state=1, n_trials=2).n_trials_ == 2


def test_equal_tables_go_on(tmp_path):
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(s=list("xy") * 12)
    steps = ColumnTransformer([("keep", "passthrough", ["a", "c"])])
    for table in (frame, frame.copy(), pd.concat([frame[:9], frame[9:]])):
        assert search(tmp_path / "j", X=table, **pipe(steps)).n_trials_ == 1


SESSION = """
import numpy as np
from functools import partial
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn_trainkit.model_selection import OptunaSearchCV

def keep(X, names, factor):
    return X * factor

class Mine(GaussianNB):
    def score(self, X, y):
        return {score}

step = FunctionTransformer(partial(keep, factor=2), kw_args={{"names": {{"a", "b", "c", "d"}}}})
search = OptunaSearchCV(
    make_pipeline(step, Mine()), {{"mine__var_smoothing": [1e-9, 1e-3]}}, n_trials=1, cv=2,
    random_state=0, storage={storage!r}, resume=True,
).fit(np.arange(24.0).reshape(12, 2), np.arange(12) % 2)
print(search.study_.study_name)
"""


def test_the_same_script_goes_on_in_another_process_and_an_edited_one_does_not(tmp_path):
    names: dict = {}
    exec(SESSION.format(storage=str(tmp_path / "j"), score=0.5), names)
    scripts = [SESSION.format(storage=str(tmp_path / "j"), score=score) for score in (0.5, 0.6)]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(scripts)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "1"},
    )
    assert done.returncode == 0, done.stderr
    same, edited = done.stdout.split()
    assert same == names["search"].study_.study_name != edited


DRAWN = "{'var_smoothing': X.suggest_float('v', 1e-9, 1e-8)}"
LOCKED = "from threading import Lock\nlock = Lock()\ndef f(X, k=0):\n    with lock: return X"
UNREADABLE = {
    "step": (apply(LOCKED), r"estimator\.steps\[0\]\[1\]\.func\.<lock> .*lock"),
    "space": (
        drawn(LOCKED.replace("return X", f"return {DRAWN}")),
        r"param_distributions\.<lock> .*lock",
    ),
    "choice": (
        {**pipe(FunctionTransformer()), **space([make(LOCKED, "f")], "first__func")},
        r"param_distributions\['first__func'\]\[0\]\.<lock> .*lock",
    ),
    "scorer": ({"scoring": make(LOCKED.replace("(X, k", "(estimator, X, y, k"), "f")}, "scoring"),
}


@pytest.mark.parametrize(("settings", "path"), UNREADABLE.values(), ids=UNREADABLE)
def test_what_has_no_identity_is_refused_before_there_is_a_study(tmp_path, settings, path):
    with pytest.raises(ValueError, match=f"{path}.*lock"):
        search(tmp_path / "j", **settings)
    assert not (tmp_path / "j").exists()


def test_nothing_is_fingerprinted_without_a_storage(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("not needed")

    monkeypatch.setattr(_run_search, "identify_search", refuse)
    OptunaSearchCV(GaussianNB(), {"var_smoothing": [1e-9]}, n_trials=1, cv=2).fit(X, y)


def test_a_study_of_an_earlier_version_is_refused_with_the_reason(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    optuna.create_study(storage=url, study_name="mine", direction="maximize").set_user_attr(
        "fingerprint", dict.fromkeys(["data", "splits", "space", "estimator", "scoring"], "0" * 32)
    )
    with pytest.raises(ValueError, match="another version of sklearn_trainkit"):
        search(url)


def test_a_study_of_another_python_says_so(tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    study = search(url, **scoring("1.0")).study_
    stored = {**study.user_attrs["fingerprint"], "python": "3.9"}
    study.set_user_attr("fingerprint", stored)
    assert search(url, **scoring("1.0")).n_trials_ == 1
    with pytest.raises(ValueError, match=r"scoring differ\. It was made under Python 3\.9"):
        search(url, **scoring("2.0"))


def test_an_enqueued_number_is_the_one_that_a_study_gives_back(tmp_path):
    class Typed(LogisticRegression):
        def score(self, X, y):
            return float(isinstance(self.C, float))

    for enqueue in ([{"C": 1}], None):
        found = search(tmp_path / "j", estimator=Typed(), **space([1.0, 2.0], "C"), enqueue=enqueue)
        assert found.best_score_ == float(isinstance(found.best_params_["C"], float))


def test_an_enqueued_pipeline_is_not_taken_for_one_that_only_prints_alike():
    steps = [("scaler", StandardScaler()), ("pca", PCA()), ("last", SVC())]
    models = [clone(Pipeline(steps)).set_params(last__C=C) for C in (1e-5, 10.0)]
    made = OptunaSearchCV(
        Pipeline([("model", "passthrough")]), {"model": models}, n_trials=1, cv=2,
        enqueue=[{"model": clone(models[1])}], scoring="accuracy",
    ).fit(X, y)  # fmt: skip
    assert made.best_params_["model"].get_params()["last__C"] == 10.0
    assert made.study_.trials[0].params["model"].endswith("#2")
