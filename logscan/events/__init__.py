"""Kubernetes events out of an input: tables of kubectl, ``describe``, JSON and YAML -> records of kind "event".

A Reader stands before klog's Parser and has the same two methods.  It takes the lines that kubectl printed and
hands all others on, so every line ends up in exactly one record.  A record's message is the event's own; what
stands before it in the table is the record's header, and reason, object and count are in its fields.

An age like "2m15s" is a time only where somebody says when it was printed (``--reference-time``): the date of a
file into which a table was pasted is none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from logscan.errors import RuleError
from logscan.events import describe, eventrows
from logscan.events.eventrows import Columns, Event
from logscan.model import Line, Origin, Record, Severity
from logscan.quiet import Run
from logscan.rulebook import yamltree

MAX_HELD = 4 << 20  # characters held until it is clear what they are
MAX_ROW_LINES = 500  # lines of one message whose text is kept
MAX_ROW_TEXT = 64 << 10  # characters of them
MAX_ORIGINS = 10_000

# What mount(8) prints below its first line, in a message that holds an empty one too.
_OUTPUT = ("Mounting ", "Unmounting ", "Output: ", "mount", "umount")
_FENCES = ("```", "~~~", "$ ", "# ", "---", "apiVersion: ")
_API_VERSIONS = frozenset(("apiVersion: v1", "apiVersion: events.k8s.io/v1", "apiVersion: events.k8s.io/v1beta1"))
_JSON_AROUND = (
    '"apiVersion":', '"items":', '"kind":', '"metadata":', '"resourceVersion":', '"selfLink":', '"continue":',
)  # fmt: skip


class Parser(Protocol):
    """What takes the lines that are no events: klog.Parser."""

    def feed(self, line: Line) -> list[Record]:
        """The records that a line closes."""

    def flush(self, origin: Origin) -> list[Record]:
        """The open record of the stream: what comes next is no part of it."""

    def pass_over(self, origin: Origin, run: Run) -> tuple[list[Record], int | None, int | None]:
        """Go on behind lines that need not be read."""

    def dating(self, origin: Origin) -> tuple[int | None, int, str]:
        """How the latest stamp was dated."""

    def close(self) -> list[Record]:
        """The records that are open when the input ends."""


class Reader:
    """Takes the events out of one input's lines; what is none goes to *parser*.

    Args:
        reference: µs since the epoch, when the tables were printed; without it their ages are no times.
    """

    def __init__(self, parser: Parser, *, reference: int | None = None) -> None:
        self._parser = parser
        self._reference = reference
        self._mode: Callable[[Line], list[Record] | None] | None = None  # None from it: not of this block
        self._held: list[Line] = []  # lines of a block that may yet turn out to be none
        self._size = 0
        self._columns: Columns | None = None
        self._about = Event()  # the object that is described
        self._row: tuple[str, Event] | None = None
        self._row_lines: list[Line] = []
        self._row_text: list[str] = []
        self._row_size = 0
        self._item: int | None = None  # indentation of a YAML list's items
        self._origins: dict[tuple[Origin, str, str, str, str], Origin] = {}

    def feed(self, line: Line) -> list[Record]:
        """The records that a line closes."""
        text = line.text
        if text[:1] in "IWEF" and text[1:5].isdigit():  # klog's header: nearly every line of a log
            return self._parser.feed(line) if self._mode is None else [*self._leave(), *self._parser.feed(line)]
        if self._mode is None:
            return self._look(line)
        if _is_ours(line.origin) and (not line.origin.component or self._mode in (self._json, self._json_tail)):
            taken = self._mode(line)
            if taken is not None:
                return taken
        return [*self._leave(), *self._look(line)]

    def flush(self, origin: Origin) -> list[Record]:
        """What a header of klog in the stream *origin* would close."""
        return [*([] if self._mode is None else self._leave()), *self._parser.flush(origin)]

    def pass_over(self, origin: Origin, run: Run) -> tuple[list[Record], int | None, int | None]:
        """See klog.Parser.pass_over."""
        return self._parser.pass_over(origin, run)

    def dating(self, origin: Origin) -> tuple[int | None, int, str]:
        """See klog.Parser.dating."""
        return self._parser.dating(origin)

    def close(self) -> list[Record]:
        """The records that are open when the input ends."""
        return [*self._leave(), *self._parser.close()]

    # ------------------------------------------------------------ where a block begins

    def _look(self, line: Line) -> list[Record]:
        """Look at a line outside of any block."""
        origin, text = line.origin, line.text
        if not text or not _is_ours(origin):
            return self._parser.feed(line)
        if origin.component == "events":
            return self._object(line) or self._parser.feed(line)
        first = text[0]
        if first == "{" and text.rstrip() == "{":
            return self._enter(self._json, line)
        if (columns := Columns.of(text)) is not None:
            before = self._parser.flush(origin)
            self._mode, self._columns, self._about = self._table, columns, Event()
            return [*before, _known([line])]
        if first == "N" and describe.begins(text):
            return self._enter(self._describe, line)
        if first == "E" and text.startswith("Events:") and text.rstrip() in {"Events:", "Events:  <none>"}:
            before = self._parser.flush(origin)
            self._mode, self._about = self._table, Event(block=f"{origin.input}:{line.number}")
            return [*before, _known([line])]
        if first == "a" and text.rstrip() in _API_VERSIONS:
            return self._enter(self._yaml, line)
        row = eventrows.lone_row(text)
        if row is None:
            return self._parser.feed(line)
        before = self._parser.flush(origin)
        self._mode, self._about = self._table, Event()
        self._open(line, row)
        return before

    def _enter(self, mode: Callable[[Line], list[Record] | None], line: Line) -> list[Record]:
        self._mode = mode
        self._held, self._size = [line], len(line.text)
        return []

    def _hold(self, line: Line) -> list[Record] | None:
        self._held.append(line)
        self._size += len(line.text)
        return [] if self._size <= MAX_HELD else None

    def _leave(self) -> list[Record]:
        """End the block: what is still held is either known by now, or other people's text."""
        mode = self._mode
        records = self._yaml_item() if mode == self._yaml else []
        records += self._head() if mode == self._describe and len(self._held) > 2 else []
        records += self._close_row()
        held, self._held, self._size = self._held, [], 0
        self._mode, self._columns, self._item = None, None, None
        for line in held:
            records += self._parser.feed(line)
        return records

    # ------------------------------------------------------------ tables

    def _table(self, line: Line) -> list[Record] | None:
        text = line.text
        if not text.strip():  # of the message, if that goes on; else what comes is no table
            return self._hold(line) if self._row is not None else None
        row = self._columns.row(text) if self._columns is not None else eventrows.lone_row(text)
        if row is not None:
            records = self._close_row(keep_blank=True)
            self._open(line, row)
            return records
        columns = Columns.of(text)
        if columns is not None:
            records = [*self._close_row(keep_blank=True), _known([line])]
            self._columns = columns
            return records
        if eventrows.is_ruler(text) and self._row is None:
            return [_known([line])]
        if self._row is None or text.startswith(_FENCES) or describe.begins(text) or text.startswith("Events:"):
            return None
        # After an empty line, and after a row that was pasted alone, there may be anybody's words.
        alone = bool(self._held) or self._columns is None
        if alone and not text[0].isspace() and not text.startswith(_OUTPUT):
            return None
        for blank in self._held:
            self._continue(blank)
        self._held, self._size = [], 0
        self._continue(line)
        return []

    def _open(self, line: Line, row: tuple[str, Event]) -> None:
        self._row, self._row_lines, self._row_text, self._row_size = row, [line], [], 0

    def _continue(self, line: Line) -> None:
        """Add a line to the open row's message; its text is dropped where there is too much."""
        text = line.text
        width = self._columns.message if self._columns is not None else 0
        if width and len(text) > width and text[:width].isspace():
            text = text[width:]
        self._row_size += len(text) + 1
        if len(self._row_text) < MAX_ROW_LINES and self._row_size <= MAX_ROW_TEXT:
            self._row_text.append(text)
            self._row_lines.append(line)
        else:  # only the count and the place of the last line are kept
            last = self._row_lines[-1]
            self._row_lines[-1] = last._replace(number=line.number, physical=last.physical + line.physical)

    def _close_row(self, *, keep_blank: bool = False) -> list[Record]:
        """The record of the open row; empty lines that were held go with it if the table goes on."""
        if self._row is None:
            return []
        if keep_blank:
            for blank in self._held:
                self._continue(blank)
            self._held, self._size = [], 0
        header, event = self._row
        lines, more = self._row_lines, self._row_text
        self._row, self._row_lines, self._row_text = None, [], []
        event = replace(event, message="\n".join([event.message, *more]).strip())
        event = self._columns.without_tail(event) if self._columns is not None else event
        about = self._about
        event = replace(
            event, kind=event.kind or about.kind, namespace=event.namespace or about.namespace,
            name=event.name or about.name, block="" if event.name else about.block,
            node=event.node or (about.node if event.source == "kubelet" else ""),
        )  # fmt: skip
        return [self._record(lines, header.lstrip(), event)]

    # ------------------------------------------------------------ describe

    def _describe(self, line: Line) -> list[Record] | None:
        text = line.text
        if len(self._held) == 1 and not describe.is_second(text):
            return None
        if text.startswith("Events:"):
            self._held.append(line)
            records = self._head()
            self._mode = self._table
            return records
        if text.strip() and not describe.goes_on(text):
            return None
        return self._hold(line)

    def _head(self) -> list[Record]:
        """The records of the held lines, which are a description: of containers that ended, and of all else."""
        lines, self._held, self._size = self._held, [], 0
        head = describe.read([line.text for line in lines])
        about = Event("", "", "", head.kind, head.namespace, head.name, node=head.node)
        self._about = about
        records = self._parser.flush(lines[0].origin)
        facts = {**about.fields(), **head.facts}
        facts.pop("reason")
        done = 0
        for ended in head.ended:
            if ended.first > done:
                records.append(_known(lines[done : ended.first], facts))
                facts = {}
            origin = self._origin(lines[0].origin, about, ended.container)
            block = lines[ended.first : ended.end]
            indent = len(block[0].text) - len(block[0].text.lstrip())
            severity = Severity.WARNING if ended.reason == "OOMKilled" else Severity.INFO
            name = f"{head.namespace}/{head.name}".strip("/") + (
                f" container {ended.container}" if ended.container else ""
            )
            message = "\n".join(line.text[indent:] for line in block)
            records.append(
                _known(block, replace(about, reason=ended.reason).fields())._replace(
                    origin=origin,
                    severity=severity,
                    kind="event",
                    header=f"{name}: ",
                    message=message,
                    alternate=f"{name}: {message}",
                )
            )
            done = ended.end
        if lines[done:]:
            records.append(_known(lines[done:], facts))
        return records

    # ------------------------------------------------------------ JSON

    def _object(self, line: Line) -> list[Record]:
        """The record of an Event in JSON, which its framing put on one line; [] if it is none."""
        try:
            value = json.loads(line.text)
        except (ValueError, RecursionError):
            return []
        event = eventrows.from_object(value) if isinstance(value, Mapping) else None
        return [] if event is None else [self._record([line], _title(event), event)]

    def _json(self, line: Line) -> list[Record] | None:
        """The lines around a List's items: of no interest, but known."""
        text = line.text.strip()
        if line.origin.component == "events":
            records = self._object(line)
            if not records:
                return None
            if self._held:
                before = self._parser.flush(self._held[0].origin)
                records = [*before, _known(self._held), *records]
                self._held, self._size = [], 0
            self._mode = self._json_tail
            return records
        return self._hold(line) if len(self._held) < 8 and text.startswith(_JSON_AROUND) else None

    def _json_tail(self, line: Line) -> list[Record] | None:
        text = line.text.strip()
        if line.origin.component == "events":
            return self._object(line) or None
        return [_known([line])] if text.startswith(_JSON_AROUND) or not text.strip("[]{},") else None

    # ------------------------------------------------------------ YAML

    def _yaml(self, line: Line) -> list[Record] | None:
        """Collect one object, or one item of a list, at a time."""
        text = line.text
        if text.startswith(("---", "```")) or not (text[:1] in ("", " ", "-") or _is_key(text)):
            return None
        if len(self._held) == 1 and self._item is None and text.rstrip() == "items:":
            self._item = -1
            return self._hold(line)
        records = self._yaml_item() if self._item is not None and self._item_ends(text) else []
        held = self._hold(line)
        return [*records, *self._leave()] if held is None else records

    def _item_ends(self, text: str) -> bool:
        """Whether the item before *text* ends: another begins, or the list is over."""
        lead = len(text) - len(text.lstrip())
        begins = text[lead : lead + 2] == "- "
        if self._item == -1:
            self._item = lead if begins else -1
            return False
        return (begins and lead == self._item) or text[:1].isalpha()

    def _yaml_item(self) -> list[Record]:
        """The record of the object that is held, if that is an Event; else its lines stay held."""
        lines = self._held
        before = 2 if self._item is not None and lines and lines[0].text.startswith("apiVersion:") else 0
        event = self._yaml_event([line.text for line in lines[before:]]) if lines else None
        self._held, self._size = [], 0
        if event is None:
            if self._item is not None and lines and all(_is_around(line.text) for line in lines):
                return [_known(lines)]
            return [record for line in lines for record in self._parser.feed(line)]
        records = self._parser.flush(lines[0].origin)
        if before:
            records.append(_known(lines[:before]))
        return [*records, self._record(lines[before:], _title(event), event)]

    def _yaml_event(self, texts: list[str]) -> Event | None:
        margin = self._item + 2 if self._item is not None else 0
        if " " * margin + "kind: Event" not in (text.rstrip() for text in texts):
            return None
        try:
            value = _plain(yamltree.read("\n".join(texts), "event"))
        except RuleError:
            return None
        if isinstance(value, list):
            value = value[0] if len(value) == 1 else None
        return eventrows.from_object(value) if isinstance(value, Mapping) else None

    # ------------------------------------------------------------ records

    def _record(self, lines: list[Line], header: str, event: Event) -> Record:
        last, source = event.last, "carrier"
        if last is None and event.age is not None and self._reference is not None:
            last, source = self._reference - event.age * 1_000_000, "assumed"
            if event.first_age is not None:
                event = replace(event, first=self._reference - event.first_age * 1_000_000)
        if last is None:
            source = "none"
        severity = Severity.WARNING if event.type == "Warning" else Severity.INFO
        return _known(lines, event.fields())._replace(
            origin=self._origin(lines[0].origin, event), severity=severity, time=last, time_source=source,
            message=event.message, kind="event", header=header, alternate=_title(event) + event.message,
        )  # fmt: skip

    def _origin(self, origin: Origin, event: Event, container: str = "") -> Origin:
        """Whom the event is about, as the origin of its record."""
        pod = event.name if event.kind == "Pod" else ""
        node = event.node if event.source in {"kubelet", ""} else ""
        key = (origin, event.namespace, pod, node, container)
        found = self._origins.get(key)
        if found is None:
            if len(self._origins) >= MAX_ORIGINS:
                self._origins.clear()
            found = self._origins[key] = Origin(
                origin.input, "events", origin.carrier, event.namespace, pod, container, node, "events"
            )
        return found


# ---------------------------------------------------------------- helpers


def _is_ours(origin: Origin) -> bool:
    """Whether kubectl may have written a line: it has no carrier that names another writer."""
    return origin.component == "events" or (origin.carrier in {"bare", "pasted"} and not origin.stream)


def _known(lines: list[Line], fields: Mapping[str, str] | None = None) -> Record:
    """A record of lines that belong to kubectl's output and are no event: a table's header, say."""
    first, last = lines[0], lines[-1]
    return Record(
        first.origin, first.number, last.number + max(last.physical - 1, 0), sum(line.physical for line in lines),
        first.offset, None, None, "none", 0, "", 0, "\n".join(line.text for line in lines), "preamble", fields or None,
    )  # fmt: skip


def _title(event: Event) -> str:
    """What stands before an event's message in the rows of ``kubectl get events``, without the age."""
    about = f"{event.kind.lower()}/{event.name}" if event.name else event.source
    # Another driver's events differ from this one's in nothing but who reported them.
    driver, _, identity = event.source.partition("_")
    foreign = identity and "." in driver and driver != "nfs.csi.k8s.io"
    return f"{event.type}  {event.reason}  {about}  " + (f"{driver}  " if foreign else "")


def _is_key(text: str) -> bool:
    return text.partition(":")[0].replace("-", "").replace("_", "").isalnum() and ":" in text


def _is_around(text: str) -> bool:
    """Whether *text* is one of the lines around the items of a YAML list."""
    return not text.strip() or text.lstrip().startswith(
        ("apiVersion: v1", "items:", "kind: List", "kind: EventList", "metadata:", "resourceVersion:", "selfLink:")
    )


def _plain(node: yamltree.Node) -> Any:
    """A YAML tree as Python's own values; every scalar is a text."""
    if node.kind == "map":
        return {key.text: _plain(value) for key, value in node.pairs}
    if node.kind == "list":
        return [_plain(item) for item in node.items]
    return node.text if node.kind == "text" else None
