"""The comparison for programs: ``logscan.diff/v1``, described by docs/diff-v1.schema.json.

Keys are never removed or given another meaning within v1; new ones may come.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, TextIO

from logscan.compare import CHANGES, Change, Diff
from logscan.model import Diagnosis, Report, Unrecognised
from logscan.report.json_v1 import cleaned, diagnosis, dump

SCHEMA = "logscan.diff/v1"


def write(diff: Diff, out: TextIO) -> None:
    """Write *diff* to *out* as one indented JSON value, in ASCII alone."""
    dump(to_dict(diff), out)


def to_dict(diff: Diff) -> dict[str, Any]:
    """The comparison as plain dicts, lists and scalars, in the order of the schema."""
    kinds = Counter(one.kind for one in diff.findings)
    sides = [_side(name, report) for name, report in zip(diff.names, diff.reports, strict=True)]
    value: dict[str, Any] = cleaned(
        {
            "schema": SCHEMA,
            "tool": {"name": "logscan", "version": diff.version},
            "before": sides[0],
            "after": sides[1],
            "counts": {kind: kinds[kind] for kind in CHANGES},
            "findings": [_finding(one) for one in diff.findings],
            "unrecognised": [_shape(one) for one in diff.unrecognised],
        }
    )
    return value


def _side(name: str, report: Report) -> dict[str, Any]:
    return {
        "name": name,
        "verdict": report.verdict,
        "records": report.counts.records,
        "calls": {"total": report.calls.total, "failed": report.calls.failed, "hung": report.calls.hung},
        "errors": list(report.errors),
    }


def _pair(before: Any, after: Any) -> dict[str, Any]:
    return {"before": before, "after": after}


def _severity(one: Diagnosis | Unrecognised | None) -> str | None:
    return None if one is None else one.severity.name.lower()


def _finding(one: Change[Diagnosis]) -> dict[str, Any]:
    volumes = (None if each is None else len(each.volumes) for each in (one.before, one.after))
    return {
        "change": one.kind,
        "id": one.latest.id,
        "category": one.latest.category,
        "severity": _pair(_severity(one.before), _severity(one.after)),
        "failures": _pair(*one.counts),
        "volumes": _pair(*(number or 0 for number in volumes)),
        "diagnosis": diagnosis(one.latest),
    }


def _shape(one: Change[Unrecognised]) -> dict[str, Any]:
    first = one.latest.first
    return {
        "change": one.kind,
        "template": one.latest.template,
        "severity": _severity(one.latest),
        "source": one.latest.source,
        "records": _pair(*one.counts),
        "first": {"input": first.input, "line": first.line, "end_line": first.end_line, "text": first.text},
    }
