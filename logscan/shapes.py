"""The shape of a message: what stays the same from one record of a kind to the next."""

from __future__ import annotations

import re
from collections.abc import Sequence

ANY = "<*>"  # a word that differs between messages of one shape

MAX_SHAPE = 400  # characters of a message that are looked at
ALIKE = 0.6  # of the words must be the same for two shapes to be one

# What varies from one record to the next of the same kind, the longest shapes first.
_MASKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"), "<uuid>"),
    (re.compile(r"\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d[\d.,:Z+-]*"), "<time>"),
    (re.compile(r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"), "<time>"),
    (re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+|/\d+)?\b"), "<address>"),
    (re.compile(r"(?<![\w.])\[?(?:[0-9a-fA-F]{1,4}:){2,7}:?[0-9a-fA-F]{0,4}(?:/\d+)?\]?(?::\d+)?(?!\w)"), "<address>"),
    (re.compile(r"(?<![\w.:])\[?[0-9a-fA-F]{1,4}::[0-9a-fA-F:]{0,30}(?:/\d+)?\]?(?::\d+)?(?!\w)"), "<address>"),
    (re.compile(r"(?<![\w<])(?:/[^\s\"'/:,)\]]+){1,}/?"), "<path>"),
    (re.compile(r"\b0[xX][0-9a-fA-F]+\b"), "<hex>"),  # also Go's pointers
    (re.compile(r"\b(?=[0-9a-f]*\d)[0-9a-f]{8,128}\b"), "<hex>"),
    # Numbers, sizes, percentages and Go's durations: 3, -1.5, 20Gi, 1m30.5s.
    (re.compile(r"(?<![\w<])-?(?:\d+(?:\.\d+)?(?:ns|µs|us|ms|[smh]))+\b"), "<n>"),
    (re.compile(r"(?<![\w<.])-?\d+(?:\.\d+)?(?:[KMGTP]i?B?|[kB])?\b%?"), "<n>"),
)  # fmt: skip


def template(message: str) -> str:
    """The shape of a message: its first line with ids, addresses, paths, numbers and durations masked."""
    text = message.split("\n", 1)[0][:MAX_SHAPE]
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text


def words(shape: str) -> tuple[str, ...]:
    """The words of a shape, as blanks part them."""
    return tuple(shape.split())


def likeness(one: Sequence[str], other: Sequence[str]) -> float:
    """Which part of the words of two shapes is the same, 0 to 1; they must have as many."""
    same = sum(map(str.__eq__, one, other))
    return same / len(one) if one else 1.0


def merged(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    """The words of both shapes with ``<*>`` where they differ."""
    return tuple(a if a == b else ANY for a, b in zip(one, other, strict=True))


def fits(message: str, shape: str) -> bool:
    """Whether a message is of a shape, which may hold ``<*>``."""
    mine, wanted = words(template(message)), words(shape)
    return len(mine) == len(wanted) and all(b in {a, ANY} for a, b in zip(mine, wanted, strict=True))
