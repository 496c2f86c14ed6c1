"""The trace for programs: ``logscan.trace/v1``, described by docs/trace-v1.schema.json.

Keys are never removed or given another meaning within v1; new ones may come.
"""

from __future__ import annotations

from typing import Any, TextIO

from logscan.model import Restart, Trace, TracedCall, VolumeTrace, rfc3339
from logscan.report.json_v1 import cleaned, dump

SCHEMA = "logscan.trace/v1"


def write(trace: Trace, out: TextIO) -> None:
    """Write *trace* to *out* as one indented JSON value, in ASCII alone."""
    dump(to_dict(trace), out)


def to_dict(trace: Trace) -> dict[str, Any]:
    """The trace as plain dicts, lists and scalars, in the order of the schema."""
    value: dict[str, Any] = cleaned(
        {
            "schema": SCHEMA,
            "tool": {"name": "logscan", "version": trace.version},
            "volumes": [_volume(one) for one in trace.volumes],
            "known": trace.known,
            "unassigned": {"total": trace.unassigned[0], "failed": trace.unassigned[1]},
            "dropped": dict(trace.dropped),
            "errors": list(trace.errors),
            "interrupted": trace.interrupted,
        }
    )
    return value


def _volume(one: VolumeTrace) -> dict[str, Any]:
    return {
        "name": one.name,
        "handle": one.handle,
        "pvc": one.pvc,
        "namespace": one.namespace,
        "server": one.server,
        "share": one.share,
        "subdir": one.subdir,
        "status": one.status,
        "attempts": one.attempts,
        "total": one.total,
        "failed": one.failed,
        "hung": one.hung,
        "dropped": one.dropped,
        "last_good": None if one.last_good is None else _call(one.last_good),
        "calls": [_call(call) for call in one.calls],
        "restarts": [_restart(start) for start in one.restarts],
        "diagnoses": [{"id": rule, "category": category, "cause": cause} for rule, category, cause in one.diagnoses],
    }


def _call(call: TracedCall) -> dict[str, Any]:
    return {
        "method": call.method,
        "role": call.role or None,
        "node": call.node,
        "attempt": call.attempt,
        "outcome": call.outcome,
        "code": call.code,
        "text": call.text,
        "start": rfc3339(call.start),
        "end": rfc3339(call.end),
        "until": rfc3339(call.until),
        "seconds": _seconds(call.start, call.end),
        "gap_seconds": None if call.gap is None else call.gap / 1_000_000,
        "key": call.key,
        "source": call.source,
        "options": call.options,
        "candidates": call.candidates,
        "input": call.input,
        "line": call.line,
    }


def _seconds(start: int | None, end: int | None) -> float | None:
    # Two processes' clocks, or a log put together by hand: a call does not end before it starts.
    return None if start is None or end is None or end < start else (end - start) / 1_000_000


def _restart(start: Restart) -> dict[str, Any]:
    return {"time": rfc3339(start.time), "kind": start.kind, "input": start.input, "line": start.line}
