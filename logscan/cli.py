"""The command line: the only module that prints, exits or knows of a terminal.

Only click and errors are imported at the top, so that ``--version`` and a
mistyped option answer at once; each command imports what it needs.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

import click
from click_default_group import DefaultGroup

from logscan import __version__
from logscan.errors import LogscanError, RulesError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from logscan.model import Report
    from logscan.rules import RuleSet
    from logscan.terminal import Progress

# The meanings of the exit status; 0 is success.
FOUND = 1  # something at or above --fail-on, or a rule test that fails
USAGE = 2  # also configuration, rules and outputs
UNREAD = 3  # an input could not be read
INTERNAL = 4
INTERRUPTED = 130

MAX_FAULTS = 20  # of rule files, before a run: what came first must stay on the screen

FORMATS = ("text", "json")  # the keys of report.WRITERS, known without importing it

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


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit status; every error becomes a line on stderr."""
    try:
        status = cli.main(list(arguments), prog_name="logscan", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except click.UsageError as error:
        return _usage(error)
    except click.ClickException as error:
        _complain(error.format_message().rstrip("."))
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        _complain("interrupted")
        return INTERRUPTED
    except RulesError as error:
        for fault in error.faults[:MAX_FAULTS]:
            _complain(str(fault))
        if len(error.faults) > MAX_FAULTS:
            _err(f"logscan: and {len(error.faults) - MAX_FAULTS} more faults in rules; logscan rules lint shows all")
        return USAGE
    except LogscanError as error:
        _complain(str(error))
        return USAGE
    except OSError as error:
        # Inputs and files turn theirs into LogscanErrors, so this is standard output.
        _complain(f"standard output: {error.strerror or error}")
        return _give_up_stdout()
    except Exception as error:  # noqa: BLE001 - the last line of defence
        if "--debug" in arguments:
            import traceback

            traceback.print_exc()
        _complain(f"internal error: {type(error).__name__}: {error}")
        _err("  help: run with --debug for the details, and please report them")
        return INTERNAL
    return status if isinstance(status, int) else 0


def _usage(error: click.UsageError) -> int:
    _complain(error.format_message().rstrip("."))
    command = error.ctx.command_path if error.ctx is not None else "logscan"
    _err(f"  help: {command} --help")
    return USAGE


def _give_up_stdout() -> int:
    # What is still buffered cannot be written either: without this the interpreter
    # complains once more on its way out, and exits with a status of its own.
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return USAGE


def _err(text: str) -> None:
    click.echo(text, err=True)


def _complain(text: str) -> None:
    """One error, "place: problem", and its "  help: …" line if there is one."""
    from logscan.report.safe import visible

    # A file's name is no more to be trusted than what is in the file.
    _err("logscan: error: " + "\n".join(visible(line) for line in text.split("\n")))


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


_DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)
_rules_option = click.option(
    "--rules", "rule_dirs", type=_DIRECTORY, multiple=True, metavar="DIR",
    help="Directory with more rules; they add to the built-in ones or override them by id. Repeatable.",
)  # fmt: skip
_color_option = click.option(
    "--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True,
    help="When to use colours. NO_COLOR and CLICOLOR_FORCE are heeded too.",
)  # fmt: skip
_width_option = click.option(
    "--width", type=click.IntRange(20, 1000), metavar="COLUMNS", help="Width of the text; default: the terminal's."
)
# It is looked for among the arguments, because an error may come before they are parsed.
_debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, help="Print the traceback of an internal error."
)


# ---------------------------------------------------------------- diagnose


@cli.command()
@click.argument("files", nargs=-1)
@click.option("--format", "-f", "format_", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option(
    "--output", "-o", "outputs", multiple=True, metavar="[FORMAT=]FILE",
    help="Write the report to FILE; - is standard output. Repeatable.",
)  # fmt: skip
@_rules_option
@click.option(
    "--severity", type=click.Choice(["info", "warning", "error"]), default="info", show_default=True,
    help="The least severity of diagnoses that is shown.",
)  # fmt: skip
@click.option(
    "--fail-on", type=click.Choice(["error", "warning", "info", "never"]), default="never", show_default=True,
    help="Exit with 1 if a diagnosis is at least so severe, shown or not.",
)  # fmt: skip
@click.option("--year", type=click.IntRange(1970, 9999), help="Year of klog's stamps, which have none.")
@click.option("--tz", metavar="ZONE", help="Time zone of klog's stamps: Europe/Berlin or +02:00. Default: UTC.")
@click.option(
    "--reference-time", "reference", metavar="TIME",
    help="Latest time the log can have (2026-07-20T10:00:00Z); default: the file's own, or now.",
)  # fmt: skip
@_color_option
@_width_option
@click.option("--no-progress", is_flag=True, help="No progress on the terminal.")
@_debug_option
@click.pass_context
def diagnose(
    ctx: click.Context,
    files: tuple[str, ...],
    format_: str,
    outputs: tuple[str, ...],
    rule_dirs: tuple[Path, ...],
    severity: str,
    fail_on: str,
    year: int | None,
    tz: str | None,
    reference: str | None,
    color: str,
    width: int | None,
    no_progress: bool,
) -> None:
    """Diagnose logs: what fails, why, what proves it, and the fix.

    FILES are files, directories, patterns, archives (.gz .xz .bz2 .zst .tar) or
    - for standard input, which is the default.

    \b
    Exit status:
      0    the report is written
      1    there is a diagnosis at or above --fail-on
      2    wrong usage, or a broken rule
      3    an input could not be read; the report tells of the others
      4    an internal error
      130  Ctrl-C; the report tells of what was read until then
    """  # noqa: D301 - click wants the character itself
    from logscan import terminal
    from logscan.times import zone_and_reference

    targets = terminal.targets(outputs, format_, files)
    minutes, latest = zone_and_reference(tz, reference)
    if not files and not _piped():
        click.echo(SHORT_HELP, err=True, nl=False)
        ctx.exit(USAGE)

    from logscan import rules, scan
    from logscan.model import Severity

    scanner = scan.Scanner(rules.load(rule_dirs), scan.Options(year=year, zone=minutes, reference=latest))
    interrupted = _read(scanner, files or ("-",), terminal.Progress(scanner, wanted=not no_progress))
    report = scanner.report(interrupted=interrupted)
    for error in scanner.errors():
        _complain(str(error))
    shown = scan.only(report, Severity[severity.upper()])
    # Standard output comes last: if its reader has gone, the files are complete.
    for target in sorted(targets, key=lambda one: one.path == "-"):
        terminal.write(shown, target, width=width, color=color)
    ctx.exit(_status(report, fail_on))


def _piped() -> bool:
    return sys.stdin is not None and not sys.stdin.isatty()


def _read(scanner: Any, files: Sequence[str], progress: Progress) -> bool:
    """Read all inputs; returns whether Ctrl-C ended it."""
    from dataclasses import replace

    from logscan.errors import SourceError
    from logscan.sources import open_sources
    from logscan.terminal import Interrupts

    if "-" in files and sys.stdin is not None and sys.stdin.isatty():
        _err("logscan: reading from the terminal; paste the log, then press Ctrl-D")
    with Interrupts() as interrupts, progress:
        for source in interrupts.until(open_sources(files)):
            if not isinstance(source, SourceError):
                source = replace(source, chunks=progress.count(interrupts.until(source.chunks)))  # noqa: PLW2901
            scanner.read(source)
        return interrupts.hit


def _status(report: Report, fail_on: str) -> int:
    from logscan.model import Severity

    if report.interrupted:
        return INTERRUPTED
    if report.errors:
        return UNREAD
    if fail_on == "never":
        return 0
    lowest = Severity[fail_on.upper()]
    return FOUND if any(one.severity >= lowest for one in report.diagnoses) else 0


# ---------------------------------------------------------------- rules


@cli.group("rules")
def rules_group() -> None:
    """List, explain, test and lint the rules; print their schema."""


@rules_group.command("list")
@_rules_option
@_width_option
@_debug_option
def rules_list(rule_dirs: tuple[Path, ...], width: int | None) -> None:
    """List all rules."""
    from logscan import rules

    rows = [(rule.id, rule.severity.name.lower(), rule.title) for rule in rules.load(rule_dirs).rules]
    _table(("ID", "SEVERITY", "TITLE"), rows, width)


@rules_group.command("explain")
@click.argument("rule_id", metavar="ID")
@_rules_option
@_debug_option
def rules_explain(rule_id: str, rule_dirs: tuple[Path, ...]) -> None:
    """Tell all that the rule ID looks for and says."""
    from logscan import rules, terminal

    (rule,) = _chosen(rules.load(rule_dirs, tests=True), [rule_id])
    terminal.stdout().write(rules.explain(rule))


@rules_group.command("test")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@_rules_option
@_width_option
@_debug_option
@click.pass_context
def rules_test(ctx: click.Context, ids: tuple[str, ...], rule_dirs: tuple[Path, ...], width: int | None) -> None:
    """Run the tests that rules hold, through the whole program.

    Goes on after a failure. Exits with 1 if a test fails or a rule has none.
    """
    from logscan import rules

    ruleset = rules.load(rule_dirs, tests=True)
    rows, failures, passed = [], [], 0
    for rule in _chosen(ruleset, ids):
        results = _test_rule(rule, ruleset)
        bad = [(rule.id, name, reason) for name, reason in results if reason is not None]
        if not results:
            bad = [(rule.id, "-", "the rule has no tests")]
        failures += bad
        passed += len(results) - sum(reason is not None for _, reason in results)
        rows.append(
            (rule.id, f"{len(results)}", f"{len(results) - len(bad)}" if results else "0", "FAILED" if bad else "ok")
        )
    _table(("ID", "TESTS", "PASSED", "RESULT"), rows, width)
    if failures:
        click.echo()
        _table(("ID", "TEST", "WHY IT FAILED"), failures, width)
    click.echo(f"\n{len(rows)} rules, {passed} tests passed, {len(failures)} failed")
    ctx.exit(FOUND if failures else 0)


def _test_rule(rule: Any, ruleset: RuleSet) -> list[tuple[str, str | None]]:
    """Each test's name, and why it failed (None: it passed); a test that breaks is one that fails."""
    from logscan import scan

    results: list[tuple[str, str | None]] = []
    for test in (*rule.must_match, *rule.must_not_match):
        try:
            reason = scan.run_rule_test(rule, test, ruleset)
        except LogscanError as error:
            reason = str(error)
        results.append((test.name, reason))
    return results


@rules_group.command("lint")
@click.argument("directory", type=_DIRECTORY, required=False)
@_width_option
@_debug_option
@click.pass_context
def rules_lint(ctx: click.Context, directory: Path | None, width: int | None) -> None:
    """Look for faults in the rules of DIRECTORY (default: the built-in ones).

    Exits with 1 if there is an error; warnings are told and pass.
    """
    from logscan import rules

    faults = rules.lint() if directory is None else rules.lint([directory], builtin=False)
    if faults:
        _table(
            ("PLACE", "LEVEL", "PROBLEM"),
            [(one.place, one.level, one.problem + (f" (help: {one.help})" if one.help else "")) for one in faults],
            width,
        )
    errors = sum(one.level == "error" for one in faults)
    click.echo(f"{errors} errors, {len(faults) - errors} warnings")
    ctx.exit(FOUND if errors else 0)


@rules_group.command("schema")
@_debug_option
def rules_schema() -> None:
    """Print the JSON Schema of a rule file, for editors."""
    import json

    from logscan import rules, terminal

    terminal.stdout().write(json.dumps(rules.schema(), indent=2) + "\n")


def _chosen(ruleset: RuleSet, ids: Sequence[str]) -> list[Any]:
    """The rules of these ids, all if there are none.

    Raises:
        LogscanError: for an id that no rule has.
    """
    for one in ids:
        if one not in ruleset.by_id:
            import difflib

            near = difflib.get_close_matches(one, ruleset.by_id, 3)
            hint = f"did you mean {' or '.join(near)}?" if near else "logscan rules list shows all ids"
            raise LogscanError(one, "there is no such rule", hint)
    return [ruleset.by_id[one] for one in dict.fromkeys(ids)] if ids else list(ruleset.rules)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> None:
    from logscan import terminal
    from logscan.report import table

    table.write(terminal.stdout(), head, rows, width=width or terminal.width_of_terminal())
