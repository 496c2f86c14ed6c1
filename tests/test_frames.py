"""Carriers: every line comes out of what wraps it, and none is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from logscan import klog
from logscan.frames import CARRIERS, MAX_PARTIAL, MAX_PARTIALS, Deframer
from logscan.model import Line, Record

FRAMES = Path(__file__).parent / "frames"
REFERENCE = 1_785_000_000_000_000  # 25 July 2026
LOGS = sorted(FRAMES.glob("*.log"))


def split(data: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def deframe(data: bytes, name: str = "x.log") -> list[Line]:
    deframer = Deframer(name, reference=REFERENCE)
    lines, offset = [], 0
    for number, raw in enumerate(split(data), 1):
        lines += deframer.feed(number, offset, raw)
        offset += len(raw) + 1
    return lines + deframer.close()


def records(data: bytes) -> list[Record]:
    parser = klog.Parser(reference=REFERENCE)
    out = [record for line in deframe(data) for record in parser.feed(line)]
    return out + parser.close()


def shown(line: Line) -> dict[str, object]:
    """Write a line as the expected files do: fields that say nothing are left out."""
    origin = line.origin
    row = {
        "line": line.number, "text": line.text, "carrier": origin.carrier, "stream": origin.stream, "namespace": origin.namespace,
        "pod": origin.pod, "container": origin.container, "node": origin.node, "component": origin.component, "written": line.written,
        "physical": line.physical,
    }  # fmt: skip
    return {key: value for key, value in row.items() if value not in ("", None) or key == "text"}


def test_there_are_recordings():
    assert len(LOGS) > 20
    met = {
        json.loads(row)["carrier"]
        for log in LOGS
        for row in log.with_suffix(".jsonl").read_text("utf-8").split("\n")
        if row
    }
    assert met == set(CARRIERS)


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_carrier_gives_the_lines_beside_it(log: Path):
    expected = [json.loads(row) for row in log.with_suffix(".jsonl").read_text("utf-8").split("\n") if row]

    assert [shown(line) for line in deframe(log.read_bytes())] == expected


def test_bare_lines_keep_number_and_offset():
    lines = deframe(b"I0720 09:53:52.378454       1 a.go:1] x\r\nmore\n")

    assert [(line.number, line.offset, line.text) for line in lines] == [
        (1, 0, "I0720 09:53:52.378454       1 a.go:1] x"),
        (2, 41, "more"),
    ]


@pytest.mark.parametrize(
    ("name", "place"),
    [
        (
            "b.tgz!n1/var/log/pods/kube-system_csi-nfs-node-x_0a1b-2c/nfs/0.log",
            ("kube-system", "csi-nfs-node-x", "nfs", "nfs"),
        ),
        (
            "/var/log/containers/csi-nfs-node-x_kube-system_liveness-probe-" + "0a" * 32 + ".log",
            ("kube-system", "csi-nfs-node-x", "liveness-probe", "liveness"),
        ),
        ("nfs.log", ("", "", "", "")),
    ],
)
def test_path_tells_the_place(name: str, place: tuple[str, ...]):
    (line,) = deframe(b"I0720 09:53:52.378454       1 a.go:1] x", name)

    assert (line.origin.namespace, line.origin.pod, line.origin.container, line.origin.component) == place


def test_one_origin_per_stream():
    lines = deframe(b"[pod/a/nfs] x\n[pod/b/nfs] x\n[pod/a/nfs] y\n")

    assert lines[0].origin is lines[2].origin
    assert lines[0].origin is not lines[1].origin


def test_lines_and_damage_are_counted():
    deframer = Deframer("x")
    for number, raw in enumerate([b"I0720 09:53:52.378454 1 a.go:1] x", b"\xff", b"a\0b", b"[pod/a/nfs] x"], 1):
        deframer.feed(number, 0, raw)

    assert deframer.carriers == {"bare": 3, "kubectl-prefix": 1}
    assert deframer.damaged == {"invalid UTF-8": 1, "NUL": 1}


def test_a_partial_line_is_capped_and_counted():
    deframer = Deframer("x")
    part = b"2026-07-20T09:53:52Z stderr P " + b"x" * 400_000
    for number in range(1, 6):
        assert deframer.feed(number, 0, part) == []
    (line,) = deframer.close()

    assert len(line.text) == MAX_PARTIAL
    assert line.physical == 5
    assert deframer.damaged["partial line over 1 MiB"] == 3


@pytest.mark.parametrize(
    "text",
    [
        "GRPC error: rpc error", "the node failed E0720", "2026/07/20 09:53:52 ERROR: [core] x", "[core] x", "{not json}", "<html>", "- item", "May be", "> no quote",
        "error nfs something", "1 2 3", "{}", "[1, 2]", '{"a": 1}', "12,13,14", "+ echo hello", "2026-07-20 09:53:52 x",
    ],
)  # fmt: skip
def test_ordinary_text_is_left_alone(text: str):
    (line,) = deframe(text.encode())

    assert (line.text, line.origin.carrier) == (text, "bare")


def test_deep_json_is_survived():
    (line,) = deframe(b"[{" + b'"a":[{' * 100_000 + b"}]" * 10)

    assert line.origin.carrier == "bare"


def test_pretty_json_that_carries_nothing_is_text():
    lines = deframe(b'{\n  "a": 1\n}\n{\n  "open": 1\n')

    assert [line.text for line in lines] == ["{", '  "a": 1', "}", "{", '  "open": 1']
    assert {line.origin.carrier for line in lines} == {"bare"}


@pytest.mark.parametrize("log", LOGS, ids=lambda log: log.stem)
def test_every_physical_line_is_counted_once(log: Path):
    data = log.read_bytes()

    assert sum(line.physical for line in deframe(data)) == len(split(data))
    assert sum(record.lines for record in records(data)) == len(split(data))


def test_many_open_partials_give_way_and_are_not_lost():
    deframer = Deframer("x")
    lines = [
        line
        for n in range(1, 101)
        for line in deframer.feed(n, 0, b"[pod/p-%d/nfs] 2026-07-20T09:53:52Z stderr P part %d" % (n, n))
    ]

    assert len(lines) == 100 - MAX_PARTIALS
    assert len(lines + deframer.close()) == 100


def test_events_as_json_are_told_apart():
    (line,) = deframe(
        b'{"kind": "Event", "message": "Waiting for a volume to be created", "lastTimestamp": "2026-07-20T09:53:52Z"}'
    )

    assert (line.origin.component, line.text) == ("events", "Waiting for a volume to be created")
