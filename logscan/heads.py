"""klog's headers over a whole chunk at once, with numpy: no Python object per line.

Only the header as klog itself writes it is known here, with its fixed columns::

    E0720 09:53:52.387108       1 utils.go:93] GRPC error: …
    |     |               |       |         |
    0     6               21      30        first byte of the message

What a carrier, an editor or another version made of it, and a minute that no clock shows, is left to the grammar in klog.py: a
line that is no head here may well be one there, never the other way round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

PLACE = 30  # column of "file.go:123]"
MAX_PLACE = 40  # bytes of it
MAX_HEAD = PLACE + MAX_PLACE + 16

U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_HIGH = np.uint64(0x8080808080808080)
_ONES = np.uint64(0x0101010101010101)
_BRACKETS = np.uint64(int.from_bytes(b"]" * 8, "little"))
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_LETTERS = np.zeros(256, np.bool_)
_LETTERS[list(b"IWEF")] = True
_MASK = np.array([(1 << (8 * n)) - 1 for n in range(9)], np.uint64)  # the first n bytes of eight


def _pattern(text: bytes) -> tuple[np.uint64, np.uint64]:
    """What eight bytes are xored with and what is added then: "0" stands for any digit, "5" for one up to 5, "?" for anything.

    A digit becomes 0 to 9 and a byte that is as it should be becomes 0; adding 0x76, 0x7a or 0x7f then
    sets the high bit of every byte that is wrong.  All bytes must be ASCII.
    """
    xor = bytes({ord("?"): 0, ord("5"): ord("0")}.get(byte, byte) for byte in text)
    add = bytes({ord("0"): 0x76, ord("5"): 0x7A, ord("?"): 0}.get(byte, 0x7F) for byte in text)
    return np.uint64(int.from_bytes(xor, "little")), np.uint64(int.from_bytes(add, "little"))


_FIRST = _pattern(b"?0000 00")
_SECOND = _pattern(b":50:50.0")
_THIRD = _pattern(b"00000 ??")
_LETTER = np.uint64(0xFF)
_NOT_LETTER = np.uint64(0xFFFFFFFFFFFFFF00)


@dataclass(slots=True)
class Heads:
    """The lines of a chunk: arrays of equal length, one entry per line.

    ``message`` (offset of its first byte), ``place`` (hash of severity and "file.go:123") and the
    stamp are meaningful where ``known``.
    """

    starts: Ints
    ends: Ints  # offset of the line's "\n"
    known: Bools  # it has a klog header in its usual form
    letter: U8  # I W E F
    message: Ints
    place: U64
    stamp: tuple[U64, U64, U64]  # columns 1-7, 8-15 and 16-20: big-endian, so that they sort as text
    words: U64  # the chunk as overlapping words: words[n] holds bytes n to n+7, the first lowest


def read(data: bytes) -> Heads:
    """Find the heads of *data*: whole lines of ASCII, the last with its newline."""
    flat = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(flat == ord("\n"))
    starts = np.empty_like(ends)
    starts[:1] = 0
    starts[1:] = ends[:-1] + 1
    count = len(starts)
    # Eight bytes are looked at anywhere in a head, so a line at the very end is none; klog.py reads it.
    whole = int(np.searchsorted(starts, len(data) - MAX_HEAD, "right"))
    known = np.zeros(count, np.bool_)
    letter = np.zeros(count, np.uint8)
    message = np.zeros(count, np.int64)
    place = np.zeros(count, np.uint64)
    stamp = tuple(np.zeros(count, np.uint64) for _ in range(3))
    words: U64 = np.ndarray((max(0, len(data) - 7),), np.dtype("<u8"), data, 0, (1,))
    if whole:
        at = starts[:whole]
        first, second, third, fourth = words[at], words[at + 8], words[at + 16], words[at + 21]
        wrong = ((first ^ _FIRST[0]) & _NOT_LETTER) + _FIRST[1]
        wrong |= (second ^ _SECOND[0]) + _SECOND[1]
        wrong |= ((third ^ _THIRD[0]) & _MASK[6]) + _THIRD[1]
        wrong &= _HIGH
        first_byte = first & _LETTER
        good = _LETTERS[first_byte]
        good &= wrong == 0
        good &= _pids(fourth, good)
        width, hashed = _places(words, at + PLACE)
        good &= width > 0
        known[:whole] = good
        letter[:whole] = first_byte
        message[:whole] = at + (PLACE + 2) + width
        known[:whole] &= message[:whole] <= ends[:whole]  # "] " is inside the line
        place[:whole] = hashed ^ (first_byte << np.uint64(56))
        stamp[0][:whole] = (first & _NOT_LETTER).byteswap()
        stamp[1][:whole] = second.byteswap()
        stamp[2][:whole] = (third & _MASK[5]).byteswap()
    return Heads(starts, ends, known, letter, message, place, (stamp[0], stamp[1], stamp[2]), words)


def _pids(words: U64, among: Bools) -> Bools:
    """Which lines have a process id in columns 22 to 28: right-aligned, a blank before it."""
    good = np.zeros(len(words), np.bool_)
    rest = among.copy()
    # A process has one id: a few comparisons serve a chunk.
    for _ in range(8):
        index = int(rest.argmax())
        if not rest[index]:
            return good
        same = rest & (words == words[index])
        if _is_pid(int(words[index])):
            good |= same
        rest ^= same
    for odd in np.flatnonzero(rest).tolist():
        good[odd] = _is_pid(int(words[odd]))
    return good


def _is_pid(word: int) -> bool:
    text = word.to_bytes(8, "little")
    digits = text.lstrip(b" ")
    return digits.isdigit() and len(digits) < 8


def _places(words: U64, at: Ints) -> tuple[Ints, U64]:
    """How wide "file.go:123" is, 0 where no "] " ends it, and a hash of it.  *at*: where it begins, and a blank before it."""
    word = words[at]
    width = np.zeros(len(at), np.int64)
    hashed = word * _PRIME
    hashed[(words[at - 1] & _LETTER) != ord(" ")] = 0
    index = np.flatnonzero((_bracket(word) == 0) & (hashed != 0))  # no file has a name so short
    here = hashed[index]
    for offset in range(8, MAX_PLACE, 8):
        word = words[at[index] + offset]
        mark = _bracket(word)
        found = mark != 0
        bytes_ = np.bitwise_count(mark - np.uint64(1)) >> 3  # before the "]"; 8 where there is none
        bytes_[~found] = 8
        here = ((here >> np.uint64(31)) ^ here ^ (word & _MASK[bytes_])) * _PRIME
        ended = index[found]
        width[ended] = offset + bytes_[found]
        hashed[ended] = here[found]
        index, here = index[~found], here[~found]
        if not len(index):
            break
    blank = words[np.minimum(at + width + 1, len(words) - 1)] & _LETTER
    width[blank != ord(" ")] = 0
    return width, hashed


def _bracket(word: U64) -> U64:
    """The high bit of the first "]" in each word, 0 where there is none."""
    other = word ^ _BRACKETS
    mark = (other - _ONES) & ~other & _HIGH
    lowest: U64 = mark & (~mark + np.uint64(1))
    return lowest >> np.uint64(7)


def text_of(heads: Heads, data: bytes, line: int) -> bytes:
    """A line without its newline."""
    return data[int(heads.starts[line]) : int(heads.ends[line])]


def mix(one: U64, other: Any) -> U64:
    """Hash two arrays into one."""
    mixed: U64 = (one ^ (other * np.uint64(0xC2B2AE3D27D4EB4F))) * np.uint64(0x9E3779B97F4A7C15)
    return mixed ^ (mixed >> np.uint64(32))
