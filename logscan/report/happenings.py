"""What becomes of the diagnoses while a log goes on, told line by line: for people on a pipe, and as JSON Lines."""

from __future__ import annotations

from typing import TextIO

from logscan.model import Diagnosis, Happening, Severity, rfc3339
from logscan.report.json_v1 import cleaned, diagnosis, inert
from logscan.report.page import BOLD, GREEN, MAGENTA, RED, Page
from logscan.report.words import count, listed

_STYLES = {Severity.FATAL: RED, Severity.ERROR: RED, Severity.WARNING: MAGENTA, Severity.INFO: BOLD}
_WIDTH = 10  # of "recovered" and a blank


def write_ndjson(one: Happening, out: TextIO) -> None:
    """Write *one* as one line of ASCII: ``type``, ``time``, ``key``, ``changes``, ``diagnosis`` of report v1."""
    import json

    value = {
        "type": one.kind,
        "time": rfc3339(one.time),
        "key": one.key,
        "changes": list(one.changes),
        "diagnosis": diagnosis(one.diagnosis),
    }
    out.write(inert(json.dumps(cleaned(value))) + "\n")


def write_text(one: Happening, out: TextIO, *, width: int, color: bool) -> None:
    """Write *one* as a few lines that nothing will take back; see report.text for *width* and *color*."""
    page = Page(out, width, color=color)
    about = one.diagnosis
    stamp = (rfc3339(one.time) or "")[11:19]
    first = f"{stamp} {one.kind:<{_WIDTH}}"
    indent = len(first)
    severity = f"{about.severity.name.lower()}: " if one.kind == "opened" else ""
    style = GREEN if one.kind == "recovered" else _STYLES[about.severity] if one.kind != "closed" else ""
    page.prose(f"{severity}{about.category}: {about.cause or about.title}", indent=0, first=first, style=style)
    if one.kind == "closed":
        page.prose("no longer a trouble of its own: another explains it, or it was long ago", indent=indent)
        return
    if "state" in one.changes:
        page.prose("it fails again", indent=indent)
    if facts := facts_of(about):
        page.prose(facts, indent=indent)
    if one.kind != "opened":
        return
    if about.evidence:
        page.prose(f"proof: {about.evidence[0].input}:{about.evidence[0].line}", indent=indent)
    if about.remedy.summary:
        page.prose(f"fix: {about.remedy.summary}", indent=indent)


def facts_of(one: Diagnosis) -> str:
    """Such as: 3 volumes (default/data-0, default/data-1 and 1 more), 9 failures, up to 4 attempts."""
    facts = []
    if one.volumes:
        names = [
            "/".join(filter(None, (volume.namespace, volume.pvc))) or volume.name or "unnamed" for volume in one.volumes
        ]
        facts.append(f"{count(len(names), 'volume')} ({listed(names, 2)})")
    if one.failures:
        facts.append(count(one.failures, "failure"))
    if one.attempts > 1:
        facts.append(f"{'up to ' * (len(one.volumes) > 1)}{one.attempts:,} attempts")
    if one.nodes:
        facts.append(f"node{'s' * (len(one.nodes) > 1)} {listed(one.nodes, 2)}")
    elif one.pods:
        facts.append(f"driver pod{'s' * (len(one.pods) > 1)} {listed(one.pods, 2)}")
    return ", ".join(facts)
