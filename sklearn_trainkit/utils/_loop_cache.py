"""Where compiled loops are kept between processes: files that are checked before they are run.

numba's own files carry no checksum. One that was cut off or overwritten ends every call with an
error, or brings machine code that is not what it says; and two processes that compile for two
types at once may each put their code under the other's name. Here each type has a file of its
own, with a digest and what it was compiled for. Whatever is wrong with it, it counts as not
there: the loop is compiled and the file written again; and where nothing can be written, nothing
is kept.
"""

import pickle
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
from numba.core.serialize import dumps

__all__ = ["FolderCache", "LoopCache", "NotKeptError"]


class NotKeptError(Exception):
    """Code that was to be loaded, not compiled, is not kept."""


class LoopCache(FunctionCache):
    """numba's cache of a function's compiled code, without its ways to fail.

    Parameters
    ----------
    loop : function
        To be found in a file.

    Raises
    ------
    RuntimeError
        If there is nowhere to keep anything.
    """

    def __init__(self, loop: Any) -> None:
        super().__init__(loop)
        locator = self._impl.locator
        self._cache_file: Any = CheckedFiles(
            Path(self.cache_path) / self._impl.filename_base,
            (numba.__version__, locator.get_source_stamp()),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code kept for a signature, or None."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever it is, compiling is the answer
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the code for a signature, if that is possible."""
        with suppress(Exception):  # the code in memory is sound
            super().save_overload(sig, data)


class _OwnLocator(_CacheLocator):
    """Sends numba to no folder of its own choice."""

    def get_cache_path(self) -> str:
        return ""

    def get_source_stamp(self) -> None:
        return None

    def get_disambiguator(self) -> None:
        return None

    def ensure_cache_path(self) -> None:
        pass

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> "_OwnLocator":
        return cls()


class _OwnImplementation(CompileResultCacheImpl):
    _locator_classes: Any = [_OwnLocator]


class FolderCache(LoopCache):
    """A cache in a folder of ours, by a version of ours.

    Parameters
    ----------
    loop : function
    base : Path
        Beginning of the paths of the files. The folder need not be there yet.
    version : object
        What has to be equal for a file to count.

    Attributes
    ----------
    may_compile : bool
        Whether what is not kept may be compiled; otherwise that raises ``NotKeptError``.
    """

    _impl_class: Any = _OwnImplementation

    def __init__(self, loop: Any, base: Path, version: Any) -> None:
        super().__init__(loop)
        self._cache_path = str(base.parent)
        self._cache_file = CheckedFiles(base, (numba.__version__, version))
        self.may_compile = False

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the code kept for a signature, or None where it may be compiled."""
        code = super().load_overload(sig, target_context)
        if code is None and not self.may_compile:
            raise NotKeptError
        return code


class CheckedFiles:
    """A file for each key, with a digest over all of it.

    Parameters
    ----------
    base : Path
        Beginning of their paths.
    version : object
        What else has to be equal for a file to count.
    """

    def __init__(self, base: Path, version: Any) -> None:
        self._base = base
        self._version = version

    def _path(self, key: Any) -> Path:
        name = sha256(repr(key).encode()).hexdigest()[:16]
        return self._base.with_name(f"{self._base.name}.{name}.nbc")

    def load(self, key: Any) -> Any:
        """Return what was saved under `key`, or None if it is not there, damaged or outdated."""
        try:
            content = self._path(key).read_bytes()
        except OSError:
            return None
        digest, content = content[:32], content[32:]
        if sha256(content).digest() != digest:
            return None
        # Another's code is not even unpickled: it is a pickle inside the pickle.
        identity, data = pickle.loads(content)
        return pickle.loads(data) if identity == (self._version, key) else None

    def save(self, key: Any, data: Any) -> None:
        """Save `data` under `key` in one step: other processes see all of it or nothing."""
        content = pickle.dumps(((self._version, key), dumps(data)))
        path = self._path(key)
        unfinished = path.with_name(f"{path.name}.{uuid4().hex[:8]}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(sha256(content).digest() + content)
            unfinished.replace(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise

    def flush(self) -> None:
        """Remove all files."""
        for path in self._base.parent.glob(f"{self._base.name}.*.nbc"):
            path.unlink(missing_ok=True)
