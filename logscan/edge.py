"""What the commands share: their exit statuses, options, and how an error is told."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from logscan.model import Report

# The meanings of the exit status; 0 is success.
FOUND = 1  # something at or above --fail-on, or a rule test that fails
USAGE = 2  # also configuration, rules and outputs
UNREAD = 3  # an input could not be read
INTERNAL = 4
INTERRUPTED = 130


def err(text: str) -> None:
    """One line for whoever watches; standard output is for what was asked for."""
    # Whoever watches may have gone, or have no room: the report and the status matter more.
    with suppress(OSError):
        click.echo(text, err=True)


def tell(text: str) -> None:
    """One remark that is no error."""
    from logscan.report.safe import visible

    err(f"logscan: {visible(text)}")


def complain(text: str) -> None:
    """One error, "place: problem", and its "  help: …" line if there is one."""
    from logscan.report.safe import visible

    # A file's name is no more to be trusted than what is in the file.
    err("logscan: error: " + "\n".join(visible(line) for line in text.split("\n")))


def status_of(report: Report, fail_on: str) -> int:
    """The exit status that a report has."""
    from logscan.model import Severity

    if report.interrupted:
        return INTERRUPTED
    if report.errors:
        return UNREAD
    if fail_on == "never":
        return 0
    lowest = Severity[fail_on.upper()]
    return FOUND if any(one.severity >= lowest for one in report.diagnoses) else 0


DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
rules_option = click.option(
    "--rules", "rule_dirs", type=DIRECTORY, multiple=True, metavar="DIR",
    help="Directory with more rules; they add to the built-in ones or override them by id. Repeatable.",
)  # fmt: skip
file_option = click.option(
    "--output", "-o", "file", default="-", metavar="FILE", help="Write to FILE; - is standard output."
)
color_option = click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True,
    help="When to use colours. NO_COLOR and CLICOLOR_FORCE are heeded too.",
)  # fmt: skip
width_option = click.option(
    "--width", type=click.IntRange(20, 1000), metavar="COLUMNS", help="Width of the text; default: the terminal's."
)
# The keys of report.WRITERS, known without importing it.
FORMATS = ("text", "json", "ndjson", "markdown", "html", "csv", "sarif", "junit", "github", "gitlab", "issue")
format_option = click.option(
    "--format", "-f", "format_", type=click.Choice(FORMATS),
    help="Default: what FILE's ending says, else text.",
)  # fmt: skip
output_option = click.option(
    "--output", "-o", "outputs", multiple=True, metavar="[FORMAT=]FILE",
    help="Write the report to FILE; - is standard output, @step-summary that of GitHub Actions. Repeatable.",
)  # fmt: skip
metrics_option = click.option(
    "--metrics", metavar="FILE",
    help="Write figures for Prometheus to FILE (*.prom), for the textfile collector; with --follow again and again.",
)  # fmt: skip
# It is looked for among the arguments, because an error may come before they are parsed.
debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, help="Print the traceback of an internal error."
)
