"""The report as SARIF 2.1.0, for code scanning and viewers of static analysis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TextIO
from urllib.parse import quote

from logscan.model import UNRECOGNISED_FAILURE, Check, Diagnosis, Evidence, InputSummary, Report, Severity
from logscan.report import mdtext
from logscan.report.identity import fingerprints
from logscan.report.json_v1 import cleaned, dump
from logscan.report.safe import visible
from logscan.report.words import clip

SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
VERSION = "2.1.0"
MAX_SNIPPET = 2_400  # characters
MAX_MESSAGE = 8_000

_LEVELS = {Severity.FATAL: "error", Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def write(report: Report, out: TextIO) -> None:
    """Write *report* to *out* as one indented JSON value, in ASCII alone."""
    dump(cleaned(_log(report)), out)


def _log(report: Report) -> dict[str, Any]:
    rules = _rules(report)
    index = {rule["id"]: number for number, rule in enumerate(rules)}
    results = [
        _result(one, index[visible(one.id)], name)
        for one, name in zip(report.diagnoses, fingerprints(report.diagnoses), strict=True)
    ]
    results += [_suppressed(one, index[visible(str(one["id"]))]) for one in report.suppressed]
    driver = {
        "name": "logscan",
        "version": report.version,
        "semanticVersion": report.version,
        "rules": rules,
    }
    run = {
        "tool": {"driver": driver},
        "invocations": [_invocation(report)],
        "artifacts": [_artifact(one) for one in report.inputs],
        "results": results,
        "columnKind": "unicodeCodePoints",
        "properties": {"verdict": report.verdict} | _check(report.check),
    }
    return {"$schema": SCHEMA_URI, "version": VERSION, "runs": [run]}


# ---------------------------------------------------------------- rules


def _rules(report: Report) -> list[dict[str, Any]]:
    """Those that something is told of; a viewer shows no others."""
    found: dict[str, list[Diagnosis]] = {}
    for one in report.diagnoses:
        found.setdefault(visible(one.id), []).append(one)
    for hidden in report.suppressed:
        found.setdefault(visible(str(hidden["id"])), [])
    return [_rule(rule_id, found[rule_id]) for rule_id in sorted(found)]


def _rule(rule_id: str, diagnoses: Sequence[Diagnosis]) -> dict[str, Any]:
    if not diagnoses:
        return {"id": rule_id}
    title = visible(diagnoses[0].title or diagnoses[0].category)
    worst = max(one.severity for one in diagnoses)
    rule: dict[str, Any] = {
        "id": rule_id,
        "shortDescription": {"text": title},
        "fullDescription": {"text": title},
        "help": {
            "text": clip("\n\n".join(dict.fromkeys(_help_text(one) for one in diagnoses)), MAX_MESSAGE),
            "markdown": clip("\n\n".join(dict.fromkeys(_help_markdown(one) for one in diagnoses)), MAX_MESSAGE),
        },
        "defaultConfiguration": {"level": _LEVELS[worst]},
        "properties": {"tags": sorted({visible(one.category) for one in diagnoses})},
    }
    links = [one for diagnosis in diagnoses for one in diagnosis.references if mdtext.is_link(one)]
    return rule | ({"helpUri": links[0]} if links else {})


def _help_text(one: Diagnosis) -> str:
    parts = [one.remedy.summary, *(f"{number}. {step}" for number, step in enumerate(one.remedy.steps, 1))]
    parts += [*one.confirm, *one.remedy.commands]
    return "\n".join(visible(part) for part in parts if part) or visible(one.title)


def _help_markdown(one: Diagnosis) -> str:
    lines = [mdtext.prose(one.remedy.summary or one.title), ""]
    lines += [f"{number}. {mdtext.prose(step)}" for number, step in enumerate(one.remedy.steps, 1)]
    for title, commands in (("To confirm:", one.confirm), ("Commands:", one.remedy.commands)):
        if commands:
            lines += ["", title, "", *mdtext.block("\n".join(commands), "sh")]
    if one.id != UNRECOGNISED_FAILURE:
        lines += ["", f"More: {mdtext.code(f'logscan rules explain {one.id}')}"]
    return "\n".join(lines)


# ---------------------------------------------------------------- results


def _result(one: Diagnosis, index: int, name: str) -> dict[str, Any]:
    # Without a place a viewer shows no result; where the evidence begins is the place.
    return (
        {
            "ruleId": visible(one.id),
            "ruleIndex": index,
            "level": _LEVELS[one.severity],
            "kind": "fail" if one.severity > Severity.INFO else "informational",
            "message": {"text": _message(one)},
            "locations": [_location(item) for item in one.evidence[:1]],
            "relatedLocations": [
                _location(item) | {"id": number, "message": {"text": "more evidence"}}
                for number, item in enumerate(one.evidence[1:], 1)
            ],
            "partialFingerprints": {"logscan/v1": name},
            "occurrenceCount": max(1, one.failures),
            "properties": {
                "category": visible(one.category),
                "confidence": one.confidence,
                "recovered": one.recovered,
                "ongoing": one.ongoing,
                "volumes": [visible(volume.name) for volume in one.volumes],
            },
        }
        | ({} if one.severity > Severity.INFO else {"level": "none"})
        | _baseline(one)
    )


def _baseline(one: Diagnosis) -> dict[str, str]:
    return {"baselineState": "new" if one.baseline == "new" else "unchanged"} if one.baseline else {}


def _message(one: Diagnosis) -> str:
    # Brackets would be links.
    parts = [one.cause or one.title, one.remedy.summary]
    text = "\n".join(visible(part) for part in parts if part) or visible(one.id)
    return clip(text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]"), MAX_MESSAGE)


def _suppressed(one: Mapping[str, Any], index: int) -> dict[str, Any]:
    reason = visible(str(one.get("reason") or "suppressed"))
    category = visible(str(one.get("category") or one["id"]))
    return {
        "ruleId": visible(str(one["id"])),
        "ruleIndex": index,
        "message": {"text": f"{category}: {reason}"},
        "suppressions": [{"kind": "external", "status": "accepted", "justification": reason}],
    }


def _location(item: Evidence) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": uri(item.input)}}
    if item.line > 0:
        place["region"] = {
            "startLine": item.line,
            "endLine": max(item.line, item.end_line),
            "snippet": {"text": clip("\n".join(map(visible, item.text.split("\n"))), MAX_SNIPPET)},
        }
    return {"physicalLocation": place}


def uri(name: str) -> str:
    """An input's name as a URI reference: relative as it was given, ``stdin`` for standard input."""
    if name == "-":
        return "stdin"
    path = quote(name, safe="/!~@+,=", errors="replace")
    return f"file://{path}" if path.startswith("/") else path


# ---------------------------------------------------------------- the run


def _check(check: Check | None) -> dict[str, Any]:
    if check is None:
        return {}
    missed = [f"{visible(one.wanted)}: {visible(one.text)}" for one in check.requirements if not one.met]
    return {"check": "passed" if check.passed else "failed", "missed": missed}


def _artifact(one: InputSummary) -> dict[str, Any]:
    return {
        "location": {"uri": uri(one.name)},
        "description": {"text": f"{visible(one.name)}: {one.records:,} records"},
        "length": one.bytes,
    }


def _invocation(report: Report) -> dict[str, Any]:
    notes = [{"level": "error", "message": {"text": clip(visible(error), MAX_MESSAGE)}} for error in report.errors]
    if report.interrupted:
        notes.append({"level": "warning", "message": {"text": "interrupted: the input was not read to its end"}})
    for item in report.collect_next:
        text = f"to collect next: {visible(item.why)}: {visible(item.command)}"
        notes.append({"level": "note", "message": {"text": clip(text, MAX_MESSAGE)}})
    return {
        "executionSuccessful": not (report.errors or report.interrupted),
        "toolExecutionNotifications": notes,
    }
