"""The command line of who writes rules: ``logscan rules …``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from logscan.commands.inputs import complete_rules
from logscan.edge import (
    DIRECTORY,
    FOUND,
    UNREAD,
    complain,
    debug_option,
    err,
    file_option,
    rules_option,
    width_option,
)
from logscan.errors import LogscanError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from logscan.rules import RuleSet


@click.group("rules")
def rules_group() -> None:
    """List, explain, test and lint the rules; say what they know of, and draft new ones."""


@rules_group.command("list")
@rules_option
@width_option
@debug_option
def rules_list(rule_dirs: tuple[Path, ...], width: int | None) -> None:
    """List all rules."""
    from logscan import rules

    rows = [(rule.id, rule.severity.name.lower(), rule.title) for rule in rules.load(rule_dirs).rules]
    _table(("ID", "SEVERITY", "TITLE"), rows, width)


@rules_group.command("explain")
@click.argument("rule_id", metavar="ID", shell_complete=complete_rules)
@rules_option
@debug_option
def rules_explain(rule_id: str, rule_dirs: tuple[Path, ...]) -> None:
    """Tell all that the rule ID looks for and says."""
    from logscan import rules, terminal

    (rule,) = _chosen(rules.load(rule_dirs, tests=True), [rule_id])
    terminal.stdout().write(rules.explain(rule))


@rules_group.command("test")
@click.argument("ids", nargs=-1, metavar="[ID]...", shell_complete=complete_rules)
@click.option(
    "--format", "-f", "format_", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True
)
@file_option
@rules_option
@width_option
@debug_option
@click.pass_context
def rules_test(
    ctx: click.Context, ids: tuple[str, ...], format_: str, file: str, rule_dirs: tuple[Path, ...], width: int | None
) -> None:
    """Run the tests that rules hold, through the whole program.

    Goes on after a failure. Exits with 1 if a test fails or a rule has none.
    """
    from logscan import rules
    from logscan.rulebook import ruletests

    ruleset = rules.load(rule_dirs, tests=True)
    outcomes = ruletests.run(_chosen(ruleset, ids), ruleset)
    _write(file, partial(ruletests.WRITERS[format_], outcomes), width)
    ctx.exit(FOUND if ruletests.failed(outcomes) else 0)


@rules_group.command("coverage")
@click.option("--format", "-f", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--version", "release", metavar="vX.Y.Z", help="One release of the driver; default: all since v4.0.0.")
@file_option
@rules_option
@width_option
@debug_option
@click.pass_context
def rules_coverage(
    ctx: click.Context, format_: str, release: str | None, file: str, rule_dirs: tuple[Path, ...], width: int | None
) -> None:
    """Tell which messages of the driver have a rule, and why the others have none.

    Renders each message of level W, E and F as the driver logs it, and reads it.
    Exits with 1 if one has neither a rule nor a reason.
    """
    from logscan import rules
    from logscan.rulebook import coverage

    measured = coverage.measure(rules.load(rule_dirs), release)
    _write(file, partial(coverage.WRITERS[format_], measured), width)
    ctx.exit(FOUND if measured.gaps else 0)


@rules_group.command("why-not")
@click.argument("rule_id", metavar="ID", shell_complete=complete_rules)
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@rules_option
@width_option
@debug_option
@click.pass_context
def rules_why_not(
    ctx: click.Context, rule_id: str, logs: tuple[str, ...], rule_dirs: tuple[Path, ...], width: int | None
) -> None:
    """Tell which condition of the rule ID fails on LOG, or that it fires."""
    from logscan import rules
    from logscan.rulebook import whynot
    from logscan.sources import open_sources

    ruleset = rules.load(rule_dirs)
    (rule,) = _chosen(ruleset, [rule_id])
    said, errors = whynot.answer(rule, ruleset, open_sources(logs))
    _write("-", partial(whynot.write, said), width)
    _unread(ctx, errors)


@rules_group.command("draft")
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option(
    "--cluster", type=click.IntRange(1), required=True, help="Which entry of the report's unrecognised records, from 1."
)
@click.option("--id", "rule_id", metavar="ID", help="Id of the rule; default: made of its text.")
@file_option
@rules_option
@debug_option
@click.pass_context
def rules_draft(
    ctx: click.Context, logs: tuple[str, ...], cluster: int, rule_id: str | None, file: str, rule_dirs: tuple[Path, ...]
) -> None:
    """Write a rule to start from, for records of LOG that no rule knows.

    It loads and its tests pass; the cause and the remedy are yours to say.
    Save it as ID.yaml in a directory for --rules.
    """
    from logscan import rules
    from logscan.rulebook import ruledraft
    from logscan.sources import open_sources

    drafted, errors = ruledraft.draft(cluster, rules.load(rule_dirs), open_sources(logs), rule_id=rule_id)
    _write(file, lambda out, **_: out.write(drafted.text), None)
    for remark in drafted.remarks:
        err(f"logscan: {drafted.id}: {remark}")
    _unread(ctx, errors)


@rules_group.command("doc")
@file_option
@rules_option
@debug_option
def rules_doc(file: str, rule_dirs: tuple[Path, ...]) -> None:
    """Print all rules as one page of Markdown; docs/rules.md is made so."""
    from logscan import rules
    from logscan.rulebook import rulemanual

    page = rulemanual.page(rules.load(rule_dirs))
    _write(file, lambda out, **_: out.write(page), None)


def _write(file: str, writer: Callable[..., object], width: int | None) -> None:
    """Hand the writer standard output or a file, which is written only when all of it is there."""
    import io

    from logscan import terminal

    if file == "-":
        writer(terminal.stdout(), width=width or terminal.width_of_terminal())
        return
    text = io.StringIO()
    writer(text, width=width or 80)
    try:
        Path(file).write_text(text.getvalue(), encoding="utf-8", errors="backslashreplace", newline="\n")
    except OSError as error:
        raise LogscanError(file, f"cannot be written: {error.strerror or error}") from None


def _unread(ctx: click.Context, errors: Sequence[LogscanError]) -> None:
    for error in errors:
        complain(str(error))
    if errors:
        ctx.exit(UNREAD)


@rules_group.command("lint")
@click.argument("directory", type=DIRECTORY, required=False)
@width_option
@debug_option
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
@debug_option
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
