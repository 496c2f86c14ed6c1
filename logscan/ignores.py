"""The ignore file of ``logscan check``: which diagnoses count for nothing, until when, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase

from logscan.errors import FaultsError, LogscanError, RuleError
from logscan.model import Diagnosis
from logscan.rulebook import yamltree
from logscan.rulebook.vocabulary import suggest
from logscan.rulebook.yamltree import Node

NAME = ".logscan-ignore.yaml"
KEYS = ("id", "match", "until", "reason")
_HELP = "an entry is - {id: RULE, match: …, until: YYYY-MM-DD, reason: …}, see docs/ci.md"

# What an entry may look at: all the values of a diagnosis, each of which must fit.
_FIELDS: Mapping[str, Callable[[Diagnosis], Iterable[str]]] = {
    "category": lambda one: (one.category,),
    "volume": lambda one: (volume.name for volume in one.volumes),
    "claim": lambda one: (f"{volume.namespace}/{volume.pvc}".strip("/") for volume in one.volumes),
    "namespace": lambda one: (volume.namespace for volume in one.volumes),
    "server": lambda one: (volume.server for volume in one.volumes),
    "share": lambda one: (volume.share for volume in one.volumes),
    "node": lambda one: one.nodes,
}
_TEXT = "text"  # what is looked for anywhere in a diagnosis


@dataclass(frozen=True, slots=True)
class Ignore:
    """One entry of the file."""

    id: str  # of a rule
    reason: str
    place: str  # FILE:LINE:COLUMN
    match: Mapping[str, str]  # field -> shell pattern, "text" -> text; empty: all diagnoses of the rule
    until: date | None = None  # the last day on which it holds

    def holds(self, one: Diagnosis) -> bool:
        """Whether the entry means this diagnosis.

        Of a diagnosis of several volumes each must fit: what also hits others is more than was looked at
        when the entry was written.
        """
        return one.id == self.id and all(_fits(one, field, wanted) for field, wanted in self.match.items())

    def expired(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.until is not None and today > self.until


def _fits(one: Diagnosis, field: str, wanted: str) -> bool:
    if field == _TEXT:
        return any(wanted in text for text in _texts(one))
    values = list(_FIELDS[field](one))
    return bool(values) and all(fnmatchcase(value, wanted) for value in values)


def _texts(one: Diagnosis) -> Iterable[str]:
    yield from (one.title, one.cause, *one.nodes)
    yield from (item.text for item in one.evidence)
    for volume in one.volumes:
        yield from (volume.name, f"{volume.namespace}/{volume.pvc}", f"{volume.server}:{volume.share}")


def parse(text: str, path: str) -> tuple[Ignore, ...]:
    """Read an ignore file: a YAML list of entries; an empty file has none.

    Args:
        path: names the file in errors.

    Raises:
        FaultsError: with all that is wrong in it, each with line and column.
    """
    if all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()):
        return ()
    try:
        root = yamltree.read(text, path)
    except RuleError as error:  # whose help is for who writes rules
        raise LogscanError(error.place, error.problem, _HELP) from None
    reader = _Reader(path)
    entries = tuple(reader.entry(item) for item in reader.items(root))
    if reader.faults:
        raise FaultsError(reader.faults)
    return entries


class _Reader:
    """Collects the faults of a file while it makes entries of it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.faults: list[LogscanError] = []

    def _place(self, node: Node) -> str:
        return f"{self._path}:{node.line}:{node.column}"

    def _fault(self, node: Node, problem: str, advice: str = _HELP) -> None:
        self.faults.append(LogscanError(self._place(node), problem, advice))

    def items(self, root: Node) -> Sequence[Node]:
        if root.kind != "list":
            self._fault(root, "the file must be a list of entries")
            return ()
        return root.items

    def entry(self, node: Node) -> Ignore:
        values = self._known(node, KEYS, "an entry")
        for key in ("id", "reason"):
            if node.kind == "map" and key not in values:
                self._fault(node, f'the entry has no "{key}"')
        return Ignore(
            self._text(values.get("id"), "id"),
            self._text(values.get("reason"), "reason"),
            self._place(node),
            self._match(values["match"]) if "match" in values else {},
            self._date(values["until"]) if "until" in values else None,
        )

    def _known(self, node: Node, known: tuple[str, ...], what: str) -> dict[str, Node]:
        if node.kind != "map":
            self._fault(node, f"{what} must be a mapping")
            return {}
        values: dict[str, Node] = {}
        for key, value in node.pairs:
            if key.kind != "text" or key.text not in known:
                self._fault(key, f'unknown key "{key.text}" in {what}', suggest(key.text, known, "keys"))
            elif key.text in values:
                self._fault(key, f'"{key.text}" stands twice in {what}')
            else:
                values[key.text] = value
        return values

    def _text(self, node: Node | None, what: str) -> str:
        if node is None:
            return ""
        if node.kind != "text" or not node.text.strip():
            self._fault(node, f"{what} must be a text")
        return node.text.strip()

    def _match(self, node: Node) -> Mapping[str, str]:
        if node.kind == "text":
            return {_TEXT: self._text(node, "match")}
        values = self._known(node, (*_FIELDS, _TEXT), "match")
        return {key: self._text(value, f"match.{key}") for key, value in values.items()}

    def _date(self, node: Node) -> date | None:
        try:
            return date.fromisoformat(node.text if len(node.text) == len("YYYY-MM-DD") else "")
        except ValueError:
            self._fault(node, f'until cannot be "{node.text}"', "the last day of the entry, such as 2027-01-31")
            return None
