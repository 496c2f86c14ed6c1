"""The trees of Kubernetes objects, in YAML or JSON: one, many, or a List.

Read from the parser's events, as yaml.compose recurses in C and a file of
brackets would crash the interpreter.  Nothing is resolved: a scalar is its
text, and no tag can make an object.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from logscan.errors import EvidenceError

MAX_TEXT = 4 * 1024 * 1024  # characters of an input
MAX_DEPTH = 64  # levels; a manifest with managedFields has some 15
MAX_NODES = 1_000_000  # values after aliases are expanded, so that ten lines cannot mean a billion


@dataclass(frozen=True, slots=True)
class Node:
    """One value of a document."""

    kind: str  # "map", "list" or "text"
    line: int  # 1-based
    text: str = ""
    quoted: bool = False
    style: str | None = None  # how a scalar was written: "'", '"', "|", ">" or None for plain
    items: tuple[Node, ...] = ()
    pairs: tuple[tuple[Node, Node], ...] = ()
    weight: int = 1  # values in it, aliases expanded

    def get(self, *keys: str) -> Node | None:
        """The value below these keys; the last of equal keys counts, as for Kubernetes."""
        node: Node | None = self
        for key in keys:
            if node is None:
                return None
            node = next((value for name, value in reversed(node.pairs) if name.text == key), None)
        return node

    def str(self, *keys: str) -> str:
        """The text below these keys, "" where there is none."""
        node = self.get(*keys)
        return node.text if node and node.kind == "text" and (node.quoted or node.text not in {"~", "null"}) else ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object was read."""

    source: str = ""
    line: int = 0
    share_line: int = 0  # of its share, 0 where it has none

    def __str__(self) -> str:
        return f"{self.source}:{self.share_line or self.line}"


NOWHERE = Place()


def objects(text: str, name: str) -> Iterator[Node]:
    """All objects of a text, of whatever kind.

    Raises:
        EvidenceError: it is no YAML, or more than is good for a manifest.
    """
    if len(text) > MAX_TEXT:
        raise EvidenceError(name, f"the text has {len(text)} characters", f"at most {MAX_TEXT} are read")
    for offset, document in documents(text.removeprefix("\ufeff")):
        yield from members(tree(document, name, offset))


def documents(text: str) -> Iterator[tuple[int, str]]:
    """(lines before it, text) of each YAML document: ``---`` in the first column always begins one."""
    line = 0
    for part in re.split(r"(?m)^---(?=[ \t\r\n]|\Z)", text):
        if re.search(r"^[ \t]*[^\s#]", part, re.MULTILINE):
            yield line, part
        line += part.count("\n")


def members(root: Node | None) -> Iterator[Node]:
    """The objects of a document: itself, or the items of a List."""
    if root is None:
        return
    items = root.get("items")
    if root.str("kind").endswith("List") and items is not None:
        for item in items.items:
            if item.kind == "map" and item.get("kind") is None:  # a StorageClassList does not repeat it
                kind = Node("text", item.line, text=root.str("kind").removesuffix("List"))
                version = Node("text", item.line, text=root.str("apiVersion"))
                names = (Node("text", item.line, text="apiVersion"), Node("text", item.line, text="kind"))
                yield Node(
                    "map", item.line, pairs=((names[0], version), (names[1], kind), *item.pairs), weight=item.weight + 2
                )
            else:
                yield item
    else:
        yield root


def tree(text: str, name: str, offset: int) -> Node | None:
    """The tree of one document.

    Raises:
        EvidenceError: it is no YAML, or more than is good for a manifest.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _build(yaml, yaml.parse(text, Loader=loader), name, offset)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = (mark.line if mark else 0) + 1 + offset
        said = ", ".join(part for part in (error.context, error.problem) if part)
        help_ = (
            "indent with spaces; YAML knows no tabs"
            if "'\\t'" in said
            else "kubectl get … -o yaml prints it well-formed"
        )
        raise EvidenceError(f"{name}:{line}", f"this is no YAML: {' '.join(said.split())}", help_) from None
    except (yaml.YAMLError, UnicodeError, RecursionError, ValueError) as error:
        said = " ".join(str(error).split())
        raise EvidenceError(f"{name}:{offset + 1}", f"this is no YAML: {said}", "give it as UTF-8 text") from None


def _build(yaml: Any, events: Any, name: str, offset: int) -> Node | None:
    """Build the tree of a stream of events; aliases share the node they name."""
    root: Node | None = None
    stack: list[tuple[str, int, str | None, list[Node]]] = []
    anchors: dict[str, Node] = {}
    total = 0
    for event in events:
        line = event.start_mark.line + 1 + offset
        if isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            if len(stack) >= MAX_DEPTH:
                raise EvidenceError(
                    f"{name}:{line}", f"nested deeper than {MAX_DEPTH} levels", "give the manifest alone"
                )
            stack.append(("map" if isinstance(event, yaml.MappingStartEvent) else "list", line, event.anchor, []))
            continue
        if isinstance(event, yaml.ScalarEvent):
            quoted = event.style in {"'", '"', "|", ">"}
            node = Node("text", line, event.value, quoted, event.style or None)
            anchor = event.anchor
        elif isinstance(event, yaml.AliasEvent):
            found = anchors.get(event.anchor)
            if found is None:
                raise EvidenceError(f"{name}:{line}", f"nothing before it has the anchor &{event.anchor}")
            node, anchor = found, None
            total += node.weight - 1
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            kind, start, anchor, children = stack.pop()
            weight = 1 + sum(child.weight for child in children)
            if kind == "list":
                node = Node("list", start, items=tuple(children), weight=weight)
            else:
                pairs = tuple(zip(children[::2], children[1::2], strict=True))
                node = Node("map", start, pairs=pairs, weight=weight)
        else:
            continue
        total += 1
        if total > MAX_NODES:
            raise EvidenceError(f"{name}:{line}", f"more than {MAX_NODES} values, counting what aliases repeat")
        if anchor is not None:
            anchors[anchor] = node
        if stack:
            stack[-1][3].append(node)
        else:
            root = node
    return root
