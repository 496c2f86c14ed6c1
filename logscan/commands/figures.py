"""``--metrics FILE``: figures for Prometheus in a file that is replaced as a whole."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logscan.errors import LogscanError
    from logscan.model import Report

EVERY = 5.0  # seconds after which the file is written again, so that its age tells whether logscan lives


class Figures:
    """Writes the figures of reports on one run to *path*; None: nowhere."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._metrics = None
        self._written: Report | None = None
        self._at = float("-inf")
        if path is not None:
            from logscan.report.metrics import Metrics

            self._metrics = Metrics()

    def save_if_due(self, report: Report | None) -> None:
        """Write the figures if they are new, or old; what cannot be written now may be the next time."""
        if report is not None and (report is not self._written or time.monotonic() - self._at >= EVERY):
            self.save(report)

    def save(self, report: Report) -> list[LogscanError]:
        """Write the figures of a report.

        Returns:
            Why they could not be written.
        """
        if self._path is None or self._metrics is None:
            return []
        from logscan import filing
        from logscan.errors import LogscanError

        metrics = self._metrics
        self._written, self._at = report, time.monotonic()
        try:
            filing.save(self._path, lambda file: metrics.write(report, file))
        except LogscanError as error:
            return [error]
        return []
