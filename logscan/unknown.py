"""W, E and F records that no rule knows, gathered by shape so that nothing bad is silent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from logscan.incidents import Incident
from logscan.model import Evidence, Severity, Unrecognised

MAX_CLUSTERS = 500  # reported; the rest is summed up in one line per severity

# What varies from one record to the next of the same kind, the longest shapes first.
_MASKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,:Z+-]*"), "<time>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b"), "<address>"),
    (re.compile(r"(?<![\w.])\[?[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{0,4}){3,7}\]?"), "<address>"),
    (re.compile(r"(?<![\w<])(?:/[^\s\"'/:,)\]]+){1,}/?"), "<path>"),
    (re.compile(r"\b0x[0-9a-f]+\b"), "<hex>"),
    (re.compile(r"\b[0-9a-f]{12,64}\b"), "<hex>"),
    (re.compile(r"(?<![\w<])\d+(?:\.\d+)?(?:ns|µs|us|ms|s|m|h)?\b"), "<n>"),
)


def template(message: str) -> str:
    """The shape of a message: its first line with ids, addresses, paths and numbers masked."""
    text = message.split("\n", 1)[0][:400]
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text


@dataclass(slots=True)
class _Cluster:
    severity: Severity
    source: str
    count: int
    first: Evidence
    last: Evidence
    example: str


def cluster(incidents: Iterable[Incident]) -> tuple[Unrecognised, ...]:
    """One entry per shape, most severe and most frequent first; the counts sum up to all records."""
    clusters: dict[tuple[Severity, str, str], _Cluster] = {}
    for incident in incidents:
        # The line number moves from version to version; the file does not.
        key = (incident.severity, incident.source.partition(":")[0], template(incident.message))
        last = incident.last or incident.first[-1]
        known = clusters.get(key)
        if known is None:
            clusters[key] = _Cluster(
                incident.severity, incident.source, incident.problems, incident.first[0], last, incident.message[:1000]
            )
            continue
        known.count += incident.problems
        if (last.input, last.line) > (known.last.input, known.last.line):
            known.last = last
    ordered = sorted(clusters.items(), key=lambda item: (-item[0][0], -item[1].count, item[0][2]))
    shown = [
        Unrecognised(key[2], one.severity, one.source, one.count, one.first, one.last, one.example)
        for key, one in ordered[:MAX_CLUSTERS]
    ]
    rest = ordered[MAX_CLUSTERS:]
    for severity in sorted({key[0] for key, _ in rest}, reverse=True):
        others = [one for key, one in rest if key[0] == severity]
        text = f"({len(others)} more shapes)"
        count = sum(one.count for one in others)
        shown.append(Unrecognised(text, severity, "", count, others[0].first, others[-1].last, others[0].example))
    return tuple(shown)
