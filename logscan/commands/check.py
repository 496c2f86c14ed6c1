"""``logscan check``: the gate of a CI job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from logscan.commands.configured import config_option, format_of, working_directory
from logscan.commands.inputs import (
    complete_rules,
    dask_option,
    piped,
    prepare,
    progress_option,
    read,
    read_report,
    reading_options,
    severity_option,
)
from logscan.commands.redacting import Veil, redact_options
from logscan.edge import (
    FOUND,
    USAGE,
    color_option,
    complain,
    debug_option,
    format_option,
    metrics_option,
    output_option,
    rules_option,
    status_of,
    tell,
    width_option,
)
from logscan.errors import LogscanError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from logscan.gate import Demands
    from logscan.ignores import Ignore
    from logscan.model import Report
    from logscan.rules import RuleSet
    from logscan.scan import Scanner

MAX_IGNORE = 1 << 20  # bytes


@click.command()
@click.argument("files", nargs=-1)
@click.option(
    "--fail-on", type=click.Choice(["error", "warning", "info", "new", "never"]), default="error", show_default=True,
    help="Fail if a diagnosis is at least so severe, shown or not; new: a warning or worse that --baseline does not have.",
)  # fmt: skip
@severity_option
@click.option(
    "--expect", "expected", multiple=True, metavar="ID", shell_complete=complete_rules,
    help="Fail if this rule does not appear. Repeatable.",
)  # fmt: skip
@click.option(
    "--forbid", "forbidden", multiple=True, metavar="ID", shell_complete=complete_rules,
    help="Fail if this rule appears. Repeatable.",
)  # fmt: skip
@click.option(
    "--max", "most", multiple=True, metavar="ID=N", help="Fail if this rule appears more than N times. Repeatable."
)
@click.option(
    "--min-parsed", type=click.FloatRange(0, 100), metavar="PERCENT",
    help="Fail if a smaller part of the lines is of a known form.",
)  # fmt: skip
@click.option(
    "--baseline", metavar="REPORT", help="A JSON report of logscan; what it has is marked as known, see --fail-on new."
)
@click.option("--write-baseline", metavar="FILE", help="Write what is not ignored as the baseline of the next run.")
@click.option(
    "--ignore-file", metavar="FILE",
    help="What to ignore; default: .logscan-ignore.yaml here or in the nearest parent directory.",
)  # fmt: skip
@click.option("--no-ignore", is_flag=True, help="Ignore nothing, whatever the ignore file says.")
@click.option("--allow-empty", is_flag=True, help="Let an input be empty; else that is exit status 3.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 where the check fails; the reports tell that it did.")
@format_option
@output_option
@rules_option
@reading_options
@metrics_option
@redact_options
@color_option
@width_option
@dask_option
@progress_option
@config_option
@debug_option
@click.pass_context
def check(
    ctx: click.Context,
    /,
    files: tuple[str, ...],
    fail_on: str,
    severity: str,
    expected: tuple[str, ...],
    forbidden: tuple[str, ...],
    most: tuple[str, ...],
    min_parsed: float | None,
    baseline: str | None,
    write_baseline: str | None,
    ignore_file: str | None,
    no_ignore: bool,
    allow_empty: bool,
    exit_zero: bool,
    format_: str | None,
    outputs: tuple[str, ...],
    rule_dirs: tuple[Path, ...],
    metrics: str | None,
    color: str,
    width: int | None,
    dask: str | None,
    no_progress: bool,
    veiling: Mapping[str, Any],
    **about: Any,
) -> None:
    """Fail if logs are not as they must be: the gate of a CI job.

    FILES are diagnosed and reported as by `logscan diagnose`. A rule that is expected, or that appears
    no more often than it may, does not count for --fail-on.

    \b
      logscan check logs/ -o junit.xml -o @step-summary
      logscan check logs/ --expect mount-access-denied --forbid create-mkdir-rofs
      logscan check logs/ --baseline main.json --fail-on new

    \b
    Exit status:
      0    all is as it must be
      1    something is not
      2    wrong usage, a broken rule, baseline or ignore file, or a report that cannot be written
      3    an input could not be read, is empty or is no log; the report tells of the others
      4    an internal error
      130  Ctrl-C; the report tells of what was read until then
    """  # noqa: D301 - click wants the character itself
    from logscan import gate, rules, scan, terminal
    from logscan.commands.figures import Figures
    from logscan.model import Severity

    format_, default = format_of(ctx, format_)
    targets = terminal.targets(outputs, format_, files, default=default)
    for written in filter(None, (metrics, write_baseline)):
        terminal.refuse(written, (*files, *(one.path for one in targets)))
    if not files and not piped():
        raise click.UsageError("No input: name a file, or pipe a log")
    if fail_on == "new" and baseline is None:
        raise click.UsageError("--fail-on new needs a --baseline to compare with.")
    ruleset = rules.load(rule_dirs)
    demands = _demands(ruleset, fail_on, expected, forbidden, most, min_parsed)
    entries = () if no_ignore else _ignores(ignore_file)
    before = _baseline(baseline, write_baseline) if baseline is not None else None

    veil = Veil(ruleset, targets=targets, **veiling)
    if veil.passing and (baseline is not None or write_baseline is not None):
        raise click.UsageError("A baseline needs stand-ins that stay the same: --redact-map, or $LOGSCAN_REDACT_SALT.")
    scanner = prepare(ruleset, **about)
    veil.over(scanner)
    interrupted = read(scanner, files or ("-",), terminal.Progress(scanner, wanted=not no_progress), dask)
    report = _readable(scanner, scanner.report(interrupted=interrupted), files or ("-",), veil, allow_empty=allow_empty)
    figures = Figures(metrics)
    report = veil.report(_ignored(report, entries))
    unwritten = figures.save(report) + veil.close()
    if write_baseline is not None:
        unwritten += _write_baseline(report, write_baseline)
    if before is not None:
        report, gone = gate.compare(report, before)
        if gone:
            tell(f"{gone:,} of the baseline did not appear")
    hidden = [str(one["id"]) for one in report.suppressed]
    report = gate.judge(report, demands, hidden)
    unwritten += veil.write_all(scan.only(report, Severity[severity.upper()]), targets, width=width, color=color)
    for fault in unwritten:
        complain(str(fault))
    assert report.check is not None
    for one in report.check.requirements:
        if not one.met:
            tell(f"check failed: {one.wanted}: {one.text}")
    status = status_of(report, "never")
    if status == 0 and not report.check.passed and not exit_zero:
        status = FOUND
    ctx.exit(USAGE if unwritten else status)


# ---------------------------------------------------------------- what is asked for


def _demands(
    ruleset: RuleSet,
    fail_on: str,
    expected: Sequence[str],
    forbidden: Sequence[str],
    most: Sequence[str],
    min_parsed: float | None,
) -> Demands:
    """What the options ask for.

    Raises:
        LogscanError: an option names no rule, or two that contradict each other.
    """
    from logscan import gate

    limits: dict[str, int] = {}
    for text in most:
        rule, _, number = text.rpartition("=")
        if not rule or not number.isascii() or not number.isdigit():
            raise LogscanError(f"--max {text}", "is not ID=N", "such as --max mount-timeout=3")
        limits[rule] = int(number)
    for option, ids in (("--expect", expected), ("--forbid", forbidden), ("--max", limits)):
        for rule in ids:
            _known(ruleset, option, rule)
    for rule in (*forbidden, *(rule for rule, number in limits.items() if number == 0)):
        if rule in expected:
            raise LogscanError(f"--expect {rule}", "the rule is expected and forbidden", "ask for one of them")
    return gate.Demands(fail_on, tuple(expected), tuple(forbidden), limits, min_parsed)


def _known(ruleset: RuleSet, option: str, rule: str) -> None:
    from logscan.model import UNRECOGNISED_FAILURE
    from logscan.rulebook.vocabulary import suggest

    # A misspelt rule never appears: --forbid and --max would be met for good.
    if rule not in ruleset.by_id and rule != UNRECOGNISED_FAILURE:
        known = [*ruleset.by_id, UNRECOGNISED_FAILURE]
        raise LogscanError(f"{option} {rule}", "there is no such rule", suggest(rule, known, "rules"))


def _ignores(file: str | None) -> Sequence[Ignore]:
    """The entries of the ignore file.

    Raises:
        LogscanError: it cannot be read, or says what it must not.
    """
    from logscan import filing, ignores

    path = Path(file) if file is not None else _nearest(ignores.NAME)
    if path is None:
        return ()
    name = os.path.relpath(path) if file is None else file
    data = filing.read(path, MAX_IGNORE, "ignore file", place=name, missing="check --ignore-file")
    return ignores.parse(data.decode("utf-8", "replace"), name)


def _nearest(name: str) -> Path | None:
    """A regular file of that name in the working directory or its nearest parent."""
    here = working_directory()
    if here is None:
        return None
    return next((one / name for one in (here, *here.parents) if os.path.isfile(one / name)), None)  # noqa: PTH113 - Path.is_file raises where access is denied


def _baseline(file: str, written: str | None) -> Report:
    """The baseline; an empty one if this run is to write it for the first time.

    Raises:
        LogscanError: it cannot be read, or is no report.
    """
    from logscan import __version__
    from logscan.errors import SourceError
    from logscan.model import Report

    if written is not None and not os.path.exists(file) and os.path.realpath(written) == os.path.realpath(file):  # noqa: PTH110 - Path.exists raises where access is denied
        return Report(__version__, "healthy")
    try:
        return read_report(file)
    except SourceError as error:
        raise LogscanError(error.place, error.problem, error.help or "check --baseline") from error


# ---------------------------------------------------------------- what comes of it


def _readable(scanner: Scanner, report: Report, files: Sequence[str], veil: Veil, *, allow_empty: bool) -> Report:
    """The report, which also tells of inputs that can show nothing; all that could not be read is complained of."""
    from dataclasses import replace

    from logscan import gate

    for error in scanner.errors():
        complain(veil.error(error))
    useless = gate.empty(report, files, allow_empty=allow_empty)
    for name, problem in useless:
        advice = "--allow-empty if it may be" if problem == gate.EMPTY else "give the log as the container wrote it"
        complain(f"{veil.place(name)}: {problem}\n  help: what says nothing proves nothing; {advice}")
    return replace(report, errors=report.errors + tuple(f"{name}: {problem}" for name, problem in useless))


def _ignored(report: Report, entries: Sequence[Ignore]) -> Report:
    from datetime import UTC, datetime

    from logscan import gate

    report, warnings = gate.ignore(report, entries, datetime.now(UTC).date())
    for text in warnings:
        tell(f"warning: {text}")
    return report


def _write_baseline(report: Report, file: str) -> list[LogscanError]:
    """Write the baseline of the next run.

    Returns:
        Why it was not written.
    """
    from logscan import filing
    from logscan.report import json_v1

    if report.errors or report.interrupted:
        # What was not read would be new the next time.
        return [LogscanError(file, "the baseline is not written, because not all could be read", "mend the input")]
    try:
        filing.save(file, lambda out: json_v1.write(report, out))
    except LogscanError as error:
        return [error]
    return []
