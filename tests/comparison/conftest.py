import pytest
from sklearn.datasets import make_classification


@pytest.fixture(scope="session")
def data():
    return make_classification(n_samples=80, n_features=5, random_state=0)
