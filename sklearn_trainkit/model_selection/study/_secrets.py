"""Passwords in storage URLs: kept out of everything that is shown, logged or pickled."""

import re
from collections.abc import Iterator
from multiprocessing.reduction import ForkingPickler
from typing import Any
from urllib.parse import unquote, unquote_plus

from joblib.externals.loky.backend.reduction import register as register_with_loky
from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage

__all__ = [
    "PrivateURL",
    "SecretURL",
    "hide_password",
    "is_connection_without_scheme",
    "reveal",
    "scrub",
]

# user:password@host, as SQLAlchemy splits it, but for an @ in the password where another one is
# behind it: better too much is hidden than too little.
_PASSWORD = re.compile(r"(?P<before>://[^:/]*:)(?P<secret>.*)(?=@)", re.DOTALL)
_QUERY = re.compile(r"(?P<before>[?&;#](?P<name>[^=&;#]*)=)(?P<secret>[^&]*)")
# Of a parameter's name, and of settings that its value consists of: options=-cpassword=...
_SECRET_NAME = re.compile("pass|pwd|secret|token|odbc_connect", re.IGNORECASE)
_SETTING = re.compile(
    r"(?:pass|pwd|secret|token)\w*[\"']?\s*[=:]\s*(?P<secret>'[^']*'|\"[^\"]*\"|\{[^}]*\}|[^\s;&]*)",
    re.IGNORECASE,
)
# What is no URL, and no path either: keywords as drivers take them, and a URL without its scheme.
_KEYWORDS = re.compile(
    r"(?P<before>(?:^|[\s;])(?:ssl)?(?:password|passwd|pwd)\s*=\s*)(?P<secret>'[^']*'|[^\s;]*)",
    re.IGNORECASE,
)
_NO_SCHEME = re.compile(r"(?P<before>^[^:/\\\s]{2,}:)(?P<secret>[^/\\]*)(?=@)")
_STARS = "***"

# What this process was given, by what it shows instead: a pickle finds its way back here.
_known: dict[str, str] = {}


class SecretURL(str):
    """A URL that shows stars for its password, wherever it is printed, joined or pickled.

    As a text it is the URL with stars, so nothing that writes texts can give the password away;
    it is equal to the whole URL, and :func:`reveal` returns that. What is sent to worker processes
    on this machine keeps its password; a pickle in a file, or on its way over a network, does not.
    """

    __slots__ = ("_whole",)
    _whole: str

    def __new__(cls, url: str) -> "SecretURL":
        """Take a whole URL, or one with stars whose password this process was given before."""
        if isinstance(url, SecretURL):
            return url
        whole = _known.get(url, url)
        made = super().__new__(cls, _with_stars(whole))
        made._whole = whole
        if whole != str.__str__(made):
            _known[str.__str__(made)] = whole
        return made

    def __eq__(self, other: object) -> bool:
        whole = other._whole if isinstance(other, SecretURL) else other
        return self._whole == whole

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._whole)

    def __copy__(self) -> "SecretURL":
        return self

    def __deepcopy__(self, memo: Any) -> "SecretURL":
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        return SecretURL, (str.__str__(self),)


class PrivateURL:
    """Attribute of a class whose text, if it is a URL with a password, becomes a SecretURL."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        try:
            return vars(instance)[self._name]
        except KeyError:
            raise AttributeError(
                f"{type(instance).__name__!r} object has no attribute {self._name!r}"
            ) from None

    def __set__(self, instance: Any, value: Any) -> None:
        hides = isinstance(value, str) and (_with_stars(value) != value or _STARS in value)
        vars(instance)[self._name] = SecretURL(value) if hides else value


def hide_password(storage: Any) -> Any:
    """Return ``storage`` as it may be shown and pickled.

    A URL with a password becomes a SecretURL. An optuna storage on a database, or on Redis,
    becomes its URL; one in memory becomes None.
    """
    if isinstance(storage, InMemoryStorage):
        return None
    if isinstance(storage, BaseStorage):
        inner = getattr(storage, "_backend", storage)
        url = getattr(inner, "url" if isinstance(inner, RDBStorage) else "_url", None)
        return hide_password(url) if isinstance(url, str) else storage
    if not isinstance(storage, str) or _with_stars(storage) == storage:
        return storage
    return SecretURL(storage)


def reveal(url: str) -> str:
    """Return the URL to connect with.

    Where the password is hidden, it is the one this process was given before, or none: the
    database's own client then looks where it is told to (``PGPASSWORD``, a password file).
    """
    whole = url._whole if isinstance(url, SecretURL) else _known.get(url, url)
    return _QUERY.sub(_drop_stars, whole.replace(f":{_STARS}@", "@"))


def scrub(text: str, storage: Any) -> str:
    """Return ``text`` without the password of ``storage``, as it is written there or decoded."""
    if isinstance(storage, BaseStorage):
        storage = hide_password(storage)
    if not isinstance(storage, str):
        return text
    whole = reveal(storage)
    secrets = {found["secret"] for found in _find_secrets(whole)}
    # Drivers take what follows an @ for the beginning of the host.
    secrets |= {f"{secret.partition('@')[2]}@" for secret in secrets if "@" in secret}
    plain = {form for secret in secrets for form in (*_list_decoded(secret), unquote_plus(secret))}
    for pattern in (_SETTING, _PASSWORD):  # settings and URLs inside of the value of a parameter
        plain |= {found["secret"].strip("'\"{}") for s in plain for found in pattern.finditer(s)}
    spellings = plain | {repr(each)[1:-1] for each in plain}
    for spelled in sorted(spellings - {""}, key=len, reverse=True):
        text = text.replace(spelled, _STARS)  # longest first: one may hold another
    return text


def is_connection_without_scheme(storage: str) -> bool:
    """Return whether a text is neither a URL nor a path, but has a password like a connection."""
    return "://" not in storage and any(_find_secrets(storage))


def _patterns(text: str) -> tuple["re.Pattern[str]", ...]:
    return (_PASSWORD, _QUERY) if "://" in text else (_KEYWORDS, _NO_SCHEME)


def _find_secrets(text: str) -> Iterator["re.Match[str]"]:
    for pattern in _patterns(text):
        yield from filter(_is_secret, pattern.finditer(text))


def _is_secret(found: "re.Match[str]") -> bool:
    """Return whether what a pattern has found is one; of a query, most parameters are none."""
    if found.re is not _QUERY:
        return True
    if any(map(_SECRET_NAME.search, _list_decoded(found["name"]))):
        return True
    values = [*_list_decoded(found["secret"]), unquote_plus(found["secret"])]
    return any(_SETTING.search(value) or _PASSWORD.search(value) for value in values)


def _list_decoded(text: str) -> list[str]:
    """Return a text as it is written, and with one more layer of %-signs taken off each time."""
    forms = [text]
    while (decoded := unquote(forms[-1])) != forms[-1]:
        forms.append(decoded)
    return forms


def _with_stars(url: str) -> str:
    def hide(found: "re.Match[str]") -> str:
        return f"{found['before']}{_STARS}" if _is_secret(found) else found[0]

    for pattern in _patterns(url):
        url = pattern.sub(hide, url)
    return url


def _drop_stars(found: "re.Match[str]") -> str:
    return found[0] if found["secret"] != _STARS else found["before"][0]


def _reduce_whole(url: SecretURL) -> Any:
    return SecretURL, (url._whole,)


# These only serve processes on this machine, through pipes.
register_with_loky(SecretURL, _reduce_whole)
ForkingPickler.register(SecretURL, _reduce_whole)
