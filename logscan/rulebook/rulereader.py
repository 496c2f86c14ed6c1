"""What reads the nodes of a rule file and notes each fault with its place.

Nothing stops at the first fault: a part that is wrong reads as an empty one,
so that a file is mended in one go.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from logscan.errors import RuleError
from logscan.model import Rule
from logscan.rulebook.vocabulary import TEMPLATE_NAMES, suggest
from logscan.rulebook.yamltree import Node

MAX_PATTERN = 4000  # characters
MAX_UNROLLED = 20_000  # parts of a pattern whose {n} are written out, as its compiler does

_NAME = re.compile(r"\{([^\W\d]\w*)\}")
# What csi.version_matches reads.
_RANGE = r"\s*(?:>=|<=|==|=|<|>)?\s*v?\d+(?:\.\d+)*\s*"
_VERSIONS = re.compile(rf"{_RANGE}(?:,{_RANGE})*")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a rule; ``level`` "error" keeps it from being loaded, "warning" does not."""

    place: str  # path:line:column, 1-based
    problem: str
    help: str = ""
    level: str = "error"

    def error(self) -> RuleError:
        """The fault as something to raise."""
        return RuleError(self.place, self.problem, self.help)


@dataclass(frozen=True, slots=True)
class Reference:
    """Another rule that a rule names; whether it exists is known when all files are read."""

    rule_id: str
    place: str


@dataclass(slots=True)
class RuleFile:
    """What one file holds.  ``rule`` is None where an error keeps it from being one."""

    path: str
    rule: Rule | None = None
    disable: tuple[Reference, ...] = ()
    references: list[Reference] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)  # "id", "causes.0", "match.1.literal" … -> place

    def errors(self) -> list[Fault]:
        """The faults that keep the file from being used."""
        return [fault for fault in self.faults if fault.level == "error"]


class Reader:
    """Reads the nodes of one file and notes each fault in it.

    Args:
        patterns: compile the regular expressions.
    """

    def __init__(self, result: RuleFile, *, patterns: bool) -> None:
        self.result = result
        self.patterns = patterns
        self.captures: set[str] = set()

    def place(self, node: Node) -> str:
        """Where a node stands."""
        return f"{self.result.path}:{node.line}:{node.column}"

    def fault(self, node: Node, problem: str, advice: str = "") -> None:
        """Note what is wrong with a node; one clause without a full stop, and what to do."""
        self.result.faults.append(Fault(self.place(node), problem, advice))

    def mapping(self, node: Node, what: str, known: Collection[str], required: Collection[str] = ()) -> dict[str, Node]:
        """The values of a mapping by key; unknown, double and missing keys are faults."""
        pairs = self.pairs(node, what)
        values: dict[str, Node] = {}
        for key, value in pairs:
            if key.text not in known:
                advice = "merge keys are not read; write the values out" if key.text == "<<" else ""
                self.fault(key, f'unknown key "{key.text}" in {what}', advice or suggest(key.text, list(known), "keys"))
            else:
                values[key.text] = value
        if node.kind == "map":
            for name in required:
                if name not in values:
                    self.fault(node, f"{what} lacks the key {name}", "logscan rules schema tells what belongs there")
        return values

    def pairs(self, node: Node, what: str) -> list[tuple[Node, Node]]:
        """The pairs of a mapping; double keys and keys that are no text are faults and left out."""
        if node.kind != "map":
            self.fault(node, f"{what} must be a mapping, not {kind_of(node)}", "write it as key: value")
            return []
        pairs: list[tuple[Node, Node]] = []
        seen: dict[str, Node] = {}
        for key, value in node.pairs:
            if key.kind != "text":
                self.fault(key, f"a key of {what} is {kind_of(key)}", "write it as a word")
            elif key.text in seen:
                advice = f"it stands on line {seen[key.text].line} too"
                self.fault(key, f'the key "{key.text}" is given twice', advice)
            else:
                seen[key.text] = key
                pairs.append((key, value))
        return pairs

    def text(self, node: Node | None, what: str) -> str:
        """A text that is not empty; a missing node is "" and was a fault before, where it is one."""
        if node is None:
            return ""
        if node.kind != "text" or not node.text.strip():
            self.fault(node, f"{what} must be text, not {kind_of(node)}")
            return ""
        return node.text

    def items(self, node: Node | None, what: str) -> tuple[Node, ...]:
        """The items of a list, which may have none."""
        if node is None:
            return ()
        if node.kind != "list":
            self.fault(node, f"{what} must be a list, not {kind_of(node)}", f"write it as {what}: [ … ]")
            return ()
        return node.items

    def list_of_text(self, node: Node | None, what: str) -> tuple[Node, ...]:
        """The items of a list that are text, as nodes, because their places matter."""
        return tuple(item for item in self.items(node, what) if self.text(item, f"an entry of {what}"))

    def choice(self, node: Node | None, what: str, known: Collection[str]) -> str:
        """One word of *known*, "" where it is another."""
        text = self.text(node, what)
        if node is not None and text and text not in known:
            self.fault(node, f'{what} cannot be "{text}"', suggest(text, list(known), what))
            return ""
        return text

    def template(self, node: Node | None, what: str) -> str:
        """A text whose {names} are all known."""
        text = self.text(node, what)
        for name in dict.fromkeys(_NAME.findall(text)):
            if node is not None and name not in TEMPLATE_NAMES and name not in self.captures:
                known = [*TEMPLATE_NAMES, *sorted(self.captures)]
                self.fault(node, f"{what} names {{{name}}}, which nothing fills", suggest(name, known, "names"))
        return text

    def templates(self, node: Node | None, what: str) -> tuple[str, ...]:
        """A list of texts whose {names} are all known."""
        return tuple(self.template(item, f"an entry of {what}") for item in self.items(node, what))

    def expression(self, node: Node, what: str) -> str:
        """A regular expression that compiles."""
        text = self.text(node, what)
        if len(text) > MAX_PATTERN:
            self.fault(node, f"{what} has {len(text)} characters", f"at most {MAX_PATTERN} are allowed")
        elif text and self.patterns:
            problem = _compile_problem(text)
            if problem:
                self.fault(node, f"{what} does not compile: {problem}", "it is in the language of the module regex")
        return text

    def versions(self, node: Node | None, what: str) -> str | None:
        """A range of versions, like ``>=4.1,<4.5``."""
        if node is None:
            return None
        text = self.text(node, what)
        if text and not _VERSIONS.fullmatch(text):
            self.fault(node, f'{what} is no range of versions: "{text}"', "write it like '>=4.1,<4.5'")
        return text or None

    def reference(self, node: Node) -> None:
        """Note that the rule names another rule."""
        self.result.references.append(Reference(node.text, self.place(node)))


def kind_of(node: Node) -> str:
    """What a node is, as a sentence says it."""
    if node.kind == "text":
        return "text" if node.text.strip() else "empty text"
    return {"map": "a mapping", "list": "a list", "null": "nothing"}[node.kind]


def _compile_problem(pattern: str) -> str:
    """Why a pattern does not compile, in one line; "" if it does."""
    import regex

    if _unrolled(pattern) > MAX_UNROLLED:
        return f"its repeats amount to more than {MAX_UNROLLED:,} parts"
    try:
        regex.compile(pattern, cache_pattern=False)
    except Exception as error:  # noqa: BLE001  besides regex.error: RecursionError, OverflowError …
        return " ".join(str(error).split()) or type(error).__name__
    return ""


_PART = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(|\)|\{([0-9]{1,12})(?:,[0-9]*)?\}|.", re.DOTALL)


def _unrolled(pattern: str) -> int:
    """How many parts a pattern has if each that is repeated at least n times stands there n times."""
    around: list[int] = []
    size = last = 0  # of the group that is open, and of the last part in it
    for part in _PART.finditer(pattern):
        text = part[0]
        if text == "(":
            around.append(size)
            size = last = 0
        elif text == ")" and around:
            last, size = size, around.pop() + size
        elif part[1]:
            size += last * (int(part[1]) - 1)
            last *= int(part[1])
        else:
            last = 1
            size += 1
    return max(size, *around, 0) if around else size
