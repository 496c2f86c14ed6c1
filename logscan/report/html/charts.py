"""What happened when: the data that the script draws, and the same as tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from logscan.model import Report, TimelineCall, VolumeRef, rfc3339
from logscan.report.html.cards import MAX_ROWS
from logscan.report.html.dom import Html, el, table
from logscan.report.json_v1 import cleaned, inert
from logscan.report.safe import visible
from logscan.report.words import clip, count, duration, left_out_calls

MAX_FINDINGS = 50  # of one volume
MAX_NAME = 200
# A scan gives fewer (see activity.py and history.py); a JSON report that is converted may be anybody's.
MAX_BARS = 500
MAX_VOLUMES = 100
MAX_CALLS = 50  # of one volume
SECOND = 1_000_000

# How a call is told of, by its outcome.
OUTCOMES = {
    "ok": "ok",
    "failed": "failed",
    "hung": "hung: no end, though the log goes on",
    "killed": "ended by a restart of the driver",
    "open": "no end before the log's",
    "lost": "no longer followed",
}


def panel(report: Report) -> Iterator[Html]:
    """The place for the chart, and tables that say the same."""
    activity, volumes = report.activity, report.timeline
    if activity is None and not volumes:
        return
    told = [count(len(volumes), "volume") + " that a finding names"] if volumes else []
    if activity is not None:
        told.insert(0, f"Records and failed calls per {_width(activity.width)}")
    yield Html('<section class="panel" id="time" aria-labelledby="time-title">')
    yield el("h2", "Over time", id="time-title")
    yield el("p.meta", f"{', and calls of '.join(told)}. Times are UTC.")
    yield el("div", id="chart", hidden=True)
    if volumes:
        yield el("details", el("summary", "The calls as a table"), _calls(report))
    if activity is not None:
        yield el("details", el("summary", "The records as a table"), _bars(report))
    yield Html(f'<script type="application/json" id="data">{_data(report)}</script>')
    yield Html("</section>\n")


def _width(micros: int) -> str:
    seconds = micros // SECOND
    for size, noun in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds % size == 0:
            number = seconds // size
            return noun if number == 1 else f"{number} {noun}s"
    raise AssertionError(micros)


def _refs(report: Report) -> tuple[dict[str, VolumeRef], dict[str, list[int]]]:
    """(what the diagnoses know of each volume of the timeline, the numbers of the findings that name it)."""
    refs: dict[str, VolumeRef] = {}
    findings: dict[str, list[int]] = {one.name: [] for one in report.timeline[:MAX_VOLUMES]}
    for number, one in enumerate(report.diagnoses[:MAX_ROWS], 1):
        for ref in one.volumes:
            numbers = findings.get(ref.name)
            if numbers is not None and len(numbers) < MAX_FINDINGS:
                numbers.append(number)
                refs.setdefault(ref.name, ref)
    return refs, findings


def _label(name: str, refs: dict[str, VolumeRef]) -> str:
    """The claim's name where it is known: it is what people know a volume by."""
    ref = refs.get(name)
    if ref is None or not ref.pvc:
        return clip(name, MAX_NAME)
    return clip(f"{ref.namespace}/{ref.pvc}" if ref.namespace else ref.pvc, MAX_NAME)


def _place(call: TimelineCall) -> str:
    return clip(f"{call.input}:{call.line}", MAX_NAME) if call.line else ""


def _data(report: Report) -> str:
    """JSON that ends no element: times in ms since the epoch."""
    refs, findings = _refs(report)

    def ms(time: int | None) -> float | None:
        return None if time is None else time / 1_000

    activity = report.activity
    value: dict[str, Any] = {
        "width": 0 if activity is None else activity.width // 1_000,
        "bars": []
        if activity is None
        else [[ms(bar.time), bar.info, bar.warning, bar.error, bar.fatal, bar.failed] for bar in activity.bars[:MAX_BARS]],
        "outcomes": OUTCOMES,
        "volumes": [
            {
                "name": clip(one.name, MAX_NAME),
                "label": _label(one.name, refs),
                "findings": findings[one.name],
                "leftOut": one.left_out,
                "calls": [
                    [
                        call.method or "unknown method", call.outcome, ms(call.start), ms(call.end), call.attempt, call.code,
                        clip(call.node, MAX_NAME), clip(call.text, MAX_NAME * 2), _place(call),
                    ]
                    for call in one.calls[:MAX_CALLS]
                ],
            }
            for one in report.timeline[:MAX_VOLUMES]
        ],
    }  # fmt: skip
    text = inert(json.dumps(_seen(cleaned(value)), separators=(",", ":")))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _seen(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {key: _seen(item) for key, item in value.items()}
    return [_seen(item) for item in value] if isinstance(value, list) else value


# ---------------------------------------------------------------- tables


def _calls(report: Report) -> Html:
    refs, _ = _refs(report)
    rows = []
    for one in report.timeline[:MAX_VOLUMES]:
        for call in one.calls[:MAX_CALLS]:
            took = duration(call.end - call.start) if call.start is not None and call.end is not None else ""
            rows.append(
                el(
                    "tr",
                    el("td", el("code", _label(one.name, refs))),
                    el("td", call.method or "unknown", el("span.note", clip(call.node, MAX_NAME)) if call.node else ""),
                    el(
                        "td",
                        OUTCOMES[call.outcome],
                        el("span.note", clip(call.text, MAX_NAME * 2)) if call.text else "",
                    ),
                    el("td", _clock(call.start if call.start is not None else call.end)),
                    el("td.n", took),
                    el("td.n", f"{call.attempt:,}"),
                    el("td", el("code", _place(call)) if call.line else ""),
                )
            )
        if one.left_out:
            rows.append(
                el(
                    "tr",
                    el("td", el("code", _label(one.name, refs))),
                    el("td", left_out_calls(one.left_out), colspan=6),
                )
            )
    return table("Calls", ("Volume", "Call", "Outcome", "Time", "Took", "Attempt", "Where"), rows)


def _bars(report: Report) -> Html:
    assert report.activity is not None
    rows = [
        el("tr", el("td", _clock(bar.time)), *(el("td.n", f"{number:,}") for number in (bar.info, bar.warning, bar.error, bar.fatal, bar.failed)))
        for bar in report.activity.bars[:MAX_BARS]
    ]  # fmt: skip
    return table("Records by time", ("Time", "Info", "Warnings", "Errors", "Fatal", "Failed calls"), rows)


def _clock(time: int | None) -> str:
    text = rfc3339(time)
    return f"{text[:10]} {text[11:23]}" if text else "–"
