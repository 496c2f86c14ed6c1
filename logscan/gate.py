"""``logscan check``'s judgement: what is ignored, what the baseline has, and which requirements a report meets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from logscan.ignores import Ignore
from logscan.model import BESIDE, Check, Diagnosis, Report, Requirement, Severity
from logscan.report.identity import fingerprints
from logscan.scan import verdict_of

EMPTY = "is empty"


@dataclass(frozen=True, slots=True)
class Demands:
    """What a report must be like."""

    fail_on: str = "error"  # error | warning | info | new | never
    expect: tuple[str, ...] = ()  # rules that must appear
    forbid: tuple[str, ...] = ()  # rules that must not
    most: Mapping[str, int] = field(default_factory=dict)  # rules that may appear so often
    min_parsed: float | None = None  # percent of the lines that must be of a known form


# ---------------------------------------------------------------- what counts


def ignore(report: Report, entries: Sequence[Ignore], today: date) -> tuple[Report, list[str]]:
    """Leave out what the ignore file names; what it leaves out is told in ``suppressed``.

    Returns:
        The report, and warnings: entries that are over, and entries that nothing needs.
    """
    kept: list[Diagnosis] = []
    left_out: list[Mapping[str, str]] = []
    used: set[str] = set()
    late: set[str] = set()
    for one in report.diagnoses:
        fitting = [entry for entry in entries if entry.holds(one)]
        entry = next((entry for entry in fitting if not entry.expired(today)), None)
        late |= {each.place for each in fitting if each.expired(today)} if entry is None else set()
        if entry is None:
            kept.append(one)
            continue
        used.add(entry.place)
        until = {"until": entry.until.isoformat()} if entry.until is not None else {}
        reason = f"ignored{f' until {entry.until}' if entry.until is not None else ''}: {entry.reason}"
        left_out.append(
            {"id": one.id, "category": one.category, "reason": reason, "kind": "ignore", "place": entry.place} | until
        )
    warnings = []
    for entry in entries:
        if entry.place in late:
            warnings.append(
                f"{entry.place}: the entry for {entry.id} ended on {entry.until}; what it ignored counts again"
            )
        elif entry.place not in used:
            warnings.append(f"{entry.place}: nothing needs the entry for {entry.id}")
    if not left_out:
        return report, warnings
    verdict = verdict_of(kept, told=True, unrecognised=report.unrecognised, inputs=report.inputs)
    report = replace(report, diagnoses=tuple(kept), suppressed=(*report.suppressed, *left_out), verdict=verdict)
    return report, warnings


def compare(report: Report, baseline: Report) -> tuple[Report, int]:
    """Mark each diagnosis as known or new.

    Returns:
        The report, and how many of the baseline did not appear.
    """
    known = set(fingerprints(baseline.diagnoses))
    names = fingerprints(report.diagnoses)
    marked = tuple(
        replace(one, baseline="known" if name in known else "new")
        for one, name in zip(report.diagnoses, names, strict=True)
    )
    return replace(report, diagnoses=marked), len(known - set(names))


def empty(report: Report, named: Collection[str], *, allow_empty: bool) -> list[tuple[str, str]]:
    """The inputs that can show nothing, as (name, problem): *named* ones that are empty, or all together.

    A file that was found in a directory or an archive may be empty: so is many a log that has just been rotated.
    """
    logs = [one for one in report.inputs if not set(one.framing) & BESIDE]
    found = [(one.name, EMPTY) for one in logs if not one.records and one.name in named]
    if allow_empty:
        found = []
    if found or report.errors or report.interrupted:
        return found
    if not report.counts.records:
        return [] if allow_empty else [("input", EMPTY)]
    told = report.diagnoses or report.suppressed or report.benign or report.unrecognised
    if logs and not told and all(one.lines == one.unparsed_lines for one in logs):
        return [(logs[0].name if len(logs) == 1 else "input", "is no log: not one line is of a known form")]
    return []


# ---------------------------------------------------------------- requirements


def judge(report: Report, demands: Demands, ignored: Iterable[str] = ()) -> Report:
    """Hold the report against the demands.

    A rule that is expected, or appears as often as it may, is no reason for ``fail_on`` to fail.

    Args:
        ignored: rules of which the ignore file took a diagnosis out; they do appear.
    """
    seen = _appearances(report)
    tolerated = {rule for rule in demands.expect if seen[rule]}
    tolerated |= {rule for rule, most in demands.most.items() if seen[rule] <= most}
    requirements = [_worst(report.diagnoses, demands.fail_on, tolerated)] if demands.fail_on != "never" else []
    there = set(ignored)
    for rule in dict.fromkeys(demands.expect):
        appears = _times(seen[rule]) if seen[rule] else "it is ignored" if rule in there else "it does not appear"
        requirements.append(Requirement(f"--expect {rule}", bool(seen[rule]) or rule in there, appears))
    requirements += [
        Requirement(f"--forbid {rule}", not seen[rule], _times(seen[rule])) for rule in dict.fromkeys(demands.forbid)
    ]
    requirements += [
        Requirement(f"--max {rule}={most}", seen[rule] <= most, _times(seen[rule]))
        for rule, most in demands.most.items()
    ]
    if demands.min_parsed is not None:
        requirements.append(_parsed(report, demands.min_parsed))
    if report.interrupted:
        requirements.append(Requirement("all inputs", met=False, text="interrupted before their end"))
    elif report.errors:
        count = f"{len(report.errors):,} cannot be read or used"
        requirements.append(Requirement("all inputs", met=False, text=count))
    return replace(report, check=Check(all(one.met for one in requirements), tuple(requirements)))


def _appearances(report: Report) -> Counter[str]:
    """How often each rule appears: failures, and records that are harmless or follow from something else."""
    seen: Counter[str] = Counter()
    for one in report.diagnoses:
        seen[one.id] += max(1, one.failures)
        seen.update(dict(one.explains))
    for benign in report.benign:
        seen[benign.id] += benign.count
    return seen


def _times(count: int) -> str:
    return f"it appears {count:,} time{'' if count == 1 else 's'}" if count else "it does not appear"


def _worst(diagnoses: Sequence[Diagnosis], fail_on: str, tolerated: Collection[str]) -> Requirement:
    lowest = Severity.WARNING if fail_on == "new" else Severity[fail_on.upper()]
    counting = [one for one in diagnoses if one.severity >= lowest and (fail_on != "new" or one.baseline != "known")]
    failing = [one for one in counting if one.id not in tolerated]
    new = ["new"] * (fail_on == "new")
    if failing:
        words = [f"{len(failing):,}", *new, "diagnosis" if len(failing) == 1 else "diagnoses"]
    else:
        words = ["nothing", *new, *["else"] * bool(counting)]
    words += ["of severity", lowest.name.lower(), *["or worse"] * (lowest < Severity.ERROR)]
    categories = list(dict.fromkeys(one.category for one in failing))
    listed = ", ".join(categories[:4]) + (f" and {len(categories) - 4:,} more" if len(categories) > 4 else "")
    return Requirement(f"--fail-on {fail_on}", not failing, " ".join(words) + (f": {listed}" if listed else ""))


def _parsed(report: Report, least: float) -> Requirement:
    logs = [one for one in report.inputs if one.records]
    lines = sum(one.lines for one in logs)
    parsed = lines - sum(one.unparsed_lines for one in logs)
    share = 100 * parsed / lines if lines else 0.0
    return Requirement(
        f"--min-parsed {least:g}", share >= least, f"{share:.1f} % of {lines:,} lines are of a known form"
    )
