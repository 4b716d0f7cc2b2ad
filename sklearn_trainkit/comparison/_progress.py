"""Tell the user how far a comparison has come; silent unless ``verbose`` asks."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sklearn_trainkit.callbacks import TrainingMeter, TrainingSpent

__all__ = ["Progress", "describe_spent"]


class Progress:
    """Writes one line per run to standard output, and with ``verbose=2`` a line every 5 seconds.

    Parameters
    ----------
    verbose : int
        0 writes nothing, 1 a line when a run begins and ends, 2 also what has been spent so far
        while it runs.
    interval : float, default=5.0
        Seconds between two such lines.
    """

    def __init__(self, verbose: int, interval: float = 5.0):
        self.verbose = verbose
        self.interval = interval

    def tell(self, message: str) -> None:
        """Write a line if ``verbose`` is at least 1."""
        if self.verbose >= 1:
            sys.stdout.write(message + "\n")
            sys.stdout.flush()

    @contextmanager
    def watching(self, meter: TrainingMeter) -> Iterator[None]:
        """Report what ``meter`` sees while the block runs, if ``verbose`` is at least 2."""
        if self.verbose < 2:
            yield
            return
        done = threading.Event()
        teller = threading.Thread(target=self._tell_repeatedly, args=(meter, done), daemon=True)
        teller.start()
        try:
            yield
        finally:
            done.set()
            teller.join()

    def _tell_repeatedly(self, meter: TrainingMeter, done: threading.Event) -> None:
        while not done.wait(self.interval):
            self.tell(f"    so far {describe_spent(meter.spent())}")


def describe_spent(spent: TrainingSpent) -> str:
    """Return what was spent in words."""
    words = [f"{spent.n_fits} fits"]
    if spent.n_epochs is not None:
        words.append(f"{spent.n_epochs} epochs")
    return ", ".join(words)
