"""Rules for people and editors: the page of one rule, and the JSON Schema of all."""

from __future__ import annotations

import textwrap
from typing import Any

from logscan.model import COMPONENTS, Cause, Condition, Rule, Test
from logscan.rulebook.rulefile import CONFIDENCES, KEBAB, MIN_LITERAL, SEVERITIES
from logscan.rulebook.vocabulary import CATEGORIES, FIELDS, OPERATORS

WIDTH = 88  # columns of a page


def explain(rule: Rule) -> str:
    """A plain-text page: what marks the rule, its causes in their order, what to do, its tests."""
    lines = [rule.title, "=" * min(len(rule.title), WIDTH), ""]
    lines += [f"id          {rule.id}", f"severity    {rule.severity.name.lower()}"]
    lines += _paragraph("logged by   ", ", ".join(rule.components))
    if rule.affects:
        lines.append(f"affects     driver {rule.affects}")
    if rule.fixed_in:
        lines.append(f"fixed in    driver {rule.fixed_in}")
    lines += _paragraph("over when   ", _resolution(rule.resolved_by))
    if rule.when:
        lines += _paragraph("only if     ", in_words(rule.when))
    if rule.explains:
        lines += _paragraph("explains    ", ", ".join(rule.explains))
    lines += ["", "Signature (any of)"]
    for signature in rule.match:
        lines.append(f"  text      {signature.literal}")
        if signature.pattern is not None:
            lines += _block("  pattern   ", signature.pattern)
    if rule.causes:
        lines += ["", "Causes, the likeliest first"]
    for number, cause in enumerate(rule.causes, 1):
        lines += ["", *_cause(number, cause)]
    if rule.references:
        lines += ["", "References", *(f"  {reference}" for reference in rule.references)]
    if rule.must_match or rule.must_not_match:
        lines += ["", "Tests"]
        lines += [f"  matches         {test.name}" for test in rule.must_match]
        lines += [f"  does not match  {test.name}" for test in rule.must_not_match]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _cause(number: int, cause: Cause) -> list[str]:
    lines = _paragraph(f"{number:2}. ", cause.cause)
    lines.append(f"    {cause.category}, confidence {cause.confidence}")
    lines += _paragraph("    ", f"({CATEGORIES.get(cause.category, '')})")
    if cause.when:
        lines += _paragraph("    if:     ", in_words(cause.when))
    for command in cause.confirm:
        lines += _block("    check:  ", command)
    remedy = cause.remedy
    if remedy.summary:
        lines += _paragraph("    remedy: ", remedy.summary)
    for step in remedy.steps:
        lines += _paragraph("            - ", step)
    for command in remedy.commands:
        lines += _block("            $ ", command)
    if remedy.manifest:
        lines += _block("            ", remedy.manifest)
    return lines


def _paragraph(head: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head)) or [head]


def _block(head: str, text: str) -> list[str]:
    """Text that is pasted, so its lines stay as they are."""
    first, *rest = text.splitlines() or [""]
    return [head + first, *(" " * len(head) + line for line in rest)]


def _resolution(resolved_by: str) -> str:
    if resolved_by == "success":
        return "the same call succeeds for the same volume"
    if resolved_by == "never":
        return "never: a later success does not mend it"
    return f"the rule {resolved_by} hits"


def in_words(part: Condition | Test) -> str:
    """A condition as a sentence would put it."""
    if isinstance(part, Test):
        return _test_in_words(part)
    if part.how == "not":
        return "not (" + " or ".join(in_words(one) for one in part.parts) + ")"
    joint = " and " if part.how == "all" else " or "
    return joint.join(
        f"({in_words(one)})" if isinstance(one, Condition) and one.how not in {"not", part.how} else in_words(one)
        for one in part.parts
    )


def _test_in_words(test: Test) -> str:
    if test.op == "missing":
        return f"{test.field} is {'not known' if test.value else 'known'}"
    if test.op == "no_completion":
        return "the call never ends" if test.value else "the call ends"
    within = f" within {_span(test.within)}" if test.within else ""
    if test.op == "at_least":
        return f"it happens at least {test.value} times{within}"
    if test.op == "followed_by":
        return f"{test.value} follows{within}"
    if test.op == "is":
        verb = "includes" if FIELDS.get(test.field, FIELDS["capture.*"]).type == "rules" else "is"
        return f"{test.field} {verb} " + " or ".join(f'"{value}"' for value in test.value)
    verb = {"matches": "matches", "version": "is in", "under": "is under"}[test.op]
    return f"{test.field} {verb} {test.value}"


def _span(micros: int) -> str:
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000)):
        if micros % size == 0:
            return f"{micros // size}{unit}"
    return f"{micros // 1_000_000}s"


# ---------------------------------------------------------------- JSON Schema


def schema() -> dict[str, Any]:
    """JSON Schema of a rule file; what needs more than one value to judge is left to the loader."""
    text = {"type": "string", "minLength": 1}
    texts = {"type": "array", "items": text}
    template = {**text, "description": "{names} are filled in; logscan rules explain shows which"}
    templates = {"type": "array", "items": template}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A rule of logscan",
        "oneOf": [
            {"$ref": "#/$defs/rule"},
            _object({"disable": {**texts, "description": "ids of rules that are not to be used"}}, ["disable"]),
        ],
        "$defs": {
            "rule": _object(
                {
                    "id": {**text, "pattern": f"^{KEBAB.pattern}$", "description": "equals the file's name"},
                    "title": template,
                    "severity": {"enum": list(SEVERITIES)},
                    "components": {"type": "array", "minItems": 1, "items": {"enum": [*COMPONENTS, "any"]}},
                    "match": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/signature"}},
                    "when": {"$ref": "#/$defs/when"},
                    "causes": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/cause"}},
                    "explains": {**texts, "description": "rules whose hits are symptoms of this one"},
                    "resolved_by": {**text, "default": "success", "description": "success, never, or a rule's id"},
                    "affects": {**text, "description": "driver versions, like >=4.1,<4.5"},
                    "fixed_in": {**text, "description": "driver version"},
                    "references": texts,
                    "tests": {"$ref": "#/$defs/tests"},
                },
                ["id", "title", "severity", "components", "match", "tests"],
            ),
            "signature": _object(
                {
                    "literal": {"type": "string", "minLength": MIN_LITERAL, "pattern": "^[^\\n]+$"},
                    "pattern": {**text, "description": "a regular expression of the module regex"},
                },
                ["literal"],
            ),
            "cause": _object(
                {
                    "category": {"enum": list(CATEGORIES)},
                    "cause": template,
                    "confidence": {"enum": list(CONFIDENCES), "default": "medium"},
                    "when": {"$ref": "#/$defs/when"},
                    "confirm": templates,
                    "remedy": _object(
                        {"summary": template, "steps": templates, "commands": templates, "manifest": template}, []
                    ),
                },
                ["category", "cause"],
            ),
            "when": _when(),
            "value": {"type": ["string", "number", "boolean"]},
            "tests": _tests(text),
        },
    }


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        **({"required": required} if required else {}),
    }


def _tests(text: dict[str, Any]) -> dict[str, Any]:
    capture = {"type": ["string", "number", "boolean"]}
    expect = _object(
        {"captures": {"type": "object", "additionalProperties": capture}, "category": {"enum": list(CATEGORIES)}}, []
    )
    match = _object({"name": text, "log": text, "expect": expect}, ["name", "log"])
    no_match = _object({"name": text, "log": text}, ["name", "log"])
    return _object(
        {
            "match": {"type": "array", "minItems": 1, "items": match},
            "no_match": {"type": "array", "minItems": 1, "items": no_match},
        },
        ["match", "no_match"],
    )


def _when() -> dict[str, Any]:
    fields = {name: _field(name) for name in FIELDS if not name.endswith("*")}
    families = {f"^{name[:-1].replace('.', chr(92) + '.')}.": _field(name) for name in FIELDS if name.endswith("*")}
    return {
        "description": "a mapping: all of it holds; a list: any of it does; not: it does not",
        "oneOf": [
            {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": False,
                "properties": {"not": {"$ref": "#/$defs/when"}, **fields},
                "patternProperties": families,
            },
            {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/when"}},
        ],
    }


_OPERANDS: dict[str, dict[str, Any]] = {
    "matches": {"type": "string"},
    "missing": {"type": "boolean"},
    "version": {"type": "string"},
    "under": {"type": "string", "pattern": "^/"},
    "at_least": {"type": "integer", "minimum": 1},
    "no_completion": {"type": "boolean"},
    "followed_by": {"type": "string"},
}


def _field(name: str) -> dict[str, Any]:
    info = FIELDS[name]
    # Unquoted, YAML reads 4.1 as a number and true as a boolean; the loader reads what was written.
    value: dict[str, Any] = {"$ref": "#/$defs/value"}
    kinds: list[dict[str, Any]] = []
    for operator in OPERATORS[info.type]:
        if operator == "is":
            kinds += [value, {"type": "array", "minItems": 1, "items": value}]
            continue
        properties = {operator: _OPERANDS[operator]}
        if operator in {"at_least", "followed_by"}:
            properties["within"] = {"type": "string", "pattern": "^[0-9]{1,6}[smhd]$"}
        kinds.append(_object(properties, [operator]))
    meaning = info.meaning + (f" ({', '.join(one or '(empty)' for one in info.values)})" if info.values else "")
    return {"description": meaning, "anyOf": kinds}
