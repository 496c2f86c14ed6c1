"""The rules: the built-in ones, and those of the user that add, override or disable.

YAML takes milliseconds a rule, so a build packs the built-in rules, without
their tests, into one JSON file.  It is believed only while it was made of the
very files that lie beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logscan.errors import RulesError
from logscan.model import Cause, Condition, Remedy, Rule, Severity, Signature, Test
from logscan.rulebook.vocabulary import CATEGORIES, FIELDS, TEMPLATE_NAMES, FieldInfo, suggest

if TYPE_CHECKING:
    from logscan.rulebook.rulereader import Fault, RuleFile

__all__ = [
    "CATEGORIES", "FIELDS", "PACK", "TEMPLATE_NAMES", "FieldInfo", "RuleSet", "builtin_directory", "explain", "is_packed", "lint",
    "load", "load_directory", "parse", "schema", "write_pack",
]  # fmt: skip

_HERE = Path(__file__).parent
PACK = _HERE / "_pack.json"
# Goes up when the pack's shape, or what the YAML of a rule means, changes.
_PACK_FORMAT = 1
_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class RuleSet:
    """Rules in the order of their ids; made from any order, the last of an id counts."""

    rules: tuple[Rule, ...]
    by_id: Mapping[str, Rule] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        by_id = {rule.id: rule for rule in self.rules}
        object.__setattr__(self, "by_id", {rule_id: by_id[rule_id] for rule_id in sorted(by_id)})
        object.__setattr__(self, "rules", tuple(self.by_id.values()))

    @property
    def literals(self) -> tuple[str, ...]:
        """Each literal once: a record without any of them is no rule's business."""
        return tuple(dict.fromkeys(signature.literal for rule in self.rules for signature in rule.match))


def builtin_directory() -> Path:
    """Where the built-in rules are: in the package of a wheel, beside it in a checkout."""
    shipped = _HERE / "_rules"
    return shipped if shipped.is_dir() else _HERE.parent / "rules"


def is_packed() -> bool:
    """Whether the built-in rules are read from the pack, which must be of the very files that are there."""
    return _read_pack(PACK, builtin_directory()) is not None


def load(user_dirs: Sequence[Path] = (), *, tests: bool = False) -> RuleSet:
    """The built-in rules, then those of each directory in turn.

    A later rule of the same id overrides; a file that holds only
    ``disable: [id, …]`` takes rules away.

    Args:
        tests: with the rules' own tests, which the pack has not, so this is slower.

    Raises:
        RulesError: with all faults of all files.
    """
    packed = None if tests else _read_pack(PACK, builtin_directory())
    layers = [] if packed is not None else [_read_directory(builtin_directory(), "rules")]
    layers += [_read_directory(Path(path), str(path)) for path in user_dirs]
    rules, faults = _combine(packed or [], layers)
    if faults:
        raise RulesError([fault.error() for fault in faults])
    return RuleSet(tuple(rules))


def load_directory(path: Path) -> list[Rule]:
    """The rules of one directory alone, by id; they may name built-in rules.

    Raises:
        RulesError: with all faults of all its files.
    """
    known = {file.stem for file in _rule_files(builtin_directory())} if builtin_directory().is_dir() else set()
    rules, faults = _combine([], [_read_directory(path, str(path))], known)
    if faults:
        raise RulesError([fault.error() for fault in faults])
    return sorted(rules, key=lambda rule: rule.id)


def parse(text: str, path: str) -> Rule:
    """One rule; whether the rules that it names exist is not checked.

    Raises:
        RulesError: with all its faults.
    """
    from logscan.rulebook.rulefile import read_rule_file
    from logscan.rulebook.rulereader import Fault

    file = read_rule_file(text, path, stem=Path(path).stem)
    faults = file.errors()
    if file.rule is None and not faults:
        faults = [
            Fault(
                f"{path}:1:1", "the file disables rules and holds none", "logscan rules schema tells what a rule holds"
            )
        ]
    if file.rule is None or faults:
        raise RulesError([fault.error() for fault in faults])
    return file.rule


def lint(user_dirs: Sequence[Path] = (), *, builtin: bool = True) -> list[Fault]:
    """Everything that is wrong or doubtful, also what ``load`` accepts; never raises.

    Args:
        builtin: report on the built-in rules too, not only on the user's.
    """
    from logscan.rulebook import rulelint

    shipped = _read_directory(builtin_directory(), "rules")
    layers = [_read_directory(Path(path), str(path)) for path in user_dirs]
    if builtin:
        _, faults = _combine([], [shipped, *layers])
        return faults + rulelint.doubts([*shipped, *(file for layer in layers for file in layer)])
    _, faults = _combine([file.rule for file in shipped if file.rule], layers)
    return faults + rulelint.doubts([file for layer in layers for file in layer])


def explain(rule: Rule) -> str:
    """A page about one rule, as plain text."""
    from logscan.rulebook import ruledoc

    return ruledoc.explain(rule)


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a rule file, for editors."""
    from logscan.rulebook import ruledoc

    return ruledoc.schema()


# ---------------------------------------------------------------- directories


def _rule_files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir() if path.suffix in _SUFFIXES and not path.name.startswith("."))


def _read_directory(directory: Path, shown: str, *, patterns: bool = True) -> list[RuleFile]:
    """All rule files of a directory, or the one file that it is.

    Args:
        shown: the directory's name in places.
        patterns: compile the regular expressions.
    """
    from logscan.rulebook.rulereader import Fault, RuleFile

    try:
        if directory.is_file():
            return [_read_file(directory, shown, patterns=patterns)]
        paths = _rule_files(directory)
    except OSError as error:
        return [RuleFile(shown, faults=[Fault(shown, _reason(error), "name a directory of rule files")])]
    if not paths:
        return [RuleFile(shown, faults=[Fault(shown, "the directory holds no rule file", "their names end in .yaml")])]
    return [_read_file(path, f"{shown}/{path.name}", patterns=patterns) for path in paths]


def _read_file(path: Path, shown: str, *, patterns: bool) -> RuleFile:
    from logscan.rulebook.rulefile import read_rule_file
    from logscan.rulebook.rulereader import Fault, RuleFile
    from logscan.rulebook.yamltree import MAX_TEXT

    try:
        with path.open("rb") as stream:
            # A character has up to four bytes; what is longer than this is refused by its length.
            raw = stream.read(4 * MAX_TEXT + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        return RuleFile(shown, faults=[Fault(shown, _reason(error))])
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        place = f"{shown}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
        return RuleFile(shown, faults=[Fault(place, "the file is not UTF-8", "save it as UTF-8")])
    return read_rule_file(text, shown, stem=path.stem, patterns=patterns)


def _reason(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def _combine(
    base: Sequence[Rule], layers: Sequence[Sequence[RuleFile]], known: Iterable[str] = ()
) -> tuple[list[Rule], list[Fault]]:
    """The rules that hold after all layers, and the errors of their files.

    Args:
        base: rules that were checked before.
        layers: a later one overrides and disables what is before it.
        known: further ids that rules may name.
    """
    from_files = [file for layer in layers for file in layer]
    if not from_files:
        return list(base), []
    # A file with faults counts as a rule, or all that name it would be faults too.
    ids = {*known, *(rule.id for rule in base), *(Path(file.path).stem for file in from_files)}
    ids |= {file.rule.id for file in from_files if file.rule}
    rules = {rule.id: rule for rule in base}
    faults: list[Fault] = []
    for layer in layers:
        owners: dict[str, str] = {}
        for file in layer:
            faults += file.errors()
            faults += _unknown(file, sorted(ids))
            if file.rule is None:
                continue
            rules[file.rule.id] = file.rule
            faults += _doubled(file, owners)
        for file in layer:
            for reference in file.disable:
                rules.pop(reference.rule_id, None)
    return list(rules.values()), faults


def _unknown(file: RuleFile, ids: list[str]) -> list[Fault]:
    from logscan.rulebook.rulereader import Fault

    return [
        Fault(reference.place, f'there is no rule "{reference.rule_id}"', suggest(reference.rule_id, ids, "rules"))
        for reference in (*file.references, *file.disable)
        if reference.rule_id not in ids
    ]


def _doubled(file: RuleFile, owners: dict[str, str]) -> list[Fault]:
    from logscan.rulebook.rulereader import Fault

    assert file.rule is not None
    owner = owners.setdefault(file.rule.id, file.path)
    if owner == file.path:
        return []
    return [Fault(file.places["id"], f'two files have the id "{file.rule.id}"', f"the other one is {owner}")]


# ---------------------------------------------------------------- the pack


def write_pack(package: Path = _HERE, directory: Path | None = None) -> Path:
    """Pack the rules of *directory* for *package*; for the build, so it needs YAML only.

    Raises:
        RulesError: with all faults but those of regular expressions.
    """
    import json

    directory = directory or package.parent / "rules"
    rules, faults = _combine([], [_read_directory(directory, "rules", patterns=False)])
    if faults:
        raise RulesError([fault.error() for fault in faults])
    content = {
        "format": _PACK_FORMAT,
        "sha256": _digest(directory),
        "rules": [_to_json(rule) for rule in sorted(rules, key=lambda rule: rule.id)],
    }
    target = package / PACK.name
    target.write_text(json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    return target


def _read_pack(pack: Path, directory: Path) -> list[Rule] | None:
    """The packed rules; None if there are none or if they were made of other files."""
    import json

    try:
        content = json.loads(pack.read_bytes())
        if content["format"] != _PACK_FORMAT or content["sha256"] != _digest(directory):
            return None
        return [_from_json(item) for item in content["rules"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _digest(directory: Path) -> str:
    """SHA-256 over the names and bytes of all rule files."""
    import hashlib

    digest = hashlib.sha256()
    for path in _rule_files(directory):
        raw = path.read_bytes()
        digest.update(f"{path.name}\0{len(raw)}\0".encode())
        digest.update(raw)
    return digest.hexdigest()


def _to_json(rule: Rule) -> list[Any]:
    """All of a rule but its tests.  Lists, not objects: with keys the pack would be read half as fast."""
    return [
        rule.id, rule.title, int(rule.severity), rule.components,
        [[signature.literal, signature.pattern] for signature in rule.match],
        [
            [
                cause.category, cause.cause, cause.confidence, _condition_to_json(cause.when), cause.confirm,
                [cause.remedy.summary, cause.remedy.steps, cause.remedy.commands, cause.remedy.manifest],
            ]
            for cause in rule.causes
        ],
        _condition_to_json(rule.when), rule.explains, rule.resolved_by, rule.affects, rule.fixed_in, rule.references,
        rule.path,
    ]  # fmt: skip


def _from_json(item: list[Any]) -> Rule:
    (
        rule_id, title, severity, components, match, causes, when, explains, resolved_by, affects, fixed_in,
        references, path,
    ) = item  # fmt: skip
    return Rule(
        rule_id, title, Severity(severity), tuple(components),
        tuple(Signature(literal, pattern) for literal, pattern in match),
        tuple(
            Cause(
                category, cause, confidence, _condition_from_json(cause_when), tuple(confirm),
                Remedy(summary, tuple(steps), tuple(commands), manifest),
            )
            for category, cause, confidence, cause_when, confirm, (summary, steps, commands, manifest) in causes
        ),
        _condition_from_json(when), tuple(explains), resolved_by, affects, fixed_in, tuple(references), path=path,
    )  # fmt: skip


def _condition_to_json(condition: Condition | None) -> list[Any] | None:
    return None if condition is None else _part_to_json(condition)


def _part_to_json(part: Condition | Test) -> list[Any]:
    if isinstance(part, Test):
        return [part.field, part.op, part.value, part.within]
    return [part.how, [_part_to_json(one) for one in part.parts]]


def _condition_from_json(item: list[Any] | None) -> Condition | None:
    if item is None:
        return None
    condition = _part_from_json(item)
    if isinstance(condition, Test):
        raise TypeError
    return condition


def _part_from_json(item: list[Any]) -> Condition | Test:
    # A condition has two members, a test four.
    if len(item) == 2:
        how, parts = item
        return Condition(how, tuple(_part_from_json(one) for one in parts))
    name, operator, value, within = item
    return Test(name, operator, tuple(value) if isinstance(value, list) else value, within)
