"""The page holds what the report says, as text that can do nothing, in a file of bounded size."""

from __future__ import annotations

import io
import itertools
import json
import re
from dataclasses import replace
from importlib.resources import files

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html

from logscan.model import OUTCOMES, Evidence, Report, TimelineCall, VolumeCalls
from logscan.report.html import cards, charts, write
from logscan.report.safe import visible
from tests.test_formats import HOSTILE, HOSTILE_TEXT, check_html


def page(report: Report) -> str:
    out = io.StringIO()
    write(report, out)
    return out.getvalue()


def data_of(output: str) -> dict:
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', output)
    assert len(found) == 1
    assert not re.search("[<>&\x7f-\U0010ffff]", found[0])
    return json.loads(found[0])


@pytest.mark.parametrize("name", ["chart.css", "chart.js", "report.css", "report.js"])
def test_what_every_page_carries_is_plain(name):
    """Its hash is the policy's, so no line end or encoding on the way may change it."""
    asset = files("logscan.report.html").joinpath(name).read_bytes()
    assert asset.isascii() or name == "chart.js"
    assert b"\r" not in asset
    assert b"</" not in asset
    assert asset.endswith(b"\n")


def test_nothing_in_it_comes_from_elsewhere(full):
    output = page(full)
    ways = (
        "@import", "url(", "fetch(", "XMLHttp", "WebSocket", "sendBeacon", "import(", " src", "innerHTML", "outerHTML", "insertAdjacent",
        "document.write", "eval(", "Function(",
    )  # fmt: skip
    assert [way for way in ways if way in output] == []


@given(st.lists(HOSTILE_TEXT, min_size=1, max_size=6))
@settings(max_examples=25, deadline=None)
def test_what_a_log_says_is_shown_as_it_stands(full, texts):
    """Escapes apart, which stand for what would not be seen."""
    said = "E0720 09:53:52.387108       1 a.go:1] " + "|".join(texts)
    one = replace(full.diagnoses[0], evidence=(Evidence("nfs.log", 7, 7 + said.count("\n"), said),), cause=said)
    output = page(replace(full, diagnoses=(one,)))
    tree = html.document_fromstring(output)

    shown = tree.xpath("//article//figure//code")[0].text_content()
    assert unescaped(shown) == unescaped("\n".join(visible(line) for line in said.rstrip("\n").split("\n")))
    assert tree.xpath("//article//h3")[0].text_content() == visible(said)
    assert tree.xpath("string(//article//figure//span[@class='l']/@data-n)") == "7"


def unescaped(text: str) -> str:
    """A CI runner's command is broken up by an escape, too."""
    return text.replace("\\x3a", ":")


@pytest.mark.parametrize("text", HOSTILE)
def test_what_the_script_draws_ends_no_element(full, filled, text):
    data = data_of(page(filled(full, itertools.repeat(text))))

    assert data["volumes"][0]["name"] == visible(text)
    assert data["volumes"][0]["calls"][0][7] == visible(text)


def test_the_chart_and_the_tables_tell_the_same(full):
    calls = tuple(TimelineCall("CreateVolume", outcome, 1_000, 2_000_000, 1, "", "", "") for outcome in OUTCOMES)
    report = replace(full, timeline=(VolumeCalls("pvc-1", calls), *full.timeline))
    output = page(report)
    data, tree = data_of(output), html.document_fromstring(output)

    told = [call for volume in data["volumes"] for call in volume["calls"]]
    rows = tree.xpath("//div[@aria-label='Calls']//tbody/tr[count(td)>2]")
    assert len(told) == len(rows) == sum(len(one.calls) for one in report.timeline)
    assert [call[1] for call in told[: len(OUTCOMES)]] == list(OUTCOMES)
    assert set(data["outcomes"]) == set(charts.OUTCOMES) == set(OUTCOMES)
    bars = tree.xpath("//div[@aria-label='Records by time']//tbody/tr")
    assert [[int(cell.text.replace(",", "")) for cell in row.xpath("td[@class='n']")] for row in bars] == [
        bar[1:] for bar in data["bars"]
    ]
    assert data["volumes"][1]["findings"] == [1]
    assert data["volumes"][1]["label"] == "default/data-primary-mariadb-cluster-primary-0"


def test_a_report_without_times_has_no_chart(full):
    output = page(replace(full, activity=None, timeline=()))

    check_html(output)
    assert 'id="chart"' not in output
    assert 'href="#time"' not in output


def test_ten_thousand_findings_are_a_file_of_bounded_size(full):
    many = (full.diagnoses * 5_000, full.unrecognised * 5_000)
    output = page(replace(full, diagnoses=many[0], unrecognised=many[1]))

    assert len(output) < 12_000_000
    assert output.count("<article") == cards.MAX_CARDS
    assert output.count('<tr class="finding') == 10_000 - cards.MAX_CARDS


def test_a_report_of_anybodys_makes_no_endless_chart(full):
    activity = replace(full.activity, bars=full.activity.bars * 100_000)
    timeline = tuple(replace(one, calls=one.calls * 1_000) for one in full.timeline) * 1_000
    output = page(replace(full, activity=activity, timeline=timeline))

    assert len(output) < 4_000_000
    assert len(data_of(output)["bars"]) == charts.MAX_BARS


def test_what_does_not_fit_is_told(full):
    one = replace(
        full.diagnoses[0], volumes=full.diagnoses[0].volumes * 20_000, evidence=full.diagnoses[0].evidence * 9
    )
    output = page(replace(full, diagnoses=(one, *full.diagnoses * 6_000)))

    assert "and 19,900 more volumes" in output
    assert "and 3 more places" in output
    assert "and 1,901 more findings" in output
    assert len(output) < 12_000_000
