"""The report as GitHub-flavoured Markdown, for a job's summary, a pull request or a chat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from logscan.model import UNRECOGNISED_FAILURE, Diagnosis, Evidence, InputSummary, Report, Severity, VolumeRef
from logscan.report.mdtext import block, cell, code, prose, reference
from logscan.report.words import (
    clip,
    count,
    kind,
    left_out,
    listed,
    looked_at,
    more,
    node_list,
    place,
    sentence,
    span,
)

# A job's summary may have 1 MiB, a comment 65,536 characters: what is dropped here is counted here.
MAX_PAGES = 12
MAX_BRIEF = 60
MAX_VOLUMES = 12
MAX_EVIDENCE = 3
MAX_TEXT = 2_400  # characters of one logged message
MAX_LINE = 1_200  # of prose
MAX_UNRECOGNISED = 10
MAX_BENIGN = 12
MAX_INPUTS = 20

_ICONS = {"error": "🔴", "warning": "🟠", "info": "🔵", "healthy": "🟢", "not-enough-evidence": "⚪"}
_LEVELS = {Severity.FATAL: "🔴", Severity.ERROR: "🔴", Severity.WARNING: "🟠", Severity.INFO: "🔵"}


def write(report: Report, out: TextIO) -> None:
    """Write *report* to *out*; it ends with a line's end, so that more can follow."""
    out.writelines(f"{line}\n" for line in _lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield f"## {_ICONS.get(report.verdict, '')} {_say(sentence(report))}"
    yield ""
    if report.verdict in {"warning", "error"}:
        yield from (f"Looked at {_say(looked_at(report))}.", "")
    yield from _check(report)
    if report.interrupted:
        yield from ("**Interrupted:** the input was not read to its end.", "")
    if report.errors:
        yield from ("**Could not be read:**", "", *(f"- {_say(error)}" for error in report.errors[:MAX_INPUTS]), "")
        if len(report.errors) > MAX_INPUTS:
            yield from (more(len(report.errors) - MAX_INPUTS, "input"), "")
    if len(report.diagnoses) > 1:
        yield from _overview(report.diagnoses)
    for number, one in enumerate(report.diagnoses[:MAX_PAGES], 1):
        yield from _diagnosis(number, one)
    if len(report.diagnoses) > MAX_PAGES:
        yield from (f"{more(len(report.diagnoses) - MAX_PAGES, 'finding')}; the JSON report tells all of each.", "")
    yield from _collect_next(report)
    yield from _unrecognised(report)
    yield from _rest(report)


def _check(report: Report) -> Iterator[str]:
    if report.check is None:
        return
    yield from (f"**Check {'passed' if report.check.passed else 'failed'}**", "")
    for one in report.check.requirements:
        yield f"- {'🟢' if one.met else '🔴'} {code(one.wanted)}: {_say(one.text)}"
    yield ""


def _say(text: str) -> str:
    return prose(clip(text, MAX_LINE))


def _overview(diagnoses: Sequence[Diagnosis]) -> Iterator[str]:
    yield "| | what | category | volumes | failures |"
    yield "| ---: | --- | --- | ---: | ---: |"
    for number, one in enumerate(diagnoses[:MAX_BRIEF], 1):
        what = prose(clip(one.cause or one.title, 240)) + (" (recovered)" if one.recovered else "")
        row = (f"{number} {_LEVELS[one.severity]}", what, cell(one.category))
        yield f"| {' | '.join((*row, f'{len(one.volumes):,}', f'{one.failures:,}'))} |"
    yield ""


def _folded(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A section that is closed until somebody clicks; *title* is ours."""
    yield from ("<details>", f"<summary>{title}</summary>", "", *lines, "", "</details>", "")


# ---------------------------------------------------------------- one diagnosis


def _diagnosis(number: int, one: Diagnosis) -> Iterator[str]:
    yield f"### {number}. {_LEVELS[one.severity]} {_say(one.cause or one.title)}"
    yield ""
    facts = [f"**{one.severity.name.lower()}**", cell(one.category), f"confidence {one.confidence}"]
    facts += [f"{one.baseline}, by the baseline"] * bool(one.baseline)
    if one.failures:
        of = f" of {_say(listed(one.methods, 3))}" if one.methods else ""
        facts.append(f"{count(one.failures, 'failure')}{of}")
    if one.recovered:
        facts.append("recovered: it worked later")
    elif one.ongoing:
        facts.append("still so where the log ends")
    facts.append(span(one.first_time, one.last_time))
    yield " · ".join(filter(None, facts))
    yield ""
    if one.cause and one.title and one.title != one.cause:
        yield from (f"{_say(one.title)}.", "")
    yield from _concerns(one)
    yield from _evidence(one.evidence)
    yield from _fix(one)
    yield from _decide(one)
    yield from _links(one)


def _concerns(one: Diagnosis) -> Iterator[str]:
    if nodes := node_list(one, 6):
        yield from (f"On {_say(nodes)}.", "")
    if not one.volumes:
        return
    rows = [
        "| claim | volume | share |",
        "| --- | --- | --- |",
        *(
            f"| {' | '.join(cell(clip(text, 300)) for text in _volume(volume))} |"
            for volume in one.volumes[:MAX_VOLUMES]
        ),
    ]
    if len(one.volumes) > MAX_VOLUMES:
        rows += ["", more(len(one.volumes) - MAX_VOLUMES, "volume")]
    if len(one.volumes) > 4:
        yield from _folded(count(len(one.volumes), "volume"), rows)
    else:
        yield from (*rows, "")


def _volume(volume: VolumeRef) -> tuple[str, str, str]:
    claim = f"{volume.namespace}/{volume.pvc}" if volume.namespace and volume.pvc else volume.pvc
    share = f"{volume.server}:{volume.share}" if volume.server or volume.share else ""
    return claim, volume.name, share


def _evidence(items: Sequence[Evidence]) -> Iterator[str]:
    if not items:
        return
    yield from ("**Evidence**", "")
    for item in items[:MAX_EVIDENCE]:
        yield from (code(place(item)), "", *block(clip(item.text, MAX_TEXT)), "")
    if len(items) > MAX_EVIDENCE:
        yield from (more(len(items) - MAX_EVIDENCE, "place"), "")


def _fix(one: Diagnosis) -> Iterator[str]:
    remedy = one.remedy
    if not (remedy.summary or remedy.steps or remedy.commands or remedy.manifest):
        return
    yield f"**Fix**{': ' + _say(remedy.summary) if remedy.summary else ''}"
    yield ""
    if remedy.steps:
        yield from (*(f"{number}. {_say(step)}" for number, step in enumerate(remedy.steps, 1)), "")
    if remedy.commands:
        yield from (*block("\n".join(remedy.commands), "sh"), "")
    if remedy.manifest:
        yield from (*block(remedy.manifest, "yaml"), "")


def _decide(one: Diagnosis) -> Iterator[str]:
    if one.confirm:
        yield from ("**To decide**" if one.alternatives else "**To confirm**", "")
        yield from (*block("\n".join(one.confirm), "sh"), "")
    if not one.alternatives:
        return
    lines = []
    for other in one.alternatives:
        lines += [f"- {_say(other.cause)} ({cell(other.category)})"]
    told = set(one.confirm)
    for other in one.alternatives:
        new = [command for command in other.confirm if command not in told]
        told.update(new)
        if new:
            lines += ["", f"To tell {cell(other.category)}:", "", *block("\n".join(new), "sh")]
    yield from _folded("What the log cannot rule out", lines)


def _links(one: Diagnosis) -> Iterator[str]:
    parts = [f"fixed in {_say(one.fixed_in)}"] if one.fixed_in else []
    parts += [reference(text) for text in one.references]
    if one.explains:
        parts.append("follows from it: " + _say(listed([f"{rule} ({n:,})" for rule, n in one.explains], 6)))
    if one.id != UNRECOGNISED_FAILURE:
        parts.append(code(f"logscan rules explain {one.id}"))
    if parts:
        yield from (f"More: {' · '.join(parts)}", "")


# ---------------------------------------------------------------- the rest


def _collect_next(report: Report) -> Iterator[str]:
    if not report.collect_next:
        return
    yield from ("### What to collect next", "")
    for item in report.collect_next:
        yield from (_say(item.why), "", *block(item.command, "sh"), "")


def _unrecognised(report: Report) -> Iterator[str]:
    items = report.unrecognised
    if not items:
        return
    lines = []
    for item in items[:MAX_UNRECOGNISED]:
        source = f" from {cell(item.source)}" if item.source else ""
        lines += [f"{item.count:,} × {item.severity.name.lower()}{source}, first {code(place(item.first))}", ""]
        lines += [*block(clip(item.example or item.template, MAX_TEXT)), ""]
    if len(items) > MAX_UNRECOGNISED:
        lines.append(more(len(items) - MAX_UNRECOGNISED, "shape"))
    records = count(sum(item.count for item in items), "record")
    yield from _folded(f"Not recognised: {records} of {count(len(items), 'shape')}", lines)


def _rest(report: Report) -> Iterator[str]:
    if report.benign:
        lines = [f"- {item.count:,} × {_say(item.title)} ({cell(item.id)})" for item in report.benign[:MAX_BENIGN]]
        if len(report.benign) > MAX_BENIGN:
            lines += ["", more(len(report.benign) - MAX_BENIGN, "kind")]
        records = count(sum(item.count for item in report.benign), "record")
        yield from _folded(f"Harmless: {records} that may look bad", lines)
    if report.suppressed:
        names = [f"{item.get('category') or item['id']} ({item.get('reason')})" for item in report.suppressed]
        rest = [more(len(names) - MAX_BRIEF, "finding")] * (len(names) > MAX_BRIEF)
        lines = [f"- {_say(name)}" for name in (*names[:MAX_BRIEF], *rest)]
        yield from _folded(f"Left out: {left_out(report)}", lines)
    yield from _folded("What was read", _read(report))


def _read(report: Report) -> Iterator[str]:
    for one in report.inputs[:MAX_INPUTS]:
        yield f"- {_input(one)}"
        yield from (f"  - warning: {_say(warning)}" for warning in one.warnings)
    if len(report.inputs) > MAX_INPUTS:
        yield f"- {more(len(report.inputs) - MAX_INPUTS, 'input')}"
    counts, calls = report.counts, report.calls
    if counts.problems:
        yield (
            f"- {count(counts.problems, 'record')} of severity W, E or F: {counts.matched:,} diagnosed,"
            f" {counts.benign:,} harmless, {counts.unrecognised:,} not recognised"
        )
    if calls.total:
        yield f"- {count(calls.total, 'call')}, {calls.failed:,} failed, {calls.hung:,} hung"
    for what, number in (report.truncated or {}).items():
        yield f"- left out by a limit: {_say(what)}: {number:,}"
    yield f"- logscan {_say(report.version)}"


def _input(one: InputSummary) -> str:
    what = f"{kind(one)} log" if kind(one) else "log"
    version = f" of {one.driver_version}" if one.driver_version else ""
    when = span(one.first_time, one.last_time)
    parts = (_say(what + version), count(one.lines, "line"), count(one.records, "record"), when)
    return f"{code(clip(one.name, 300))}: {', '.join(filter(None, parts))}"
