"""What stands before every line where no carrier is known: it is learnt from lines that hold a header of klog.

``grep``, ``cat -n``, CI systems, log viewers and exports of tables put a file's name, a number, a stamp or a pod before
each line.  Whatever stands before a header is such a prefix; the numbers in it may be others in the next line, which has
no header of its own where it goes on with a record.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from logscan.shippers import component_of, is_klog
from logscan.stamps import RFC3339

MAX_PREFIX = 300  # characters
MAX_LEARNT = 64  # shapes of prefixes, the newest

_CLOCK = re.compile(r"(?<=[0-9]{4}) [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6} +[0-9]+ [^\s:\]]{1,100}:[0-9]+\]")
# What may stand in a prefix and is a carrier itself, which then is what is left.
_INNER = re.compile(
    r"\[pod/|20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9:]{8}[.,0-9]*(?:Z|[+-][0-9:]{5,6})? (?!\S{0,64}[\]})])"
)
_STAMP = re.compile(r"20[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-9:]{8}(?:[.,][0-9]{1,12})?(?:Z|[+-][0-9]{2}:?[0-9]{2})?")
_COLUMNS = re.compile(r"\S {3,}\S")  # a row of a table, whose last column quotes a log
_PART = re.compile(
    r"([0-9]+)|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b|\b[AP]M\b"
)
_NUMBER = re.compile(r"(?:[:-][0-9]+)?[:-]$")
_GREP = re.compile(r":(?=\[0-9\]\+:$|$)")  # grep writes a dash beside the lines that it looked for
_WORD = re.compile(r"(?<![\w.-])[a-z0-9](?:[-a-z0-9.]{0,253}[a-z0-9])?(?![\w.-])")
# Up to the quote that ends it, behind which the next field or the end comes.
_NAME = re.compile(r"[\w./-]*[^\W\d][\w./-]*")
_OF_CSV = re.compile(r'((?:[^"]|"")*)"(?:,|$)')
_OF_JSON = re.compile(r'((?:[^"\\]|\\.)*)"(?=[\s,;\]})]|$)')
_OF_PYTHON = re.compile(r"((?:[^'\\]|\\.)*)'(?=[\s,;\]})]|$)")
_END = re.compile(r"[\"'][\s,;\]})]*$")


class Unprefixed(NamedTuple):
    """A line without its prefix."""

    text: str
    name: str  # of who wrote it: the prefix without what counts or tells the time
    stamp: re.Match[str] | None  # of RFC3339, if the prefix has one
    pod: str
    container: str


class Prefixes:
    """The prefixes of one input.  Mutable: it learns."""

    def __init__(self) -> None:
        self._learnt: dict[str, re.Pattern[str]] = {}

    def take_off(self, text: str, *, learn: bool = True) -> Unprefixed | None:
        """*text* without its prefix; None if it has none that is known, or shown by a header.

        Args:
            learn: whether it may have one that was not met before.
        """
        for shape, pattern in self._learnt.items():
            if (match := pattern.match(text)) is not None:
                if len(self._learnt) > 1 and shape != next(iter(self._learnt)):
                    self._learnt = {shape: self._learnt.pop(shape), **self._learnt}
                return self._without(text, match.end())
        if not learn or text[:1] == "\t":  # a tab begins the lines of a value of klog, which may quote a log
            return None
        clock = _CLOCK.search(text, 0, MAX_PREFIX + 150)
        header = clock.start() - 5 if clock else 0  # a letter, month and day stand before the time
        if not 0 < header <= MAX_PREFIX or not is_klog(text[header:]):
            return None
        inner = _INNER.search(text, 1, header)
        prefix = text[: header if inner is None else inner.start()]
        if (
            not prefix.strip()
            or _COLUMNS.search(text, 0, header)
            or (prefix[-1].isalnum() and not prefix[-1].isdigit())
        ):
            return None
        shape = _shape(prefix)
        self._learnt = {shape: re.compile(shape), **self._learnt}
        if len(self._learnt) > MAX_LEARNT:
            self._learnt.popitem()
        return self._without(text, len(prefix))

    def _without(self, text: str, end: int) -> Unprefixed:
        prefix, rest = text[:end], text[end:]
        if prefix[-1] in "\"'":
            rest = _unquoted(rest, prefix[-1])
        found = _STAMP.search(prefix)
        stamp = RFC3339.fullmatch(found[0]) if found else None
        names = _NAME.findall(_NUMBER.sub("", _STAMP.sub(" ", prefix)))
        name = " ".join(word for word in names if not _PART.fullmatch(word))[:100]
        words = _WORD.findall(prefix)
        at = next((n for n, word in enumerate(words) if component_of(word, "")), 0)
        if at and words[at - 1].count("-") > 1:
            return Unprefixed(rest, "", stamp, words[at - 1], words[at])
        return Unprefixed(rest, name, stamp, "", "")


def _shape(prefix: str) -> str:
    """The pattern of prefixes that differ from *prefix* in what counts or tells the time."""
    parts, at = [], 0
    for match in _PART.finditer(prefix):
        between = prefix[at : match.start()]
        # Numbers are often aligned.
        parts.append(re.escape(between.rstrip(" ")) + " *" if between.endswith(" ") else re.escape(between))
        parts.append("[0-9]+" if match[1] else "[A-Za-z]{2,3}")
        at = match.end()
    shape = "".join([*parts, re.escape(prefix[at:])])
    if prefix[-1] == ":" and not any(map(str.isspace, prefix)):
        return _GREP.sub("[:-]", shape)
    return shape


def _unquoted(text: str, quote: str) -> str:
    """What stands before the quote that ends it, in the way of CSV, JSON or Python, or as it is."""
    if quote == '"' and '""' in text and (match := _OF_CSV.match(text)):
        return match[1].replace('""', '"')
    if match := (_OF_JSON if quote == '"' else _OF_PYTHON).match(text):
        inside = match[1] if quote == '"' else match[1].replace('"', '\\"').replace("\\'", "'")
        try:
            value = json.loads(f'"{inside}"', strict=False)
        except ValueError:
            value = None
        return value if isinstance(value, str) else match[1]
    return _END.sub("", text)
