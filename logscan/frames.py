"""What wraps a line: peels carriers off until the program's own text is left.

Every line is looked at by itself, because real inputs are mixed: a bundle joins files,
a pasted issue joins terminals.  Carriers nest (stern around CRI around klog, a shipper's
JSON around docker's), so peeling repeats.  The common case, a bare klog line, is decided
by its first bytes.

Grammars: kubelet's CRI and docker's json-file formats, kubectl's ``--prefix`` and
``--timestamps``, stern 1.34, systemd's journalctl(1) output modes, dmesg(1) and the
usual shippers' JSON.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

from logscan.bundles import whose
from logscan.forms import Entry, Form, form_of
from logscan.margins import Margin, is_strong
from logscan.model import Line, Origin
from logscan.order import upright
from logscan.prefixes import Prefixes
from logscan.shippers import Frame, clean, component_of, describe, entries, is_klog
from logscan.stamps import MONTHS, RFC3339, Stamps

CARRIERS: tuple[str, ...] = (
    "bare", "kubectl-timestamps", "kubectl-prefix", "stern", "cri", "docker", "journald", "syslog", "dmesg",
    "json-lines", "csv", "loki", "pasted", "prefixed",
)  # fmt: skip

MAX_DEPTH = 6  # carriers around one line
MAX_PARTIAL = 1 << 20  # characters of a line that arrives in parts; the rest is dropped and counted
MAX_PARTIALS = 64  # lines in parts that may be open at a time
MAX_ORIGINS = 10_000
MAX_PRETTY = 2000  # physical lines of one pretty-printed JSON object
MAX_HELD = 4 << 20  # characters of it, and of lines in parts together
MAX_ENTRIES = 100_000  # log entries in one JSON document

# A line that a terminal wrapped goes on without the prefix that these put before every line.
_PREFIXING = frozenset(("kubectl-timestamps", "kubectl-prefix", "stern", "cri", "journald", "syslog"))
# What kubectl prints beside logs, in a file of both.
_OUTPUT_OF_KUBECTL = ("LAST SEEN ", "NAMESPACE ", "Name: ", "Events:", "apiVersion: ")

_SYSLOG = re.compile(
    r"([A-Z][a-z]{2}) {1,2}([0-9]{1,2}) ([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))? (\S{1,255}) ([^\s:\[]{1,255})(?:\[[0-9]+\])?: ?"
)
_ISO_JOURNAL = re.compile(r"(\S{0,254}[^\s:]) ([^\s:\[]{1,255})(\[[0-9]+\])?: ?")
_RFC5424 = re.compile(r"<[0-9]{1,3}>1 (\S+) (\S{1,255}) (\S{1,255}) \S+ \S+ (?:-|\[[^\]]*\])(?: |$)")
_WEEKDAY = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}(?:\.[0-9]+)?)(?: (?:UTC|GMT))? (?=\S+ [^\s:\[]+(?:\[[0-9]+\])?:)"
)
_PREFIX = re.compile(r"\[pod/([^/\]\s]{1,255})/([^\]\s]{1,255})\] ?")
_DMESG = re.compile(r"\[ *[0-9]+\.[0-9]+\](?:\[ *[TC][0-9]+\])? ?")
_DMESG_T = re.compile(r"\[[A-Z][a-z]{2} ([A-Z][a-z]{2}) +([0-9]{1,2}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([0-9]{4})\] ?")
_DMESG_X = re.compile(r"(?:kern|user|daemon|syslog|auth) *:(?:emerg|alert|crit|err|warn|notice|info|debug) *: ")
_KMSG = re.compile(r"[0-9]{1,4},[0-9]+,[0-9]+,[^;]{1,40};")
# rsyslog writes control characters in octal.  A volume id may hold "#012" too, so what follows must be a line.
_RSYSLOG_NEWLINE = re.compile(r"#012(?:(#011)|(?=Mounting |Unmounting |Output: |u?mount[.: ]| >))")
_PRIORITY = re.compile(r"<[0-9]{1,3}>")
_NOTICE = re.compile(r"[+-] \S.{0,200} › \S")
_STERN = re.compile(r"(NAME) (NAME) (?:(NAME) )?".replace("NAME", r"[a-z0-9](?:[-a-z0-9.]{0,253}[a-z0-9])?"))
_STERN_SHORT = re.compile(r"[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} ")
_LABELS = re.compile(r"\{((?:\w+=\"[^\"]*\"(?:, ?)?)*)\} ")
_LABEL = re.compile(r"(\w+)=\"([^\"]{0,255})\"")

_BORDER = "┌└├╭╰╔╚─═"
_DAEMONS = (
    "systemd", "kernel", "containerd", "dockerd", "crio", "NetworkManager", "sshd", "chronyd", "snapd", "rpcbind", "mount", "umount", "audit",
)  # fmt: skip

_new_line = tuple.__new__  # a NamedTuple's own constructor costs twice as much


_Partial = tuple[Frame, list[str], list[int]]


class Deframer:
    """Takes the lines of one input out of their carriers.

    Args:
        input: the input's name; a path of one of the layouts in ``bundles`` tells whose log it is.
        reference: µs since the epoch, the latest time that the log can have.  It gives the
            year to syslog's stamps, which have none; without it their lines are not dated.
        zone: minutes east of UTC of stamps that do not say their zone.
    """

    def __init__(self, input: str, *, reference: int | None = None, zone: int = 0) -> None:  # noqa: A002  the pipeline's word
        self._input = input
        self._reference = reference
        self._stamps = Stamps(zone)
        self._at = whose(input)
        self._origins: dict[tuple[str, ...], Origin] = {}
        self._origin = self._origin_of(Frame(0, 0, "", 0, self._at))
        self._plain = True  # no margin, quote or pretty JSON is open: a bare line is what it seems
        self._bare = 0  # lines that took the fast path
        self._headers = 0  # bare klog lines so far, so that prefixes are not the rule here
        self._margin = Margin()
        self._pretty: list[tuple[int, int, str]] = []
        self._size = 0  # characters of it
        self._partial = 0  # characters of lines in parts
        self._form: Form | None = None
        self._prefixes = Prefixes()
        self._direct: set[str] = set()  # carriers right behind which headers stand; "" is none
        self._known: dict[str, tuple[str, str, str]] = {}  # stern's prefixes
        self._overdue: list[_Partial] = []
        self._parts: dict[tuple[int, str], _Partial] = {}  # depth, stream -> first, texts, [size, physical]
        self._last: tuple[int, Origin] = (-2, self._origin)
        self._aligned: tuple[int, Frame] | None = None  # journalctl aligns an entry's further lines
        self._counts: Counter[str] = Counter()
        self.damaged: Counter[str] = Counter()

    @property
    def carriers(self) -> Counter[str]:
        """Physical lines per carrier."""
        counts = Counter(self._counts)
        if self._bare:
            counts[self._origin.carrier] += self._bare
        return counts

    def feed(self, number: int, offset: int, raw: bytes) -> list[Line]:
        """Take one physical line; returns the lines that it completes.

        Args:
            number: 1-based.
            offset: of its first byte in the unpacked input.
            raw: without the newline that ends it.
        """
        if (
            raw[:1] in b"IWEF"
            and raw[1:5].isdigit()
            and self._plain
            and raw.isascii()
            and b"\x1b" not in raw
            and b"\0" not in raw
        ):
            self._bare += 1
            return [_new_line(Line, (self._origin, number, offset, raw.decode("ascii").removesuffix("\r"), None, 1, 0))]
        return self._feed_any(number, offset, raw)

    def origin(self) -> Origin | None:
        """Whose a bare line of klog would be that came next; None if it would be part of something that is open."""
        return self._origin if self._plain else None

    def pass_over(self, lines: int) -> None:
        """Count bare lines of klog that need not be fed."""
        self._bare += lines

    def close(self) -> list[Line]:
        """End the input: returns partials that never ended."""
        lines = self._flush_pretty()
        if self._form is not None:
            lines += self._entries(self._form.close()) + self._end_form()
        while self._parts:  # what is inside a part may be a part again
            self._wait_no_more()
            lines += self._flush_overdue()
        return lines

    # ------------------------------------------------------------ one physical line

    def _feed_any(self, number: int, offset: int, raw: bytes) -> list[Line]:
        text = self._decode(number, raw)
        lines: list[Line] = []
        if self._pretty:
            lines, done = self._feed_pretty(number, offset, text)
            if done:
                return lines
        if self._form is None and (number == 1 or text[-1:] == "]" or text[:2] == "__"):
            self._form = form_of(number, text)
            self._plain = self._plain and self._form is None
        if self._form is not None:
            ended, mine = self._form.feed((number, offset, text))
            lines += self._entries(ended)
            if mine:
                return lines
            if self._form.held[-1:] == [(number, offset, text)]:
                self._form.held.pop()
            lines += self._end_form()
        text, pasted = self._margin.take_off(text, tabs=not (self._bare or self._headers))
        self._plain = not self._margin.text
        if text[-1:] == "{" and text.strip() in ("{", "[{"):
            self._pretty, self._size = [(number, offset, text)], 0
            self._plain = False
            return lines
        frame = Frame(number, offset, text, 1, self._at)
        if pasted:
            frame.carrier = "pasted"
        if self._aligned is not None and not pasted and text[:1] == " ":
            width, before = self._aligned
            if len(text) > width and text[:width].isspace() and number == before.number + 1:
                frame = before.part(text[width:], 1)
                frame.number, frame.offset, frame.written = number, offset, None
                self._aligned = (width, frame)
                return [*lines, self._line(frame)]
        lines += self._lines(frame)
        return lines + self._flush_overdue() if self._overdue else lines

    def _wait_no_more(self) -> None:
        """Let go of the line that waits for longest for its last part."""
        self._overdue.append(self._parts.pop(next(iter(self._parts))))
        self._partial -= self._overdue[-1][2][0]

    def _flush_overdue(self) -> list[Line]:
        """Let go of lines whose last part did not come."""
        lines: list[Line] = []
        while self._overdue:
            first, texts, sums = self._overdue.pop()
            first.text, first.physical = "".join(texts), sums[1]
            lines += self._lines(first)
        return lines

    def _lines(self, frame: Frame) -> list[Line]:
        done: list[Line] = []
        for inner in self._peel(frame, MAX_DEPTH):
            if not inner.carrier and inner.text:
                number, origin = self._last
                if is_klog(inner.text):
                    self._headers += 1
                elif (
                    not self._headers
                    and not self._bare
                    and number == inner.number - 1
                    and origin.carrier in _PREFIXING
                    and not inner.text.startswith(_OUTPUT_OF_KUBECTL)
                ):
                    # The terminal wrapped the line before: this is its rest, which has no prefix.
                    self._last = (inner.number, origin)
                    self._counts[origin.carrier] += inner.physical
                    done.append(Line(origin, inner.number, inner.offset, inner.text, None, inner.physical))
                    continue
            done.append(self._line(inner))
        return done

    def _line(self, frame: Frame) -> Line:
        origin = self._origin_of(frame)
        self._counts[origin.carrier] += frame.physical
        if frame.ident != "notices":
            self._last = (frame.number, origin)
        margin = frame.length - len(frame.text) if origin.carrier in _PREFIXING else 0
        return _new_line(Line, (origin, frame.number, frame.offset, frame.text, frame.written, frame.physical, margin))

    def _origin_of(self, frame: Frame) -> Origin:
        key = (frame.carrier, frame.namespace, frame.pod, frame.container, frame.node, frame.ident, frame.output)
        origin = self._origins.get(key)
        if origin is None:
            component = component_of(frame.container, frame.ident)
            origin = Origin(
                self._input,
                frame.stream(),
                frame.carrier or "bare",
                frame.namespace,
                frame.pod,
                frame.container,
                frame.node,
                component,
            )
            if len(self._origins) >= MAX_ORIGINS:
                self._origins.clear()
            self._origins[key] = origin
        return origin

    def _decode(self, number: int, raw: bytes) -> str:
        if b"\0" in raw:  # also what UTF-16 without its zeros is: PowerShell's ">" writes it
            self.damaged["NUL"] += 1
            raw = raw.replace(b"\0", b"")
        if number == 1:
            raw = raw.removeprefix(b"\xff\xfe").removeprefix(b"\xef\xbb\xbf")
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            self.damaged["invalid UTF-8"] += 1
            text = raw.decode("utf-8", "replace")
        return clean(text.removesuffix("\r"))

    # ------------------------------------------------------------ entries in fields

    def _entries(self, ended: list[Entry]) -> list[Line]:
        assert self._form is not None
        lines: list[Line] = []
        for entry in ended:
            frame = Frame(entry.number, entry.offset, clean(entry.line or ""), entry.physical, self._at)
            frame.within(self._form.carrier)
            if entry.line is None:
                frame.ident = "notices"
            else:
                describe(frame, entry.fields, {}, self._stamps)
            lines += self._lines(frame)
        return lines

    def _end_form(self) -> list[Line]:
        """What is of no form any more is text."""
        form, self._form = self._form, None
        self._plain = not self._margin.text
        return [self._line(Frame(*held, 1, self._at)) for held in (form.held if form is not None else ())]

    # ------------------------------------------------------------ pretty-printed JSON

    def _feed_pretty(self, number: int, offset: int, text: str) -> tuple[list[Line], bool]:
        """Collect an object that is printed over several lines; also tells if *text* is dealt with."""
        opening = self._pretty[0][2]
        self._size += len(text)
        if is_klog(text) or len(self._pretty) >= MAX_PRETTY or self._size > MAX_HELD:
            return self._flush_pretty(), False
        if text.strip() == "{" and len(self._pretty) <= 4 and self._pretty[-1][2].rstrip().endswith("["):
            return self._flush_pretty(), False  # the list of entries is inside: each entry by itself
        self._pretty.append((number, offset, text))
        indent = len(opening) - len(opening.lstrip())
        if text[:indent].strip() or text[indent:].rstrip() not in ("}", "},", "}]"):
            return [], True
        body = "\n".join(part for _, _, part in self._pretty).strip().rstrip(",").removeprefix("[").removesuffix("]")
        frame = Frame(self._pretty[0][0], self._pretty[0][1], body, len(self._pretty), self._at)
        found = self._json(frame, MAX_DEPTH)
        if found is None or not found:
            return self._flush_pretty(), True
        self._pretty, self._plain = [], not self._margin.text
        return [line for entry in found for line in self._lines(entry)], True

    def _flush_pretty(self) -> list[Line]:
        """Give up on a pretty-printed object: its lines are text."""
        held, self._pretty = self._pretty, []
        self._plain = not self._margin.text
        return [self._line(Frame(number, offset, text, 1, self._at)) for number, offset, text in held]

    # ------------------------------------------------------------ peeling

    def _peel(self, frame: Frame, depth: int) -> Iterator[Frame]:
        """Yield what *frame* carries: nothing while parts are missing, several for a text with newlines."""
        prefixed = False
        while depth:
            text = frame.text
            if "\n" in text:
                for n, part in enumerate(text.removesuffix("\n").split("\n")):
                    yield from self._peel(frame.part(part.removesuffix("\r"), 0 if n else frame.physical), depth)
                return
            if not text:
                break
            if is_klog(text):
                if not prefixed:
                    self._direct.add(frame.carrier)
                break
            depth -= 1
            first = text[0]
            if first in "{[" and frame.ident != "events" and (found := self._json(frame, depth)) is not None:
                for entry in found:
                    yield from self._peel(entry, depth)
                return
            if not self._unwrap(frame, first):
                prefixed = self._prefixed(frame)
                if not prefixed:
                    break
            if frame.tag and not self._joined(frame, depth):
                return
        yield frame

    def _unwrap(self, frame: Frame, first: str) -> bool:
        """Take one carrier off *frame*, which begins with *first*; False if there is none."""
        if first.isdigit():
            return self._stamped(frame) or self._kmsg(frame) or self._stern(frame)
        if first == "[":
            return self._bracket(frame)
        if first == "<":
            return self._priority(frame)
        if first.isupper():
            return self._syslog(frame)
        if first in _BORDER:  # of a terminal's box: k9s
            frame.within("pasted")
            frame.ident = "notices"
            return False
        if first in "+-":
            if _NOTICE.match(frame.text):
                frame.within("stern")
                frame.ident = "notices"
            elif frame.text.startswith("-- ") and (frame.text.endswith(" --") or frame.text[3:11] == "Logs beg"):
                frame.within("journald")
                frame.ident = "notices"
            return False
        return self._stern(frame) or self._facility(frame)

    def _prefixed(self, frame: Frame) -> bool:
        """A prefix that no carrier explains, before a header of klog or like one that was."""
        if frame.ident in {"notices", "kernel"}:
            return False
        # Where headers stand bare, one within a line is quoted by its record.
        learn = frame.carrier not in self._direct and (bool(frame.carrier) or not self._bare)
        if (found := self._prefixes.take_off(frame.text, learn=learn)) is None:
            return False
        frame.within("prefixed")
        frame.text, frame.ident = found.text, found.name or frame.ident
        if found.container:
            frame.pod, frame.container = found.pod, found.container
        if found.stamp is not None and frame.written is None:
            frame.written = self._stamps.rfc3339(found.stamp)
        return True

    def _stamped(self, frame: Frame) -> bool:
        """RFC 3339 and what follows: CRI, ISO dmesg, ISO journal, logcli, Grafana's text (a tab), kubectl --timestamps."""
        text = frame.text
        match = RFC3339.match(text)
        if match is None or (written := self._stamps.rfc3339(match)) is None:
            return False
        start = match.end() + 1
        rest = text[start:]
        if rest[:7] in ("stdout ", "stderr ") and rest[7:8] in ("F", "P") and rest[8:9] in ("", " ", ":"):
            frame.within("cri")
            frame.output = "stdout" if rest[:6] == "stdout" else ""
            frame.tag, frame.text = rest[7], rest[7:].partition(" ")[2]
        elif match[3] == "," and match[5]:
            frame.within("dmesg")
            frame.ident = frame.ident or "kernel"
            frame.text = rest
        elif (journal := _ISO_JOURNAL.match(rest)) and (
            journal[3] or journal[2] in _DAEMONS or component_of("", journal[2])
        ):
            self._entry_of(frame, "journald", journal[1], journal[2], rest[journal.end() :])
            self._aligned = (start + journal.end(), frame)
        elif text[10] == " ":
            return False  # a date, a blank and a time are a stamp only in a journal
        elif rest[:1] == "{" and (labels := _LABELS.match(rest)):
            frame.within("loki")
            frame.place(dict(_LABEL.findall(labels[1])))
            frame.text = rest[labels.end() :]
        else:
            frame.within("kubectl-timestamps")
            frame.text = rest
        frame.written = written if frame.written is None else frame.written
        return True

    def _joined(self, frame: Frame, depth: int) -> bool:
        """Join the parts of a CRI or docker line; False while its end has not come."""
        last, frame.tag = frame.tag == "F", ""
        key = (depth, frame.stream())  # parts inside parts are not parts of those
        held = self._parts.get(key)
        if held is None:
            if last:
                return True
            if len(self._parts) >= MAX_PARTIALS:
                self._wait_no_more()
            held = self._parts[key] = (frame, [], [0, 0])
        first, texts, sums = held
        room = MAX_PARTIAL - sums[0]
        if len(frame.text) > room:
            self.damaged["partial line over 1 MiB"] += 1
        texts.append(frame.text[:room])
        sums[0] += len(texts[-1])
        sums[1] += frame.physical
        self._partial += len(texts[-1])
        if not last:
            while self._partial > MAX_HELD and len(self._parts) > 1:
                self._wait_no_more()
            return False
        del self._parts[key]
        self._partial -= sums[0]
        frame.number, frame.offset, frame.written = first.number, first.offset, first.written
        frame.text, frame.physical = "".join(texts), sums[1]
        return True

    def _bracket(self, frame: Frame) -> bool:
        text = frame.text
        if match := _PREFIX.match(text):
            frame.within("kubectl-prefix")
            frame.pod, frame.container = match[1], match[2]
        elif match := _DMESG.match(text):
            frame.within("dmesg")
        elif match := _DMESG_T.match(text):
            month, day, hour, minute, second, year = match.groups()
            written = self._stamps.local(
                int(year), (MONTHS.get(month, 0), int(day), int(hour), int(minute), int(second))
            )
            frame.written = written if frame.written is None else frame.written
            frame.within("dmesg")
        else:
            return False
        if text[1] != "p":
            frame.ident = frame.ident or "kernel"
        frame.text = text[match.end() :]
        return True

    def _priority(self, frame: Frame) -> bool:
        text = frame.text
        if match := _RFC5424.match(text):
            stamp = RFC3339.match(match[1])
            frame.written = self._stamps.rfc3339(stamp) if stamp else None
            self._entry_of(
                frame, "syslog" if frame.written is None else "journald", match[2], match[3], text[match.end() :]
            )
            return True
        if match := _PRIORITY.match(text):
            rest = text[match.end() :]
            if rest[:1] != "[" and not _SYSLOG.match(rest):
                frame.within("dmesg")
                frame.ident = frame.ident or "kernel"
            frame.text = rest
            return True
        return False

    def _kmsg(self, frame: Frame) -> bool:
        match = _KMSG.match(frame.text)
        if match is None:
            return False
        frame.within("dmesg")
        frame.ident = frame.ident or "kernel"
        frame.text = frame.text[match.end() :]
        return True

    def _facility(self, frame: Frame) -> bool:
        match = _DMESG_X.match(frame.text)
        if match is None or frame.text[match.end() : match.end() + 1] != "[":
            return False
        frame.text = frame.text[match.end() :]
        return True

    def _syslog(self, frame: Frame) -> bool:
        text = frame.text
        match = _SYSLOG.match(text)
        if match is None:
            if weekday := _WEEKDAY.match(text):
                frame.text = weekday[1] + "+00:00 " + text[weekday.end() :]
                return self._stamped(frame)
            return False
        month, day, hour, minute, second, fraction, host, ident = match.groups()
        if month not in MONTHS:
            return False
        frame.written = self._stamps.yearless(
            self._reference, (MONTHS[month], int(day), int(hour), int(minute), int(second)), fraction
        )
        self._entry_of(frame, "syslog", host, ident, text[match.end() :])
        self._aligned = (match.end(), frame)
        return True

    def _entry_of(self, frame: Frame, carrier: str, host: str, ident: str, text: str) -> None:
        """Fill *frame* with an entry of a journal."""
        frame.within(carrier)
        frame.node, frame.ident = host, ident
        if ident.startswith("k8s_"):  # dockershim: k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT
            _, frame.container, frame.pod, frame.namespace = (ident.split("_") + [""] * 4)[:4]
        if ident == "kernel" and (match := _DMESG.match(text)):
            text = text[match.end() :]
        frame.text = _RSYSLOG_NEWLINE.sub(lambda match: "\n\t" if match[1] else "\n", text) if "#012" in text else text

    def _stern(self, frame: Frame) -> bool:
        """``pod container line``, with or without the namespace: only before what is surely a log line.

        Once such a prefix has been seen, it is enough.
        """
        text = frame.text
        match = _STERN.match(text)
        if match is None:
            return False
        one, two, three = match.groups()
        for words in ((one, two, three), (one, two)) if three else ((one, two),):
            prefix = " ".join(words)
            rest = text[len(prefix) + 1 :]
            at = self._known.get(prefix)
            if at is None and (is_strong(rest) or (rest[:2] == '{"' and rest[-1:] == "}") or _STERN_SHORT.match(rest)):
                at = (words[0], words[1], words[2]) if len(words) == 3 else (self._at[0], one, two)
                if len(self._known) < 10_000:
                    self._known[prefix] = at
            if at is not None:
                frame.within("stern")
                frame.namespace, frame.pod, frame.container = at
                short = _STERN_SHORT.match(rest)
                frame.text = rest[short.end() :] if short else rest
                return True
        return False

    # ------------------------------------------------------------ JSON

    def _json(self, frame: Frame, depth: int) -> list[Frame] | None:
        """Return the lines that a JSON text carries; None if it carries none that is known."""
        text = frame.text.strip().rstrip(",")
        if text[-1:] not in "}]" or not (text[0] == "{" or text[1:2] == "{"):
            return None
        try:
            value = json.loads(text)
            if "\\ud" in text or "\\uD" in text:  # a lone surrogate could not be written again
                value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None
        found = list(entries(value, {}, 0))
        if len(found) > 1 and not upright(line for line, _, _ in found):
            found.reverse()
        frames = []
        for n, (line, entry, around) in enumerate(found[:MAX_ENTRIES]):
            inner = frame.part(clean(line), 0 if n else frame.physical)
            describe(inner, entry, around, self._stamps)
            if not inner.tag or self._joined(inner, depth):
                frames.append(inner)
        return frames if found else None
