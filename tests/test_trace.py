"""The lives of volumes: complete, the same in any company, bounded, and shown within the terminal's width."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logscan import cli, edge, rules, scan, sources, timeline
from logscan.model import Call, Origin, Restart, Trace, TracedCall, Volume, VolumeTrace
from logscan.report import TRACE_WRITERS, trace_v1
from logscan.report.safe import columns
from logscan.report.words import duration

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"
LOGS = sorted(path.name for path in SAMPLES.glob("*.log"))
SCHEMA = json.loads((ROOT / "docs" / "trace-v1.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
REFERENCE = 1_796_083_200_000_000  # 2026-12-01
SECOND = 1_000_000
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


def scanned(*texts: str) -> tuple[scan.Scanner, object]:
    scanner = scan.Scanner(loaded(), scan.Options(reference=REFERENCE, trace=True))
    for number, text in enumerate(texts):
        chunks = iter([text.encode("utf-8", "surrogateescape")])
        scanner.read(sources.Source(name=f"{number}.log", mtime=None, chunks=chunks))
    return scanner, scanner.report()


def traces(*texts: str) -> dict[str, VolumeTrace]:
    """The life of every volume."""
    scanner, report = scanned(*texts)
    found = [scanner.trace(report, volume.name).volumes for volume in scanner.volumes()]
    return {one.name: one for volumes in found for one in volumes}


def rendered(trace: Trace, format_: str = "text", width: int = 80, *, color: bool = False) -> str:
    out = io.StringIO()
    TRACE_WRITERS[format_](trace, out, width=width, color=color)
    return out.getvalue()


# ---------------------------------------------------------------- a log made to measure


def stamp(time: int) -> str:
    """The header of klog at the microsecond *time* of 1 July."""
    seconds, micros = divmod(time, SECOND)
    return f"0701 {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{micros:06}       1"


def create(name: str, start: int, took: int, error: str = "") -> list[tuple[int, str]]:
    """(time, line) of one CreateVolume that fails with *error*, or not."""
    body = {"name": name, "parameters": {"server": "10.0.0.5", "share": "/srv"}, "volume_capabilities": [{}]}
    lines = [
        (start, f"I{stamp(start)} utils.go:111] GRPC call: /csi.v1.Controller/CreateVolume"),
        (start, f"I{stamp(start)} utils.go:112] GRPC request: {json.dumps(body)}"),
    ]
    end = start + took
    if error:
        said = f"GRPC error: rpc error: code = Internal desc = failed to make subdirectory: mkdir /tmp/{name}/{name}: {error}"
        return [*lines, (end, f"E{stamp(end)} utils.go:116] {said}")]
    volume = {"volume": {"volume_id": f"10.0.0.5#srv#{name}##"}}
    return [*lines, (end, f"I{stamp(end)} utils.go:118] GRPC response: {json.dumps(volume)}")]


def log_of(lines: list[tuple[int, str]]) -> str:
    return "".join(f"{text}\n" for _, text in sorted(lines, key=lambda line: line[0]))


def banner(time: int) -> tuple[int, str]:
    return time, f"I{stamp(time)} nfs.go:90] Driver: nfs.csi.k8s.io version: v4.6.0"


PV = "pvc-00000000-0000-4000-8000-00000000000{}"

attempts = st.lists(
    st.tuples(st.integers(1, 200 * SECOND), st.integers(0, 30 * SECOND), st.sampled_from(["", "permission denied"])),
    min_size=1, max_size=6,
)  # fmt: skip


def lines_of(name: str, steps: list[tuple[int, int, str]], start: int = 0) -> list[tuple[int, str]]:
    lines, now = [], start
    for gap, took, error in steps:
        lines += create(name, now + gap, took, error)
        now += gap + took
    return lines


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize("name", LOGS)
def test_every_call_of_the_report_is_in_one_life(name):
    scanner, report = scanned((SAMPLES / name).read_text(encoding="utf-8"))
    lives = [scanner.trace(report, volume.name).volumes[0] for volume in scanner.volumes()]
    unassigned = scanner.trace(report).unassigned
    assert sum(one.failed for one in lives) + unassigned[1] == report.calls.failed
    assert sum(one.hung for one in lives) == report.calls.hung
    by_method = Counter(call.method for one in lives for call in one.calls)
    if not unassigned[0]:
        # Calls with an empty body (GetPluginInfo …) are of no volume.
        of_volumes = {method: total for method, (total, _) in report.calls.by_method.items() if "olume" in method}
        assert {method: by_method[method] for method in of_volumes} == of_volumes
    for one in lives:
        assert one.total == len(one.calls) + one.dropped
        assert one.failed == sum(call.outcome == "failed" for call in one.calls)
        assert one.attempts == max(call.attempt for call in one.calls)


@pytest.mark.parametrize("name", LOGS)
def test_the_failures_of_a_diagnosis_are_those_of_its_volumes(name):
    scanner, report = scanned((SAMPLES / name).read_text(encoding="utf-8"))
    lives = {volume.name: scanner.trace(report, volume.name).volumes[0] for volume in scanner.volumes()}
    # Sidecars, kubelet and pasted errors tell of failures without a call of the driver.
    for diagnosis in report.diagnoses if report.calls.failed else ():
        mine = [lives[volume.name] for volume in diagnosis.volumes if volume.name in lives]
        assert diagnosis.failures <= sum(one.failed for one in mine) + scanner.trace(report).unassigned[1]
        for one in mine:
            assert diagnosis.id in {rule for rule, _, _ in one.diagnoses}


@few
@given(attempts, attempts, st.integers(0, 90 * SECOND))
def test_other_volumes_between_change_nothing(mine, others, shift):
    one, other = PV.format(1), PV.format(2)
    alone = lines_of(one, mine)
    # The end of the log is the same, so that nothing is open for longer.
    company = [line for line in lines_of(other, others, shift) if line[0] < max(time for time, _ in alone)]
    here, there = traces(log_of(alone))[one], traces(log_of(alone + company))[one]

    def gist(life: VolumeTrace) -> list[TracedCall]:
        return [dataclasses.replace(call, line=0) for call in life.calls]

    assert gist(here) == gist(there)
    assert dataclasses.replace(here, calls=(), last_good=None) == dataclasses.replace(there, calls=(), last_good=None)


@few
@given(attempts)
def test_the_times_are_those_of_the_log(steps):
    life = traces(log_of(lines_of(PV.format(1), steps)))[PV.format(1)]
    assert [call.attempt for call in life.calls] == list(range(1, len(steps) + 1))
    assert [call.end - call.start for call in life.calls] == [took for _, took, _ in steps]
    assert [call.gap for call in life.calls] == [None, *(gap for gap, _, _ in steps[1:])]
    assert [call.outcome for call in life.calls] == ["failed" if error else "ok" for _, _, error in steps]
    last = "failing" if steps[-1][2] else "recovered" if any(error for _, _, error in steps) else "ok"
    assert life.status == last
    good = [call for call in life.calls if call.outcome == "ok"]
    assert life.last_good == (dataclasses.replace(good[-1], gap=None) if good else None)


WORDS = st.sampled_from(
    ["GRPC call: /csi.v1.Node/NodePublishVolume", 'GRPC request: {"volume_id":"a#b#c##","target_path":"/t"}',
     "GRPC response: {}", "GRPC error: rpc error: code = Internal desc = x", "Driver: nfs.csi.k8s.io version: v4",
     "panic: x", 'GRPC request: {"name":"\x1b[31m"}', "Mount failed: exit status 32\nOutput: \n", "]", ""]
)  # fmt: skip


@few
@given(
    st.lists(st.tuples(st.sampled_from("IWEF "), st.integers(0, 86_399 * SECOND), WORDS), max_size=40),
    st.integers(20, 130),
)
def test_no_log_raises(entries, width):
    text = "\n".join(f"{letter}{stamp(time)} utils.go:111] {words}" for letter, time, words in entries)
    scanner, report = scanned(text)
    trace = scanner.trace(report)
    VALIDATOR.validate(json.loads(rendered(trace, "json")))
    page = rendered(trace, width=width, color=True)
    assert not re.search(r"[\x00-\x09\x0b-\x1a\x1c-\x1f\x7f]", page)
    assert all(columns(line) <= width for line in re.sub(r"\x1b\[[0-9;]*m", "", page).split("\n"))


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("width", [20, 48, 80, 120])
def test_every_sample_fits_into_the_terminal(name, width):
    scanner, report = scanned((SAMPLES / name).read_text(encoding="utf-8"))
    plain = rendered(scanner.trace(report), width=width)
    assert all(columns(line) <= width for line in plain.split("\n"))
    assert all(line == line.rstrip() for line in plain.split("\n"))
    assert re.sub(r"\x1b\[[0-9;]*m", "", rendered(scanner.trace(report), width=width, color=True)) == plain
    VALIDATOR.validate(trace_v1.to_dict(scanner.trace(report)))


# ---------------------------------------------------------------- what a life holds


def test_a_restart_ends_what_was_open_and_is_shown():
    name = PV.format(1)
    lines = [
        banner(0),
        *create(name, 10 * SECOND, 5 * SECOND)[:2],
        banner(13 * SECOND),
        *create(name, 20 * SECOND, SECOND),
    ]
    scanner, report = scanned(log_of(lines))
    (life,) = scanner.trace(report).volumes
    assert [call.outcome for call in life.calls] == ["killed", "ok"]
    assert (life.calls[0].until - life.calls[0].start, life.calls[1].gap) == (3 * SECOND, 7 * SECOND)
    assert [(one.kind, one.line) for one in life.restarts] == [("start", 4)]  # the banner at the top is no restart
    assert life.status == "recovered"
    assert "the driver was restarted (line 4)" in rendered(scanner.trace(report))


def test_a_call_without_an_end_is_open_and_then_hangs():
    name, other = PV.format(1), PV.format(2)
    begun = create(name, 0, 1)[:2]
    soon = traces(log_of([*begun, *create(other, 10 * SECOND, 1)]))[name]
    late = traces(log_of([*begun, *create(other, 600 * SECOND, 1)]))[name]
    assert (soon.calls[0].outcome, soon.status, soon.hung) == ("open", "open", 0)
    assert (late.calls[0].outcome, late.status, late.hung) == ("hung", "hung", 1)
    assert late.calls[0].until == late.calls[0].start + 600 * SECOND + 1
    assert late.last_good is None


def test_the_worst_come_first_and_there_are_ten():
    lines = []
    for number in range(9):
        lines += lines_of(PV.format(number), [(SECOND, SECOND, "")])
    lines += lines_of(PV.format("a"), [(SECOND, SECOND, "permission denied")])
    lines += lines_of(PV.format("b"), [(SECOND, SECOND, "permission denied")] * 3)
    lines += lines_of(PV.format("c"), [(SECOND, SECOND, "permission denied")] * 5 + [(SECOND, SECOND, "")])
    scanner, report = scanned(log_of(lines))
    trace = scanner.trace(report)
    assert [one.name[-1] for one in trace.volumes[:3]] == ["b", "a", "c"]
    assert [one.status for one in trace.volumes[:4]] == ["failing", "failing", "recovered", "ok"]
    assert (len(trace.volumes), trace.known) == (10, 12)


def test_a_failure_is_told_by_what_mount_printed():
    body = "mount failed: exit status 32\nMounting command: mount\nMounting arguments: -t nfs a:/b /c\nOutput: mount.nfs: x\nmount.nfs: y\n"
    assert timeline.said_in_the_end(body) == "mount.nfs: x; mount.nfs: y"
    assert timeline.said_in_the_end("mkdir /tmp/a: read-only file system\n") == "mkdir /tmp/a: read-only file system"
    assert len(timeline.said_in_the_end("x" * 5000)) == timeline.MAX_TEXT


def test_many_failures_alike_take_one_row():
    steps = [(SECOND * 2**n, SECOND, "permission denied") for n in range(7)]
    scanner, report = scanned(log_of(lines_of(PV.format(1), steps)))
    text = rendered(scanner.trace(report))
    assert "4 attempts more that failed alike, 4.0s to 32.0s apart" in text
    assert text.count("permission denied") == 1
    assert len(trace_v1.to_dict(scanner.trace(report))["volumes"][0]["calls"]) == 7


def test_a_long_silence_begins_a_new_time_axis():
    lines = lines_of(
        PV.format(1), [(SECOND, SECOND, "permission denied"), (SECOND, SECOND, ""), (7200 * SECOND, SECOND, "")]
    )
    scanner, report = scanned(log_of(lines))
    assert "... 2h00m later" in rendered(scanner.trace(report))


@pytest.mark.parametrize(
    ("micros", "text"),
    [(0, "<1ms"), (21_400, "21ms"), (999_600, "1.0s"), (1_600_000, "1.6s"), (59_960_000, "1m00s"),
     (118_400_000, "1m58s"), (7_500 * SECOND, "2h05m"), (273_600 * SECOND, "3d04h")],
)  # fmt: skip
def test_durations_are_short(micros, text):
    assert duration(micros) == text


@given(st.integers(0, 10**15))
def test_durations_have_few_columns(micros):
    assert len(duration(micros)) <= 6


# ---------------------------------------------------------------- bounds


def call_of(name: str, outcome: str = "ok", time: int = 0) -> Call:
    call = Call("CreateVolume", Volume(name), Origin("x.log"), 1, start=time, end=time + 1, outcome=outcome)
    call.attempt = time + 1
    return call


def test_of_a_long_life_the_first_and_the_latest_calls_stay():
    recorder = timeline.Recorder()
    for time in range(1000):
        recorder.add(call_of("pv", "failed", time), "", "", until=None, restarted=False)
    (life,) = recorder.trace("0", (), ()).volumes
    assert (life.total, life.failed, len(life.calls), life.dropped) == (1000, 1000, timeline.MAX_CALLS, 800)
    assert life.calls[0].attempt == 1
    assert life.calls[-1].attempt == 1000
    assert recorder.trace("0", (), ()).dropped == {"calls in the midst of long lives": 800}


def test_of_many_volumes_those_with_trouble_stay():
    recorder = timeline.Recorder()
    for number in range(timeline.MAX_VOLUMES + 500):
        recorder.add(
            call_of(f"pv-{number}", "failed" if number % 100 == 0 else "ok"), "", "", until=None, restarted=False
        )
    trace = recorder.trace("0", (), ())
    names = {volume.name for volume in recorder.volumes()}
    assert len(names) == timeline.MAX_VOLUMES
    assert {f"pv-{number}" for number in range(0, timeline.MAX_VOLUMES + 500, 100)} <= names
    assert trace.known == timeline.MAX_VOLUMES + 500
    assert trace.dropped == {"volumes": 500, "calls of volumes that were dropped": 500}


def test_there_is_no_trace_unless_one_is_asked_for():
    scanner = scan.Scanner(loaded())
    report = scanner.report()
    assert scanner.volumes() == []
    assert scanner.trace(report).volumes == ()


# ---------------------------------------------------------------- names


def test_a_full_name_wins_over_a_part():
    volumes = [Volume("data", pvc="x", namespace="n"), Volume("data-1", handle="s#a#data-1##", pvc="x", namespace="m")]
    assert timeline.find(volumes, "data") == ["data"]
    assert timeline.find(volumes, "dat") == ["data", "data-1"]
    assert timeline.find(volumes, "x") == ["data", "data-1"]
    assert timeline.find(volumes, "m/x") == ["data-1"]
    assert timeline.find(volumes, "s#a") == ["data-1"]
    assert timeline.find(volumes, "none") == []
    assert timeline.find(volumes, "") == []


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = cli.run(["trace", "--width", "100", *arguments])
    out, err = capsys.readouterr()
    return status, out, err


RECOVERED = str(SAMPLES / "recovered.log")


@pytest.mark.parametrize("words", [["apps/mail", RECOVERED], ["--volume", "mail", RECOVERED], ["b24b5692", RECOVERED]])
def test_the_command_shows_the_volume_that_is_meant(capsys, words):
    status, out, _ = run(capsys, *words)
    assert status == 0
    assert "PVC apps/mail" in out
    assert "apps/backup" not in out


def test_the_command_without_a_volume_shows_the_worst(capsys):
    status, out, _ = run(capsys, RECOVERED, "--format", "json")
    assert status == 0
    value = json.loads(out)
    VALIDATOR.validate(value)
    assert [one["status"] for one in value["volumes"]] == ["recovered", "recovered", "ok"]


@pytest.mark.parametrize(
    ("word", "said"), [("pvc-", "3 volumes are meant by it"), ("zzz", "there is no volume of that name")]
)
def test_a_name_that_means_none_or_several_is_an_error(capsys, word, said):
    status, out, err = run(capsys, word, RECOVERED)
    assert (status, out) == (cli.USAGE, "")
    assert said in err
    assert "apps/mail" in err


def test_an_input_that_cannot_be_read_shows_in_the_status(capsys):
    status, out, err = run(capsys, RECOVERED, str(SAMPLES / "missing.log"))
    assert status == edge.UNREAD
    assert "apps/mail" in out
    assert "missing.log" in err


def test_the_trace_goes_into_a_file(capsys, tmp_path):
    status, out, _ = run(capsys, RECOVERED, "-f", "json", "-o", str(tmp_path / "trace.json"))
    assert (status, out) == (0, "")
    VALIDATOR.validate(json.loads((tmp_path / "trace.json").read_text(encoding="utf-8")))


# ---------------------------------------------------------------- the format

CALL = TracedCall(
    "NodePublishVolume", "node", "worker-1", 2, "failed", "Internal", "mount.nfs: x", 1, 2, None, 3, "/t", "a:/b", "ro",
    2, "n.log", 7,
)  # fmt: skip
FULL = Trace(
    "0.1.0",
    (
        VolumeTrace(
            "pv", "h", "claim", "ns", "a", "/b", "sub", "failing", 2, 3, 1, 1, 1, CALL, (CALL,),
            (Restart(1, "n.log", "", 9, "panic"),), (("mount-x", "wrong-share-path", "because"),),
        ),
    ),
    known=3, unassigned=(2, 1), dropped={"volumes": 1}, errors=("a: b",), interrupted=True,
)  # fmt: skip


def test_the_schema_describes_all_and_no_field_is_forgotten(full):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    value = trace_v1.to_dict(FULL)
    VALIDATOR.validate(value)
    del full
    assert list(value) == list(SCHEMA["properties"])
    assert list(value["volumes"][0]) == list(SCHEMA["$defs"]["volume"]["properties"])
    assert list(value["volumes"][0]["calls"][0]) == list(SCHEMA["$defs"]["call"]["properties"])
    assert {one.name for one in dataclasses.fields(Trace)} - {"version"} == set(value) - {"schema", "tool"}
    assert {one.name for one in dataclasses.fields(VolumeTrace)} == set(value["volumes"][0])
    fields = {one.name for one in dataclasses.fields(TracedCall)}
    assert fields - {"gap"} == set(value["volumes"][0]["calls"][0]) - {"seconds", "gap_seconds"}


TEXTS = st.text(st.one_of(st.sampled_from("\x1b\x7f\x9b\u202e\ud800\n\0"), st.characters(codec=None)), max_size=20)
CLOSED = {"role", "outcome", "status", "kind"}


def filled(value, texts):
    if isinstance(value, str):
        return next(texts)
    if isinstance(value, tuple):
        return tuple(filled(item, texts) for item in value)
    if dataclasses.is_dataclass(value):
        names = [one.name for one in dataclasses.fields(value) if one.name not in CLOSED]
        return dataclasses.replace(value, **{name: filled(getattr(value, name), texts) for name in names})
    return value


@given(st.lists(TEXTS, min_size=1, max_size=8), st.integers(20, 200))
@settings(max_examples=60, deadline=None)
def test_whatever_a_log_says_the_trace_can_be_shown(texts, width):
    trace = filled(FULL, itertools.cycle(texts))
    output = rendered(trace, "json")
    VALIDATOR.validate(json.loads(output))
    assert output.isascii()
    page = rendered(trace, width=width)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\ud800]", page)
    assert all(columns(line) <= width for line in page.split("\n"))
