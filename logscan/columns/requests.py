"""Whom requests are about, many of one shape: what JSON's own reader would tell, sooner."""

from __future__ import annotations

import json
import re

from logscan.columns.subject import NOBODY, Subject, of_request

MAX_SHAPES = 64
MAX_MISSES = 1_000  # requests that are of no shape that is known, before no more shapes are learnt

_TOKEN = re.compile(r'"([^"\\\x00-\x1f]*)"(:?)|([{}\[\]])|(-?(?:0|[1-9][0-9]*))|,|true|false|null')
_NEVER = "((?!))?"  # a group that has no text
_NUMBER = "-?(?:0|[1-9][0-9]*)"
_TEXT = r'[^"\\\x00-\x1f]*+'

# Where a parameter of a class goes, as volumes.learn_context has it.
_PARAMETERS = {"csi.storage.k8s.io/pvc/name": 1, "csi.storage.k8s.io/pvc/namespace": 2, "server": 3, "share": 4}


_new_subject = tuple.__new__  # a NamedTuple's own constructor costs twice as much


class Requests:
    """Reads the bodies of requests; a pattern is made of the first of each shape.

    A shape is a body but for its texts and numbers.  Only the shapes of CreateVolume are known so, and only
    without escapes: everything else is read as JSON.
    """

    def __init__(self) -> None:
        self._shapes: list[tuple[re.Pattern[str], tuple[int, ...]]] = []
        self._misses = 0

    def subject(self, body: str) -> Subject:
        """Whom a request is about; *body* is ASCII."""
        for number, (shape, fields) in enumerate(self._shapes):
            found = shape.fullmatch(body)
            if found is not None:
                if number:  # the latest first: a log has few shapes at a time
                    self._shapes.insert(0, self._shapes.pop(number))
                name, claim, namespace, server, share = found.group(*fields)
                if not name:
                    return NOBODY
                share = None if share is None else "/" + share.strip("/")
                return _new_subject(Subject, (name, claim or None, namespace or None, server or None, share))
        return self._read(body)

    def _read(self, body: str) -> Subject:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return NOBODY
        if not isinstance(value, dict):
            return NOBODY
        if self._misses < MAX_MISSES and (shape := _shape(body)) is not None:
            self._misses += 1
            self._shapes.insert(0, shape)
            del self._shapes[MAX_SHAPES:]
        return of_request(value)


def _shape(text: str) -> tuple[re.Pattern[str], tuple[int, ...]] | None:
    """A pattern of all bodies that differ from *text* in values only, and its groups that make a Subject; None: unknown."""
    parts: list[str] = []
    fields: dict[int, int] = {}  # groups by what they are of a Subject
    open_: list[str] = []  # keys whose values are open
    met: set[tuple[int, str]] = set()
    key, at = "", 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            return None
        at = token.end()
        value, colon, bracket, number = token.groups()
        parts.append(_NUMBER if number else f'"{_TEXT}"' if value is not None and not colon else re.escape(token[0]))
        if colon:
            key = value.lower()
            # Of two equal keys one hides the other, and these make the request one of another method.
            if (len(open_), key) in met or (len(open_) == 1 and key in _OTHERS):
                return None
            if len(open_) < 3:
                met.add((len(open_), key))
        elif bracket in {"{", "["}:
            open_.append(key)
            key = ""
        elif bracket:
            open_.pop()
        elif token[0] != "," and (slot := _slot(open_, key)) is not None:
            if value is None:
                return None
            fields[slot] = len(fields) + 1
            parts[-1] = f'"({_TEXT})"'
    if 0 not in fields:
        return None
    for slot in range(1, 5):
        if slot not in fields:
            fields[slot] = len(fields) + 1
            parts.append(_NEVER)
    return re.compile("".join(parts)), tuple(fields[slot] for slot in range(5))


def _slot(open_: list[str], key: str) -> int | None:
    """Which field of a Subject the value of *key* is, below the keys *open_*."""
    if len(open_) == 1:
        return 0 if key == "name" else None
    return _PARAMETERS.get(key) if len(open_) == 2 and open_[1] == "parameters" else None


# What makes a request one of another method, or a name that of something else than a volume.
_OTHERS = frozenset({"volume_id", "source_volume_id", "snapshot_id", "target_path", "volume_path"})
