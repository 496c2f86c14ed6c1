"""Write what classes and volumes will meet: a function of foretell's entries alone."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from logscan.report.safe import visible

_STAGES = {
    "mount": "mounting it fails",
    "write": "it mounts, and making a volume's directory in it fails",
    "chmod": "it mounts, and setting mountPermissions fails",
}


def write(entries: Sequence[Mapping[str, Any]], out: TextIO, *, width: int = 80) -> None:
    """Write one paragraph an entry: the verdict first, then why, then the fix."""
    for entry in entries:
        out.write(f"{visible(entry['kind'])} {visible(entry['name'])}: {visible(entry['server'])}:")
        out.write(f"{visible(entry['share'])}: {_verdict(entry)}\n")
        for reason in entry["why"]:
            _line(out, reason, width)
        if entry["unless"]:
            _line(out, f"unless {entry['unless']['category']}: {'; '.join(entry['unless']['why'])}", width)
        if entry["share_right"] is not None:
            _line(out, f"Set share to {entry['share_right']}.", width)
        elif entry["candidates"]:
            _line(out, f"It could be one of: {', '.join(entry['candidates'])}", width)
        if entry["exports"] is not None:
            out.write(f"  /etc/exports: {visible(entry['exports'])}\n")
        if entry["next_fault"]:
            fault = entry["next_fault"]
            _line(out, f"Mending this will show the next fault ({fault['category']}): {'; '.join(fault['why'])}", width)
        if entry["manifest"] is not None:
            out.write("\n")
            out.writelines(f"  {visible(line)}\n" for line in entry["manifest"].splitlines())
        out.write("\n")


def write_json(entries: Sequence[Mapping[str, Any]], out: TextIO) -> None:
    """Write the entries as a JSON array under ``predictions``, in ASCII."""
    json.dump({"schema": "logscan.predict/v1", "predictions": list(entries)}, out, indent=2)
    out.write("\n")


def _verdict(entry: Mapping[str, Any]) -> str:
    if entry["outcome"] == "ok":
        return "not known" if entry["category"] == "insufficient-evidence" else "should work"
    return f"{entry['category']} ({entry['confidence']}): {_STAGES[entry['stage']]} with {entry['outcome']}"


def _line(out: TextIO, text: str, width: int) -> None:
    out.write(
        textwrap.fill(
            visible(text), max(width, 20), initial_indent="  ", subsequent_indent="    ", break_long_words=False,
            break_on_hyphens=False,
        )
        + "\n"
    )  # fmt: skip
