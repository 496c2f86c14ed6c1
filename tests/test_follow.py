"""``--follow``: each diagnosis is told once, as soon as it can be known, and the end is what diagnose says."""

from __future__ import annotations

import fcntl
import gzip
import io
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from logscan import follow, rules, scan
from logscan.incidents import Collector
from logscan.ledger import Ledger
from logscan.model import Diagnosis, Evidence, InputSummary, Remedy, Report, Severity, VolumeRef
from logscan.report import area
from logscan.report.metrics import Metrics
from logscan.report.safe import columns
from logscan.sources import Source
from logscan.tail import STDIN, Piece
from logscan.volumes import Volumes

ROOT = Path(__file__).parent.parent
RULES = rules.load(())
SAMPLES = sorted(ROOT.joinpath("samples").glob("*.log"))
RECOVERED = ROOT / "samples" / "recovered.log"
COMMAND = [sys.executable, "-c", "from logscan.cli import main; main()"]
PATIENCE = 20.0  # seconds before a test gives up
VOLUME = "pvc-ca0ab165-9aa5-42a4-ae15-f4fd036142d2"
CALL = f"""\
I0720 09:53:52.201408       1 utils.go:88] GRPC call: /csi.v1.Controller/CreateVolume
I0720 09:53:52.201568       1 utils.go:89] GRPC request: {{"name":"{VOLUME}","parameters":{{"csi.storage.k8s.io/pv/name":\
"{VOLUME}","csi.storage.k8s.io/pvc/name":"data-0","csi.storage.k8s.io/pvc/namespace":"default","server":"192.168.59.102",\
"share":"/"}}}}
"""
HEAD = "E0720 09:53:52.387108       1 utils.go:93] GRPC error: rpc error: code = Internal desc = mount failed: exit status 32"
REST = """
Mounting command: mount
Mounting arguments: -t nfs -o nfsvers=4.1 192.168.59.102:/ /tmp/x
Output: mount.nfs: access denied by server while mounting 192.168.59.102:/
"""


# ---------------------------------------------------------------- laws


class Script:
    """A tail that brings what it was given, a piece a poll."""

    def __init__(self, pieces) -> None:
        self.pieces = list(pieces)
        self.unfollowed: list[str] = []
        self.packed: list[tuple[str, Iterator[bytes]]] = []

    @property
    def over(self) -> bool:
        return not self.pieces

    def poll(self, _wait):
        yield self.pieces.pop(0)

    def close(self) -> None:
        pass


def diagnosed(data: bytes, name: str = STDIN) -> Report:
    scanner = scan.Scanner(RULES, scan.Options(newest=scan.NEWEST))
    scanner.read(Source(name, None, iter([data] if data else [])))
    return scanner.report()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
@settings(max_examples=2)
@given(data=st.data())
def test_the_end_is_what_diagnose_says_and_each_diagnosis_is_opened_once(path, data):
    log = path.read_bytes()
    cuts = sorted(data.draw(st.sets(st.integers(1, len(log) - 1), max_size=5)))
    pieces = [
        Piece(STDIN, log[start:end], piped=True) for start, end in zip([0, *cuts], [*cuts, len(log)], strict=True)
    ]
    settled = data.draw(st.booleans())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(follow, "AT_MOST", 0.0)  # judge after each piece
        patch.setattr(follow, "SHARE", 0)
        patch.setattr(follow, "SETTLED", 0.0 if settled else 1e9)
        follower = follow.Follower(
            scan.Scanner(RULES, scan.Options(newest=scan.NEWEST)), Script([*pieces, Piece(STDIN, piped=True)])
        )
        happened = []
        while not follower.over:
            for some in follower.step():
                happened += some
        report, last = follower.close()
        happened += last
    assert report == diagnosed(log)
    check_history(happened, report)


def check_history(happened, report) -> None:
    """Opened once and first; the last word on each is what the report has."""
    state: dict[str, str] = {}
    last = {}
    for one in happened:
        assert (one.kind == "opened") == (one.key not in state)
        if one.kind == "recovered":
            assert state[one.key] == "open"
        if one.kind == "closed":
            assert state[one.key] != "closed"
        state[one.key] = {"opened": "open", "recovered": "recovered", "closed": "closed"}.get(
            one.kind, "recovered" if one.diagnosis.recovered else "open"
        )
        last[one.key] = one.diagnosis
    standing = [last[key] for key, how in state.items() if how != "closed"]
    assert all(one in report.diagnoses for one in standing)
    causes = [(one.id, one.category, one.cause) for one in standing]
    assert {(one.id, one.category, one.cause) for one in report.diagnoses} == set(causes)


# ---------------------------------------------------------------- the ledger


def diagnosis(**fields: Any) -> Diagnosis:
    plain = {
        "id": "x", "category": "root-squash", "severity": Severity.ERROR, "confidence": "high", "title": "t",
        "cause": "c", "remedy": Remedy("mend it"), "volumes": (VolumeRef("pvc-1", "data", "default", "10.0.0.1", "/a"),),
        "failures": 1, "attempts": 1, "evidence": (Evidence("-", 1, 1, "E"),),
    }  # fmt: skip
    return Diagnosis(**(plain | fields))


def kinds(
    ledger: Ledger, *diagnoses: Diagnosis, now: int = 0, final: bool = False
) -> list[tuple[str, tuple[str, ...]]]:
    return [
        (one.kind, one.changes) for one in ledger.update(Report("1", "error", diagnoses=diagnoses), now, final=final)
    ]


def test_growth_is_told_when_it_doubled_or_is_old_or_final():
    ledger = Ledger()
    assert kinds(ledger, diagnosis(failures=4)) == [("opened", ())]
    assert kinds(ledger, diagnosis(failures=5)) == []
    assert kinds(ledger, diagnosis(failures=8)) == [("updated", ("failures",))]
    assert kinds(ledger, diagnosis(failures=9), now=5) == []
    assert kinds(ledger, diagnosis(failures=9), now=10_000_000) == [("updated", ("failures",))]
    assert kinds(ledger, diagnosis(failures=10), now=10_000_001, final=True) == [("updated", ("failures",))]


def test_what_recovers_and_fails_again_is_one_diagnosis():
    ledger = Ledger()
    kinds(ledger, diagnosis())
    assert kinds(ledger, diagnosis(recovered=True, severity=Severity.INFO)) == [("recovered", ())]
    assert kinds(ledger, diagnosis(recovered=True, severity=Severity.INFO), diagnosis()) == [("updated", ("state",))]
    assert [one.state for one in ledger.entries()] == ["open"]


def test_a_cause_that_becomes_more_exact_stays_the_same_and_a_symptom_that_is_explained_is_closed():
    ledger = Ledger()
    kinds(ledger, diagnosis(category="mount-failed", id="a"))
    ((kind, changes),) = kinds(ledger, diagnosis(category="client-not-allowed", id="b"))
    assert kind == "updated"
    assert set(changes) == {"category", "id"}
    other = diagnosis(category="insufficient-evidence", id="c", evidence=(Evidence("-", 9, 9, "E"),), volumes=())
    assert kinds(ledger, diagnosis(category="client-not-allowed", id="b"), other) == [("opened", ())]
    assert kinds(ledger, diagnosis(category="client-not-allowed", id="b")) == [("closed", ())]
    assert kinds(ledger, diagnosis(category="client-not-allowed", id="b"), other) == [("updated", ("state",))]


# ---------------------------------------------------------------- what is remembered


def test_of_a_log_that_goes_on_the_newest_incidents_stay():
    scanner = scan.Scanner(RULES, scan.Options(newest=20))
    reading = scanner.begin("x", 1_700_000_000_000_000)
    for number in range(100):
        name = f"pvc-{number:08}-9aa5-42a4-ae15-f4fd036142d2"
        text = f"failed to make subdirectory: mkdir /tmp/{name}/{name}: read-only file system"
        head = (
            f"E0720 09:53:{number % 60:02}.387108       1 utils.go:93] GRPC error: rpc error: code = Internal desc = "
        )
        reading.feed(f"{head}{text}\n".encode())
    scanner.end(reading)
    report = scanner.report()
    names = {volume.name for one in report.diagnoses for volume in one.volumes}
    assert "pvc-00000099-9aa5-42a4-ae15-f4fd036142d2" in names
    assert len(names) <= 20
    assert report.truncated is not None
    assert report.truncated["incidents"] + len(names) == 100
    counts = report.counts
    assert counts.problems == counts.matched + counts.benign + counts.unrecognised


@given(names=st.lists(st.integers(0, 30), max_size=100))
def test_books_of_a_log_that_goes_on_hold_the_newest(names):
    volumes = Volumes(5)
    for number in names:
        volumes.pin(volumes.get(f"pvc-{number}"))
    last = list(dict.fromkeys(reversed(names)))[:5]
    assert all(volumes.known(f"pvc-{number}") for number in last)
    assert len(volumes) <= 11
    book = dict.fromkeys(range(7))
    volumes.full(book)
    assert 0 not in book
    assert Collector(newest=5).at_rest()


# ---------------------------------------------------------------- the area


@given(
    width=st.integers(20, 200), height=st.integers(4, 60), number=st.integers(0, 40),
    cause=st.text(max_size=300), name=st.text(max_size=40),
)  # fmt: skip
@settings(max_examples=40)
def test_the_area_never_leaves_its_bounds_nor_lets_a_control_character_through(width, height, number, cause, name):
    ledger = Ledger()
    found = tuple(
        diagnosis(cause=f"{n} {cause}", recovered=n % 3 == 0, volumes=(VolumeRef(name),), evidence=())
        for n in range(number)
    )
    report = Report("1", "error", diagnoses=found)
    ledger.update(report, 0)
    drawn = area.lines(report, ledger.entries(), records=3, now=9_000_000, width=width, height=height)
    assert 1 <= len(drawn) <= min(height, area.MAX_HEIGHT)
    for text, _ in drawn:
        assert columns(text) <= width
        assert text.isprintable()


# ---------------------------------------------------------------- metrics


@given(version=st.text(max_size=20), category=st.text(max_size=20), failures=st.integers(0, 10**9))
@settings(max_examples=40)
def test_metrics_are_read_by_prometheus_whatever_the_labels_hold(version, category, failures):
    last = 1_795_436_645_273_941
    report = Report(
        version, "error", inputs=(InputSummary("-", unparsed_lines=7, last_time=last),),
        diagnoses=(diagnosis(category=category), diagnosis(category=category, recovered=True, severity=Severity.INFO)),
        counts=scan.Counts(records=failures),
    )  # fmt: skip
    out = io.StringIO()
    Metrics().write(report, out)
    families = {family.name: family for family in text_string_to_metric_families(out.getvalue())}
    assert all(family.documentation and family.type in {"gauge", "counter"} for family in families.values())
    (info,) = families["logscan_build_info"].samples
    assert info.labels["version"] == version.encode("utf-8", "replace").decode()
    found = {
        (one.labels["category"], one.labels["severity"]): one.value for one in families["logscan_findings"].samples
    }
    safe = category.encode("utf-8", "replace").decode()
    assert found == {(safe, "error"): 1, (safe, "info"): 1}
    value = {name: family.samples[0].value for name, family in families.items() if len(family.samples) == 1}
    assert value["logscan_open_diagnoses"] == 1
    assert value["logscan_records"] == failures
    assert value["logscan_unparsed_lines"] == 7
    assert value["logscan_last_record_timestamp_seconds"] == pytest.approx(last / 1e6)


def test_a_counter_never_goes_back():
    metrics = Metrics()
    for records in (5, 4):
        out = io.StringIO()
        metrics.write(Report("1", "healthy", counts=scan.Counts(records=records)), out)
        assert "logscan_records_total 5\n" in out.getvalue()


def test_diagnose_writes_metrics_once(tmp_path):
    done = run(str(RECOVERED), "--metrics", str(tmp_path / "x.prom"), "--format", "json")
    assert done.returncode == 0
    report = json.loads(done.stdout)
    families = {one.name: one for one in text_string_to_metric_families((tmp_path / "x.prom").read_text("utf-8"))}
    assert families["logscan_calls"].samples[0].value == report["calls"]["total"]
    assert families["logscan_failed_calls"].samples[0].value == report["calls"]["failed"]
    assert sum(one.value for one in families["logscan_findings"].samples) == len(report["diagnoses"])


def test_metrics_that_cannot_be_written_are_refused_before_reading(tmp_path):
    done = run(str(RECOVERED), "--metrics", str(tmp_path / "no" / "x.prom"))
    assert done.returncode == 2
    assert "its directory does not exist" in done.stderr


# ---------------------------------------------------------------- the program


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, timeout=60, **options)


class Program:
    """A logscan that runs; what it writes is gathered without blocking."""

    def __init__(self, *arguments: str, out=subprocess.PIPE, **environ: str) -> None:
        environment = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "COLUMNS", "CI"}}
        self.process = subprocess.Popen(
            [*COMMAND, *arguments], stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE,
            env=environment | {"TERM": "xterm-256color"} | environ,
        )  # fmt: skip
        self.out = self.process.stdout.fileno() if self.process.stdout else -1
        self.text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def write(self, text: str) -> None:
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def until(self, pattern: str) -> None:
        """Read until *pattern* is in what was written."""
        deadline = time.monotonic() + PATIENCE
        while not re.search(pattern, self.text):
            assert time.monotonic() < deadline, self.text
            if select.select([self.out], [], [], 0.1)[0]:
                data = os.read(self.out, 65536)
                assert data, f"it ended: {self.text} {self.process.stderr.read()!r}"
                self.text += data.decode()

    def interrupt(self) -> int:
        """Press Ctrl-C, read all, and return the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.rest()

    def rest(self) -> int:
        while True:
            try:
                data = os.read(self.out, 65536)
            except OSError:  # a terminal's other end is gone
                data = b""
            if not data:
                break
            self.text += data.decode()
        return self.process.wait(PATIENCE)

    def events(self) -> list[dict]:
        return [json.loads(line) for line in self.text.splitlines()]


def test_a_record_that_goes_on_after_a_pause_is_one_diagnosis_and_the_end_of_the_pipe_ends_it():
    with Program("--follow", "--format", "ndjson") as program:
        program.write(CALL + HEAD)
        program.until('"type": "opened"')  # silence has closed the record
        program.write(REST)
        program.until("client-not-allowed|wrong-share-path|path-not-exported")
        program.process.stdin.close()
        assert program.rest() == 0
        events = program.events()
        whole = json.loads(run("--format", "json", input=CALL + HEAD + REST).stdout)
        kinds = [one["type"] for one in events]
        assert kinds[:2] == ["opened", "updated"]
        assert kinds.count("opened") == 1
        assert len({one["key"] for one in events if "key" in one}) == 1
        assert [one for one in events if one["type"] == "diagnosis"] == [
            {"type": "diagnosis"} | one for one in whole["diagnoses"]
        ]
        told = next(one for one in reversed(events) if "key" in one)
        assert told["diagnosis"]["category"] == whole["diagnoses"][0]["category"]


def test_files_are_followed_until_ctrl_c_which_prints_the_report(tmp_path):
    log, prom = tmp_path / "nfs.log", tmp_path / "x.prom"
    text = RECOVERED.read_text("utf-8")
    half = len(text) // 2
    with Program("--follow", str(log), "--metrics", str(prom)) as program:
        log.write_text(text[:half], encoding="utf-8")
        program.until("opened +error")
        log.rename(tmp_path / "nfs.log.1")
        log.write_text(text[half:], encoding="utf-8")
        program.until("recovered +")
        assert "# TYPE logscan_findings gauge" in prom.read_text("utf-8")
        assert program.interrupt() == 130
    assert program.text.count("opened ") == 1
    assert "Interrupted: the input was not read to its end" in program.text


def test_a_named_pipe_is_followed_and_nothing_of_it_is_lost(tmp_path):
    fifo = tmp_path / "pipe.log"
    os.mkfifo(fifo)
    text = CALL + HEAD + REST
    with Program("-F", str(fifo), "--format", "ndjson") as program:
        with fifo.open("w") as out:  # opens when it is read
            out.write(CALL + HEAD)
            out.flush()
            program.until('"type": "opened"')
            out.write(REST)
        assert program.rest() == 0
    [read] = [one for one in program.events() if one["type"] == "input"]
    assert (read["name"], read["bytes"], read["lines"]) == (str(fifo), len(text), text.count("\n"))


def test_a_packed_pipe_is_read_as_diagnose_reads_it():
    packed = gzip.compress((CALL + HEAD + REST).encode())
    reports = [
        json.loads(
            subprocess.run(
                [*COMMAND, *more, "-f", "json"], input=packed, capture_output=True, check=False, timeout=60
            ).stdout
        )
        for more in ([], ["-F"])
    ]
    assert reports[0]["diagnoses"]
    assert reports[0]["diagnoses"] == reports[1]["diagnoses"]
    assert reports[0]["inputs"] == reports[1]["inputs"]


def test_what_never_came_is_told_at_the_end(tmp_path):
    with Program("-F", str(tmp_path / "none.log"), "--format", "json") as program:
        while b"waiting" not in os.read(program.process.stderr.fileno(), 65536):
            pass
        assert program.interrupt() == 130
        report = json.loads(program.text)
        assert report["interrupted"]
        assert len(report["errors"]) == 1


@pytest.mark.parametrize("plain", [False, True])
def test_on_a_terminal_an_area_is_redrawn_in_place(plain):
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 12, 60, 0, 0))
    with Program("--follow", out=theirs, **({"NO_COLOR": "1"} if plain else {})) as program:
        os.close(theirs)
        program.out = ours
        program.write(RECOVERED.read_text("utf-8"))
        program.until("NOTHING FAILS: 0 open, 1 recovered")
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 8, 40, 0, 0))
        program.write(CALL + HEAD + REST)
        program.until("FAILING: 1 open")
        program.process.stdin.close()
        assert program.rest() == 0
    os.close(ours)
    frames = program.text.split("\x1b[?2026h")[1:]
    for frame in frames:
        drawn = frame.partition("\x1b[?2026l")[0]
        assert drawn.count("\n") <= 11
        for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn).split("\n"):
            assert len(line.strip("\r")) < 60
    assert ("\x1b[1;31m" in program.text) is not plain
    # The area is gone before the report is there.
    assert re.search(r"\x1b\[[0-9]+A\x1b\[J(\x1b\[[0-9;]*m)?ERROR: ", program.text)
