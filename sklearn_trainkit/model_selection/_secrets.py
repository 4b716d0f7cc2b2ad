"""Passwords in storage URLs: kept out of everything that is shown, logged or pickled."""

import re
from typing import Any

from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage

__all__ = ["add_password", "hide_password", "scrub"]

# user:password@host; the password may hold a colon, and an @ if there is another one behind it.
_PASSWORD = re.compile(r"(?P<before>://[^:/@]*:)(?P<secret>.*)(?=@)")
_QUERY = re.compile(r"(?P<before>[?&](?:password|passfile|sslpassword)=)(?P<secret>[^&]*)")
_STARS = "***"

# What this process was given, by what it shows instead: a pickle finds its way back here.
_known: dict[str, str] = {}


def hide_password(storage: Any) -> Any:
    """Return ``storage`` as it may be shown and pickled.

    A URL keeps all but its password. An optuna storage on a database becomes such a URL; one in
    memory becomes None.
    """
    if isinstance(storage, InMemoryStorage):
        return None
    if isinstance(storage, BaseStorage):
        inner = getattr(storage, "_backend", storage)
        return hide_password(inner.url) if isinstance(inner, RDBStorage) else storage
    if not isinstance(storage, str) or "://" not in storage:
        return storage
    hidden = storage
    for pattern in (_PASSWORD, _QUERY):
        hidden = pattern.sub(rf"\g<before>{_STARS}", hidden)
    if hidden != storage:
        _known[hidden] = storage
    return hidden


def add_password(url: str) -> str:
    """Return the URL to connect with.

    Where the password is hidden, it is the one this process was given before, or none: the
    database's own client then looks where it is told to (``PGPASSWORD``, a password file).
    """
    if _STARS not in url:
        return url
    if url in _known:
        return _known[url]
    return url.replace(f":{_STARS}@", "@")


def scrub(text: str, storage: Any) -> str:
    """Return ``text`` without the password of ``storage``."""
    if not isinstance(storage, str):
        return text
    for pattern in (_PASSWORD, _QUERY):
        for found in pattern.finditer(storage):
            if found["secret"]:
                text = text.replace(found["secret"], _STARS)
    return text
