"""What has its newest line first is read as it was written."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path

import pytest

from logscan import rules, scan, sources
from logscan.order import FALLS, MAX_LINES, Order, upright
from logscan.report import json_v1

SAMPLES = Path(__file__).resolve().parent.parent / "samples"


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


def report(text: str) -> dict:
    scanner = scan.Scanner(loaded(), scan.Options(year=2026))
    for source in sources.open_sources(["-"], stdin=io.BytesIO(text.encode())):
        scanner.read(source)
    out = io.StringIO()
    json_v1.write(scanner.report(), out)
    return json.loads(out.getvalue())


def told(text: str) -> list[tuple]:
    return sorted(
        (one["id"], one["category"], one["recovered"], one["attempts"], len(one["volumes"]), one["failures"])
        for one in report(text)["diagnoses"]
    )


@pytest.mark.parametrize("name", ["recovered.log", "path-not-exported.log", "bad-mount-option.log"])
def test_newest_first_makes_no_difference(name):
    lines = (SAMPLES / name).read_text("utf-8").splitlines()
    assert told("\n".join(reversed(lines))) == told("\n".join(lines))


def test_newest_first_in_one_document_makes_no_difference():
    lines = (SAMPLES / "recovered.log").read_text("utf-8").splitlines()
    hits = [{"_source": {"message": line}} for line in reversed(lines)]
    assert told(json.dumps({"hits": {"hits": hits}})) == told("\n".join(lines))


def test_evidence_names_lines_from_the_first_to_the_last():
    lines = (SAMPLES / "path-not-exported.log").read_text("utf-8").splitlines()
    spans = [
        (one["line"], one["end_line"])
        for found in report("\n".join(reversed(lines)))["diagnoses"]
        for one in found["evidence"]
    ]
    assert spans
    assert all(first <= last for first, last in spans)
    assert any(first < last for first, last in spans)


def header(second: int, minute: int = 53) -> str:
    return f"I0720 09:{minute}:{second:02}.378454       1 a.go:1] x"


@pytest.mark.parametrize(
    ("seconds", "as_written"),
    [
        ([1, 2, 3], True),
        ([9, 8, 7, 6, 5], False),
        ([9, 8, 7, 6], True),  # too few to tell
        ([9, 8, 7, 9, 8, 7, 6], True),  # several pods, one after the other
        ([9] * 50, True),
        ([], True),
    ],
)
def test_falling_times_alone_are_newest_first(seconds, as_written):
    assert upright(map(header, seconds)) is as_written


def test_what_is_too_large_to_be_held_is_given_as_it_stands(monkeypatch):
    monkeypatch.setattr("logscan.order.MAX_LINES", 10)
    from logscan.frames import Deframer

    deframer, order, got = Deframer("x"), Order(), []
    for number in range(40):
        got += order.feed(deframer.feed(number + 1, 0, header(59 - number).encode()))
    got += order.close()
    assert [line.number for line in got] == list(range(1, 41))
    assert MAX_LINES > FALLS
