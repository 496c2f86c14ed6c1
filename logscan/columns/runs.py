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

Sort = tuple[Origin, Certificate, Told]  # a line of a certificate, and whose log it is in

_NOWHERE = Origin("")
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
class Cut:
    """What the lines of a run say by themselves: arrays with an entry per line."""

    ends: npt.NDArray[np.int32]  # of the line, in the run's text
    micros: Ints  # since the month began; -1 where no clock shows that
    pid: npt.NDArray[np.int32]
    about: list[list[str | None]]  # the fields of a Subject: lists with an entry per call


@dataclass(slots=True)
class Lines:
    """The lines of some runs: arrays with an entry per line, or per call where that is said."""

    text: bytes  # all of them, and PADDING
    sorts: list[Sort]
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
    about: list[list[str | None]]  # see Cut


def prepare(runs: Sequence[Run], requests: Requests) -> None:
    """Cut *runs*, at least one, all at once: small arrays cost as much as large ones."""
    _cut(runs, [run.text() for run in runs], requests)


def _cut(runs: Sequence[Run], texts: Sequence[bytes], requests: Requests) -> None:
    text = b"".join([*texts, bytes(PADDING)])
    flat = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(flat[:-PADDING] == ord("\n"))
    starts = _starts(ends)
    micros, pid = _micros(flat, starts), _pids(flat, starts)
    about = _about(text, runs, starts, ends, requests)
    line = call = edge = 0
    for run, own in zip(runs, texts, strict=True):
        to, last = line + run.lines, call + len(run.kinds)
        run.cut = Cut(
            (ends[line:to] - edge).astype(np.int32), micros[line:to], pid[line:to], [one[call:last] for one in about]
        )
        line, call, edge = to, last, edge + len(own)
    assert line == len(ends)


def _starts(ends: Ints) -> Ints:
    starts = np.empty_like(ends)
    starts[0], starts[1:] = 0, ends[:-1] + 1
    return starts


def _sorted_out(runs: Sequence[Run], origins: Sequence[Origin]) -> tuple[list[Sort], Ints]:
    """The sorts of lines that there are, those of a certificate in a row, and where each call's begin."""
    sorts: list[Sort] = []
    firsts: dict[tuple[int, int], int] = {}
    begin: list[int] = []
    for run, origin in zip(runs, origins, strict=True):
        known: dict[int, int] = {}
        for kind in set(run.kinds):
            certificate = run.certificates[kind]
            key = (id(origin), id(certificate))
            if key not in firsts:
                firsts[key] = len(sorts)
                sorts += [(origin, certificate, told) for told in certificate.told]
            known[kind] = firsts[key]
        begin += map(known.__getitem__, run.kinds)
    return sorts, np.array(begin)


def _lengths(sorts: Sequence[Sort], begin: Ints) -> Ints:
    return np.array([certificate.lines for _, certificate, _ in sorts])[begin]


def _about(text: bytes, runs: Sequence[Run], starts: Ints, ends: Ints, requests: Requests) -> list[list[str | None]]:
    """Whom each call is about."""
    sorts, begin = _sorted_out(runs, [_NOWHERE] * len(runs))
    lengths = _lengths(sorts, begin)
    asks = np.zeros((len(sorts), 2), np.int64)  # by a certificate's first sort: which line has the request, and where
    for first in set(begin.tolist()):
        told = sorts[first][1].told
        asks[first] = next(
            (at, one.header) for at, one in enumerate(told) if one.message.startswith(REQUEST) and one.bound
        )
    line, header = asks[begin].T
    at = np.cumsum(lengths) - lengths + line
    read, whole = requests.subject, text.decode("ascii")
    borders = zip((starts[at] + header + len(REQUEST)).tolist(), ends[at].tolist(), strict=True)
    subjects = [read(whole[start:end]) for start, end in borders]
    return [list(column) for column in zip(*subjects, strict=True)]


def lines_of(runs: Sequence[Passed], requests: Requests) -> Lines:
    """Take the lines of *runs* apart; at least one run."""
    texts = [one.run.text() for one in runs]
    if whole := [(one.run, text) for one, text in zip(runs, texts, strict=True) if one.run.cut is None]:
        _cut([run for run, _ in whole], [text for _, text in whole], requests)
    cuts: list[Cut] = [one.run.cut for one in runs]
    edges = np.cumsum([0, *map(len, texts)])[:-1]
    counts = np.array([one.run.lines for one in runs])
    calls = np.array([len(one.run.kinds) for one in runs])
    ends = np.concatenate([cut.ends for cut in cuts]) + np.repeat(edges, counts)
    starts = _starts(ends)

    sorts, begin = _sorted_out([one.run for one in runs], [one.origin for one in runs])
    lengths = _lengths(sorts, begin)
    assert int(lengths.sum()) == int(counts.sum()) == len(ends)
    call = np.repeat(np.arange(len(begin)), lengths)
    sort = np.arange(len(ends)) + np.repeat(begin - (np.cumsum(lengths) - lengths), lengths)
    run = np.repeat(np.arange(len(runs)), counts)
    own = np.arange(len(ends)) - np.repeat(np.cumsum(counts) - counts, counts)
    message = starts + np.array([told.header for _, _, told in sorts])[sort]
    time, timed = _times(np.concatenate([cut.micros for cut in cuts]), runs, counts)
    return Lines(
        b"".join([*texts, bytes(PADDING)]), sorts, sort, run,
        own + np.repeat(np.array([one.number for one in runs]), counts),
        own + np.repeat(np.array([one.line for one in runs]), counts),
        starts + np.repeat(np.array([one.run.start for one in runs]) - edges, counts),
        message, ends - message, time, timed, np.concatenate([cut.pid for cut in cuts]), call,
        np.arange(len(begin)) + np.repeat(np.array([one.call for one in runs]) - (np.cumsum(calls) - calls), calls),
        [[name for cut in cuts for name in cut.about[field]] for field in range(len(Subject._fields))],
    )  # fmt: skip


def _micros(flat: npt.NDArray[np.uint8], starts: Ints) -> Ints:
    """How long after the first of its month each line was logged; -1 where no clock shows that."""
    digits = flat[_DIGITS[:, None] + starts].astype(np.int64) - ord("0")
    day, hour, minute = (digits[at] * 10 + digits[at + 1] for at in (0, 2, 4))
    micros = digits[6]
    for digit in digits[7:]:
        micros = micros * 10 + digit
    known = (day > 0) & (hour < 24) & (minute < 60)
    return np.where(known, (day - 1) * DAY + hour * _HOUR + minute * _MINUTE + micros, -1)


def _times(micros: Ints, runs: Sequence[Passed], counts: Ints) -> tuple[Ints, Bools]:
    """When each line was logged, and whether a calendar knows that."""
    months = [_month(one) for one in runs]
    base = np.repeat(np.array([month[0] for month in months]), counts)
    size = np.repeat(np.array([month[1] * DAY for month in months]), counts)
    return base + micros, (micros >= 0) & (micros < size)


def _month(one: Passed) -> tuple[int, int]:
    """When the month of a run began, and how many days it has; none where there is no such month."""
    year, zone, _ = one.dating
    month = int(one.run.first[1:3])
    begins = civil(year, month, 1) if year is not None else None
    if begins is None or year is None:
        return 0, 0
    return begins - zone, monthrange(year, month)[1]


def _pids(flat: npt.NDArray[np.uint8], starts: Ints) -> npt.NDArray[np.int32]:
    digits = flat[np.arange(_PID, _PID + 7)[:, None] + starts]
    if (digits == digits[:, :1]).all():
        return np.full(len(starts), int(digits[:, 0].tobytes()), np.int32)
    values: npt.NDArray[np.int32] = np.where(digits == ord(" "), 0, digits.astype(np.int32) - ord("0"))
    pids: npt.NDArray[np.int32] = values[0]
    for value in values[1:]:
        pids = pids * 10 + value
    return pids


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
