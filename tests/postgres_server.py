"""A PostgreSQL server on loopback for the length of some tests, from the system's programs."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from glob import glob
from pathlib import Path

PASSWORD = "s3cret-word"


def find_reason_to_skip():
    """Return why no server can be started here, or None."""
    if _find_program("initdb") is None:
        return "PostgreSQL's initdb and pg_ctl are not installed"
    if os.geteuid() == 0 and (shutil.which("runuser") is None or _find_user() is None):
        return "PostgreSQL refuses to run as root, and there is no other user to run it as"
    return None


class PostgresServer:
    """Starts, stops and removes a server of its own."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        (self.folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            user = pwd.getpwnam(_find_user())
            for path in (self.folder, self.folder / "password"):
                os.chown(path, user.pw_uid, user.pw_gid)
        self._run(
            "initdb", "-A", "scram-sha-256", "-U", "tester", "--no-sync", "-E", "UTF8",
            f"--pwfile={self.folder}/password",
        )  # fmt: skip
        self.start()

    @property
    def url(self):
        return f"postgresql+psycopg://tester:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self):
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off"
        self._run("pg_ctl", "start", "-w", "-l", f"{self.folder}/log", "-o", options)

    def stop(self, mode="immediate"):
        self._run("pg_ctl", "stop", "-w", "-m", mode)

    def remove(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program, *arguments):
        command = [_find_program(program), *arguments, "-D", str(self.folder / "data")]
        if os.geteuid() == 0:
            command = ["runuser", "-u", _find_user(), "--", *command]
        subprocess.run(
            command, check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


def _find_program(name):
    return shutil.which(name) or next(iter(glob(f"/usr/lib/postgresql/*/bin/{name}")), None)


def _find_user():
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    return None
