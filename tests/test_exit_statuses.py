"""Each exit status, reached by a real command line in a process of its own."""

from __future__ import annotations

import gzip
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from logscan import edge

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"
COMMAND = [sys.executable, "-c", "from logscan.cli import main; main()"]
FAILING, HEALTHY = str(SAMPLES / "readonly-share.log"), str(SAMPLES / "healthy-controller.log")
FOUND, USAGE, UNREAD, INTERNAL, INTERRUPTED = 1, 2, 3, 4, 130


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A directory with what goes wrong in it."""
    monkeypatch.chdir(tmp_path)
    Path("empty.log").touch()
    Path("odd.log").write_text("nothing\nof ours\n")
    Path("binary.log").write_bytes(bytes(range(256)) * 20)
    Path("cut.log.gz").write_bytes(gzip.compress(Path(FAILING).read_bytes() * 50)[:-30])
    Path("broken").mkdir()
    Path("broken/odd.yaml").write_text("id: odd\ntitel: x\n")
    Path("ignore.yaml").write_text("- {id: dns, reson: x}\n")
    Path("base.json").write_text("{}")


def start(*arguments: str, environ: Mapping[str, str] | None = None, **options: object) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **(environ or {})}
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.Popen([*COMMAND, *arguments], env=environment, **pipes)  # type: ignore[call-overload]


# (arguments, status, what standard error says, whether there is a report)
TABLE: list[tuple[list[str], int, str, bool]] = [
    # 0: nothing at or above --fail-on
    (["--version"], 0, "", True),
    ([HEALTHY, "--fail-on", "info"], 0, "", True),
    (["check", HEALTHY], 0, "", True),
    (["check", FAILING, "--fail-on", "never"], 0, "", True),
    (["check", FAILING, "--exit-zero"], 0, "check failed: --fail-on error: ", True),
    (["check", "empty.log", "--allow-empty"], 0, "", True),
    # 1: something is
    ([FAILING, "--fail-on", "error"], FOUND, "", True),
    (["check", FAILING], FOUND, "check failed: --fail-on error: ", True),
    (["check", HEALTHY, "--expect", "create-mkdir-rofs"], FOUND, "it does not appear", True),
    (["check", HEALTHY, "odd.log", "--min-parsed", "100"], FOUND, "of a known form", True),
    (["diff", FAILING, str(SAMPLES / "two-causes.log"), "--fail-on", "new"], FOUND, "", True),
    (["rules", "lint", "broken"], FOUND, "", True),
    # 2: usage, configuration, rules, a report that cannot be written
    (["--fromat", "json", FAILING], USAGE, "help: logscan diagnose --help", False),
    (["check", FAILING, "--fail-on", "new"], USAGE, "--baseline", False),
    (["check", FAILING, "--baseline", "base.json"], USAGE, "base.json: is no report of logscan", False),
    (["check", FAILING, "--ignore-file", "ignore.yaml"], USAGE, 'ignore.yaml:1:13: unknown key "reson"', False),
    (["check", FAILING, "--rules", "broken"], USAGE, 'broken/odd.yaml:2:1: unknown key "titel"', False),
    (["check", FAILING, "-o", "nowhere/report.txt"], USAGE, "its directory does not exist", False),
    # 3: an input could not be read, is empty, or is no log; the report is still written
    ([FAILING, "missing.log", "--fail-on", "error"], UNREAD, "missing.log: ", True),
    (["check", FAILING, "missing.log"], UNREAD, "missing.log: no such file or directory", True),
    (["check", FAILING, "missing.log", "--exit-zero"], UNREAD, "missing.log: ", True),
    (["check", "cut.log.gz"], UNREAD, "cut.log.gz: ", True),
    (["check", FAILING, "empty.log"], UNREAD, "empty.log: is empty", True),
    (["check"], UNREAD, "error: -: is empty", True),
    (["check", "odd.log"], UNREAD, "odd.log: is no log", True),
    (["diff", "missing.log", FAILING, "--fail-on", "new"], UNREAD, "missing.log: ", True),
    (["check", "binary.log"], UNREAD, "binary.log: is no log", True),
]


@pytest.mark.parametrize(
    ("arguments", "status", "says", "report"), TABLE, ids=[" ".join(map(os.path.basename, row[0])) for row in TABLE]
)
def test_each_command_line_ends_with_its_status(arguments, status, says, report):
    process = start(*arguments)
    out, err = process.communicate(timeout=120)

    assert process.returncode == status, err.decode()
    assert says in err.decode()
    assert bool(says) == bool(err)
    assert bool(out) == report
    if status == UNREAD and report and FAILING in arguments:
        assert b"wrong-share-path" in out


@pytest.mark.parametrize("command", [["check", FAILING], ["config", "show"]])
def test_a_broken_configuration_is_two_and_nothing_is_read(command):
    Path("logscan.toml").write_text('severity = "eror"\nsevere = 1\n')
    process = start(*command)
    out, err = process.communicate(timeout=120)

    assert (process.returncode, out) == (USAGE, b"")
    assert err.decode().splitlines() == [
        "logscan: error: logscan.toml: severity: cannot be 'eror'", '  help: did you mean "error"?',
        "logscan: error: logscan.toml: severe: there is no such key", '  help: did you mean "severity"?',
    ]  # fmt: skip


def test_the_table_reaches_all_but_what_needs_a_signal_or_a_fault():
    assert {row[1] for row in TABLE} == {0, edge.FOUND, edge.USAGE, edge.UNREAD}
    assert (FOUND, USAGE, UNREAD, INTERNAL, INTERRUPTED) == (
        edge.FOUND, edge.USAGE, edge.UNREAD, edge.INTERNAL, edge.INTERRUPTED,
    )  # fmt: skip


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
def test_a_fault_of_logscan_itself_is_four(debug):
    """A module that it imports is made to fail as a mistake in it would."""
    Path("sabotage").mkdir()
    Path("sabotage/sitecustomize.py").write_text(
        "import logscan.scan\ndef fail(*_, **__): raise AssertionError('oops')\nlogscan.scan.Scanner.read = fail\n"
    )
    environ = {"PYTHONPATH": os.pathsep.join([str(Path("sabotage").resolve()), str(ROOT)])}
    process = start("check", FAILING, *["--debug"] * debug, environ=environ)
    out, err = process.communicate(timeout=120)

    assert (process.returncode, out) == (INTERNAL, b"")
    assert b"logscan: error: internal error: AssertionError: oops\n  help: run with --debug" in err
    assert (b"Traceback" in err) == debug


@pytest.mark.parametrize("command", [["diagnose"], ["check"]])
def test_ctrl_c_is_130_and_the_report_tells_of_what_was_read(command):
    # Standard error is a pipe and no progress shows, so the report must be asked for by a signal when
    # all that was written has been taken from the pipe, and none of it is waited for.
    process = start(*command, "--format", "json", "-", stdin=subprocess.PIPE, start_new_session=True)
    assert process.stdin is not None
    process.stdin.write(Path(FAILING).read_bytes())
    process.stdin.flush()
    _wait_until_taken(process)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)

    assert process.returncode == INTERRUPTED
    report = json.loads(out)
    assert report["interrupted"] is True
    assert [one["id"] for one in report["diagnoses"]] == ["create-mkdir-rofs"]
    assert report["check"] is None or not report["check"]["passed"]


def test_ctrl_c_compares_nothing():
    process = start("diff", FAILING, "-", "--fail-on", "new", stdin=subprocess.PIPE, start_new_session=True)
    assert process.stdin is not None
    process.stdin.write(Path(HEALTHY).read_bytes()[:4000])
    process.stdin.flush()
    _wait_until_taken(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)

    assert (process.returncode, out, err.strip()) == (INTERRUPTED, b"", b"logscan: error: interrupted")


def _wait_until_taken(process: subprocess.Popen[bytes]) -> None:
    """Until the process has read all of its standard input and sleeps in the next read."""
    import array
    import fcntl
    import termios

    assert process.stdin is not None
    end = time.monotonic() + 60
    while time.monotonic() < end:
        left = array.array("i", [0])
        fcntl.ioctl(process.stdin.fileno(), termios.FIONREAD, left)
        state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        if not left[0] and state == "S":
            return
        time.sleep(0.05)
    raise AssertionError("it does not read")


@pytest.mark.parametrize("command", [["check"], ["rules", "list"]])
def test_a_closed_pipe_kills_by_the_signal(command):
    reader, writer = os.pipe()
    os.close(reader)
    process = start(*command, *[FAILING] * (command[0] != "rules"), stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=120)

    assert process.returncode == -signal.SIGPIPE
    assert b"error" not in err


def test_a_reader_that_goes_away_costs_no_file():
    """As in `logscan check … -o report.json -o - | head -1`."""
    process = start("check", FAILING, "-o", "-", "-o", "report.json", stdout=subprocess.PIPE)
    assert process.stdout is not None
    select.select([process.stdout], [], [], 120)
    process.stdout.close()
    assert process.stderr is not None
    process.stderr.read()
    process.stderr.close()

    assert process.wait(timeout=120) in {FOUND, -signal.SIGPIPE}
    assert json.loads(Path("report.json").read_bytes())["check"]["passed"] is False


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the kernel has no /dev/full")
def test_a_report_that_cannot_be_written_is_two_and_costs_none_of_the_others():
    process = start("check", FAILING, "missing.log", "-o", "sarif=/dev/full", "-o", "junit.xml")
    _, err = process.communicate(timeout=120)

    assert process.returncode == USAGE
    assert b"/dev/full: cannot be written" in err
    assert b"missing.log: " in err
    assert b"create-mkdir-rofs" in Path("junit.xml").read_bytes()
