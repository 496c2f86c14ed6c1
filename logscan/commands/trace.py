"""``logscan trace``: the life of a volume."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from logscan.commands.configured import config_option
from logscan.commands.inputs import piped, read, tz_option, year_option
from logscan.commands.redacting import Veil, redact_options
from logscan.edge import color_option, complain, debug_option, rules_option, status_of, width_option
from logscan.errors import LogscanError

if TYPE_CHECKING:
    from logscan.scan import Scanner


@click.command()
@click.argument("words", nargs=-1, metavar="[VOLUME] [FILES]...")
@click.option(
    "--volume", "wanted", metavar="VOLUME", help="The volume, where its name is also that of a file; all else is FILES."
)
@click.option("--format", "-f", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--output", "-o", metavar="FILE", default="-", help="Write the trace to FILE; - is standard output.")
@year_option
@tz_option
@click.option("--reference-time", "reference", metavar="TIME", help="Latest time the log can have; see diagnose.")
@rules_option
@redact_options
@color_option
@width_option
@click.option("--no-progress", is_flag=True, help="No progress on the terminal.")
@config_option
@debug_option
@click.pass_context
def trace(
    ctx: click.Context,
    words: tuple[str, ...],
    wanted: str | None,
    format_: str,
    output: str,
    year: int | None,
    tz: str | None,
    reference: str | None,
    rule_dirs: tuple[Path, ...],
    color: str,
    width: int | None,
    no_progress: bool,
    veiling: Mapping[str, Any],
) -> None:
    """Show the life of a volume: its calls by time, how they ended, how long they took, the gaps between.

    VOLUME is a PV's name, a volume handle, a claim's name or NAMESPACE/NAME; a
    part that only one volume has is enough. Without it: the ten volumes that
    fare worst. FILES are as for `logscan diagnose`; without any: standard input.
    The first word is VOLUME if there is no file of that name.

    \b
      kubectl logs -n kube-system deploy/csi-nfs-controller -c nfs | logscan trace
      logscan trace default/data-0 controller.log node.log

    Exits with 0 whatever it shows, with 2 if no volume is meant or several are, and
    as `logscan diagnose` does for inputs that cannot be read.
    """  # noqa: D301 - click wants the character itself
    from logscan import terminal
    from logscan.times import zone_and_reference

    if wanted is None and words and not _is_input(words[0]):
        wanted, words = words[0], words[1:]
    minutes, latest = zone_and_reference(tz, reference)
    (target,) = terminal.targets([output], format_, words)
    if not words and not piped():
        problem = "there is no such file, and no input in which to look for a volume of that name"
        if wanted is None:
            raise click.UsageError("No input: name a file, or pipe a log")
        raise LogscanError(wanted, problem, "logscan trace --help")

    from logscan import rules, scan

    options = scan.Options(year=year, zone=minutes, reference=latest, trace=True)
    ruleset = rules.load(rule_dirs)
    veil = Veil(ruleset, **veiling)
    scanner = scan.Scanner(ruleset, options)
    veil.over(scanner)
    interrupted = read(scanner, words or ("-",), terminal.Progress(scanner, wanted=not no_progress))
    report = scanner.report(interrupted=interrupted)
    for error in scanner.errors():
        complain(veil.error(error))
    try:
        chosen = _one_volume(scanner, wanted) if wanted is not None else None
    except LogscanError as error:
        raise veil.fault(error) from error
    terminal.write(veil.trace(scanner.trace(report, chosen)), target, width=width, color=color)
    for fault in veil.close():
        raise fault
    ctx.exit(status_of(report, "never"))


def _is_input(word: str) -> bool:
    """Whether a word is of FILES, and not the volume's name."""
    from logscan.finding import is_url

    # Path.exists raises for a name that is too long.
    return word == "-" or os.path.exists(word) or bool(set("*?[") & set(word)) or is_url(word)  # noqa: PTH110


def _one_volume(scanner: Scanner, wanted: str) -> str:
    """The name of the volume that *wanted* means.

    Raises:
        LogscanError: it means none, or several.
    """
    from logscan import timeline

    volumes = scanner.volumes()
    found = timeline.find(volumes, wanted)
    if len(found) == 1:
        return found[0]
    called = {one.name: f"{one.name} ({one.namespace}/{one.pvc})" if one.pvc else one.name for one in volumes}
    some = ", ".join([called[name] for name in found or called][:5])
    if found:
        raise LogscanError(wanted, f"{len(found)} volumes are meant by it", f"say more of the name: {some}")
    known = f"the input tells of {some}" if called else "the input tells of no volume"
    raise LogscanError(wanted, "there is no volume of that name in the input, and no such file", known)
