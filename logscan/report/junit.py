"""The report as JUnit XML: a test case for each rule, passed ones too, so that a CI system shows a trend.

Suites: ``logscan.rules`` (a case for each rule that was held against the input),
``logscan.inputs`` (a case for each input, an error where it could not be read) and,
of ``logscan check``, ``logscan.check`` (a case for each requirement).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TextIO
from xml.sax.saxutils import escape, quoteattr

from logscan.model import UNRECOGNISED_FAILURE, Diagnosis, InputSummary, Report, Requirement, Severity
from logscan.report.safe import no_command, visible
from logscan.report.words import clip, count, left_out, place

MAX_TEXT = 2_400  # characters of one logged message
MAX_EVIDENCE = 3
MAX_VOLUMES = 20
MAX_DIAGNOSES = 20  # of one rule


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    outcome: str = ""  # "" passed | failure | error | skipped
    kind: str = ""  # of the failure: the severity
    message: str = ""
    lines: Sequence[str] = ()  # visible() ones


def write(report: Report, out: TextIO) -> None:
    """Write *report* to *out*; diagnoses of severity warning and above are failures, notes are passed."""
    suites = {"logscan.rules": _rules(report), "logscan.inputs": _inputs(report)}
    if report.check is not None:
        suites["logscan.check"] = [_requirement(one) for one in report.check.requirements]
    everything = [case for cases in suites.values() for case in cases]
    out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    out.write(f'<testsuites name="logscan" {_totals(everything, skipped=False)}>\n')
    for name, cases in suites.items():
        out.write(f"  <testsuite name={_attribute(name)} {_totals(cases, skipped=True)}>\n")
        if name == "logscan.rules":
            out.write("    <properties>\n")
            values = [("verdict", report.verdict), ("logscan.version", report.version)]
            values += [("left-out", left_out(report))] * bool(report.suppressed)
            out.writelines(
                f"      <property name={_attribute(key)} value={_attribute(value)}/>\n" for key, value in values
            )
            out.write("    </properties>\n")
        for case in cases:
            _case(out, name, case)
        out.write("  </testsuite>\n")
    out.write("</testsuites>\n")


def _totals(cases: Sequence[_Case], *, skipped: bool) -> str:
    of = [case.outcome for case in cases]
    text = f'tests="{len(of)}" failures="{of.count("failure")}" errors="{of.count("error")}"'
    return (f'{text} skipped="{of.count("skipped")}"' if skipped else text) + ' time="0"'


def _case(out: TextIO, suite: str, case: _Case) -> None:
    head = f'    <testcase classname={_attribute(suite)} name={_attribute(case.name)} time="0"'
    if not (case.outcome or case.lines):
        out.write(f"{head}/>\n")
        return
    text = escape("\n".join(map(no_command, case.lines)))
    out.write(f"{head}>\n")
    if case.outcome == "skipped":
        # As text: Jenkins' schema knows no message of it.
        out.write(f"      <skipped>{escape(clip(visible(case.message), MAX_TEXT))}</skipped>\n")
    elif case.outcome:
        kind = f"type={_attribute(case.kind)} message={_attribute(case.message)}"
        out.write(f"      <{case.outcome} {kind}>{text}</{case.outcome}>\n")
    else:
        out.write(f"      <system-out>{text}</system-out>\n")
    out.write("    </testcase>\n")


def _attribute(text: str) -> str:
    # What visible() leaves, XML allows: no control, no surrogate, no noncharacter.
    return quoteattr(clip(visible(text), MAX_TEXT))


# ---------------------------------------------------------------- cases


def _rules(report: Report) -> list[_Case]:
    found: dict[str, list[Diagnosis]] = {rule: [] for rule in report.rules}
    for one in report.diagnoses:
        found.setdefault(one.id, []).append(one)
    hidden: dict[str, list[str]] = {}
    for item in report.suppressed:
        hidden.setdefault(str(item["id"]), []).append(str(item.get("reason") or "suppressed"))
        found.setdefault(str(item["id"]), [])
    return [_rule(rule, found[rule], hidden.get(rule, [])) for rule in sorted(found)]


def _rule(rule: str, diagnoses: Sequence[Diagnosis], hidden: Sequence[str]) -> _Case:
    if not diagnoses:
        return _Case(rule, "skipped", message="; ".join(dict.fromkeys(hidden))) if hidden else _Case(rule)
    if all(one.baseline == "known" for one in diagnoses):
        causes = [f"{one.category}: {one.cause or one.title}" for one in diagnoses[:MAX_DIAGNOSES]]
        return _Case(rule, "skipped", message="; ".join(["known, as the baseline has it", *causes]))
    worst = max(diagnoses, key=lambda one: (one.baseline != "known", one.severity))
    lines = [line for one in diagnoses[:MAX_DIAGNOSES] for line in _told(one)]
    if len(diagnoses) > MAX_DIAGNOSES:
        lines.append(f"and {len(diagnoses) - MAX_DIAGNOSES:,} more of this rule")
    message = f"{worst.category}: {worst.cause or worst.title}"
    if len(diagnoses) > 1:
        message += f" (and {len(diagnoses) - 1:,} more)"
    outcome = "failure" if worst.severity >= Severity.WARNING else ""
    return _Case(rule, outcome, worst.severity.name.lower(), message, lines)


def _told(one: Diagnosis) -> Iterable[str]:
    yield visible(f"{one.severity.name.lower()}: {one.category} (confidence: {one.confidence})")
    yield visible(one.cause or one.title)
    yield from [f"{one.baseline}, by the baseline"] * bool(one.baseline)
    names = [f"{volume.name} {volume.namespace}/{volume.pvc}".rstrip("/ ") for volume in one.volumes]
    if names:
        yield f"volumes: {visible(', '.join(names[:MAX_VOLUMES]))}" + (
            f" and {len(names) - MAX_VOLUMES:,} more" if len(names) > MAX_VOLUMES else ""
        )
    if one.failures:
        yield count(one.failures, "failure") + (", recovered" if one.recovered else "")
    for item in one.evidence[:MAX_EVIDENCE]:
        yield f"{visible(place(item))}:"
        yield from ("  " + visible(line) for line in clip(item.text, MAX_TEXT).split("\n"))
    yield from (f"confirm: {visible(command)}" for command in one.confirm)
    yield from (f"fix: {visible(text)}" for text in (one.remedy.summary, *one.remedy.steps) if text)
    yield from (f"$ {visible(command)}" for command in one.remedy.commands)
    if one.id != UNRECOGNISED_FAILURE:
        yield visible(f"more: logscan rules explain {one.id}")
    yield ""


def _inputs(report: Report) -> list[_Case]:
    cases = [_Case(one.name, lines=tuple(_input(one))) for one in report.inputs]
    for error in report.errors:
        name, _, problem = error.partition(": ")
        cases.append(_Case(name, "error", "unreadable", problem or error, (visible(error),)))
    if report.interrupted:
        text = "the input was not read to its end"
        cases.append(_Case("interrupted", "error", "interrupted", text, (text,)))
    if report.verdict == "not-enough-evidence":
        todo = [f"{item.why}: {item.command}" for item in report.collect_next]
        cases.append(_Case("enough evidence", "skipped", message="; ".join(["not enough evidence", *todo])))
    return cases


def _requirement(one: Requirement) -> _Case:
    if one.met:
        return _Case(one.wanted)
    return _Case(one.wanted, "failure", "check", one.text, (visible(one.text),))


def _input(one: InputSummary) -> Iterable[str]:
    yield f"{count(one.lines, 'line')}, {count(one.records, 'record')}"
    yield from (f"warning: {visible(warning)}" for warning in one.warnings)
