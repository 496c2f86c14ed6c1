"""Two reports beside each other: what is new, gone, more, fewer and the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from logscan import __version__
from logscan.model import Diagnosis, Report, Unrecognised
from logscan.report.identity import fingerprints

T = TypeVar("T", Diagnosis, Unrecognised)


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """What became of a finding from one run to another; of ``before`` and ``after`` at most one is None."""

    kind: str  # new | more | fewer | gone | same
    before: T | None
    after: T | None
    counts: tuple[int, int]  # failures, or records, before and after

    @property
    def latest(self) -> T:
        """The finding as it is, or as it was last."""
        found = self.before if self.after is None else self.after
        assert found is not None
        return found


CHANGES = ("new", "more", "fewer", "gone", "same")


@dataclass(frozen=True, slots=True)
class Diff:
    """What ``logscan diff`` tells."""

    version: str  # of logscan
    names: tuple[str, str]  # of the two runs, as they were given
    reports: tuple[Report, Report]
    findings: tuple[Change[Diagnosis], ...] = ()  # in the order of CHANGES, then worst first
    unrecognised: tuple[Change[Unrecognised], ...] = ()  # the same, most records first


def compare(before: Report, after: Report, names: tuple[str, str]) -> Diff:
    """Hold two reports against each other.

    A diagnosis is the same in both if rule, category and shares are; a shape of
    unrecognised records if text and severity are.  More and fewer are of
    failures, or records.
    """
    findings = _changes(_named(before), _named(after), _failures)
    shapes = _changes(_shaped(before), _shaped(after), lambda one: one.count)
    return Diff(
        __version__,
        names,
        (before, after),
        tuple(sorted(findings, key=lambda one: (CHANGES.index(one.kind), -one.latest.severity))),
        tuple(sorted(shapes, key=lambda one: (CHANGES.index(one.kind), -max(one.counts)))),
    )


def _named(report: Report) -> Mapping[object, Diagnosis]:
    return dict(zip(fingerprints(report.diagnoses), report.diagnoses, strict=True))


def _shaped(report: Report) -> Mapping[object, Unrecognised]:
    found: dict[object, Unrecognised] = {}
    for one in report.unrecognised:
        found.setdefault((one.severity, one.source, one.template), one)
    return found


def _failures(one: Diagnosis) -> int:
    return max(1, one.failures)


def _changes(before: Mapping[object, T], after: Mapping[object, T], count: Callable[[T], int]) -> Iterable[Change[T]]:
    for key in dict.fromkeys((*after, *before)):
        old, new = before.get(key), after.get(key)
        counts = (0 if old is None else count(old), 0 if new is None else count(new))
        if old is None or new is None:
            kind = "new" if old is None else "gone"
        else:
            kind = "same" if counts[0] == counts[1] else "more" if counts[1] > counts[0] else "fewer"
        yield Change(kind, old, new, counts)
