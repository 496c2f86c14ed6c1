"""``kubectl nfs-logscan`` against a kubectl that replays what a cluster said, and what goes wrong with it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from logscan import bundles
from logscan.cli import run
from logscan.cluster.collect import Target, target_of, without_environment
from logscan.commands.kubectl import kubectl as command
from tests import driver_simulator as sim
from tests.fake_kubectl import FakeKubectl

SPACE = "kube-system"
CONTROLLER, NODE, OTHER_NODE = "csi-nfs-controller-5d8f7c9b4-abcde", "csi-nfs-node-x2x9k", "csi-nfs-node-zzzzz"
APP, HELM = "--selector=app in (csi-nfs-controller,csi-nfs-node)", "--selector=app.kubernetes.io/name=csi-driver-nfs"
Answers = dict[str, dict[str, object]]


def volume(number: int, **parameters: str) -> sim.Volume:
    name = f"pvc-{number:08d}-0000-4000-8000-000000000000"
    return sim.Volume(name, f"shop/data-{number}", parameters, ("nfsvers=4.1",), pod=f"{number:08d}-aaaa")


READ_ONLY = volume(1, server="10.1.0.1", share="/")
REFUSED = volume(2, server="10.1.0.4", share="/x")


def controller_log() -> str:
    driver = sim.Driver("v4.12.1", seed=3)
    sim.create(driver, READ_ONLY, 5, mkdir="read-only file system")
    return driver.text()


def node_log() -> str:
    driver = sim.Driver("v4.12.1", seed=4)
    for n in range(2):
        sim.publish(driver, REFUSED, 100 + 20 * n, mount="mount.nfs: Connection refused")
    return driver.text()


def pod(name: str, node: str, owner: str, containers: tuple[str, ...], restarts: int = 0) -> dict[str, object]:
    statuses = [{"name": one, "ready": True, "restartCount": restarts if one == "nfs" else 0} for one in containers]
    return {
        "metadata": {"name": name, "namespace": SPACE, "ownerReferences": [{"kind": owner}], "labels": {"app": name[:12]}},
        "spec": {"nodeName": node, "containers": [{"name": one, "env": [{"name": "PASSWORD", "value": "hunter2"}]} for one in containers]},
        "status": {"containerStatuses": statuses},
    }  # fmt: skip


def listed(*objects: dict[str, object], kind: str = "") -> dict[str, object]:
    made = [{"apiVersion": "v1", "kind": kind, **one} for one in objects]
    return {"out": json.dumps({"apiVersion": "v1", "items": made, "kind": "List"}, indent=4)}


def event(kind: str, name: str, reason: str, message: str, namespace: str = "shop") -> dict[str, object]:
    return {
        "metadata": {"name": f"{name}.1", "namespace": namespace}, "reason": reason, "message": message, "type": "Warning",
        "involvedObject": {"kind": kind, "name": name, "namespace": namespace}, "source": {"component": "x"}, "count": 1,
        "firstTimestamp": "2026-07-20T09:50:06Z", "lastTimestamp": "2026-07-20T09:50:12Z",
    }  # fmt: skip


WEB = {
    "metadata": {"name": "web-0", "namespace": "shop"},
    "spec": {"nodeName": "worker-7", "volumes": [{"persistentVolumeClaim": {"claimName": "data-2"}}]},
}
CLAIM = {
    "metadata": {"name": "data-2", "namespace": "shop"},
    "spec": {"volumeName": REFUSED.name, "storageClassName": "nfs-csi"},
}
PV = {
    "metadata": {"name": REFUSED.name},
    "spec": {"csi": {"driver": "nfs.csi.k8s.io", "volumeHandle": REFUSED.id("v4.12.1")}},
}
CLASS = {
    "metadata": {"name": "nfs-csi"},
    "provisioner": "nfs.csi.k8s.io",
    "parameters": {"server": "10.1.0.1", "share": "/"},
}
SIDECARS = ("csi-provisioner", "nfs")


def cluster() -> Answers:
    """A cluster in which all can be asked."""
    logs = f"logs --namespace={SPACE}"
    missing = {
        "err": 'Error from server (BadRequest): previous terminated container "nfs" in pod "x" not found',
        "status": 1,
    }
    return {
        f"get pods --all-namespaces {APP} --output=json": listed(
            pod(CONTROLLER, "worker-1", "ReplicaSet", SIDECARS),
            pod(NODE, "worker-7", "DaemonSet", ("nfs",), restarts=1),
            pod(OTHER_NODE, "worker-8", "DaemonSet", ("nfs",)),
            kind="Pod",
        ),
        f"get pods --all-namespaces {HELM} --output=json": listed(),
        "get events --all-namespaces --output=json": listed(
            event("PersistentVolumeClaim", "data-1", "ProvisioningFailed", 'failed to provision volume with StorageClass "nfs-csi": boom'),
            event("Pod", "web-9", "Unhealthy", "Readiness probe failed: connect: connection refused"),
            kind="Event",
        ),
        "get events --namespace=shop --output=json": listed(),
        f"get events --namespace={SPACE} --output=json": listed(),
        "get storageclasses --output=json": listed(CLASS, kind="StorageClass"),
        "get csidrivers --output=json": listed({"metadata": {"name": "nfs.csi.k8s.io"}, "spec": {}}, kind="CSIDriver"),
        "get persistentvolumes --output=json": listed(PV, {"metadata": {"name": "ebs"}, "spec": {"csi": {"driver": "ebs"}}}, kind="PersistentVolume"),
        f"get persistentvolumes {REFUSED.name} --output=json": listed(PV, kind="PersistentVolume"),
        "get persistentvolumeclaims --all-namespaces --output=json": listed(CLAIM, kind="PersistentVolumeClaim"),
        "get persistentvolumeclaims --namespace=shop data-2 --output=json": listed(CLAIM, kind="PersistentVolumeClaim"),
        "get pvc --namespace=shop data-2 --output=json": {"out": json.dumps({"kind": "PersistentVolumeClaim", **CLAIM})},
        "get pod --namespace=shop data-2 --output=json": {"err": 'Error from server (NotFound): pods "data-2" not found', "status": 1},
        "get pods --namespace=shop --output=json": listed(WEB, {"metadata": {"name": "other"}, "spec": {"nodeName": "worker-8"}}, kind="Pod"),
        "describe pvc --namespace=shop data-2": {"out": "Name:          data-2\nNamespace:     shop\nStorageClass:  nfs-csi\nEvents:        <none>\n"},
        "describe pod --namespace=shop web-0": {"out": "Name:             web-0\nNamespace:        shop\nContainers:\n  web:\n    Environment:\n      PASSWORD:  hunter2\n    Mounts:  <none>\nEvents:           <none>\n"},
        f"describe pods --namespace={SPACE} {NODE}": {"out": f"Name:             {NODE}\nNamespace:        {SPACE}\nEvents:           <none>\n"},
        f"{logs} {CONTROLLER} --container=csi-provisioner": {"out": ""},
        f"{logs} {CONTROLLER} --container=nfs": {"out": controller_log()},
        f"{logs} {NODE} --container=nfs --previous": missing,
        f"{logs} {NODE} --container=nfs": {"out": node_log()},
        f"{logs} {OTHER_NODE} --container=nfs": {"out": ""},
    }  # fmt: skip


@pytest.fixture
def fake(tmp_path):
    return FakeKubectl(tmp_path / "bin", cluster())


def asks(fake: FakeKubectl, *arguments: str) -> tuple[int, dict[str, object]]:
    """The exit status and the JSON report."""
    out = fake.directory / "report.json"
    out.unlink(missing_ok=True)
    status = run(["--kubectl", str(fake.path), "-o", f"json={out}", *arguments], command, "kubectl nfs-logscan")
    return status, json.loads(out.read_text()) if out.exists() else {}


def categories(report: dict[str, object]) -> set[str]:
    return {one["category"] for one in report["diagnoses"]}


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("logscan: error: ")]


def test_a_cluster_is_diagnosed_and_left_as_it_is(fake, capsys):
    status, report = asks(fake, "--context", "c", "--kubeconfig", "k", "--as", "u")
    assert (status, told(capsys)) == (0, [])
    assert categories(report) == {"wrong-share-path", "server-refused"}
    refused = next(one for one in report["diagnoses"] if one["category"] == "server-refused")
    assert refused["nodes"] == ["worker-7"]
    assert refused["evidence"][0]["input"].endswith(f"/pods/logs/{SPACE}/{NODE}/nfs.log")
    assert report["unrecognised"] == []
    for args in fake.asked:
        assert args[:3] == ["--context=c", "--kubeconfig=k", "--as=u"]
        assert args[3] in {"get", "logs", "describe"}
        assert not any("secret" in word.lower() for word in args)
    assert sorted(fake.asked) == sorted([*map(list, {tuple(args) for args in fake.asked})])  # nothing twice


@pytest.mark.parametrize("name", ["shop/data-2", "shop/pvc/data-2"])
def test_of_a_claim_only_its_own_node_is_asked(fake, name, capsys):
    status, report = asks(fake, name)
    assert (status, told(capsys)) == (0, [])
    assert "server-refused" in categories(report)
    logs = [line for line in fake.lines if " logs " in line]
    assert any(NODE in line for line in logs)
    assert any(CONTROLLER in line for line in logs)
    assert not any(OTHER_NODE in line for line in logs)
    assert not any("--all-namespaces" in line and "pods" not in line for line in fake.lines)
    assert any("describe pvc" in line for line in fake.lines)


def test_of_a_pod_its_claims_and_node_are_found(fake, capsys):
    fake.answers["get pod web-0 --output=json"] = {"out": json.dumps({"kind": "Pod", **WEB})}
    fake.write()
    status, report = asks(fake, "pod/web-0")
    assert (status, told(capsys)) == (0, [])
    assert "server-refused" in categories(report)
    assert "kubectl get persistentvolumeclaims --namespace=shop data-2 --output=json" in fake.lines
    assert not any(OTHER_NODE in line for line in fake.lines)


def test_what_is_saved_gives_the_same_report(fake, tmp_path):
    saved, again = tmp_path / "case.tgz", tmp_path / "again.json"
    _, report = asks(fake, "shop/data-2")
    status, kept = asks(fake, "shop/data-2", "--save", str(saved))
    assert status == 0
    assert run([str(saved), "-o", f"json={again}"]) == 0
    reread = json.loads(again.read_text())
    for key in ("verdict", "calls", "counts", "unrecognised", "benign"):
        assert report[key] == kept[key] == reread[key]
    shown = [
        [{k: v for k, v in one.items() if k != "evidence"} for one in each["diagnoses"]]
        for each in (report, kept, reread)
    ]
    assert shown[0] == shown[1] == shown[2]
    assert kept["inputs"] == reread["inputs"]
    assert saved.stat().st_mode & 0o777 == 0o600
    with tarfile.open(saved) as archive:
        names = archive.getnames()
        everything = b"".join(archive.extractfile(one).read() for one in archive.getmembers())
        collected = json.load(archive.extractfile(next(name for name in names if name.endswith("/collected.json"))))
    assert b"hunter2" not in everything
    assert not any("lookup" in name for name in names)
    assert [bundles.of(name).layout for name in names if name.endswith(".log")] == ["support-bundle"] * 3
    assert sorted(one["command"].split(" ", 1)[1] for one in collected["commands"]) == sorted(
        line.split(" ", 1)[1] for line in fake.lines[len(fake.lines) // 2 :]
    )


def test_an_event_that_is_also_described_counts_once(fake):
    message = (
        'MountVolume.SetUp failed for volume "x" : rpc error: code = DeadlineExceeded desc = context deadline exceeded'
    )
    one = event("Pod", "web-0", "FailedMount", message)
    one["count"] = 7
    fake.answers["get events --namespace=shop --output=json"] = listed(one, kind="Event")
    row = f"  Warning  FailedMount  2m (x7 over 10m)  kubelet  {message}\n"
    described = (
        "Name:             web-0\nNamespace:        shop\nEvents:\n  Type  Reason  Age  From  Message\n  ----  ------  ----  ----  -------\n"
        + row
    )
    fake.answers["describe pod --namespace=shop web-0"] = {"out": described}
    fake.write()
    _, after = asks(fake, "shop/data-2")
    fake.answers["describe pod --namespace=shop web-0"] = {"out": described.partition("Events:")[0]}
    fake.write()
    _, alone = asks(fake, "shop/data-2")
    assert [(one["id"], one["failures"], one["attempts"]) for one in after["diagnoses"]] == [
        (one["id"], one["failures"], one["attempts"]) for one in alone["diagnoses"]
    ]
    # Where the list may not be asked for, the description's own are all there is.
    fake.answers["get events --namespace=shop --output=json"] = {
        "err": "Error from server (Forbidden): no",
        "status": 1,
    }
    fake.answers["describe pod --namespace=shop web-0"] = {"out": described}
    fake.write()
    _, only = asks(fake, "shop/data-2")
    assert "deadline-exceeded" in {one["id"] for one in only["diagnoses"]}


def test_a_dry_run_prints_what_would_be_run(fake, capsys):
    assert (
        run(
            ["--kubectl", str(fake.path), "--dry-run", "--context", "a b", "shop/data-2"],
            command,
            "kubectl nfs-logscan",
        )
        == 0
    )
    shown = [shlex.split(line) for line in capsys.readouterr().out.splitlines()]
    looked_up = {tuple(args) for args in fake.asked}
    assert all(args[1] == "get" for args in looked_up)
    asks(fake, "--context", "a b", "shop/data-2")
    assert {tuple(args[1:]) for args in shown} == {tuple(args) for args in fake.asked}
    assert {args[0] for args in shown} == {str(fake.path)}


# ---------------------------------------------------------------- what goes wrong


def test_without_kubectl_one_line_says_so(tmp_path, capsys):
    assert run(["--kubectl", str(tmp_path / "none")], command, "kubectl nfs-logscan") == 3
    out, said = capsys.readouterr()
    assert out == ""
    assert said == "logscan: error: kubectl: cannot be run: no such file or directory\n  help: put it on the PATH, or name it: --kubectl PROGRAM\n"  # fmt: skip


@pytest.mark.parametrize(
    "said",
    [
        "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?",
        'E0720 09:50:00.1 1 memcache.go:265] "Unhandled Error" err="x"\nUnable to connect to the server: dial tcp: lookup c: no such host',
        'error: context "x" does not exist',
        "error: You must be logged in to the server (Unauthorized)",
    ],
)
def test_without_a_cluster_one_line_says_so(fake, said, capsys):
    fake.answers = {"get *": {"err": said + "\n", "status": 1}}
    fake.write()
    status, report = asks(fake)
    assert (status, report) == (3, {})
    assert told(capsys) == [f"logscan: error: the cluster: cannot be reached: {said.splitlines()[-1]}"]


def test_what_is_forbidden_is_told_and_the_rest_is_diagnosed(fake, capsys):
    forbidden = 'Error from server (Forbidden): {0} is forbidden: User "u" cannot list resource "{0}" in API group "" at the cluster scope'
    for what, args in (("events", "get events --all-namespaces --output=json"), ("persistentvolumes", "get persistentvolumes --output=json")):  # fmt: skip
        fake.answers[args] = {"err": forbidden.format(what), "status": 1}
    fake.write()
    status, report = asks(fake)
    assert status == 3
    assert categories(report) == {"wrong-share-path", "server-refused"}
    lines = told(capsys)
    assert [line.split(": ")[2] for line in lines] == ["events", "persistentvolumes"]
    assert all("forbidden: " in line and 'User "u" cannot list' in line for line in lines)
    assert len(report["errors"]) == 2


def test_who_may_not_look_everywhere_looks_where_the_driver_usually_is(fake, capsys):
    for labels in (APP, HELM):
        all_, here = (
            f"get pods --all-namespaces {labels} --output=json",
            f"get pods --namespace={SPACE} {labels} --output=json",
        )
        fake.answers[here] = fake.answers[all_]
        fake.answers[all_] = {"err": "Error from server (Forbidden): pods is forbidden: no", "status": 1}
    fake.write()
    status, report = asks(fake)
    assert (status, told(capsys)) == (0, [])
    assert categories(report) == {"wrong-share-path", "server-refused"}


def test_what_gives_no_answer_is_ended_and_its_beginning_read(fake, capsys):
    log = f"logs --namespace={SPACE} {NODE} --container=nfs"
    fake.answers[log] = {"out": node_log(), "sleep": 60}
    fake.write()
    began = time.monotonic()
    status, report = asks(fake, "--timeout", "1.5")
    assert time.monotonic() - began < 30
    assert status == 3
    assert "server-refused" in categories(report)
    (line,) = told(capsys)
    assert f"the log of {SPACE}/{NODE}/nfs: gave no answer in 2 s" in line


def test_a_cluster_that_never_answers_is_waited_for_once(fake, capsys):
    fake.answers = {"get *": {"sleep": 60}}
    fake.write()
    assert asks(fake, "--timeout", "1") == (3, {})
    assert told(capsys) == ["logscan: error: the cluster: gave no answer in 1 s"]
    assert len(fake.asked) == 2


def test_a_cluster_that_is_lost_on_the_way_is_told_once(fake, capsys):
    fake.answers["logs *"] = {"err": "The connection to the server 10.0.0.1:6443 was refused - did you", "status": 1}
    fake.answers = {args: said for args, said in fake.answers.items() if not args.startswith("logs --")}
    fake.write()
    status, report = asks(fake)
    assert status == 3
    assert report["inputs"]
    assert told(capsys) == ["logscan: error: the cluster: does not answer any more: The connection to the server 10.0.0.1:6443 was refused - did you"]  # fmt: skip


def test_a_pod_that_is_gone_is_told_once(fake, capsys):
    fake.answers[f"logs --namespace={SPACE} {NODE} --container=nfs"] = {"err": f'Error from server (NotFound): pods "{NODE}" not found', "status": 1}  # fmt: skip
    fake.write()
    status, report = asks(fake)
    assert status == 3
    assert categories(report) == {"wrong-share-path"}
    assert told(capsys) == [f"logscan: error: the log of {SPACE}/{NODE}/nfs: the pod is gone since it was listed"]


def test_a_previous_log_is_of_the_container_before_its_restart(fake, capsys):
    fake.answers[f"logs --namespace={SPACE} {NODE} --container=nfs --previous"] = {"out": node_log()}
    fake.answers[f"logs --namespace={SPACE} {NODE} --container=nfs"] = {"out": sim.Driver("v4.12.1", seed=9).text()}
    fake.write()
    status, report = asks(fake)
    assert (status, told(capsys)) == (0, [])
    refused = next(one for one in report["diagnoses"] if one["category"] == "server-refused")
    assert refused["evidence"][0]["input"].endswith("nfs-previous.log")
    assert refused["nodes"] == ["worker-7"]


def test_without_the_driver_the_events_are_diagnosed_all_the_same(fake, capsys):
    fake.answers[f"get pods --all-namespaces {APP} --output=json"] = listed()
    message = 'MountVolume.SetUp failed for volume "pvc-1" : kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name nfs.csi.k8s.io not found in the list of registered CSI drivers'  # fmt: skip
    fake.answers["get events --all-namespaces --output=json"] = listed(event("Pod", "web-0", "FailedMount", message), kind="Event")  # fmt: skip
    fake.write()
    status, report = asks(fake)
    assert status == 3
    assert "driver-not-registered" in {one["id"] for one in report["diagnoses"]}
    (line,) = told(capsys)
    assert "none has the labels app in (csi-nfs-controller,csi-nfs-node) or app.kubernetes.io/name=csi-driver-nfs in any namespace" in line  # fmt: skip


def test_a_name_that_is_not_there_is_told_and_the_rest_is_diagnosed(fake, capsys):
    status, report = asks(fake, "shop/nothing")
    assert status == 3
    assert categories(report) == {"wrong-share-path", "server-refused"}
    (line,) = told(capsys)
    assert line == "logscan: error: shop/nothing: there is neither claim nor pod of that name in namespace shop"


def test_pods_of_the_chart_are_found_by_its_labels(fake, capsys):
    fake.answers[f"get pods --all-namespaces {HELM} --output=json"] = fake.answers[f"get pods --all-namespaces {APP} --output=json"]  # fmt: skip
    fake.answers[f"get pods --all-namespaces {APP} --output=json"] = listed()
    fake.write()
    status, report = asks(fake)
    assert (status, told(capsys)) == (0, [])
    assert categories(report) == {"wrong-share-path", "server-refused"}


def test_of_many_nodes_those_with_warnings_are_asked(fake, capsys):
    pods = [pod(f"csi-nfs-node-{n:05}", f"worker-{n}", "DaemonSet", ("nfs",)) for n in range(100)]
    fake.answers[f"get pods --all-namespaces {APP} --output=json"] = listed(*pods, kind="Pod")
    failing = event("Pod", "web-0", "FailedMount", "MountVolume.SetUp failed")
    failing["source"] = {"component": "kubelet", "host": "worker-77"}
    fake.answers["get events --all-namespaces --output=json"] = listed(failing, kind="Event")
    fake.answers["logs *"] = {"out": ""}
    fake.write()
    asks(fake)
    assert "logs of 20 of 100 nodes are fetched" in capsys.readouterr().err
    logs = [line for line in fake.lines if " logs " in line]
    assert len(logs) == 20
    assert any("csi-nfs-node-00077" in line for line in logs)


def test_hostile_names_do_not_leave_the_directory(fake, tmp_path):
    evil = pod("../../evil", "worker-1", "DaemonSet", ("nfs",))
    odd = pod(NODE, "worker-1", "DaemonSet", ("../../x", "nfs"))
    fake.answers[f"get pods --all-namespaces {APP} --output=json"] = listed(evil, odd, kind="Pod")
    fake.write()
    asks(fake, "--save", str(tmp_path / "c.tgz"))
    with tarfile.open(tmp_path / "c.tgz") as archive:
        assert not any(".." in name for name in archive.getnames())
    assert not any("evil" in line or "/x" in line for line in fake.lines)


@pytest.mark.parametrize("name", ["UPPER", "a/b/c", "a//b", "/b", "secret/x", "a/-b", "-x", "a b", "pvc/", "a/svc/x"])
def test_what_is_no_name_is_wrong_usage(fake, name, capsys):
    if name == "secret/x":  # a namespace may be called so
        assert target_of(name) == Target("x", "secret")
        return
    assert run(["--kubectl", str(fake.path), "--", name], command, "kubectl nfs-logscan") == 2
    assert "is no name of a claim or pod" in capsys.readouterr().err
    assert fake.asked == []


@pytest.mark.parametrize("save", ["case.zip", "no/where/case.tgz"])
def test_a_bundle_that_cannot_be_written_is_refused_before_anything_is_asked(fake, save, tmp_path):
    assert run(["--kubectl", str(fake.path), "--save", str(tmp_path / save)], command, "kubectl nfs-logscan") == 2
    assert fake.asked == []


def test_ctrl_c_ends_kubectl_and_reports_what_came(fake, tmp_path):
    fake.answers[f"logs --namespace={SPACE} {OTHER_NODE} --container=nfs"] = {"out": "", "sleep": 60}
    fake.write()
    out = tmp_path / "r.json"
    code = "import sys; from logscan import cli; sys.argv[0] = 'x'; cli.kubectl_plugin()"
    arguments = [
        sys.executable,
        "-c",
        code,
        "--kubectl",
        str(fake.path),
        "-o",
        f"json={out}",
        "--save",
        str(tmp_path / "c.tgz"),
    ]
    process = subprocess.Popen(
        arguments, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    deadline = time.monotonic() + 20
    while not any(OTHER_NODE in line and " logs " in line for line in fake.lines) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130
    with tarfile.open(tmp_path / "c.tgz") as archive:  # also then no password is kept
        assert b"hunter2" not in b"".join(archive.extractfile(one).read() for one in archive.getmembers())
    assert json.loads(out.read_text())["interrupted"] is True
    assert "wrong-share-path" in categories(json.loads(out.read_text()))


def test_a_description_loses_the_environment_of_containers():
    text = "Containers:\n  web:\n    Environment:\n      A:  secret\n      B:  <set to the key 'x'>\n    Mounts:\n      /x from y\n  other:\n    Environment:  <none>\n"
    assert without_environment(text) == "Containers:\n  web:\n    Environment:\n    Mounts:\n      /x from y\n  other:\n    Environment:  <none>\n"  # fmt: skip


def test_the_plug_in_is_named_as_kubectl_looks_for_it():
    project = (Path(__file__).resolve().parent.parent / "pyproject.toml").read_text()
    assert 'kubectl-nfs_logscan = "logscan.cli:kubectl_plugin"' in project
