"""Files that the user names: small ones are read whole, and what is written is all there or as it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import BinaryIO, TextIO

from logscan.errors import LogscanError, SourceError
from logscan.undo import undone_by


def read(
    file: Path | BinaryIO, limit: int, kind: str, *, place: str, missing: str = "check the path", larger: str = ""
) -> bytes:
    """The whole of a file that has no more than *limit* bytes (whole MiB).

    Args:
        kind: what it should be, such as "report".
        place: what an error calls it.
        missing: what to do if it cannot be read.
        larger: what to do if it is too large.

    Raises:
        SourceError: it cannot be read, or is larger.
    """
    try:
        with file.open("rb") if isinstance(file, Path) else nullcontext(file) as opened:
            data = opened.read(limit + 1)
    except OSError as error:
        raise SourceError(place, str(error.strerror or error).lower(), missing) from error
    if len(data) > limit:
        raise SourceError(place, f"is larger than {limit >> 20} MiB, which no {kind} is", larger)
    return data


def save(place: str, put: Callable[[TextIO], object], *, private: bool = False) -> None:
    """Write a text that has either all that *put* writes or is as before.

    Args:
        private: as of ``replace_by``.

    Raises:
        LogscanError: it cannot be written.
    """

    def fill(part: Path) -> None:
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            put(file)

    replace_by(place, fill, private=private)


def replace_by(place: str, fill: Callable[[Path], object], *, private: bool = False) -> None:
    """Let *fill* write a file under another name, and give it its own when it is complete.

    Args:
        private: nobody but its owner may read it, whatever the rights of the file that it replaces.

    Raises:
        LogscanError: it cannot be written.
    """
    path = Path(os.path.realpath(place))
    # A device or a pipe must be written, not replaced.
    direct = os.path.exists(path) and not os.path.isfile(path)  # noqa: PTH110, PTH113 - Path's raise if access is denied
    # A name that nobody can foresee, and made anew: in a directory of others a link may lie in wait.
    part = path if direct else path.with_name(f".logscan-{os.getpid()}-{os.urandom(6).hex()}.part")
    try:
        try:
            with nullcontext() if direct else undone_by(lambda: part.unlink(missing_ok=True)):
                if not direct:
                    # Made with its rights, so that there is no moment in which others could open it.
                    part.touch(0o600 if private else 0o666, exist_ok=False)
                fill(part)
                if not direct:
                    with part.open("rb") as file:
                        os.fsync(file.fileno())  # or a disk that turns out to be full says so when the old file is gone
                    if path.exists() and not private:
                        part.chmod(path.stat().st_mode & 0o7777)
                    part.replace(path)
        finally:
            if not direct:
                with suppress(PermissionError):  # it could not be made either, which is what is told
                    part.unlink(missing_ok=True)
    except OSError as error:
        raise LogscanError(place, f"cannot be written: {error.strerror or error}") from error
