"""The command line: the only module that prints, exits or knows of a terminal.

Only click and errors are imported at the top, so that ``--version`` and a
mistyped option answer at once; each command imports what it needs.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import click
from click_default_group import DefaultGroup

from logscan import __version__
from logscan.commands.convert import convert
from logscan.commands.kubectl import kubectl
from logscan.edge import (
    FOUND,
    INTERNAL,
    INTERRUPTED,
    UNREAD,
    USAGE,
    color_option,
    complain,
    debug_option,
    err,
    format_option,
    metrics_option,
    output_option,
    rules_option,
    status_of,
    width_option,
)
from logscan.errors import LogscanError, RulesError
from logscan.rulescli import rules_group

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from logscan.errors import SourceError
    from logscan.evidence import Facts
    from logscan.terminal import Progress


MAX_FAULTS = 20  # of rule files, before a run: what came first must stay on the screen


SHORT_HELP = """\
logscan says why a csi-driver-nfs volume does not come up, from its logs.

  kubectl logs -n kube-system -l app=csi-nfs-controller -c nfs --tail=-1 | logscan
  logscan nfs.log bundle.tgz /var/log/pods

Nothing is piped in and no file is named. `logscan -` reads what is pasted into
the terminal; `logscan --help` tells the rest.
"""


# ---------------------------------------------------------------- the edge


def main() -> NoReturn:
    """Run the command line; the entry point of the program."""
    # A closed pipe (`logscan … | head`) ends the program as it ends any other,
    # by the signal.  Python ignores the signal and click makes exit status 1 of
    # the error, which would say here that something was found.
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(run(sys.argv[1:]))


def kubectl_plugin() -> NoReturn:
    """Run ``kubectl nfs-logscan``; the entry point of the plug-in."""
    sys.exit(run(sys.argv[1:], kubectl, "kubectl nfs-logscan"))


def run(arguments: Sequence[str], command: click.Command | None = None, name: str = "logscan") -> int:
    """Run one command line and return its exit status; every error becomes a line on stderr.

    Args:
        command: the whole program, unless given.
        name: as its user calls it.
    """
    try:
        status = (command or cli).main(list(arguments), prog_name=name, standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.UsageError as error:
        return _usage(error)
    except click.ClickException as error:
        complain(error.format_message().rstrip("."))
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted")
        return INTERRUPTED
    except RulesError as error:
        for fault in error.faults[:MAX_FAULTS]:
            complain(str(fault))
        if len(error.faults) > MAX_FAULTS:
            err(f"logscan: and {len(error.faults) - MAX_FAULTS} more faults in rules; logscan rules lint shows all")
        return USAGE
    except LogscanError as error:
        complain(str(error))
        return USAGE
    except OSError as error:
        # Inputs and files turn theirs into LogscanErrors, so this is standard output.
        complain(f"standard output: {error.strerror or error}")
        return _give_up_stdout()
    except Exception as error:  # noqa: BLE001 - the last line of defence
        if "--debug" in arguments:
            import traceback

            traceback.print_exc()
        complain(f"internal error: {type(error).__name__}: {error}")
        err("  help: run with --debug for the details, and please report them")
        return INTERNAL
    return status if isinstance(status, int) else 0


def _usage(error: click.UsageError) -> int:
    complain(error.format_message().rstrip("."))
    command = error.ctx.command_path if error.ctx is not None else "logscan"
    err(f"  help: {command} --help")
    return USAGE


def _give_up_stdout() -> int:
    # What is still buffered cannot be written either: without this the interpreter
    # complains once more on its way out, and exits with a status of its own.
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return USAGE


class _Group(DefaultGroup):  # type: ignore[misc]  # it has no types
    """``logscan FILE`` is ``logscan diagnose FILE``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # Decided here and not by DefaultGroup, which lets the group parse the options
        # before a file's name: it would eat the "--" of `logscan -- -odd.log`.
        if args and args[0] not in {*self.commands, "--help", "-h", "--version"}:
            args = [self.default_cmd_name, *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


_CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(
    cls=cast("type[click.Group]", _Group), default="diagnose", default_if_no_args=True, context_settings=_CONTEXT
)
@click.version_option(__version__, message="logscan %(version)s")
def cli() -> None:
    """Say why a csi-driver-nfs volume does not come up, from its logs.

    `logscan FILES` is short for `logscan diagnose FILES`, and takes its options.
    A file that is named like a command is reached as ./NAME.

    \b
      kubectl logs -n kube-system -l app=csi-nfs-controller -c nfs --tail=-1 | logscan
      logscan nfs.log bundle.tgz
    """  # noqa: D301 - click wants the character itself


_exports_option = click.option(
    "--exports", multiple=True, metavar="FILE",
    help="The NFS server's /etc/exports, or what exportfs -v, exportfs -s or showmount -e print. Repeatable.",
)  # fmt: skip
_manifest_option = click.option(
    "--storageclass", "manifests", multiple=True, metavar="FILE",
    help="StorageClasses, volumes or claims as YAML or JSON. Repeatable.",
)  # fmt: skip
_year_option = click.option("--year", type=click.IntRange(1970, 9999), help="Year of klog's stamps, which have none.")
_tz_option = click.option(
    "--tz", metavar="ZONE", help="Time zone of klog's stamps: Europe/Berlin or +02:00. Default: UTC."
)
_client_option = click.option("--client", metavar="IP", help="The nodes' address as the NFS server sees it.")


# ---------------------------------------------------------------- diagnose


@cli.command()
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
@_exports_option
@_manifest_option
@_client_option
@_year_option
@_tz_option
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
    if not files and not _piped():
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
            _given(path, partial(scanner.evidence, path, kind), scanner.read)
    lowest, figures = Severity[severity.upper()], Figures(metrics)
    if follow:
        from logscan.commands.follow import watch

        report = watch(scanner, files or ("-",), targets, lowest, figures, width=width, color=color)
    else:
        interrupted = _read(scanner, files or ("-",), terminal.Progress(scanner, wanted=not no_progress))
        report = scanner.report(interrupted=interrupted)
    for error in scanner.errors():
        complain(str(error))
    unwritten = figures.save(report)
    unwritten += terminal.write_all(scan.only(report, lowest), targets, width=width, color=color)
    for fault in unwritten:
        complain(str(fault))
    ctx.exit(USAGE if unwritten else status_of(report, fail_on))


def _given(path: str, take: Callable[[bytes], None], refuse: Callable[[SourceError], None]) -> None:
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


def _piped() -> bool:
    return sys.stdin is not None and not sys.stdin.isatty()


def _read(scanner: Any, files: Sequence[str], progress: Progress) -> bool:
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


# ---------------------------------------------------------------- predict


@cli.command()
@_exports_option
@_manifest_option
@_client_option
@click.option("--format", "-f", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@width_option
@debug_option
@click.pass_context
def predict(
    ctx: click.Context,
    exports: tuple[str, ...],
    manifests: tuple[str, ...],
    client: str | None,
    format_: str,
    width: int | None,
) -> None:
    """Tell what StorageClasses will meet on their server, without any log.

    \b
      logscan predict --exports /etc/exports --storageclass class.yaml

    \b
    Exit status:
      0    all will work as far as the exports tell
      1    something will not
      2    wrong usage
      3    a file could not be read
    """  # noqa: D301 - click wants the character itself
    from logscan import evidence, terminal
    from logscan.evidence.foretell import foretell
    from logscan.report import predict as writer

    if not exports or not manifests:
        raise click.UsageError("--exports and --storageclass are needed.")
    facts = evidence.Facts()
    unread: list[SourceError] = []
    for path in exports:
        _given(path, partial(_take, facts, "exports", path), unread.append)
    for path in manifests:
        _given(path, partial(_take, facts, "manifest", path), unread.append)
    for problem in (*unread, *facts.errors):
        complain(str(problem))
    for name, fault in facts.faults:
        if fault.level != "note":
            complain(f"{name}:{fault.line}: {fault.problem}")
    entries = foretell(facts, client)
    if format_ == "json":
        writer.write_json(entries, terminal.stdout())
    else:
        writer.write(entries, terminal.stdout(), width=width or terminal.width_of_terminal())
    if unread or not entries:
        if not entries:
            complain("no StorageClass or PersistentVolume of nfs.csi.k8s.io was given")
        ctx.exit(UNREAD)
    ctx.exit(FOUND if any(entry["outcome"] != "ok" for entry in entries) else 0)


def _take(facts: Facts, kind: str, path: str, data: bytes) -> None:
    from logscan import evidence

    text = data.decode("utf-8", "replace")
    # What exportfs and showmount print is told from an exports file by its content.
    facts.read((evidence.recognise(text, path) or kind) if kind == "exports" else kind, text, path)


# ---------------------------------------------------------------- trace


@cli.command()
@click.argument("words", nargs=-1, metavar="[VOLUME] [FILES]...")
@click.option(
    "--volume", "wanted", metavar="VOLUME", help="The volume, where its name is also that of a file; all else is FILES."
)
@click.option("--format", "-f", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--output", "-o", metavar="FILE", default="-", help="Write the trace to FILE; - is standard output.")
@_year_option
@_tz_option
@click.option("--reference-time", "reference", metavar="TIME", help="Latest time the log can have; see diagnose.")
@rules_option
@color_option
@width_option
@click.option("--no-progress", is_flag=True, help="No progress on the terminal.")
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

    if wanted is None and words and words[0] != "-" and not os.path.exists(words[0]) and not set("*?[") & set(words[0]):  # noqa: PTH110 - Path.exists raises for a name that is too long
        wanted, words = words[0], words[1:]
    minutes, latest = zone_and_reference(tz, reference)
    (target,) = terminal.targets([output], format_, words)
    if not words and not _piped():
        problem = "there is no such file, and no input in which to look for a volume of that name"
        if wanted is None:
            raise click.UsageError("No input: name a file, or pipe a log")
        raise LogscanError(wanted, problem, "logscan trace --help")

    from logscan import rules, scan

    options = scan.Options(year=year, zone=minutes, reference=latest, trace=True)
    scanner = scan.Scanner(rules.load(rule_dirs), options)
    interrupted = _read(scanner, words or ("-",), terminal.Progress(scanner, wanted=not no_progress))
    report = scanner.report(interrupted=interrupted)
    for error in scanner.errors():
        complain(str(error))
    chosen = _one_volume(scanner, wanted) if wanted is not None else None
    terminal.write(scanner.trace(report, chosen), target, width=width, color=color)
    ctx.exit(status_of(report, "never"))


def _one_volume(scanner: Any, wanted: str) -> str:
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


cli.add_command(convert)
cli.add_command(kubectl)
cli.add_command(rules_group)
