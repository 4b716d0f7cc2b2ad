"""Peak memory is that of this process and its children."""

import subprocess
import sys
import time

import numpy as np
import pytest

from sklearn_trainkit.comparison._memory import PROCESSES, PeakMemory

pytestmark = pytest.mark.skipif(not PROCESSES.exists(), reason="the system does not tell")


def wait_until_seen(peak, before):
    """Hold what is there until the watcher has had its turn, on however busy a machine."""
    end = time.monotonic() + 60
    while not peak.megabytes - before.megabytes > 190 and time.monotonic() < end:
        time.sleep(0.01)


def test_memory_that_was_held_and_given_back_is_seen():
    with PeakMemory() as before:
        pass
    with PeakMemory(interval=0.01) as peak:
        held = np.ones(25_000_000)  # 200 MB
        wait_until_seen(peak, before)
        del held
    assert 190 < peak.megabytes - before.megabytes < 260


def test_memory_of_a_child_counts():
    script = "held = bytearray(b'x' * 200_000_000); print('ready', flush=True); input()"
    with PeakMemory() as before:
        pass
    with PeakMemory(interval=0.01) as peak:
        command = [sys.executable, "-c", script]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdout.readline()
        wait_until_seen(peak, before)
        child.communicate(b"\n")
    assert peak.megabytes - before.megabytes > 190
