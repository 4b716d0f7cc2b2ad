"""A run is the same for the same settings in every process, and another one otherwise."""

import numpy as np
import optuna
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_trainkit.comparison._fingerprint import fingerprint_data, fingerprint_run
from sklearn_trainkit.model_selection import OptunaSearchCV
from tests.forked_script import ForkedScript


def mark(searcher, shared=()):
    return fingerprint_run(searcher, "name", list(shared), "data")


def search(distribution):
    return RandomizedSearchCV(
        make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": distribution}
    )


def ours(sampler):
    return OptunaSearchCV(Ridge(), {"alpha": [1.0]}, sampler=sampler)


SAMPLERS = optuna.samplers
SETTINGS = {
    "distribution": (search(stats.loguniform(1, 10)), search(stats.loguniform(1, 20))),
    "list": (search([1, 2]), search([1, 3])),
    "estimators": (search([StandardScaler()]), search([StandardScaler(with_mean=False)])),
    "of optuna": (
        search(optuna.distributions.FloatDistribution(0, 1)),
        search(optuna.distributions.FloatDistribution(0, 2)),
    ),
    "functions": (search([np.mean]), search([np.median])),
    "sampler": (ours(SAMPLERS.TPESampler(seed=0)), ours(SAMPLERS.TPESampler(seed=1))),
    "startup": (ours(SAMPLERS.TPESampler()), ours(SAMPLERS.TPESampler(n_startup_trials=3))),
    "searcher": (GridSearchCV(Ridge(), {}), RandomizedSearchCV(Ridge(), {})),
}


@pytest.mark.parametrize(("one", "other"), SETTINGS.values(), ids=SETTINGS)
def test_other_settings_are_another_run(one, other):
    assert mark(one) == mark(one)
    assert mark(one) != mark(other)


def test_settings_that_all_runs_share_count_and_the_splits_that_are_replaced_do_not():
    assert mark(search([1]), [KFold(3)]) != mark(search([1]), [KFold(4)])
    assert mark(search([1]).set_params(cv=3)) == mark(search([1]).set_params(cv=4))


def test_a_run_is_the_same_in_another_process(tmp_path):
    script = (
        "from sklearn.linear_model import Ridge\n"
        "from sklearn.model_selection import RandomizedSearchCV\n"
        "from scipy import stats\n"
        "from sklearn_trainkit.comparison._fingerprint import fingerprint_run\n"
        "space = {'alpha': stats.loguniform(1, 10), 'tol': [max, {'a', 'b', 'c'}]}\n"
        "mark = fingerprint_run(RandomizedSearchCV(Ridge(), space), 'name', [object()], 'data')\n"
    )
    names: dict = {}
    exec(script, names)
    (tmp_path / "script.py").write_text(f"{script}print(mark)")
    written, errors = ForkedScript(tmp_path / "script.py").communicate()
    assert written.strip() == names["mark"], errors


DATA = {
    "array": (np.eye(3), np.eye(3) * 2),
    "float32": (np.eye(3), np.eye(3, dtype=np.float32)),
    "shape": (np.zeros((2, 3)), np.zeros((3, 2))),
    "objects": (np.array(["a", "b"], dtype=object), np.array(["a", "c"], dtype=object)),
    "list": ([[1.0], [2.0]], [[1.0], [3.0]]),
    "frame": (pd.DataFrame({"a": ["x", "y"]}), pd.DataFrame({"a": ["x", "z"]})),
    "columns": (pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"b": [1, 2]})),
    "sparse": (sparse.eye_array(3).tocsr(), (2 * sparse.eye_array(3)).tocsr()),
}


@pytest.mark.parametrize(("one", "other"), DATA.values(), ids=DATA)
def test_other_data_have_other_fingerprints(one, other):
    y = [0, 1, 0]
    assert fingerprint_data(one, y) == fingerprint_data(one, y)
    assert fingerprint_data(one, y) != fingerprint_data(other, y)
    assert fingerprint_data(one, y) != fingerprint_data(one, [0, 1, 1])
    assert fingerprint_data(one, y) != fingerprint_data(one, y, groups=[0, 0, 1])
