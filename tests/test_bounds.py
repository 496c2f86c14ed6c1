"""What is kept has a bound, whatever comes: shown with small caps, since the real ones need large inputs.

``python -m benchmarks.bounds`` measures whole processes on inputs of full size.
"""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import bounds
from logscan import frames, incidents, klog, match, rules, scan, sources, streams, unpack, volumes
from logscan.calls import Tracker
from logscan.errors import SourceError
from logscan.model import Line, Origin, Record, Report
from logscan.report import json_reader
from logscan.sources import Source
from tests.reading import piped, problems

HEADER = "E0720 09:53:52.387108       1 utils.go:93] "
DENIED = "GRPC error: rpc error: code = Internal desc = failed to make subdirectory: mkdir /tmp/{0}/{0}: read-only file system"


def volume(number: int) -> str:
    return f"pvc-{number:08}-9aa5-42a4-ae15-f4fd036142d2"


def request(number: int, **more: str) -> str:
    body = {"name": volume(number), "parameters": {"server": "10.0.0.5", "share": "/srv", **more}}
    return f"GRPC call: /csi.v1.Controller/CreateVolume\nGRPC request: {json.dumps(body)}"


def scanned(texts: Iterable[str], name: str = "-") -> scan.Scanner:
    scanner = scan.Scanner(rules.load(()))
    scanner.read(Source(name, None, (f"{text}\n".encode() for text in texts)))
    return scanner


# ---------------------------------------------------------------- text that waits


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 200), st.booleans()), max_size=80))
def test_open_records_of_all_streams_together_have_a_bound_and_no_line_is_lost(told):
    parser = klog.Parser(reference=0, year=2026)
    origins = [Origin("t", f"pod-{n}") for n in range(7)]
    lines = [
        Line(origins[pod], number, 0, (HEADER if begins else "") + "x" * size, None, 1, 0)
        for number, (pod, size, begins) in enumerate(told, 1)
    ]
    records: list[Record] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(klog, "MAX_HELD", 500)
        for line in lines:
            records += parser.feed(line)
            held = [s for s in parser._streams.values() if s.record is not None and s is not parser._stream]
            assert sum(len(s.record.message) + s.size for s in held) == parser._held <= 500
    records += parser.close()

    assert parser._held == 0
    assert sum(record.lines for record in records) == len(lines)
    assert sum(record.message.count("x") for record in records) == sum(size for _, size, _ in told)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("PPPF"), st.integers(0, 60)), max_size=80))
def test_lines_in_parts_have_a_bound_together_and_lose_nothing(told):
    deframer = frames.Deframer("t")
    lines: list[Line] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "MAX_HELD", 100)
        for number, (pod, tag, size) in enumerate(told, 1):
            raw = f"[pod/p-{pod}/nfs] 2026-07-20T09:53:52Z stderr {tag} {'x' * size}"
            lines += deframer.feed(number, 0, raw.encode())
            held = sum(len(text) for _, texts, _ in deframer._parts.values() for text in texts)
            assert held == deframer._partial
            assert held <= 100 or len(deframer._parts) == 1
        lines += deframer.close()

    assert sum(line.physical for line in lines) == len(told)
    assert sum(len(line.text) for line in lines) == sum(size for _, _, size in told)


def test_a_pretty_object_without_end_is_text_again(monkeypatch):
    monkeypatch.setattr(frames, "MAX_HELD", 1000)
    deframer = frames.Deframer("t")
    raws = [b"{", *[b'  "a": "' + b"x" * 90 + b'",'] * 30]
    lines = [line for number, raw in enumerate(raws, 1) for line in deframer.feed(number, 0, raw)] + deframer.close()
    assert [line.text.encode() for line in lines] == raws


def test_names_of_writers_are_no_longer_than_names_can_be():
    name = "n" * 100_000
    for text in (f"[pod/{name}/{name}] x", f"Jul 20 09:53:52 {name} {name}: x", f"{name} {name} {HEADER}x"):
        (line,) = frames.Deframer("t", reference=0).feed(1, 0, text.encode())
        assert len(line.origin.stream) < 600


# ---------------------------------------------------------------- books


def kept_by(collector: incidents.Collector) -> int:
    """Characters that incidents hold, a text that several hold once."""
    texts = {}
    for one in collector.incidents.values():
        evidence = [item.text for item in (*one.first, one.last)]
        held = [one.message, *evidence, *(f.record.message for f in one.findings)]
        held += [one.call.message] if one.call else []
        texts |= {id(text): len(text) for text in held}
    return sum(texts.values())


def test_messages_of_incidents_are_cut_when_there_is_no_room_and_all_are_counted(monkeypatch):
    monkeypatch.setattr(incidents, "ROOM", 1 << 19)
    monkeypatch.setattr(incidents, "BRIEF", 100)
    scanner = scanned(HEADER + DENIED.format(volume(n)) + " y" * 20_000 for n in range(100))

    assert kept_by(scanner._collector) < 2 << 20  # of 4 MB
    report = scanner.report()
    assert report.calls.failed == 100
    assert len(report.diagnoses[0].volumes) == 100


def test_records_of_open_calls_are_cut_when_there_is_no_room(monkeypatch):
    monkeypatch.setattr(incidents, "ROOM", 1 << 19)
    monkeypatch.setattr(incidents, "BRIEF", 100)
    failed = "Mount failed: exit status 32\nMounting arguments: -t nfs 10.0.0.5:/srv /tmp/{}\nOutput: denied"

    def texts() -> Iterator[str]:
        for n in range(100):
            yield from (HEADER + line for line in request(n).splitlines())
            yield from [HEADER + failed.format(volume(n)) + " y" * 10_000] * 5

    collector = scanned(texts())._collector
    waiting = [record for _, records in collector._pending.values() for record, _ in records]
    assert sum(len(record.message) for record in waiting) == collector._waiting < 1 << 20
    collector.close()
    assert collector._waiting == 0


def test_open_calls_of_all_streams_together_have_a_bound(monkeypatch):
    monkeypatch.setattr(streams, "MAX_ASKED", 100 * streams.CALL_SIZE)
    scanner = scanned(f"[pod/nfs-{n % 20}/nfs] {HEADER}{line}" for n in range(400) for line in request(n).splitlines())
    tracker = scanner._tracker
    still_open = [call for stream in tracker.streams for call in stream.open.values()]

    assert sum(call.size for call in still_open) == tracker.streams.asked <= streams.MAX_ASKED
    assert len(still_open) + tracker.dropped_calls == 400
    assert tracker.total["CreateVolume"] == 400
    assert scanner.report().truncated == {"open calls": tracker.dropped_calls}


def test_a_request_of_absurd_size_is_not_taken_apart():
    tracker, origin = Tracker(), Origin("t", "")
    for text in request(1, odd="x" * 200_000).splitlines():
        tracker.feed(Record(origin, 1, 1, 1, 0, None, None, "none", 1, "utils.go", 88, text))
    assert list(tracker.volumes.names()) == []


def test_large_parameters_of_volumes_have_a_bound_and_others_none(monkeypatch):
    monkeypatch.setattr(volumes, "MAX_LARGE", 50_000)
    book = volumes.Volumes()
    for n in range(100):
        body = json.loads(
            request(n, odd="x" * (10_000 if n % 2 else 10)).splitlines()[1].removeprefix("GRPC request: ")
        )
        book.learn_request(body)
    sizes = [sum(map(len, book.get(volume(n)).parameters.values())) for n in range(100)]

    assert all(size < 100 for size in sizes[::2])
    assert sum(sizes[1::2]) <= 50_000
    assert all(sizes[::2])


def test_names_of_volumes_and_captures_have_a_bound():
    book = volumes.Volumes()
    book.learn_request({"name": "v" * 100_000, "parameters": {"server": "s" * 100_000, "share": "x"}})
    (name,) = book.names()
    assert len(name) == len(book.get(name).server) == volumes.MAX_NAME

    engine = match.Engine(rules.load(()).rules)
    text = DENIED.format("v" * 5_000)
    record = Record(Origin("t", ""), 1, 1, 1, 0, None, None, "none", 1, "utils.go", 93, text)
    captured = [value for finding in engine.match(record) for value in finding.captures.values()]
    assert captured
    assert max(map(len, captured)) == match.MAX_CAPTURE


@pytest.mark.parametrize("most", [1, 3, 12, 13])
def test_inputs_that_are_too_many_are_told_of_together_and_sums_stay(monkeypatch, most):
    def read() -> Report:
        scanner = scan.Scanner(rules.load(()))
        for n in range(12):
            pod = f"[pod/nfs-{n}/nfs] " if n % 2 else ""
            texts = [f"{pod}{HEADER}{line}" for line in request(n).splitlines()] + [
                f"{pod}{HEADER}{DENIED.format(volume(n))}"
            ]
            data = "".join(f"{text}\n" for text in texts).encode() + (b"\0" if n % 3 else b"")
            scanner.read(Source(f"{n}.log", None, iter([data])))
        return scanner.report()

    whole = read()
    monkeypatch.setattr(scan, "MAX_INPUTS", most)
    short = read()

    assert len(short.inputs) == min(12, most + 1)
    for key in ("bytes", "lines", "records", "unparsed_lines"):
        assert sum(getattr(one, key) for one in short.inputs) == sum(getattr(one, key) for one in whole.inputs)
    assert [sum(column) for column in zip(*(one.calls for one in short.inputs), strict=True)] == [12, 12, 0]
    assert short.diagnoses == whole.diagnoses
    assert (short.counts, short.calls) == (whole.counts, whole.calls)
    if most < 12:
        rest = short.inputs[-1]
        assert rest.name == f"({12 - most} more inputs)"
        assert len(rest.pods) == len([n for n in range(most, 12) if n % 2])
        assert rest.warnings == (f"{len([n for n in range(most, 12) if n % 3])} of them have warnings",)


def test_a_report_of_absurdly_many_values_is_refused_before_they_are_made(monkeypatch):
    monkeypatch.setattr(json, "loads", lambda *_, **__: pytest.fail("they were made"))
    with pytest.raises(SourceError, match="holds more values than a report has"):
        json_reader.read(b"[" + b"[]," * 800_000 + b"0]", "report.json")


@pytest.mark.parametrize("token", ["/", "/a", "//pods/", '="', "a=b ", "'", "mkdir /"])
def test_questions_about_a_text_take_no_square_of_its_length(token):
    """A text of slashes took minutes.  Were one of them to do so again, this would take hours."""
    from fuzz import csi as asked
    from fuzz import klog as joined

    text = token * (300_000 // len(token))
    asked.one(text[:100_000].encode())
    for head in ("panic: ", "goroutine 1 [", HEADER, ""):
        joined.one(f"{head}{text}\n{text[:1000]}\n".encode())


# ---------------------------------------------------------------- archives


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def test_zips_in_zips_are_held_one_bound_together(monkeypatch):
    inner = zipped({"a.log": b"x" * 60_000})
    data = zipped({"1.zip": inner, "2.zip": inner})
    monkeypatch.setattr(unpack, "MAX_ZIP", len(data) + len(inner))
    assert piped(data) == [(f"-!{n}.zip!a.log", b"x" * 60_000) for n in (1, 2)]  # one after the other
    deeper = zipped({"0.zip": data, "b.log": b"y\n"})
    got = piped(deeper)
    assert problems(got) == ["is a zip archive of more than 0 MiB, with those around it, that is piped or packed"]
    assert got[-1] == ("-!b.log", b"y\n")


def test_a_zip_of_too_many_files_is_refused_before_its_table_is_read(monkeypatch, tmp_path):
    data = zipped({f"{n}.log": b"" for n in range(100)})
    (tmp_path / "a.zip").write_bytes(data)
    monkeypatch.setattr(unpack, "MAX_DIRECTORY", 100 * 52)
    assert len(piped(data)) == 100
    monkeypatch.setattr(unpack, "MAX_DIRECTORY", 100 * 50)
    monkeypatch.setattr(zipfile.ZipFile, "infolist", lambda _: pytest.fail("it was read"))
    assert problems(piped(data)) == ["the zip archive holds too many files"]


@pytest.mark.parametrize("pack", ["tar", "zip"])
def test_members_beyond_a_bound_are_not_read(monkeypatch, pack):
    monkeypatch.setattr(sources, "MAX_MEMBERS", 10)
    data = zipped({f"{n}.log": b"x\n" for n in range(12)})
    if pack == "tar":
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for n in range(12):
                info = tarfile.TarInfo(f"{n}.log")
                info.size = 2
                archive.addfile(info, io.BytesIO(b"x\n"))
        data = out.getvalue()
    got = piped(data)
    assert got[:10] == [(f"-!{n}.log", b"x\n") for n in range(10)]
    assert problems(got[10:]) == ["holds more than 10 files; what comes after them is not read"]


def test_a_long_name_of_a_member_is_shown_by_its_ends():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("begin" + "x" * 100_000 + "end.log"))
    ((name, _),) = piped(out.getvalue())
    assert len(name) < unpack.MAX_LABEL + 10
    assert name.startswith("-!begin")
    assert name.endswith("end.log")


# ---------------------------------------------------------------- whole processes


def test_the_shapes_of_the_benchmark_are_survived(capsys, monkeypatch):
    """A few of them, small: also the table itself is so tested."""
    monkeypatch.setattr("sys.argv", ["bounds", "--scale", "0.01", "aliases", "deep_zips"])
    assert bounds.main() == 0, capsys.readouterr().out
    rows = [line.split()[:4] for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(row[0], row[3]) for row in rows] == [("aliases", "0"), ("deep_zips", "3")]
