"""``logscan redact``: what it writes where, the map that it keeps, and the way back."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from logscan import cli

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"
COMMAND = [sys.executable, "-c", "from logscan.cli import main; main()"]
LOG = (
    "E0720 09:53:52.378454       1 x.go:1] acme-nas is odd\r\n"
    'I0720 09:53:52.378455       1 utils.go:89] GRPC request: {"parameters":{"server":"acme-nas","share":"/payroll"}}\n'
    "E0720 09:53:52.378456       1 x.go:1] 10.1.2.3 nas.acme.corp jane@ACME.CORP password=hunter2"
)
PLANTED = ("acme", "10.1.2.3", "jane", "ACME", "hunter2")


@pytest.fixture(autouse=True)
def _logs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.log").write_bytes(LOG.encode())
    Path("b.log").write_bytes(b"lookup b-host on 10.1.2.3:53: acme-nas\n")
    Path("b.log.gz").write_bytes(gzip.compress(b"acme-nas is odd, too\n"))


def run(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> tuple[int, str, str]:
    status = cli.run(["redact", *arguments])
    out, errors = capfdbinary.readouterr()
    return status, out.decode(), errors.decode()


def test_names_are_learnt_before_the_first_line_is_written(capfdbinary):
    status, out, errors = run(capfdbinary, "a.log")
    assert (status, errors) == (0, "")
    assert not [text for text in PLANTED if text in out]
    assert "/payroll" in out
    assert out.count("\n") == 2
    assert out.count("\r\n") == 1
    assert "/payroll" not in run(capfdbinary, "a.log", "--paths")[1]


def test_a_pipe_is_read_ahead(capfdbinary, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LOG.encode())))
    status, out, _ = run(capfdbinary)
    assert status == 0
    assert not [text for text in PLANTED if text in out]


def test_live_writes_a_line_when_it_comes():
    with subprocess.Popen([*COMMAND, "redact", "--live"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"server 10.1.2.3 is odd\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"server 241.")
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def test_other_names_are_told(capfdbinary):
    Path("c.log").write_text("it is the warehouse that is odd\n")
    assert "warehouse" in run(capfdbinary, "c.log")[1]
    assert "warehouse" not in run(capfdbinary, "c.log", "--name", "warehouse")[1]
    assert "odd" not in run(capfdbinary, "c.log", "--name", "odd")[1], "also what any message may say"


def test_several_inputs_have_the_same_names(capfdbinary):
    status, out, _ = run(capfdbinary, "b.log.gz", "a.log")
    assert status == 0
    assert not [text for text in PLANTED if text in out]
    assert out.split(" is odd")[0] in out.split("\n", 1)[1]


def test_a_directory_gets_a_file_for_each_input(capfdbinary):
    assert run(capfdbinary, "a.log", "b.log", "-o", "out/")[0] == 0
    files = sorted(Path("out").iterdir())
    assert len(files) == 2
    for file in files:
        assert file.name.startswith("input-")
        assert file.suffix == ".log"
        assert not [text for text in (*PLANTED, "b-host") if text in file.read_text()]


def test_without_a_map_each_run_has_its_own_names(capfdbinary):
    one, other = (run(capfdbinary, "a.log")[1] for _ in range(2))
    assert one != other
    one, other = (run(capfdbinary, "a.log", "--salt", "a long secret")[1] for _ in range(2))
    assert one == other != run(capfdbinary, "a.log", "--salt", "another")[1]


def test_a_map_keeps_the_names_and_leads_back(capfdbinary):
    out = run(capfdbinary, "a.log", "--map", "map.json")[1]
    assert oct(Path("map.json").stat().st_mode & 0o777) == "0o600"
    value = json.loads(Path("map.json").read_text())
    assert value["schema"] == "logscan.redaction-map/v1"
    assert "acme-nas" in value["names"].values()
    assert "hunter2" not in Path("map.json").read_text(), "a secret does not come back"
    # What the first log told is known in the second, which does not tell it.
    other = run(capfdbinary, "b.log.gz", "--map", "map.json")[1]
    assert other.split()[0] == out.split("] ")[1].split()[0]
    Path("out.log").write_text(out, newline="")
    restored = run(capfdbinary, "out.log", "--restore", "--map", "map.json")[1]
    assert restored == LOG.replace("hunter2", "REDACTED")
    assert run(capfdbinary, "out.log", "--map", "map.json")[1] == out, "redacting again changes nothing"


def test_a_map_that_others_could_read_is_closed(capfdbinary):
    run(capfdbinary, "a.log", "--map", "map.json")
    Path("map.json").chmod(0o644)
    run(capfdbinary, "a.log", "--map", "map.json")
    assert oct(Path("map.json").stat().st_mode & 0o777) == "0o600"


@pytest.mark.parametrize("name", [path.name for path in sorted(SAMPLES.glob("*.*")) if path.suffix != ".md"])
def test_every_sample_comes_back(name, capfdbinary):
    run(capfdbinary, str(SAMPLES / name), "--map", "map.json", "-o", "out.log")
    assert run(capfdbinary, "out.log", "--map", "map.json", "--restore")[1] == (SAMPLES / name).read_text()
    tells_nothing = name == "readonly-share.exports"
    assert (Path("out.log").read_text() == (SAMPLES / name).read_text()) == tells_nothing


@pytest.mark.parametrize(
    ("arguments", "status", "complaint"),
    [
        (["missing.log"], 3, "missing.log: no such file or directory"),
        (["a.log", "missing.log"], 3, "missing.log"),
        (["a.log", "-o", "a.log"], 2, "it is an input too"),
        (["a.log", "--map", "a.log"], 2, "it is an input too"),
        (["a.log", "-o", "no/where.log"], 2, "its directory does not exist"),
        (["a.log", "--restore"], 2, "--restore needs the --map"),
        (["a.log", "--map", "odd.json"], 2, "is no map of a redaction"),
        (["a.log", "--map", "list.json"], 2, "is no map of a redaction"),
        (["a.log", "--map", "ours.json", "--salt", "another"], 2, "was made with another --salt"),
    ],
)
def test_what_cannot_be_done_is_told(arguments, status, complaint, capfdbinary):
    Path("odd.json").write_text('{"schema": "x", "key": "00", "names": {}}')
    Path("list.json").write_text("[1]")
    run(capfdbinary, "a.log", "--map", "ours.json")
    before = Path("a.log").read_bytes()
    found, out, errors = run(capfdbinary, *arguments)
    assert found == status
    assert complaint in errors
    assert errors.startswith("logscan: error: ")
    assert ("is odd" in out) == ("missing.log" in arguments and "a.log" in arguments)
    assert Path("a.log").read_bytes() == before
