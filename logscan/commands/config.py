"""``logscan config``: what is configured, and where."""

from __future__ import annotations

import os
from typing import Any

import click

from logscan.commands.configured import working_directory
from logscan.edge import debug_option


@click.group("config")
def config_group() -> None:
    """Tell what is configured, and where it comes from."""


@config_group.command("show")
@click.option("--origin", is_flag=True, help="Tell of each value where it comes from.")
@click.option("--format", "-f", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@debug_option
def show(origin: bool, format_: str) -> None:
    """Print the value of every key that holds in this directory.

    Values come from logscan.toml, or [tool.logscan] of pyproject.toml, of the
    nearest directory upwards, and from LOGSCAN_ variables, which go before it; an
    option goes before both. What is printed is TOML, fit for logscan.toml.
    """
    from logscan import config, terminal

    settings = config.effective(working_directory(), os.environ)
    out = terminal.stdout()
    if format_ == "json":
        from logscan.report.json_v1 import cleaned, dump

        values = {
            name: {"value": one.value, "origin": one.origin} if origin else one.value for name, one in settings.items()
        }
        dump(cleaned(values), out)
        return
    rows = [
        (f"# {name} is not set" if one.value is None else f"{name} = {_toml(name, one.value)}", one.origin)
        for name, one in settings.items()
    ]
    width = max(len(text) for text, _ in rows)
    for text, where in rows:
        out.write(f"{text:<{width}}  # {_shown(where)}\n" if origin else f"{text}\n")


def _toml(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        if name == "max":
            pairs = [one.rpartition("=") for one in value]
            return "{" + ", ".join(f"{_text(rule)} = {number}" for rule, _, number in pairs) + "}"
        return f"[{', '.join(map(_text, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _text(value: str) -> str:
    inside = "".join(char if char.isprintable() and char not in '"\\' else f"\\U{ord(char):08x}" for char in value)
    return f'"{inside}"'


def _shown(where: str) -> str:
    from logscan.report.safe import visible

    return visible(where)
