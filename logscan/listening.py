"""For who wants to know of every record and call, and not only what they come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from logscan.model import Call, Finding, Origin, Record
from logscan.quiet import Certificate, Run


class Listener(Protocol):
    """Is told by a Scanner what it reads.

    Numbers of records count from 0 in each input, in the order in which they are closed.
    """

    def record(self, record: Record, number: int, findings: Sequence[Finding], call: Call | None) -> None:
        """A record, what rules found in it, and the call that it belongs to."""

    def takes(self, certificates: Iterable[Certificate], origin: Origin) -> bool:
        """Whether a run of calls of such sorts serves as well as their records."""

    def prepare(self, runs: Sequence[Run]) -> None:
        """Runs that ``run`` will tell of, where their lines were read: in another process, perhaps.

        What is made of them goes into their ``cut``; it is not there where a run was taken apart later.
        """

    def run(
        self, run: Run, number: int, line: int, dating: tuple[int | None, int, str], origin: Origin, call: int
    ) -> None:
        """Calls that went well, whose lines were not read; *number*, *line* and *call* are those of the first one.

        Args:
            dating: year, zone (µs east of UTC) and source of their stamps.
        """

    def ended(self, call: Call, role: str, node: str) -> None:
        """A call is over, in a driver of a role and on a node; "" where the log does not say."""
