"""Objects of stores that fsspec knows, named by URL: s3://, gs://, abfs://, https:// and others.

The only module that reaches out of this machine, and only where the user names a URL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from .errors import SourceError
from .unpack import CHUNK, printable

BLOCK = 8 << 20  # bytes asked for at a time
_INSTALL = "pip install 'logscan[dask]', and the package for this kind of URL: s3fs, gcsfs, adlfs …"
# A sole object is all that can be named there: "?" begins the query, which often holds a signature.
_UNLISTED = ("http", "https")
_MAGIC = re.compile(r"[*?\[]")


class Object(NamedTuple):
    """One object of a store."""

    url: str
    below: str  # its name below the place where it was looked for
    size: int | None  # bytes
    mtime: int | None  # µs since the epoch


def shown(url: str) -> str:
    """The URL as a report may show it: without a password and without a query, which may be a signature."""
    parts = urlsplit(url)
    host = parts.netloc
    if parts.scheme in _UNLISTED or ":" in host.rpartition("@")[0]:
        user, at, host = host.rpartition("@")
        host = f"{user.partition(':')[0]}{at}{host}" if at else host
    query = "…" if parts.query and parts.scheme in _UNLISTED else parts.query
    return printable(urlunsplit((parts.scheme, host, parts.path, query, parts.fragment)))


def listed(url: str) -> tuple[list[Object], bool]:
    """The objects that *url* names, and whether it is one object's very name.

    Args:
        url: of an object, a prefix (all below it), or a pattern: ``s3://bucket/**/*.log.gz``.

    Raises:
        SourceError: its store cannot be asked, or there is no such object.
    """
    store, path = _store(url)
    try:
        alone = urlsplit(url).scheme in _UNLISTED
        if not alone and _MAGIC.search(path) and not store.exists(path):
            found = store.glob(path, detail=True)
            base = path[: _MAGIC.search(path).start()].rpartition("/")[0]  # type: ignore[union-attr]  # searched above
        else:
            info = store.info(path)
            if alone or info.get("type") != "directory":
                return [_object(url, url, info)], True
            found, base = store.find(path, detail=True), path
    except Exception as error:  # each store raises what its client does
        raise fault(url, error) from error
    return [
        _object(store.unstrip_protocol(name), name.removeprefix(base).lstrip("/"), info)
        for name, info in found.items()
        if info.get("type") != "directory"
    ], False


def chunks(url: str) -> Iterator[bytes]:
    """The bytes of an object, CHUNK at most at a time.

    Raises:
        SourceError: once what could be read has been yielded.
    """
    store, path = _store(url)
    with _opened(url, store, path) as file:
        while chunk := _asked(url, file.read, CHUNK):
            yield chunk


def reader(url: str) -> Callable[[int, int], bytes]:
    """What reads (offset, size) of an object; it gives fewer bytes only at the object's end.

    Raises:
        SourceError: also what it returns.
    """
    store, path = _store(url)
    return lambda offset, size: _asked(url, store.cat_file, path, start=offset, end=offset + size)


def fault(url: str, error: Exception) -> SourceError:
    """What a store's client says of a URL, in our words."""
    if isinstance(error, SourceError):
        return error
    place = shown(url)
    if isinstance(error, FileNotFoundError):
        return SourceError(place, "no such object", "check the URL; a prefix or a pattern in quotes works too")
    if isinstance(error, PermissionError) or "credential" in type(error).__name__.lower():
        help_ = "give credentials as the store's own tools take them; FSSPEC_S3_ANON=true for a public bucket"
        return SourceError(place, f"access denied: {_line(error)}", help_)
    return SourceError(place, f"cannot be read: {_line(error)}", "check the URL, the network and the store")


# ---------------------------------------------------------------- fsspec


def _store(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    if "::" in url:
        raise SourceError(shown(url), "is a chain of URLs", "name the object itself: archives are unfolded anyway")
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise SourceError(shown(url), "needs fsspec, which is not installed", _INSTALL) from error
    try:
        store, path = url_to_fs(url)
    except ImportError as error:
        # "Install s3fs to access S3"; where the package is there and broken, what it lacks.
        raise SourceError(shown(url), f"cannot be opened: {_line(error)}", _INSTALL) from error
    except ValueError as error:
        raise SourceError(shown(url), f"is of no store that is known: {_line(error)}", "check the URL") from error
    except Exception as error:  # each store raises what its client does
        raise fault(url, error) from error
    return store, path


def _opened(url: str, store: Any, path: str) -> Any:
    return _asked(url, store.open, path, "rb", block_size=BLOCK, cache_type="readahead")


def _asked(url: str, ask: Callable[..., Any], *args: Any, **named: Any) -> Any:
    try:
        return ask(*args, **named)
    except Exception as error:  # each store raises what its client does
        raise fault(url, error) from error


def _line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return printable(text.splitlines()[0][:300])


def _object(url: str, below: str, info: dict[str, Any]) -> Object:
    size = info.get("size")
    return Object(url, below, size if isinstance(size, int) else None, _modified(info))


def _modified(info: dict[str, Any]) -> int | None:
    """When an object was last written; the stores differ in how they call it, and in its type."""
    for key in ("LastModified", "last_modified", "mtime", "updated", "modified", "created"):
        value = info.get(key)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                continue
        if isinstance(value, datetime):
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return int(aware.timestamp()) * 1_000_000 + aware.microsecond
        if isinstance(value, int | float) and not isinstance(value, bool):
            return int(value * 1_000_000)
    return None
