"""A diagnosis in a notebook: it says what the report says, and log text stays text."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import lxml.html
import pytest

from logscan import api, columns, rules, scan, sources
from logscan.report.html import notebook

ROOT = Path(__file__).resolve().parent.parent
HOSTILE = (
    "</pre></div><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;b&gt;", "\x1b[31m", "\u202etxt", '" onmouseover="x', "</style><b>",
    "x" * 5_000,
)  # fmt: skip


def test_it_shows_what_is_diagnosed():
    told = api.diagnose(ROOT / "samples" / "two-causes.log")
    shown = lxml.html.fromstring(told._repr_html_()).text_content()
    assert f"Verdict: {told.report.verdict}" in shown
    for one in told.report.diagnoses:
        assert one.cause in shown
        assert all(volume.name in shown for volume in one.volumes)
        assert all(command in shown for command in one.remedy.commands)
    assert repr(told) == "<logscan: error, 2 diagnoses>"
    assert told.report.diagnoses[0].volumes[0].pvc in str(told)


def test_it_is_the_report_of_the_command_line():
    path = str(ROOT / "samples" / "readonly-share.log")
    exports = str(ROOT / "samples" / "readonly-share.exports")
    scanner = scan.Scanner(rules.load(), scan.Options())
    for source in sources.open_sources([path, exports]):
        scanner.read(source)
    assert api.diagnose([path, Path(exports)]).report == scanner.report()


def test_what_a_log_holds_stays_text(full, filled):
    report = filled(full, itertools.cycle(HOSTILE))
    page = lxml.html.fromstring(api.Diagnosed(report)._repr_html_())
    known = {"div", "style", "p", "b", "pre", "table", "tr", "th", "td", "details", "summary"}
    assert {one.tag for one in page.iter()} <= known
    assert {name for one in page.iter() for name in one.attrib} <= {"class", "open"}
    assert [one.text for one in page.iter("style")] == [notebook._STYLE]
    shown = page.text_content()
    assert "<script>alert(1)</script>" in shown
    assert not any(char in shown for char in "\x1b\u202e")


def test_a_report_of_thousands_stays_short(full):
    many = dataclasses.replace(full, diagnoses=full.diagnoses * 2_000)
    assert len(notebook.fragment(many)) < 200_000


def test_diagnoses_as_a_table(full):
    table = api.Diagnosed(full).to_table()
    assert table.schema.equals(columns.schema("diagnoses"), check_metadata=True)
    rows = table.to_pylist()
    assert [row["id"] for row in rows] == [one.id for one in full.diagnoses for _ in one.volumes or (None,)]
    for row in rows:
        one = full.diagnoses[row["diagnosis"]]
        assert (row["category"], row["failures"], row["recovered"]) == (one.category, one.failures, one.recovered)
        assert row["volume"] in {volume.name for volume in one.volumes} or (row["volume"] is None and not one.volumes)
    assert api.diagnose(ROOT / "samples" / "healthy-node.log").to_table().num_rows == 0


@pytest.mark.parametrize("name", ["two-causes.log", "healthy-node.log"])
def test_the_table_that_is_read_is_that_of_the_report(name):
    from logscan import read

    path = ROOT / "samples" / name
    assert read(path, "diagnoses").to_pylist() == api.diagnose(path).to_table().to_pylist()
