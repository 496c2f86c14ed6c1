"""What the commands that read logs share: their options, and the loop over the inputs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from logscan.edge import err

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from logscan.errors import SourceError
    from logscan.scan import Scanner
    from logscan.terminal import Progress


exports_option = click.option(
    "--exports", multiple=True, metavar="FILE",
    help="The NFS server's /etc/exports, or what exportfs -v, exportfs -s or showmount -e print. Repeatable.",
)  # fmt: skip
manifest_option = click.option(
    "--storageclass", "manifests", multiple=True, metavar="FILE",
    help="StorageClasses, volumes or claims as YAML or JSON. Repeatable.",
)  # fmt: skip
year_option = click.option("--year", type=click.IntRange(1970, 9999), help="Year of klog's stamps, which have none.")
tz_option = click.option(
    "--tz", metavar="ZONE", help="Time zone of klog's stamps: Europe/Berlin or +02:00. Default: UTC."
)
client_option = click.option("--client", metavar="IP", help="The nodes' address as the NFS server sees it.")


def given(path: str, take: Callable[[bytes], None], refuse: Callable[[SourceError], None]) -> None:
    """Read a file that an option names."""
    from logscan.errors import SourceError
    from logscan.scan import MAX_EVIDENCE

    try:
        with Path(path).open("rb") as file:
            data = file.read(MAX_EVIDENCE + 1)
        if len(data) > MAX_EVIDENCE:
            problem = f"is larger than {MAX_EVIDENCE >> 20} MiB, which no exports file or manifest is"
            refuse(SourceError(path, problem, "give what concerns the failing volumes"))
            return
        take(data)
    except OSError as error:
        refuse(SourceError(path, str(error.strerror or error).lower(), "check the path"))


def piped() -> bool:
    """Whether something else than a keyboard is standard input."""
    return sys.stdin is not None and not sys.stdin.isatty()


def read(scanner: Scanner, files: Sequence[str], progress: Progress) -> bool:
    """Read all inputs; returns whether Ctrl-C ended it."""
    from dataclasses import replace

    from logscan.errors import SourceError
    from logscan.sources import open_sources
    from logscan.terminal import Interrupts

    if "-" in files and sys.stdin is not None and sys.stdin.isatty():
        err("logscan: reading from the terminal; paste the log, then press Ctrl-D")
    with Interrupts() as interrupts, progress:
        scanner.watch(lambda pieces: progress.count(interrupts.until(pieces)))
        for source in interrupts.until(open_sources(files, skipped=scanner.skipped)):
            if not isinstance(source, SourceError):
                source = replace(source, chunks=progress.count(interrupts.until(source.chunks)))  # noqa: PLW2901
            scanner.read(source)
        return interrupts.hit
