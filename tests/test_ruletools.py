"""The tools of who writes rules: coverage, why-not, draft, and the formats of rules test."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from logscan import cli, match, rules, sources
from logscan.errors import LogscanError, SourceError
from logscan.rulebook import coverage, ruledraft, ruletests, whynot
from logscan.rulebook.rulelint import tokens

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"
HEAD = "E0720 09:53:52.387108       1 utils.go:114] GRPC error: rpc error: code = Internal desc = "
PV = "pvc-ca0ab165-9aa5-42a4-ae15-f4fd036142d2"
BUILTIN = rules.load()

RULE = """\
id: quota-refused
title: The quota service refuses the volume
severity: error
components: [nfs]
match:
  - literal: 'quota service refused '
    pattern: 'quota service refused (?P<volume>pvc-\\S+): (?P<why>limit|(?:out )?of budget) (?P<number>\\d+)'
%scauses:
  - category: no-space
    cause: 'the limit {number} is reached'
tests:
  match:
    - name: one
      log: 'quota service refused pvc-1: limit 20'
  no_match:
    - name: other
      log: 'quota service is slow'
"""


def with_rule(when: str = "") -> rules.RuleSet:
    text = RULE % (f"when: {when}\n" if when else "")
    return rules.RuleSet((*BUILTIN.rules, rules.parse(text, "quota-refused.yaml")))


def source(text: str) -> sources.Source:
    return sources.Source(name="a.log", mtime=None, chunks=iter([text.encode()]))


def why(rule_id: str, log: str, ruleset: rules.RuleSet | None = None) -> str:
    chosen = ruleset or with_rule()
    said, errors = whynot.answer(chosen.by_id[rule_id], chosen, [source(log)])
    assert not errors
    return "\n".join(said)


# ---------------------------------------------------------------- coverage


@pytest.fixture(scope="module")
def measured() -> coverage.Coverage:
    return coverage.measure(BUILTIN)


def test_every_error_since_v4_has_a_rule_or_a_reason(measured):
    assert [coverage._line(one) for one in measured.gaps] == []
    assert measured.stale == ()
    assert measured.versions[0] == "v4.0.0"
    assert measured.count("rule") >= 150
    assert sum(measured.count(state) for state in coverage.STATES) == len(measured.messages)


def test_each_release_is_counted_by_itself(measured):
    alone = coverage.measure(BUILTIN, "v4.1.0")

    assert alone.versions == ("v4.1.0",)
    assert len(alone.messages) == sum(measured.count(state, "v4.1.0") for state in coverage.STATES)
    assert not alone.gaps
    assert all(coverage._within(one.message, "v4.1.0", "v4.1.0") for one in alone.messages)


def test_what_carries_an_error_is_no_cover_of_it(measured):
    """An error whose text no rule knows is covered by its envelope only, and that is told."""
    by_template = {one.message.template: one for one in measured.messages}

    assert by_template["path contains directory traversal sequence"].own
    assert not by_template["reading link {srcSubPath}: {err}"].own
    assert by_template["reading link {srcSubPath}: {err}"].rules == ("snap-tar",)


def test_a_message_without_rule_and_reason_is_a_gap(tmp_path, monkeypatch, capsys):
    facts = json.loads(coverage.MESSAGES.read_text(encoding="utf-8"))
    facts["messages"].append(
        {"n": 9000, "file": "odd.go", "kind": "log", "severity": "W", "template": "the {x} is odd", "first": "v4.0.0",
         "last": "master"}
    )  # fmt: skip
    changed = tmp_path / "messages.json"
    changed.write_text(json.dumps(facts), encoding="utf-8")
    monkeypatch.setattr(coverage, "MESSAGES", changed)

    assert cli.run(["rules", "coverage"]) == 1
    assert 'W odd.go: "the {x} is odd" (v4.0.0 to master)' in capsys.readouterr().out


def test_a_reason_that_nothing_needs_is_told(tmp_path, monkeypatch):
    notes = json.loads(coverage.NOTES.read_text(encoding="utf-8"))
    notes["reasons"].append({"reason": "was never true", "templates": ["nodeid is empty"]})
    changed = tmp_path / "coverage.json"
    changed.write_text(json.dumps(notes), encoding="utf-8")
    monkeypatch.setattr(coverage, "NOTES", changed)

    assert coverage.measure(BUILTIN).stale == ("nodeid is empty",)


def test_coverage_is_told_as_json_and_of_one_release(capsys):
    assert cli.run(["rules", "coverage", "--format", "json", "--version", "v4.9.0"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "logscan.rules-coverage/v1"
    assert [one["version"] for one in told["versions"]] == ["v4.9.0"]
    assert told["total"]["none"] == 0
    assert {one["state"] for one in told["messages"]} == {"rule", "reason"}
    assert all(one["rules"] or one["reason"] for one in told["messages"])

    assert cli.run(["rules", "coverage", "--version", "v9.9.9"]) == 2
    assert "there is no such release" in capsys.readouterr().err


def test_the_list_of_messages_is_sound():
    catalogue = coverage._load()

    for message in catalogue.messages.values():
        assert message.kind in {"log", "status", "error", "stderr", "format"}
        assert {message.first, message.last} <= set(catalogue.versions)
        assert set(message.within) <= set(catalogue.messages)
        assert message.kind != "status" or message.code


# ---------------------------------------------------------------- why-not


def test_it_fired():
    text = why("quota-refused", f"{HEAD}quota service refused {PV}: limit 20\n")
    assert text.splitlines() == ["quota-refused did fire.", "It is the diagnosis no-space (error), by a.log:1."]


def test_a_benign_rule_fired():
    text = why("nodeid-empty", "W0720 09:53:52.300217       1 main.go:43] nodeid is empty\n")
    assert text.splitlines()[:2] == [
        "nodeid-empty did fire.",
        "It is of severity info: 1 records are counted as benign.",
    ]


def test_the_literal_is_nowhere():
    text = why("quota-refused", f"{HEAD}the quota of the service is used up\nI0720 09:53:52.387108       1 a.go:1] x\n")
    assert "none of its literals is in any of the 2 records" in text
    assert "  quota service refused \n" in text
    assert "a.log:1, quota, service:" in text


def test_nothing_is_near_and_nothing_is_there():
    assert "No record shares a word" in why("quota-refused", "I0720 09:53:52.387108       1 a.go:1] x\n")
    assert why("quota-refused", "") == "The log holds no record at all."


@pytest.mark.parametrize(
    ("message", "matched", "wanted", "after"),
    [
        ("quota service refused pvc-1: limit of 20", "quota service refused pvc-1: limit ", r"(?P<number>\d+)", "of 20"),
        ("quota service refused pvc-1: no more", "quota service refused pvc-1: ", r"(?P<why>limit", "no more"),
        ("quota service refused all", "quota service refused ", r"\S+): (?P<why>", "all"),
    ],
)  # fmt: skip
def test_where_the_pattern_stops(message, matched, wanted, after):
    lines = why("quota-refused", f"{HEAD}{message}\n").splitlines()

    assert "1 record holds a literal of it, and the pattern matches none" in lines[0]
    assert lines[lines.index("The pattern matches as far as") + 1] == f"  {matched}"
    assert wanted in lines[lines.index("then it wants") + 1]
    assert lines[lines.index("but the log goes on with") + 1] == f"  {after}"


def test_what_matches_instead_is_named():
    text = why(
        "create-mkdir-eacces", f"{HEAD}failed to make subdirectory: mkdir /tmp/{PV}/{PV}: read-only file system\n"
    )
    assert text.endswith("What these records match instead: create-mkdir-rofs.")


@pytest.mark.parametrize(
    ("when", "seen"),
    [
        ("{mount.version: '3'}", 'mount.version is not known, wanted: mount.version is "3"'),
        ("{call.code: Aborted}", 'call.code is Internal, wanted: call.code is "Aborted"'),
        ("{not: {capture.number: '20'}}", 'capture.number is 20, wanted: not (capture.number is "20")'),
        ("{finding.count: {at_least: 3}}", "it happened 1 time, wanted: it happens at least 3 times"),
        ("{finding: {followed_by: lease-lost}}", "it does not follow, wanted: lease-lost follows"),
        ("{call: {no_completion: true}}", "the call ended, wanted: the call never ends"),
        ("[{call.code: Aborted}, {mount.version: '3'}]", 'or mount.version is not known, wanted: mount.version is "3"'),
    ],
)
def test_the_part_of_a_condition_that_is_false(when, seen):
    text = why("quota-refused", f"{HEAD}quota service refused {PV}: limit 20\n", with_rule(when))
    assert "its signature was met, but its condition is false" in text
    assert f"  {seen}" in text


def test_the_version_that_was_seen():
    log = (SAMPLES / "statd-missing.log").read_text(encoding="utf-8")
    when = "{mount.version: '4.2'}"
    text = rules.parse(
        (RULE % f"when: {when}\n").replace("'quota service refused '\n", "'rpc.statd is not running'\n").replace(
            "    pattern: 'quota service refused (?P<volume>pvc-\\S+): (?P<why>limit|(?:out )?of budget) (?P<number>\\d+)'\n",
            "",
        ).replace("{number}", "now"),
        "quota-refused.yaml",
    )  # fmt: skip
    ruleset = rules.RuleSet((*BUILTIN.rules, text))
    assert 'mount.version is 3, wanted: mount.version is "4.2"' in why("quota-refused", log, ruleset)


def test_the_rule_that_won_is_named():
    log = (
        f"{HEAD}failed to mount nfs server: rpc error: code = Internal desc = mount failed: exit status 32\n"
        "Mounting command: mount\nMounting arguments: -t nfs 10.0.0.5:/srv /tmp/x\n"
        "Output: mount.nfs: access denied by server while mounting 10.0.0.5:/srv\n"
    )
    text = why("create-mount-failed", log)
    assert "another rule says more" in text
    assert "The rule mount-access-denied" in text
    assert "explains it." in text


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.log")), ids=lambda path: path.stem)
def test_every_rule_has_an_answer_for_every_sample(path):
    for rule_id in ("create-mkdir-rofs", "mount-statd", "provisioning-failed", "expand-unimplemented"):
        text = why(rule_id, path.read_text(encoding="utf-8", errors="replace"), BUILTIN)
        assert text.startswith(f"{rule_id} did ")


def test_where_any_built_in_pattern_stops():
    for signature in (one for rule in BUILTIN.rules for one in rule.match if one.pattern):
        assert "".join(text for _, text in tokens(signature.pattern)) == signature.pattern
        for branch in whynot._branches(signature.pattern):
            stop = whynot._stop(branch, f"so: {signature.literal} and no more")
            assert stop.done + stop.rest == branch
            assert 0 <= stop.weight <= 1


def test_why_not_on_the_command_line(capsys, tmp_path):
    log = tmp_path / "a.log"
    log.write_text(f"{HEAD}\x1b[31mfailed to make subdirectory: mkdir /a: what\n", encoding="utf-8")

    assert cli.run(["rules", "why-not", "create-mkdir-rofs", str(log), "--width", "60"]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert all(len(line) <= 60 for line in out.splitlines())

    assert cli.run(["rules", "why-not", "create-mkdir-rof", str(log)]) == 2
    assert cli.run(["rules", "why-not", "create-mkdir-rofs", str(tmp_path / "none.log")]) == 3
    assert "none.log" in capsys.readouterr().err


# ---------------------------------------------------------------- draft


UNKNOWN = f"""\
I0720 09:53:52.201408       1 utils.go:109] GRPC call: /csi.v1.Controller/CreateVolume
{HEAD}quota service at 10.0.0.9:8080 refused {PV} in /srv/nfs/a: limit 20 "x" {{y}} reached
{HEAD}quota service at 10.0.0.8:8080 refused pvc-5f0c7a3e-6b1d-4f2a-8c9e-d0b1a2c3e4f5 in /srv/b: limit 7 "x" {{y}} reached
{HEAD}quota service at 10.0.0.8:8080 refused pvc-5f0c7a3e-6b1d-4f2a-8c9e-d0b1a2c3e4f5 in /srv/b: limit 8 "x" {{y}} reached
W0720 09:53:54.387108       1 quota.go:11] quota service is slow: 30s
W0720 09:53:54.387108       1 odd.go:11] 17 @ 4s
"""


def drafted(log: str, number: int, rule_id: str | None = None) -> ruledraft.Draft:
    made, errors = ruledraft.draft(number, BUILTIN, [source(log)], rule_id=rule_id)
    assert not errors
    return made


def check(made: ruledraft.Draft, tmp_path: Path) -> rules.RuleSet:
    (tmp_path / f"{made.id}.yaml").write_text(made.text, encoding="utf-8")
    assert [fault for fault in rules.lint([tmp_path], builtin=False) if fault.level == "error"] == []
    loaded = rules.load([tmp_path], tests=True)
    outcomes = ruletests.run([loaded.by_id[made.id]], loaded)
    assert ruletests.failed(outcomes) == []
    return loaded


def test_a_draft_loads_and_its_tests_are_of_the_log(tmp_path):
    made = drafted(UNKNOWN, 1)
    rule = check(made, tmp_path).by_id[made.id]

    assert made.remarks == ()
    assert [test.log for test in rule.must_match] == [f"{line}\n" for line in UNKNOWN.splitlines()[1:3]]
    assert rule.must_not_match[0].log == UNKNOWN.splitlines()[4] + "\n"
    (finding,) = match.Engine([rule]).match(_record(UNKNOWN.splitlines()[2]))
    assert finding.captures == {
        "address": "10.0.0.8:8080", "volume": "pvc-5f0c7a3e-6b1d-4f2a-8c9e-d0b1a2c3e4f5", "path": "/srv/b",
    }  # fmt: skip


def _record(line: str):
    from logscan import frames, klog

    deframer = frames.Deframer("a", reference=coverage._REFERENCE, zone=0)
    parser = klog.Parser(reference=coverage._REFERENCE)
    records = [record for one in deframer.feed(1, 0, line.encode()) for record in parser.feed(one)]
    return [*records, *parser.close()][0]


def test_a_draft_of_one_example_says_so(tmp_path):
    log = "W0720 09:53:54.387108       1 quota.go:11] quota service is slow: 30s\n"
    made = drafted(log, 1, "slow-quota")

    assert made.id == "slow-quota"
    assert len(made.remarks) == 2
    loaded = check(made, tmp_path)
    assert loaded.by_id["slow-quota"].severity.name == "WARNING"
    assert len(loaded.by_id["slow-quota"].must_not_match) == 2


@pytest.mark.parametrize(
    "message",
    [
        "it is 'quoted' and \"quoted\": with {braces} # and: colons",
        "a [class] of (groups) | and ^$ *?+ \\ back",
        "unprintable \x07 and \u202e and 日本語 text here",
        "first of several lines\n\n  indented second\n\tand a third one",
        "volume at the end of it /srv/nfs/a",
        "the end of time 2026-07-20T09:53:52Z hex 0x1f00 id 0123456789abcdef0 here",
    ],
)
def test_whatever_a_log_holds_makes_a_valid_draft(message, tmp_path):
    log = f"E0720 09:53:52.387108       1 odd.go:7] {message}\nI0720 09:53:53.387108       1 odd.go:8] fine\n"
    made = drafted(log, 1, "odd-one")

    rule = check(made, tmp_path).by_id["odd-one"]
    assert message.split("\n")[0].split("\x07")[0] in rule.must_match[0].log


def test_drafts_that_cannot_be(capsys, tmp_path):
    with pytest.raises(LogscanError, match="clusters that no rule knows"):
        drafted(UNKNOWN, 9)
    with pytest.raises(LogscanError, match="nothing that no rule knows"):
        drafted("I0720 09:53:53.387108       1 odd.go:8] fine\n", 1)
    with pytest.raises(LogscanError, match="a rule has this id"):
        drafted(UNKNOWN, 1, "mount-statd")
    with pytest.raises(LogscanError, match="too little fixed text"):
        drafted("W0720 09:53:54.387108       1 odd.go:11] 17 @ 4s\n", 1)
    log = tmp_path / "a.log"
    log.write_text(UNKNOWN, encoding="utf-8")
    assert cli.run(["rules", "draft", str(log), "--cluster", "1", "--id", "Not An Id"]) == 2
    assert cli.run(["rules", "draft", str(log), "--cluster", "1", "-o", str(tmp_path / "no" / "x.yaml")]) == 2
    capsys.readouterr()
    assert cli.run(["rules", "draft", str(log), "--cluster", "1"]) == 0
    assert capsys.readouterr().out == drafted(UNKNOWN, 1).text


def test_what_cannot_be_read_is_told_of():
    error = SourceError("b.log", "no such file or directory")
    _, errors = ruledraft.draft(1, BUILTIN, [source(UNKNOWN), error])
    assert errors == (error,)


# ---------------------------------------------------------------- rules test


@pytest.fixture
def failing(tmp_path) -> Path:
    directory = tmp_path / "mine"
    directory.mkdir()
    text = (RULE % "").replace("'quota service is slow'", '"quota service refused pvc-1: limit 20 \\x01\\uFFFE <&\\""')
    text = text.replace("name: other", 'name: "odd \\x1b <&\\" name"')
    (directory / "quota-refused.yaml").write_text(text, encoding="utf-8")
    return directory


def test_junit_has_a_case_for_each_test(failing, tmp_path):
    file = tmp_path / "out.xml"
    arguments = [
        "rules",
        "test",
        "quota-refused",
        "nodeid-empty",
        "--rules",
        str(failing),
        "-f",
        "junit",
        "-o",
        str(file),
    ]
    assert cli.run(arguments) == 1

    root = ET.fromstring(file.read_text(encoding="utf-8"))
    cases = root.findall("./testsuite/testcase")
    loaded = rules.load([failing], tests=True)
    count = sum(
        len(rule.must_match) + len(rule.must_not_match)
        for rule in (loaded.by_id["quota-refused"], loaded.by_id["nodeid-empty"])
    )
    assert len(cases) == count == int(root.attrib["tests"])
    assert [case.attrib["name"] for case in cases if case.find("failure") is not None] == [
        'no_match: odd \\x1b <&" name'
    ]
    assert root.attrib["failures"] == "1"


def test_json_tells_the_same(failing, capsys):
    assert cli.run(["rules", "test", "quota-refused", "--rules", str(failing), "--format", "json"]) == 1

    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["passed"], told["failed"]) == ("logscan.rules-test/v1", 1, 1)
    (rule,) = told["rules"]
    assert [(one["kind"], one["passed"]) for one in rule["tests"]] == [("match", True), ("no_match", False)]
    assert rule["tests"][1]["reason"] == "it matched"


def test_a_rule_without_tests_fails():
    (rule,) = (one for one in BUILTIN.rules if one.id == "nodeid-empty")
    from dataclasses import replace

    bare = replace(rule, must_match=(), must_not_match=())
    (outcome,) = ruletests.run([bare], BUILTIN)
    assert outcome.reason == "the rule has no tests"


def test_the_page_goes_to_a_file(tmp_path, capsys):
    assert cli.run(["rules", "doc", "-o", str(tmp_path / "rules.md")]) == 0
    assert cli.run(["rules", "doc"]) == 0
    assert capsys.readouterr().out == (tmp_path / "rules.md").read_text(encoding="utf-8")
