"""What the page says beside the diagnoses: the verdict, what was read, what no rule knows, what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from logscan.model import Diagnosis, InputSummary, Report, Unrecognised
from logscan.report.html.cards import MAX_LINE, SEVERITIES, component_of, copyable, quoted
from logscan.report.html.dom import Html, el, join, table
from logscan.report.words import clip, count, kind, left_out, listed, looked_at, more, sentence, span

MAX_UNRECOGNISED = 300
FEW_SHAPES = 3  # that are shown without being asked for
MAX_BENIGN = 200
MAX_INPUTS = 500
MAX_LISTED = 200
MAX_OVERVIEW = 6

_MARKS: Mapping[str, str] = {
    "error": "✕", "warning": "!", "info": "i", "healthy": "✓", "not-enough-evidence": "?",
}  # fmt: skip


def verdict(report: Report) -> Html:
    """The answer in a sentence or a few, and what it was drawn from."""
    word, _, said = sentence(report).partition(": ")
    first = min((one.first_time for one in report.inputs if one.first_time is not None), default=None)
    last = max((one.last_time for one in report.inputs if one.last_time is not None), default=None)
    notes = []
    if report.interrupted:
        notes.append("Interrupted: the input was not read to its end; this is what had been read.")
    if report.errors:
        notes.append(f"{count(len(report.errors), 'input')} could not be read, see below.")
    alone = report.diagnoses[0] if len(report.diagnoses) == 1 and report.verdict in {"error", "warning"} else None
    said = clip(alone.cause or alone.title, MAX_LINE) if alone is not None else _said(report, said)
    return el(
        f"section.verdict.{report.verdict}",
        el("p.sign", _MARKS.get(report.verdict, "?"), aria_hidden="true"),
        el(
            "div.answer",
            el(
                "h1",
                el("span.word", word.capitalize()),
                el("span", said),
            ),
            _fix_of(alone) if alone is not None else overview(report, MAX_OVERVIEW),
            el("p.meta", f"Looked at {looked_at(report)}. {span(first, last)}".strip()),
            *(el("p.warn", note) for note in notes),
        ),
        aria_label="Verdict",
    )


def _said(report: Report, sentence: str) -> str:
    """The sentence without what was looked at, which stands below it."""
    hidden = f" ({left_out(report)})" if report.suppressed else ""
    if report.verdict == "not-enough-evidence":
        return ("No cause can be named" if report.counts.records else "Nothing in the input is a log") + hidden
    told = {"healthy": "No problem found", "info": "No problem left"}
    return told[report.verdict] + hidden if report.verdict in told else sentence


def _fix_of(one: Diagnosis) -> Html:
    if not one.remedy.summary:
        return Html("")
    return el("p.way", clip(one.remedy.summary, MAX_LINE), " ", el("a", "Show how", href="#d1"))


def figures(report: Report) -> Html:
    """The counts that tell how much there was."""
    calls, counts = report.calls, report.counts
    names = {volume.name or (volume.namespace, volume.pvc) for one in report.diagnoses for volume in one.volumes}
    shown = [
        ("records", counts.records, ""),
        ("calls", calls.total, ""),
        ("failed", calls.failed, "bad"),
        ("hung", calls.hung, "bad"),
        ("volumes affected", len(names), ""),
        ("not recognised", counts.unrecognised, "odd"),
    ]
    tiles = [
        el(f"div.{style}" if style and value else "div", el("dt", name), el("dd", f"{value:,}"))
        for name, value, style in shown
    ]
    return el("dl.figures", *tiles)


def overview(report: Report, most: int) -> Html:
    """The diagnoses as a list of links."""
    if not report.diagnoses:
        return Html("")
    items = [
        el(
            "li",
            el(f"span.dot.{SEVERITIES[one.severity]}"),
            el("a", clip(one.cause or one.title, 160), href=f"#d{number}"),
            el(
                "span.meta",
                f" {one.severity.name.lower()}",
                f", {count(len(one.volumes), 'volume')}" if one.volumes else "",
            ),
        )
        for number, one in enumerate(report.diagnoses[:most], 1)
    ]
    rest = len(report.diagnoses) - most
    return el(
        "nav.overview", el("ol", *items), el("p.note", more(rest, "finding")) if rest > 0 else "", aria_label="Findings"
    )


def check(report: Report) -> Html:
    """Which requirements of ``logscan check`` are met."""
    if report.check is None:
        return Html("")
    outcome = "passed" if report.check.passed else "failed"
    items = [
        el(
            "li",
            el("strong", "ok: " if one.met else "failed: "),
            el("code", one.wanted),
            f": {clip(one.text, MAX_LINE)}",
        )
        for one in report.check.requirements
    ]
    return el("section.panel", el("h2", f"Check {outcome}"), el("ul", *items) if items else "", id="check")


def collect_next(report: Report) -> Html:
    """The commands that fetch what is missing."""
    if not report.collect_next:
        return Html("")
    items = [
        el(
            "li",
            el("p", clip(item.why[:1].upper() + item.why[1:], MAX_LINE)),
            copyable(item.command.strip(), "command"),
        )
        for item in report.collect_next[:MAX_LISTED]
    ]
    return el("section.panel", el("h2", "What to collect next"), el("ul.plain", *items), id="next")


def unrecognised(report: Report, components: Mapping[str, str]) -> Iterator[Html]:
    """Records that no rule knows, by shape."""
    items = report.unrecognised
    if not items:
        return
    records = count(sum(item.count for item in items), "record")
    yield Html('<section class="panel" id="unrecognised">')
    yield el("h2", "Not recognised")
    yield el("p.meta", f"{records} of {count(len(items), 'shape')} that no rule knows, worst and most frequent first.")
    for item in items[:MAX_UNRECOGNISED]:
        yield _shape(item, components, unfolded=len(items) <= FEW_SHAPES)
    if len(items) > MAX_UNRECOGNISED:
        yield el("p.note", more(len(items) - MAX_UNRECOGNISED, "shape"))
    yield Html("</section>\n")


def _shape(item: Unrecognised, components: Mapping[str, str], *, unfolded: bool) -> Html:
    level = SEVERITIES[item.severity]
    return el(
        f"details.finding.shape.{level}",
        el(
            "summary",
            el("span.mark", level), el("span.times", f"{item.count:,} ×"), el("code", clip(item.template or item.example, 200)),
        ),
        el("p.meta", f"from {item.source}") if item.source else "",
        quoted(item.first),
        quoted(item.last) if item.count > 1 and item.last != item.first else "",
        data_severity=level, data_component=component_of((item.first, item.last), components), data_category="unrecognised",
        open=unfolded,
    )  # fmt: skip


def benign(report: Report) -> Html:
    """Noise that looks bad and is not."""
    items = report.benign
    if not items:
        return Html("")
    rows = [
        el("tr", el("td.n", f"{item.count:,}"), el("td", clip(item.title, MAX_LINE)), el("td", el("code", item.id)))
        for item in items[:MAX_BENIGN]
    ]
    return el(
        "section.panel",
        el("h2", "Harmless"),
        el("p.meta", f"{count(sum(item.count for item in items), 'record')} that may look bad and are not."),
        table("Harmless", ("Records", "What", "Rule"), rows),
        el("p.note", more(len(items) - MAX_BENIGN, "kind")) if len(items) > MAX_BENIGN else "",
        id="harmless",
    )


def read(report: Report) -> Html:
    """The inputs, the calls by method, what was left out."""
    columns = ("Input", "What", "Version", "Lines", "Records", "Calls", "Failed", "Hung", "Time")
    rows = [_input(one) for one in report.inputs[:MAX_INPUTS]]
    counts = report.counts
    problems = (
        f"{count(counts.problems, 'record')} of severity W, E or F: {counts.matched:,} diagnosed,"
        f" {counts.benign:,} harmless, {counts.unrecognised:,} not recognised."
    )
    return el(
        "section.panel",
        el("h2", "What was read"),
        table("Inputs", columns, rows) if rows else "",
        el("p.note", more(len(report.inputs) - MAX_INPUTS, "input")) if len(report.inputs) > MAX_INPUTS else "",
        el("p", problems) if counts.problems else "",
        _methods(report),
        _listed("Could not be read", report.errors),
        _listed("Not shown", [f"{one.get('category') or one.get('id')}: {one.get('reason')}" for one in report.suppressed]),
        _listed("Left out by a limit", [f"{what}: {number:,}" for what, number in (report.truncated or {}).items()]),
        id="read",
    )  # fmt: skip


def _input(one: InputSummary) -> Html:
    total, failed, hung = one.calls
    what = kind(one) or ("driver" if one.component == "nfs" else one.framing[0] if one.framing else "")
    who = (*(one.components[:8] if len(one.components) > 1 else ()), *one.nodes[:8], *one.pods[:8])
    notes = [f"Of {listed(who, 8)}."] if who else []
    if one.unparsed_lines:
        notes.append(f"{count(one.unparsed_lines, 'line')} of no known form.")
    notes += [f"Warning: {warning}" for warning in one.warnings]
    return el(
        "tr",
        el("th", el("code", clip(one.name, 300)), *(el("span.note", clip(note, MAX_LINE)) for note in notes), scope="row"),
        el("td", what, el("span.note", ", ".join(one.framing[:4])) if one.framing and one.framing[0] != what else ""),
        el("td", one.driver_version or "–", el("span.note", one.version_source) if one.version_source else ""),
        *(el("td.n", number) for number in (f"{one.lines:,}", f"{one.records:,}", f"{total:,}", f"{failed:,}", f"{hung:,}")),
        el("td", span(one.first_time, one.last_time) or "–", el("span.note", "year assumed") if one.time_source == "assumed" else ""),
    )  # fmt: skip


def _methods(report: Report) -> Html:
    rows = [
        el(
            "tr",
            el("th", el("code", method or "unknown"), scope="row"),
            el("td.n", f"{total:,}"),
            el("td.n", f"{failed:,}"),
        )
        for method, (total, failed) in sorted(
            report.calls.by_method.items(), key=lambda item: (-item[1][1], -item[1][0], item[0])
        )[:MAX_LISTED]
    ]
    return (
        el("details", el("summary", "Calls by method"), table("Calls by method", ("Method", "Calls", "Failed"), rows))
        if rows
        else Html("")
    )


def _listed(title: str, items: list[str] | tuple[str, ...]) -> Html:
    if not items:
        return Html("")
    shown = [el("li", clip(item, MAX_LINE)) for item in items[:MAX_LISTED]]
    rest = len(items) - MAX_LISTED
    return join(el("h3", title), el("ul", *shown, el("li", more(rest, "item")) if rest > 0 else ""))
