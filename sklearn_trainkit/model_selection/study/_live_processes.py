"""Which processes work on a study: each shows a sign of life there, and is missed when it stops."""

import os
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import optuna

__all__ = ["Drivers"]

_PREFIX = "driver-"
_BEAT_SECONDS = 15.0
# Without a new sign of life for so long, a driver on another machine is taken for dead.
_SILENCE_SECONDS = 60.0
# The drivers of this process that are at work, whether or not their goodbye could be written.
_AT_WORK: set[str] = set()


class Drivers:
    """The processes that search in one study, this one among them.

    Parameters
    ----------
    study : optuna.Study
        Its storage is what the drivers have in common.

    Attributes
    ----------
    me : str
        Name of this driver.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.me = uuid.uuid4().hex[:16]
        self._study = study
        self._n_beats = 0
        self._heard: dict[str, tuple[int, float]] = {}
        self._leaving = threading.Event()
        self._beat()
        self._thread = threading.Thread(target=self._keep_beating, daemon=True)

    def start(self) -> None:
        """Show signs of life from now on."""
        _AT_WORK.add(self.me)
        self._thread.start()

    def close(self) -> None:
        """Say goodbye, so that nobody waits for this driver."""
        self._leaving.set()
        _AT_WORK.discard(self.me)
        if self._thread.is_alive():
            self._thread.join()
        self._show(-1)

    def list_others(self) -> set[str]:
        """Return the drivers besides this one that live, or may live."""
        attrs = self._study._storage.get_study_user_attrs(self._study._study_id)
        signs = {key[len(_PREFIX) :]: v for key, v in attrs.items() if key.startswith(_PREFIX)}
        return {name for name, sign in signs.items() if name != self.me and self._lives(name, sign)}

    def _lives(self, name: str, sign: dict[str, Any]) -> bool:
        if sign["beat"] < 0:
            return False
        if sign["host"] == _describe_host() and sign["pid"] == os.getpid():
            return name in _AT_WORK
        if sign["host"] == _describe_host():
            return _describe_process(sign["pid"]) == sign["process"]
        # Clocks differ between machines: only this one's is used.
        now = time.monotonic()
        beat, heard = self._heard.get(name, (None, now))
        if beat != sign["beat"]:
            self._heard[name] = sign["beat"], now
            return True
        return now - heard < _SILENCE_SECONDS

    def _keep_beating(self) -> None:
        while not self._leaving.wait(_BEAT_SECONDS):
            self._beat()

    def _beat(self) -> None:
        self._n_beats += 1
        self._show(self._n_beats)

    def _show(self, beat: int) -> None:
        pid = os.getpid()
        sign = {
            "host": _describe_host(),
            "pid": pid,
            "process": _describe_process(pid),
            "beat": beat,
        }
        try:
            self._study.set_user_attr(_PREFIX + self.me, sign)
        except Exception:
            # The storage is gone for a moment; the next beat comes. The first one has to arrive.
            if beat == 1:
                raise


def _describe_host() -> str:
    """Return a name for where process numbers have a meaning: containers have their own."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _describe_process(pid: int) -> str | None:
    """Return the time at which a process started, or None if there is none of this number."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        if Path("/proc/self/stat").exists():
            fields = stat.read_text().rsplit(")", 1)[1].split()
            return None if fields[0] == "Z" else fields[19]
        os.kill(pid, 0)
    except PermissionError:
        return "running"
    except (OSError, IndexError):
        return None
    return "running"
