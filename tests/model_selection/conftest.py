"""Clusters on this machine, and markers that scikit-learn's own search tests carry."""

import warnings

import pytest


def pytest_configure(config):
    config.addinivalue_line("markers", "thread_unsafe: scikit-learn's mark, of no effect here")


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
