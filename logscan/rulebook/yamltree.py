"""YAML -> a tree that knows the place of every value, from text that nobody vouches for.

Built from the parser's events, not with ``yaml.compose``: that recurses in C,
and a file of brackets alone would crash the interpreter.  Nothing is resolved:
a scalar is its text, so ``4.10`` stays what the author wrote and no tag can
make an object.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from logscan.errors import RuleError

MAX_TEXT = 512 * 1024  # characters of a file; the longest rule of ours has 25 thousand
MAX_DEPTH = 24  # levels; a rule has 8
MAX_NODES = 20_000  # values after aliases are expanded, so that ten lines cannot mean a billion
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Node:
    """One value: ``kind`` is "map", "list", "text" or "null"."""

    kind: str
    line: int  # 1-based, as is the column
    column: int
    text: str = ""
    items: tuple[Node, ...] = ()
    pairs: tuple[tuple[Node, Node], ...] = ()
    weight: int = 1  # values in it, aliases expanded


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not been read."""

    kind: str
    line: int
    column: int
    anchor: str | None
    children: list[Node] = field(default_factory=list)

    def close(self) -> Node:
        children = self.children
        weight = 1 + sum(child.weight for child in children)
        if self.kind == "list":
            return Node("list", self.line, self.column, items=tuple(children), weight=weight)
        pairs = tuple(zip(children[::2], children[1::2], strict=True))
        return Node("map", self.line, self.column, pairs=pairs, weight=weight)


def read(text: str, path: str) -> Node:
    """Read the one document of a YAML text.

    Args:
        path: names the file in errors.

    Raises:
        RuleError: it is no YAML, or more than is good for a rule file.
    """
    import yaml

    if len(text) > MAX_TEXT:
        raise RuleError(f"{path}:1:1", f"the file has {len(text)} characters", f"at most {MAX_TEXT} are read")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        root = _build(yaml, yaml.parse(text, Loader=loader), path)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path}:1:1"
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise RuleError(place, f"this is no YAML: {_one_line(said)}", _syntax_help(said)) from None
    except yaml.reader.ReaderError as error:
        line, column = _position(text, error.position)
        said = f"U+{ord(error.character):04X} is not allowed" if isinstance(error.character, str) else error.reason
        raise RuleError(f"{path}:{line}:{column}", f"this is no YAML: {_one_line(said)}", "write it as text") from None
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        raise RuleError(f"{path}:1:1", f"this is no YAML: {_one_line(str(error))}") from None
    if root is None:
        raise RuleError(f"{path}:1:1", "the file holds nothing", "logscan rules schema tells what a rule holds")
    return root


def _build(yaml: Any, events: Any, path: str) -> Node | None:
    """The tree of a stream of events; aliases share the node they name."""
    root: Node | None = None
    stack: list[_Open] = []
    anchors: dict[str, Node] = {}
    total = documents = 0
    for event in events:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        place = f"{path}:{line}:{column}"
        anchor = getattr(event, "anchor", None)
        node: Node
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise RuleError(place, "a second document begins", "one file holds one rule; remove the ---")
            continue
        if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None) not in {None, "!"}:
            raise RuleError(place, f"tags are not read: {event.tag}", "write the value without it")
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            if len(stack) >= MAX_DEPTH:
                raise RuleError(place, f"nested deeper than {MAX_DEPTH} levels")
            kind = "map" if isinstance(event, yaml.MappingStartEvent) else "list"
            stack.append(_Open(kind, line, column, anchor))
            continue
        if isinstance(event, yaml.ScalarEvent):
            kind = "null" if event.implicit[0] and event.value in _NULLS else "text"
            node = Node(kind, line, column, text=event.value)
        elif isinstance(event, yaml.AliasEvent):
            found = anchors.get(event.anchor)
            if found is None:
                raise RuleError(place, f"nothing before it has the anchor &{event.anchor}")
            node, anchor = found, None
            total += node.weight - 1
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            opened = stack.pop()
            node, anchor = opened.close(), opened.anchor
        else:
            continue
        total += 1
        if total > MAX_NODES:
            raise RuleError(place, f"more than {MAX_NODES} values, counting what aliases repeat")
        if anchor is not None:
            anchors[anchor] = node
        if stack:
            stack[-1].children.append(node)
        else:
            root = node
    return root


def _syntax_help(said: str) -> str:
    if "found character '\\t'" in said or "tab character" in said:
        return "indent with spaces; YAML knows no tabs"
    if "mapping values are not allowed" in said or "expected <block end>" in said or "expected ',' or" in said:
        return "a text with ': ', '#', quotes or braces in it must stand in quotes"
    return "logscan rules schema tells what a rule holds"


def _position(text: str, offset: int) -> tuple[int, int]:
    before = text[: max(offset, 0)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _one_line(text: str) -> str:
    return " ".join(text.split())
