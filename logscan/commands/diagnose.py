"""``logscan diagnose``: what fails, why, what proves it, and the fix."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from logscan.commands.configured import config_option, format_of
from logscan.commands.inputs import dask_option, piped, prepare, progress_option, read, reading_options, severity_option
from logscan.commands.redacting import Veil, redact_options
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
@severity_option
@click.option(
    "--fail-on", type=click.Choice(["error", "warning", "info", "never"]), default="never", show_default=True,
    help="Exit with 1 if a diagnosis is at least so severe, shown or not.",
)  # fmt: skip
@reading_options
@click.option(
    "--follow", "-F", is_flag=True,
    help="Go on as the logs do, and tell what begins to fail and what recovers, until Ctrl-C.",
)  # fmt: skip
@metrics_option
@redact_options
@color_option
@width_option
@dask_option
@progress_option
@config_option
@debug_option
@click.pass_context
def diagnose(
    ctx: click.Context,
    /,
    files: tuple[str, ...],
    format_: str | None,
    outputs: tuple[str, ...],
    rule_dirs: tuple[Path, ...],
    severity: str,
    fail_on: str,
    follow: bool,
    metrics: str | None,
    color: str,
    width: int | None,
    dask: str | None,
    no_progress: bool,
    veiling: Mapping[str, Any],
    **about: Any,
) -> None:
    """Diagnose logs: what fails, why, what proves it, and the fix.

    FILES are files, directories, patterns, archives (.gz .xz .bz2 .zst .tar), URLs
    such as s3://bucket/**/*.log.gz, or - for standard input, which is the default.
    Exports files, their listings and manifests among them are known by their
    content, and decide between causes.

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

    if follow and dask is not None:
        raise click.UsageError("--follow reads where it runs; leave --dask out.")
    format_, default = format_of(ctx, format_)
    targets = terminal.targets(outputs, format_, files, default=default)
    if metrics is not None:
        terminal.refuse(metrics, (*files, *(one.path for one in targets)))
    if not files and not piped():
        click.echo(SHORT_HELP, err=True, nl=False)
        ctx.exit(USAGE)

    from logscan import rules, scan
    from logscan.commands.figures import Figures
    from logscan.model import Severity

    ruleset = rules.load(rule_dirs)
    veil = Veil(ruleset, targets=targets, **veiling)
    scanner = prepare(ruleset, newest=scan.NEWEST if follow else None, **about)
    veil.over(scanner)
    lowest, figures = Severity[severity.upper()], Figures(metrics)
    if follow:
        from logscan.commands.follow import watch

        report = watch(scanner, files or ("-",), targets, lowest, figures, veil, width=width, color=color)
    else:
        interrupted = read(scanner, files or ("-",), terminal.Progress(scanner, wanted=not no_progress), dask)
        report = scanner.report(interrupted=interrupted)
    for error in scanner.errors():
        complain(veil.error(error))
    shown = veil.report(report)
    unwritten = figures.save(shown) + veil.close()
    unwritten += veil.write_all(scan.only(shown, lowest), targets, width=width, color=color)
    for fault in unwritten:
        complain(str(fault))
    ctx.exit(USAGE if unwritten else status_of(report, fail_on))
