"""``logscan convert``: a written JSON report in another format."""

from __future__ import annotations

import sys

import click

from logscan.commands.inputs import read_report
from logscan.edge import (
    UNREAD,
    USAGE,
    color_option,
    complain,
    debug_option,
    format_option,
    output_option,
    width_option,
)


@click.command()
@click.argument("file", metavar="REPORT", default="-")
@format_option
@output_option
@color_option
@width_option
@debug_option
@click.pass_context
def convert(
    ctx: click.Context, file: str, format_: str | None, outputs: tuple[str, ...], color: str, width: int | None
) -> None:
    """Write a JSON report in other formats, without the logs that it was made from.

    REPORT is what `logscan --format json` wrote; - is standard input, which is the
    default. The result is the same as if logscan had written the format itself.

    \b
      logscan convert report.json --output sarif=report.sarif --output @step-summary

    \b
    Exit status:
      0    the reports are written
      2    wrong usage, or a report that cannot be written
      3    REPORT cannot be read, or is no report of logscan
    """  # noqa: D301 - click wants the character itself
    from logscan import terminal
    from logscan.errors import SourceError

    if file == "-" and (sys.stdin is None or sys.stdin.isatty()):
        raise click.UsageError("No report: name a file, or pipe one.")
    targets = terminal.targets(outputs, format_, [file])
    try:
        report = read_report(file)
    except SourceError as error:
        complain(str(error))
        ctx.exit(UNREAD)
    unwritten = terminal.write_all(report, targets, width=width, color=color)
    for fault in unwritten:
        complain(str(fault))
    ctx.exit(USAGE if unwritten else 0)
