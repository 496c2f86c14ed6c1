"""One rule file -> Rule, with every fault of it and its place."""

from __future__ import annotations

import re
from collections.abc import Mapping

from logscan.errors import RuleError
from logscan.model import COMPONENTS, Cause, Remedy, Rule, RuleTest, Severity, Signature
from logscan.rulebook.rulereader import Fault, Reader, Reference, RuleFile, kind_of
from logscan.rulebook.rulewhen import condition
from logscan.rulebook.vocabulary import CATEGORIES, suggest
from logscan.rulebook.yamltree import Node, read

SEVERITIES: Mapping[str, Severity] = {"error": Severity.ERROR, "warning": Severity.WARNING, "info": Severity.INFO}
CONFIDENCES = ("high", "medium", "low")
RULE_KEYS = (
    "id", "title", "severity", "components", "match", "when", "causes", "explains", "resolved_by", "affects",
    "fixed_in", "references", "tests",
)  # fmt: skip
CAUSE_KEYS = ("category", "cause", "confidence", "when", "confirm", "remedy")
REMEDY_KEYS = ("summary", "steps", "commands", "manifest")

MIN_LITERAL = 4  # characters: a shorter one is on every line and narrows nothing

KEBAB = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_GROUP = re.compile(r"(?<!\\)\(\?P?<([A-Za-z_]\w*)>")
_VERSION = re.compile(r"v?\d+(?:\.\d+)*")


def read_rule_file(text: str, path: str, *, stem: str, patterns: bool = True) -> RuleFile:
    """Read the text of a rule file, or of one that disables rules.

    Args:
        path: names the file in places.
        stem: the file's name without suffix, which must be the id of its rule.
        patterns: compile the regular expressions; False where ``regex`` may be missing, as in a build.

    Never raises; see ``faults``.
    """
    result = RuleFile(path)
    try:
        root = read(text, path)
    except RuleError as error:
        result.faults.append(Fault(error.place, error.problem, error.help))
        return result
    reader = Reader(result, patterns=patterns)
    if root.kind == "map" and [key.text for key, _ in root.pairs] == ["disable"]:
        value = root.pairs[0][1]
        result.disable = tuple(
            Reference(node.text, reader.place(node)) for node in reader.list_of_text(value, "disable")
        )
        return result
    rule = _rule(reader, root, stem)
    if not result.errors():
        result.rule = rule
    return result


def _rule(reader: Reader, root: Node, stem: str) -> Rule:
    keys = reader.mapping(root, "the rule", RULE_KEYS, ("id", "title", "severity", "components", "match", "tests"))
    reader.result.places = {name: reader.place(node) for name, node in keys.items()}
    severity = SEVERITIES.get(reader.choice(keys.get("severity"), "severity", SEVERITIES), Severity.ERROR)
    match = _signatures(reader, keys.get("match"))
    if "causes" not in keys and root.kind == "map" and severity > Severity.INFO:
        reader.fault(root, "the rule lacks the key causes", "only rules of severity info may leave it out")
    causes = tuple(
        _cause(reader, node, index) for index, node in enumerate(_filled(reader, keys.get("causes"), "causes"))
    )
    fixed_in = reader.text(keys.get("fixed_in"), "fixed_in") or None
    if fixed_in and not _VERSION.fullmatch(fixed_in):
        reader.fault(keys["fixed_in"], f'fixed_in is no version: "{fixed_in}"', "write it like v4.2.0")
    explains = reader.list_of_text(keys.get("explains"), "explains")
    resolved_by = reader.text(keys.get("resolved_by"), "resolved_by") or "success"
    for node in (*explains, *([keys["resolved_by"]] if resolved_by not in {"success", "never"} else [])):
        reader.reference(node)
    must_match, must_not_match = _tests(reader, keys.get("tests"), {cause.category for cause in causes})
    return Rule(
        id=_id(reader, keys.get("id"), stem),
        title=reader.template(keys.get("title"), "title"),
        severity=severity,
        components=_components(reader, keys.get("components")),
        match=match,
        causes=causes,
        when=condition(reader, keys["when"]) if "when" in keys else None,
        explains=tuple(node.text for node in explains),
        resolved_by=resolved_by,
        affects=reader.versions(keys.get("affects"), "affects"),
        fixed_in=fixed_in,
        references=tuple(node.text for node in reader.list_of_text(keys.get("references"), "references")),
        must_match=must_match,
        must_not_match=must_not_match,
        path=reader.result.path,
    )


def _filled(reader: Reader, node: Node | None, what: str) -> tuple[Node, ...]:
    """The items of a list that must have some."""
    items = reader.items(node, what)
    if node is not None and node.kind == "list" and not items:
        reader.fault(node, f"{what} is empty", "give at least one")
    return items


def _id(reader: Reader, node: Node | None, stem: str) -> str:
    text = reader.text(node, "id")
    if node is None or not text:
        return ""
    if not KEBAB.fullmatch(text):
        reader.fault(node, f'id "{text}" is not kebab-case', "use small letters, digits and single hyphens")
    elif text != stem:
        reader.fault(node, f'id is "{text}" but the file is named "{stem}"', f'name the file "{text}.yaml"')
    return text


def _components(reader: Reader, node: Node | None) -> tuple[str, ...]:
    known = (*COMPONENTS, "any")
    return tuple(reader.choice(item, "a component", known) for item in _filled(reader, node, "components"))


def _signatures(reader: Reader, node: Node | None) -> tuple[Signature, ...]:
    result = []
    for index, item in enumerate(_filled(reader, node, "match")):
        keys = reader.mapping(item, "a signature", ("literal", "pattern"), ("literal",))
        for name, value in keys.items():
            reader.result.places[f"match.{index}.{name}"] = reader.place(value)
        literal = reader.text(keys.get("literal"), "literal")
        if "\n" in literal:
            advice = "choose a part of one line; the pattern may span lines"
            reader.fault(keys["literal"], "literal holds a newline", advice)
        elif literal and len(literal) < MIN_LITERAL:
            advice = "choose a longer text; it decides which records are looked at"
            reader.fault(keys["literal"], f"literal has fewer than {MIN_LITERAL} characters", advice)
        pattern = reader.expression(keys["pattern"], "pattern") if "pattern" in keys else None
        if pattern:
            reader.captures.update(_GROUP.findall(pattern))
        result.append(Signature(literal, pattern or None))
    return tuple(result)


def _cause(reader: Reader, node: Node, index: int) -> Cause:
    keys = reader.mapping(node, "a cause", CAUSE_KEYS, ("category", "cause"))
    reader.result.places[f"causes.{index}"] = reader.place(node)
    return Cause(
        category=reader.choice(keys.get("category"), "category", CATEGORIES),
        cause=reader.template(keys.get("cause"), "cause"),
        confidence=reader.choice(keys.get("confidence"), "confidence", CONFIDENCES) or "medium",
        when=condition(reader, keys["when"]) if "when" in keys else None,
        confirm=reader.templates(keys.get("confirm"), "confirm"),
        remedy=_remedy(reader, keys["remedy"]) if "remedy" in keys else Remedy(),
    )


def _remedy(reader: Reader, node: Node) -> Remedy:
    keys = reader.mapping(node, "remedy", REMEDY_KEYS)
    return Remedy(
        summary=reader.template(keys.get("summary"), "summary"),
        steps=reader.templates(keys.get("steps"), "steps"),
        commands=reader.templates(keys.get("commands"), "commands"),
        manifest=reader.template(keys.get("manifest"), "manifest") or None,
    )


# ------------------------------------------------------------ tests


def _tests(
    reader: Reader, node: Node | None, categories: set[str]
) -> tuple[tuple[RuleTest, ...], tuple[RuleTest, ...]]:
    if node is None:
        return (), ()
    keys = reader.mapping(node, "tests", ("match", "no_match"), ("match", "no_match"))
    names: set[str] = set()
    match = [_test(reader, item, names, categories) for item in _filled(reader, keys.get("match"), "tests.match")]
    no_match = [_test(reader, item, names, None) for item in _filled(reader, keys.get("no_match"), "tests.no_match")]
    return tuple(match), tuple(no_match)


def _test(reader: Reader, node: Node, names: set[str], categories: set[str] | None) -> RuleTest:
    """One log; *categories* that it may expect, None where it must not match."""
    known = ("name", "log") if categories is None else ("name", "log", "expect")
    keys = reader.mapping(node, "a test", known, ("name", "log"))
    name = reader.text(keys.get("name"), "name")
    if name and name in names:
        reader.fault(keys["name"], f'two tests are named "{name}"', "say what is particular about each")
    names.add(name)
    expect = reader.mapping(keys["expect"], "expect", ("captures", "category")) if "expect" in keys else {}
    category = reader.choice(expect.get("category"), "expected category", CATEGORIES)
    if category and category not in (categories or ()):
        advice = suggest(category, sorted(categories or ()), "categories of its causes")
        reader.fault(expect["category"], f'no cause of this rule has the category "{category}"', advice)
    captures: dict[str, str] = {}
    for key, value in reader.pairs(expect["captures"], "captures") if "captures" in expect else []:
        if key.text not in reader.captures:
            advice = suggest(key.text, sorted(reader.captures), "named groups")
            reader.fault(key, f'no pattern of this rule has a group named "{key.text}"', advice)
        elif value.kind != "text":
            reader.fault(value, f"an expected capture must be text, not {kind_of(value)}")
        captures[key.text] = value.text
    return RuleTest(name, reader.text(keys.get("log"), "log"), captures, category or None)
