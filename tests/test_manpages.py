"""The manual pages: one for each command, with all of it, and as man wants them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from logscan.cli import cli
from logscan.commands import manpages

ROOT = Path(__file__).resolve().parent.parent
PAGES = manpages.pages(cli)


def commands() -> dict[str, click.Command]:
    """Every command by its page's name."""
    found: dict[str, click.Command] = {}

    def walk(command: click.Command, name: str) -> None:
        found[f"{name}.1"] = command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for inner in command.list_commands(context):
                below = command.get_command(context, inner)
                assert below is not None
                walk(below, f"{name}-{inner}")

    walk(cli, "logscan")
    return found


def plain(page: str) -> str:
    """A page without roff's signs, its words one space apart."""
    text = page.replace("\\&", "").replace("\\(ga", "`").replace("\\(aq", "'").replace("\\(ti", "~").replace("\\-", "-")
    text = re.sub(r"\\\[u([0-9A-F]{4,})\]", lambda found: chr(int(found[1], 16)), text).replace("\\e", "\\")
    return " ".join(text.split())


def test_each_command_has_its_page():
    assert PAGES.keys() == commands().keys()
    assert len(PAGES) >= 15


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_all_that_help_says(name):
    command, said = commands()[name], plain(PAGES[name])
    for one in command.params:
        for option in one.opts if isinstance(one, click.Option) else ():
            assert option in said, option
        if isinstance(one, click.Option) and one.help:
            assert " ".join(one.help.split()) in said
    for word in (command.help or "").replace("\b", "").replace("Exit status:", "").split():
        assert word in said, word
    assert "-h, --help" in said


def test_a_page_is_ascii_and_no_text_of_it_is_a_request():
    requests = {".TH", ".SH", ".B", ".BR", ".PP", ".TP", ".nf", ".fi", '.\\"'}
    for page in PAGES.values():
        assert page.isascii()
        assert {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))} <= requests


@pytest.mark.skipif(not os.environ.get("CI") and shutil.which("mandoc") is None, reason="mandoc is not installed")
def test_mandoc_finds_no_fault(tmp_path):
    for name, page in PAGES.items():
        (tmp_path / name).write_text(page, encoding="ascii")
    files = sorted(str(tmp_path / name) for name in PAGES)
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", *files], capture_output=True, text=True, check=False
    )
    # No date: the same source must give the same wheel.
    assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []


def test_click_is_all_that_making_them_needs():
    """A wheel is built where nothing but the build's own requirements is installed."""
    code = (
        "import sys\n"
        "for name in ('ahocorasick_rs', 'regex', 'numpy', 'zstandard', 'pyarrow', 'pandas'): sys.modules[name] = None\n"
        "from logscan.cli import cli\nfrom logscan.commands import completion, manpages\n"
        "manpages.pages(cli), [completion.script(shell) for shell in completion.SHELLS]"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
