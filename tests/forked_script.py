"""Scripts in processes of their own, of which none has to import everything again."""

import multiprocessing
import os
import runpy
import sys
from tempfile import TemporaryFile

# Nothing but imports happens in the process that the others are copies of.
_COPIES = multiprocessing.get_context("forkserver")
_COPIES.set_forkserver_preload(["sklearn_trainkit.model_selection"])


class ForkedScript:
    """Runs a file as ``python file arguments...`` would, and is used as a ``Popen`` with pipes.

    Parameters
    ----------
    script : path-like
    *arguments : str
    """

    def __init__(self, script, *arguments):
        reader, writer = _COPIES.Pipe(duplex=False)
        self._errors = TemporaryFile("w+")  # noqa: SIM115
        with writer:
            handle = _COPIES.Process(
                target=_run, args=(str(script), arguments, writer, _Handed(self._errors.fileno()))
            )
            handle.start()
        self._process = handle
        with reader:
            self.stdout = os.fdopen(os.dup(reader.fileno()))

    @property
    def returncode(self):
        """Exit status, or None while it runs."""
        return self._process.exitcode

    def kill(self):
        """End it at once, as a power cut would."""
        self._process.kill()

    def communicate(self, timeout=None):
        """Return what it wrote, a few lines at most, when it has ended."""
        self._process.join(timeout)
        if self.returncode is None:
            self.kill()
            raise TimeoutError(f"The script has not ended after {timeout} s.")
        with self.stdout:
            written = self.stdout.read()
        self._errors.seek(0)
        return written, self._errors.read()


class _Handed:
    """A file descriptor that goes along to a process that is about to start."""

    def __init__(self, number):
        self._number = number

    def __reduce__(self):
        from multiprocessing.reduction import DupFd

        return _unpack, (DupFd(self._number),)


def _unpack(handed):
    return handed.detach()


def _run(script, arguments, writer, errors):
    os.dup2(writer.fileno(), 1)
    os.dup2(errors, 2)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
