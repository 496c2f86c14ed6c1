"""The report as one HTML file to look at, to mail, or to keep with a job.

The file is whole in itself and asks nobody for anything: its policy allows its own style and its own
script by their hashes and nothing else.  All that the report says is in the markup, so that it can be read, printed
and searched without a script; the script filters, pages, copies and draws.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import TextIO

from logscan.model import Report
from logscan.report.html import cards, charts, rest
from logscan.report.html.dom import Html, el
from logscan.report.words import sentence

_SCRIPTS = ("chart.js", "report.js")


def write(report: Report, out: TextIO) -> None:
    """Write *report* to *out*: a document of HTML 5, in UTF-8 if *out* is."""
    out.writelines(_pieces(report))


def _pieces(report: Report) -> Iterator[str]:
    yield "<!doctype html>\n"
    yield '<html lang="en">\n'
    yield _head(report)
    yield '\n<body>\n<a class="skip" href="#main">Skip to the findings</a>\n'
    yield el("header.top", el("div.wrap", el("p.brand", "logscan"), _menu(report)))
    yield '\n<main class="wrap" id="main" tabindex="-1">\n'
    yield rest.verdict(report)
    yield rest.check(report)
    yield rest.figures(report)
    if report.verdict == "not-enough-evidence":
        yield rest.collect_next(report)
    yield _filters(report)
    yield from charts.panel(report)
    if report.diagnoses:
        yield '\n<section id="findings" aria-labelledby="findings-title">'
        yield el("h2", "Findings", id="findings-title")
        yield from cards.cards(report)
        yield '<button class="more-cards" type="button" id="more" hidden>Show more</button>'
        yield "</section>\n"
    if report.verdict != "not-enough-evidence":
        yield rest.collect_next(report)
    yield from rest.unrecognised(report, cards.components_of(report))
    yield rest.benign(report)
    yield rest.read(report)
    yield "\n</main>\n"
    yield el(
        "footer", el("div.wrap", el("p", f"Made by logscan {report.version}. It is whole in itself and loads nothing."))
    )
    for name in _SCRIPTS:  # apart, so that a fault in one leaves the other
        yield f"\n<script>{_asset(name)}</script>"
    yield "\n</body>\n</html>\n"


def _head(report: Report) -> Html:
    policy = (
        f"default-src 'none'; script-src {' '.join(_hash(_asset(name)) for name in _SCRIPTS)}; style-src {_hash(_style())};"
        " base-uri 'none'; form-action 'none'"
    )
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="referrer", content="no-referrer"),
        el("meta", name="generator", content=f"logscan {report.version}"),
        el("title", f"logscan: {sentence(report)}"),
        el("style", Html(_style())),
    )


def _menu(report: Report) -> Html:
    places = [
        ("time", "Over time", report.activity is not None or len(report.timeline)),
        ("findings", "Findings", len(report.diagnoses)),
        ("unrecognised", "Not recognised", len(report.unrecognised)),
        ("harmless", "Harmless", len(report.benign)),
        ("read", "What was read", 1),
    ]
    return el(
        "nav", *(el("a", title, href=f"#{name}") for name, title, number in places if number), aria_label="Sections"
    )


def _filters(report: Report) -> Html:
    """The controls that a script gives life to; of one finding of one volume there is nothing to choose."""
    if max(len(report.diagnoses) + len(report.unrecognised), len(report.timeline)) < 2:
        return Html("")
    levels = {one.severity for one in report.diagnoses} | {one.severity for one in report.unrecognised}
    severities = [cards.SEVERITIES[level] for level in sorted(levels, reverse=True)]
    evidence = [*(one.evidence for one in report.diagnoses), *((one.first, one.last) for one in report.unrecognised)]
    known = cards.components_of(report)
    components = sorted({name for items in evidence for name in cards.component_of(items, known).split()})
    return el(
        "form.filters",
        el("label", el("span", "Volume, claim or text"), el("input", type="search", id="f-text", autocomplete="off", spellcheck="false")),
        el(
            "fieldset",
            el("legend", "Severity"),
            *(el("label.chip", el("input", type="checkbox", value=name, checked=True), el("span", name)) for name in severities),
            hidden=len(severities) < 2,
        ),
        el(
            "label",
            el("span", "Component"),
            el("select", el("option", "all", value=""), *(el("option", name, value=name) for name in components), id="f-component"),
            hidden=len(components) < 2,
        ),
        el("output", id="f-count", aria_live="polite"),
        id="filters", role="search", aria_label="Filter the findings", hidden=True,
    )  # fmt: skip


@cache
def _asset(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _style() -> str:
    return _asset("report.css") + _asset("chart.css")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
