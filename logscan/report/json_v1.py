"""The report for programs: ``logscan.report/v1``, described by docs/report-v1.schema.json.

Keys are never removed or given another meaning within v1; new ones may come.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TextIO

from logscan.model import (
    Activity,
    Check,
    Diagnosis,
    Evidence,
    InputSummary,
    Report,
    Unrecognised,
    VolumeCalls,
    rfc3339,
)

SCHEMA = "logscan.report/v1"

_SURROGATE = re.compile("[\ud800-\udfff]")


def write(report: Report, out: TextIO) -> None:
    """Write *report* to *out* as one indented JSON value, in ASCII alone."""
    dump(to_dict(report), out)


def dump(value: Any, out: TextIO) -> None:
    """Write a value that was ``cleaned`` as indented JSON, in ASCII alone.

    Non-ASCII is escaped because the text is a stranger's: no terminal, pager
    or locale on the way can stumble over a control or bidi character.
    """
    from itertools import islice
    from json import JSONEncoder

    # In pieces: the text of a big report takes more memory than all that was read.
    pieces = JSONEncoder(indent=2).iterencode(value)
    while some := "".join(islice(pieces, 8192)):
        out.write(inert(some))
    out.write("\n")


def inert(text: str) -> str:
    """The same JSON without what acts where it is shown: ensure_ascii leaves DEL, and a CI runner obeys ``##[command]``."""
    return text.replace("\x7f", "\\u007f").replace("##[", "#\\u0023[")


def to_dict(report: Report) -> dict[str, Any]:
    """The report as plain dicts, lists and scalars, in the order of the schema."""
    value: dict[str, Any] = cleaned(
        {
            "schema": SCHEMA,
            "tool": {"name": "logscan", "version": report.version},
            "verdict": report.verdict,
            "inputs": [_input(one) for one in report.inputs],
            "diagnoses": [diagnosis(one) for one in report.diagnoses],
            "unrecognised": [_unrecognised(one) for one in report.unrecognised],
            "benign": [{"id": one.id, "title": one.title, "count": one.count} for one in report.benign],
            "calls": {
                "total": report.calls.total,
                "failed": report.calls.failed,
                "hung": report.calls.hung,
                "by_method": {
                    method: {"total": total, "failed": failed}
                    for method, (total, failed) in report.calls.by_method.items()
                },
            },
            "collect_next": [{"why": one.why, "command": one.command} for one in report.collect_next],
            "suppressed": [dict(one) for one in report.suppressed],
            "truncated": None if report.truncated is None else dict(report.truncated),
            "counts": {
                "records": report.counts.records,
                "problems": report.counts.problems,
                "matched": report.counts.matched,
                "benign": report.counts.benign,
                "unrecognised": report.counts.unrecognised,
            },
            "errors": list(report.errors),
            "interrupted": report.interrupted,
            "rules": list(report.rules),
            "check": None if report.check is None else _check(report.check),
            "activity": None if report.activity is None else _activity(report.activity),
            "redacted": report.redacted,
            "timeline": [_calls(one) for one in report.timeline],
        }
    )
    return value


def cleaned(value: Any) -> Any:
    """Replace lone surrogates: no encoder of UTF-8 takes them and strict JSON readers refuse them."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {cleaned(key): cleaned(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(item) for item in value]
    return value


def _input(one: InputSummary) -> dict[str, Any]:
    return {
        "name": one.name,
        "framing": list(one.framing),
        "component": one.component,
        "role": one.role,
        "driver_version": one.driver_version,
        "version_source": one.version_source,
        "bytes": one.bytes,
        "lines": one.lines,
        "records": one.records,
        "unparsed_lines": one.unparsed_lines,
        "first_time": rfc3339(one.first_time),
        "last_time": rfc3339(one.last_time),
        "time_source": one.time_source,
        "warnings": list(one.warnings),
        "components": list(one.components),
        "nodes": list(one.nodes),
        "calls": dict(zip(("total", "failed", "hung"), one.calls, strict=True)),
        "hints": list(one.hints),
        "pods": list(one.pods),
    }


def diagnosis(one: Diagnosis) -> dict[str, Any]:
    """A diagnosis as it stands in the report."""
    return {
        "id": one.id,
        "category": one.category,
        "severity": one.severity.name.lower(),
        "confidence": one.confidence,
        "title": one.title,
        "cause": one.cause,
        "remedy": {
            "summary": one.remedy.summary,
            "steps": list(one.remedy.steps),
            "commands": list(one.remedy.commands),
            "manifest": one.remedy.manifest,
        },
        "confirm": list(one.confirm),
        "alternatives": [
            {"category": other.category, "cause": other.cause, "confirm": list(other.confirm)}
            for other in one.alternatives
        ],
        "volumes": [
            {
                "name": volume.name,
                "pvc": volume.pvc,
                "namespace": volume.namespace,
                "server": volume.server,
                "share": volume.share,
                "subdir": volume.subdir,
            }
            for volume in one.volumes
        ],
        "nodes": list(one.nodes),
        "other_nodes": list(one.other_nodes),
        "pods": list(one.pods),
        "methods": list(one.methods),
        "failures": one.failures,
        "attempts": one.attempts,
        "first_time": rfc3339(one.first_time),
        "last_time": rfc3339(one.last_time),
        "recovered": one.recovered,
        "ongoing": one.ongoing,
        "evidence": [_evidence(item) for item in one.evidence],
        "explains": [{"id": rule, "count": count} for rule, count in one.explains],
        "fixed_in": one.fixed_in,
        "references": list(one.references),
        "mount": None if one.mount is None else {"source": one.mount.source, "options": one.mount.options},
        "baseline": one.baseline,
    }


def _check(one: Check) -> dict[str, Any]:
    requirements = [{"wanted": each.wanted, "met": each.met, "text": each.text} for each in one.requirements]
    return {"passed": one.passed, "requirements": requirements}


def _evidence(item: Evidence) -> dict[str, Any]:
    return {"input": item.input, "line": item.line, "end_line": item.end_line, "text": item.text}


def _unrecognised(one: Unrecognised) -> dict[str, Any]:
    return {
        "template": one.template,
        "severity": one.severity.name.lower(),
        "source": one.source,
        "count": one.count,
        "first": _evidence(one.first),
        "last": _evidence(one.last),
        "example": one.example,
    }


def _activity(one: Activity) -> dict[str, Any]:
    return {
        "seconds": one.width // 1_000_000,
        "bars": [
            {
                "time": rfc3339(bar.time),
                "info": bar.info,
                "warning": bar.warning,
                "error": bar.error,
                "fatal": bar.fatal,
                "failed": bar.failed,
            }
            for bar in one.bars
        ],
    }


def _calls(one: VolumeCalls) -> dict[str, Any]:
    return {
        "volume": one.name,
        "calls": [
            {
                "method": call.method,
                "outcome": call.outcome,
                "start": rfc3339(call.start),
                "end": rfc3339(call.end),
                "attempt": call.attempt,
                "code": call.code,
                "node": call.node,
                "text": call.text,
                "input": call.input,
                "line": call.line,
            }
            for call in one.calls
        ],
        "left_out": one.left_out,
    }
