"""What must hold for every sample, however it comes: framed, piped, cut into chunks, with others, with noise.

A framing carries a log, it does not change it; the same for a pipe.  What is wrong is the same whatever else
is in the input.
"""

from __future__ import annotations

import io
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logscan import events, frames, klog, rules, scan, sources
from logscan.model import Severity
from logscan.report import json_v1

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
LOGS = sorted(path.name for path in SAMPLES.iterdir() if path.suffix in {".log", ".txt"})
HEALTHY = [name for name in LOGS if name.startswith("healthy-")]
# The year that is assumed must not depend on the day of the run.
REFERENCE = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()) * 1_000_000
HEADER = re.compile(r"([IWEF])(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6}) ")
few = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


@cache
def raw_of(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def lines_of(name: str) -> list[str]:
    return raw_of(name).decode().removesuffix("\n").split("\n")


# Nothing wraps their lines yet, and the driver wrote them all.
BARE = [name for name in LOGS if HEADER.match(lines_of(name)[0])]


def report_of(*inputs: tuple[str, bytes | list[bytes]]) -> dict[str, Any]:
    scanner = scan.Scanner(loaded(), scan.Options(reference=REFERENCE))
    for name, content in inputs:
        chunks = content if isinstance(content, list) else [content]
        scanner.read(sources.Source(name=name, mtime=None, chunks=iter(chunks)))
    return json_v1.to_dict(scanner.report())


@cache
def alone(name: str) -> dict[str, Any]:
    """What is reported on a sample as it lies there."""
    return report_of((name, raw_of(name)))


def gist(report: dict[str, Any], *, but: str = "") -> list[Any]:
    """What matters: the verdict, and of each diagnosis its cause, its volumes and its failures."""
    diagnoses = [
        (
            one["id"],
            one["category"],
            one["severity"],
            one["failures"],
            one["recovered"],
            sorted((v["name"], v["namespace"], v["pvc"], v["server"], v["share"]) for v in one["volumes"]),
        )
        for one in report["diagnoses"]
        if one["severity"] != but
    ]
    return [report["verdict"], sorted(diagnoses, key=repr), report["calls"]["failed"]]


# ---------------------------------------------------------------- framings


def stamped(lines: list[str]) -> Iterator[tuple[datetime, str]]:
    """Each line with the time at which a runtime stored it: never before the one before, soon after klog's."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for line in lines:
        if found := HEADER.match(line):
            month, day, hour, minute, second, micro = (int(part) for part in found.groups()[1:])
            now = max(
                now + timedelta(microseconds=1), datetime(2026, month, day, hour, minute, second, micro, tzinfo=UTC)
            )
        now += timedelta(microseconds=37)
        yield now, line


def rfc3339(time: datetime, digits: int) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}000"[: 20 + digits] + "Z"


def kubectl_timestamps(lines: list[str], size: int, pod: str) -> list[str]:  # noqa: ARG001
    return [f"{rfc3339(time, 9)} {line}" for time, line in stamped(lines)]


def kubectl_prefix(lines: list[str], size: int, pod: str) -> list[str]:  # noqa: ARG001
    return [f"[pod/{pod}/nfs] {line}" for line in lines]


def kubectl_both(lines: list[str], size: int, pod: str) -> list[str]:  # noqa: ARG001
    return [f"[pod/{pod}/nfs] {rfc3339(time, 9)} {line}" for time, line in stamped(lines)]


def cri(lines: list[str], size: int, pod: str) -> list[str]:  # noqa: ARG001
    """Lines longer than *size* come in parts, as they do beyond 16 KiB."""
    out = []
    for time, line in stamped(lines):
        parts = [line[at : at + size] for at in range(0, len(line), size)] or [""]
        out += [f"{rfc3339(time, 9)} stderr P {part}" for part in parts[:-1]]
        out.append(f"{rfc3339(time, 9)} stderr F {parts[-1]}")
    return out


def docker(lines: list[str], size: int, pod: str) -> list[str]:  # noqa: ARG001
    out = []
    for time, line in stamped(lines):
        parts = [line[at : at + size] for at in range(0, len(line), size)] or [""]
        parts[-1] += "\n"
        out += [json.dumps({"log": part, "stream": "stderr", "time": rfc3339(time, 9)}) for part in parts]
    return out


def stern(lines: list[str], size: int, pod: str) -> list[str]:  # noqa: ARG001
    return [f"{pod} nfs {line}" for line in lines]


def quoted(lines: list[str], size: int, pod: str) -> list[str]:  # noqa: ARG001
    return ["> ```", *(f"> {line}".rstrip() for line in lines), "> ```"]


FRAMINGS: list[Callable[[list[str], int, str], list[str]]] = [
    kubectl_timestamps, kubectl_prefix, kubectl_both, cri, docker, stern, quoted,
]  # fmt: skip
pods = st.sampled_from(["csi-nfs-controller-6d5c9f8b7d-x2lqp", "csi-nfs-node-4kx7d", "nfs-0"])


def test_there_are_samples_of_every_kind():
    assert len(LOGS) >= 16
    assert len(BARE) >= 10
    assert len(HEALTHY) >= 2


@pytest.mark.parametrize("name", BARE)
@pytest.mark.parametrize("framing", FRAMINGS, ids=lambda framing: framing.__name__)
def test_a_framing_changes_nothing(framing, name):
    @few
    @given(st.integers(60, 20_000), pods)
    def holds(size: int, pod: str) -> None:
        framed = "\n".join(framing(lines_of(name), size, pod)) + "\n"
        report = report_of(("framed.log", framed.encode()))
        assert gist(report) == gist(alone(name))
        assert report["inputs"][0]["driver_version"] == alone(name)["inputs"][0]["driver_version"]

    holds()


# ---------------------------------------------------------------- ways in


@pytest.mark.parametrize("name", LOGS)
def test_a_pipe_and_a_file_agree_but_for_the_name(name):
    def through(paths: list[str]) -> str:
        scanner = scan.Scanner(loaded(), scan.Options(reference=REFERENCE))
        for source in sources.open_sources(paths, io.BytesIO(raw_of(name))):
            scanner.read(source)
        return json.dumps(json_v1.to_dict(scanner.report()))

    path = str(SAMPLES / name)
    assert through([path]).replace(json.dumps(path), '"-"') == through(["-"])


@pytest.mark.parametrize("name", LOGS)
def test_chunks_do_not_matter(name):
    raw = raw_of(name)

    @few
    @given(st.lists(st.integers(1, len(raw)), max_size=20))
    def holds(cuts: list[int]) -> None:
        edges = [0, *sorted(set(cuts)), len(raw)]
        chunks = [raw[a:b] for a, b in itertools.pairwise(edges)]
        assert report_of((name, chunks)) == alone(name)

    holds()


@pytest.mark.parametrize("name", BARE)
def test_windows_line_ends_do_not_matter(name):
    assert gist(report_of((name, raw_of(name).replace(b"\n", b"\r\n")))) == gist(alone(name))


# ---------------------------------------------------------------- company


def healthy_elsewhere() -> bytes:
    """A healthy log of another server, so that nothing in it bears on the others."""
    return raw_of("healthy-controller.log").replace(b"192.168.59.102", b"10.77.0.9")


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("order", ["before", "after"])
def test_a_healthy_input_beside_changes_nothing(name, order):
    inputs = [(name, raw_of(name)), ("healthy.log", healthy_elsewhere())]
    report = report_of(*(inputs if order == "after" else reversed(inputs)))
    assert gist(report, but="info")[1:] == gist(alone(name), but="info")[1:]


@pytest.mark.parametrize("name", BARE)
@pytest.mark.parametrize("order", ["before", "after"])
def test_a_healthy_log_in_the_same_file_changes_nothing(name, order):
    both = [raw_of(name), healthy_elsewhere()]
    report = report_of((name, b"".join(both if order == "after" else reversed(both))))
    assert gist(report, but="info")[1:] == gist(alone(name), but="info")[1:]


NOISE = [
    '203.0.113.9 - - [02/Apr/2026:09:00:01 +0000] "GET /healthz HTTP/1.1" 200 2 "-" "kube-probe/1.29"',
    '{"level":"info","ts":"2026-04-02T09:00:00.123Z","caller":"etcdserver/util.go:170","msg":"apply request took too long","took":"213.4ms"}',
    "2026-04-02 09:00:02.001 UTC [71] LOG:  checkpoint complete: wrote 12 buffers",
    'I0402 09:00:02.001000       1 garbagecollector.go:818] "failed to discover preferred resources"',
]


@pytest.mark.parametrize("name", BARE)
def test_unrelated_lines_between_records_change_nothing(name):
    lines = lines_of(name)
    borders = [index for index, line in enumerate(lines) if HEADER.match(line)]

    @few
    @given(st.lists(st.tuples(st.sampled_from(borders), st.sampled_from(NOISE)), max_size=12))
    def holds(noise: list[tuple[int, str]]) -> None:
        mixed = list(lines)
        for index, text in sorted(noise, reverse=True):
            mixed.insert(index, text)
        report = report_of((name, ("\n".join(mixed) + "\n").encode()))
        assert gist(report) == gist(alone(name))

    holds()


# ---------------------------------------------------------------- counting


@pytest.mark.parametrize("name", LOGS)
def test_every_problem_is_matched_benign_or_unrecognised(name):
    report = alone(name)
    counts = report["counts"]
    assert counts["problems"] == counts["matched"] + counts["benign"] + counts["unrecognised"]
    assert counts["unrecognised"] == sum(one["count"] for one in report["unrecognised"])
    if name in BARE:
        assert counts["problems"] == sum(line[:1] in "WEF" and bool(HEADER.match(line)) for line in lines_of(name))


@pytest.mark.parametrize("name", LOGS)
def test_every_line_is_in_one_record(name):
    raw = raw_of(name)
    deframer = frames.Deframer(name)
    parser = events.Reader(klog.Parser(reference=REFERENCE, input=name))
    tally = sources.Tally()
    records = []
    for number, offset, line in sources.lines([raw], tally):
        for one in deframer.feed(number, offset, line):
            records += parser.feed(one)
    for one in deframer.close():
        records += parser.feed(one)
    records += parser.close()
    assert sum(record.lines for record in records) == raw.count(b"\n") == tally.lines
    assert len(records) == alone(name)["counts"]["records"]
    problems = sum(record.severity is not None and record.severity >= Severity.WARNING for record in records)
    assert problems == alone(name)["counts"]["problems"]
    assert alone(name)["inputs"][0]["lines"] == tally.lines
    assert alone(name)["inputs"][0]["bytes"] == len(raw)


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_log_is_healthy(name):
    report = alone(name)
    assert report["verdict"] == "healthy"
    assert [one for one in report["diagnoses"] if one["severity"] != "info"] == []
    assert report["unrecognised"] == []


@pytest.mark.parametrize("name", LOGS)
def test_evidence_stands_where_it_is_said_to_stand(name):
    """The first words of a quoted record are on its first line."""
    lines = lines_of(name)
    for diagnosis in alone(name)["diagnoses"]:
        assert diagnosis["evidence"], diagnosis["id"]
        for item in diagnosis["evidence"]:
            assert item["input"] == name
            assert 1 <= item["line"] <= item["end_line"] <= len(lines)
            # A record is quoted without its stamp and thread; the terminal may have broken what follows.
            head = item["text"].split("\n")[0]
            word = head[head.find("] ") + 2 :][:12] if "] " in head else head[:12]
            assert word in lines[item["line"] - 1].replace('\\"', '"'), item


@pytest.mark.parametrize("layout", ["text", "json"])
@pytest.mark.parametrize("name", ["readonly-share.log", "recovered.log"])
def test_the_commands_of_a_pipe_and_a_file_print_the_same_but_for_the_name(name, layout):
    def printed(argument: str, piped: bytes) -> str:
        program = [sys.executable, "-c", "from logscan.cli import main; main()"]
        options = ["--format", layout, "--reference-time", "2026-12-01T00:00:00Z", argument]
        done = subprocess.run(
            program + options, input=piped, capture_output=True, check=True, timeout=60, cwd=SAMPLES.parent
        )
        return " ".join(done.stdout.decode().split())  # a shorter name lets more words into a line

    path = f"samples/{name}"
    of_file, of_pipe = printed(path, b""), printed("-", raw_of(name))
    assert path in of_file
    assert of_file.replace(path, "-") == of_pipe
