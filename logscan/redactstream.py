"""Redacts a stream of bytes, line by line: what comes out has as many lines, and each is framed as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from logscan.errors import SourceError
from logscan.redact import Redactor
from logscan.sources import Splitter, Tally

AHEAD = 32 << 20  # bytes that are read before the first is written, so that names are known before they come


def redacted(chunks: Iterable[bytes], redactor: Redactor, tally: Tally) -> Iterator[bytes]:
    """The bytes of one input, redacted; where *chunks* are cut changes nothing.

    Bytes that are no UTF-8 stay as they are.  Of what no program can show (byte order marks, zeros, escape
    sequences of terminals) nothing stays: it could hide a name.  A line over sources.MAX_LINE is cut there.

    Args:
        tally: is brought up to date.

    Raises:
        SourceError: of *chunks*, once what came before has been yielded.
    """
    redactor.restart()
    return rewritten(chunks, redactor.line, tally)


def rewritten(chunks: Iterable[bytes], change: Callable[[str], str], tally: Tally) -> Iterator[bytes]:
    """The bytes of one input with each line changed; see ``redacted``."""
    splitter = Splitter(tally)
    fault: SourceError | None = None
    try:
        for chunk in chunks:
            lines = [_line(number, raw, change) + b"\n" for number, _, raw in splitter.feed(chunk)]
            if lines:
                yield b"".join(lines)
    except SourceError as error:
        fault = error
    for number, _, raw in splitter.close():
        yield _line(number, raw, change)
    if fault is not None:
        raise fault


def learn(chunks: Iterable[bytes], redactor: Redactor) -> None:
    """Learn the names in an input.

    Raises:
        SourceError: of *chunks*.
    """
    redactor.restart()
    splitter = Splitter(Tally())
    for chunk in chunks:
        for number, _, raw in splitter.feed(chunk):
            redactor.learn(_text(number, raw))
    for number, _, raw in splitter.close():
        redactor.learn(_text(number, raw))


def read_ahead(chunks: Iterable[bytes], redactor: Redactor, size: int = AHEAD) -> Iterator[bytes]:
    """The same chunks, of which the first *size* bytes have been learnt from."""
    held, held_size, rest = [], 0, iter(chunks)
    fault: SourceError | None = None
    try:
        for chunk in rest:
            held.append(chunk)
            held_size += len(chunk)
            if held_size >= size:
                break
    except SourceError as error:
        fault = error
    learn(held, redactor)
    yield from held
    if fault is not None:
        raise fault
    yield from rest


def _line(number: int, raw: bytes, change: Callable[[str], str]) -> bytes:
    return change(_text(number, raw)).encode("utf-8", "surrogateescape") + raw[len(raw.rstrip(b"\r")) :]


def _text(number: int, raw: bytes) -> str:
    """A line without its line's end, and without what PowerShell puts between the letters."""
    raw = raw.rstrip(b"\r").replace(b"\0", b"")
    if number == 1:
        raw = raw.removeprefix(b"\xff\xfe").removeprefix(b"\xef\xbb\xbf")
    return raw.decode("utf-8", "surrogateescape")
