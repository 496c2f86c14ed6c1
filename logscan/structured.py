"""Entries that say their message with names: klog's structured form and JSON lines; and what a line opens by itself.

Facts are of klog v2 (internal/serialize, textlogger), component-base's JSON and zap.
"""

from __future__ import annotations

import json
import re
from typing import Any

from logscan.model import Line, Record, Severity
from logscan.stamps import Stamps

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"(?=$| )', re.DOTALL)
_PAIR = re.compile(
    r' ([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"(?=$|[ \n])|(<\n)|(?!")([^\n]*?)(?=$| [^\s="{}\[\]]+=|\n))', re.DOTALL
)
_ESCAPE = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)", re.DOTALL)
_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\a": "\a", "\\b": "\b", "\\f": "\f", "\\v": "\v"}

_LEVEL = {
    "debug": Severity.INFO, "info": Severity.INFO, "warn": Severity.WARNING, "warning": Severity.WARNING, "error": Severity.ERROR,
    "dpanic": Severity.FATAL, "panic": Severity.FATAL, "fatal": Severity.FATAL,
}  # fmt: skip


def record_of(line: Line, kind: str, severity: Severity | None) -> Record:
    """Return the record that a line without klog header opens."""
    source = "none" if line.written is None else "assumed" if line.origin.carrier == "syslog" else "carrier"
    return Record(
        line.origin,
        line.number,
        line.number,
        line.physical,
        line.offset,
        severity,
        line.written,
        source,
        0,
        "",
        0,
        line.text,
        kind,
    )


def _unquote(text: str) -> str:
    """Undo Go's %q, without the quotes."""
    return _ESCAPE.sub(_unescape, text) if "\\" in text else text


def _unescape(match: re.Match[str]) -> str:
    escape = match[0]
    if (plain := _ESCAPES.get(escape)) is not None:
        return plain
    if len(escape) > 2:
        digits = escape[2:]
        code = int(digits, 16)
        # \x is a byte that is no UTF-8, and a lone surrogate could not be written again.
        return chr(code) if escape[1] != "x" and code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
    return escape[1:]


def structured(text: str) -> tuple[str, dict[str, str]] | None:
    """Read ``"msg" key="v" n=5 err=<`` …; None for text that only begins with a quoted word."""
    head = _QUOTED.match(text)
    if head is None:
        return None
    at = head.end()
    fields: dict[str, str] = {}
    while at < len(text):
        pair = _PAIR.match(text, at)
        if pair is None:
            if not fields:
                return None
            break
        at = pair.end()
        if pair[3] is not None:  # a block: lines led by a TAB, closed by " >"
            end = text.find("\n >", at - 1)
            block, at = (text[at:], len(text)) if end < 0 else (text[at:end], end + 3)
            value = "\n".join(line.removeprefix("\t") for line in block.split("\n"))
        else:
            value = _unquote(pair[2]) if pair[2] is not None else pair[4]
        fields[pair[1]] = value
    message = _unquote(head[1]) + "".join(f" {key}={value}" for key, value in fields.items())
    return message + _unquote(text[at:]), fields  # a rest was cut off somewhere: kept as it is


def from_json(line: Line) -> Record | None:
    """Read klog's (or zap's) JSON: ``{"ts":…,"caller":"nfs/utils.go:93","msg":…,"err":…}``; None if it is not."""
    try:
        entry = json.loads(line.text)
    except (ValueError, RecursionError):
        return None
    if (
        not isinstance(entry, dict)
        or not isinstance(entry.get("msg"), str)
        or not entry.keys() & {"ts", "time", "caller", "level", "severity"}
    ):
        return None
    level = entry.get("level", entry.get("severity"))
    severity = _LEVEL.get(str(level).lower())
    if severity is None:  # component-base writes an error with "err" and without "v"
        severity = Severity.ERROR if ("err" in entry or "error" in entry) and "v" not in entry else Severity.INFO
    hidden = ("ts", "time", "caller", "msg", "v", "level", "severity", "stacktrace")
    fields = {key: _plain_text(value) for key, value in entry.items() if key not in hidden}
    message = _plain_text(entry["msg"]) + "".join(
        f" {key}={fields[key]}" for key in sorted(fields, key=lambda key: key != "err")
    )
    path, _, number = str(entry.get("caller", "")).rpartition(":")
    record = record_of(line, "json", severity)
    time = Stamps().any(entry.get("ts", entry.get("time")))
    if time is not None:
        record = record._replace(time=time, time_source="carrier")
    source_line = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0
    return record._replace(
        message=message.rstrip("\n"), fields=fields, file=path.rpartition("/")[2], source_line=source_line
    )


def _plain_text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
