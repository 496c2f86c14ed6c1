"""Rows for calls that went well, without reading their lines: no Python object per line.

What a line of such a call says beside its text is known from its certificate (see quiet.py); what is left
to find are the lines' borders, their stamps, and whom each call is about.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from logscan.columns.requests import Requests
from logscan.columns.subject import Subject
from logscan.model import Origin
from logscan.quiet import Certificate, Run, Told
from logscan.stamps import DAY, civil

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

REQUEST = "GRPC request: "
PADDING = 16  # bytes behind the last line that may be looked at
_HOUR, _MINUTE = 3_600_000_000, 60_000_000
# Columns of a header's stamp, and what their digits are worth: month, day, hour, minute, then µs of the minute.
_DIGITS = np.array([3, 4, 6, 7, 9, 10, 12, 13, 15, 16, 17, 18, 19, 20])
_PID = 22  # to 28, right-aligned
_BLANKED = np.uint64(0x0F0F0F0F0F0F0F00)


@dataclass(slots=True)
class Passed:
    """A run as it was told."""

    run: Run
    number: int  # of its first record
    line: int
    call: int  # number of its first call
    dating: tuple[int | None, int, str]
    origin: Origin


@dataclass(slots=True)
class Lines:
    """The lines of some runs: arrays with an entry per line, or per call where that is said."""

    text: bytes  # all of them, and PADDING
    sorts: list[tuple[Origin, Certificate, Told]]
    sort: Ints  # index in sorts
    run: Ints  # index in the runs
    number: Ints
    line: Ints
    offset: Ints
    message: Ints  # where it begins in text
    size: Ints  # bytes of it
    time: Ints
    timed: Bools
    pid: Ints
    call: Ints  # index of the call among all calls
    numbers: Ints  # of each call
    subjects: list[Subject]  # of each call


def lines_of(runs: Sequence[Passed], requests: Requests) -> Lines:
    """Take the lines of *runs* apart; at least one run."""
    texts = [one.run.text() for one in runs]
    text = b"".join([*texts, bytes(PADDING)])
    flat = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(flat[:-PADDING] == ord("\n"))
    starts = np.empty_like(ends)
    starts[0], starts[1:] = 0, ends[:-1] + 1

    sorts: list[tuple[Origin, Certificate, Told]] = []
    firsts: dict[tuple[int, int], int] = {}  # where the lines of a certificate begin in sorts
    begin: list[int] = []  # the same for each call
    for one in runs:
        certificates = one.run.certificates
        known: dict[int, int] = {}
        for kind in set(one.run.kinds):
            certificate = certificates[kind]
            key = (id(one.origin), id(certificate))
            if key not in firsts:
                firsts[key] = len(sorts)
                sorts += [(one.origin, certificate, told) for told in certificate.told]
            known[kind] = firsts[key]
        begin += map(known.__getitem__, one.run.kinds)
    lengths = np.array([sorts[first][1].lines for first in begin], np.int64)
    counts = np.array([one.run.lines for one in runs])
    calls = np.array([len(one.run.kinds) for one in runs])
    assert int(lengths.sum()) == int(counts.sum()) == len(ends)

    call = np.repeat(np.arange(len(begin)), lengths)
    first_line = np.cumsum(lengths) - lengths  # of each call
    sort = np.arange(len(ends)) + np.repeat(np.array(begin) - first_line, lengths)
    run = np.repeat(np.arange(len(runs)), counts)
    before = np.cumsum(counts) - counts  # lines before each run
    own = np.arange(len(ends)) - np.repeat(before, counts)
    header = np.array([told.header for _, _, told in sorts])[sort]
    edges = np.cumsum([0, *map(len, texts)])[:-1]
    message = starts + header
    time, timed = _times(flat, starts, runs, counts)
    return Lines(
        text, sorts, sort, run,
        own + np.repeat(np.array([one.number for one in runs]), counts),
        own + np.repeat(np.array([one.line for one in runs]), counts),
        starts + np.repeat(np.array([one.run.start for one in runs]) - edges, counts),
        message, ends - message, time, timed, _pids(flat, starts), call,
        np.arange(len(begin)) + np.repeat(np.array([one.call for one in runs]) - (np.cumsum(calls) - calls), calls),
        _subjects(text, sorts, begin, first_line.tolist(), message, ends, requests),
    )  # fmt: skip


def _times(flat: npt.NDArray[np.uint8], starts: Ints, runs: Sequence[Passed], counts: Ints) -> tuple[Ints, Bools]:
    """When each line was logged, and whether a calendar knows that."""
    months = [_month(one) for one in runs]
    base = np.repeat(np.array([month[0] for month in months]), counts)
    days = np.repeat(np.array([month[1] for month in months]), counts)
    digits = flat[_DIGITS[:, None] + starts].astype(np.int64) - ord("0")
    day, hour, minute = (digits[at] * 10 + digits[at + 1] for at in (0, 2, 4))
    micros = digits[6]
    for digit in digits[7:]:
        micros = micros * 10 + digit
    timed = (day > 0) & (day <= days) & (hour < 24) & (minute < 60)
    return base + (day - 1) * DAY + hour * _HOUR + minute * _MINUTE + micros, timed


def _month(one: Passed) -> tuple[int, int]:
    """When the month of a run began, and how many days it has; none where there is no such month."""
    year, zone, _ = one.dating
    month = int(one.run.first[1:3])
    begins = civil(year, month, 1) if year is not None else None
    if begins is None or year is None:
        return 0, 0
    return begins - zone, monthrange(year, month)[1]


def _pids(flat: npt.NDArray[np.uint8], starts: Ints) -> Ints:
    digits = flat[np.arange(_PID, _PID + 7)[:, None] + starts]
    if (digits == digits[:, :1]).all():
        return np.full(len(starts), int(digits[:, 0].tobytes()), np.int64)
    values: Ints = np.where(digits == ord(" "), 0, digits.astype(np.int64) - ord("0"))
    pids: Ints = values[0]
    for value in values[1:]:
        pids = pids * 10 + value
    return pids


def _subjects(
    text: bytes, sorts: Sequence[tuple[Origin, Certificate, Told]], begin: Sequence[int], first_line: Sequence[int],
    message: Ints, ends: Ints, requests: Requests,
) -> list[Subject]:  # fmt: skip
    """Whom each call is about."""
    asks: dict[int, int] = {}  # which line of a certificate's has the request
    for first in set(begin):
        told = sorts[first][1].told
        asks[first] = next(at for at, one in enumerate(told) if one.message.startswith(REQUEST) and one.bound)
    at = np.array(first_line) + np.array([asks[first] for first in begin])
    read, whole = requests.subject, text.decode("ascii")
    borders = zip((message[at] + len(REQUEST)).tolist(), ends[at].tolist(), strict=True)
    return [read(whole[start:end]) for start, end in borders]


def views(out: npt.NDArray[np.int32], data: Any, starts: Ints, sizes: Ints, buffer: int) -> None:
    """Fill the rows of *out* with Arrow's string views of pieces of *data*, which has PADDING behind the last."""
    words: Any = np.ndarray((len(data) - 3,), np.dtype("<i4"), data, 0, (1,))
    out[:, 0], out[:, 1], out[:, 2], out[:, 3] = sizes, words[starts], buffer, starts
    short = np.flatnonzero(sizes <= 12)
    if len(short):  # those stand in the view itself
        bytes_: Any = np.frombuffer(data, np.uint8)[starts[short][:, None] + np.arange(12)]
        bytes_[np.arange(12) >= sizes[short][:, None]] = 0
        out[short, 1:] = bytes_.view("<i4")


def by_sort(lines: Lines, value: Callable[[Origin, Certificate, Told], int], kind: Any) -> Any:
    """What is the same for all lines of a sort, for each line."""
    return np.array([value(*sort) for sort in lines.sorts], kind)[lines.sort]
