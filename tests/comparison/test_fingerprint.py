"""A fingerprint is the same for the same settings in every process, and differs otherwise."""

import subprocess
import sys

import numpy as np
import optuna
import pandas as pd
import pytest
from scipy import sparse, stats
from sklearn.linear_model import Ridge
from sklearn.model_selection import KFold, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_trainkit.comparison._fingerprint import fingerprint_data, fingerprint_settings


def search(distribution):
    return RandomizedSearchCV(
        make_pipeline(StandardScaler(), Ridge()), {"ridge__alpha": distribution}
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (search(stats.loguniform(1, 10)), search(stats.loguniform(1, 20))),
        (search([1, 2]), search([1, 3])),
        (search([StandardScaler()]), search([StandardScaler(with_mean=False)])),
        (
            search(optuna.distributions.FloatDistribution(0, 1)),
            search(optuna.distributions.FloatDistribution(0, 2)),
        ),
        (KFold(3), KFold(4)),
        (np.mean, np.median),
        (Ridge, StandardScaler),
        (np.arange(3), np.arange(4)),
    ],
)
def test_other_settings_have_other_fingerprints(one, other):
    assert fingerprint_settings(one) != fingerprint_settings(other)


def test_a_fingerprint_is_the_same_in_another_process():
    script = (
        "from scipy import stats\n"
        "from sklearn.linear_model import Ridge\n"
        "from sklearn_trainkit.comparison._fingerprint import fingerprint_settings\n"
        "print(fingerprint_settings(Ridge(), {'a': stats.loguniform(1, 10)}, object(), max))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    here = fingerprint_settings(Ridge(), {"a": stats.loguniform(1, 10)}, object(), max)
    assert done.stdout.strip() == here, done.stderr


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
