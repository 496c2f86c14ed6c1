"""For a notebook: a diagnosis as an object that shows itself.

``from logscan.api import diagnose``; tables of all records are ``logscan.read``.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from logscan import rules as rulebook
from logscan import scan
from logscan.crew import open_sources
from logscan.model import Report

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Diagnosed", "diagnose"]


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """What ``logscan diagnose`` tells; ``report`` has all of it."""

    report: Report

    def __repr__(self) -> str:
        return f"<logscan: {self.report.verdict}, {len(self.report.diagnoses)} diagnoses>"

    def __str__(self) -> str:
        """The text report."""
        from logscan.report import text

        out = io.StringIO()
        text.write(self.report, out)
        return out.getvalue()

    def _repr_html_(self) -> str:
        from logscan.report.html.notebook import fragment

        return fragment(self.report)

    def to_table(self) -> pa.Table:
        """The diagnoses as an Arrow table, a row for each and each of its volumes: ``logscan.columns.schema("diagnoses")``."""
        from logscan import columns

        return columns.of_report(self.report)


def diagnose(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    rules: Sequence[str | os.PathLike[str]] = (),
    year: int | None = None,
    zone: int = 0,
    reference: int | None = None,
    jobs: int | None = None,
) -> Diagnosed:
    """Diagnose logs and what is given beside them, as ``logscan diagnose`` does.

    Args:
        paths: logs, exports files, manifests; directories, patterns, archives, or "-" for standard input.
        rules: directories with more rules.
        year: of klog's stamps, which have none; default: what the log, its name or its age tell.
        zone: minutes east of UTC of whoever wrote them.
        reference: µs since the epoch, the latest time that the logs can have.
        jobs: processes for large or many files; None: one per core, up to 8.

    Returns:
        The diagnosis; inputs that could not be read are in ``report.errors``.

    Raises:
        LogscanError: a rule is broken.
    """
    options = scan.Options(year=year, zone=zone, reference=reference, jobs=jobs)
    scanner = scan.Scanner(rulebook.load([Path(path) for path in rules]), options)
    names = [os.fspath(path) for path in ([paths] if isinstance(paths, (str, os.PathLike)) else paths)]
    for source in open_sources(names, scanner):
        scanner.read(source)
    return Diagnosed(scanner.report())
