"""``logscan diagnose``: what fails, why, what proves it, and the fix."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from logscan.commands.inputs import (
    client_option,
    exports_option,
    given,
    manifest_option,
    piped,
    read,
    tz_option,
    year_option,
)
from logscan.edge import (
    USAGE,
    color_option,
    complain,
    debug_option,
    format_option,
    metrics_option,
    output_option,
    rules_option,
    status_of,
    width_option,
)

SHORT_HELP = """\
logscan says why a csi-driver-nfs volume does not come up, from its logs.

  kubectl logs -n kube-system -l app=csi-nfs-controller -c nfs --tail=-1 | logscan
  logscan nfs.log bundle.tgz /var/log/pods

Nothing is piped in and no file is named. `logscan -` reads what is pasted into
the terminal; `logscan --help` tells the rest.
"""


@click.command()
@click.argument("files", nargs=-1)
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
@exports_option
@manifest_option
@client_option
@year_option
@tz_option
@click.option(
    "--reference-time", "reference", metavar="TIME",
    help="Latest time the log can have (2026-07-20T10:00:00Z); default: the file's own, or now.",
)  # fmt: skip
@click.option(
    "--follow", "-F", is_flag=True,
    help="Go on as the logs do, and tell what begins to fail and what recovers, until Ctrl-C.",
)  # fmt: skip
@metrics_option
@click.option("--jobs", "-j", type=click.IntRange(1, 256), help="Processes for large files; default: one per core.")
@color_option
@width_option
@click.option("--no-progress", is_flag=True, help="No progress on the terminal.")
@debug_option
@click.pass_context
def diagnose(
    ctx: click.Context,
    files: tuple[str, ...],
    format_: str | None,
    outputs: tuple[str, ...],
    rule_dirs: tuple[Path, ...],
    severity: str,
    fail_on: str,
    exports: tuple[str, ...],
    manifests: tuple[str, ...],
    client: str | None,
    year: int | None,
    tz: str | None,
    reference: str | None,
    follow: bool,
    metrics: str | None,
    color: str,
    width: int | None,
    jobs: int | None,
    no_progress: bool,
) -> None:
    """Diagnose logs: what fails, why, what proves it, and the fix.

    FILES are files, directories, patterns, archives (.gz .xz .bz2 .zst .tar) or
    - for standard input, which is the default. Exports files, their listings and
    manifests among them are known by their content, and decide between causes.

    \b
    Exit status:
      0    the report is written
      1    there is a diagnosis at or above --fail-on
      2    wrong usage, a broken rule, or a report that cannot be written
      3    an input could not be read; the report tells of the others
      4    an internal error
      130  Ctrl-C; the report tells of what was read until then
    """  # noqa: D301 - click wants the character itself
    from logscan import terminal
    from logscan.times import zone_and_reference

    targets = terminal.targets(outputs, format_, files)
    if metrics is not None:
        terminal.refuse(metrics, (*files, *(one.path for one in targets)))
    minutes, latest = zone_and_reference(tz, reference)
    if not files and not piped():
        click.echo(SHORT_HELP, err=True, nl=False)
        ctx.exit(USAGE)

    from logscan import rules, scan
    from logscan.commands.figures import Figures
    from logscan.model import Severity

    newest = scan.NEWEST if follow else None
    options = scan.Options(year=year, zone=minutes, reference=latest, client=client, jobs=jobs, newest=newest)
    scanner = scan.Scanner(rules.load(rule_dirs), options)
    for kind, paths in (("exports", exports), ("manifest", manifests)):
        for path in paths:
            given(path, partial(scanner.evidence, path, kind), scanner.read)
    lowest, figures = Severity[severity.upper()], Figures(metrics)
    if follow:
        from logscan.commands.follow import watch

        report = watch(scanner, files or ("-",), targets, lowest, figures, width=width, color=color)
    else:
        interrupted = read(scanner, files or ("-",), terminal.Progress(scanner, wanted=not no_progress))
        report = scanner.report(interrupted=interrupted)
    for error in scanner.errors():
        complain(str(error))
    unwritten = figures.save(report)
    unwritten += terminal.write_all(scan.only(report, lowest), targets, width=width, color=color)
    for fault in unwritten:
        complain(str(fault))
    ctx.exit(USAGE if unwritten else status_of(report, fail_on))
