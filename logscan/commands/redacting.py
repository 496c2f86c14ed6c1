"""``--redact``: what a command writes is redacted, and so is what it complains of."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from logscan.errors import LogscanError
    from logscan.evidence import Facts
    from logscan.ledger import Entry
    from logscan.model import Happening, Report, Trace
    from logscan.pseudonyms import Pseudonyms
    from logscan.redact import Redactor
    from logscan.redactreport import Ears, ReportRedactor
    from logscan.rules import RuleSet
    from logscan.scan import Scanner
    from logscan.terminal import Target

Command = TypeVar("Command", bound=Callable[..., Any])


def redact_options(command: Command) -> Command:
    """Whether, and how, what is written is redacted: the command gets it as ``veiling``, for ``Veil``."""
    options = (
        click.option(
            "--redact", is_flag=True,
            help="Replace addresses, names and secrets in all that is written; see docs/redaction.md.",
        ),
        click.option("--redact-paths", is_flag=True, help="The same, and directories of paths, too."),
        click.option("--redact-name", "redact_names", multiple=True, metavar="NAME", help="The same, and NAME. Repeatable."),
        click.option(
            "--redact-map", metavar="FILE", help="The same; keep what stands for what in FILE, as logscan redact --map."
        ),
    )  # fmt: skip

    @wraps(command)
    def veiled(
        *positional: Any,
        redact: bool,
        redact_paths: bool,
        redact_names: tuple[str, ...],
        redact_map: str | None,
        **named: Any,
    ) -> Any:
        veiling = {
            "redact": redact, "redact_paths": redact_paths, "redact_names": redact_names, "redact_map": redact_map,
        }  # fmt: skip
        return command(*positional, veiling=veiling, **named)

    wrapped = cast("Command", veiled)
    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


class Veil:
    """Redacts what a command has to say, if it was asked to; else all stays as it is.

    Raises:
        LogscanError: the map cannot be read.
    """

    def __init__(
        self,
        ruleset: RuleSet,
        *,
        redact: bool = False,
        redact_paths: bool = False,
        redact_names: tuple[str, ...] = (),
        redact_map: str | None = None,
        targets: Sequence[Target] = (),
    ) -> None:
        self._map = redact_map
        self._pseudonyms: Pseudonyms | None = None
        self._redactor: ReportRedactor | None = None
        self._always: ReportRedactor | None = None  # for issues, which are redacted whether that is asked for or not
        wanted = redact or redact_paths or redact_names or redact_map is not None
        if not wanted and all(one.format != "issue" for one in targets):
            return
        from logscan.commands.redact import pseudonyms_of
        from logscan.redact import Redactor, examples_of, words_of
        from logscan.redactreport import ReportRedactor

        self._pseudonyms = pseudonyms_of(redact_map, None)
        self._names = Redactor(self._pseudonyms, words_of(ruleset.rules), paths=redact_paths, names=redact_names)
        self._always = ReportRedactor(self._names, examples_of(ruleset.rules))
        self._redactor = self._always if wanted else None

    @property
    def passing(self) -> bool:
        """Whether the stand-ins are those of this run alone."""
        from logscan.commands.redact import SALT

        return self._redactor is not None and self._map is None and not os.environ.get(SALT)

    @property
    def redactor(self) -> Redactor | None:
        """What redacts texts and names; None: nothing is to be redacted."""
        return None if self._redactor is None else self._names

    def ears(self) -> Ears:
        """What learns names from all that a scanner reads."""
        from logscan.redactreport import Ears

        return Ears(self._names if self._always is not None else None)

    def over(self, scanner: Scanner) -> None:
        """Learn the names in what a scanner will read."""
        if self._always is not None:
            scanner.listener = self.ears()

    def learn(self, text: str, place: str) -> None:
        """Learn the names in what was given beside logs, and that of its file."""
        if self._redactor is not None:
            self._names.learn(text)
            self._redactor.know([place])

    def learn_clients(self, facts: Facts) -> None:
        """Learn the clients of exports: a name there needs nothing beside it that says so."""
        for listing in facts.listings if self._redactor is not None else ():
            for export in (*listing.entries, *listing.dropped):
                if not set("*?[/") & set(export.client):
                    self._names.learn_name("host", export.client.removeprefix("@"))

    def report(self, report: Report) -> Report:
        """A report as it may be written."""
        return report if self._redactor is None else self._redactor.report(report)

    def reports(self, reports: Sequence[Report]) -> list[Report]:
        """Reports that are held against each other: each is redacted with the names of all."""
        if self._redactor is None:
            return list(reports)
        for one in reports:
            self._redactor.learn(one)
        return [self._redactor.report(one) for one in reports]

    def predictions(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What classes and volumes will meet, as it may be written."""
        return entries if self._redactor is None else [self._redactor.prediction(one) for one in entries]

    def write_all(
        self, report: Report, targets: Sequence[Target], *, width: int | None, color: str
    ) -> list[LogscanError]:
        """Write a report to each place, as ``terminal.write_all`` does; issues are redacted in any case.

        Args:
            report: what ``report`` gave.
        """
        from logscan import terminal

        faults: list[LogscanError] = []
        # Standard output comes last: if its reader has gone, the files are complete.
        for target in sorted(targets, key=lambda one: one.path == "-"):
            shown = report
            if target.format == "issue" and self._always is not None and not report.redacted:
                shown = self._always.report(report)
            faults += terminal.write_all(shown, [target], width=width, color=color)
        return faults

    def trace(self, trace: Trace) -> Trace:
        """A trace as it may be written."""
        return trace if self._redactor is None else self._redactor.trace(trace)

    def happenings(self, happened: list[Happening]) -> list[Happening]:
        """What became of diagnoses, as it may be written."""
        return happened if self._redactor is None else [self._redactor.happening(one) for one in happened]

    def entries(self, entries: list[Entry]) -> list[Entry]:
        """The diagnoses of a log that goes on, as they may be shown."""
        return entries if self._redactor is None else [self._redactor.entry(one) for one in entries]

    def error(self, error: LogscanError) -> str:
        """An error of an input as it may be told."""
        return str(self.fault(error))

    def fault(self, error: LogscanError) -> LogscanError:
        """An error that tells of a log, as it may be raised."""
        return error if self._redactor is None else self._redactor.error(error)

    def place(self, name: str) -> str:
        """An input's name as it may be told."""
        return name if self._redactor is None else self._names.file(name)

    def text(self, text: str) -> str:
        """What is told of a log."""
        return text if self._redactor is None else self._redactor.text(text)

    def close(self) -> list[LogscanError]:
        """Write the map.

        Returns:
            Why it could not be written.
        """
        if self._map is None or self._pseudonyms is None:
            return []
        from logscan import redactmap
        from logscan.errors import LogscanError

        try:
            redactmap.save(self._map, self._pseudonyms)
        except LogscanError as error:
            return [error]
        return []
