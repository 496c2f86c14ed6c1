"""The report for people: verdict, then each diagnosis with its proof and cure, then the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TextIO

from logscan.model import (
    BESIDE,
    UNRECOGNISED_FAILURE,
    Benign,
    Check,
    Diagnosis,
    Evidence,
    InputSummary,
    Report,
    Severity,
    Unrecognised,
    VolumeRef,
)
from logscan.report.page import BOLD, GREEN, MAGENTA, RED, Page
from logscan.report.safe import visible
from logscan.report.words import count as _count
from logscan.report.words import kind as _kind
from logscan.report.words import listed as _listed
from logscan.report.words import looked_at as _looked_at
from logscan.report.words import more as _more
from logscan.report.words import node_list as _node_list
from logscan.report.words import place as _place
from logscan.report.words import sentence as _sentence
from logscan.report.words import span as _span

# How much of a list is shown; the JSON report holds all of it.
MAX_PAGES = 12  # diagnoses told in full; a hundred servers may fail for one reason each
MAX_BRIEF = 60  # diagnoses told in one sentence
MAX_VOLUMES = 6
MAX_SHARES = 4
MAX_NODES = 6
MAX_EVIDENCE = 3
MAX_INPUTS = 8
MAX_UNRECOGNISED = 10
MAX_BENIGN = 12

_PLACEHOLDER = re.compile(r"<[a-z][a-z_]*>")  # a name of a template that nothing filled

_VERDICT_STYLE = {"error": RED, "warning": MAGENTA, "healthy": GREEN, "not-enough-evidence": MAGENTA}
_SEVERITY_STYLE = {Severity.FATAL: RED, Severity.ERROR: RED, Severity.WARNING: MAGENTA, Severity.INFO: BOLD}


def write(report: Report, out: TextIO, *, width: int = 80, color: bool = False) -> None:
    """Write *report* to *out*.

    Args:
        report: any; all text in it is taken to be hostile.
        out: gets whole lines, without carriage returns or control characters
            other than, with *color*, SGR sequences that never cross a line's end.
        width: columns of the terminal.  Commands and manifests are not folded,
            because they are there to be pasted.
        color: whether to use ANSI colours; the text is the same without.
    """
    page = Page(out, width, color=color)
    _verdict(page, report)
    for number, diagnosis in enumerate(report.diagnoses[:MAX_PAGES], 1):
        _diagnosis(page, number, diagnosis)
    _briefly(page, report.diagnoses)
    if report.verdict == "not-enough-evidence":
        _collect_next(page, report)
    _unrecognised(page, report.unrecognised)
    _benign(page, report.benign)
    _inputs(page, report)
    if report.verdict != "not-enough-evidence":
        _collect_next(page, report)
    _left_out(page, report)
    _errors(page, report)


# ---------------------------------------------------------------- sections


def _verdict(page: Page, report: Report) -> None:
    page.prose(_sentence(report), indent=0, style=_VERDICT_STYLE.get(report.verdict, BOLD))
    if report.verdict in {"warning", "error"}:
        page.prose(f"Looked at {_looked_at(report)}.", indent=0)
    if report.check is not None:
        _check(page, report.check)
    if report.interrupted:
        page.prose("Interrupted: the input was not read to its end; this is what had been read.", indent=0)
    if report.errors:
        page.prose(f"{_count(len(report.errors), 'input')} could not be read, see the end.", indent=0)


def _check(page: Page, check: Check) -> None:
    outcome, style = ("CHECK PASSED", GREEN) if check.passed else ("CHECK FAILED", RED)
    page.prose(outcome, indent=0, style=style)
    for one in check.requirements:
        page.prose(f"{one.wanted}: {one.text}", first="ok      " if one.met else "failed  ")


def _diagnosis(page: Page, number: int, one: Diagnosis) -> None:
    style = _SEVERITY_STYLE[one.severity]
    page.rule(f"-- {number}. {one.severity.name.lower()}: {one.category} (confidence: {one.confidence})", style)
    if one.baseline:
        page.prose(
            "Known: the baseline has it." if one.baseline == "known" else "New: the baseline does not have it.",
            indent=0,
        )
    page.prose(one.cause or one.title, indent=0, style=BOLD)
    if one.cause and one.title and one.title != one.cause:
        page.prose(one.title, indent=0)
    _concerns(page, one)
    _when(page, one)
    _evidence(page, one.evidence)
    _decide(page, one)
    _fix(page, one)
    _more_about(page, one)


def _briefly(page: Page, diagnoses: Sequence[Diagnosis]) -> None:
    """The diagnoses that did not get a page of their own, in a sentence each."""
    rest = diagnoses[MAX_PAGES:]
    if not rest:
        return
    page.rule(f"-- {_more(len(rest), 'finding')}, in short", BOLD)
    for number, one in enumerate(rest[:MAX_BRIEF], MAX_PAGES + 1):
        volumes = f"; {_count(len(one.volumes), 'volume')}" if one.volumes else ""
        text = f"{one.severity.name.lower()}: {one.cause or one.title} ({one.category}, {one.id}{volumes})"
        page.prose(text, indent=0, first=f"{number}. ")
    if len(rest) > MAX_BRIEF:
        page.prose(_more(len(rest) - MAX_BRIEF, "finding"), indent=0)
    page.prose("--format json tells all of each.", indent=0)


def _concerns(page: Page, one: Diagnosis) -> None:
    if not (one.volumes or one.nodes or one.pods):
        return
    page.heading("Concerns")
    shares: dict[tuple[str, str], list[VolumeRef]] = {}
    for volume in one.volumes:
        shares.setdefault((volume.server, volume.share), []).append(volume)
    for (server, share), volumes in list(shares.items())[:MAX_SHARES]:
        where = [f"server {server}"] * bool(server) + [f"share {share}"] * bool(share)
        if where:
            page.prose(", ".join(where))
        for volume in volumes[:MAX_VOLUMES]:
            page.prose(_volume(volume), indent=4 if where else 2)
        if len(volumes) > MAX_VOLUMES:
            page.prose(_more(len(volumes) - MAX_VOLUMES, "volume"), indent=4 if where else 2)
    if len(shares) > MAX_SHARES:
        left = sum(len(volumes) for volumes in list(shares.values())[MAX_SHARES:])
        page.prose(f"and {_count(left, 'volume')} of {len(shares) - MAX_SHARES:,} more shares")
    if nodes := _node_list(one, MAX_NODES):
        page.prose(nodes)


def _volume(volume: VolumeRef) -> str:
    """Such as: PVC default/data-0, volume pvc-…, subdirectory x."""
    parts = [f"PVC {volume.namespace}/{volume.pvc}" if volume.namespace else f"PVC {volume.pvc}"] * bool(volume.pvc)
    if volume.name:
        parts.append(f"volume {volume.name}")
    if volume.subdir and volume.subdir != volume.name:
        parts.append(f"subdirectory {volume.subdir}")
    return ", ".join(parts) or "a volume that the log does not name"


def _when(page: Page, one: Diagnosis) -> None:
    facts = []
    if one.failures:
        methods = f" of {_listed(one.methods, 3)}" if one.methods else ""
        facts.append(_count(one.failures, "failure") + methods)
    if one.attempts > 1:
        facts.append(
            f"up to {one.attempts:,} attempts a volume" if len(one.volumes) > 1 else f"{one.attempts:,} attempts"
        )
    if one.recovered:
        facts.append("recovered: it worked later")
    elif one.ongoing:
        facts.append("still so where the log ends")
    when = ": ".join(filter(None, [_span(one.first_time, one.last_time), ", ".join(facts)]))
    if when:
        page.heading("When")
        page.prose(when)


def _evidence(page: Page, items: Sequence[Evidence]) -> None:
    if not items:
        return
    page.heading("Evidence")
    for item in items[:MAX_EVIDENCE]:
        page.prose(_place(item))
        page.logged(item.text)
    if len(items) > MAX_EVIDENCE:
        page.prose(_more(len(items) - MAX_EVIDENCE, "place"))


def _decide(page: Page, one: Diagnosis) -> None:
    """What else it could be, and the checks that decide, none of them printed twice."""
    told: set[str] = set()
    if one.alternatives:
        page.heading("What the log cannot rule out")
        for alternative in one.alternatives:
            page.prose(f"{alternative.cause} ({alternative.category})", first="- ")
    checks = [(one.confirm, "To confirm" if not one.alternatives else "To decide")]
    checks += [(alternative.confirm, f"To tell {alternative.category}") for alternative in one.alternatives]
    for commands, title in checks:
        new = [command for command in dict.fromkeys(commands) if command not in told]
        told.update(new)
        if new:
            page.heading(title)
            _commands(page, new)


def _commands(page: Page, commands: Sequence[str]) -> None:
    page.commands(commands)
    # A shell would take the brackets for redirections.
    unknown = dict.fromkeys(name for command in commands for name in _PLACEHOLDER.findall(command))
    if unknown:
        page.prose(f"(put in {', '.join(unknown)}: the log does not tell)")


def _fix(page: Page, one: Diagnosis) -> None:
    remedy = one.remedy
    if not (remedy.summary or remedy.steps or remedy.commands or remedy.manifest):
        return
    page.heading("Fix")
    if remedy.summary:
        page.prose(remedy.summary)
    for number, step in enumerate(remedy.steps, 1):
        page.prose(step, first=f"{number}. ")
    if remedy.commands:
        page.line()
        _commands(page, remedy.commands)
    if remedy.manifest:
        page.line()
        for line in remedy.manifest.rstrip("\n").split("\n"):
            page.line(("  " + visible(line)).rstrip(" "))


def _more_about(page: Page, one: Diagnosis) -> None:
    if one.id == UNRECOGNISED_FAILURE:  # there is no rule to read on
        return
    page.heading("More")
    if one.fixed_in:
        page.prose(f"fixed in {one.fixed_in}")
    if one.explains:
        folded = [f"{rule} ({_count(count, 'record')})" for rule, count in one.explains]
        page.prose(f"follows from it: {_listed(folded, 6)}")
    for reference in one.references:
        page.prose(reference)
    page.prose(f"logscan rules explain {one.id}")


def _unrecognised(page: Page, items: Sequence[Unrecognised]) -> None:
    if not items:
        return
    records = _count(sum(item.count for item in items), "record")
    page.heading(f"Not recognised: {records} of {_count(len(items), 'shape')}")
    for item in items[:MAX_UNRECOGNISED]:
        source = f" from {item.source}" if item.source else ""
        last = f", last {_place(item.last)}" if item.count > 1 else ""
        page.prose(f"{item.count:,} x {item.severity.name.lower()}{source}, first {_place(item.first)}{last}")
        # Of one record, the template would only say the same less well.
        page.logged(item.example if item.count == 1 or not item.template else item.template)
        if item.count > 1 and item.template and item.example != item.template:
            page.prose("for example")
            page.logged(item.example)
    if len(items) > MAX_UNRECOGNISED:
        page.prose(_more(len(items) - MAX_UNRECOGNISED, "shape"))


def _benign(page: Page, items: Sequence[Benign]) -> None:
    if not items:
        return
    page.heading(f"Harmless: {_count(sum(item.count for item in items), 'record')} that may look bad")
    for item in items[:MAX_BENIGN]:
        page.prose(f"{item.title} ({item.id})", first=f"{item.count:,} x ")
    if len(items) > MAX_BENIGN:
        page.prose(_more(len(items) - MAX_BENIGN, "kind"))


def _inputs(page: Page, report: Report) -> None:
    if not (report.inputs or report.calls.total):
        return
    page.heading("What was read")
    for one in report.inputs[:MAX_INPUTS]:
        _input(page, one, alone=len(report.inputs) == 1)
    if len(report.inputs) > MAX_INPUTS:
        page.prose(_more(len(report.inputs) - MAX_INPUTS, "input"))
    counts, calls = report.counts, report.calls
    if counts.problems:
        page.prose(
            f"{_count(counts.problems, 'record')} of severity W, E or F: {counts.matched:,} diagnosed,"
            f" {counts.benign:,} harmless, {counts.unrecognised:,} not recognised"
        )
    if calls.total:
        methods = [
            f"{method or 'unknown'} {total:,}" + (f" ({failed:,} failed)" if failed else "")
            for method, (total, failed) in sorted(
                calls.by_method.items(), key=lambda item: (-item[1][1], -item[1][0], item[0])
            )
        ]
        detail = f": {_listed(methods, 8)}" if methods else ""
        page.prose(f"{_count(calls.total, 'call')}, {calls.failed:,} failed, {calls.hung:,} hung{detail}")


def _speakers(page: Page, one: InputSummary, *, alone: bool) -> None:
    """Who speaks in an input, on which nodes, and the calls that it tells of; of the only input they are told below."""
    if len(one.components) > 1:
        page.prose(f"of {_listed(one.components, 8)}", indent=4)
    if one.nodes:
        page.prose(f"node{'s' * (len(one.nodes) > 1)} {_listed(one.nodes, MAX_NODES)}", indent=4)
    if one.pods:
        page.prose(f"pod{'s' * (len(one.pods) > 1)} {_listed(one.pods, MAX_NODES)}", indent=4)
    total, failed, hung = one.calls
    if total and not alone:
        page.prose(f"{_count(total, 'call')}, {failed:,} failed, {hung:,} hung", indent=4)


_KNOWN_BY = {"banner": "it says so itself", "fingerprint": "by the source lines that logged"}
_YEAR_BY = {"assumed": " (year assumed; --year sets it)", "file-name": " (year from the file's name)"}


def _input(page: Page, one: InputSummary, *, alone: bool) -> None:
    kind = f"{_kind(one)} log" if _kind(one) else ("driver log" if one.component == "nfs" else "log")
    how = _KNOWN_BY.get(one.version_source or "", "")
    version = f" of {one.driver_version}" + (f" ({how})" if how else "") if one.driver_version else ""
    framing = f", framing {_listed(one.framing, 4)}" if one.framing else ""
    if one.records == 0 and set(one.framing) & BESIDE:
        kind, framing = "evidence", f", {one.framing[0]}"
    page.prose(f"{one.name}: {kind}{version}{framing}")
    unparsed = f", {_count(one.unparsed_lines, 'line')} of no known form" if one.unparsed_lines else ""
    page.prose(f"{_count(one.lines, 'line')}, {_count(one.records, 'record')}{unparsed}", indent=4)
    _speakers(page, one, alone=alone)
    if span := _span(one.first_time, one.last_time):
        page.prose(span + _YEAR_BY.get(one.time_source, ""), indent=4)
    for warning in one.warnings:
        page.prose(warning, indent=4, first="warning: ")


def _collect_next(page: Page, report: Report) -> None:
    if not report.collect_next:
        return
    page.heading("What to collect next")
    for item in report.collect_next:
        page.prose(f"# {item.why}")
        page.commands([item.command])


def _left_out(page: Page, report: Report) -> None:
    if not (report.suppressed or report.truncated):
        return
    page.heading("Left out")
    if report.suppressed:
        reasons: dict[str, list[str]] = {}
        for item in report.suppressed:
            reasons.setdefault(str(item.get("reason") or "suppressed"), []).append(str(item.get("id", "?")))
        for reason, names in list(reasons.items())[:MAX_BRIEF]:
            page.prose(f"{_listed(names, 6)}: {reason}")
        if len(reasons) > MAX_BRIEF:
            page.prose(_more(len(reasons) - MAX_BRIEF, "reason"))
    for kind, count in (report.truncated or {}).items():
        page.prose(f"{kind}: {count:,}")


def _errors(page: Page, report: Report) -> None:
    if not report.errors:
        return
    page.heading("Could not be read")
    for error in report.errors:
        page.prose(error)
