"""What an NFS server exports: /etc/exports as exportfs reads it, and what the server's own tools print.

The grammar is that of nfs-utils (support/nfs/exports.c and xio.c); where the
man page is silent, exportfs 2.6.2 was asked.  Reading is never lenient where
the server's is not: an entry that the server does not see is in ``dropped``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from logscan.errors import EvidenceError
from logscan.evidence.exportclients import client_matches, mistake_in, parse_address
from logscan.evidence.exportlint import lint
from logscan.evidence.exportoptions import (
    Builder,
    Export,
    ExportFault,
    OptionFault,
    Options,
    clean_path,
    render,
    suggestion,
)

__all__ = ["Export", "ExportFault", "Exports", "Mapped", "client_matches", "kind_of", "parse", "render", "user_mapping"]

MAX_TEXT = 4 * 1024 * 1024  # characters of an input
MAX_ENTRIES = 20_000  # of a file; the rest is not read
_MAX_CLIENTS = 1_000  # of a row of showmount
KINDS = ("exports", "exportfs-v", "exportfs-s", "etab", "showmount", "proc")
_MAX_TOKEN, _MAX_PATH = 511, 1024  # bytes that exportfs's buffers hold


@dataclass(frozen=True, slots=True)
class Exports:
    """One file or listing."""

    kind: str  # one of KINDS
    name: str  # of the input
    entries: tuple[Export, ...] = ()  # what is exported
    dropped: tuple[Export, ...] = ()  # what is written and is not exported
    faults: tuple[ExportFault, ...] = ()
    server: str = ""  # whose it is, where the text or the user told


class Mapped(NamedTuple):
    """The user that the server acts as."""

    uid: int
    gid: int
    squashed: bool


def user_mapping(options: Options, uid: int = 0, gid: int | None = None, flavour: str = "sys") -> Mapped:
    """Tell as whom the server acts for a client's user (nfsd_setuser of the kernel).

    all_squash wins over no_root_squash; root_squash maps uid 0 and gid 0, each by itself.

    Args:
        gid: the user's group; where not given, 0 for root and the uid's number for others.
    """
    group = gid if gid is not None else uid
    rules = options.flavour(flavour) or options.usual
    if rules.all_squash or rules.name == "null":
        return Mapped(options.anonuid, options.anongid, squashed=True)
    if not rules.root_squash:
        return Mapped(uid, group, squashed=False)
    mapped = (options.anonuid if uid == 0 else uid, options.anongid if group == 0 else group)
    return Mapped(*mapped, squashed=mapped != (uid, group))


# ---------------------------------------------------------------- /etc/exports

_PLAIN = re.compile(rb"[^\s\\\"\x00]+")
_OCTAL = re.compile(rb"\\[0-3][0-7][0-7]")
_END, _TOO_LONG, _TOKEN = 0, -1, 1


class _Reader:
    """xio.c: characters, blanks and tokens of the file, line by line."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.line = 1

    def get(self) -> int:
        """The next character; a backslash-newline with the blanks after it is one blank; -1 at the end."""
        if self.at >= len(self.data):
            return -1
        char = self.data[self.at]
        self.at += 1
        if char == 0x5C and self.data[self.at : self.at + 1] == b"\n":
            self.at += 1
            self.line += 1
            while self.data[self.at : self.at + 1] in {b" ", b"\t"}:
                self.at += 1
            return 0x20
        if char == 0x0A:
            self.line += 1
        return char

    def back(self, char: int) -> None:
        if char >= 0:
            self.at -= 1
            self.line -= char == 0x0A

    def skip(self, blanks: bytes) -> None:
        while (char := self.get()) != -1:
            if char == 0x23:  # a comment is not continued by a backslash
                end = self.data.find(b"\n", self.at)
                self.at = len(self.data) if end < 0 else end
                char = self.get()
            if char == -1 or (char and char not in blanks):  # C's strchr finds NUL in every string
                break
        self.back(char)

    def token(self, limit: int) -> tuple[int, str]:
        """Read up to a blank; quotes may hold blanks, and a backslash with three octal digits is a byte."""
        out = bytearray()
        quoted = False
        char = -1
        while len(out) <= limit:
            run = _PLAIN.match(self.data, self.at, self.at + limit + 1 - len(out))
            if run:
                out += run[0]
                self.at = run.end()
                self._fold(out, len(run[0]))
                continue
            char = self.get()
            if char == -1 or (not quoted and (char in b" \t\n\v\f\r" or char == 0)):
                break
            if char == 0x22:
                quoted = not quoted
                continue
            out.append(char)
            self._fold(out, 1)
        if char == 0x0A and not quoted:
            self.back(char)
        if not out:
            return _END, ""
        if len(out) > limit:
            return _TOO_LONG, ""
        return _TOKEN, bytes(out).partition(b"\0")[0].decode("utf-8", "replace")

    @staticmethod
    def _fold(out: bytearray, new: int) -> None:
        """Turn the octal bytes among the last characters to what they mean; one may begin with another's result."""
        at = max(len(out) - new - 3, 0)
        while found := _OCTAL.search(out, at):
            out[found.start() : found.end()] = bytes([int(found[0][1:], 8)])
            at = max(found.start() - 3, 0)

    def next_line(self) -> None:
        while self.get() not in {-1, 0x0A}:
            pass

    def has_more(self) -> bool:
        """Whether anything but blanks and comments follows."""
        lines = (line.strip() for line in self.data[self.at :].split(b"\n"))
        return any(line and not line.startswith(b"#") for line in lines)


class _Stop(Exception):  # noqa: N818 - the end of exportfs's reading, not an error of ours
    def __init__(self, code: str, problem: str) -> None:
        super().__init__(problem)
        self.code, self.problem = code, problem


class _File:
    """Reads one exports file; after the point where exportfs stops it goes on only to tell what is lost."""

    def __init__(self, text: str, name: str) -> None:
        self.reader = _Reader(text.encode("utf-8", "replace"))
        self.name = name
        self.entries: list[Export] = []
        self.dropped: list[Export] = []
        self.faults: list[ExportFault] = []
        self.stopped = 0  # the line at which exportfs stops
        self.bare: Export | None = None  # the client before, if it was written without options
        self.seen: dict[tuple[str, str], Export] = {}

    def read(self) -> None:
        while True:
            try:
                for one in self._entries():
                    if len(self.entries) + len(self.dropped) >= MAX_ENTRIES:
                        self.faults.append(_too_many(one.line))
                        return
                    self._take(one)
            except _Stop as stop:
                if stop.code == "end":
                    return
                self._fault(stop)
                if stop.code != "empty-path":
                    self.reader.next_line()
            else:
                return

    def _fault(self, stop: _Stop) -> None:
        line = self.reader.line
        if self.stopped and stop.code == "empty-path":
            return
        if self.stopped:
            after = "not reached: exportfs stops above"
        else:
            self.stopped = line
            after = "exportfs stops here: this entry and everything below it in the file are not exported"
        self.faults.append(ExportFault(line, stop.code, stop.problem, after))

    def _entries(self) -> Iterator[Export]:
        """getexportent(): one path for one client at a time."""
        reader = self.reader
        first = True
        path, defaults, status, token = "", Builder(), _END, ""
        while True:
            line = reader.line
            if not first:
                status, token, line = self._item()
            if first or status == _END:
                defaults = Builder()
                path = self._path()
                status, token, line = self._item()
            if status == _TOO_LONG:
                raise _Stop("token-too-long", "expected client(options...)")
            first = False
            if token.startswith("-"):
                self._options(defaults, token[1:], path, "")
                status, token, line = self._item()
                if status == _TOO_LONG:
                    raise _Stop("token-too-long", "expected client(options...)")
            yield self._export(path, token if status == _TOKEN else "", defaults, line)

    def _item(self) -> tuple[int, str, int]:
        self.reader.skip(b" \t")
        line = self.reader.line
        return (*self.reader.token(_MAX_TOKEN), line)

    def _path(self) -> str:
        reader = self.reader
        reader.skip(b" \t\n")
        status, path = reader.token(_MAX_PATH)
        if status == _TOKEN:
            return path
        if status == _END and (reader.at >= len(reader.data) if self.stopped else not reader.has_more()):
            raise _Stop("end", "")
        if status == _TOO_LONG:
            raise _Stop("path-too-long", f"a path is longer than {_MAX_PATH} bytes; exportfs does not say so")
        raise _Stop(
            "empty-path",
            "a line begins with a carriage return or another odd blank; exportfs takes it for the end and does not say so",
        )

    def _export(self, path: str, token: str, defaults: Builder, line: int) -> Export:
        client, bracket, rest = token.partition("(")
        builder = defaults.copy()
        if bracket:
            text, _, after = rest.partition(")")
            if after or ")" not in rest:
                self.dropped.append(Export(clean_path(path), client, builder.build(), line, self.name))
                raise _Stop("bad-option-list", "syntax error: bad option list")
            self._options(builder, text, path, client or "*")
        one = Export(path, client or ("*" if bracket else ""), builder.build(), line, self.name)
        if bracket and not client and text:
            self._spaced(one, text)
        self.bare = one if client and not one.options.stated and not bracket else None
        return one

    def _spaced(self, world: Export, text: str) -> None:
        """``host (rw)``: two clients, the host by the defaults and everybody by the options."""
        bare = self.bare
        if self.stopped or bare is None or bare.path != world.path or self.reader.line - bare.line > 1:
            return
        if bare.client == "*":
            problem = "a blank before ( makes two entries for everybody; the first, with the defaults (ro,root_squash), counts"
            explains = "`read-only file system` on mkdir; remove the blank"
        else:
            problem = f"a blank before ( makes two clients: {bare.client} gets the defaults (ro,root_squash), everybody gets ({text})"
            explains = (
                f"{bare.client} meets `read-only file system` or `permission denied`, and every host that reaches the server may"
                f" use {bare.path} as ({text}); write {bare.client}({text})"
            )
        self.faults.append(
            ExportFault(world.line, "space-before-options", problem, explains, "warning", clean_path(bare.path))
        )

    def _options(self, builder: Builder, text: str, path: str, client: str) -> None:
        try:
            builder.read(text)
        except OptionFault as fault:
            problem = str(fault)
            self.dropped.append(Export(clean_path(path), client, builder.build(), self.reader.line, self.name))
            found = re.search(r'unknown keyword "(.+)"', problem)
            if found and (meant := suggestion(found[1])):
                problem += f" (did you mean {meant}?)"
            raise _Stop("unknown-keyword" if "keyword" in problem else "bad-option", problem) from None

    def _take(self, one: Export) -> None:
        where, clean = one.path, posixpath.normpath(clean_path(one.path)) if one.path.startswith("/") else one.path
        one = replace(one, path=clean)
        if self.stopped:
            self.dropped.append(one)
            return
        if not where.startswith("/"):
            problem = f"Failed to stat {where}: a path begins with /"
            self._drop(one, "relative-path", problem, "nothing is exported by this line")
        elif mistake := mistake_in(one.client):
            self._drop(one, "bad-client", mistake, "clients meant by it are refused: access denied by server")
        elif (twin := self.seen.setdefault(_identity(one), one)) is not one:
            same = twin.options == one.options
            self._drop(
                one,
                "duplicate",
                f"{one.path} is exported to {one.client or '*'} a second time; the first, in line {twin.line}, counts",
                "" if same else "the options here have no effect [IGNORED]",
                "warning" if same else "error",
            )
        else:
            self.entries.append(one)
            if "\n" in one.path + one.client:
                problem = "a quote is not closed, so a path or client goes on over the end of its line"
                self.faults.append(
                    ExportFault(one.line, "open-quote", problem, "what follows is not exported", path=clean)
                )

    def _drop(self, one: Export, code: str, problem: str, explains: str, level: str = "error") -> None:
        self.dropped.append(one)
        self.faults.append(ExportFault(one.line, code, problem, explains, level, one.path))


def _too_many(line: int) -> ExportFault:
    return ExportFault(line, "too-many", f"only the first {MAX_ENTRIES} entries are read", level="warning")


def _identity(one: Export) -> tuple[str, str]:
    """What exportfs takes for one entry: names without case, addresses by value (one mapped into IPv6 is another)."""
    client = one.client.lower()
    address = parse_address(client) if "[" not in client else None
    return one.path, f"{address} {':' in client}" if address else client


# ---------------------------------------------------------------- what programs print

_CLIENT = r"(?P<client>[^\s()]*)"
# The blank before the client begins after a character that is none, so that a row of blanks is tried once.
_ROW = re.compile(rf"(?P<path>/.*?)(?<![ \t])[ \t]++{_CLIENT}\((?P<options>[^()\s]*)\)\s*")
_BARE_ROWS = {
    "showmount": re.compile(r"(?P<path>/.*?)(?<![ \t])[ \t]++(?P<client>\S+)\s*"),
    "exportfs-v": re.compile(r"(?P<path>/.*?)(?<![ \t]) *+\t++(?P<client>[^\s()]+)\s*"),
}
_LOOSE_ROW = re.compile(rf"\s+{_CLIENT}(?:\((?P<options>[^()\s]*)\))?\s*")
_SHOWMOUNT = re.compile(r"[Ee]xports? list (?:for|on) (?P<server>\S+?):?\s*")
# What the programs print first: exportfs -s and -v, etab, /proc/fs/nfsd/exports.
_PRINTED = re.compile(r"\((?:a?sync),(?:no_)?wdelay,(?:no)?hide\b")
_ETAB = re.compile(r"/[^\t]*\t[^\s()]*\(r[ow],a?sync,(?:no_)?wdelay,(?:no)?hide,(?:no)?crossmnt,.*,anongid=-?\d+,sec=")


def kind_of(text: str, name: str = "") -> str | None:
    """Tell by its content what listing *text* is, one of KINDS; None where it is none, as a log.

    Every line must be of the listing.  A file called ``exports`` or
    ``*.exports`` may say less: clients without options, or comments alone.
    """
    if len(text) > MAX_TEXT or "\0" in text:
        return None
    lines = [line for line in text.split("\n") if line.strip()]
    rows = [line for line in lines if not line.lstrip().startswith("#")]
    named = posixpath.basename(name.replace("\\", "/").rpartition("!")[2])
    if not rows:
        return "exports" if named == "exports" or (lines and named.endswith(".exports")) else None
    if _SHOWMOUNT.fullmatch(rows[0].strip()):
        return "showmount" if all(row.startswith("/") for row in rows[1:]) else None
    if not rows[0].lstrip().startswith(("/", '"/')):
        return None
    if lines[0].startswith("# Version 1.") and any("Path Client(Flags)" in line for line in lines[:3]):
        return "proc"
    if all(_ETAB.match(row) for row in rows):
        return "etab"
    printed = _printed_kind(rows)
    if printed:
        return printed
    return "exports" if _looks_like_exports(text, named) else None


def _printed_kind(rows: list[str]) -> str | None:
    if all(re.match(r"/\S*  \S*\(", row) and _PRINTED.search(row) for row in rows):
        return "exportfs-s"
    table = [row for row in rows if "\t" in row or row[0] in " \t/"]
    if len(table) == len(rows):
        if any(_PRINTED.search(row) for row in rows) and all(_PRINTED.search(row) or "(" not in row for row in rows):
            return "exportfs-v"
        if any("<world>" in row for row in rows) and not any("(" in row for row in rows):
            return "exportfs-v"
    if all(re.fullmatch(r"/\S*[ \t]+(?:\(everyone\)|\*|[^\s()]+)", row.rstrip()) for row in rows) and any(
        "(everyone)" in row for row in rows
    ):
        return "showmount"
    return None


def _looks_like_exports(text: str, named: str) -> bool:
    """Logical lines that all begin with a path, and a client with options that exports(5) knows."""
    joined = re.sub(r"\\\n[ \t]*", " ", text)
    lines = [line.strip() for line in joined.split("\n")]
    rows = [line for line in lines if line and not line.startswith("#")]
    if not all(row.startswith(("/", '"/')) for row in rows):
        return False
    if named == "exports" or named.endswith(".exports"):
        return True
    lists = re.findall(r"(?:^|\s)[^\s()]*\(([^()]*)\)?|\s-(\S+)", joined)
    return any(_knows(one or other) for one, other in lists) and any(_ITEM.search(row) for row in rows)


_ITEM = re.compile(r'^"?/.*?[\s"](?:[^\s()"]*"?\(|-[a-z])')


def _knows(text: str) -> bool:
    builder = Builder(lenient=True)
    builder.read(text[:_MAX_TOKEN])
    return bool(builder.build().stated)


def parse(text: str, name: str, kind: str | None = None, *, server: str = "") -> Exports:
    """Read an exports file or a listing.

    Args:
        kind: one of KINDS; where not given, ``kind_of`` decides, and "exports" is what is left.
        server: whose it is, where the user said it.

    Raises:
        EvidenceError: the text is too long.
    """
    if len(text) > MAX_TEXT:
        raise EvidenceError(name, f"the text has {len(text)} characters", f"at most {MAX_TEXT} are read")
    kind = kind or kind_of(text, name) or "exports"
    if kind != "exports":
        return _listing(text, name, kind, server)
    file = _File(text, name)
    file.read()
    faults = [*file.faults, *lint(text, file.entries)]
    faults.sort(key=lambda fault: (fault.line, fault.level != "error"))
    return Exports(kind, name, tuple(file.entries), tuple(file.dropped), tuple(faults), server)


def _listing(text: str, name: str, kind: str, server: str) -> Exports:
    """Rows of a program's output; a long path stands on a line of its own before its client."""
    entries: list[Export] = []
    faults: list[ExportFault] = []
    bare = _BARE_ROWS.get(kind)
    path = ""
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.rstrip("\r")
        if not line.strip() or line.startswith("#"):
            continue
        if found := _SHOWMOUNT.fullmatch(line.strip()):
            server = server or found["server"]
            continue
        loose = _LOOSE_ROW.fullmatch(line) if path else None
        row = (None if kind == "showmount" else _ROW.fullmatch(line)) or (bare.fullmatch(line) if bare else None)
        if row:
            here, clients, options = row["path"], row["client"], row.groupdict().get("options")
        elif loose:
            here, clients, options = path, loose["client"], loose["options"]
        elif line.startswith("/"):
            path = line.strip()
            continue
        else:
            faults.append(ExportFault(number, "unreadable", f"this is no line of {kind}: {line[:60]!r}"))
            continue
        entries += _rows(here, clients, options, (number, name, kind))
        if len(entries) >= MAX_ENTRIES:
            faults.append(_too_many(number))
            break
    return Exports(kind, name, tuple(entries), (), tuple(faults), server)


def _rows(path: str, clients: str, options: str | None, place: tuple[int, str, str]) -> Iterator[Export]:
    line, name, kind = place
    builder = Builder(lenient=True)
    builder.read(options or "")
    where = _unescape(path.rstrip()) if kind in {"exportfs-s", "etab", "proc"} else path.rstrip()
    # Only showmount and the kernel list several clients in one place.
    for client in clients.split(",")[:_MAX_CLIENTS] if kind in {"showmount", "proc"} else [clients]:
        spelt = "*" if client in {"<world>", "(everyone)"} else _unescape(client)
        yield Export(clean_path(where), spelt, builder.build(), line, name, known=options is not None)


def _unescape(text: str) -> str:
    data = text.encode("utf-8", "replace")
    return _OCTAL.sub(lambda found: bytes([int(found[0][1:], 8)]), data).decode("utf-8", "replace")
