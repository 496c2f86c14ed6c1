"""What was collected as a bundle: a list of what was asked, and one file to keep or send."""

from __future__ import annotations

import json
import posixpath
import tarfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from logscan import filing
from logscan.bundles import order
from logscan.cluster.run import Result, Runner

LOOKUPS = "lookup/"  # what these tell is in the choice of the commands; they stay here
ENDINGS = (".tgz", ".tar.gz")


def root_name(now: float) -> str:
    """The directory in a bundle, by the time at which it was made (seconds since the epoch)."""
    return time.strftime("nfs-logscan-%Y%m%dT%H%M%SZ", time.gmtime(now))


def note(runner: Runner, results: Sequence[Result], notes: Sequence[str], version: str) -> None:
    """Write collected.json: each command, how it ended, and what was decided for the user."""
    told = [
        {
            "command": runner.line(result.command),
            "file": None if result.command.name.startswith(LOOKUPS) else result.command.name,
            "status": result.status,
            "seconds": round(result.seconds, 3),
            "problem": None if result.ok else result.reason,
        }
        for result in results
    ]
    text = json.dumps({"logscan": version, "notes": list(notes), "commands": told}, indent=2)
    (runner.directory / "collected.json").write_text(text + "\n", "utf-8")


def clear(runner: Runner, results: Sequence[Result]) -> None:
    """Take away what is no part of a bundle: lookups, and files into which nothing was printed."""
    for result in results:
        # Half a list of objects is none; half a log is better than nothing.
        torn = not result.ok and (result.command.name.endswith(".json") or _is_empty(result.path))
        if torn or result.command.name.startswith(LOOKUPS):
            result.path.unlink(missing_ok=True)
    with suppress(OSError):
        (runner.directory / LOOKUPS).rmdir()


def _is_empty(path: Path) -> bool:
    return path.exists() and path.stat().st_size == 0


def save(directory: Path, place: str) -> None:
    """Write a directory as a packed tar, readable by its owner alone, that is either all there or as it was.

    Raises:
        LogscanError: it cannot be written.
    """

    def fill(part: Path) -> None:
        with tarfile.open(part, "w:gz") as archive:
            for name in _names(directory):
                archive.add(directory / name, f"{directory.name}/{name}", recursive=False, filter=_anonymous)

    # Logs tell names and addresses of a cluster: who may read them is for the owner to say.
    filing.replace_by(place, fill, private=True)


def _names(directory: Path) -> list[str]:
    """The files below a directory, parts of one log in their order."""
    names = [path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()]
    return sorted(names, key=lambda name: [order(part) for part in name.split("/")])


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mode = 0o644
    return info


def short(name: str, directory: Path) -> str:
    """The name of an input as it would be in the bundle."""
    return (
        posixpath.join(directory.name, name.removeprefix(f"{directory}/")) if name.startswith(f"{directory}/") else name
    )
