r"""The manual pages, made of what the commands say of themselves; the build puts them into the wheel.

Only click is needed, because a build has no other dependencies.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from logscan import __version__

# What no command says of itself.
_ENVIRONMENT = (
    ("NO_COLOR", "No colours, if it is not empty."),
    ("CLICOLOR_FORCE", "Colours also where the output is no terminal, if it is neither empty nor 0."),
    ("CLICOLOR", "No colours, if it is 0."),
    ("COLUMNS", "Width of the text, before the terminal's own."),
    ("TERM", "With dumb, no colours, and nothing is redrawn in place."),
    ("KUBECONFIG", "Read by the kubectl that logscan kubectl runs."),
    ("GITHUB_STEP_SUMMARY", "The file that --output @step-summary adds to."),
)
_STATUS = (
    ("0", "Nothing is at or above --fail-on, which is never unless it is given."),
    ("1", "Something is."),
    ("2", "Wrong usage, configuration or rules; a report that cannot be written."),
    ("3", "An input could not be read; the others still were, and the report is there."),
    ("4", "An error inside logscan."),
    ("130", "Ctrl-C; the report on what was read is there."),
)
_WIDE = 10_000  # columns: nothing is folded here, man does it


def pages(root: click.Command) -> dict[str, str]:
    """Every page by its file's name, "logscan-rules-test.1": the program's, and one for each command below it."""
    made: dict[str, str] = {}
    for context in _contexts(root, None, "logscan"):
        name = context.command_path.replace(" ", "-")
        made[f"{name}.1"] = _page(context, name)
    return made


def _contexts(command: click.Command, parent: click.Context | None, name: str) -> Iterator[click.Context]:
    settings = {**command.context_settings, "terminal_width": _WIDE, "max_content_width": _WIDE}
    context = click.Context(command, parent, info_name=name, **settings)
    yield context
    for inner, below in _below(context):
        yield from _contexts(below, context, inner)


def _below(context: click.Context) -> list[tuple[str, click.Command]]:
    """The commands of a group, by name."""
    group = context.command
    if not isinstance(group, click.Group):
        return []
    found = [(name, group.get_command(context, name)) for name in group.list_commands(context)]
    return [(name, command) for name, command in found if command is not None and not command.hidden]


def _page(context: click.Context, name: str) -> str:
    command = context.command
    prose, statuses = _prose(inspect.cleandoc(command.help or ""))
    out = [
        r".\" Made of what the command says of itself; do not edit.",
        f'.TH "{_text(name.upper())}" "1" "" "logscan {__version__}" "logscan"',
        ".SH NAME",
        f"{_text(name)} \\- {_text(command.get_short_help_str(limit=_WIDE).rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {_text(context.command_path)}",
        *map(_text, command.collect_usage_pieces(context)),
        ".SH DESCRIPTION",
        *prose,
    ]
    shown = [one for one in command.get_params(context) if isinstance(one, click.Option)]
    options = [record for one in shown if (record := one.get_help_record(context))]
    out += _list("OPTIONS", ((f"\\fB{_text(flags)}\\fP", help_) for flags, help_ in options))
    below = _below(context)
    out += _list(
        "COMMANDS",
        ((f"\\fB{_text(one)}\\fP", inner.get_short_help_str(limit=_WIDE)) for one, inner in below),
    )
    out += _list("EXIT STATUS", statuses or (() if context.parent else _STATUS))
    if context.parent is None:
        out += _list("ENVIRONMENT", _ENVIRONMENT)
    related = [f"{name}-{one}" for one, _ in below]
    if context.parent is not None:
        related.insert(0, context.parent.command_path.replace(" ", "-"))
    out += [".SH SEE ALSO", *(f".BR {_text(one)} (1)," for one in related[:-1]), f".BR {_text(related[-1])} (1)"]
    return "\n".join(out) + "\n"


def _list(title: str, entries: Iterator[tuple[str, str]] | tuple[tuple[str, str], ...]) -> list[str]:
    out = [line for term, says in entries for line in (".TP", term, _text(says) or r"\&")]
    return [f".SH {title}", *out] if out else []


def _prose(text: str) -> tuple[list[str], tuple[tuple[str, str], ...]]:
    r"""The paragraphs of a help text, and its exit statuses.

    What follows a line with "\b" alone stays as it is laid out.
    """
    out: list[str] = []
    statuses: tuple[tuple[str, str], ...] = ()
    for part in re.split(r"\n\s*\n", text):
        lines = part.strip("\n").split("\n")
        if lines[0].strip() != "\b":
            out += [*([".PP"] if out else []), _text(" ".join(line.strip() for line in lines))]
        elif lines[1].strip() == "Exit status:":
            told = (line.split(None, 1) for line in lines[2:])
            statuses = tuple((status, meaning) for status, meaning in told)
        else:
            out += [".PP", ".nf", *(_text(line) for line in lines[1:]), ".fi"]
    return out, statuses


def _text(text: str) -> str:
    """Text that roff shows as it stands: its own signs escaped, none at the start of a line."""
    text = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga").replace("'", "\\(aq").replace("^", "\\(ha")
    )
    text = re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found[0]):04X}]", text).replace("~", "\\(ti")
    return f"\\&{text}" if text.startswith(".") else text
