"""The issue for the driver's tracker: a body where there is a driver bug, else whose business it is; never a name."""

from __future__ import annotations

import io
import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logscan import cli, rules, scan, sources
from logscan.model import UNRECOGNISED_FAILURE, Evidence, Report, Severity
from logscan.report import issue
from logscan.rulebook.vocabulary import CATEGORIES
from tests import driver_simulator as sim
from tests.test_cases import CASES, case_of, inputs_of
from tests.test_formats import HOSTILE_TEXT, check_issue, render

BUGS = [path for path in CASES if case_of(path).get("kind") == "driver-bug"]
SECTIONS = (
    "**Title:** ", "**What happened**:", "**What you expected to happen**:", "**How to reproduce it**:",
    "**Anything else we need to know?**:", "**Environment**:",
)  # fmt: skip


def report_of(paths: list[Path]) -> Report:
    scanner = scan.Scanner(rules.load())
    for source in sources.open_sources([str(path) for path in paths], io.BytesIO()):
        scanner.read(source)
    return scanner.report()


@pytest.mark.parametrize("path", BUGS, ids=lambda path: path.stem)
def test_a_driver_bug_has_a_body(path, tmp_path):
    report = report_of(inputs_of(case_of(path), tmp_path))
    output = render(report, "issue")
    check_issue(output)
    bugs = [one for one in report.diagnoses if one.category == issue.BUG]
    assert bugs
    assert [output.count(text) for text in SECTIONS] == [len(bugs)] * len(SECTIONS)
    (version,) = {one.driver_version for one in report.inputs}
    assert output.count(f"- CSI Driver version: {version} (it says so itself)") == len(bugs)
    bodies = output.split("**Title:** ")[1:]
    for one, body in zip(bugs, bodies, strict=True):
        assert (f"Fixed in {one.fixed_in}" in body) == (one.fixed_in is not None)
        row = re.search(r"(?m)^\| 20\d\d-\S+ \S+ \| `\w+` \| \d+ \| \S+ \| `(?:failed|ok) ?\w*` \|", body)
        assert (row is not None) == any(volume.name for volume in one.volumes)  # a handle without a name has no life
        assert (f"tried the same call {one.attempts} times" in body) == (one.attempts > 1)
        assert one.remedy.summary.split()[0] in body.split("What was tried")[1]
        assert "What logscan could not tell" in body
        for volume in one.volumes:
            for name in (volume.name, volume.pvc, volume.server):
                assert not name or name not in output


def test_a_failure_that_no_rule_knows_has_a_body(tmp_path):
    driver = sim.Driver("v4.6.0")
    driver.start(0)
    volume = sim.Volume(
        "pvc-ca0ab165-9aa5-42a4-ae15-f4fd036142d2", "shop/data-0", {"server": "10.0.0.5", "share": "/srv"}
    )
    sim.create(driver, volume, 5, mkdir="the moon is full")
    (tmp_path / "nfs.log").write_text(driver.text())
    report = report_of([tmp_path / "nfs.log"])
    assert [one.id for one in report.diagnoses] == [UNRECOGNISED_FAILURE]
    output = render(report, "issue")
    assert [output.count(text) for text in SECTIONS] == [1] * len(SECTIONS)
    assert "the moon is full" in output
    assert "no rule knows it" in output
    assert "10.0.0.5" not in output


def test_what_is_no_driver_bug_is_said_to_be_none(full):
    output = render(full, "issue")
    assert output.startswith("**There is no driver bug in this report.**\n")
    assert "**Environment**" not in output
    assert "| `wrong-share-path` | the StorageClass or the PersistentVolume |" in output
    assert "| `client-not-allowed` | the NFS server: its exports, rights and disks |" in output


def test_a_healthy_log_is_said_to_be_healthy():
    assert "Nothing is wrong" in render(Report("0.1.0", "healthy"), "issue")
    assert "does not tell enough" in render(Report("0.1.0", "not-enough-evidence"), "issue")


def test_it_is_known_whose_business_each_category_is():
    assert set(issue.BELONGS) == set(CATEGORIES) - {issue.BUG}


@settings(max_examples=20, deadline=None)
@given(st.lists(HOSTILE_TEXT, min_size=1, max_size=6))
def test_hostile_text_is_inert_in_a_body(full, filled, texts):
    report = filled(full, itertools.cycle(texts))
    bugs = tuple(replace(one, category=issue.BUG) for one in report.diagnoses)
    check_issue(render(replace(report, diagnoses=bugs), "issue"))
    check_issue(
        render(
            replace(
                report,
                diagnoses=(),
                unrecognised=tuple(replace(one, severity=Severity.ERROR) for one in report.unrecognised),
            ),
            "issue",
        )
    )


@pytest.mark.parametrize("ticks", range(1, 9))
def test_no_backtick_of_a_log_ends_the_block(full, ticks):
    text = f"a\n{'`' * ticks}\n## owned\n<img src=x>"
    one = replace(full.diagnoses[0], category=issue.BUG, evidence=(Evidence("nfs.log", 1, 4, text),))
    output = render(replace(full, diagnoses=(one,)), "issue")
    check_issue(output)
    assert f"\n{'`' * max(3, ticks + 1)}text\na\n" in output


def test_many_bugs_stay_within_a_body(full):
    bugs = tuple(replace(one, category=issue.BUG) for one in full.diagnoses * 500)
    output = render(replace(full, diagnoses=bugs), "issue")
    check_issue(output)
    assert output.count("**Title:** ") == issue.MAX_BODIES
    assert "1 of 1000" in output


LOG = """\
I0720 09:53:50.201408       1 nfs.go:84] Driver: nfs.csi.k8s.io version: v4.6.0
I0720 09:53:51.000001       1 x.go:1] mounted web for pod="acme-shop/acme-web"
E0720 09:53:52.387108       1 utils.go:114] GRPC error: rpc error: code = Internal desc = acme-web fell over
"""


def test_names_that_were_told_elsewhere_are_known(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("acme.log").write_text(LOG)
    assert cli.run(["acme.log", "-f", "issue", "-o", "-", "-o", "text=plain.txt"]) == 0
    out = capfd.readouterr().out
    assert "fell over" in out
    assert "acme" not in out
    assert "acme" in Path("plain.txt").read_text(), "only the issue is redacted"


def test_what_is_redacted_keeps_its_names(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    Path("acme.log").write_text(LOG)
    cli.run(["acme.log", "-o", "text=r.txt", "-o", "issue=r.issue", "-o", "json=r.json", "--redact-map", "map.json"])
    cli.run(["convert", "r.json", "-f", "issue", "-o", "again.issue"])
    capfd.readouterr()
    (name,) = set(re.findall(r"(pod-\w{8}) fell", Path("r.txt").read_text()))
    assert name in Path("r.issue").read_text()
    assert Path("again.issue").read_text() == Path("r.issue").read_text()
