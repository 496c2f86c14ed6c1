"""The options by which a command takes what is configured, and how."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def working_directory() -> Path | None:
    """None if it has been removed."""
    try:
        return Path.cwd()
    except OSError:
        return None


def _configure(ctx: click.Context, _: click.Parameter, without: bool) -> None:
    """Make what is configured the defaults of the command's options; runs before they are read."""
    if without or ctx.resilient_parsing:
        return
    from logscan import config

    settings = config.effective(working_directory(), os.environ)
    known = {one.name for one in ctx.command.params}
    values = config.for_command(settings, ctx.command.name or "")
    ctx.default_map = {name: value for name, value in values.items() if name in known}


def config_option(command: F) -> F:
    """``--no-config``, and what is configured where it is not given."""
    option = click.option(
        "--no-config", is_flag=True, is_eager=True, expose_value=False, callback=_configure,
        help="Heed no configuration file and no LOGSCAN_ variable.",
    )  # fmt: skip
    return option(command)


def format_of(ctx: click.Context, format_: str | None) -> tuple[str | None, str]:
    """The format that was asked for, and the one that holds where neither an option nor a file's ending says any."""
    if format_ is not None and ctx.get_parameter_source("format_") is click.core.ParameterSource.DEFAULT_MAP:
        return None, format_
    return format_, "text"
