"""With the exports and the StorageClass beside the log: the cause that they prove comes first."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from benchmarks.recordings import RECORDINGS
from logscan import rules
from logscan.evidence.weigh import observed
from logscan.model import Report, Severity
from logscan.scan import Options, Scanner
from logscan.sources import Source, open_sources

SAMPLES = Path(__file__).parent.parent / "samples"

# Category that comes first, and the share that the corrected StorageClass must have.
SCENARIOS = {
    "S01-seed-share-root": ("wrong-share-path", "/home/ubuntu/nfs"),
    "S01b-share-root-nfsvers3": ("path-not-exported", "/home/ubuntu/nfs"),
    "S01d-fsid0-share-root-healthy": (None, None),
    "S01e-share-parent-of-export": ("wrong-share-path", "/home/ubuntu/nfs"),
    "S01v0-seed-no-v-flag": ("wrong-share-path", None),  # without -v the log does not tell the share
    "S01v2-seed-verbosity-2": ("wrong-share-path", "/home/ubuntu/nfs"),
    "S03-export-ro": ("export-read-only", None),
    "S04-root-squash": ("root-squash", None),
    "S04b-root-squash-chmod": ("chmod-not-permitted", None),
    "S05-all-squash-anonuid": ("root-squash", None),
    "S06a-share-not-exported": ("path-not-exported", None),
    "S06b-share-does-not-exist": ("path-not-exported", None),
    "S06c-missing-dir-below-export": ("path-missing-on-server", None),
    "S07-client-not-allowed": ("client-not-allowed", None),
    "S09a-nfsd-not-running": ("server-refused", None),
    "S09c-v3-rpcbind-down": ("server-refused", None),
    "S09d-dns-nxdomain": ("dns", None),
    "S09d2-dns-resolver-unreachable": ("dns", None),
    "S10b-server-v4-only": ("nfs-version-mismatch", None),
    "S10c-server-no-4.2": ("nfs-version-mismatch", None),
    "S11a-bad-mount-options": ("bad-mount-option", None),
    "S11b-v3-no-statd": ("statd-missing", None),
    "S12-mount-helper-missing": ("mount-helper-missing", None),
    "S20a-mixed-two-causes": ("root-squash", None),
}


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


def diagnose(*paths: Path, client: str | None = None) -> Report:
    scanner = Scanner(loaded(), Options(year=2026, client=client))
    for source in open_sources([str(path) for path in paths]):
        scanner.read(source)
    return scanner.report()


def test_every_recording_is_weighed():
    assert {path.parent.name for path in RECORDINGS.glob("*/truth.yaml")} == set(SCENARIOS)


@pytest.mark.parametrize("client", [None, "192.168.59.22"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_with_exports_and_class_the_right_cause_comes_first(name, client):
    folder = RECORDINGS / name
    report = diagnose(
        *(folder / file for file in ("controller.log", "node.log", "exports", "storageclass.yaml")), client=client
    )
    category, share = SCENARIOS[name]
    real = [one for one in report.diagnoses if one.severity > Severity.INFO]
    if category is None:
        assert report.verdict == "healthy"
        return
    assert real[0].category == category
    if share is not None:
        assert len(real) == 1
        manifest = real[0].remedy.manifest
        assert manifest is not None
        assert f"share: {share}\n" in manifest
        assert share in real[0].remedy.summary


def test_the_flagship_with_its_exports_and_class_gives_the_corrected_class():
    report = diagnose(*(SAMPLES / f"readonly-share.{end}" for end in ("log", "exports", "storageclass.yaml")))
    (one,) = report.diagnoses
    assert (one.category, one.confidence) == ("wrong-share-path", "high")
    assert one.remedy.manifest is not None
    assert "share: /home/ubuntu/nfs" in one.remedy.manifest
    assert any(item.input.endswith(".exports") for item in one.evidence)
    assert any("nfs-csi" in command for command in one.remedy.commands)


def test_evidence_is_known_by_its_content_whatever_its_name_and_order():
    texts = {
        "a.txt": (SAMPLES / "readonly-share.exports").read_text(),
        "b.txt": (SAMPLES / "readonly-share.log").read_text(),
    }
    for names in (["a.txt", "b.txt"], ["b.txt", "a.txt"]):
        scanner = Scanner(loaded(), Options(year=2026))
        for name in names:
            scanner.read(Source(name=name, mtime=None, chunks=iter([texts[name].encode()])))
        (one,) = scanner.report().diagnoses
        assert "/home/ubuntu/nfs" in one.remedy.summary


MOUNT = (
    "E0720 09:53:52.390790       1 utils.go:114] GRPC error: rpc error: code = Internal desc = failed to mount nfs server: rpc error:"
    " code = Internal desc = mount failed: exit status 32\nMounting command: mount\nMounting arguments: -t nfs -o nfsvers=4.1"
    " 10.0.0.5:/c /tmp/pvc-3f1c8a52-6f0e-4a71-9d7b-2c6a1e0b9d41\nOutput: mount.nfs: "
)


def with_exports(said: str, exports: str):
    scanner = Scanner(loaded())
    scanner.evidence("exports", "exports", exports.encode())
    scanner.read(Source(name="c.log", mtime=None, chunks=iter([(MOUNT + said + "\n").encode()])))
    return scanner.report().diagnoses[0]


def test_an_export_below_a_line_that_is_not_understood():
    said = "mounting 10.0.0.5:/c failed, reason given by server: No such file or directory"
    found = with_exports(said, "/a *(rw)\n/b *(rw,bogus)\n/c *(rw)\n")
    assert found.category == "path-not-exported"
    assert found.cause == 'exports:3 has /c for *, which is not exported because of line 2: unknown keyword "bogus"'
    assert found.remedy.summary == "Mend that line of the exports on 10.0.0.5, and export anew."


def test_what_only_the_exports_prove_has_a_remedy():
    found = with_exports("Operation not permitted", "/c *(rw,sec=krb5p)\n")
    assert (found.category, found.confidence) == ("kerberos-auth", "high")
    assert "sec=sys" in found.remedy.summary
    assert found.remedy.commands[0] == "sudo exportfs -ra    # on 10.0.0.5"


def test_exports_alone_are_no_log():
    report = diagnose(SAMPLES / "readonly-share.exports")
    assert report.verdict == "not-enough-evidence"
    assert report.inputs[0].framing == ("exports",)


def test_a_fault_in_the_exports_is_a_warning_of_that_input():
    scanner = Scanner(loaded())
    scanner.evidence("exports", "exports", b"/a *(rw,bogus)\n/b *(rw)\n")
    assert any("line 1" in warning for warning in scanner.report().inputs[0].warnings)


def test_a_fault_in_a_class_is_a_warning_of_that_input():
    scanner = Scanner(loaded())
    text = b"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\nparameters: {sever: a, share: /a}\n"
    scanner.evidence("a.yaml", "manifest", text)
    assert [warning.partition(":")[0] for warning in scanner.report().inputs[0].warnings] == ["line 5"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("mkdir /tmp/pvc-1/pvc-1: read-only file system", ("EROFS", "write")),
        ("mkdir /tmp/pvc-1: read-only file system", ("EROFS", "")),
        (
            "mount failed: exit status 32\nOutput: mount.nfs: access denied by server while mounting s:/x",
            ("EACCES", "mount"),
        ),
        (
            "mount failed: exit status 32\nOutput: mount.nfs: rpc.statd is not running but is required",
            ("STATD", "mount"),
        ),
        (
            (
                "mount failed: exit status 32\nOutput: mount.nfs: rpc.statd is not running\n"
                "mount.nfs: mounting s:/x failed, reason given by server: No such file or directory"
            ),
            ("ENOENT", "mount"),
        ),
        ("rpc error: code = Internal desc = operation not permitted", ("EPERM", "chmod")),
        ("chmod /var/lib/kubelet/x: operation not permitted", ("EPERM", "chmod")),
        ("mount failed: exit status 32\nOutput: mount.nfs: Connection refused", ("ECONNREFUSED", "mount")),
    ],
)
def test_what_a_failure_met_by_its_words(message, expected):
    assert observed(message) == expected


FIVE = RECORDINGS.parent / "cases" / "events-fan-out.yaml"


def fan_out() -> dict[str, str]:
    """The flagship as a user would gather it: pod, claim, provisioner, controller; and the server's exports."""
    import yaml

    case = yaml.safe_load(FIVE.read_text())
    files = dict(case["files"])
    for sample in case["samples"]:
        files[sample] = (SAMPLES / sample).read_text()
    return {**files, "exports": (SAMPLES / "readonly-share.exports").read_text()}


@pytest.mark.parametrize("reverse", [False, True])
def test_five_inputs_of_the_flagship_are_one_diagnosis(reverse):
    files = list(fan_out().items())
    scanner = Scanner(loaded(), Options(year=2026))
    for name, text in reversed(files) if reverse else files:
        scanner.read(Source(name=name, mtime=None, chunks=iter([text.encode()])))
    report = scanner.report()
    real = [one for one in report.diagnoses if one.severity > Severity.INFO]
    assert [one.category for one in real] == ["wrong-share-path"]
    assert "/home/ubuntu/nfs" in real[0].remedy.summary


def test_predict_needs_no_log(capsys):
    from logscan.cli import run

    exports, manifest = (str(SAMPLES / f"readonly-share.{end}") for end in ("exports", "storageclass.yaml"))
    assert run(["predict", "--exports", exports, "--storageclass", manifest]) == 1
    out = capsys.readouterr().out
    assert "wrong-share-path" in out
    assert "share: /home/ubuntu/nfs" in out
    assert run(["predict", "--exports", exports, "--storageclass", manifest, "--format", "json"]) == 1
    import json

    (entry,) = json.loads(capsys.readouterr().out)["predictions"]
    assert (entry["name"], entry["outcome"], entry["share_right"]) == ("nfs-csi", "EROFS", "/home/ubuntu/nfs")


def test_predict_says_that_a_right_class_should_work(tmp_path, capsys):
    from logscan.cli import run

    text = (SAMPLES / "readonly-share.storageclass.yaml").read_text().replace('share: "/"', "share: /home/ubuntu/nfs")
    (tmp_path / "class.yaml").write_text(text)
    exports = str(SAMPLES / "readonly-share.exports")
    assert run(["predict", "--exports", exports, "--storageclass", str(tmp_path / "class.yaml")]) == 0
    assert "should work" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["predict"], 2),
        (["predict", "--exports", "gone", "--storageclass", "gone"], 3),
        (["predict", "--exports", "{exports}", "--storageclass", "{exports}"], 3),
        (["{log}", "--exports", "{exports}", "--storageclass", "{manifest}"], 0),
        (["{log}", "--exports", "gone"], 3),
        (["{log}", "--exports", "{exports}", "--client", "10.0.0.7", "--fail-on", "error"], 1),
    ],
)
def test_evidence_on_the_command_line(arguments, status, capsys):
    from logscan.cli import run

    places = {
        "log": SAMPLES / "readonly-share.log",
        "exports": SAMPLES / "readonly-share.exports",
        "manifest": SAMPLES / "readonly-share.storageclass.yaml",
    }
    assert run([argument.format(**places) for argument in arguments]) == status
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    if status in {2, 3}:
        assert captured.err.startswith(("logscan: error: ", "Usage"))


@pytest.mark.parametrize("text", ["'", "{", "kind: [", "/a *(rw", "\x00", "- - - -\n" * 50])
def test_odd_evidence_never_stops_a_diagnosis(text):
    scanner = Scanner(loaded(), Options(year=2026))
    scanner.evidence("exports", "exports", text.encode())
    scanner.evidence("class.yaml", "manifest", text.encode())
    scanner.read(Source(name="log", mtime=None, chunks=iter([(SAMPLES / "readonly-share.log").read_bytes()])))
    assert scanner.report().diagnoses[0].category == "wrong-share-path"
