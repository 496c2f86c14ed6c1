"""THE grammar of klog: lines in, records out.

A record is a header line and the lines without header that follow it in the same stream:
a Go error can print newlines.  Three forms of entry are read, classic, structured
(``"msg" key="v"``, ``key=<`` … `` >``) and JSON, and besides them Go's own dumps, the
preamble of a log file, Go's standard logger, and text that has no header at all.

The message of a structured or JSON record is the text of ``msg`` followed by `` key=value``
pairs with the values *unquoted*, so that rules see the same words whoever quoted them.

Facts are of klog v2 (klog.go, internal/serialize, textlogger) and of Go's runtime.
"""

from __future__ import annotations

import json
import re
from collections import Counter

from logscan.model import Line, Origin, Record, Severity
from logscan.quiet import Run
from logscan.stamps import civil, latest_year, micros, year_of
from logscan.structured import from_json, record_of, structured

MAX_LINES = 2000  # continuation lines whose text is kept
MAX_TEXT = 256 << 10  # characters of them
MAX_STREAMS = 4096  # writers that are kept apart; the first one gives way
MAX_HELD = 16 << 20  # characters of records that are open in other streams than the current one; the first gives way
MIN_WRAP = 40  # no terminal is narrower
QUARTER = 15 * 60_000_000  # µs; zones differ from UTC by multiples of it
DELAY = 5 * 60_000_000  # µs that a carrier's stamp may lie off a multiple of it

# The one pattern of the header.  Blanks may have collapsed on a web page; the date has a year
# with klog's and glog's newer "yyyymmdd"; the file has its directory with -add_dir_header.
HEADER = re.compile(
    r" *([IWEF])([0-9]{4}|[0-9]{8}) +([0-9]{2}:[0-9]{2}):([0-9]{2})\.([0-9]{6}) +([0-9]{1,20}) +([^:\]\s]+):([0-9]{1,9})\] ?"
)
_GO_LOG = re.compile(
    r"([0-9]{4})/([0-9]{2})/([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))? (?:(INFO|WARNING|ERROR|FATAL)\b:? ?)?"
)
_CREATED = re.compile(r"Log file created at: ([0-9]{4})/([0-9]{2})/([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})")
_FILE_NAME = re.compile(r"\.log\.[A-Z]+\.([0-9]{4})([0-9]{2})[0-9]{2}-[0-9]{6}\.[0-9]+")
_SEVERITY = {"I": Severity.INFO, "W": Severity.WARNING, "E": Severity.ERROR, "F": Severity.FATAL}
_SYSTEM = frozenset(("journald", "syslog", "dmesg"))
_PANICS = (
    "panic: ", "fatal error: ", "[signal SIG", "goroutine ", "runtime: ", "unexpected fault address ", "SIGSEGV: ", "SIGQUIT: ", "SIGABRT: ",
)  # fmt: skip
_GOROUTINE = re.compile(r"goroutine [0-9]+ (?:[^\s=]+=\S+ )*\[")
_PREAMBLE = ("Running on machine: ", "Binary: Built with ", "Running duration", "Log line format: ")
_BANNER = (
    "DRIVER INFORMATION", "---", "Build Date:", "Compiler:", "Driver Name:", "Driver Version:", "Git Commit:", "Go Version:", "Platform:",
    "Streaming logs below:",
)  # fmt: skip
# What mount(8) and its helpers put on lines of their own.
_OUTPUT = (
    "Mounting command:", "Mounting arguments:", "Unmounting command:", "Unmounting arguments:", "Output:", "mount.nfs", "mount:", "umount", "\t",
    "  ", " >",
)  # fmt: skip
_SHAPES = (
    *_OUTPUT, *_BANNER, "tar:", "cp:", "goroutine ", "created by ", "exit status", "/usr/sbin/start-statd", "Running scope as unit", "Job for ",
    "Created symlink", "rpc.statd", "dmesg(1)",
)  # fmt: skip
_BRACES = frozenset(("}", "})", "]", "},", ")"))
# Lines of kubectl and of a shell, which no container wrote.
_NOTICES = (
    "```", "~~~", 'Defaulted container "', "Error from server (", "failed to try resolving symlinks in path", "unable to retrieve container logs for",
    "flag provided but not defined: ",
)  # fmt: skip
# A shell's prompt with a command, of which no container is the writer either.
_PROMPT = re.compile(
    r"(?:[\w.-]{1,40}@[\w.-]{1,60}(?:[: ][^\s#$%]{0,60})?[#$%]|[$#]) +"
    r"(?:sudo|ssh|cat|less|kubectl|k|oc|helm|exportfs|showmount|mount|rpcinfo|dmesg|journalctl|systemctl)\b"
)
_ASKS = frozenset("@$#")
_FIRST = frozenset("{pf[gruSL0123456789`~DE")  # what lines that open a record without header begin with

_new_record = tuple.__new__  # a NamedTuple's own constructor costs twice as much


class _Stream:
    """What the parser knows of one writer.  Mutable: it learns."""

    __slots__ = (
        "base", "carried", "goroutines", "held", "last", "longest", "minute", "month", "more", "partial", "record", "size", "source", "widths",
        "wraps", "year", "year_source", "zone",
    )  # fmt: skip

    def __init__(self, zone: int) -> None:
        self.record: Record | None = None  # the open one: its message is its first line's
        self.more: list[Line] = []  # lines that continue it; their texts until a cap is met
        self.wraps: list[
            tuple[int, int]
        ] = []  # (index in more, length of the line before) where a terminal broke a line
        self.size = 0
        self.held = 0  # characters of the open record and what continues it, while another stream is read
        self.partial = False  # the open record is the first half of a header
        self.goroutines = False  # the open panic has shown a stack
        self.last = self.longest = 0  # lengths: of the last physical line, of the longest
        self.widths: Counter[int] = Counter()  # lengths at which lines were broken
        self.minute = ""  # "0720" + "09:53", and what that is in µs since the epoch
        self.base: int | None = None
        self.source = "none"
        self.year: int | None = None
        self.year_source = "none"
        self.month = 0
        self.carried = ("", 0, 0)  # minute, year, µs as if it were UTC: for lines with a carrier's stamp
        self.zone = zone  # µs east of UTC


class Parser:
    """Joins the lines of one input into records, each stream by itself.

    Args:
        reference: µs since the epoch, the latest time that the log can have: a file's
            modification time, or now.
        year: of the log's first header, where nothing in the log tells it.
        zone: minutes east of UTC of the writer; a carrier's stamp overrides it.
        input: the input's name; klog puts the year into the names of its files.
    """

    def __init__(self, *, reference: int, year: int | None = None, zone: int = 0, input: str = "") -> None:  # noqa: A002  the pipeline's word
        self._reference = reference
        self._zone = zone * 60_000_000
        named = _FILE_NAME.search(input)
        self._year, self._month, self._year_source = year, 0, "option" if year else "assumed"
        if named:
            self._year, self._month, self._year_source = int(named[1]), int(named[2]), "file-name"
        self._streams: dict[tuple[str, str, str], _Stream] = {}
        self._origin: Origin | None = None
        self._stream = _Stream(self._zone)
        self._held = 0  # of all streams

    def feed(self, line: Line) -> list[Record]:
        """Take a line; returns the records that it closes."""
        origin, number, offset, text, written, physical, margin = line
        if origin is not self._origin and (evicted := self._switch(origin)):
            return evicted + self.feed(line)
        stream = self._stream
        match = HEADER.match(text)
        if match is None:
            return self._headerless(stream, line)
        letter, date, minute, second, fraction, pid, file, source_line = match.groups()
        if written is not None:
            time, source = self._carried(stream, origin, written, date, minute, int(second + fraction))
        else:
            if date + minute != stream.minute:
                self._enter_minute(stream, date, minute)
            source = stream.source
            time = None if stream.base is None else stream.base + int(second + fraction)
        if "/" in file:
            file = file.rpartition("/")[2]
        length = len(text) + margin
        stream.last = length
        if length > stream.longest:  # noqa: PLR1730  max() costs a call for every line
            stream.longest = length
        before = stream.record
        closed = (
            []
            if before is None
            else [before]
            if not stream.more and before[11][:1] != '"'
            else [self._finish(stream, before)]
        )  # [11]: the message
        end = match.end()
        stream.record = _new_record(
            Record,
            (origin, number, number, physical, offset, _SEVERITY[letter], time, source, int(pid), file, int(source_line), text[end:],
             "klog", None, None, text[:end]),
        )  # fmt: skip
        return closed

    def pass_over(self, origin: Origin, run: Run) -> tuple[list[Record], int | None, int | None]:
        """Go on behind bare lines that need not be read, each a record; returns what they close, and when they began and ended."""
        closed = self._switch(origin) if origin is not self._origin else []
        stream = self._stream
        if stream.record is not None:
            closed.append(self._finish(stream, stream.record))
        first, last = (self._dated(stream, head) for head in (run.first, run.last))
        stream.longest, stream.last = max(stream.longest, run.longest), run.width
        return closed, first, last

    def dating(self, origin: Origin) -> tuple[int | None, int, str]:
        """By which year, zone (µs east of UTC) and source the latest stamp of a stream was dated, if there is such a day."""
        stream = self._streams[_key(origin)]
        return stream.year, stream.zone, stream.year_source

    def _dated(self, stream: _Stream, head: str) -> int | None:
        if head[1:5] + head[6:11] != stream.minute:
            self._enter_minute(stream, head[1:5], head[6:11])
        return None if stream.base is None else stream.base + int(head[12:14] + head[15:21])

    def flush(self, origin: Origin) -> list[Record]:
        """Close the open record of a stream: what comes next in the input is no part of it."""
        stream = self._streams.get(_key(origin))
        return [] if stream is None or stream.record is None else [self._finish(stream, stream.record)]

    def close(self) -> list[Record]:
        """End the input: returns the open records of all streams, in the order of their lines."""
        records = [self._finish(s, s.record) for s in self._streams.values() if s.record is not None]
        self._streams.clear()
        self._origin = None
        return sorted(records, key=lambda record: record.line)

    def _switch(self, origin: Origin) -> list[Record]:
        """Go on with another stream; returns the open records of those that had to make room."""
        self._origin = origin
        before, key = self._stream, _key(origin)
        if before.record is not None:
            before.held = len(before.record.message) + before.size
            self._held += before.held
        stream = self._streams.pop(key, None)
        crowded = len(self._streams) >= MAX_STREAMS
        evicted: list[Record] = []
        while self._streams and (crowded or self._held > MAX_HELD):
            oldest = self._streams.pop(next(iter(self._streams)))
            evicted += [] if oldest.record is None else [self._finish(oldest, oldest.record)]
            crowded = False
        if stream is None:
            stream = _Stream(self._zone)
        self._streams[key] = self._stream = stream
        self._held -= stream.held
        stream.held = 0
        return evicted

    # ------------------------------------------------------------ lines without a header

    def _headerless(self, stream: _Stream, line: Line) -> list[Record]:
        text, record = line.text, stream.record
        if stream.partial and record is not None and record.kind == "text" and not stream.more:
            whole = record.message + text
            if HEADER.match(whole):
                return self._mend_header(stream, record, line, whole)
        stream.partial = False
        before, stream.last = stream.last, len(text) + line.margin
        opened = self._opens(stream, line, record) if text[:1] in _FIRST else None
        if opened is None and not self._continues(stream, line, record, before):
            opened = self._plain(line)
            stream.partial = _is_half(text)
        if opened is None:
            self._continue(stream, line, before)
            closed = []
        else:
            closed = [] if record is None else [self._finish(stream, record)]
            stream.record = opened
            stream.goroutines = opened.kind == "panic" and text.startswith("goroutine ")
        if opened is None or opened.kind != "text":  # the prose around a pasted log was not wrapped with it
            stream.longest = max(stream.longest, len(text) + line.margin)
        return closed

    def _mend_header(self, stream: _Stream, half: Record, line: Line, whole: str) -> list[Record]:
        """Read a header that a narrow terminal broke in two."""
        stream.record, stream.partial = None, False
        width = len(half.message)
        self.feed(line._replace(number=half.line, offset=half.offset, text=whole, physical=half.lines + line.physical))
        self._stretch(stream, line.number)
        stream.last, stream.longest = len(line.text), max(width, len(line.text))
        stream.widths[width] += 1
        return []

    @staticmethod
    def _stretch(stream: _Stream, end_line: int) -> None:
        """Let the open record end at *end_line*."""
        if stream.record is not None:
            stream.record = stream.record._replace(end_line=end_line)

    def _opens(self, stream: _Stream, line: Line, record: Record | None) -> Record | None:
        """Return the record that a line opens by itself, though it has no header; None if it does not."""
        text = line.text
        if text[0] == "{":
            return from_json(line) if '"msg"' in text else None
        if text[0].isdigit():
            return self._from_go_log(line)
        if text.startswith(_PANICS):
            if text.startswith("goroutine "):
                if (
                    record is not None and record.severity is Severity.FATAL
                ):  # klog's own dump after an F line, or the panic's
                    stream.goroutines = True
                    return None
                if not _GOROUTINE.match(text):
                    return None
            elif record is not None and (
                text.startswith("runtime: ") or (record.kind == "panic" and not _is_new_panic(stream, text))
            ):
                return None
            return record_of(line, "panic", Severity.FATAL)
        if text.startswith(_NOTICES):
            return record_of(line, "text", None)
        if match := _CREATED.match(text):
            time = civil(*(int(group) for group in match.groups()))
            stream.year, stream.month, stream.year_source, stream.minute = int(match[1]), int(match[2]), "preamble", ""
            return record_of(line, "preamble", None)._replace(
                time=None if time is None else time - stream.zone, time_source="none" if time is None else "preamble"
            )
        return None

    def _continues(self, stream: _Stream, line: Line, record: Record | None, before: int) -> bool:
        """Whether a line without header goes on with the open record."""
        if record is None:
            return False
        text = line.text
        kind = record.kind
        if line.origin.carrier in _SYSTEM:
            # Every entry of a journal stands for itself, but kubelet's records have newlines.
            unstamped = line.written is None and record.time_source == "carrier"
            return kind == "panic" or (
                kind == "klog"
                and (unstamped or not text or text.startswith(_SHAPES) or self._is_wrapped(stream, text, before))
            )
        if kind in ("klog", "panic"):
            return not _is_half(text) and not (_ASKS & set(text[:40]) and _PROMPT.match(text))
        if kind == "preamble":
            return text.startswith(_PREAMBLE)
        if not text or text[0] in " \t" or text.startswith(_OUTPUT):
            return not record.message.startswith(("```", "~~~"))
        return record.message.startswith("DRIVER INFORMATION") and text.startswith(_BANNER)

    def _continue(self, stream: _Stream, line: Line, before: int) -> None:
        """Add a line to the open record; its text is dropped where there is too much."""
        room = MAX_TEXT - stream.size if len(stream.more) < MAX_LINES else 0
        if len(line.text) >= room:
            if not stream.more:
                stream.more.append(line._replace(text=""))
            else:  # only the count and the place of the last line are kept
                last = stream.more[-1]
                stream.more[-1] = last._replace(number=line.number, physical=last.physical + line.physical)
            stream.size = MAX_TEXT
            return
        record = stream.record
        if record is not None and record.kind == "klog" and self._is_wrapped(stream, line.text, before):
            stream.wraps.append((len(stream.more), before))
        stream.size += len(line.text) + 1
        stream.more.append(line)

    def _plain(self, line: Line) -> Record:
        return record_of(line, "system" if line.origin.carrier in _SYSTEM else "text", None)

    def _from_go_log(self, line: Line) -> Record | None:
        """Read a line of Go's standard logger; gRPC's library writes so: ``2026/01/02 15:04:05 ERROR: [core] …``."""
        match = _GO_LOG.match(line.text)
        if match is None:
            return None
        moment = civil(*(int(group) for group in match.groups()[:6]))
        time = None if moment is None else moment + micros(match[7]) - self._zone
        severity = _SEVERITY[match[8][0]] if match[8] else None
        return record_of(line, "klog" if match[8] else "text", severity)._replace(
            time=time, time_source="none" if time is None else "carrier", message=line.text[match.end() :]
        )

    # ------------------------------------------------------------ wrapped lines

    def _is_wrapped(self, stream: _Stream, text: str, before: int) -> bool:
        """Whether *text* is the rest of the line before it, which a terminal or an editor broke.

        That line must be so long that the first word of *text* had no room on it, if the
        longest line seen is taken for the width: in a log that nobody wrapped, requests
        of hundreds of characters soon make this false for good.
        """
        if (
            (before < MIN_WRAP and not stream.wraps)
            or not text
            or text.startswith(_SHAPES)
            or len(text) > max(stream.longest, before + 2)
        ):
            return False
        if text in _BRACES and before < stream.longest:
            return False
        word = text.find(" ")
        return before + 1 + (len(text) if word < 0 else word) > stream.longest

    def _unwrap(self, stream: _Stream, first: str) -> tuple[str, str | None]:
        """Join the open record's lines; returns the message and what it is if joined the other way.

        A terminal breaks every line at its width and nothing is lost; a line that is one
        shorter lost its last blank when it was copied.  Where lengths differ, an editor
        broke between words.
        """
        body = first.partition(": ")[2] if first.startswith(("GRPC request: ", "GRPC response: ")) else ""
        if body and _parses(body):  # whole as it is: what follows is a stranger's line
            return "\n".join([first, *(line.text for line in stream.more)]), None
        lengths = [length for _, length in stream.wraps]
        stream.widths.update(lengths)
        total = sum(stream.widths.values())
        usual, times = stream.widths.most_common(1)[0]
        hard = times * 2 >= total or total < 4
        width = max(*lengths, usual) if hard else 0
        hard = hard and all(width - 1 <= length for length in lengths)
        if hard:
            glue = {index: "" if length == width else " " for index, length in stream.wraps}
        else:
            texts = [first, *(line.text for line in stream.more)]
            full = stream.longest
            glue = {i: _glue(texts[i], texts[i + 1], length == full, full) for i, length in stream.wraps}
        ways = [
            glue,
            {i: " " if sep == "" else "" for i, sep in glue.items()},
            dict.fromkeys(glue, ""),
            dict.fromkeys(glue, " "),
        ]
        messages = [first + "".join(way.get(i, "\n") + line.text for i, line in enumerate(stream.more)) for way in ways]
        if body:
            for message in messages:
                if _parses(message.partition(": ")[2]):
                    return message, next((m for m in messages[:2] if m != message), None)
        return messages[0], messages[1]

    # ------------------------------------------------------------ closing a record

    def _finish(self, stream: _Stream, record: Record) -> Record:
        """Complete the open record with the lines that continue it, and clear it."""
        more = stream.more
        self._held -= stream.held
        stream.held = 0
        message, alternate, fields = record.message, None, None
        if more:
            if stream.wraps:
                message, alternate = self._unwrap(stream, message)
                stream.wraps = []
            else:
                message = "\n".join([message, *[line.text for line in more]])
            message = message.rstrip("\n")
            stream.more, stream.size = [], 0
        if message[:1] == '"' and record.kind == "klog" and (read := structured(message)) is not None:
            message, fields = read
            if alternate is not None and (read := structured(alternate)) is not None:
                alternate = read[0]
        stream.record = None
        if not more and fields is None:
            return record
        last = more[-1].number if more else record.end_line
        return record._replace(
            line=min(record.line, last),  # of a log that was written with its newest line first
            end_line=max(record.line, last),
            lines=record.lines + sum(line.physical for line in more),
            message=message,
            fields=fields if fields is not None else record.fields,
            alternate=alternate,
        )

    # ------------------------------------------------------------ times

    def _enter_minute(self, stream: _Stream, date: str, minute: str) -> None:
        """Date a minute that has no carrier's stamp, and remember it for the lines to come."""
        stream.minute = date + minute
        month, day, hour, minutes = int(date[-4:-2]), int(date[-2:]), int(minute[:2]), int(minute[3:])
        if len(date) == 8:
            stream.year, stream.year_source = int(date[:4]), "carrier"
        elif stream.year is None:
            self._first_year(stream, month, day, hour, minutes)
        if len(date) == 4 and stream.year is not None and stream.month:
            # New Year lies between December and January, whichever comes first: calls that
            # run at once may log in either order.
            stream.year += (stream.month == 12 and month == 1) - (stream.month == 1 and month == 12)
        stream.month = month
        base = None if stream.year is None else civil(stream.year, month, day, hour, minutes, 0)
        stream.base = None if base is None else base - stream.zone
        stream.source = "none" if base is None else stream.year_source

    def _first_year(self, stream: _Stream, month: int, day: int, hour: int, minute: int) -> None:
        stream.year, stream.month, stream.year_source = self._year, self._month, self._year_source
        if stream.year is not None:
            return
        stream.year = latest_year(self._reference, stream.zone, month, day, hour, minute)

    def _carried(
        self, stream: _Stream, origin: Origin, written: int, date: str, minute: str, within: int
    ) -> tuple[int | None, str]:
        """Date a header by its carrier's stamp, which knows the year and tells the writer's zone.

        The two stamps differ by the zone, a multiple of 15 minutes, and by the moment that
        it took to store the line.  A line that was stored much later does not tell the zone.
        """
        source = "assumed" if origin.carrier == "syslog" else "carrier"
        if stream.carried[0] != date + minute:
            month, day, hour, minutes = int(date[-4:-2]), int(date[-2:]), int(minute[:2]), int(minute[3:])
            year = year_of(written)
            choices = [int(date[:4])] if len(date) == 8 else [year, year - 1, year + 1]
            bases = [(base, y) for y in choices if (base := civil(y, month, day, hour, minutes, 0)) is not None]
            if not bases:
                return None, "none"
            base, year = min(bases, key=lambda pair: abs(pair[0] - written))
            stream.carried = (date + minute, year, base)
            stream.year, stream.month, stream.year_source, stream.minute = year, month, source, ""
        local = stream.carried[2] + within
        quarters = (local - written + QUARTER // 2) // QUARTER
        if -56 <= quarters <= 56 and abs(local - written - quarters * QUARTER) <= DELAY:
            stream.zone = quarters * QUARTER
        return local - stream.zone, source


# ---------------------------------------------------------------- helpers


def _key(origin: Origin) -> tuple[str, str, str]:
    # A pasted block's margin may end before the record does; what else has another carrier has another writer.
    return (origin.input, "bare" if origin.carrier == "pasted" else origin.carrier, origin.stream)


def _is_new_panic(stream: _Stream, text: str) -> bool:
    """Whether *text* begins another dump, though one is open: the process was started again."""
    return stream.goroutines and text.startswith(("panic: ", "fatal error: "))


def _glue(before: str, after: str, full: bool, width: int) -> str:
    """Say what an editor took out between two lines: nothing if it had to break a word that is too long for a line."""
    if not before or before.endswith(" "):
        return ""  # the header stood alone, or nothing was taken
    word = after.find(" ")
    return "" if full and len(before) - before.rfind(" ") - 1 + (word if word >= 0 else len(after)) > width else " "


def _is_half(text: str) -> bool:
    """Whether *text* is a header whose end is missing."""
    return text[:1] in "IWEF" and text[1:5].isdigit() and text[5:6] == " " and text[8:9] == ":" and "]" not in text[:80]


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
