"""Many files on all cores of this machine: processes read and narrow them, and the engine here reports.

A file that is one of few, or too large to be held as a partial (see partials.py), is read here; of a
large text, processes take ranges (see ranges.py).  Results are taken in the order of the files and only
so many are asked for ahead, so memory does not grow with their number.  Where a process dies, or none
can be made, files are read here: slower, and the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO

from logscan import forks, partials, sources
from logscan.errors import SourceError
from logscan.finding import STDIN, Entry, Found, listed
from logscan.partials import Partial, Task
from logscan.quiet import Narrowed
from logscan.rules import RuleSet
from logscan.scan import Scanner
from logscan.sources import Source

LEAST = 64 << 10  # bytes of a file: a smaller one is read sooner than it is sent
MOST = 16 << 20
WORTH = 16 << 20  # bytes of text in what comes next that make up for the processes
LOOK = 256  # entries that are looked at ahead
AHEAD = 2  # files per process that may wait for the engine
_TEXT = 8  # bytes of text in one that is packed, roughly

_rules: RuleSet | None = None  # in a process: as they were when it was made


def open_sources(
    paths: Sequence[str], scanner: Scanner, stdin: BinaryIO | None = None
) -> Generator[Source | Narrowed | SourceError]:
    """As sources.open_sources, but other processes may have read a file; *scanner* is to read each before the next is asked for."""
    skipped, jobs = scanner.skipped, scanner.options.jobs or forks.cores()
    crowd, files = sources.Crowd(skipped), sources.Files(stdin, skipped)
    entries = listed(paths, skipped)
    with ExitStack() as stack:
        # Where every call is to be read, as a trace needs it, there is little to do for others.
        far = _Far(stack, scanner.rules, jobs, entries) if jobs > 1 and forks.possible() and scanner.narrows() else None
        for entry, result in far or ((entry, None) for entry in entries):
            if not isinstance(entry, Found):
                yield from crowd.take(entry)
            elif result is None:
                yield from files.read(entry, crowd)
            else:
                yield from crowd.admit(partials.inputs(partials.counted(iter([result]), skipped)))
                crowd.left_out += result.left_out


@dataclass(slots=True)
class _Slot:
    """An entry of the list, and what a process makes of it."""

    entry: Entry
    text: int  # bytes, roughly; 0: it is read here
    future: Future[Partial] | None = None


class _Far:
    """Entries, and what processes made of them; None for what is to be read here.  For one run.

    Args:
        stack: closes what is opened here.
        entries: may run ahead of who reads.
    """

    def __init__(self, stack: ExitStack, rules: RuleSet, jobs: int, entries: Iterator[Entry]) -> None:
        self._stack, self._rules, self._jobs, self._entries = stack, rules, jobs, entries
        self._pool: ProcessPoolExecutor | None = None
        self._broken = False
        self._slots: deque[_Slot] = deque()
        self._text = 0  # bytes in the slots
        self._asked = 0  # files that are asked for and not here yet

    def __iter__(self) -> Iterator[tuple[Entry, Partial | None]]:
        while self._look():
            self._ask()
            slot = self._slots.popleft()
            self._text -= slot.text
            yield slot.entry, self._result(slot)

    def _look(self) -> bool:
        """See what comes; False if nothing does."""
        while len(self._slots) < LOOK and (entry := next(self._entries, None)) is not None:
            self._slots.append(_Slot(entry, _text_in(entry)))
            self._text += self._slots[-1].text
        return bool(self._slots)

    def _ask(self) -> None:
        """Let the processes begin with as much as may wait."""
        if self._broken or (self._pool is None and self._text < WORTH):
            return
        try:
            if self._pool is None:
                self._pool = self._made()
            for slot in self._slots:
                if self._asked >= self._jobs * AHEAD:
                    return
                if slot.text and slot.future is None and isinstance(slot.entry, Found):
                    slot.future = self._pool.submit(_compute, Task(slot.entry))
                    self._asked += 1
        except (BrokenProcessPool, OSError):
            self._broken = True

    def _made(self) -> ProcessPoolExecutor:
        global _rules  # noqa: PLW0603 - the processes are forks: this is how they get them
        _rules = self._rules
        return self._stack.enter_context(forks.pool(self._jobs))

    def _result(self, slot: _Slot) -> Partial | None:
        future, slot.future = slot.future, None
        if future is None:
            return None
        self._asked -= 1
        try:
            return future.result()
        except BrokenProcessPool:
            self._broken = True
            return None


def _text_in(entry: Entry) -> int:
    """Bytes of text in a file that a process may read, roughly; 0: it may not."""
    if not isinstance(entry, Found) or entry.path == STDIN or not entry.regular:
        return 0
    size = entry.size or 0
    return size * (_TEXT if partials.is_packed(entry.path) else 1) if LEAST <= size <= MOST else 0


def _compute(task: Task) -> Partial:
    """Read a file, in a process."""
    assert _rules is not None
    return partials.compute(task, _rules, lasting=True)
