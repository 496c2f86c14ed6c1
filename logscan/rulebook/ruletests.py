"""Run the tests that rules hold, and tell of them: for people, for programs, for CI."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO
from xml.etree import ElementTree as ET

from logscan import scan
from logscan.errors import LogscanError
from logscan.model import Rule, RuleTest
from logscan.report import table
from logscan.rules import RuleSet


@dataclass(frozen=True, slots=True)
class Outcome:
    """One test, or that a rule has none."""

    rule: str
    kind: str  # match | no_match
    test: str
    reason: str | None  # why it failed; None: it passed
    seconds: float = 0.0


def run(chosen: Iterable[Rule], rules: RuleSet) -> list[Outcome]:
    """All tests of the rules, through the whole program; goes on after a failure."""
    outcomes = []
    for rule in chosen:
        tests = [*(("match", test) for test in rule.must_match), *(("no_match", test) for test in rule.must_not_match)]
        outcomes += [_run(rule, kind, test, rules) for kind, test in tests]
        if not tests:
            outcomes.append(Outcome(rule.id, "match", "-", "the rule has no tests"))
    return outcomes


def _run(rule: Rule, kind: str, test: RuleTest, rules: RuleSet) -> Outcome:
    start = time.perf_counter()
    try:
        reason = scan.run_rule_test(rule, test, rules)
    except LogscanError as error:
        # A test that breaks is one that fails.
        reason = str(error)
    return Outcome(rule.id, kind, test.name, reason, time.perf_counter() - start)


def failed(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Those that did not pass."""
    return [one for one in outcomes if one.reason is not None]


def _by_rule(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    grouped: dict[str, list[Outcome]] = {}
    for one in outcomes:
        grouped.setdefault(one.rule, []).append(one)
    return grouped


# ---------------------------------------------------------------- formats


def write_text(outcomes: Sequence[Outcome], out: TextIO, *, width: int = 80) -> None:
    """A row a rule, then why each failure failed."""
    rows = []
    for rule, of_it in _by_rule(outcomes).items():
        tests = [one for one in of_it if one.test != "-"]
        bad = failed(of_it)
        rows.append((rule, str(len(tests)), str(len(tests) - len(failed(tests))), "FAILED" if bad else "ok"))
    table.write(out, ("ID", "TESTS", "PASSED", "RESULT"), rows, width=width)
    bad = failed(outcomes)
    if bad:
        out.write("\n")
        table.write(
            out, ("ID", "TEST", "WHY IT FAILED"), [(one.rule, one.test, one.reason or "") for one in bad], width=width
        )
    out.write(f"\n{len(rows)} rules, {len(outcomes) - len(bad)} tests passed, {len(bad)} failed\n")


def write_json(outcomes: Sequence[Outcome], out: TextIO, *, width: int = 80) -> None:  # noqa: ARG001
    """Schema ``logscan.rules-test/v1``."""
    bad = len(failed(outcomes))
    value: dict[str, Any] = {
        "schema": "logscan.rules-test/v1",
        "passed": len(outcomes) - bad,
        "failed": bad,
        "rules": [
            {
                "id": rule,
                "tests": [
                    {
                        "name": one.test, "kind": one.kind, "passed": one.reason is None, "reason": one.reason,
                        "seconds": round(one.seconds, 6),
                    }
                    for one in of_it
                ],
            }
            for rule, of_it in _by_rule(outcomes).items()
        ],
    }  # fmt: skip
    json.dump(value, out, indent=2, ensure_ascii=False)
    out.write("\n")


# What XML 1.0 has no way to write, not even as a reference.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(outcomes: Sequence[Outcome], out: TextIO, *, width: int = 80) -> None:  # noqa: ARG001
    """A test suite a rule, a test case a test."""
    root = ET.Element("testsuites", _totals("logscan rules test", outcomes))
    for rule, of_it in _by_rule(outcomes).items():
        suite = ET.SubElement(root, "testsuite", _totals(rule, of_it))
        for one in of_it:
            name = _xml(f"{one.kind}: {one.test}")
            attributes = {"classname": f"rules.{_xml(rule)}", "name": name, "time": f"{one.seconds:.6f}"}
            case = ET.SubElement(suite, "testcase", attributes)
            if one.reason is not None:
                text = _xml(one.reason)
                ET.SubElement(case, "failure", {"message": text.split("\n", 1)[0]}).text = text
    ET.indent(root)
    out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    out.write(ET.tostring(root, encoding="unicode") + "\n")


def _totals(name: str, outcomes: Sequence[Outcome]) -> dict[str, str]:
    return {
        "name": _xml(name),
        "tests": str(len(outcomes)),
        "failures": str(len(failed(outcomes))),
        "errors": "0",
        "time": f"{sum(one.seconds for one in outcomes):.6f}",
    }


def _xml(text: str) -> str:
    return _NOT_XML.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


WRITERS = {"text": write_text, "json": write_json, "junit": write_junit}
