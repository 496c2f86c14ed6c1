"""A ``when`` of a rule file -> Condition: data, not code."""

from __future__ import annotations

import re

from logscan.model import Condition, Test
from logscan.rulebook.rulereader import Reader, kind_of
from logscan.rulebook.vocabulary import FIELDS, OPERATORS, FieldInfo, field_info, suggest
from logscan.rulebook.yamltree import Node

_DURATION = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_UNITS = {"s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}  # µs
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


def condition(reader: Reader, node: Node) -> Condition | None:
    """A mapping is all of, a list any of, ``not`` negates; None where nothing of it can be read."""
    if node.kind == "list" and node.items:
        return _joined("any", [condition(reader, item) for item in node.items])
    if node.kind != "map" or not node.pairs:
        reader.fault(
            node, f"when must be a mapping or a list of them, not {kind_of(node)}", "like {call.code: Internal}"
        )
        return None
    parts: list[Condition | Test | None] = []
    for key, value in reader.pairs(node, "when"):
        if key.text == "not":
            inner = condition(reader, value)
            parts.append(Condition("not", (inner,)) if inner else None)
        else:
            parts.append(_comparison(reader, key, value))
    return _joined("all", parts)


def _comparison(reader: Reader, key: Node, value: Node) -> Test | None:
    info = field_info(key.text)
    if info is None:
        reader.fault(
            key,
            f'when asks for the field "{key.text}", which does not exist',
            suggest(key.text, _field_names(reader.captures), "fields"),
        )
        return None
    if key.text.startswith("capture.") and key.text.removeprefix("capture.") not in reader.captures:
        name = key.text.removeprefix("capture.")
        advice = suggest(name, sorted(reader.captures), "named groups")
        reader.fault(key, f'no pattern of this rule has a group named "{name}"', advice)
        return None
    if value.kind == "map":
        return _operation(reader, key.text, info, value)
    if "is" not in OPERATORS[info.type]:
        reader.fault(value, f"{key.text} cannot be compared with a value", _operator_help(info))
        return None
    nodes = value.items if value.kind == "list" else (value,)
    if not nodes:
        reader.fault(value, "an empty list is never equal to anything", "give at least one value")
    return Test(key.text, "is", tuple(_plain(reader, key.text, info, one) for one in nodes))


def _plain(reader: Reader, name: str, info: FieldInfo, node: Node) -> str:
    """A value that a field may be equal to."""
    text = node.text
    if node.kind != "text":
        advice = f"write {{{name}: {{missing: true}}}} for a field without value" if node.kind == "null" else ""
        reader.fault(node, f"{name} is compared with {kind_of(node)}", advice)
    elif info.values and text not in info.values:
        reader.fault(node, f'{name} is never "{text}"', suggest(text, list(info.values), "values"))
    elif info.type == "flag" and text not in {"true", "false"}:
        reader.fault(node, f'{name} is true or false, never "{text}"')
    elif info.type == "number" and not _NUMBER.fullmatch(text):
        reader.fault(node, f'{name} is a number, never "{text}"')
    elif info.type == "rules":
        reader.reference(node)
    return text


def _operation(reader: Reader, name: str, info: FieldInfo, node: Node) -> Test | None:
    keys = reader.pairs(node, f"the operator of {name}")
    operators = [(key, value) for key, value in keys if key.text != "within"]
    if len(operators) != 1:
        reader.fault(node, f"{name} needs one operator and has {len(operators)}", _operator_help(info))
        return None
    key, value = operators[0]
    allowed = tuple(one for one in OPERATORS[info.type] if one != "is")
    if key.text not in allowed:
        every = {one for many in OPERATORS.values() for one in many if one != "is"}
        said = "does not fit" if key.text in every else "is unknown"
        reader.fault(key, f'the operator "{key.text}" {said} for {name}', suggest(key.text, list(allowed), "operators"))
        return None
    within = next((one for name_of, one in keys if name_of.text == "within"), None)
    if within is not None and key.text not in {"at_least", "followed_by"}:
        reader.fault(within, f'"within" does not go with "{key.text}"', "only with at_least and followed_by")
    return Test(name, key.text, _operand(reader, key.text, value), _duration(reader, within) if within else None)


def _operand(reader: Reader, operator: str, node: Node) -> str | int | bool:
    if operator == "matches":
        return reader.expression(node, "matches")
    if operator in {"missing", "no_completion"}:
        return reader.choice(node, operator, ("true", "false")) != "false"
    if operator == "version":
        return reader.versions(node, "version") or ""
    text = reader.text(node, operator)
    if operator == "at_least":
        if text and not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
            reader.fault(node, f'at_least must be a whole number from 1, not "{text}"')
            return 1
        return int(text[:9] or 1)
    if operator == "followed_by":
        if text:
            reader.reference(node)
    elif text and not text.startswith("/"):
        reader.fault(node, f'under must be an absolute path, not "{text}"')
    return text


def _duration(reader: Reader, node: Node) -> int | None:
    """A span of time in µs."""
    found = _DURATION.fullmatch(reader.text(node, "within"))
    if found is None:
        reader.fault(node, f'within is no span of time: "{node.text}"', "write it like 90s, 10m or 2h")
        return None
    return int(found[1]) * _UNITS[found[2]]


def _joined(how: str, parts: list[Condition | Test | None]) -> Condition | None:
    known = tuple(part for part in parts if part is not None)
    if len(known) == 1 and isinstance(known[0], Condition):
        return known[0]
    return Condition(how, known) if known else None


def _field_names(captures: set[str]) -> list[str]:
    return [*(name for name in FIELDS if not name.endswith("*")), *(f"capture.{one}" for one in sorted(captures))]


def _operator_help(info: FieldInfo) -> str:
    return "it takes " + " or ".join(one if one != "is" else "a value" for one in OPERATORS[info.type])
