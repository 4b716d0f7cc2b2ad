"""Clusters on this machine, for as long as tests of this folder run."""

import warnings

import pytest


@pytest.fixture(scope="package")
def dask():
    distributed = pytest.importorskip("distributed", reason="the extra 'distributed' is missing")
    import dask

    # Dask looks a hundred times a second at what its workers do.
    with dask.config.set({"distributed.worker.profile.enabled": False}):
        cluster = distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        )
        client = distributed.Client(cluster)
        yield client
        client.close()
        cluster.close()


@pytest.fixture(scope="package")
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
