"""The manual of the rules: what is made from them is up to date, and the commands that it shows do what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from logscan import rules
from logscan.rulebook import rulemanual

ROOT = Path(__file__).resolve().parent.parent
GUIDE = (ROOT / "docs" / "writing-rules.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", GUIDE, re.DOTALL)


def test_the_page_of_all_rules_is_the_one_that_is_made():
    made = rulemanual.page(rules.load())

    kept = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert made == kept, "run: logscan rules doc > docs/rules.md"


def test_each_rule_has_its_section_and_links_lead_somewhere():
    ruleset = rules.load()
    page = rulemanual.page(ruleset)

    sections = re.findall(r"^### (\S+)$", page, re.MULTILINE)
    assert sorted(sections) == [rule.id for rule in ruleset.rules]
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= set(sections)
    for rule in ruleset.rules:
        assert all(f"`{cause.category}`" in page for cause in rule.causes)


def test_what_markdown_would_read_is_shown_as_it_stands():
    text = (
        "id: odd\ntitle: 'a *b* {server} <c> d_e'\nseverity: info\ncomponents: [any]\nmatch:\n"
        "  - literal: 'code `x` here'\n"
        "tests:\n  match:\n    - {name: a, log: 'code `x` here'}\n  no_match:\n    - {name: b, log: b}\n"
    )
    page = rulemanual.page(rules.RuleSet((rules.parse(text, "odd.yaml"),)))

    assert "a \\*b\\* `{server}` \\<c\\> d_e." in page
    assert "- text: ``code `x` here``" in page


def test_the_guide_shows_what_its_commands_print(tmp_path):
    """Each block of commands is run; a block of text after it is part of what they printed."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    program = bin_ / "logscan"
    program.write_text(f"#!{sys.executable}\nfrom logscan.cli import main\nmain()\n", encoding="utf-8")
    program.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    environment = {"PATH": f"{bin_}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "COLUMNS": "80", "LANG": "C.UTF-8"}
    printed, commands = "", 0
    for language, text in BLOCKS:
        if language == "sh":
            done = subprocess.run(
                ["/bin/sh", "-e"], input=text, cwd=work, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (text, done.stderr)
            assert not done.stderr, text
            printed, commands = done.stdout, commands + text.count("logscan ")
        elif language == "text":
            shown = [line for line in text.splitlines() if line]
            missing = [line for line in shown if line not in printed.splitlines()]
            assert not missing, printed
    assert commands >= 10
