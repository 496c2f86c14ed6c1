"""What ``logscan doctor`` finds where something is wrong, and that it finds nothing where nothing is."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import jsonschema
import pytest

from logscan import cli, doctor, rules
from tests.fake_kubectl import FakeKubectl

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = json.loads((ROOT / "docs" / "doctor-v1.schema.json").read_text(encoding="utf-8"))
VERSION = json.dumps({"clientVersion": {"gitVersion": "v1.30.2"}})


@pytest.fixture
def found(capsys):
    """Runs ``logscan doctor --json``: its exit status, and the checks by name."""

    def run() -> tuple[int, dict[str, dict[str, str]]]:
        status = cli.run(["doctor", "--json"])
        said = json.loads(capsys.readouterr().out)
        jsonschema.validate(said, SCHEMA)
        assert said["ok"] is (status == 0)
        assert all(bool(one["help"]) is (one["status"] != "ok") for one in said["checks"])
        return status, {one["name"]: one for one in said["checks"]}

    return run


def test_here_all_is_well(capsys):
    """Also on a machine without kubectl and the extras: they are notes."""
    assert cli.run(["doctor", "--width", "60"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["STATUS", "CHECK", "FOUND"]
    assert lines[-1].startswith("All is well")
    assert all(len(line) <= 60 for line in lines)


def missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        metadata, "requires", lambda _: ["click>=8.1", "no-such-package>=1", 'pandas>=99; extra == "batch"']
    )


def old_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _: ["click>=99.1"])


def no_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "load", lambda: rules.RuleSet(()))


def broken_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise ValueError("the pack is gone")

    monkeypatch.setattr(rules, "load", load)


def broken_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGSCAN_SEVERITY", "loud")


@pytest.mark.parametrize(
    ("breaks", "check", "says"),
    [
        (missing_package, "packages", "no-such-package is missing"),
        (old_package, "packages", "99.1 is needed"),
        (broken_configuration, "configuration", "LOGSCAN_SEVERITY"),
        (no_rules, "rules", "there are none in "),
        (no_rules, "self-test", "a known log gives insufficient-evidence, not wrong-share-path"),
        (broken_rules, "rules", "ValueError: the pack is gone"),
    ],
)
def test_what_keeps_it_from_working_is_a_problem(breaks, check, says, found, monkeypatch):
    breaks(monkeypatch)

    status, checks = found()

    assert status == 1
    assert checks[check]["status"] == "problem"
    assert says in checks[check]["says"]
    assert checks[check]["help"]


def test_what_it_can_work_without_is_a_note(monkeypatch, tmp_path):
    monkeypatch.setattr(
        metadata, "requires", lambda _: ['no-such-package>=1; extra == "batch"', 'none; extra == "test"']
    )
    monkeypatch.setattr(rules, "PACK", tmp_path / "none.json")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", str(tmp_path))

    def no_semaphores(method: str) -> None:
        raise FileNotFoundError(2, method)

    monkeypatch.setattr(multiprocessing, "get_context", no_semaphores)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    checks = {one.name: one for one in doctor.examine()}

    notes = {name for name, one in checks.items() if one.status == "note"}
    assert notes == {"extras batch", "rules", "temporary files", "kubectl", "processes", "output"}
    assert all(checks[name].help for name in notes)
    assert not [one for one in checks.values() if one.status == "problem"]


def test_what_is_configured_is_told(found, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert "none" in found()[1]["configuration"]["says"]

    (tmp_path / "logscan.toml").write_text('severity = "warning"\n')
    monkeypatch.setenv("LOGSCAN_TZ", "Europe/Berlin")
    assert found()[1]["configuration"]["says"] == "from LOGSCAN_TZ, logscan.toml"


@pytest.mark.parametrize(
    ("answer", "plug_in", "status", "says"),
    [
        ({"out": VERSION}, True, "ok", "v1.30.2"),
        ({"out": VERSION}, False, "note", "nfs-logscan is not on PATH"),
        ({"out": "what?"}, True, "note", "does not say its version"),
        ({"out": "[]"}, True, "note", "does not say its version"),
        ({"status": 1, "err": "exec format error"}, True, "note", "does not say its version"),
        ({"sleep": 30}, True, "note", "does not say its version"),
    ],
)
def test_kubectl_is_asked_for_its_version_alone(answer, plug_in, status, says, found, monkeypatch, tmp_path):
    fake = FakeKubectl(tmp_path / "bin", {"version --client --output=json": answer})
    monkeypatch.setenv("PATH", f"{fake.directory}:/usr/bin:/bin")
    monkeypatch.setattr(doctor, "_KUBECTL_SECONDS", 0.5 if "sleep" in answer else 30)
    if plug_in:
        program = fake.directory / "kubectl-nfs_logscan"
        program.touch()
        program.chmod(0o755)

    _, checks = found()

    assert checks["kubectl"]["status"] == status
    assert says in checks["kubectl"]["says"]
    assert fake.lines == ["kubectl version --client --output=json"]


def test_it_works_from_a_directory_that_pip_does_not_know_of(tmp_path):
    """Packages are looked for by their metadata; logscan's own may be missing."""
    code = (
        "import sys; from importlib import metadata\n"
        "def requires(name): raise metadata.PackageNotFoundError(name)\n"
        "metadata.requires = requires\n"
        "from logscan import cli; sys.exit(cli.run(['doctor']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "pip knows nothing of" in done.stdout
