"""One torch thread in every test (two on busy cores can be 100 times slower), and a full disk.

Under pytest-xdist, the files that share servers and worker processes go to one process.
"""

import os
import signal
from contextlib import contextmanager

import pytest
import torch

# Each process of pytest-xdist that runs one of them would start Dask, Ray and workers of its own.
SHARE_WORKERS = "tests/model_selection/workers/"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class TogetherByFile(LoadFileScheduling):
        def _split_scope(self, nodeid):
            scope = super()._split_scope(nodeid)
            return SHARE_WORKERS if scope.startswith(SHARE_WORKERS) else scope

    return TogetherByFile(config, log)


@pytest.fixture(autouse=True, scope="session")
def _one_torch_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _nothing_is_compiled(tmp_path_factory):
    """What this user has compiled decides no engine; tests of compiled code ask for it."""
    os.environ["SKLEARN_TRAINKIT_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def small_files():
    """Give a context in which no file may grow beyond some bytes, as on a full disk."""
    resource = pytest.importorskip("resource")

    @contextmanager
    def limit(n_bytes):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)

    return limit
