"""A connection that is lost on the way to Dask's workers costs a second try, not the search."""

from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest

from sklearn_trainkit.model_selection.workers import _dask_pool
from sklearn_trainkit.model_selection.workers._dask_pool import DaskPool

CommClosedError = pytest.importorskip("distributed.comm.core").CommClosedError


class Data:
    def release(self):
        pass


class FlakyExecutor(ThreadPoolExecutor):
    lost = 0

    def submit(self, *args, **kwargs):
        if self.lost:
            self.lost -= 1
            raise CommClosedError("Stream is closed")
        return super().submit(*args, **kwargs)


class FlakyClient:
    """Loses the first connections when data are sent."""

    def __init__(self, *errors):
        self.errors, self.n_sent = list(errors), 0
        self.executor = FlakyExecutor(1)

    def get_executor(self, pure):
        return self.executor

    def wait_for_workers(self, n_workers, timeout):
        pass

    def scatter(self, data, **options):
        self.n_sent += 1
        if self.errors:
            raise self.errors.pop(0)
        return Data()


@pytest.mark.parametrize(
    "error", [CommClosedError("closed"), ConnectionResetError("reset"), ValueError("no workers")]
)
def test_data_are_sent_again(monkeypatch, error):
    monkeypatch.setattr(_dask_pool.time, "sleep", lambda seconds: None)
    client = FlakyClient(error, error)
    DaskPool(None, client).close(kill=False)
    assert client.n_sent == 3


def test_a_job_that_could_not_be_sent_is_tried_again():
    client = FlakyClient()
    pool = DaskPool(None, client)
    client.executor.lost = 1
    future = pool.submit(None, None, None)
    assert isinstance(future.exception(), CommClosedError)
    death = pool.diagnose(future.exception(), 0, overtime=False)
    assert not death.final
    assert "connection" in death.reason
    assert pool.diagnose(ValueError("the trial's own"), 0, overtime=False) is None
    assert pool.diagnose(CancelledError(), 0, overtime=False) is not None
    pool.close(kill=False)
