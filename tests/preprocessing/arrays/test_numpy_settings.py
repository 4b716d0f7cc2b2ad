"""The settings of numpy's loops hold inside the context and nowhere else."""

import numpy as np
import pytest

from sklearn_trainkit.preprocessing.arrays._numpy_settings import BlockLoops


@pytest.fixture
def users_settings():
    errors, size = np.seterr(over="raise", under="raise", invalid="raise"), np.setbufsize(4_096)
    yield
    np.seterr(**errors)
    np.setbufsize(size)


@pytest.mark.usefixtures("users_settings")
def test_settings_come_back_even_after_an_error():
    before = np.geterr(), np.getbufsize()

    def fail_inside():
        with BlockLoops():
            assert np.getbufsize() < 1_024
            assert np.isinf(np.array([1e300]) * 1e300).all()
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert (np.geterr(), np.getbufsize()) == before
