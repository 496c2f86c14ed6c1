"""The report as CSV (RFC 4180): a row for each diagnosis, for a spreadsheet or a ticket system's import.

A spreadsheet runs what looks like a formula, wherever the cell came from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from logscan.model import Diagnosis, Evidence, Report, rfc3339
from logscan.report.identity import fingerprints
from logscan.report.safe import visible
from logscan.report.words import place

COLUMNS = (
    "fingerprint", "id", "category", "severity", "confidence", "cause", "fix", "failures", "attempts", "recovered",
    "ongoing", "first_time", "last_time", "volumes", "claims", "servers", "shares", "nodes", "methods", "place", "evidence",
    "baseline",
)  # fmt: skip

MAX_CELL = 32_000  # characters: Excel cuts a cell at 32,767

# What starts a formula, full-width forms included.
_FORMULA = tuple("=+-@|%\uff1d\uff0b\uff0d\uff20\u2212")


def write(report: Report, out: TextIO) -> None:
    """Write *report* to *out*: a header, then a row for each diagnosis; every cell is quoted."""
    import csv

    rows = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    for name, one in zip(fingerprints(report.diagnoses), report.diagnoses, strict=True):
        rows.writerow([cell(text) for text in (name, *_row(one))])


def _row(one: Diagnosis) -> Sequence[str]:
    proof = one.evidence[0] if one.evidence else Evidence("", 0, 0, "")
    claims = [f"{volume.namespace}/{volume.pvc}".lstrip("/") for volume in one.volumes if volume.pvc]
    return (
        one.id,
        one.category,
        one.severity.name.lower(),
        one.confidence,
        one.cause or one.title,
        one.remedy.summary,
        str(one.failures),
        str(one.attempts),
        str(one.recovered).lower(),
        str(one.ongoing).lower(),
        rfc3339(one.first_time) or "",
        rfc3339(one.last_time) or "",
        _all([volume.name for volume in one.volumes]),
        _all(claims),
        _all([volume.server for volume in one.volumes]),
        _all([volume.share for volume in one.volumes]),
        _all(one.nodes),
        _all(one.methods),
        place(proof) if one.evidence else "",
        proof.text,
        one.baseline or "",
    )


def _all(names: Sequence[str]) -> str:
    return " ".join(dict.fromkeys(filter(None, names)))


def cell(text: str) -> str:
    """*text* as a spreadsheet shows it and runs no part of it."""
    text = visible(text)
    if len(text) > MAX_CELL:
        text = f"{text[:MAX_CELL]} [... {len(text) - MAX_CELL:,} more characters]"
    # An apostrophe makes it text; spreadsheets do not show it.
    return f"'{text}" if text.lstrip(" \"'").startswith(_FORMULA) else text
