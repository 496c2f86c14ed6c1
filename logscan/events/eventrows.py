"""How kubectl writes an event: the rows and columns of its tables, its ages, and the object of the API.

Facts are of kubectl's printers, v1.20 to v1.34.  ``get events`` prints LAST SEEN, TYPE, REASON, OBJECT and MESSAGE,
with ``-o wide`` also SUBOBJECT, SOURCE, FIRST SEEN, COUNT and NAME; ``kubectl events`` the same five with ages like
``2m15s (x7 over 10m)``; ``describe`` prints Type, Reason, Age, From and Message.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from logscan.stamps import RFC3339, Stamps

TYPES = ("Normal", "Warning")  # the API server takes no other

_AGE = r"(?:<unknown>|<invalid>|(?:[0-9]{1,9}(?:ms|[ydhms])){1,5})"
_SPAN = rf"{_AGE}(?: \(x[0-9]{{1,9}} over {_AGE}\))?"
_IS_SPAN = re.compile(_SPAN)
_PARTS = re.compile(r"([0-9]+)(ms|[ydhms])")
_REPEATED = re.compile(r"\(x([0-9]+) over ([^)]*)\)")
_SECONDS = {"ms": 0, "s": 1, "m": 60, "h": 3600, "d": 86_400, "y": 31_536_000}

# A table that lost its column widths (pasted), or a row that was pasted alone.
_GET_ROW = re.compile(
    rf"\s*(?:(?P<namespace>[a-z0-9][-a-z0-9.]*)\s+)?(?P<seen>{_SPAN})\s+(?P<type>Normal|Warning)\s+(?P<reason>\w+)\s+"
    r"(?P<object>[A-Za-z.]+/\S+)\s+(?P<message>\S.*)"
)
_WIDE_ROW = re.compile(
    rf"\s*(?:(?P<namespace>[a-z0-9][-a-z0-9.]*)\s+)?(?P<seen>{_SPAN})\s+(?P<type>Normal|Warning)\s+(?P<reason>\w+)\s+"
    r"(?P<object>[A-Za-z.]+/\S+)\s+(?:[a-zA-Z]+\.\S*\{\S*\}\s+)?(?P<from>[\w./-]+(?:, [\w.-]+)?)\s+(?P<message>\S.*)"
)
_DESCRIBE_ROW = re.compile(
    rf"\s*(?P<type>Normal|Warning)\s+(?P<reason>\w+)\s+(?P<seen>{_SPAN})\s+(?P<from>[\w./-]+(?:, [\w.-]+)?)\s+"
    r"(?P<message>\S.*)"
)
_WIDE_TAIL = re.compile(rf"(?:^|\s+)({_AGE})\s+([0-9]{{1,9}})\s+(\S+)\s*$")
_WORD = re.compile(r"LAST SEEN|FIRST SEEN|[A-Z]+")
_COLUMNS = frozenset(
    ("NAMESPACE", "LAST SEEN", "FIRST SEEN", "AGE", "TYPE", "REASON", "OBJECT", "SUBOBJECT", "SOURCE", "FROM", "MESSAGE", "COUNT", "NAME")
)  # fmt: skip
_RULER = re.compile(r"\s*-{3,}(?:\s+-{3,})+\s*$")

_KINDS = {
    "pod": "Pod", "po": "Pod", "pods": "Pod", "persistentvolumeclaim": "PersistentVolumeClaim",
    "pvc": "PersistentVolumeClaim", "persistentvolume": "PersistentVolume", "pv": "PersistentVolume", "node": "Node",
    "daemonset": "DaemonSet", "ds": "DaemonSet", "deployment": "Deployment", "replicaset": "ReplicaSet",
    "statefulset": "StatefulSet", "storageclass": "StorageClass", "job": "Job",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Event:
    """What one event says, whoever printed it; "" is unknown."""

    type: str = "Normal"  # one of TYPES
    reason: str = ""
    message: str = ""
    kind: str = ""  # of the object it is about, as the API spells it: "Pod"
    namespace: str = ""
    name: str = ""
    uid: str = ""
    count: int = 1
    source: str = ""  # component that reported it
    node: str = ""  # of the kubelet that reported it
    age: int | None = None  # seconds since it was last seen, when the table was printed
    first_age: int | None = None
    last: int | None = None  # µs since the epoch
    first: int | None = None
    block: str = ""  # the description that it stands in, where that does not say whose it is

    def fields(self) -> dict[str, str]:
        """What a record keeps of it besides type and message; named as the provisioner's ``Event occurred`` does."""
        found = {
            "type": self.type, "reason": self.reason, "kind": self.kind, "namespace": self.namespace, "name": self.name,
            "uid": self.uid, "count": str(self.count), "source": self.source,
            "age": "" if self.age is None else str(self.age), "first": "" if self.first is None else str(self.first),
            "block": self.block,
        }  # fmt: skip
        return {key: value for key, value in found.items() if value or key == "reason"}


# ---------------------------------------------------------------- tables


class Columns:
    """The header of a table: where its columns begin."""

    def __init__(self, starts: tuple[tuple[str, int], ...]) -> None:
        self._starts = starts
        self._names = tuple(name for name, _ in starts)
        self._tail = self._names[-3:] == ("FIRST SEEN", "COUNT", "NAME")
        self._last = self._names.index("MESSAGE")
        self.message = starts[self._last][1]

    @classmethod
    def of(cls, text: str) -> Columns | None:
        """Read a header line; None if *text* is none."""
        if "essage" not in text and "MESSAGE" not in text:
            return None
        upper = text.upper()
        found = [(match[0], match.start()) for match in _WORD.finditer(upper)]
        names = {name for name, _ in found}
        if len(upper) != len(text) or len(names) != len(found) or not names <= _COLUMNS or _WORD.sub("", upper).strip():
            return None
        if not names >= {"TYPE", "REASON", "MESSAGE"} or not names & {"LAST SEEN", "AGE"}:
            return None
        return cls(tuple(found))

    def row(self, text: str) -> tuple[str, Event] | None:
        """Read a row: what stands before its message, and the event.  None if *text* is no row."""
        cells = self._cells(text)
        if cells is None:
            pattern = _DESCRIBE_ROW if "AGE" in self._names else _WIDE_ROW if "SOURCE" in self._names else _GET_ROW
            return _matched(pattern, text)
        message = text[self.message :] if len(text) > self.message else ""
        event = _event(
            cells["TYPE"], cells["REASON"], cells.get("LAST SEEN") or cells.get("AGE", ""), cells.get("NAMESPACE", ""),
            cells.get("OBJECT", ""), cells.get("SOURCE") or cells.get("FROM", ""), message.strip(),
        )  # fmt: skip
        return text[: self.message], event

    def without_tail(self, event: Event) -> Event:
        """Take what ``-o wide`` prints after a message off it; to be asked when all lines of the message are known."""
        if not self._tail or not (found := _WIDE_TAIL.search(event.message)):
            return event
        return replace(
            event, message=event.message[: found.start()].rstrip(), count=max(1, int(found[2])),
            first_age=_seconds(found[1]),
        )  # fmt: skip

    def _cells(self, text: str) -> dict[str, str] | None:
        """The cells before the message, cut where the header's words begin; None if the row does not fit."""
        cells = {}
        for index, (name, start) in enumerate(self._starts[: self._last + 1]):
            if index and not text[start - 1 : start].isspace():
                return None
            if name != "MESSAGE":
                cells[name] = text[start : self._starts[index + 1][1]].strip()
        seen = cells.get("LAST SEEN", cells.get("AGE", ""))
        if cells["TYPE"] not in TYPES or not _IS_SPAN.fullmatch(seen) or " " in cells["REASON"]:
            return None
        if " " in cells.get("NAMESPACE", "") or ("OBJECT" in cells and not re.fullmatch(r"\S*/\S+", cells["OBJECT"])):
            return None
        return cells


def is_ruler(text: str) -> bool:
    """Whether *text* is the line of dashes below describe's header."""
    return _RULER.match(text) is not None


def lone_row(text: str) -> tuple[str, Event] | None:
    """Read a row that stands without its table's header."""
    if "Normal" not in text and "Warning" not in text:
        return None
    return _matched(_DESCRIBE_ROW, text) or _matched(_GET_ROW, text)


def _matched(pattern: re.Pattern[str], text: str) -> tuple[str, Event] | None:
    found = pattern.match(text)
    if found is None:
        return None
    cell = found.groupdict()
    event = _event(
        cell["type"], cell["reason"], cell["seen"], cell.get("namespace") or "", cell.get("object") or "",
        cell.get("from") or "", cell["message"].strip(),
    )  # fmt: skip
    return text[: found.start("message")], event


def _event(type_: str, reason: str, seen: str, namespace: str, about: str, source: str, message: str) -> Event:
    kind, _, name = about.partition("/")
    again = _REPEATED.search(seen)
    source, _, node = source.partition(", ")
    return Event(
        type_, reason, message, kind_of(kind), namespace, name, count=max(1, int(again[1])) if again else 1,
        source=source, node=node, age=_seconds(seen.partition(" ")[0]), first_age=_seconds(again[2]) if again else None,
    )  # fmt: skip


def kind_of(word: str) -> str:
    """The API's spelling of a kind: "Pod" for "pod", "po" and "Pod"."""
    return _KINDS.get(word.lower(), word)


def _seconds(age: str) -> int | None:
    """An age like ``2m15s`` in seconds; None for ``<unknown>``."""
    parts = _PARTS.findall(age)
    return sum(int(number) * _SECONDS[unit] for number, unit in parts) if parts else None


# ---------------------------------------------------------------- objects of the API


def from_object(value: Mapping[str, Any]) -> Event | None:
    """Read an Event of core/v1 or events.k8s.io/v1; None if *value* is none."""
    about = value.get("involvedObject") or value.get("regarding")
    message = value.get("message", value.get("note"))
    if not isinstance(about, Mapping) or not isinstance(value.get("reason"), str):
        return None
    series, source = _part(value, "series"), _part(value, "source") or _part(value, "deprecatedSource")
    reporter = _text(source, "component") or _text(value, "reportingComponent") or _text(value, "reportingController")
    host = _text(source, "host") or (_text(value, "reportingInstance") if reporter == "kubelet" else "")
    stamps = Stamps()
    last = _first_time(
        stamps, value.get("lastTimestamp"), value.get("deprecatedLastTimestamp"), series.get("lastObservedTime"),
        value.get("eventTime"), _part(value, "metadata").get("creationTimestamp"),
    )  # fmt: skip
    first = _first_time(
        stamps, value.get("firstTimestamp"), value.get("deprecatedFirstTimestamp"), value.get("eventTime")
    )
    return Event(
        "Warning" if value.get("type") == "Warning" else "Normal", _clean(value["reason"]),
        _clean(message if isinstance(message, str) else "").strip(), kind_of(_text(about, "kind")),
        _text(about, "namespace"), _text(about, "name"), _text(about, "uid"),
        max(_number(value.get("count")), _number(value.get("deprecatedCount")), _number(series.get("count")), 1),
        reporter, host, last=last, first=first,
    )  # fmt: skip


def _part(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _text(value: Mapping[str, Any], key: str) -> str:
    inner = value.get(key)
    return _clean(inner) if isinstance(inner, str) else ""


def _clean(text: str) -> str:
    """Without what could not be written again: zeros and lone surrogates."""
    text = text.replace("\0", "")
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _number(value: Any) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _first_time(stamps: Stamps, *values: Any) -> int | None:
    for value in values:
        if isinstance(value, str) and (match := RFC3339.match(value)):
            return stamps.rfc3339(match)
    return None
