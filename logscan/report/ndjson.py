"""The report as JSON Lines: one object a line, each with a ``type``, for jq, Loki, Elasticsearch and the like.

The objects are those of ``logscan.report/v1``: first ``summary``, which holds what
concerns the whole, then ``input``, ``diagnosis``, ``unrecognised``, ``benign`` and ``timeline``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TextIO

from logscan.model import Report
from logscan.report.json_v1 import inert, to_dict

# The lists of the report whose items get lines of their own.
TYPES = {
    "inputs": "input",
    "diagnoses": "diagnosis",
    "unrecognised": "unrecognised",
    "benign": "benign",
    "timeline": "timeline",
}


def write(report: Report, out: TextIO) -> None:
    """Write *report* to *out* as lines of ASCII, none of which holds a line's end."""
    import json

    out.writelines(inert(json.dumps(one)) + "\n" for one in _objects(to_dict(report)))


def _objects(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "summary"} | {key: item for key, item in value.items() if key not in TYPES}
    for key, kind in TYPES.items():
        for item in value[key]:
            yield {"type": kind} | item
