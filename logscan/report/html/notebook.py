"""The report as a piece of HTML that a notebook shows below a cell: verdict, diagnoses, volumes.

It is a fragment among others on a page that is not ours, so it brings its few styles with it, loads nothing
and runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from logscan.model import Diagnosis, Report, VolumeRef
from logscan.report.html.cards import SEVERITIES
from logscan.report.html.dom import Html, block, el, join
from logscan.report.words import clip, count, listed, more, place, span

MAX_DIAGNOSES = 20
MAX_VOLUMES = 50  # of one diagnosis
MAX_EVIDENCE = 3
MAX_TEXT = 1_200  # characters of one logged message, or of a sentence

# Theirs are the fonts and colours; the accents are readable on light and on dark.
_STYLE = """
.logscan-report {max-width: 60em; line-height: 1.4}
.logscan-report .diagnosis {border-left: 4px solid #888; padding: .1em 0 .1em 1em; margin: 1em 0}
.logscan-report .fatal, .logscan-report .error {border-color: #d64545}
.logscan-report .warning {border-color: #c98a1b}
.logscan-report .info {border-color: #4f8fd0}
.logscan-report p {margin: .4em 0}
.logscan-report pre {font-family: var(--jp-code-font-family, monospace); font-size: .9em; white-space: pre-wrap; overflow-wrap: anywhere; margin: .4em 0; padding: .5em; border: 1px solid #8886}
.logscan-report table {border-collapse: collapse; margin: .4em 0}
.logscan-report table th, .logscan-report table td {text-align: left; padding: .15em .8em .15em 0; vertical-align: top}
.logscan-report .small {opacity: .75; font-size: .9em}
.logscan-report summary {cursor: pointer}
"""


def fragment(report: Report) -> Html:
    """The markup for *report*; every text of it is taken to be hostile."""
    rest = len(report.diagnoses) - MAX_DIAGNOSES
    return el(
        "div.logscan-report",
        el("style", Html(_STYLE)),
        el("p", el("b", f"Verdict: {report.verdict}"), f" — {_seen(report)}"),
        *(el("p.error", f"Not read: {error}") for error in report.errors),
        *(_diagnosis(one) for one in report.diagnoses[:MAX_DIAGNOSES]),
        el("p.small", f"{more(rest, 'finding')}.") if rest > 0 else "",
        _unrecognised(report),
        _next(report),
    )


def _seen(report: Report) -> str:
    parts = [
        count(report.counts.records, "record"),
        count(report.calls.total, "call"),
        f"{report.calls.failed:,} failed",
    ]
    times = [time for one in report.inputs for time in (one.first_time, one.last_time) if time is not None]
    return ", ".join(parts) + (f"; {span(min(times), max(times))}" if times else "")


def _diagnosis(one: Diagnosis) -> Html:
    state = "recovered" if one.recovered else "ongoing" if one.ongoing else ""
    facts = [
        SEVERITIES[one.severity],
        one.category,
        f"{one.confidence} confidence",
        count(one.failures, "failed call"),
        state,
    ]
    return el(
        f"div.diagnosis.{SEVERITIES[one.severity]}",
        el("p", el("b", clip(one.cause or one.title, MAX_TEXT))),
        el("p.small", " · ".join(filter(None, facts)), f" · {span(one.first_time, one.last_time)}".rstrip(" ·")),
        _volumes(one),
        *(
            join(el("p.small", place(proof)), el("pre", block(clip(proof.text, MAX_TEXT))))
            for proof in one.evidence[:MAX_EVIDENCE]
        ),
        *_remedy(one),
    )


def _volumes(one: Diagnosis) -> Html | str:
    if not one.volumes:
        return ""
    names = [volume.pvc or volume.name for volume in one.volumes]
    head = el("tr", *(el("th", title) for title in ("Volume", "Claim", "Server", "Share")))
    rest = len(one.volumes) - MAX_VOLUMES
    return el(
        "details",
        el("summary", f"{count(len(names), 'volume')}: {listed(names, 3)}"),
        el("table", head, *(_volume(volume) for volume in one.volumes[:MAX_VOLUMES])),
        el("p.small", f"{more(rest, 'volume')}.") if rest > 0 else "",
        open=len(names) <= 3,
    )


def _volume(one: VolumeRef) -> Html:
    claim = f"{one.namespace}/{one.pvc}".lstrip("/") if one.pvc else ""
    return el("tr", *(el("td", clip(value, MAX_TEXT)) for value in (one.name, claim, one.server, one.share)))


def _remedy(one: Diagnosis) -> Iterator[Html]:
    remedy = one.remedy
    if remedy.summary:
        yield el("p", el("b", "Fix: "), clip(remedy.summary, MAX_TEXT))
    if remedy.commands:
        yield el("pre", block("\n".join(remedy.commands)))
    if remedy.manifest:
        yield el("pre", block(remedy.manifest))
    if one.confirm:
        yield el("p.small", "To be sure:")
        yield el("pre", block("\n".join(one.confirm)))


def _unrecognised(report: Report) -> Html | str:
    if not report.unrecognised:
        return ""
    found = report.unrecognised
    return el(
        "details",
        el("summary", f"{count(report.counts.unrecognised, 'record')} that no rule knows"),
        el("table", *(el("tr", el("td", f"{one.count:,}×"), el("td", clip(one.template, MAX_TEXT))) for one in found[:MAX_DIAGNOSES])),
        el("p.small", f"{more(len(found) - MAX_DIAGNOSES, 'shape')}.") if len(found) > MAX_DIAGNOSES else "",
    )  # fmt: skip


def _next(report: Report) -> Html | str:
    if not report.collect_next:
        return ""
    return join(
        el("p", el("b", "Collect next")),
        *(join(el("p", clip(one.why, MAX_TEXT)), el("pre", block(one.command))) for one in report.collect_next),
    )
