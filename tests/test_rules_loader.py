"""Rule files: what is wrong with one is said with its place; what is right is read alike from YAML and pack."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from logscan import rules
from logscan.errors import RuleError, RulesError
from logscan.model import Condition, Remedy, Rule, RuleTest, Severity, Signature
from logscan.model import Test as Comparison  # pytest would collect a class named Test
from logscan.rulebook.rulereader import Fault

DATA = Path(__file__).parent / "rules"
GOOD = (DATA / "odd.yaml").read_text(encoding="utf-8")  # the tables below change one thing in it
EVERYTHING = (DATA / "everything.yaml").read_text(encoding="utf-8")


def write(directory: Path, **files: str) -> Path:
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / f"{name.replace('_', '-')}.yaml").write_text(text, encoding="utf-8")
    return directory


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A house with the built-in rules "odd" and "base" and no pack."""
    house = tmp_path / "house"
    house.mkdir()
    directory = write(
        house / "rules", odd=GOOD, base=GOOD.replace("id: odd", "id: base").replace("odd mount", "base mount")
    )
    (tmp_path / "house" / "logscan").mkdir()
    monkeypatch.setattr(rules, "_HERE", tmp_path / "house" / "logscan")
    monkeypatch.setattr(rules, "PACK", tmp_path / "house" / "logscan" / "_pack.json")
    return directory


def faults_of(text: str, path: str = "rules/odd.yaml") -> list[tuple[str, str, str]]:
    with pytest.raises(RulesError) as caught:
        rules.parse(text, path)
    return [(fault.place, fault.problem, fault.help) for fault in caught.value.faults]


# What is replaced in GOOD, by what, and what of place, problem and help must be said.
FAULTS = {
    "no YAML": ("title: A", "title: A: A", "2:9", "mapping values are not allowed", "quotes"),
    "a tab": ("    cause:", "\tcause:", "10:1", "tab character|cannot start any token", "no tabs"),
    "an anchor that is missing": ("[nfs]", "*gone", "4:13", "undefined alias|anchor &gone", ""),
    "a tag": ("A mount is odd", "!!python/object:os.system x", "2:8", "tags are not read", ""),
    "a second document": ("title:", "---\ntitle:", "2:1", "second document", "one file holds one rule"),
    "an unknown key": ("severity:", "serverity:", "3:1", 'unknown key "serverity"', 'did you mean "severity"?'),
    "an unknown key of a cause": ("    cause:", "    reason:", "10:5", 'unknown key "reason"', "cause"),
    "a merge key": ("title:", "<<: {}\ntitle:", "2:1", "unknown key", "write the values out"),
    "a double key": ("severity: error", "title: B", "3:1", '"title" is given twice', "line 2"),
    "a missing key": ("title: A mount is odd\n", "", "1:1", "lacks the key title", "schema"),
    "no causes": ("causes:\n", "explains:\n", "1:1", "lacks the key causes", "info"),
    "a key that is a list": ("title:", "[a]: b\ntitle:", "2:1", "key of the rule is a list", ""),
    "an empty value": ("A mount is odd", "", "2:7", "title must be text, not nothing", ""),
    "a mapping for text": ("A mount is odd", "{a: b}", "2:8", "title must be text, not a mapping", ""),
    "text for a list": ("[nfs]", "nfs", "4:13", "components must be a list", "components: ["),
    "an empty list": ("[nfs]", "[]", "4:13", "components is empty", ""),
    "an unknown component": ("[nfs]", "[nsf]", "4:14", 'a component cannot be "nsf"', 'did you mean "nfs"?'),
    "an unknown severity": ("severity: error", "severity: fatal", "3:11", 'severity cannot be "fatal"', "error"),
    "an unknown category": ("io-error", "io-eror", "9:15", 'category cannot be "io-eror"', 'did you mean "io-error"?'),
    "an unknown confidence": (
        "category: io-error", "{category: io-error, confidence: hihg}".replace("{", "").replace("}", "").replace(", ", "\n    "),
        "10:17", 'confidence cannot be "hihg"', 'did you mean "high"?',
    ),
    "an unknown name": ("{server} is", "{sever} is", "10:12", "names {sever}", 'did you mean "server"?'),
    "an unknown name in a command": ("-e {server}", "-e {servers}", "11:41", "names {servers}", "server"),
    "a literal with a newline": ('"odd mount of "', '"odd mount\\nof "', "6:14", "literal holds a newline", "one line"),
    "a short literal": ('"odd mount of "', "odd", "6:14", "fewer than 4", "longer"),
    "a bad pattern": ("/\\S+)'", "/\\S+'", "7:14", "pattern does not compile: missing )", "regex"),
    "an id in capitals": ("id: odd", "id: Odd", "1:5", "not kebab-case", "small letters"),
    "an id that is not the file's": ("id: odd", "id: even", "1:5", 'file is named "odd"', '"even.yaml"'),
    "no tests": (GOOD[GOOD.index("tests:") :], "", "1:1", "lacks the key tests", ""),
    "no near miss": (GOOD[GOOD.index("  no_match:") :], "", "13:3", "lacks the key no_match", ""),
    "an empty test list": (GOOD[GOOD.index("  no_match:") :], "  no_match: []\n", "16:13", "no_match is empty", ""),
    "two tests of one name": ("name: two", "name: one", "15:14", 'two tests are named "one"', ""),
    "an expectation of what must not match": (
        "name: four", "expect: {}, name: four", "18:8", 'unknown key "expect"', "",
    ),
    "an expected category of no cause": (
        "name: two", "expect: {category: no-space}, name: two", "15:27", "no cause of this rule", "io-error",
    ),
    "an expected capture of no group": (
        "name: two", "expect: {captures: {pth: /b}}, name: two", "15:28", 'group named "pth"', 'did you mean "path"?',
    ),
    "affects that is no range": ("title:", "affects: new\ntitle:", "2:10", "no range of versions", ">=4.1"),
    "fixed_in that is no version": ("title:", "fixed_in: soon\ntitle:", "2:11", "no version", "v4.2.0"),
}  # fmt: skip

# A `when`, and what of place, problem and help must be said; it stands on line 2 from column 7 on.
WHEN_FAULTS = {
    "an unknown field": ("{call.methd: x}", "2:8", '"call.methd", which does not exist', 'did you mean "call.method"?'),
    "a bare family": ("{call.request.: x}", "2:8", "does not exist", ""),
    "an unknown capture": ("{capture.pth: x}", "2:8", 'group named "pth"', 'did you mean "path"?'),
    "an unknown operator": ("{call.code: {match: x}}", "2:20", '"match" is unknown', 'did you mean "matches"?'),
    "an operator that does not fit": ("{call.code: {under: /x}}", "2:20", '"under" does not fit', "matches"),
    "two operators": ("{call.code: {missing: true, matches: x}}", "2:19", "one operator and has 2", "matches"),
    "no value": ("{call.code: }", "2:19", "compared with nothing", "missing: true"),
    "no values": ("{call.code: []}", "2:19", "empty list", "at least one"),
    "a value it never has": ("{call.outcome: fialed}", "2:22", 'never "fialed"', 'did you mean "failed"?'),
    "no number": ("{call.attempt: two}", "2:22", "is a number", ""),
    "no flag": ("{server.works: yes}", "2:22", "is true or false", ""),
    "no version": ("{driver.version: {version: new}}", "2:34", "no range of versions", ">=4.1"),
    "no regular expression": ("{call.code: {matches: '('}}", "2:29", "matches does not compile", "regex"),
    "no duration": ("{finding.count: {at_least: 2, within: 10 min}}", "2:45", "no span of time", "10m"),
    "a span that does not go": ("{call.code: {matches: x, within: 1m}}", "2:40", 'does not go with "matches"', ""),
    "no count": ("{finding.count: {at_least: 0}}", "2:34", "whole number from 1", ""),
    "a count compared": ("{finding.count: 3}", "2:23", "cannot be compared", "at_least"),
    "a relative path": ("{call.target: {under: tmp}}", "2:29", "absolute path", ""),
    "text": ("always", "2:7", "when must be a mapping", "call.code"),
    "nothing": ("{}", "2:7", "when must be a mapping", ""),
    "a double negation key": ("{not: {role: node}, not: {role: node}}", "2:27", "given twice", ""),
}


def rule_or_faults(text: str, path: str) -> Rule | list[RuleError]:
    try:
        return rules.parse(text, path)
    except RulesError as error:
        return error.faults


def check(said: list[tuple[str, str, str]], place: str, problem: str, advice: str) -> None:
    wanted = f"rules/odd.yaml:{place}"
    near = [one for one in said if one[0] == wanted and any(part in one[1] for part in problem.split("|"))]
    assert near, said
    assert any(advice in one[2] for one in near), said


def test_the_good_rule_is_good():
    assert rules.parse(GOOD, "rules/odd.yaml").id == "odd"


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_place_and_what_to_do(name: str):
    old, new, place, problem, advice = FAULTS[name]
    assert old in GOOD
    check(faults_of(GOOD.replace(old, new, 1)), place, problem, advice)


@pytest.mark.parametrize("name", WHEN_FAULTS)
def test_a_fault_in_a_when_is_named_with_its_place_and_what_to_do(name: str):
    when, place, problem, advice = WHEN_FAULTS[name]
    check(faults_of(GOOD.replace("title:", f"when: {when}\ntitle:", 1)), place, problem, advice)


@pytest.mark.usefixtures("shipped")
def test_every_fault_of_every_file_is_told_at_once(tmp_path: Path):
    bad = GOOD.replace("severity: error", "severity: bad").replace("io-error", "bad")
    write(tmp_path / "mine", odd=bad, other=bad.replace("id: odd", "id: Other"), broken="[")

    with pytest.raises(RulesError) as caught:
        rules.load([tmp_path / "mine"])

    places = [fault.place.removeprefix(f"{tmp_path}/") for fault in caught.value.faults]
    expected = ["odd.yaml:3:11", "odd.yaml:9:15", "other.yaml:1:5", "other.yaml:3:11", "other.yaml:9:15"]
    assert sorted(places) == ["mine/broken.yaml:2:1", *(f"mine/{one}" for one in expected)]
    assert str(caught.value).count("\n") >= len(places) - 1


def test_a_rule_of_severity_info_needs_no_cause():
    text = GOOD.replace("severity: error", "severity: info")
    start, end = text.index("causes:"), text.index("tests:")

    assert rules.parse(text[:start] + text[end:], "odd.yaml").causes == ()


def test_everything_that_a_rule_can_say_is_read():
    rule = rules.parse(EVERYTHING, "rules/everything.yaml")

    assert rule.severity is Severity.WARNING
    assert rule.components == ("nfs", "any")
    assert rule.match[1] == Signature("a literal alone", None)
    assert rule.when == Condition(
        "any",
        (
            Condition(
                "all",
                (
                    Comparison("call.method", "is", ("CreateVolume", "DeleteVolume")),
                    Comparison("capture.path", "under", "/tmp"),
                    Comparison("server.works", "is", ("false",)),
                ),
            ),
            Condition("not", (Condition("any", (
                Condition("all", (Comparison("driver.version", "version", ">=v4.1, <4.5"),)),
                Condition("all", (Comparison("mount.version", "is", ("4.10",)),)),
            )),)),
        ),
    )  # fmt: skip
    assert rule.causes[0].when == Condition(
        "all",
        (
            Comparison("finding.count", "at_least", 3, 600_000_000),
            Comparison("finding", "followed_by", "odd", 90_000_000),
            Comparison("call", "no_completion", True),
            Comparison("call.request.parameters.share", "missing", True),
            Comparison("call.attempt", "is", ("2",)),
            Comparison("volume.rules", "is", ("odd", "everything")),
        ),
    )
    manifest = "kind: StorageClass\nmountOptions: [hard]\n"
    assert rule.causes[0].remedy == Remedy("Look.", ("once", "twice"), ("ls {path}",), manifest)
    assert (rule.explains, rule.resolved_by, rule.affects, rule.fixed_in) == (("odd",), "odd", ">=4.1.0", "v4.2.0")
    assert rule.must_match == (RuleTest("one", "odd mount of /a\nover two lines\n", {"path": "/a"}, "io-error"),)
    assert rule.must_not_match == (RuleTest("none", "nothing"),)


def test_a_value_is_what_was_written():
    """YAML would read 1.10 as a number and lose the nought."""
    text = GOOD.replace("title:", "when: {capture.path: [1.10, no, 010, '']}\ntitle:", 1)

    rule = rules.parse(text, "odd.yaml")

    assert rule.when == Condition("all", (Comparison("capture.path", "is", ("1.10", "no", "010", "")),))


# ---------------------------------------------------------------- hostile files


def test_a_billion_laughs_are_not_expanded():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]

    [(place, problem, _)] = faults_of("\n".join(lines))

    assert place.startswith("rules/odd.yaml:")
    assert "values, counting what aliases repeat" in problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[" * 200_000, "nested deeper|nesting depth"),
        ("a: " * 3, "no YAML"),
        ("&a [*a]", "anchor|undefined"),
        ("x" * 600_000, "characters"),
        ("", "holds nothing"),
        ("# only a comment\n", "holds nothing"),
        ("- a\n", "must be a mapping"),
        ("id: \x00", "no YAML"),
        ("id: \ud800", "no YAML"),
        ("disable: [odd]", "disables rules and holds none"),
    ],
)
def test_what_is_no_rule_at_all_is_one_clear_fault(text: str, problem: str):
    said = faults_of(text)
    assert any(part in said[0][1] for part in problem.split("|")), said
    assert "\n" not in said[0][1]


@pytest.mark.usefixtures("shipped")
def test_a_file_that_is_not_utf8_names_the_byte(tmp_path: Path):
    (write(tmp_path / "mine") / "odd.yaml").write_bytes(b"id: odd\ntitle: caf\xe9\n")
    with pytest.raises(RulesError, match=r"odd\.yaml:2:11: the file is not UTF-8"):
        rules.load([tmp_path / "mine"])


# YAML-like text: words of the rule language in a structure that is often, not always, right.
WORDS = st.sampled_from(
    [
        *GOOD.split(),
        *EVERYTHING.split(),
        "\n",
        "\n  ",
        "\n    - ",
        ": ",
        "{",
        "}",
        "[",
        "]",
        "&a",
        "*a",
        "!!x",
        "|\n",
        "not:",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8) | st.sampled_from(EVERYTHING.split()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["not", "matches", *rules.FIELDS, "literal", "pattern", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@settings(deadline=None, max_examples=150)
@given(st.text() | st.lists(WORDS, max_size=60).map(" ".join) | st.lists(WORDS, max_size=60).map("".join))
def test_any_text_is_a_rule_or_has_faults(text: str):
    outcome = rule_or_faults(text, "odd.yaml")
    assert isinstance(outcome, Rule) or all(one.place.startswith("odd.yaml:") and one.problem for one in outcome)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_value_in_the_place_of_another_is_read_or_has_faults(data: st.DataObject):
    tree = yaml.safe_load(EVERYTHING)
    parent: Any = tree
    while True:
        key = data.draw(st.sampled_from(sorted(parent) if isinstance(parent, dict) else range(len(parent))))
        if not isinstance(parent[key], (dict, list)) or not parent[key] or data.draw(st.booleans()):
            break
        parent = parent[key]
    parent[key] = data.draw(VALUES)
    outcome = rule_or_faults(yaml.safe_dump(tree, allow_unicode=True), "everything.yaml")
    if isinstance(outcome, Rule):
        assert rules.explain(outcome)
    else:
        assert all(fault.place.startswith("everything.yaml:") for fault in outcome)


# ---------------------------------------------------------------- sets of rules


@pytest.mark.usefixtures("shipped")
def test_rules_are_in_the_order_of_their_ids():
    loaded = rules.load()
    assert [rule.id for rule in loaded.rules] == list(loaded.by_id) == ["base", "odd"]
    assert loaded.literals == ("base mount of ", "odd mount of ")
    assert loaded.by_id["odd"].path == "rules/odd.yaml"


@pytest.mark.usefixtures("shipped")
def test_a_user_rule_overrides_adds_and_the_last_directory_wins(tmp_path: Path):
    mine = write(tmp_path / "mine", odd=GOOD.replace("A mount is odd", "Mine"), new=GOOD.replace("id: odd", "id: new"))
    yours = write(tmp_path / "yours", odd=GOOD.replace("A mount is odd", "Yours"))

    loaded = rules.load([mine, yours])

    assert [rule.id for rule in loaded.rules] == ["base", "new", "odd"]
    assert loaded.by_id["odd"].title == "Yours"
    assert loaded.by_id["odd"].path == f"{yours}/odd.yaml"
    assert rules.load([yours, mine]).by_id["odd"].title == "Mine"


@pytest.mark.parametrize("name", ["disable", "any-name"])
@pytest.mark.usefixtures("shipped")
def test_a_file_that_holds_only_disable_takes_rules_away(name: str, tmp_path: Path):
    mine = write(tmp_path / "mine", **{name: "disable: [odd]\n"})
    assert [rule.id for rule in rules.load([mine]).rules] == ["base"]


@pytest.mark.usefixtures("shipped")
def test_disabling_what_does_not_exist_is_a_fault(tmp_path: Path):
    mine = write(tmp_path / "mine", disable="disable:\n  - bse\n")
    with pytest.raises(RulesError) as caught:
        rules.load([mine])
    assert str(caught.value) == f'{mine}/disable.yaml:2:5: there is no rule "bse"\n  help: did you mean "base"?'


@pytest.mark.usefixtures("shipped")
def test_a_rule_may_name_only_rules_that_exist(tmp_path: Path):
    when = "[{finding: {followed_by: bas}}, {server.rules: [odd, bae]}]"
    text = GOOD.replace("title:", f"explains: [base, bse]\nresolved_by: baser\nwhen: {when}\ntitle:", 1)
    mine = write(tmp_path / "mine", odd=text, disable="disable: [base]")

    with pytest.raises(RulesError) as caught:
        rules.load([mine])

    found = [(fault.place.split("/")[-1], fault.problem, fault.help) for fault in caught.value.faults]
    advice = 'did you mean "base"?'
    assert sorted(found) == [
        ("odd.yaml:2:18", 'there is no rule "bse"', advice),
        ("odd.yaml:3:14", 'there is no rule "baser"', advice),
        ("odd.yaml:4:32", 'there is no rule "bas"', advice),
        ("odd.yaml:4:60", 'there is no rule "bae"', advice),
    ]


@pytest.mark.usefixtures("shipped")
def test_two_files_with_one_id_are_a_fault(tmp_path: Path):
    mine = write(tmp_path / "mine", odd=GOOD)
    (mine / "odd.yml").write_text(GOOD)
    with pytest.raises(RulesError) as caught:
        rules.load([mine])
    [fault] = caught.value.faults
    assert (fault.place, fault.help) == (f"{mine}/odd.yml:1:5", f"the other one is {mine}/odd.yaml")


@pytest.mark.usefixtures("shipped")
def test_a_directory_that_is_missing_or_holds_no_rule_is_a_fault(tmp_path: Path):
    write(tmp_path / "empty")
    with pytest.raises(RulesError) as caught:
        rules.load([tmp_path / "gone", tmp_path / "empty"])
    assert [fault.problem for fault in caught.value.faults] == [
        "cannot be read: No such file or directory",
        "the directory holds no rule file",
    ]


@pytest.mark.usefixtures("shipped")
def test_one_directory_can_be_read_alone(tmp_path: Path):
    mine = write(tmp_path / "mine", new=GOOD.replace("id: odd", "id: new\nexplains: [base]"))
    assert [rule.id for rule in rules.load_directory(mine)] == ["new"]


# ---------------------------------------------------------------- the pack


def test_the_pack_gives_the_very_rules_of_the_yaml_without_their_tests(shipped: Path):
    write(shipped, everything=EVERYTHING)
    from_yaml = rules.load()
    assert not rules.PACK.exists()

    assert rules.write_pack(shipped.parent / "logscan") == rules.PACK
    from_pack = rules.load()

    assert from_pack.rules == tuple(replace(rule, must_match=(), must_not_match=()) for rule in from_yaml.rules)
    assert rules.load(tests=True) == from_yaml


@pytest.mark.parametrize("change", ["content", "new file", "renamed", "other format", "cut", "no JSON", "no object"])
def test_a_pack_that_was_made_of_other_files_is_not_used(change: str, shipped: Path):
    pack = rules.write_pack(shipped.parent / "logscan")
    content = json.loads(pack.read_text())
    content["rules"] = []
    pack.write_text(json.dumps(content))
    assert rules.load().rules == ()  # the pack is what was read
    match change:
        case "content":
            write(shipped, odd=GOOD.replace("A mount is odd", "Changed"))
        case "new file":
            write(shipped, everything=EVERYTHING)
        case "renamed":
            (shipped / "base.yaml").rename(shipped / "base.yml")
        case "other format":
            pack.write_text(json.dumps({**content, "format": 0}))
        case "cut":
            pack.write_text(pack.read_text()[:-5])
        case "no JSON":
            pack.write_bytes(b"\xff")
        case "no object":
            pack.write_text("[]")

    assert {"base", "odd"} <= rules.load().by_id.keys()


def test_a_pack_is_not_made_of_faulty_rules(shipped: Path):
    write(shipped, odd=GOOD.replace("io-error", "bad"))
    with pytest.raises(RulesError):
        rules.write_pack(shipped.parent / "logscan")
    assert not rules.PACK.exists()


def test_the_shipped_rules_go_before_those_of_a_checkout(shipped: Path):
    write(shipped.parent / "logscan" / "_rules", only=GOOD.replace("id: odd", "id: only"))
    assert [rule.id for rule in rules.load().rules] == ["only"]


def test_reading_the_pack_imports_nothing_heavy(shipped: Path):
    """The start of every run pays for this."""
    rules.write_pack(shipped.parent / "logscan")
    code = (
        "import sys; from pathlib import Path; from logscan import rules\n"
        "rules._HERE = Path(sys.argv[1]); rules.PACK = rules._HERE / '_pack.json'\n"
        "assert len(rules.load().rules) == 2\n"
        "print([m for m in ('yaml', 'regex', 'jsonschema', 'difflib', 'logscan.rulebook.rulefile') if m in sys.modules])"
    )
    where = str(shipped.parent / "logscan")
    root = Path(rules.__file__).parents[1]
    run = subprocess.run([sys.executable, "-c", code, where], capture_output=True, text=True, cwd=root, check=True)
    assert run.stdout.strip() == "[]"


# ---------------------------------------------------------------- lint, explain, schema


def lint_of(text: str, shipped: Path) -> list[Fault]:
    return rules.lint([write(shipped.parents[1] / "mine", odd=text)], builtin=False)


# What is replaced in GOOD and what lint then doubts at which place.
DOUBTS = {
    "few matches": ('    - {name: two, log: "odd mount of /b"}\n', "", "13:3", "tests.match has fewer than 2"),
    "few near misses": (
        '    - {name: four, log: "even mount of /a"}\n', "", "13:3", "tests.no_match has fewer than 2",
    ),
    "no summary": ("summary: Look., ", "", "9:5", "no remedy with a summary"),
    "no command": (', commands: ["showmount -e {server}"]', "", "9:5", "holds a command"),
    "the last cause has a when": (
        "    remedy:", "    when: {role: node}\n    remedy:", "9:5", "last cause has a condition",
    ),
    "a short literal": ('"odd mount of "', "odd m", "6:14", "fewer than 6"),
    "a literal that never occurs": ('"odd mount of "', '"even mounts"', "6:14", "neither in the fixed text"),
    "a pattern that backtracks": ("/\\S+)'", "(?:/\\w*)+)x'", "7:14", "backtrack"),
    "a rule that explains itself": ("title:", "explains: [odd]\ntitle:", "2:11", "explains itself"),
}  # fmt: skip


@pytest.mark.parametrize("name", DOUBTS)
def test_lint_doubts_what_loads(name: str, shipped: Path):
    old, new, place, problem = DOUBTS[name]
    assert old in GOOD
    found = lint_of(GOOD.replace(old, new, 1), shipped)
    assert [(fault.level, fault.place.split("odd.yaml:")[1]) for fault in found] == [("warning", place)]
    assert problem in found[0].problem
    assert found[0].help


def test_lint_finds_nothing_in_a_good_rule_and_errors_in_a_bad_one(shipped: Path):
    assert lint_of(GOOD, shipped) == []
    assert rules.lint() == []
    [fault] = lint_of(GOOD.replace("io-error", "bad"), shipped)
    assert fault.level == "error"
    assert str(fault.error()).startswith(fault.place)


def test_lint_finds_rules_that_share_a_signature_or_explain_each_other(shipped: Path):
    write(shipped, odd=GOOD.replace("id: odd", "id: odd\nexplains: [base]"))
    same = GOOD.replace("id: odd", "id: base\nexplains: [odd]")
    write(shipped, base=same)

    problems = [fault.problem for fault in rules.lint()]

    assert problems.count("the rule explains itself, through what it explains") == 2
    assert problems.count("the rule base has the same signature") == 1


def test_the_page_of_a_rule_says_all_of_it():
    page = rules.explain(rules.parse(EVERYTHING, "rules/everything.yaml"))

    for part in (
        "All that a rule can say", "everything", "warning", ">=4.1.0", "v4.2.0", "the rule odd hits",
        "capture.path is under /tmp", 'call.method is "CreateVolume" or "DeleteVolume"', "not (",
        "it happens at least 3 times within 10m", "odd follows within 90s", "the call never ends",
        "volume.rules includes", "showmount -e {server}", "kind: StorageClass", "exports(5)",
        "matches         one", "does not match  none", "no-space, confidence low",
    ):  # fmt: skip
        assert part in " ".join(page.split("\n")) or part in " ".join(page.split()), part
    assert not [line for line in page.splitlines() if line != line.rstrip()]


def test_the_schema_accepts_what_loads_and_refuses_what_does_not():
    schema = rules.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)

    for text in (GOOD, EVERYTHING, "disable: [odd]"):
        assert not list(validator.iter_errors(yaml.safe_load(text)))
    for name in ("an unknown key", "an unknown category", "no tests", "a short literal", "an empty list"):
        old, new, *_ = FAULTS[name]
        assert list(validator.iter_errors(yaml.safe_load(GOOD.replace(old, new, 1)))), name
    for name in ("an unknown field", "an unknown operator", "two operators", "nothing", "a count compared"):
        text = GOOD.replace("title:", f"when: {WHEN_FAULTS[name][0]}\ntitle:", 1)
        assert list(validator.iter_errors(yaml.safe_load(text))), name


def test_every_word_has_a_meaning():
    for table in (rules.CATEGORIES, rules.TEMPLATE_NAMES):
        assert all(meaning and meaning == meaning.strip() for meaning in table.values())
    assert all(info.meaning for info in rules.FIELDS.values())
    assert len(rules.CATEGORIES) == 57
