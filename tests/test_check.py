"""``logscan check``: what is ignored, known, expected and forbidden, and what the status and the reports make of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logscan import cli, gate, ignores
from logscan.errors import FaultsError, LogscanError
from logscan.model import Benign, InputSummary, Report, Severity
from logscan.report import json_reader
from logscan.report.identity import fingerprints

SAMPLES = Path(__file__).parent.parent / "samples"
TODAY = date(2026, 7, 20)
READ_ONLY, DENIED = "create-mkdir-rofs", "mount-access-denied"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("readonly-share.log", "server-refused.log", "healthy-controller.log", "two-causes.log"):
        Path(name).write_bytes((SAMPLES / name).read_bytes())


def check(capsys, *arguments: str) -> tuple[int, dict, str]:
    """The status, the JSON report and what went to standard error."""
    status = cli.run(["check", "--format", "json", *arguments])
    out, err = capsys.readouterr()
    return status, json.loads(out) if out else {}, err


def whole(full: Report) -> Report:
    """The full report, without what would fail it for other reasons."""
    return replace(full, errors=(), interrupted=False, suppressed=(), check=None)


# ---------------------------------------------------------------- the ignore file


def entry(id_: str = READ_ONLY, match: dict[str, str] | None = None, until: date | None = None) -> ignores.Ignore:
    return ignores.Ignore(id_, "known trouble", "i.yaml:1:3", match or {}, until)


def test_an_ignore_file_says_what_why_and_until_when():
    text = (
        "# ours\n- id: statd-missing\n  reason: nfs3 goes\n  until: 2027-01-31\n"
        "- {id: dns, match: {server: 'nfs-*', text: no such host}, reason: ' flaky resolver '}\n"
        "- {id: dns, match: lookup, reason: x}\n"
    )
    first, second, third = ignores.parse(text, "i.yaml")

    assert first == ignores.Ignore("statd-missing", "nfs3 goes", "i.yaml:2:3", {}, date(2027, 1, 31))
    assert (second.place, second.match) == ("i.yaml:5:3", {"server": "nfs-*", "text": "no such host"})
    assert second.reason == "flaky resolver"
    assert third.match == {"text": "lookup"}


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing yet\n  # at all\n", "[]"])
def test_an_ignore_file_may_be_empty(text):
    assert ignores.parse(text, "i.yaml") == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id: dns\n", ["i.yaml:1:1: the file must be a list of entries"]),
        ("- dns\n", ["i.yaml:1:3: an entry must be a mapping"]),
        ("- id: dns\n", ['i.yaml:1:3: the entry has no "reason"']),
        ("- reason: x\n  id:\n", ["i.yaml:2:6: id must be a text"]),
        ("- {id: dns, reason: ' '}\n", ["i.yaml:1:21: reason must be a text"]),
        ("- {id: dns, reason: x, id: dns}\n", ['i.yaml:1:24: "id" stands twice in an entry']),
        ("- {id: dns, reson: x}\n", ['unknown key "reson"', 'did you mean "reason"?', 'no "reason"']),
        ("- {id: dns, reason: x, until: 31.1.2027}\n", ['until cannot be "31.1.2027"']),
        ("- {id: dns, reason: x, until: 2027-02-30}\n", ['until cannot be "2027-02-30"']),
        ("- {id: dns, reason: x, until: 20270131}\n", ['until cannot be "20270131"']),
        ("- {id: dns, reason: x, match: {sever: a}}\n", ['unknown key "sever" in match', 'did you mean "server"?']),
        ("- {id: dns, reason: x, match: [a]}\n", ["i.yaml:1:31: match must be a mapping"]),
        ("- !!python/object/apply:os.system [id]\n", ["tags are not read"]),
        ("- {id: dns\n", ["this is no YAML"]),
        ("- id: dns\n  reason: x\n---\n- id: a\n", ["a second document begins"]),
    ],
)
def test_each_fault_of_an_ignore_file_has_its_place_and_help(text, says):
    with pytest.raises(LogscanError) as caught:
        ignores.parse(text, "i.yaml")
    told = str(caught.value)
    assert all(part in told for part in says), told
    assert "help: " in told
    assert "rules schema" not in told


def test_all_faults_of_an_ignore_file_are_told_at_once(capsys):
    Path("i.yaml").write_text("- {id: dns}\n- {reason: x}\n- 3\n")

    assert check(capsys, "healthy-controller.log", "--ignore-file", "i.yaml")[0] == 2
    with pytest.raises(FaultsError) as caught:
        ignores.parse(Path("i.yaml").read_text(), "i.yaml")
    assert len(caught.value.faults) == 3


@given(st.text(max_size=60))
def test_no_ignore_file_is_an_internal_error(text):
    try:
        entries = ignores.parse(text, "i.yaml")
    except LogscanError as error:
        assert str(error).startswith("i.yaml:")  # noqa: PT017 - either is right
    else:
        assert all(one.id and one.reason for one in entries)


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ({}, True),
        ({"category": "wrong-share-path"}, True),
        ({"category": "wrong"}, False),
        ({"server": "192.168.59.*", "share": "/"}, True),
        ({"server": "192.168.59.*", "share": "/x"}, False),
        ({"claim": "default/data-*"}, True),
        ({"namespace": "prod"}, False),
        ({"node": "*"}, False),  # the log names none
        ({"text": "read-only file system"}, True),
        ({"text": "192.168.59.102:/"}, True),
        ({"text": "access denied"}, False),
    ],
)
def test_an_entry_holds_where_all_of_its_match_fits(full, match, holds):
    assert entry(match=match).holds(full.diagnoses[0]) is holds
    assert not entry(id_="other", match=match).holds(full.diagnoses[0])


def test_an_entry_for_some_volumes_holds_for_no_diagnosis_of_others_too(full):
    denied = full.diagnoses[1]
    assert len({volume.pvc for volume in denied.volumes}) == 43
    assert not entry(DENIED, {"claim": "prod/data-1*"}).holds(denied)
    assert entry(DENIED, {"claim": "prod/data-*"}).holds(denied)


@given(st.integers(-400, 400))
def test_an_entry_counts_to_the_end_of_its_last_day(full, days):
    report, warnings = gate.ignore(whole(full), [entry(until=TODAY + timedelta(days))], TODAY)

    assert [one.id for one in report.diagnoses] == ([DENIED] if days >= 0 else [READ_ONLY, DENIED])
    assert len(report.suppressed) == (days >= 0)
    assert bool(warnings) == (days < 0)


def test_what_is_ignored_is_told_with_its_reason_and_alters_the_verdict(full):
    entries = [
        entry(until=TODAY),
        replace(entry(DENIED), place="i.yaml:2:3"),
        replace(entry("dns"), place="i.yaml:3:3"),
    ]
    report, warnings = gate.ignore(whole(full), entries[:1], TODAY)
    assert (report.verdict, len(report.diagnoses), warnings) == ("warning", 1, [])

    report, warnings = gate.ignore(whole(full), entries, TODAY)
    assert report.verdict == "healthy"
    assert warnings == ["i.yaml:3:3: nothing needs the entry for dns"]
    assert report.suppressed == (
        {
            "id": READ_ONLY, "category": "wrong-share-path", "reason": "ignored until 2026-07-20: known trouble",
            "kind": "ignore", "place": "i.yaml:1:3", "until": "2026-07-20",
        },
        {
            "id": DENIED, "category": "client-not-allowed", "reason": "ignored: known trouble",
            "kind": "ignore", "place": "i.yaml:2:3",
        },
    )  # fmt: skip


def test_an_entry_that_is_over_does_not_hide_one_that_holds(full):
    over, holds = entry(until=TODAY - timedelta(1)), replace(entry(), place="i.yaml:2:3")
    report, warnings = gate.ignore(whole(full), [over, holds], TODAY)

    assert READ_ONLY not in {one.id for one in report.diagnoses}
    assert warnings == ["i.yaml:1:3: nothing needs the entry for create-mkdir-rofs"]


def test_the_ignore_file_of_the_nearest_parent_is_read(capsys, monkeypatch):
    Path(".logscan-ignore.yaml").write_text(f"- {{id: {READ_ONLY}, reason: known}}\n")
    Path("a/b").mkdir(parents=True)
    monkeypatch.chdir("a/b")
    log = "../../readonly-share.log"

    status, report, _ = check(capsys, log)
    assert status == 0
    assert report["suppressed"][0]["place"] == "../../.logscan-ignore.yaml:1:3"
    assert check(capsys, log, "--no-ignore")[0] == 1
    Path(".logscan-ignore.yaml").write_text("- {id: dns, reason: another}\n")
    status, _, err = check(capsys, log)
    assert status == 1
    assert "logscan: warning: .logscan-ignore.yaml:1:3: nothing needs the entry for dns\n" in err


def test_an_entry_that_is_over_is_told_and_counts_again(capsys):
    Path("i.yaml").write_text(f"- {{id: {READ_ONLY}, until: 2020-01-01, reason: then}}\n")

    status, report, err = check(capsys, "readonly-share.log", "--ignore-file", "i.yaml")
    assert (status, report["suppressed"]) == (1, [])
    assert "warning: i.yaml:1:3: the entry for create-mkdir-rofs ended on 2020-01-01" in err


def test_a_hostile_ignore_file_does_not_act_on_the_terminal(capsys):
    Path("i.yaml").write_text(
        f'- {{id: {READ_ONLY}, reason: "\\e[31m::error::\\u202e"}}\n- {{id: "\\e]0;x\\a", reason: x}}\n'
    )

    assert cli.run(["check", "readonly-share.log", "--ignore-file", "i.yaml"]) == 0
    out, err = capsys.readouterr()
    assert not {"\x1b", "\a", "\u202e"} & set(out + err)
    assert "nothing needs the entry for \\x1b]0;x\\x07" in err


# ---------------------------------------------------------------- the baseline


def test_only_what_is_new_fails_against_a_baseline(capsys):
    assert check(capsys, "readonly-share.log", "--write-baseline", "base.json")[0] == 1
    baseline = Path("base.json").read_bytes()
    assert [one.id for one in json_reader.read(baseline, "base.json").diagnoses] == [READ_ONLY]

    gated = ("--baseline", "base.json", "--fail-on", "new")
    status, report, _ = check(capsys, "readonly-share.log", *gated)
    assert (status, [one["baseline"] for one in report["diagnoses"]]) == (0, ["known"])
    status, report, err = check(capsys, "readonly-share.log", "server-refused.log", *gated)
    assert status == 1
    assert {one["id"]: one["baseline"] for one in report["diagnoses"]}[READ_ONLY] == "known"
    assert "check failed: --fail-on new: 1 new diagnosis of severity warning or worse: server-refused\n" in err
    assert check(capsys, "readonly-share.log", "--baseline", "base.json")[0] == 1  # --fail-on error asks not whether
    status, _, err = check(capsys, "healthy-controller.log", *gated)
    assert status == 0
    assert "logscan: 1 of the baseline did not appear\n" in err


def test_a_baseline_may_be_renewed_in_place_and_has_not_what_is_ignored(capsys):
    assert check(capsys, "two-causes.log", "--write-baseline", "base.json", "--fail-on", "never")[0] == 0
    first = json.loads(Path("base.json").read_bytes())["diagnoses"]
    assert len(first) > 1
    Path("i.yaml").write_text(f"- {{id: {first[0]['id']}, reason: known}}\n")
    arguments = ("--baseline", "base.json", "--write-baseline", "base.json", "--fail-on", "new", "--severity", "error")

    assert check(capsys, "two-causes.log", *arguments, "--ignore-file", "i.yaml")[0] == 0
    second = json.loads(Path("base.json").read_bytes())
    assert [one["id"] for one in second["diagnoses"]] == [one["id"] for one in first[1:]]
    assert {one["baseline"] for one in second["diagnoses"]} == {None}
    assert second["check"] is None
    # When the entry is gone, what it ignored is new.
    assert check(capsys, "two-causes.log", *arguments)[0] == 1


def test_a_baseline_of_half_the_input_is_not_written(capsys):
    status, report, err = check(capsys, "readonly-share.log", "missing.log", "--write-baseline", "base.json")

    assert status == 2
    assert report["diagnoses"]
    assert "base.json: the baseline is not written" in err
    assert not Path("base.json").exists()


def test_a_baseline_without_later_keys_can_be_read(capsys):
    check(capsys, "readonly-share.log", "--write-baseline", "base.json")
    value = json.loads(Path("base.json").read_bytes())
    del value["check"]
    for one in value["diagnoses"]:
        del one["baseline"]
    Path("base.json").write_text(json.dumps(value))

    assert check(capsys, "readonly-share.log", "--baseline", "base.json", "--fail-on", "new")[0] == 0


def test_known_is_what_the_baseline_has(full):
    report, gone = gate.compare(whole(full), replace(full, diagnoses=full.diagnoses[:1]))
    assert ([one.baseline for one in report.diagnoses], gone) == (["known", "new"], 0)
    report, gone = gate.compare(replace(full, diagnoses=()), full)
    assert gone == len(fingerprints(full.diagnoses)) == 2


@pytest.mark.parametrize("name", ["two-causes.log", "healthy-controller.log"])
def test_what_is_diagnosed_is_what_diagnose_says(capsys, name):
    _, checked, _ = check(capsys, name)
    assert cli.run([name, "--format", "json"]) == 0
    diagnosed = json.loads(capsys.readouterr().out)

    assert checked.pop("check")["requirements"]
    assert diagnosed.pop("check") is None
    assert checked == diagnosed


# ---------------------------------------------------------------- requirements


def judged(report: Report, **demands: object) -> dict[str, bool]:
    judgement = gate.judge(report, gate.Demands(**demands)).check
    assert judgement is not None
    assert judgement.passed == all(one.met for one in judgement.requirements)
    return {one.wanted: one.met for one in judgement.requirements}


@given(
    st.sampled_from(["error", "warning", "info", "never"]),
    st.lists(st.sampled_from([Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.FATAL]), max_size=4),
)
def test_it_fails_at_the_severity_and_above(full, fail_on, severities):
    some = tuple(replace(full.diagnoses[0], severity=one) for one in severities)
    met = judged(replace(whole(full), diagnoses=some), fail_on=fail_on)

    assert all(met.values()) == (fail_on == "never" or all(one < Severity[fail_on.upper()] for one in severities))


def test_what_is_expected_does_not_fail_and_must_appear(full):
    report = whole(full)
    assert judged(report, expect=(READ_ONLY,)) == {"--fail-on error": True, f"--expect {READ_ONLY}": True}
    assert judged(report, expect=("dns",)) == {"--fail-on error": False, "--expect dns": False}
    # Symptoms that are folded, and what is harmless, have appeared too.
    assert judged(report, fail_on="never", expect=("provisioning-failed", "lease-conflict")) == {
        "--expect provisioning-failed": True, "--expect lease-conflict": True,
    }  # fmt: skip


@pytest.mark.parametrize(("most", "met"), [(0, False), (111, False), (112, True), (113, True)])
def test_a_rule_may_appear_so_often(full, most, met):
    report = replace(whole(full), diagnoses=(replace(full.diagnoses[1], severity=Severity.ERROR),))

    assert judged(report, most={DENIED: most}) == {"--fail-on error": met, f"--max {DENIED}={most}": met}


def test_what_is_forbidden_fails_whatever_its_severity(full):
    report = replace(whole(full), benign=(Benign("noise", "Noise", 3),))

    assert judged(report, fail_on="never", forbid=("noise", "dns")) == {"--forbid noise": False, "--forbid dns": True}


def test_an_ignored_rule_has_appeared_and_is_not_forbidden(capsys):
    Path("i.yaml").write_text(f"- {{id: {READ_ONLY}, reason: known}}\n")
    arguments = ("readonly-share.log", "--ignore-file", "i.yaml")

    assert check(capsys, *arguments, "--expect", READ_ONLY)[0] == 0
    assert check(capsys, *arguments, "--forbid", READ_ONLY)[0] == 0


@pytest.mark.parametrize(("unparsed", "met"), [(0, True), (5, True), (6, False), (100, False)])
def test_so_much_of_the_lines_must_be_known(unparsed, met):
    logs = (InputSummary("a", ("cri",), lines=60, records=60), InputSummary("exports", ("exports",), lines=900))
    odd = InputSummary("b", lines=40, records=40, unparsed_lines=min(unparsed, 40))
    report = Report("0.1.0", "healthy", (*logs, replace(odd, unparsed_lines=unparsed)))

    assert judged(report, fail_on="never", min_parsed=95.0) == {"--min-parsed 95": met}


def test_a_check_that_lacks_inputs_has_not_passed(full):
    assert judged(replace(whole(full), diagnoses=(), errors=("a.log: no such file",)))["all inputs"] is False
    assert judged(replace(whole(full), diagnoses=(), interrupted=True))["all inputs"] is False


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--expect", "create-mkdir-rof"], "--expect create-mkdir-rof: there is no such rule\n  help: "),
        (["--forbid", "x"], "--forbid x: there is no such rule"),
        (["--max", "dns"], "--max dns: is not ID=N"),
        (["--max", "create-mkdir-rofs=-1"], "is not ID=N"),
        (["--max", "nothing=1"], "there is no such rule"),
        (["--expect", READ_ONLY, "--forbid", READ_ONLY], "expected and forbidden"),
        (["--expect", READ_ONLY, "--max", f"{READ_ONLY}=0"], "expected and forbidden"),
        (["--fail-on", "new"], "--fail-on new needs a --baseline"),
        (["--baseline", "missing.json"], "missing.json: no such file or directory"),
        (["--baseline", "readonly-share.log"], "readonly-share.log:1:1: is no JSON"),
        (["--ignore-file", "missing.yaml"], "missing.yaml: no such file or directory"),
        (["--min-parsed", "101"], "--min-parsed"),
        (["--write-baseline", "readonly-share.log"], "it is an input too"),
        (["--write-baseline", "x/base.json"], "its directory does not exist"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_anything_is_read(capsys, arguments, says):
    status, report, err = check(capsys, "readonly-share.log", *arguments)

    assert (status, report) == (2, {})
    assert says in err


def test_exit_zero_tells_and_passes(capsys):
    status, report, err = check(capsys, "readonly-share.log", "--exit-zero")

    assert (status, report["check"]["passed"]) == (0, False)
    assert "logscan: check failed: --fail-on error: 1 diagnosis of severity error: wrong-share-path\n" in err
    assert check(capsys, "missing.log", "--exit-zero")[0] == 3


def test_what_is_shown_and_what_fails_are_two_things(capsys):
    status, report, _ = check(capsys, "recovered.log", "--fail-on", "info", "--severity", "error")
    assert status == 3
    Path("recovered.log").write_bytes((SAMPLES / "recovered.log").read_bytes())
    status, report, _ = check(capsys, "recovered.log", "--fail-on", "info", "--severity", "error")

    assert (status, report["diagnoses"]) == (1, [])
    assert {one["kind"] for one in report["suppressed"]} == {"severity"}


def test_empty_is_not_healthy(capsys):
    Path("empty.log").touch()
    Path("blank.log").write_text("\n\n")
    Path("odd.log").write_text("hello\nworld\n")
    Path("logs").mkdir()
    Path("logs/a.log").write_bytes(Path("healthy-controller.log").read_bytes())
    Path("logs/rotated.log").touch()

    status, report, err = check(capsys, "healthy-controller.log", "empty.log")
    assert (status, report["errors"]) == (3, ["empty.log: is empty"])
    assert "logscan: error: empty.log: is empty\n  help: " in err
    assert check(capsys, "healthy-controller.log", "empty.log", "--allow-empty")[0] == 0
    assert check(capsys, "blank.log")[0] == 3
    assert check(capsys, "empty.log", "--allow-empty")[0] == 0
    # Beside others that say something, a file that was only found may be empty.
    assert check(capsys, "logs")[0] == 0
    Path("logs/a.log").write_text("")
    assert check(capsys, "logs")[0] == 3
    status, report, _ = check(capsys, "odd.log")
    assert (status, report["errors"]) == (3, ["odd.log: is no log: not one line is of a known form"])
    assert check(capsys, "odd.log", "healthy-controller.log")[0] == 0


def test_evidence_beside_a_log_is_not_empty(capsys):
    Path("exports").write_bytes((SAMPLES / "readonly-share.exports").read_bytes())

    assert check(capsys, "healthy-controller.log", "exports")[0] == 0
    assert check(capsys, "exports")[0] == 3
    assert check(capsys, "exports", "--allow-empty")[0] == 0
