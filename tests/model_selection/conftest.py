"""A clock, and markers that scikit-learn's own search tests carry."""

import sys
import time

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
