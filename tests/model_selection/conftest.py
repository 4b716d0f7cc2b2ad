"""Clusters on this machine, a clock, and markers that scikit-learn's own search tests carry."""

import sys
import time
import warnings

import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "thread_unsafe: scikit-learn's mark, of no effect here")


class Clock:
    """Stands for the module ``time``: no time passes but where somebody sleeps."""

    def __init__(self):
        self.now = time.time()

    def time(self):
        return self.now

    perf_counter = monotonic = time

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch, request):
    """Give a search in this process, and the test, a clock that no busy machine can disturb."""
    clock = Clock()
    ours = [
        module
        for name, module in sys.modules.items()
        if name.startswith("sklearn_trainkit.model_selection.")
    ]
    for module in [*ours, request.module]:
        if getattr(module, "time", None) is time:
            monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture(scope="session")
def dask():
    distributed = pytest.importorskip("distributed", reason="the extra 'distributed' is missing")
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    )
    client = distributed.Client(cluster)
    yield client
    client.close()
    cluster.close()


@pytest.fixture(scope="session")
def ray():
    ray = pytest.importorskip("ray", reason="the extra 'distributed' is missing")
    from ray.util.joblib import register_ray

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=2**28,
            _node_ip_address="127.0.0.1",
        )
    register_ray()
    yield ray
    ray.shutdown()
