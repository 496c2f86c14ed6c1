"""The catalogue is complete: each row of what users meet has a rule or a reason, each category a cause."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from logscan import frames, rules, scan
from logscan.model import Rule, RuleTest, Severity
from logscan.sources import Source

HERE = Path(__file__).parent
CATALOGUE: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    (HERE / "rules" / "catalogue.yaml").read_text(encoding="utf-8")
)
RULE_IDS = sorted(path.stem for path in rules.builtin_directory().glob("*.yaml"))
HEALTHY = [
    *sorted(HERE.parent.glob("samples/healthy-*.log")),
    *sorted((HERE / "recordings" / "S01d-fsid0-share-root-healthy").rglob("*.log*")),
]

# How many rows each list of failures had when the catalogue was made; it only grows.
ROWS = {
    "the driver's own failures": 87, "defects of the driver": 28, "what mount and umount say": 48,
    "kernel of the node": 30, "the NFS server": 25, "kubelet and events": 36, "pods of the driver": 11, "sidecars": 40,
    "noise that is no fault": 11,
}  # fmt: skip


@cache
def loaded() -> rules.RuleSet:
    return rules.load(tests=True)


def test_no_row_was_taken_out():
    assert set(CATALOGUE) == set(ROWS)
    for source, rows in CATALOGUE.items():
        assert len(rows) >= ROWS[source], source
        texts = [row["row"] for row in rows]
        assert len(texts) == len(set(texts)), source


@pytest.mark.parametrize("source", CATALOGUE)
def test_every_row_has_a_rule_or_a_reason(source):
    for row in CATALOGUE[source]:
        assert set(row) in ({"row", "rules"}, {"row", "none"}), row
        assert row.get("rules") or row.get("none"), row
        missing = set(row.get("rules", ())) - set(RULE_IDS)
        assert not missing, f"{row['row']}: no such rule: {missing}"


def test_noise_is_known_by_rules_of_severity_info():
    """At least one rule a row: the others are for the same words when they do mean something."""
    for row in CATALOGUE["noise that is no fault"]:
        if "rules" in row:
            assert any(loaded().by_id[rule_id].severity is Severity.INFO for rule_id in row["rules"]), row["row"]


@pytest.mark.parametrize("category", sorted(set(rules.CATEGORIES) - {"healthy"}))
def test_every_category_is_reached_by_a_test_of_a_rule(category):
    """Not only named by a cause: some test's log ends there."""
    assert any(test.category == category for rule in loaded().rules for test in rule.must_match), category


def carriers(test: RuleTest) -> tuple[str, ...]:
    deframer = frames.Deframer(test.name, reference=0)
    for number, text in enumerate(test.log.splitlines()):
        deframer.feed(number + 1, 0, text.encode())
    deframer.close()
    return tuple(sorted(deframer.carriers))


def wording(test: RuleTest) -> str:
    """The log without names and numbers."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+", "#", test.log)


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_every_rule_has_positive_tests_that_differ_and_negative_ones(rule_id):
    rule: Rule = loaded().by_id[rule_id]
    assert len(rule.must_not_match) >= 2
    assert len({(carriers(test), wording(test)) for test in rule.must_match}) >= 2
    assert len({test.log for test in rule.must_not_match}) >= 2


@pytest.mark.parametrize("path", HEALTHY, ids=[path.name for path in HEALTHY])
def test_nothing_is_said_of_a_healthy_log(path):
    scanner = scan.Scanner(loaded(), scan.Options(reference=1_767_225_599_000_000))
    scanner.read(Source(name=path.name, mtime=None, chunks=iter([path.read_bytes()])))
    report = scanner.report()
    assert [one for one in report.diagnoses if one.severity > Severity.INFO] == []
    assert report.unrecognised == ()


def test_healthy_logs_are_there():
    assert len(HEALTHY) >= 3


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_a_jsonpath_stands_in_braces(rule_id):
    """Outside of braces kubectl takes it for plain text, and prints that."""
    path = rules.builtin_directory() / f"{rule_id}.yaml"
    assert not re.findall(r"jsonpath='*[^'{\s]\S*", path.read_text(encoding="utf-8"))
