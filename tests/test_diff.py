"""``logscan diff``: what is new, gone, more, fewer and the same between two runs."""

from __future__ import annotations

import io
import itertools
import json
import re
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logscan import cli, edge
from logscan.compare import CHANGES, Diff, compare
from logscan.model import Report, Severity
from logscan.report import DIFF_WRITERS
from logscan.report.identity import fingerprints

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"
SCHEMA = json.loads((ROOT / "docs" / "diff-v1.schema.json").read_text(encoding="utf-8"))
REPORT = json.loads((ROOT / "docs" / "report-v1.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
DIAGNOSIS = jsonschema.Draft202012Validator(REPORT | {"$ref": "#/$defs/diagnosis", "type": "object", "properties": {}, "required": [], "additionalProperties": True})  # fmt: skip


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("readonly-share.log", "two-causes.log", "healthy-controller.log"):
        Path(name).write_bytes((SAMPLES / name).read_bytes())


def diff(capsys, *arguments: str) -> tuple[int, dict, str]:
    """The status, the comparison as JSON and what went to standard error."""
    status = cli.run(["diff", "--format", "json", *arguments])
    out, err = capsys.readouterr()
    value = json.loads(out) if out else {}
    if value:
        VALIDATOR.validate(value)
        for one in value["findings"]:
            DIAGNOSIS.validate(one["diagnosis"])
    return status, value, err


def render(found: Diff, format_: str) -> str:
    out = io.StringIO()
    DIFF_WRITERS[format_](found, out, width=80, color=False)
    return out.getvalue()


def some(full: Report, failures: list[int | None]) -> Report:
    """A report with a diagnosis, on a share of its own, for each number of failures that is not None."""
    one = full.diagnoses[0]
    return replace(
        full,
        diagnoses=tuple(
            replace(one, failures=number, volumes=(replace(one.volumes[0], share=f"/{index}"),))
            for index, number in enumerate(failures)
            if number is not None
        ),
        unrecognised=tuple(
            replace(full.unrecognised[0], template=f"shape {index}", count=number + 1)
            for index, number in enumerate(failures)
            if number is not None
        ),
    )


RUNS = st.lists(st.none() | st.integers(0, 3), min_size=5, max_size=5)
NAMES = ("a", "b")
MIRROR = {"new": "gone", "gone": "new", "more": "fewer", "fewer": "more", "same": "same"}


@given(RUNS, RUNS)
@settings(deadline=None)
def test_each_finding_of_either_run_is_told_once(full, before, after):
    one, other = some(full, before), some(full, after)
    found = compare(one, other, NAMES)
    names = {*fingerprints(one.diagnoses), *fingerprints(other.diagnoses)}

    assert len(found.findings) == len(names)
    assert [change.kind for change in found.findings] == sorted((c.kind for c in found.findings), key=CHANGES.index)
    for change in found.findings:
        assert (change.before is None, change.after is None) == (change.kind == "new", change.kind == "gone")
        difference = change.counts[1] - change.counts[0]
        assert {"same": difference == 0, "more": difference > 0, "fewer": difference < 0}.get(change.kind, True)
    assert Counter(c.kind for c in found.unrecognised).total() == len(names)
    json.loads(render(found, "json"))


@given(RUNS, RUNS)
@settings(deadline=None)
def test_the_other_way_round_is_the_mirror(full, before, after):
    one, other = some(full, before), some(full, after)
    there, back = compare(one, other, NAMES), compare(other, one, NAMES)

    assert Counter(MIRROR[c.kind] for c in there.findings) == Counter(c.kind for c in back.findings)
    assert Counter(MIRROR[c.kind] for c in there.unrecognised) == Counter(c.kind for c in back.unrecognised)
    assert {c.kind for c in compare(one, one, NAMES).findings} <= {"same"}


@given(st.lists(st.text(max_size=20), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_whatever_a_log_says_the_comparison_is_valid_and_inert(full, filled, texts):
    hostile = itertools.cycle([*texts, "\x1b[31m\u202e", "::error::x", "##[error]", "\ud800"])
    found = compare(filled(full, hostile), filled(full, hostile), ("\x1b]0;x", "::error::"))

    value = json.loads(render(found, "json"))
    VALIDATOR.validate(value)
    text = render(found, "text")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", text)
    assert not re.search(r"^\s*::\w+::|##\[", text, re.MULTILINE)


def test_a_log_a_directory_and_a_report_can_be_compared(capsys, monkeypatch):
    assert cli.run(["readonly-share.log", "--format", "json", "-o", "good.json"]) == 0
    Path("bad").mkdir()
    Path("two-causes.log").rename("bad/nfs.log")

    status, of_report, _ = diff(capsys, "good.json", "bad")
    assert status == 0
    assert of_report["counts"] == {"new": 1, "more": 1, "fewer": 0, "gone": 0, "same": 0}
    assert [(one["change"], one["category"], one["failures"]) for one in of_report["findings"]] == [
        ("new", "root-squash", {"before": 0, "after": 6}), ("more", "wrong-share-path", {"before": 1, "after": 6}),
    ]  # fmt: skip
    _, of_log, _ = diff(capsys, "readonly-share.log", "bad")
    assert of_log | {"before": of_report["before"]} == of_report
    for data in (Path("good.json").read_bytes(), Path("good.json").read_text().encode("utf-16")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
        assert diff(capsys, "-", "bad")[1]["counts"] == of_report["counts"]


def test_the_status_is_that_of_fail_on(capsys):
    good, bad = "readonly-share.log", "two-causes.log"
    assert diff(capsys, good, bad)[0] == 0
    assert diff(capsys, good, bad, "--fail-on", "new")[0] == edge.FOUND
    assert diff(capsys, bad, good, "--fail-on", "new")[0] == 0
    assert diff(capsys, good, good, "--fail-on", "more")[0] == 0
    Path("more.log").write_text(Path(good).read_text() + Path(good).read_text().replace("0720 09:", "0720 10:"))
    status, value, _ = diff(capsys, good, "more.log", "--fail-on", "new")
    assert (status, value["findings"][0]["change"]) == (0, "more")
    assert diff(capsys, good, "more.log", "--fail-on", "more")[0] == edge.FOUND


def test_a_new_note_fails_nothing(capsys):
    Path("recovered.log").write_bytes((SAMPLES / "recovered.log").read_bytes())

    status, value, _ = diff(capsys, "healthy-controller.log", "recovered.log", "--fail-on", "new")
    assert (status, value["counts"]["new"], value["findings"][0]["severity"]) == (
        0,
        1,
        {"before": None, "after": "info"},
    )
    assert diff(capsys, "healthy-controller.log", "recovered.log", "--severity", "warning")[1]["counts"]["new"] == 0


def test_an_input_that_cannot_be_read_shows_in_the_status(capsys):
    status, value, err = diff(capsys, "readonly-share.log", "missing.log", "--fail-on", "new")
    assert (status, value["after"]["errors"]) == (edge.UNREAD, ["missing.log: no such file or directory"])
    assert err.startswith("logscan: error: missing.log: ")
    Path("torn.json").write_text('{"schema": "logscan.report/v1", ')
    status, value, err = diff(capsys, "torn.json", "readonly-share.log")
    assert (status, value["counts"]["new"]) == (edge.UNREAD, 1)
    assert "torn.json:1:" in err


def test_one_standard_input_is_no_two_runs(capsys):
    assert diff(capsys, "-", "-")[0] == edge.USAGE
    assert diff(capsys, "readonly-share.log", "two-causes.log", "-o", "two-causes.log")[0] == edge.USAGE


def test_what_is_said_of_time_is_said_of_both(capsys):
    _, value, _ = diff(capsys, "readonly-share.log", "two-causes.log", "--year", "2021")
    assert {one["diagnosis"]["first_time"][:5] for one in value["findings"]} == {"2021-"}


def test_the_page_tells_the_new_first(full):
    one = some(full, [1, 2, 3, None])
    other = some(full, [None, 4, 3, 5])
    recovered = replace(other.diagnoses[1], severity=Severity.INFO, recovered=True)
    other = replace(other, diagnoses=(other.diagnoses[0], recovered, other.diagnoses[2]))
    lines = render(compare(one, other, ("good/", "bad/")), "text").splitlines()

    assert lines[0] == "B has 1 new finding; 1 more often, 1 gone, 1 the same"
    heads = [line for line in lines if line.endswith(("finding", "findings", "differ"))]
    assert heads == [
        "New in B: 1 finding", "More often in B: 1 finding", "Gone in B: 1 finding", "The same: 1 finding",
        "Not recognised: 3 shapes that differ",
    ]  # fmt: skip
    text = " ".join(" ".join(lines).split())
    assert "- error: wrong-share-path (create-mkdir-rofs), 4 failures, before 2, 1 volume; 192.168.59.102:/1" in text
    assert "- info (was error): wrong-share-path (create-mkdir-rofs), 3 failures, 1 volume, recovered" in text
    assert "bad/: error; 1,034 records of 2 inputs" in text
