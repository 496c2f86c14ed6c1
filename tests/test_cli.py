"""The command line: what it prints where, and the status with which it ends."""

from __future__ import annotations

import gzip
import io
import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import click
import pytest

from logscan import cli, edge, terminal
from logscan.commands.diagnose import SHORT_HELP
from logscan.errors import LogscanError, RuleError, RulesError
from logscan.report import WRITERS
from logscan.times import zone_and_reference

ROOT = Path(__file__).parent.parent
VOLUME = "pvc-ca0ab165-9aa5-42a4-ae15-f4fd036142d2"
FAILING = f"""\
I0720 09:53:52.201408       1 utils.go:88] GRPC call: /csi.v1.Controller/CreateVolume
I0720 09:53:52.201568       1 utils.go:89] GRPC request: {{"name":"{VOLUME}","parameters":{{"csi.storage.k8s.io/pv/name":\
"{VOLUME}","csi.storage.k8s.io/pvc/name":"data-0","csi.storage.k8s.io/pvc/namespace":"default","server":"192.168.59.102",\
"share":"/"}}}}
I0720 09:53:52.378454       1 controllerserver.go:285] internally mounting 192.168.59.102:/ at /tmp/{VOLUME}
E0720 09:53:52.387108       1 utils.go:93] GRPC error: rpc error: code = Internal desc = failed to make subdirectory: \
mkdir /tmp/{VOLUME}/{VOLUME}: read-only file system
"""
HEALTHY = """\
I0720 09:53:52.201408       1 utils.go:88] GRPC call: /csi.v1.Identity/Probe
I0720 09:53:52.201568       1 utils.go:89] GRPC request: {}
I0720 09:53:52.201600       1 utils.go:95] GRPC response: {"ready":{"value":true}}
"""
COMMAND = [sys.executable, "-c", "from logscan.cli import main; main()"]


@pytest.fixture(autouse=True)
def _logs(tmp_path, monkeypatch):
    """A directory with logs, which is also the current one."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "CLICOLOR_FORCE", "CLICOLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    Path("failing.log").write_text(FAILING, encoding="utf-8")
    Path("healthy.log").write_text(HEALTHY, encoding="utf-8")
    Path("rules").write_text(FAILING, encoding="utf-8")  # named like a command
    Path("-odd.log").write_text(HEALTHY, encoding="utf-8")
    Path("cut.log.gz").write_bytes(gzip.compress(FAILING.encode() * 50)[:-30])
    Path("empty").mkdir()
    Path("broken").mkdir()
    Path("broken", "odd.yaml").write_text("id: odd\ntitel: x\n", encoding="utf-8")


def run(*arguments: str, stdin: bytes | None = None, monkeypatch: pytest.MonkeyPatch | None = None) -> int:
    if stdin is not None:
        assert monkeypatch is not None
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
    return cli.run(list(arguments))


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["failing.log"], 0),
        (["healthy.log"], 0),
        (["diagnose", "failing.log"], 0),
        (["./rules"], 0),
        (["diagnose", "rules"], 0),
        (["--", "-odd.log"], 0),
        (["--format", "json", "failing.log", "healthy.log"], 0),
        (["failing.log", "--fail-on", "error"], 1),
        (["failing.log", "--fail-on", "warning", "--severity", "error"], 1),
        (["healthy.log", "--fail-on", "info"], 0),
        (["failing.log", "missing.log"], 3),
        (["failing.log", "missing.log", "--fail-on", "error"], 3),
        (["cut.log.gz"], 3),
        (["empty"], 3),
        (["--fromat", "json", "failing.log"], 2),
        (["failing.log", "--format", "pdf"], 2),
        (["failing.log", "--tz", "Mars/Olympus"], 2),
        (["failing.log", "--reference-time", "yesterday"], 2),
        (["failing.log", "--rules", "nowhere"], 2),
        (["failing.log", "--rules", "broken"], 2),
        (["failing.log", "-o", "nowhere/report.txt"], 2),
        (["failing.log", "-o", "failing.log"], 2),
        (["failing.log", "-o", "empty"], 2),
        (["failing.log", "-o", "pdf=x"], 2),
        (["failing.log", "-o", "x", "-o", "json=./x"], 2),
        (["failing.log", "--tz", "Europe/Berlin", "--year", "2024"], 0),
        (["failing.log", "--tz", "-03:30", "--reference-time", "2026-07-20"], 0),
        (["rules", "list"], 0),
        (["rules", "explain", "create-mkdir-rofs"], 0),
        (["rules", "explain", "create-mkdir-rof"], 2),
        (["rules", "test", "create-mkdir-rofs"], 0),
        (["rules", "test", "nothing"], 2),
        (["rules", "schema"], 0),
        (["rules", "lint", "broken"], 1),
        (["rules", "lint", "nowhere"], 2),
        (["rules", "frobnicate"], 2),
        (["--version"], 0),
        (["--help"], 0),
        (["diagnose", "-h"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_each_command_line_ends_with_its_status(capsys, arguments, status):
    assert run(*arguments) == status

    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if line]
    assert all(line.startswith(("logscan: ", "  help: ")) for line in errors)
    assert bool(errors) == (status in {2, 3})
    assert bool(captured.out) == (status != 2)


def test_the_report_of_the_others_is_written_beside_an_error(capsys):
    run("missing.log", "failing.log")

    captured = capsys.readouterr()
    assert "create-mkdir-rofs" in captured.out
    assert captured.err.startswith("logscan: error: missing.log: ")
    assert "\n  help: " in captured.err


def test_a_file_and_the_same_piped_in_differ_only_by_name(capsys, monkeypatch):
    run("failing.log")
    named = capsys.readouterr().out
    run(stdin=FAILING.encode(), monkeypatch=monkeypatch)

    assert capsys.readouterr().out.replace("-:", "failing.log:").split() == named.split()


def test_several_outputs_in_one_run(capsys):
    assert run("failing.log", "-o", "report.txt", "-o", "json=report.json", "-o", "json=-") == 0

    output = capsys.readouterr().out
    assert json.loads(output)["diagnoses"][0]["id"] == "create-mkdir-rofs"
    assert Path("report.json").read_text(encoding="utf-8") == output
    assert Path("report.txt").read_text(encoding="utf-8").startswith("ERROR: ")
    assert not list(Path().glob(".logscan-*"))


def test_a_report_that_cannot_be_finished_leaves_the_old_one(capsys, monkeypatch):
    def failing(_: object, out: io.StringIO, **__: object) -> None:
        out.write("half")
        raise OSError(28, "No space left on device")

    Path("report.txt").write_text("old", encoding="utf-8")
    monkeypatch.setattr(terminal, "WRITERS", {**WRITERS, "text": failing})

    assert run("failing.log", "-o", "report.txt") == 2
    assert Path("report.txt").read_text(encoding="utf-8") == "old"
    assert not list(Path().glob(".logscan-*"))
    assert "report.txt: cannot be written: No space left on device" in capsys.readouterr().err


def test_an_existing_report_keeps_its_mode_and_a_device_is_written_not_replaced():
    Path("report.txt").write_text("old", encoding="utf-8")
    Path("report.txt").chmod(0o640)

    assert run("failing.log", "-o", "report.txt", "-o", os.devnull) == 0
    assert Path("report.txt").stat().st_mode & 0o777 == 0o640
    assert not Path(os.devnull).is_file()


def test_severity_decides_what_is_shown_and_hides_nothing_silently(monkeypatch):
    scanned = []
    monkeypatch.setattr("logscan.terminal.write", lambda report, *_, **__: scanned.append(report))
    run("failing.log", "--severity", "error")
    run("failing.log")

    assert [one.id for one in scanned[0].diagnoses] == ["create-mkdir-rofs"]
    assert all(one.severity.name == "ERROR" for one in scanned[0].diagnoses)
    assert len(scanned[0].diagnoses) + len(scanned[0].suppressed) == len(scanned[1].diagnoses)


@pytest.mark.parametrize(
    ("zone", "reference", "expected"),
    [
        (None, None, (0, None)),
        ("UTC", "1970-01-01T00:00:01Z", (0, 1_000_000)),
        ("+02:00", "1970-01-01T02:00:00", (120, 0)),
        ("-0330", None, (-210, None)),
        ("Europe/Berlin", "2026-07-20T10:00:00Z", (120, 1_784_541_600_000_000)),
        ("Europe/Berlin", "2026-01-20T10:00:00Z", (60, 1_768_903_200_000_000)),
    ],
)
def test_zones_and_times(zone, reference, expected):
    assert zone_and_reference(zone, reference) == expected


@pytest.mark.parametrize("zone", ["+25:00", "+01:99", "Nowhere", "../etc/passwd", "", "Europe"])
def test_what_is_no_zone_says_what_is(zone):
    with pytest.raises(LogscanError, match="Europe/Berlin, or an offset"):
        zone_and_reference(zone, None)


@pytest.mark.parametrize(
    ("choice", "environ", "tty", "expected"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"CLICOLOR_FORCE": "1"}, False, True),
        ("auto", {"CLICOLOR_FORCE": "0"}, False, False),
        ("auto", {"CLICOLOR": "0"}, True, False),
        ("auto", {"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, True, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("always", {"NO_COLOR": "1", "TERM": "dumb"}, False, True),
        ("never", {"CLICOLOR_FORCE": "1"}, True, False),
    ],
)
def test_when_there_are_colours(monkeypatch, choice, environ, tty, expected):
    monkeypatch.setattr(os, "environ", environ)
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: tty)

    assert terminal.colored(choice, out) is expected


def test_an_internal_error_is_one_line_and_a_traceback_with_debug(capsys, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops\x1b[31m")

    monkeypatch.setattr("logscan.scan.Scanner.report", fail)

    assert run("failing.log") == 4
    assert capsys.readouterr().err == (
        "logscan: error: internal error: ZeroDivisionError: oops\\x1b[31m\n"
        "  help: run with --debug for the details, and please report them\n"
    )
    assert run("failing.log", "--debug") == 4
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_all_faults_of_rules_are_told_up_to_a_limit(capsys, monkeypatch):
    faults = [RuleError(f"rules/r{n}.yaml:3:1", "unknown key", "remove it") for n in range(50)]

    def fail(*_: object, **__: object) -> None:
        raise RulesError(faults)

    monkeypatch.setattr("logscan.rules.load", fail)

    assert run("failing.log") == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["logscan: error: rules/r0.yaml:3:1: unknown key", "  help: remove it"]
    assert lines[-1] == "logscan: and 30 more faults in rules; logscan rules lint shows all"


def test_a_failing_rule_test_does_not_stop_the_others(capsys, monkeypatch):
    asked = []

    def result(rule, test, _):
        asked.append((rule.id, test.name))
        return "it did not match" if len(asked) == 1 else None

    monkeypatch.setattr("logscan.scan.run_rule_test", result)

    assert run("rules", "test", "--width", "200") == 1
    output = capsys.readouterr().out
    assert len({rule for rule, _ in asked}) > 1
    assert output.splitlines()[1].split()[-1] == "FAILED"
    assert "it did not match" in output
    assert output.endswith(f"{len(asked) - 1} tests passed, 1 failed\n")


def test_without_input_on_a_terminal_there_is_short_help(capsys, monkeypatch):
    stdin = io.StringIO()
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", stdin)

    assert run() == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == SHORT_HELP


@pytest.mark.parametrize("group", ["rules", "config"])
def test_a_group_without_a_command_shows_its_help(capsys, group):
    assert run(group) == 2
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[0]) == ("", f"Usage: logscan {group} [OPTIONS] COMMAND [ARGS]...")


def test_the_formats_are_the_writers():
    assert set(edge.FORMATS) == set(WRITERS)


def test_every_option_and_command_is_explained():
    def walk(command):
        assert command.help
        for one in command.params:
            assert isinstance(one, click.Argument) or one.help or one.name == "format_", one.name
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                walk(command.get_command(context, name))

    walk(cli.cli)


def test_the_help_lists_the_commands_and_what_they_do(capsys):
    assert run("--help") == 0

    listed = capsys.readouterr().out.split("Commands:\n")[1].splitlines()
    assert [line.split()[0] for line in listed] == ["diagnose", *sorted(cli.COMMANDS.keys() - {"diagnose"})]
    assert all(len(line.split()) > 3 for line in listed)


# ---------------------------------------------------------------- as a process


def start(*arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"}
    return subprocess.Popen([*COMMAND, *arguments], env=environ, **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the kernel has no /dev/full")
def test_a_full_disk_is_an_error_of_the_output():
    with Path("/dev/full").open("wb") as full:
        process = start("failing.log", stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=20)

    assert process.returncode == 2
    assert err == b"logscan: error: standard output: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the kernel has no /dev/full")
def test_a_full_disk_below_stderr_takes_neither_the_report_nor_the_status():
    with Path("/dev/full").open("wb") as full:
        process = start("missing.log", "failing.log", stdout=subprocess.PIPE, stderr=full)
        out, _ = process.communicate(timeout=20)

    assert process.returncode == 3
    assert b"create-mkdir-rofs" in out


def test_evidence_without_end_is_refused(capsys, monkeypatch):
    monkeypatch.setattr("logscan.sorting.MAX_EVIDENCE", 1 << 20)
    Path("endless").write_bytes(b"/srv *(rw)\n" * 100_000)

    assert run("--exports", "endless", "failing.log") == 3
    out, err = capsys.readouterr()
    assert "create-mkdir-rofs" in out
    assert "endless: is larger than 1 MiB" in err


def test_an_output_that_cannot_be_written_is_told_by_its_name(capsys, monkeypatch):
    assert run("-o", "", "failing.log") == 2
    assert run("-o", "failing.log/x.txt", "healthy.log") == 2

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", denied)
    assert run("-o", "locked/x.txt", "failing.log") == 2
    err = capsys.readouterr().err
    assert "--output: an empty name" in err
    assert "failing.log/x.txt: its directory does not exist" in err
    assert "locked/x.txt: cannot be written: Permission denied" in err


def test_a_locale_that_knows_no_character_prints_all_the_same(monkeypatch):
    Path("日本.log").write_text(FAILING, encoding="utf-8")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    process = start("日本.log", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate(timeout=20)

    assert process.returncode == 0, err
    assert rb"\u65e5\u672c.log" in out


def test_on_a_terminal_it_reads_until_ctrl_d_and_colours():
    main, side = pty.openpty()
    process = start("-", stdin=side, stdout=side, stderr=side, start_new_session=True)
    os.close(side)
    text = _until(main, b"Ctrl-D")
    os.write(main, FAILING.splitlines()[-1].encode() + b"\n\x04")
    text = _until(main, b"What was read")
    status = process.wait(timeout=20)
    os.close(main)

    assert status == 0
    assert b"\x1b[1;31m" in text


def _until(terminal_fd: int, wanted: bytes) -> bytes:
    """What the terminal shows until *wanted*, and what comes right after it."""
    text, end = b"", time.monotonic() + 20
    while time.monotonic() < end:
        if select.select([terminal_fd], [], [], 0.2)[0]:
            try:
                text += os.read(terminal_fd, 65536)
            except OSError:  # the other side is closed
                break
        elif wanted in text:
            break
    assert wanted in text
    return text


# What costs a start tens of milliseconds; benchmarks/start_up.py measures them.
HEAVY = {
    "regex",
    "numpy",
    "yaml",
    "pyarrow",
    "pandas",
    "json",
    "logging",
    "logscan.scan",
    "logscan.rules",
    "logscan.report",
}


@pytest.mark.parametrize("word", ["--version", "--help"])
def test_the_first_answer_waits_for_nothing_that_it_does_not_need(word):
    code = f"import sys; from logscan.cli import run; status = run([{word!r}]); print(status, *sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    status, *modules = done.stderr.split()

    assert status == "0"
    assert "logscan" in done.stdout
    assert not HEAVY & set(modules)
