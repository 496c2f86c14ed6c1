"""What the commands that read logs share: their options, and the loop over the inputs."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from logscan.edge import err

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from click.shell_completion import CompletionItem

    from logscan.errors import SourceError
    from logscan.model import Report
    from logscan.quiet import Narrowed
    from logscan.rules import RuleSet
    from logscan.scan import Scanner
    from logscan.sources import Source
    from logscan.terminal import Interrupts, Progress


F = TypeVar("F", bound="Callable[..., Any]")
MAX_REPORT = 256 << 20  # bytes; a report has caps of its own and stays far below

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
reference_option = click.option(
    "--reference-time", "reference", metavar="TIME",
    help="Latest time the log can have (2026-07-20T10:00:00Z); default: the file's own, or now.",
)  # fmt: skip
jobs_option = click.option(
    "--jobs",
    "-j",
    type=click.IntRange(1, 256),
    help="Processes for large or many files; default: one per core, up to 8.",
)
severity_option = click.option(
    "--severity", type=click.Choice(["info", "warning", "error"]), default="info", show_default=True,
    help="The least severity of diagnoses that is shown.",
)  # fmt: skip
dask_option = click.option(
    "--dask", metavar="ADDRESS",
    help="Let the workers of this Dask cluster read FILES: host:port, a scheduler file, or local for --jobs processes.",
)  # fmt: skip
progress_option = click.option("--no-progress", is_flag=True, help="No progress on the terminal.")


def reading_options(command: F) -> F:
    """What a user may say about the logs: the arguments of ``prepare``."""
    options = (exports_option, manifest_option, client_option, year_option, tz_option, reference_option, jobs_option)
    for option in reversed(options):
        command = option(command)
    return command


def complete_rules(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """The ids of rules that a shell offers."""
    from click.shell_completion import CompletionItem

    from logscan import rules
    from logscan.errors import LogscanError

    del param
    try:
        ruleset = rules.load(ctx.params.get("rule_dirs") or ())
    except LogscanError:
        ruleset = rules.load()  # the broken ones are told of when the command is run
    return [CompletionItem(one.id, help=one.title) for one in ruleset.rules if one.id.startswith(incomplete)]


def prepare(
    ruleset: RuleSet,
    *,
    exports: Sequence[str],
    manifests: Sequence[str],
    client: str | None,
    year: int | None,
    tz: str | None,
    reference: str | None,
    jobs: int | None,
    newest: int | None = None,
) -> Scanner:
    """A scanner that knows what the user says about the logs, and has read what lies beside them.

    Raises:
        LogscanError: *tz* or *reference* mean nothing.
    """
    from logscan.scan import Options, Scanner
    from logscan.times import zone_and_reference

    minutes, latest = zone_and_reference(tz, reference)
    options = Options(year=year, zone=minutes, reference=latest, client=client, jobs=jobs, newest=newest)
    scanner = Scanner(ruleset, options)
    for kind, paths in (("exports", exports), ("manifest", manifests)):
        for path in paths:
            given(path, partial(scanner.evidence, path, kind), scanner.read)
    return scanner


def given(path: str, take: Callable[[bytes], None], refuse: Callable[[SourceError], None]) -> None:
    """Read a file that an option names."""
    from logscan import filing
    from logscan.errors import SourceError
    from logscan.sorting import MAX_EVIDENCE

    try:
        data = filing.read(
            Path(path), MAX_EVIDENCE, "exports file or manifest", place=path,
            larger="give what concerns the failing volumes",
        )  # fmt: skip
    except SourceError as error:
        refuse(error)
    else:
        take(data)


def piped() -> bool:
    """Whether something else than a keyboard is standard input."""
    return sys.stdin is not None and not sys.stdin.isatty()


def read(scanner: Scanner, files: Sequence[str], progress: Progress, dask: str | None = None) -> bool:
    """Read all inputs; returns whether Ctrl-C ended it.

    Args:
        dask: the address of the cluster whose workers read.

    Raises:
        LogscanError: there is no such cluster, or it is of no use.
    """
    with opened(scanner, files, progress, dask) as (things, interrupts):
        for thing in things:
            scanner.read(thing)
        return interrupts.hit


@contextmanager
def opened(
    scanner: Scanner, files: Sequence[str], progress: Progress, dask: str | None = None
) -> Iterator[tuple[Iterator[Source | Narrowed | SourceError], Interrupts]]:
    """All inputs for *scanner*, counted, until Ctrl-C; arguments and errors are those of ``read``."""
    from logscan.crew import open_sources
    from logscan.terminal import Interrupts

    if "-" in files and sys.stdin is not None and sys.stdin.isatty():
        err("logscan: reading from the terminal; paste the log, then press Ctrl-D")
    with ExitStack() as stack:
        far = _far(stack, scanner, files, progress, dask) if dask is not None else None
        interrupts = stack.enter_context(Interrupts())
        stack.enter_context(progress)
        scanner.watch(lambda pieces: progress.count(interrupts.until(pieces)))
        things = far or stack.enter_context(closing(open_sources(files, scanner)))
        yield _counted(things, interrupts, progress), interrupts


def _counted(
    things: Iterator[Source | Narrowed | SourceError], interrupts: Interrupts, progress: Progress
) -> Iterator[Source | Narrowed | SourceError]:
    from dataclasses import replace

    from logscan.errors import SourceError
    from logscan.sources import Source

    for thing in interrupts.until(things):
        if isinstance(thing, SourceError):
            yield thing
        elif isinstance(thing, Source):
            yield replace(thing, chunks=progress.count(interrupts.until(thing.chunks)))
        else:
            yield replace(thing, pieces=progress.count(interrupts.until(thing.pieces)))


def _far(
    stack: ExitStack, scanner: Scanner, files: Sequence[str], progress: Progress, address: str
) -> Iterator[Source | Narrowed | SourceError]:
    """All inputs, read by the workers of a cluster."""
    from logscan import fleet

    client = stack.enter_context(fleet.connected(address, scanner.options.jobs))

    def watch(state: fleet.State) -> None:
        progress.part(state.done, state.total, "parts")

    opened = fleet.opened(files, client, scanner.rules, scanner.skipped, watch)
    return stack.enter_context(closing(opened))  # before the client, which it needs to call off what is under way


def read_report(file: str) -> Report:
    """Read what ``logscan --format json`` wrote; "-" is standard input.

    Raises:
        SourceError: it cannot be read, or is no report.
    """
    from logscan.report import json_reader

    return json_reader.read(_bytes(file), "standard input" if file == "-" else file)


def _bytes(file: str) -> bytes:
    """The whole file.

    Raises:
        SourceError: it cannot be read, or is larger than any report.
    """
    from logscan import filing

    return filing.read(sys.stdin.buffer if file == "-" else Path(file), MAX_REPORT, "report", place=file)
