"""``logscan kubectl`` and ``kubectl nfs-logscan``: collect from a cluster with the user's kubectl, and diagnose."""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from logscan import __version__
from logscan.commands.configured import config_option
from logscan.commands.redacting import Veil, redact_options
from logscan.edge import (
    UNREAD,
    USAGE,
    color_option,
    complain,
    debug_option,
    err,
    format_option,
    output_option,
    rules_option,
    status_of,
    width_option,
)

if TYPE_CHECKING:
    from logscan.cluster.collect import Wish
    from logscan.cluster.run import Result, Runner
    from logscan.scan import Scanner


_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h))+")


@click.command()
@click.argument("name", required=False, metavar="[PVC|POD|NAMESPACE/NAME]")
@click.option(
    "--namespace", "-n", default="", metavar="NAMESPACE", help="Where the driver's pods are; default: all are searched."
)
@click.option("--selector", "-l", default="", metavar="LABELS", help="Of the driver's pods, if theirs are not the usual ones.")  # fmt: skip
@click.option("--context", metavar="NAME", help="Of the kubeconfig; passed on to kubectl.")
@click.option("--kubeconfig", metavar="FILE", help="Passed on to kubectl.")
@click.option("--as", "user", metavar="USER", help="Ask as another user; passed on to kubectl.")
@click.option("--since", default="", metavar="DURATION", help="Only logs of the last 5s, 2m or 3h; default: all there are.")  # fmt: skip
@click.option("--all-nodes", is_flag=True, help="Logs of all nodes, not only of 20 in a large cluster.")
@click.option("--save", metavar="FILE.tgz", help="Keep what was collected as a bundle, which logscan reads again.")
@click.option("--dry-run", is_flag=True, help="Print the kubectl commands; run only those that look up pods and NAME.")
@click.option("--timeout", type=click.FloatRange(min=0.1), default=60, show_default=True, metavar="SECONDS", help="For each command.")  # fmt: skip
@click.option("--parallel", type=click.IntRange(1, 64), default=8, show_default=True, help="Commands at a time.")
@click.option("--kubectl", "program", default="kubectl", show_default=True, metavar="PROGRAM", help="Which kubectl to run.")  # fmt: skip
@format_option
@output_option
@rules_option
@click.option(
    "--severity", type=click.Choice(["info", "warning", "error"]), default="info", show_default=True,
    help="The least severity of diagnoses that is shown.",
)  # fmt: skip
@click.option(
    "--fail-on", type=click.Choice(["error", "warning", "info", "never"]), default="never", show_default=True,
    help="Exit with 1 if a diagnosis is at least so severe, shown or not.",
)  # fmt: skip
@redact_options
@color_option
@width_option
@click.option("--no-progress", is_flag=True, help="No progress on the terminal.")
@config_option
@debug_option
@click.pass_context
def kubectl(
    ctx: click.Context,
    name: str | None,
    namespace: str,
    selector: str,
    context: str | None,
    kubeconfig: str | None,
    user: str | None,
    since: str,
    all_nodes: bool,
    save: str | None,
    dry_run: bool,
    timeout: float,
    parallel: int,
    program: str,
    format_: str | None,
    outputs: tuple[str, ...],
    rule_dirs: tuple[Path, ...],
    severity: str,
    fail_on: str,
    color: str,
    width: int | None,
    no_progress: bool,
    veiling: Mapping[str, Any],
) -> None:
    """Ask a cluster with your own kubectl what is wrong with its NFS volumes.

    Fetches the logs of the driver's pods, also from before their restarts, events, StorageClasses,
    volumes and claims, and diagnoses them. With the name of a claim or pod (pvc/NAME and pod/NAME
    choose) only what concerns it, and only logs of the node that it is on. Runs kubectl get, logs
    and describe, nothing else: nothing is changed, no Secret is read.

    \b
      kubectl nfs-logscan shop/data-0
      kubectl nfs-logscan -n kube-system --save case.tgz

    \b
    Exit status:
      0    the report is written
      1    there is a diagnosis at or above --fail-on
      2    wrong usage, a broken rule, or a file that cannot be written
      3    something could not be asked; the report tells of the rest
      4    an internal error
      130  Ctrl-C; the report tells of what was collected until then
    """  # noqa: D301 - click wants the character itself
    from logscan import rules, scan, terminal
    from logscan.cluster import pack, run
    from logscan.cluster.collect import Wish, target_of
    from logscan.errors import LogscanError
    from logscan.model import Severity

    target = target_of(name) if name else None
    if name and target is None:
        raise click.UsageError(f"{name!r} is no name of a claim or pod: NAME, NAMESPACE/NAME, pvc/NAME or pod/NAME.")
    if since and not _DURATION.fullmatch(since):
        raise click.UsageError(f"--since {since!r} is no duration: 90s, 15m, 3h, 1h30m.")
    targets = terminal.targets(outputs, format_, [save] if save else [])
    if save is not None:
        if not save.endswith(pack.ENDINGS):
            raise click.UsageError(f"--save {save}: the bundle is a packed tar; call it *.tgz.")
        terminal.refuse(save, ())
    ruleset = rules.load(rule_dirs)
    veil = Veil(ruleset, targets=targets, **veiling)
    scanner = scan.Scanner(ruleset)
    veil.over(scanner)
    wish = Wish(target, namespace, selector, since, all_nodes)
    connection = [f"--{key}={value}" for key, value in (("context", context), ("kubeconfig", kubeconfig), ("as", user)) if value]  # fmt: skip

    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="logscan-", ignore_cleanup_errors=True) as scratch:
        runner = run.Runner(program, connection, Path(scratch) / pack.root_name(time.time()), timeout, parallel)
        runner.directory.mkdir()
        interrupted = _collect(
            ctx, scanner, runner, wish, veil, dry=dry_run, saving=save is not None, progress=not no_progress
        )
        unwritten: list[LogscanError] = []
        if save is not None:
            try:
                pack.save(runner.directory, save)
            except LogscanError as error:
                unwritten.append(error)
        kept = save if save is not None and not unwritten else None
        interrupted = _read(scanner, runner.directory, kept, progress=not no_progress) or interrupted
    report = veil.report(scanner.report(interrupted=interrupted))
    for unread in scanner.errors():
        complain(veil.error(unread))
    unwritten += veil.close()
    lowest = Severity[severity.upper()]
    unwritten += veil.write_all(scan.only(report, lowest), targets, width=width, color=color)
    for fault in unwritten:
        complain(str(fault))
    if kept is not None:
        err(f"logscan: saved {kept}; it tells names and addresses of your cluster")
    ctx.exit(USAGE if unwritten else status_of(report, fail_on))


def _collect(
    ctx: click.Context,
    scanner: Scanner,
    runner: Runner,
    wish: Wish,
    veil: Veil,
    *,
    dry: bool,
    saving: bool,
    progress: bool,
) -> bool:
    """Fill the runner's directory; what could not be had goes to *scanner*.  Returns whether Ctrl-C ended it."""
    from logscan.cluster import pack
    from logscan.cluster.collect import Collector
    from logscan.cluster.run import NoKubectlError

    ticker = _Ticker(wanted=progress)
    collector = Collector(runner, wish, ticker.tick)
    interrupted = False
    try:
        with ticker:
            collector.collect(dry=dry)
    except NoKubectlError as error:
        complain(
            f"kubectl: cannot be run: {str(error).lower()}\n  help: put it on the PATH, or name it: --kubectl PROGRAM"
        )
        ctx.exit(UNREAD)
    except OSError as error:
        from logscan.errors import LogscanError

        raise LogscanError(str(runner.directory.parent), f"cannot be written: {error.strerror or error}", "TMPDIR names another directory") from error  # fmt: skip
    except KeyboardInterrupt:
        interrupted = True
    found = collector.found
    if dry:
        for command in found.commands:
            click.echo(runner.line(command))
    if dry or found.lost:
        for fault in found.faults:
            complain(veil.error(fault))
        ctx.exit(UNREAD if found.faults else 0)
    for text in found.notes:
        err(f"logscan: {veil.text(text)}")
    for fault in found.faults:
        scanner.unread(fault)
    pack.clear(runner, found.results)
    if saving:
        pack.note(runner, found.results, found.notes, __version__)
    return interrupted


def _read(scanner: Scanner, directory: Path, saved: str | None, *, progress: bool) -> bool:
    """Read what was collected, where it was saved from there; returns whether Ctrl-C ended it."""
    from logscan.cluster.pack import short
    from logscan.errors import SourceError
    from logscan.sources import open_sources
    from logscan.terminal import Interrupts, Progress

    skipped: Counter[tuple[str, str]] = Counter()
    bar = Progress(scanner, wanted=progress)
    with Interrupts() as interrupts, bar:
        scanner.watch(lambda pieces: bar.count(interrupts.until(pieces)))
        for source in interrupts.until(open_sources([saved or str(directory)], skipped=skipped)):
            if isinstance(source, SourceError):
                # That there is nothing to read has been said, by what could not be had.
                if not scanner.errors():
                    scanner.read(source)
                continue
            chunks = bar.count(interrupts.until(source.chunks))
            scanner.read(replace(source, name=short(source.name, directory), chunks=chunks))
        interrupted = interrupts.hit
    for (place, what), count in skipped.items():
        scanner.skipped[saved or directory.name if place == str(directory) else short(place, directory), what] += count
    return interrupted


class _Ticker:
    """How far the collecting is, on a terminal."""

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted and sys.stderr is not None and sys.stderr.isatty()
        self._done = 0
        self._shown = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._shown:
            self._show("")

    def tick(self, result: Result, left: int) -> None:
        """One command has ended."""
        self._done += 1
        if self._wanted:
            words = [word for word in result.command.args if not word.startswith("-")]
            self._show(f"{self._done} of {self._done + left} asked: kubectl {' '.join(words)}"[:78])

    def _show(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(f"\r{text:<{self._shown}}" + ("" if text else "\r"))
            sys.stderr.flush()
        self._shown = len(text)
