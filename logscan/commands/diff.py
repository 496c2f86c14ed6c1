"""``logscan diff``: what differs between two runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from logscan.commands.configured import config_option
from logscan.commands.inputs import prepare, progress_option, read, read_report, reading_options, severity_option
from logscan.commands.redacting import Veil, redact_options
from logscan.edge import FOUND, UNREAD, color_option, complain, debug_option, rules_option, width_option

if TYPE_CHECKING:
    from logscan.compare import Diff
    from logscan.model import Report
    from logscan.rules import RuleSet

_PEEKED = 4096  # bytes in which a report says that it is one


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@click.option(
    "--fail-on", type=click.Choice(["never", "new", "more"]), default="never", show_default=True,
    help="Exit with 1 if a warning or worse is new in B; more: or more often.",
)  # fmt: skip
@severity_option
@click.option("--format", "-f", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--output", "-o", metavar="FILE", default="-", help="Write to FILE; - is standard output.")
@rules_option
@reading_options
@redact_options
@color_option
@width_option
@progress_option
@config_option
@debug_option
@click.pass_context
def diff(
    ctx: click.Context,
    /,
    before: str,
    after: str,
    fail_on: str,
    severity: str,
    format_: str,
    output: str,
    rule_dirs: tuple[Path, ...],
    color: str,
    width: int | None,
    no_progress: bool,
    veiling: Mapping[str, Any],
    **about: Any,
) -> None:
    """Compare two runs: what is new in B, gone, more, fewer, the same.

    A and B are each a log, a directory, an archive, - for standard input, or a
    JSON report of logscan. What is said of time, exports and the like is said of
    both. A finding is the same if rule, category and shares are.

    \b
      logscan diff last-good.json logs/
      logscan diff before.log after.log --fail-on new

    \b
    Exit status:
      0    the comparison is written
      1    there is what --fail-on asks for
      2    wrong usage, a broken rule, or a file that cannot be written
      3    an input could not be read; what could be is compared
      4    an internal error
      130  Ctrl-C; nothing is compared
    """  # noqa: D301 - click wants the character itself
    from logscan import compare, rules, scan, terminal
    from logscan.model import Severity

    if before == after == "-":
        raise click.UsageError("Only one of A and B can be standard input")
    (target,) = terminal.targets([output], format_, [before, after])
    ruleset, lowest = rules.load(rule_dirs), Severity[severity.upper()]
    veil = Veil(ruleset, **veiling)
    reports = [
        scan.only(_report(one, ruleset, about, veil, progress=not no_progress), lowest) for one in (before, after)
    ]
    told = veil.reports(reports)
    found = compare.compare(told[0], told[1], (veil.place(before), veil.place(after)))
    terminal.write(found, target, width=width, color=color)
    for fault in veil.close():
        raise fault
    if any(report.errors for report in reports):
        ctx.exit(UNREAD)
    ctx.exit(FOUND if _fails(found, fail_on) else 0)


def _fails(found: Diff, fail_on: str) -> bool:
    from logscan.model import Severity

    kinds = {"never": (), "new": ("new",), "more": ("new", "more")}[fail_on]
    return any(one.kind in kinds and one.latest.severity >= Severity.WARNING for one in found.findings)


def _report(name: str, ruleset: RuleSet, about: dict[str, Any], veil: Veil, *, progress: bool) -> Report:
    """The report that *name* holds, or the one on the logs there; what cannot be read is complained of.

    Raises:
        KeyboardInterrupt: half a run is no run to compare with.
    """
    from dataclasses import replace

    from logscan import terminal
    from logscan.errors import SourceError

    scanner = prepare(ruleset, **about)
    veil.over(scanner)
    if _is_report(name):
        try:
            return read_report(name)
        except SourceError as fault:
            scanner.read(fault)
            interrupted = False
    else:
        interrupted = read(scanner, [name], terminal.Progress(scanner, wanted=progress))
    if interrupted:
        raise KeyboardInterrupt
    for error in scanner.errors():
        complain(veil.error(error))
    return replace(scanner.report(), interrupted=False)


def _is_report(name: str) -> bool:
    """Whether the file begins as a JSON report does, in whatever encoding a shell has written it."""
    try:
        if name == "-":
            peek = getattr(getattr(sys.stdin, "buffer", None), "peek", None)  # a stand-in for it may have none
            head = peek(_PEEKED) if peek is not None and not sys.stdin.isatty() else b""
        elif os.path.isfile(name):  # noqa: PTH113 - Path.is_file raises where access is denied
            with Path(name).open("rb") as file:
                head = file.read(_PEEKED)
        else:
            return False
    except OSError:
        return False
    plain = head.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    return plain.startswith(b"{") and b'"logscan.report/' in plain
