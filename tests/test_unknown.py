"""What no rule knows: every record counts once, alike ones are one, and the order does not matter."""

from __future__ import annotations

import json
import time
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logscan import rules, scan, shapes, sources, unknown
from logscan.model import Report, Severity, Unrecognised

few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


def report_of(lines: list[str]) -> Report:
    scanner = scan.Scanner(loaded(), scan.Options(reference=1_796_083_200_000_000))
    scanner.read(
        sources.Source(name="a.log", mtime=None, chunks=iter(["".join(f"{line}\n" for line in lines).encode()]))
    )
    return scanner.report()


def record(message: str, *, letter: str = "E", file: str = "odd.go:7", second: int = 0) -> str:
    return f"{letter}0701 12:{second // 60:02}:{second % 60:02}.000000       1 {file}] {message}"


def shapes_of(*messages: str, **header: str) -> list[tuple[str, int]]:
    lines = [record(message, second=number, **header) for number, message in enumerate(messages)]
    return [(one.template, one.count) for one in report_of(lines).unrecognised]


WORDS = st.sampled_from(
    ["frob", "widget", "gear", "sprocket", '"alpha"', '"beta"', "10.0.0.5", "12", "3.5s", "/a/b", "quux:"]
)
# Of a message that opens with a quote, klog's parser takes the quotes away.
messages = st.lists(WORDS, max_size=7).map(lambda words: " ".join(["odd", *words]))
records = st.lists(
    st.builds(
        lambda message, letter, file: (message, letter, file),
        messages, st.sampled_from("WEF"), st.sampled_from(["odd.go:7", "odd.go:9", "even.go:3"]),
    ),
    min_size=1, max_size=40,
)  # fmt: skip


def gist(entries: tuple[Unrecognised, ...]) -> list[tuple[object, ...]]:
    return [(one.template, one.severity, one.source, one.count) for one in entries]


# ---------------------------------------------------------------- laws


@few
@given(records)
def test_the_counts_sum_up(entries):
    report = report_of([record(message, letter=letter, file=file) for message, letter, file in entries])
    assert sum(one.count for one in report.unrecognised) == report.counts.unrecognised
    assert report.counts.unrecognised == report.counts.problems == len(entries)
    for severity in (Severity.WARNING, Severity.ERROR, Severity.FATAL):
        wanted = sum(letter == severity.name[0] for _, letter, _ in entries)
        assert sum(one.count for one in report.unrecognised if one.severity == severity) == wanted


@few
@given(records, st.randoms(use_true_random=False))
def test_the_order_of_the_records_does_not_matter(entries, random):
    lines = [record(message, letter=letter, file=file) for message, letter, file in entries]
    shuffled = lines[:]
    random.shuffle(shuffled)
    assert gist(report_of(lines).unrecognised) == gist(report_of(shuffled).unrecognised)


@few
@given(records)
def test_every_record_is_of_a_shape_and_every_shape_holds_its_example(entries):
    found = report_of([record(message, letter=letter, file=file) for message, letter, file in entries]).unrecognised
    for message, letter, file in entries:
        assert any(
            shapes.fits(message, one.template) and one.severity.name[0] == letter
            and one.source.split(":")[0] == file.split(":")[0]
            for one in found
        )  # fmt: skip
    for one in found:
        assert shapes.fits(one.example, one.template)
        assert one.first.text.endswith(one.example)
        assert one.first.line <= one.last.line


@few
@given(records)
def test_the_most_severe_and_most_frequent_come_first(entries):
    found = report_of([record(message, letter=letter, file=file) for message, letter, file in entries]).unrecognised
    assert [(-one.severity, -one.count) for one in found] == sorted((-one.severity, -one.count) for one in found)


@given(st.text(max_size=60))
def test_masking_never_fails_and_is_stable(text):
    once = shapes.template(text)
    assert shapes.fits(text, once)


# ---------------------------------------------------------------- what is one shape


def test_words_that_differ_become_one():
    odd = 'cannot frob the widget "{}" of claim {} in time'
    assert shapes_of(odd.format("alpha", "data-x"), odd.format("beta", "data-y"), odd.format("beta", "data-z")) == [
        ("cannot frob the widget <*> of claim <*> in time", 3)
    ]


def test_what_differs_in_most_words_stays_apart():
    assert shapes_of("cannot frob the widget", "cannot turn a gear") == [
        ("cannot frob the widget", 1),
        ("cannot turn a gear", 1),
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "cannot frob the big old widget: permission denied",
            "cannot frob the big old widget: operation not permitted",
        ),
        ("odd answer of the widget: code = NotFound desc", "odd answer of the widget: code = Aborted desc"),
        ("cannot frob the widget now", "cannot frob the widget just now"),
    ],
)
def test_another_reason_or_another_length_is_another_shape(one, other):
    assert len(shapes_of(one, other)) == 2


def test_another_file_or_severity_is_another_shape():
    lines = [record("odd"), record("odd", file="even.go:1"), record("odd", letter="W"), record("odd", file="odd.go:99")]
    assert gist(report_of(lines).unrecognised) == [
        ("odd", Severity.ERROR, "odd.go:7", 2),
        ("odd", Severity.ERROR, "even.go:1", 1),
        ("odd", Severity.WARNING, "odd.go:7", 1),
    ]


@pytest.mark.parametrize(
    ("message", "shape"),
    [
        ("volume pvc-ca0ab165-9aa5-42a4-ae15-f4fd036142d2 gone", "volume pvc-<uuid> gone"),
        ("dial 10.0.0.5:2049 and 10.0.0.0/8", "dial <address> and <address>"),
        ("dial [fd00::1]:2049 and fe80::1", "dial <address> and <address>"),
        ("open /var/lib/x.sock: odd", "open <path>: odd"),
        ("at 0xc000123456 in 0x1A", "at <hex> in <hex>"),
        ("sha256 9f86d081884c7d65 odd", "sha256 <hex> odd"),
        ("took 1m30.5s, 200ms, 3 of -4.5, 20Gi, 99%", "took <n>, <n>, <n> of <n>, <n>, <n>"),
        ("at 2026-07-01T12:00:00.123Z or 12:00:00.5", "at <time> or <time>"),
        ("deadbeef is a word, v4.6.0 a version", "deadbeef is a word, v4.6.0 a version"),
    ],
)
def test_what_varies_is_masked(message, shape):
    assert shapes.template(message) == shape


def test_the_first_and_the_last_are_those_of_the_log():
    lines = [record(f"widget {name} is odd", second=number) for number, name in enumerate(["c", "a", "b"])]
    (one,) = report_of(lines).unrecognised
    assert (one.first.line, one.last.line, one.example) == (1, 3, "widget c is odd")


# ---------------------------------------------------------------- bounds


def test_a_log_in_which_nothing_is_alike_stays_bounded():
    lines = [record(" ".join(f"{a}{number}x" for a in "abcdefgh"), letter="EW"[number % 2]) for number in range(6000)]
    begun = time.monotonic()
    report = report_of(lines)
    assert time.monotonic() - begun < 10
    assert len(report.unrecognised) == unknown.MAX_CLUSTERS + 2  # one line for each severity
    assert report.unrecognised[-1].template.endswith("more shapes)")
    assert sum(one.count for one in report.unrecognised) == report.counts.unrecognised == 6000


def test_unrecognised_entries_are_told_in_json():
    from logscan.report import json_v1

    (entry,) = json_v1.to_dict(report_of([record("odd thing")]))["unrecognised"]
    assert json.loads(json.dumps(entry))["count"] == 1
    assert set(entry) == {"template", "severity", "source", "count", "first", "last", "example"}
