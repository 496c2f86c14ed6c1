"""What the documents say of files and commands is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import cast

import click
import pytest
import yaml

from logscan.cli import cli
from tests import walk

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"
TABLE = (SAMPLES / "README.md").read_text(encoding="utf-8")
PAGES = walk.pages()


# Shown as they are, and not typed.
SHOWN = {"text", "yaml", "json", "promql", "toml", "dockerfile"}
TYPED = re.compile(r"^(\$ |(\.venv/bin/)?(logscan|kubectl|pip|python3?|docker|apt-get|npm|curl|jq)\s)", re.MULTILINE)
BLOCKS = [block for page in walk.pages() for block in walk.blocks(page)]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_a_block_is_run_or_says_why_not(block):
    assert block.language, f"{block.page}:{block.line}: fence it and name its language"
    if block.language not in walk.LANGUAGES:
        assert block.language in SHOWN, block.language
        assert block.language == "yaml" or not TYPED.search(block.text), "commands are sh"
        return
    assert not block.text.lstrip().startswith("$ "), "without a prompt, to be copied"
    if block.reason:
        assert len(block.reason.split()) >= 3, "a reason that one understands"


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


def test_each_schema_is_told_of():
    page = (ROOT / "docs" / "schemas.md").read_text(encoding="utf-8")
    schemas = sorted((ROOT / "docs").glob("*.schema.json"))
    assert len(schemas) >= 4
    for schema in schemas:
        assert f"({schema.name})" in page
        assert f"`logscan.{schema.name.split('-')[0]}/v1`" in page


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md", "docs/rules.md"])
def test_no_page_is_half_merged(page):
    assert not re.search(r"^(<{7} |={7}$|>{7} )", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_page_is_in_the_navigation():
    """And nothing else; the links of pages stay in docs/, or the site would not have what they lead to."""

    def pages_in(entry: object) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        parts = entry if isinstance(entry, list) else list(cast("dict[str, object]", entry).values())
        return [page for part in parts for page in pages_in(part)]

    named = pages_in(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    there = {path.name for path in (ROOT / "docs").glob("*.md")}
    assert len(named) == len(set(named))
    assert set(named) - {"commands.md"} == there, "say in mkdocs.yml where the page belongs"


def commands_shown(page: str) -> list[str]:
    """Each ``logscan …`` of the text and of the blocks that are shown and not run, up to a pipe or a comment."""
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = [code for code in re.findall(r"`([^`\n]+)`", text) if code.startswith("logscan ")]
    lines += [line for block in walk.blocks(page) if block.reason for line in block.text.splitlines()]
    return [found[1] for line in lines if (found := re.search(r"(?:^|\| |bin/)(logscan .*?)(?: *[|&>#].*)?$", line))]


@pytest.mark.parametrize("page", walk.pages())
def test_commands_that_are_shown_exist(page):
    """Each names a command and options that there are; those that are run need no such test."""
    for line in commands_shown(page):
        command, words = cast("click.Command", cli), shlex.split(line)[1:]
        while isinstance(command, click.Group):
            inner = command.get_command(click.Context(command), words[0]) if words else None
            words = words[1:] if inner else words
            command = inner or cli.get_command(click.Context(cli), "diagnose")
        known = {option for parameter in command.params for option in parameter.opts} | {"--help", "--version"}
        for word in words:
            assert not word.startswith("--") or word.split("=")[0] in known, line


def test_commands_are_shown():
    assert len(commands_shown("README.md")) >= 10
    assert commands_shown("docs/fleet.md")


def test_the_first_log_has_its_neighbours():
    """What an administrator would lay beside it: the exports and the class."""
    assert "/home/ubuntu/nfs *(rw,sync,no_root_squash)" in (SAMPLES / "readonly-share.exports").read_text()
    assert 'share: "/"' in (SAMPLES / "readonly-share.storageclass.yaml").read_text()


def test_the_rules_that_the_manual_of_checks_names_exist():
    text = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("ci.md", "configuration.md"))
    named = re.findall(r"(?:--expect|--forbid|--max) ([a-z][a-z-]*)", text) + re.findall(
        r"^- id: (\S+)", text, re.MULTILINE
    )
    named += re.findall(r"([a-z-]+) ?= ?\d+}", text) + re.findall(r"([a-z-]+)=\d", text)
    assert len(named) >= 5
    assert {name for name in named if not (ROOT / "rules" / f"{name}.yaml").exists()} == set()
