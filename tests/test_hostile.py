"""Inputs, rules and surroundings that mean no good: each ends in bounded time and memory, with a line that says so."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.klog_gen import generate
from logscan import match, model, ranges, reading, rules, scan
from logscan.errors import RulesError, SourceError
from logscan.sources import Source, open_sources
from tests.reading import problems, read

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "samples" / "readonly-share.log"
HEADER = b"I0720 09:53:52.387108       1 utils.go:88] "


def start(*arguments: object, **options: Any) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.Popen([sys.executable, "-m", "logscan", *map(str, arguments)], env=environ, **options)


def wait_for(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


# ---------------------------------------------------------------- inputs


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/random"])
def test_a_device_is_refused_and_never_opened(device, monkeypatch):
    monkeypatch.setattr("logscan.sources.open", lambda *_, **__: pytest.fail("it was opened"), raising=False)
    assert problems(read([device])) == ["is a device or a socket"]


def test_dev_null_is_an_empty_file():
    assert read(["/dev/null"]) == [("/dev/null", b"")]


def test_a_socket_is_refused(tmp_path):
    with socket.socket(socket.AF_UNIX) as one, contextlib.chdir(tmp_path):
        one.bind("socket")
        assert problems(read(["socket"])) == ["is a device or a socket"]


def test_a_link_to_itself_is_told_and_in_a_directory_passed_over(tmp_path):
    (tmp_path / "a.log").symlink_to("b.log")
    (tmp_path / "b.log").symlink_to("a.log")
    (tmp_path / "here").symlink_to(tmp_path)
    (tmp_path / "real.log").write_bytes(b"x\n")
    (error,) = read([tmp_path / "a.log"])
    assert isinstance(error, SourceError)
    assert read([tmp_path]) == [(str(tmp_path / "real.log"), b"x\n")]


def test_a_line_without_end_ends_the_input_and_the_others_are_read(monkeypatch):
    monkeypatch.setattr(reading, "ENDLESS", 1 << 20)
    given = iter([HEADER, *[bytes(1 << 18)] * 4])  # a fifth is not asked for

    def endless():
        yield from given
        pytest.fail("more was read than is needed to know")

    scanner = scan.Scanner(rules.load(()))
    scanner.read(Source("-", None, endless()))
    for source in open_sources([str(SAMPLE)]):
        scanner.read(source)
    report = scanner.report()

    assert report.errors == ("-: has a line of more than 1 MiB; what comes after it is not read",)
    assert report.diagnoses[0].category == "wrong-share-path"


def test_long_lines_that_end_are_no_line_without_end(monkeypatch):
    monkeypatch.setattr(reading, "ENDLESS", 1000)
    pieces = [b"x" * 400, b"y" * 400 + b"\n" + b"z" * 900, b"\n" * 5, b"x" * 999]
    assert list(reading.with_lines(pieces, "-")) == pieces


# ---------------------------------------------------------------- rules


def slow_rule(name: str, pattern: str | None, when: model.Test | None = None) -> model.Rule:
    return model.Rule(
        id=name, title=name, severity=model.Severity.ERROR, components=("any",),
        match=(model.Signature("slow", pattern),), when=when,
        causes=(model.Cause("server-refused", "it is slow", model.Remedy("Mend it.")),),
    )  # fmt: skip


def test_a_condition_that_backtracks_is_given_up_as_a_pattern_is(monkeypatch):
    """Once for each of its volumes it would take the limit: with thousands of them, hours."""
    monkeypatch.setattr(match, "TIME_LIMIT", 0.03)
    when = model.Test("record.message", "matches", r"(?:a|aa|aaa)+$")
    chosen = rules.RuleSet((slow_rule("slow", r"slow \w+ (?P<volume>\S+)", when),))
    scanner = scan.Scanner(chosen)
    log = b"".join(b"E0720 09:53:52.387108       1 odd.go:7] slow %sb pvc-%d\n" % (b"a" * 80, n) for n in range(300))
    scanner.read(Source("-", None, iter([log])))
    report = scanner.report()

    assert report.truncated == {"rule slow timed out": match.MAX_TIMEOUTS}
    assert report.counts.unrecognised == 300


def test_a_rule_that_is_slow_each_time_is_given_up_though_it_never_meets_the_limit(monkeypatch):
    patience = match.Patience()
    ticks = iter(range(1000))
    monkeypatch.setattr(match, "perf_counter", lambda: next(ticks) / 5)  # each search takes 0.2 s
    found = [patience.search("slow", "a", "a") is not None for _ in range(40)]

    assert found.count(True) == round(match.PATIENCE / 0.2) + 1
    assert found == sorted(found, reverse=True)
    assert patience.search("other", "a", "a")


@pytest.mark.parametrize("pattern", ["a{1000000000}", "(?:(?:(?:a{99}){99}){99}){99}", "(x[a{2}]){20000}"])
def test_a_pattern_that_would_fill_the_memory_is_refused(tmp_path, pattern):
    text = (ROOT / "rules" / "create-mkdir-rofs.yaml").read_text(encoding="utf-8")
    old = next(line for line in text.splitlines() if "pattern: " in line)
    (tmp_path / "create-mkdir-rofs.yaml").write_text(
        text.replace(old, old.split("pattern: ")[0] + f"pattern: '{pattern}'")
    )
    with pytest.raises(RulesError, match="its repeats amount to more than 20,000 parts"):
        rules.load((tmp_path,))


# ---------------------------------------------------------------- the end of a process


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("large") / "large.log"
    generate(path, (ranges.WORTH + (12 << 20)) / 1e6)
    return path


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_processes_that_narrow_a_file_end_with_the_one_that_made_them(large, sent):
    with start("--jobs", "2", large, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_for(lambda: len(children.read_text().split()) >= 2)
        made = children.read_text().split()
        process.send_signal(sent)

        assert process.wait(timeout=60) == -sent
        assert process.stderr.read() == b""
    wait_for(lambda: not any(_is_alive(pid) for pid in made))


def _is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_report_is_written_leaves_the_old_one_and_nothing_beside_it(tmp_path, sent):
    (tmp_path / "report.txt").write_text("as it was")
    code = (
        "import sys, time, logscan.report as report, logscan.cli as cli\n"
        "def write(report, out, **_): out.write('half'); out.flush(); print('now', flush=True); time.sleep(60)\n"
        "report.WRITERS['text'] = write\n"
        f"sys.argv = ['logscan', {str(SAMPLE)!r}, '-o', 'report.txt']\n"
        "cli.main()"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, env=environ) as process:
        assert process.stdout.readline() == b"now\n"
        assert len(list(tmp_path.iterdir())) == 2
        process.send_signal(sent)

        assert process.wait(timeout=60) == -sent
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("report.txt", "as it was")]


# ---------------------------------------------------------------- surroundings


def shell(script: str, *arguments: object, cwd: Path, **environ: str) -> tuple[int, str, str]:
    """Run logscan as $LOGSCAN in a shell's *script*: (status, standard output, standard error)."""
    command = f"{sys.executable} -m logscan"
    more = {**os.environ, "PYTHONPATH": str(ROOT), "LOGSCAN": command, "LOG": str(SAMPLE), **environ}
    done = subprocess.run(
        ["sh", "-c", script, "sh", *map(str, arguments)], cwd=cwd, env=more, capture_output=True, check=False
    )
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def test_a_disk_that_fills_up_leaves_the_old_report_and_nothing_beside_it(tmp_path):
    form = "page.html"
    (tmp_path / form).write_text("as it was")
    status, out, err = shell(f"ulimit -f 1; exec $LOGSCAN $LOG $LOG -o {form}", cwd=tmp_path)

    assert (status, out) == (2, "")
    assert err == f"logscan: error: {form}: cannot be written: File too large\n"
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(form, "as it was")]


def test_a_link_in_a_shared_directory_is_not_written_through(tmp_path, monkeypatch):
    """Whoever foresees the name of the file that a report is made in could lay a link of that name."""
    from logscan import filing

    (tmp_path / "victim").write_text("precious")
    monkeypatch.setattr(os, "urandom", lambda size: b"\1" * size)
    trap = tmp_path / f".logscan-{os.getpid()}-{'01' * 6}.part"
    trap.symlink_to(tmp_path / "victim")
    with pytest.raises(filing.LogscanError):
        filing.save(str(tmp_path / "report.txt"), lambda file: file.write("x"))
    assert (tmp_path / "victim").read_text() == "precious"


CLOSED = [
    ("$LOGSCAN $LOG missing 2>&-", 3, True, ""),
    ("$LOGSCAN $LOG >&-", 2, False, "standard output: is closed"),
    ("$LOGSCAN - <&-", 3, True, "-: standard input is closed"),
    ("$LOGSCAN $LOG -o report.txt >&- 2>&- <&-; cat report.txt", 0, True, ""),
]


@pytest.mark.parametrize(("script", "status", "reports", "says"), CLOSED, ids=[one[0] for one in CLOSED])
def test_standard_streams_may_be_closed(tmp_path, script, status, reports, says):
    got, out, err = shell(script, cwd=tmp_path)
    assert got == status
    assert bool(out) == reports
    assert "Traceback" not in err
    assert (f"logscan: error: {says}" in err) if says else err == ""


def test_a_locale_that_knows_nothing_but_ascii_reads_and_writes_any_name(tmp_path):
    """Also a name that is no text in any encoding."""
    (tmp_path / "日本-é.log").write_bytes(SAMPLE.read_bytes())
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff.log")).write_bytes(SAMPLE.read_bytes())
    plain = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    status, out, err = shell("exec $LOGSCAN *.log -f json -o - -o aus-é.txt; ls", cwd=tmp_path, **plain)

    assert (status, err) == (0, "")
    assert '"wrong-share-path"' in out
    assert (tmp_path / "aus-é.txt").read_text(encoding="utf-8")
    status, _, err = shell("exec $LOGSCAN fehlt-ü.log", cwd=tmp_path, **plain)
    assert status == 3
    assert ": no such file or directory\n" in err


def test_a_file_that_vanishes_before_its_turn_is_told_and_the_others_are_read(tmp_path):
    for name in ("a.log", "b.log", "c.log"):
        (tmp_path / name).write_bytes(SAMPLE.read_bytes())
    got = []
    for source in open_sources([str(tmp_path)]):
        got.append(source if isinstance(source, SourceError) else b"".join(source.chunks))
        (tmp_path / "b.log").unlink(missing_ok=True)
    assert [isinstance(one, SourceError) for one in got] == [False, True, False]
    assert got[1].problem == "no such file or directory"


def test_a_file_that_shrinks_while_it_is_read_ends_where_it_ends_now(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"one line\n" * 100_000)
    (source,) = open_sources([str(path)])
    first = next(source.chunks)
    path.write_bytes(b"short\n")
    assert list(source.chunks) == []
    assert first == b"one line\n" * (len(first) // 9) + b"one line\n"[: len(first) % 9]
