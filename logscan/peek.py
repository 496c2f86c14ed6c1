"""What would be reported if the log ended here, while it goes on.

A diagnosis is made when the log is over, so a log that is not over is diagnosed on a copy of all that was learnt
from it: the copy is closed and judged by the same code, and the original goes on as if nobody had asked.  What is
open stays open in the original: the last record, which the next line may continue, the calls without an end.

A copy costs what the scanner remembers, never what it has read.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable
from typing import Any

from logscan.match import Engine
from logscan.model import Evidence, Finding, Line, Origin, Record, Report, Rule, TimelineCall
from logscan.passing import Passer
from logscan.reading import Reading
from logscan.rules import RuleSet
from logscan.scan import Scanner

# What nobody changes is shared with the copy: rules and what is compiled of them, and the text of the log.
_SHARED = (Evidence, Finding, Line, Origin, Record, Rule, TimelineCall, RuleSet, Engine, Passer)


class _Copier(pickle.Pickler):
    """Pickles the state and keeps aside what is shared."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=5)
        self.shared: list[Any] = []
        # Asked for these alone, where persistent_id would be asked for every number.
        self.dispatch_table = dict.fromkeys(_SHARED, self._share)

    def _share(self, obj: Any) -> tuple[Any, tuple[int]]:
        self.shared.append(obj)
        return _shared, (len(self.shared) - 1,)


def _shared(place: int) -> Any:
    """Stands in the pickle for what a _Restorer has at *place*."""
    raise NotImplementedError(place)


class _Restorer(pickle.Unpickler):
    """Makes the copy of what a _Copier wrote, in this process."""

    def __init__(self, file: io.BytesIO, shared: list[Any]) -> None:
        super().__init__(file)
        self._at = shared.__getitem__

    def find_class(self, module: str, name: str, /) -> Any:
        return self._at if (module, name) == (__name__, _shared.__name__) else super().find_class(module, name)


def report(scanner: Scanner, readings: Iterable[Reading], settled: Iterable[Reading]) -> Report:
    """The report on what was read until now; nothing of the scanner and the readings changes.

    Args:
        readings: those that the scanner has begun and not ended.
        settled: those of them whose last line is not expected to go on: their open records count.
    """
    quiet = {id(one) for one in settled}
    copy, copies = _copied(scanner, [(one, id(one) in quiet) for one in readings])
    for reading, over in copies:
        copy.end(reading, cut=not over)
    return copy.report()


def _copied(scanner: Scanner, readings: list[tuple[Reading, bool]]) -> tuple[Scanner, list[tuple[Reading, bool]]]:
    file = io.BytesIO()
    copier = _Copier(file)
    copier.dump((scanner, readings))
    file.seek(0)
    copy: Scanner
    copy, copies = _Restorer(file, copier.shared).load()
    return copy, copies
