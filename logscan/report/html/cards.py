"""The diagnoses of the page: a card for each of the worst, a row for each of the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from logscan.model import UNRECOGNISED_FAILURE, Diagnosis, Evidence, Report, Severity, VolumeRef
from logscan.report.html.dom import Html, block, el, join, text
from logscan.report.words import clip, count, kind, listed, more, node_list, place, span

# A page that opens at once and can be sent by mail; the JSON report holds all of it.
MAX_CARDS = 100
MAX_ROWS = 10_000
CHUNK = 250  # rows of one table
MAX_VOLUMES = 100  # of one card
MAX_EVIDENCE = 6
MAX_ALTERNATIVES = 12
MAX_LIST = 40  # steps, commands, references
MAX_TEXT = 2_400  # characters of one logged message
MAX_LINE = 1_200  # of prose
FEW = 4  # volumes that are shown without being asked for

_PLACEHOLDER = re.compile(r"<[a-z][a-z_]*>")  # a name of a template that nothing filled
_LINK = re.compile(r"https://[A-Za-z0-9._~/?#=&%+:,-]+")
_HEADER = 100  # characters in which the header of a record ends

SEVERITIES: Mapping[Severity, str] = {
    Severity.FATAL: "fatal",
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}


def cards(report: Report) -> Iterator[Html]:
    """The diagnoses, worst first."""
    components = components_of(report)
    alone = len(report.diagnoses) == 1
    for number, one in enumerate(report.diagnoses[:MAX_CARDS], 1):
        yield _card(number, one, components, alone=alone)
    rest = report.diagnoses[MAX_CARDS:]
    if not rest:
        return
    yield el("h3.further", f"{count(len(rest), 'further finding')}, in short")
    shown = list(enumerate(rest[:MAX_ROWS], MAX_CARDS + 1))
    # In chunks, because a browser lays out those that are not in sight when they come to be.
    for start in range(0, len(shown), CHUNK):
        chunk = shown[start : start + CHUNK]
        label = f"Findings {chunk[0][0]:,} to {chunk[-1][0]:,}"
        yield Html(f'<div class="chunk scroll" role="group" aria-label="{label}"><table class="rows"><thead>')
        yield el("tr", *(el("th", title, scope="col") for title in ("Finding", "What", "Volumes", "First evidence")))
        yield Html("</thead><tbody>")
        for number, one in chunk:
            yield _row(number, one, components)
        yield Html("</tbody></table></div>\n")
    if len(rest) > MAX_ROWS:
        yield el("p.note", f"{more(len(rest) - MAX_ROWS, 'finding')}; the JSON report tells all of each.")


def components_of(report: Report) -> dict[str, str]:
    """What the log of each input is, by its name: "controller", "kubelet"."""
    return {one.name: kind(one) or one.component or "other" for one in report.inputs}


def component_of(items: Sequence[Evidence], components: Mapping[str, str]) -> str:
    """Of which logs evidence is, such as "controller kubelet"."""
    return " ".join(dict.fromkeys(components.get(item.input, "other") for item in items))


def _attributes(number: int, one: Diagnosis, components: Mapping[str, str]) -> dict[str, str | int | bool | None]:
    return {
        "id": f"d{number}",
        "data_severity": SEVERITIES[one.severity],
        "data_category": one.category,
        "data_component": component_of(one.evidence, components),
    }


def _row(number: int, one: Diagnosis, components: Mapping[str, str]) -> Html:
    names = [volume.pvc or volume.name for volume in one.volumes]
    return el(
        f"tr.finding.{SEVERITIES[one.severity]}",
        el("td", f"{number}. ", el("span.mark", SEVERITIES[one.severity])),
        el(
            "td",
            clip(one.cause or one.title, 300),
            " ",
            el("code", one.category),
            " recovered" if one.recovered else "",
        ),
        el("td", clip(listed(names, 2), 200)),
        el("td", el("code", clip(place(one.evidence[0]), 200)) if one.evidence else ""),
        **_attributes(number, one, components),
    )


def _card(number: int, one: Diagnosis, components: Mapping[str, str], *, alone: bool) -> Html:
    title = f"t{number}"
    level = SEVERITIES[one.severity]
    return join(
        el(
            f"article.finding.card.{level}",
            el(
                "header",
                el("p.tags", *_tags(one, level)),
                el(
                    "h3",
                    "" if alone else el("span.number", f"{number}. "),
                    clip(one.cause or one.title, MAX_LINE),
                    id=title,
                ),
                el("p.lead", clip(one.title, MAX_LINE)) if one.cause and one.title not in {"", one.cause} else "",
                el("p.meta", _when(one)),
            ),
            _fix(one),
            _evidence(one.evidence),
            _concerns(one),
            _decide(one),
            _more_about(one),
            aria_labelledby=title,
            **_attributes(number, one, components),
        ),
        Html("\n"),
    )


def _tags(one: Diagnosis, level: str) -> Iterator[Html]:
    yield el(f"span.mark.{level}", level)
    yield el("code.tag", one.category)
    yield el("span.tag", f"{one.confidence} confidence")
    if one.baseline is not None:
        yield el("span.tag", f"{one.baseline}, by the baseline")
    if one.recovered:
        yield el("span.tag.good", "recovered")
    elif one.ongoing:
        yield el("span.tag.bad", "ongoing")


def _when(one: Diagnosis) -> str:
    facts = [span(one.first_time, one.last_time)]
    if one.failures:
        of = f" of {listed(one.methods, 3)}" if one.methods else ""
        facts.append(f"{count(one.failures, 'failure')}{of}")
    if one.attempts > 1:
        facts.append(
            f"up to {one.attempts:,} attempts a volume" if len(one.volumes) > 1 else f"{one.attempts:,} attempts"
        )
    if one.recovered:
        facts.append("it worked later")
    elif one.ongoing:
        facts.append("still so where the log ends")
    return clip(" · ".join(filter(None, facts)), MAX_LINE)


# ---------------------------------------------------------------- what is in a card


def _section(title: str, *parts: str, name: str = "") -> Html:
    return el(f"section.{name}" if name else "section", el("h4", title), *parts)


def _fix(one: Diagnosis) -> Html:
    remedy = one.remedy
    if not (remedy.summary or remedy.steps or remedy.commands or remedy.manifest):
        return Html("")
    return _section(
        "Fix",
        el("p.summary", clip(remedy.summary, MAX_LINE)) if remedy.summary else "",
        el("ol", *(el("li", clip(step, MAX_LINE)) for step in remedy.steps[:MAX_LIST])) if remedy.steps else "",
        commands(remedy.commands),
        copyable(remedy.manifest.rstrip("\n"), "manifest") if remedy.manifest else "",
        name="fix",
    )


def commands(items: Sequence[str]) -> Html:
    """Commands, each with its button."""
    shown = [item.strip() for item in items[:MAX_LIST]]
    # A shell would take the brackets for redirections.
    unknown = dict.fromkeys(name for command in shown for name in _PLACEHOLDER.findall(command))
    return join(
        *(copyable(command, "command") for command in shown),
        el("p.note", f"Put in {', '.join(unknown)}: the log does not tell.") if unknown else "",
        el("p.note", more(len(items) - MAX_LIST, "command")) if len(items) > MAX_LIST else "",
    )


def copyable(value: str, what: str) -> Html:
    """A text with a button that copies it; without a script there is no button."""
    # As shown is as copied: nothing unseen gets into a shell.
    return el(
        f"div.copyable.{what}",
        el("pre", el("code", block(clip(value, MAX_TEXT * 4)))),
        el("button.copy", "Copy", type="button", aria_label=f"Copy {what}", hidden=True),
    )


def _evidence(items: Sequence[Evidence]) -> Html:
    if not items:
        return Html("")
    rest = more(len(items) - MAX_EVIDENCE, "place") if len(items) > MAX_EVIDENCE else ""
    return _section("Evidence", *map(quoted, items[:MAX_EVIDENCE]), el("p.note", rest) if rest else "", name="evidence")


def quoted(item: Evidence) -> Html:
    """Lines of a log, with the input's name and their numbers."""
    lines = clip(item.text.rstrip("\n"), MAX_TEXT).split("\n")
    # Lines of other streams may stand between: then only the first one's number is sure.
    whole = item.end_line - item.line + 1 == len(lines)
    rows = []
    for index, line in enumerate(lines):
        number = item.line + index if whole or not index else None
        head, bracket, said = line.partition("] ")
        if index or not bracket or len(head) > _HEADER:
            rows.append(el("span.l", block(line), data_n=number or "·"))
        else:
            rows.append(el("span.l", el("span.h", head + "] "), block(said), data_n=number or "·"))
    return el(
        "figure.log",
        el("figcaption", clip(place(item), 300)),
        el("pre", el("code", Html("\n".join(rows)))),
    )


def _concerns(one: Diagnosis) -> Html:
    where = node_list(one, 20)
    if not (one.volumes or where):
        return Html("")
    nodes = el("p", "On ", where, ".") if where else ""
    if not one.volumes:
        return _section("Concerns", nodes)
    told = [_volume(volume) for volume in one.volumes[:MAX_VOLUMES]]
    titles = ("Claim", "Volume", "Server and share", "Subdirectory")
    columns = [index for index in range(len(titles)) if any(cells[index] for cells in told)]
    table = el(
        "div.scroll",
        el(
            "table",
            el("thead", el("tr", *(el("th", titles[index], scope="col") for index in columns))),
            el(
                "tbody",
                *(el("tr", *(el("td", el("code", clip(row[index], 300)) if row[index] else "–") for index in columns)) for row in told),
            ),
        ),
        role="group", aria_label="Volumes",
    )  # fmt: skip
    rest = el("p.note", more(len(one.volumes) - MAX_VOLUMES, "volume")) if len(one.volumes) > MAX_VOLUMES else ""
    title = count(len(one.volumes), "volume")
    if len(one.volumes) <= FEW:
        return _section("Concerns", nodes, table)
    return _section("Concerns", nodes, el("details", el("summary", title), table, rest))


def _volume(volume: VolumeRef) -> tuple[str, ...]:
    claim = f"{volume.namespace}/{volume.pvc}" if volume.namespace and volume.pvc else volume.pvc
    share = f"{volume.server}:{volume.share}" if volume.server or volume.share else ""
    return claim, volume.name, share, volume.subdir if volume.subdir != volume.name else ""


def _decide(one: Diagnosis) -> Html:
    """What else it could be, and the checks that decide, none of them twice."""
    told = set(one.confirm)
    others = []
    for other in one.alternatives[:MAX_ALTERNATIVES]:
        new = [command for command in dict.fromkeys(other.confirm) if command not in told]
        told.update(new)
        others.append(el("li", clip(other.cause, MAX_LINE), " ", el("code.tag", other.category), commands(new)))
    return join(
        _section("To decide" if others else "To confirm", commands(one.confirm)) if one.confirm else "",
        _section("What the log cannot rule out", el("ul", *others)) if others else "",
    )


def _more_about(one: Diagnosis) -> Html:
    items = [el("li", f"Fixed in {one.fixed_in}")] if one.fixed_in else []
    if one.explains:
        folded = [f"{rule} ({count(number, 'record')})" for rule, number in one.explains]
        items.append(el("li", f"Follows from it: {listed(folded, 12)}"))
    items += [el("li", _reference(one_reference)) for one_reference in one.references[:MAX_LIST]]
    if one.id != UNRECOGNISED_FAILURE:
        items.append(el("li", el("code", f"logscan rules explain {one.id}")))
    return _section("More", el("ul", *items), name="more") if items else Html("")


def _reference(value: str) -> Html:
    return el("a", value, href=value, rel="noopener noreferrer") if _LINK.fullmatch(value) else text(clip(value, 300))
