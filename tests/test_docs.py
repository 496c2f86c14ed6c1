"""What the documents say of files and commands is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from logscan.cli import cli

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = (SAMPLES / "README.md").read_text(encoding="utf-8")
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "samples/README.md",
    "docs/writing-rules.md",
    "docs/collecting.md",
    "docs/ci.md",
]


def named_samples() -> list[str]:
    """The first cells of the tables in samples/README.md."""
    return re.findall(r"^\| ([\w.-]+\.\w+) \|", TABLE, re.MULTILINE)


def test_the_samples_and_their_table_agree():
    names = named_samples()
    assert len(names) == len(set(names))
    assert set(names) == {path.name for path in SAMPLES.iterdir()} - {"README.md"}
    assert len([name for name in names if name.endswith((".log", ".txt"))]) >= 16


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


@pytest.mark.parametrize("page", PAGES)
def test_samples_that_are_named_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for name in re.findall(r"samples/([\w.-]*\w)", text):
        assert (SAMPLES / name).exists(), f"{page}: samples/{name}"


def test_commands_of_the_readme_exist():
    """Every ``logscan …`` that is shown names a command and options that there are."""
    shown = re.findall(r"(?:^|\| |bin/)(logscan(?: [^\n|&`]*)?)$", README, re.MULTILINE)
    assert shown
    for line in shown:
        words = shlex.split(line.split("  ")[0])[1:]
        context = click.Context(cli)
        command = cli.get_command(context, words[0] if words else "") or cli.get_command(context, "diagnose")
        known = {option for parameter in command.params for option in parameter.opts} | {"--help", "--version"}
        for word in words:
            assert not word.startswith("--") or word.split("=")[0] in known, line


def test_the_first_log_has_its_neighbours():
    """What an administrator would lay beside it: the exports and the class."""
    assert "/home/ubuntu/nfs *(rw,sync,no_root_squash)" in (SAMPLES / "readonly-share.exports").read_text()
    assert 'share: "/"' in (SAMPLES / "readonly-share.storageclass.yaml").read_text()
