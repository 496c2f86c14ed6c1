"""What can go wrong outside the log itself: each error says where, what and what to do."""

from __future__ import annotations

from collections.abc import Sequence


class LogscanError(Exception):
    """A fault that the user can mend.

    Args:
        place: what is at fault, as the user would name it: ``bundle.tgz!a.log``
            or ``rules/odd.yaml:3:5`` (line and column are 1-based).
        problem: one clause, without a final full stop.
        help: what to do about it; printed on a line of its own.
    """

    def __init__(self, place: str, problem: str, help: str = "") -> None:  # noqa: A002 - what it prints as
        super().__init__(place, problem, help)
        self.place = place
        self.problem = problem
        self.help = help

    def __str__(self) -> str:
        text = f"{self.place}: {self.problem}"
        return f"{text}\n  help: {self.help}" if self.help else text


class SourceError(LogscanError):
    """An input cannot be opened, read or unpacked; the other inputs still are."""


class RuleError(LogscanError):
    """A rule file does not say what a rule must say."""


class FaultsError(LogscanError):
    """All the faults of what the user wrote, so that they can be mended in one go."""

    def __init__(self, faults: Sequence[LogscanError]) -> None:
        first = faults[0]
        super().__init__(first.place, first.problem, first.help)
        self.faults = faults

    def __str__(self) -> str:
        return "\n".join(str(fault) for fault in self.faults)


class RulesError(FaultsError):
    """All the faults of a set of rule files."""


class EvidenceError(LogscanError):
    """An exports file or a manifest cannot be understood."""
