"""The report as GitLab's Code Quality JSON, for the widget of a merge request."""

from __future__ import annotations

from typing import Any, TextIO

from logscan.model import Diagnosis, Report, Severity
from logscan.report.identity import fingerprints
from logscan.report.json_v1 import cleaned, dump
from logscan.report.safe import visible
from logscan.report.words import clip

MAX_TEXT = 2_400  # characters

_SEVERITIES = {
    Severity.FATAL: "blocker", Severity.ERROR: "critical", Severity.WARNING: "major", Severity.INFO: "info",
}  # fmt: skip


def write(report: Report, out: TextIO) -> None:
    """Write *report* to *out* as a JSON list, empty where there is no diagnosis, in ASCII alone."""
    names = fingerprints(report.diagnoses)
    elsewhere = report.inputs[0].name if report.inputs else "-"
    dump(cleaned([_issue(one, name, elsewhere) for one, name in zip(report.diagnoses, names, strict=True)]), out)


def _issue(one: Diagnosis, name: str, elsewhere: str) -> dict[str, Any]:
    # A place is needed: without evidence it is the start of the first input.
    path, line, end = elsewhere, 1, 1
    if one.evidence:
        first = one.evidence[0]
        path, line, end = first.input, max(1, first.line), max(1, first.line, first.end_line)
    text = f"{one.category}: {one.cause or one.title}"
    return {
        "description": clip(visible(text + (f". {one.remedy.summary}" if one.remedy.summary else "")), MAX_TEXT),
        "check_name": visible(one.id),
        "fingerprint": name,
        "severity": _SEVERITIES[one.severity],
        "location": {
            # Only a plain relative path is matched with the files of the change.
            "path": "stdin" if path == "-" else visible(path).removeprefix("./"),
            "lines": {"begin": line, "end": end},
        },
    }
