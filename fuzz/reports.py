"""Written reports: what is none is refused with its place; what is one is the same after it was written again."""

from __future__ import annotations

import io

from logscan.errors import SourceError
from logscan.report import WRITERS, json_reader, json_v1


def one(data: bytes) -> None:
    """Read any bytes as a report, and write it in every format."""
    try:
        report = json_reader.read(data, "fuzz.json")
    except SourceError as error:
        assert error.place.startswith("fuzz.json")
        assert error.problem
        return
    out = io.StringIO()
    json_v1.write(report, out)
    text = out.getvalue()
    assert json_reader.read(text.encode(), "again.json") == report
    for name, write in WRITERS.items():
        out = io.StringIO()
        write(report, out, width=80, color=False)
        assert "\x1b" not in out.getvalue(), name
        out.getvalue().encode()
