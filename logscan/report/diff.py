"""A comparison of two runs for people: what is new first."""

from __future__ import annotations

from collections import Counter
from typing import TextIO

from logscan.compare import CHANGES, Change, Diff
from logscan.model import Diagnosis, Report, Severity, Unrecognised
from logscan.report.page import BOLD, GREEN, MAGENTA, RED, Page
from logscan.report.words import count, listed, looked_at, more, place

MAX_TOLD = 20  # of a kind, each with its cause and a place
MAX_SHAPES = 10
MAX_ERRORS = 20

_TITLES = {
    "new": "New in B", "more": "More often in B", "fewer": "Less often in B", "gone": "Gone in B", "same": "The same",
}  # fmt: skip


def write(diff: Diff, out: TextIO, *, width: int = 80, color: bool = False) -> None:
    """Write *diff* to *out*; all text in it is taken to be hostile.

    Args:
        width: columns of the terminal.
        color: whether to use ANSI colours; the text is the same without.
    """
    page = Page(out, width, color=color)
    kinds = Counter(one.kind for one in diff.findings)
    page.prose(_sentence(kinds), indent=0, style=RED if kinds["new"] else MAGENTA if kinds["more"] else GREEN)
    for side, name, report in zip("AB", diff.names, diff.reports, strict=True):
        page.prose(
            f"{name}: {report.verdict}; {looked_at(report)}, {count(report.calls.failed, 'failed call')}",
            indent=0,
            first=f"{side}  ",
        )
    for kind in CHANGES:
        _findings(page, kind, [one for one in diff.findings if one.kind == kind])
    _shapes(page, diff)
    for side, report in zip("AB", diff.reports, strict=True):
        _errors(page, side, report)


def _sentence(kinds: Counter[str]) -> str:
    """Such as: B has 2 new findings; 1 gone, 3 the same."""
    words = {"more": "more often", "fewer": "less often", "gone": "gone", "same": "the same"}
    rest = ", ".join(f"{kinds[kind]:,} {word}" for kind, word in words.items() if kinds[kind])
    new = f"B has {count(kinds['new'], 'new finding')}" if kinds["new"] else "B has nothing new"
    return f"{new}; {rest}" if rest else new


def _findings(page: Page, kind: str, changes: list[Change[Diagnosis]]) -> None:
    if not changes:
        return
    page.heading(f"{_TITLES[kind]}: {count(len(changes), 'finding')}")
    for one in changes[:MAX_TOLD]:
        page.prose(_head(one), style=_style(one), first="- ")
        if kind == "same":
            continue
        page.prose(one.latest.cause or one.latest.title, indent=4)
        if one.latest.evidence:
            page.prose(place(one.latest.evidence[0]), indent=4)
    if len(changes) > MAX_TOLD:
        page.prose(more(len(changes) - MAX_TOLD, "finding"))


def _style(one: Change[Diagnosis]) -> str:
    return BOLD if one.kind in {"new", "more"} and one.latest.severity >= Severity.WARNING else ""


def _head(one: Change[Diagnosis]) -> str:
    """Such as: error: wrong-share-path (create-mkdir-rofs), 3 failures, were 1; 2 volumes."""
    latest, (before, after) = one.latest, one.counts
    severity = latest.severity.name.lower()
    if one.before is not None and one.after is not None and one.before.severity != one.after.severity:
        severity += f" (was {one.before.severity.name.lower()})"
    often = (
        f"{count(after, 'failure')}, before {before:,}"
        if one.kind in {"more", "fewer"}
        else count(after or before, "failure")
    )
    shares = sorted({f"{volume.server}:{volume.share}" for volume in latest.volumes if volume.server or volume.share})
    where = f"; {listed(shares, 3)}" if shares else ""
    volumes = f", {count(len(latest.volumes), 'volume')}" if latest.volumes else ""
    recovered = ", recovered" if latest.recovered else ""
    return f"{severity}: {latest.category} ({latest.id}), {often}{volumes}{recovered}{where}"


def _shapes(page: Page, diff: Diff) -> None:
    told = [one for one in diff.unrecognised if one.kind != "same"]
    if not told:
        return
    page.heading(f"Not recognised: {count(len(told), 'shape')} that differ")
    for one in told[:MAX_SHAPES]:
        page.prose(_shape(one), first="- ")
        page.logged(one.latest.example if max(one.counts) == 1 or not one.latest.template else one.latest.template)
    if len(told) > MAX_SHAPES:
        page.prose(more(len(told) - MAX_SHAPES, "shape"))


def _shape(one: Change[Unrecognised]) -> str:
    before, after = one.counts
    often = (
        count(after, "record") + (f", before {before:,}" if before else "")
        if after
        else f"gone, before {count(before, 'record')}"
    )
    source = f" from {one.latest.source}" if one.latest.source else ""
    return f"{one.latest.severity.name.lower()}{source}: {often}"


def _errors(page: Page, side: str, report: Report) -> None:
    if not report.errors:
        return
    page.heading(f"Could not be read in {side}")
    for error in report.errors[:MAX_ERRORS]:
        page.prose(error)
    if len(report.errors) > MAX_ERRORS:
        page.prose(more(len(report.errors) - MAX_ERRORS, "input"))
