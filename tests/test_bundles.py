"""A bundle is diagnosed as its files are, whatever its layout and however it is packed, and says whose logs they are."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import random
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logscan import bundles, parts, rules, scan
from logscan.errors import SourceError
from logscan.model import Report
from logscan.sources import open_sources
from tests import driver_simulator as sim

REFERENCE = 1_796_083_200_000_000  # 2026-12-01
NODE, CONTROLLER = "csi-nfs-node-x2x9k", "csi-nfs-controller-5d8f7c9b4-abcde"
UID = "0a1b2c3d-0000-4000-8000-000000000001"
SPACE = "kube-system"

Files = dict[str, bytes]


# ---------------------------------------------------------------- what happened in the cluster


def volume(number: int, **parameters: str) -> sim.Volume:
    name = f"pvc-{number:08d}-0000-4000-8000-000000000000"
    return sim.Volume(name, f"shop/data-{number}", parameters, ("nfsvers=4.1",), pod=f"{number:08d}-aaaa")


READ_ONLY = volume(1, server="10.1.0.1", share="/")
REFUSED = volume(2, server="10.1.0.4", share="/x")
FINE = volume(3, server="10.9.9.9", share="/ok")


def controller_log() -> bytes:
    driver = sim.Driver("v4.12.1", seed=3)
    at = sim.create(driver, READ_ONLY, 5, mkdir="read-only file system")
    at = sim.create(driver, READ_ONLY, at + 5, mkdir="read-only file system")
    sim.create(driver, FINE, at + 5)
    return driver.text().encode()


def node_log(at: float = 100) -> bytes:
    driver = sim.Driver("v4.12.1", seed=4)
    driver.start(at - 10)
    for n in range(2):
        sim.publish(driver, REFUSED, at + 20 * n, mount="mount.nfs: Connection refused")
    sim.publish(driver, FINE, at + 60)
    return driver.text().encode()


def previous_log() -> bytes:
    """The node's driver before it was restarted: a mount is under way."""
    driver = sim.Driver("v4.12.1", seed=5)
    driver.dies = 41
    sim.publish(driver, REFUSED, 20, mount="mount.nfs: Connection refused")
    sim.publish(driver, FINE, 40, seconds=9)
    return driver.text().encode()


OTHERS = (
    b"E0720 09:53:52.387108       1 main.go:7] cannot open /data: read-only file system, mkdir failed\n"
    b"panic: runtime error: invalid memory address\nW0720 09:53:53.000000       1 main.go:8] odd\n"
) * 5  # fmt: skip

EVENT = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "data-1.17", "namespace": "shop"},
    "involvedObject": {"kind": "PersistentVolumeClaim", "namespace": "shop", "name": "data-1", "uid": READ_ONLY.name[4:]},
    "reason": "ProvisioningFailed",
    "message": 'failed to provision volume with StorageClass "nfs-csi": rpc error: code = Internal desc = failed to make '
    f"subdirectory: mkdir /tmp/{READ_ONLY.name}/{READ_ONLY.name}: read-only file system",
    "source": {"component": "nfs.csi.k8s.io_node-1"},
    "firstTimestamp": "2026-07-20T09:50:06Z",
    "lastTimestamp": "2026-07-20T09:50:12Z",
    "count": 2,
    "type": "Warning",
}  # fmt: skip
EVENTS_YAML = b"""---
apiVersion: v1
items:
- apiVersion: v1
  count: 2
  firstTimestamp: "2026-07-20T09:50:06Z"
  involvedObject:
    kind: PersistentVolumeClaim
    name: data-1
    namespace: shop
    uid: %s
  kind: Event
  lastTimestamp: "2026-07-20T09:50:12Z"
  message: '%s'
  metadata:
    name: data-1.17
    namespace: shop
  reason: ProvisioningFailed
  source:
    component: nfs.csi.k8s.io_node-1
  type: Warning
kind: EventList
metadata:
  resourceVersion: "1"
""" % (READ_ONLY.name[4:].encode(), str(EVENT["message"]).encode())
CLASS_YAML = b"""---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: nfs-csi
provisioner: nfs.csi.k8s.io
parameters:
  server: 10.1.0.1
  share: /
"""
CLASS = {
    "kind": "StorageClass", "apiVersion": "storage.k8s.io/v1", "metadata": {"name": "nfs-csi"}, "provisioner": "nfs.csi.k8s.io",
    "parameters": {"server": "10.1.0.1", "share": "/"},
}  # fmt: skip
EXPORTS = b"/home/ubuntu/nfs *(rw,sync,no_root_squash)\n"


def pod_of(name: str, node: str) -> dict[str, object]:
    return {"metadata": {"name": name, "namespace": SPACE}, "spec": {"nodeName": node, "containers": []}}


PODS = [pod_of(NODE, "worker-7"), pod_of(CONTROLLER, "worker-1"), pod_of("web-0", "worker-7")]


def listed(kind: str, items: Iterable[dict[str, object]], version: str = "v1") -> bytes:
    """As kubectl's printer writes a typed list."""
    kept = [{key: value for key, value in item.items() if key not in {"kind", "apiVersion"}} for item in items]
    return json.dumps({"kind": kind, "apiVersion": version, "metadata": {}, "items": kept}, indent=4).encode() + b"\n"


def cri(log: bytes) -> bytes:
    """As the container runtime stores it."""
    return b"".join(b"2026-07-20T09:50:00.000000000Z stderr F " + line + b"\n" for line in log.split(b"\n")[:-1])


# ---------------------------------------------------------------- layouts


def must_gather() -> Files:
    root = "must-gather.local.123/quay-io-openshift-sha256-abc"
    pods = f"{root}/namespaces/{SPACE}/pods"
    node_pod = f"---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: {NODE}\n  namespace: {SPACE}\nspec:\n  nodeName: worker-7\n"
    return {
        f"{root}/version": b"must-gather 4.16\n",
        f"{root}/event-filter.html": b"<html>mkdir /tmp: read-only file system</html>\n",
        f"{root}/cluster-scoped-resources/core/nodes/worker-7.yaml": b"---\napiVersion: v1\nkind: Node\n",
        f"{root}/cluster-scoped-resources/storage.k8s.io/storageclasses/nfs-csi.yaml": CLASS_YAML,
        f"{root}/namespaces/{SPACE}/{SPACE}.yaml": b"---\napiVersion: v1\nkind: Namespace\n",
        f"{root}/namespaces/{SPACE}/apps/daemonsets.yaml": b"---\napiVersion: apps/v1\nitems: []\nkind: DaemonSetList\n",
        f"{root}/namespaces/shop/core/events.yaml": EVENTS_YAML,
        f"{pods}/{NODE}/{NODE}.yaml": node_pod.encode(),
        f"{pods}/{NODE}/nfs/nfs/logs/current.log": node_log(),
        f"{pods}/{NODE}/nfs/nfs/logs/previous.log": previous_log(),
        f"{pods}/{NODE}/nfs/nfs/logs/previous.insecure.log": b"",
        f"{pods}/{CONTROLLER}/nfs/nfs/logs/current.log": controller_log(),
        f"{pods}/web-0/web-0.yaml": b"---\napiVersion: v1\nkind: Pod\n",
        f"{pods}/web-0/web/web/logs/current.log": OTHERS,
        f"{pods}/ebs-csi-node-1/csi-provisioner/csi-provisioner/logs/current.log": OTHERS,
    }


def cluster_info_dump() -> Files:
    def logs(pod: str, **containers: bytes) -> bytes:
        return b"".join(
            b"==== START logs for container %s of pod %s/%s ====\n" % (name.replace("_", "-").encode(), SPACE.encode(), pod.encode())
            + log
            + b"==== END logs for container %s of pod %s/%s ====\n" % (name.replace("_", "-").encode(), SPACE.encode(), pod.encode())
            for name, log in containers.items()
        )  # fmt: skip

    return {
        "dump/nodes.json": listed("NodeList", [{"metadata": {"name": "worker-7"}}]),
        "dump/shop/events.json": listed("EventList", [EVENT]),
        "dump/kube-system/pods.json": listed("PodList", PODS),
        "dump/kube-system/services.json": listed("ServiceList", []),
        f"dump/kube-system/{NODE}/logs.txt": logs(NODE, liveness_probe=b"", nfs=node_log()),
        f"dump/kube-system/{CONTROLLER}/logs.txt": logs(CONTROLLER, nfs=controller_log()),
        "dump/kube-system/web-0/logs.txt": logs("web-0", web=OTHERS, other=OTHERS),
    }


def support_bundle() -> Files:
    root = "support-bundle-2026-07-20T09_55_00"
    return {
        f"{root}/version.yaml": b"apiVersion: troubleshoot.sh/v1beta2\nkind: SupportBundle\n",
        f"{root}/analysis.json": b'[{"name": "mkdir /tmp/x/y: read-only file system"}]\n',
        f"{root}/cluster-resources/events/shop.json": listed("EventList", [EVENT]),
        f"{root}/cluster-resources/pods/kube-system.json": listed("PodList", PODS),
        f"{root}/cluster-resources/storage-classes.json": listed("StorageClassList", [CLASS], "storage.k8s.io/v1"),
        f"{root}/cluster-resources/configmaps/x.json": listed("ConfigMapList", []),
        f"{root}/cluster-resources/pods/logs/{SPACE}/{CONTROLLER}/nfs.log": controller_log(),
        f"{root}/driver/{SPACE}/{NODE}/nfs.log": node_log(),
        f"{root}/driver/{SPACE}/{NODE}/nfs-previous.log": previous_log(),
        f"{root}/all/{SPACE}/web-0/web.log": OTHERS,
    }


def kubelet_tree() -> Files:
    """What lies below /var/log/pods of the two nodes."""
    return {
        f"var/log/pods/{SPACE}_{NODE}_{UID}/nfs/0.log": cri(previous_log()),
        f"var/log/pods/{SPACE}_{NODE}_{UID}/nfs/1.log": cri(node_log()),
        f"var/log/pods/{SPACE}_{CONTROLLER}_{UID}/nfs/0.log": cri(controller_log()),
        f"var/log/pods/{SPACE}_web-0_{UID}/web/0.log": cri(OTHERS),
        f"var/log/containers/web-1_{SPACE}_web-{'0a' * 32}.log": cri(OTHERS),
    }


def sosreport() -> Files:
    root = "sosreport-worker-7-0012345-2026-07-20-abcdefg"
    return {
        f"{root}/etc/hostname": b"worker-7\n",
        f"{root}/etc/exports": EXPORTS,
        f"{root}/etc/fstab": b"/dev/sda1 / ext4 rw 0 0\n",
        f"{root}/proc/mounts": b"10.1.0.1:/ on /mnt type nfs4 (rw)\n",
        f"{root}/sos_commands/logs/journalctl_--no-pager": b"Jul 20 09:51:00 worker-7 kernel: nfs: server 10.1.0.77 not responding, still trying\n",
        f"{root}/sos_commands/process/ps_aux": OTHERS,
        f"{root}/var/log/secure": OTHERS,
        **{f"{root}/{name}": data for name, data in kubelet_tree().items()},
    }


LAYOUTS = {one.__name__: one for one in (must_gather, cluster_info_dump, support_bundle, kubelet_tree, sosreport)}
LOGS = (controller_log(), node_log(), previous_log())


# ---------------------------------------------------------------- packing


def as_directory(files: Files, path: Path) -> Path:
    for name, data in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return path


def tar_of(files: Files, mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_784_541_232
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_of(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def stored(data: bytes, path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    return path


PACKINGS = {
    "directory": as_directory,
    "tar": lambda files, path: stored(tar_of(files), path / "b.tar"),
    "tgz": lambda files, path: stored(tar_of(files, "w:gz"), path / "b.tgz"),
    "zip": lambda files, path: stored(zip_of(files), path / "b.zip"),
    "tgz in zip": lambda files, path: stored(zip_of({"case/b.tgz": tar_of(files, "w:gz")}), path / "c.zip"),
    "zip in tar": lambda files, path: stored(tar_of({"case/b.zip": zip_of(files)}), path / "c.tar"),
}


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


def diagnosed(*paths: Path) -> Report:
    scanner = scan.Scanner(loaded(), scan.Options(reference=REFERENCE))
    for source in open_sources([str(path) for path in paths], skipped=scanner.skipped):
        scanner.read(source)
    return scanner.report()


def plainly(files: Files, path: Path) -> Report:
    """The diagnosis of the files that are of use, each given by a name that tells nothing."""
    used = {bundles.OTHER_CONTAINERS, bundles.OTHER_FILES, bundles.OTHER_OBJECTS}
    given = []
    for number, (name, data) in enumerate(sorted(files.items())):
        if not data.startswith(b"==== ") and bundles.left_out("./" + name, data) not in used:
            place = bundles.of("./" + name)
            if place is None or place.kind not in {"pods", "host"}:
                given.append(stored(data, path / f"plain-{number}"))
        elif data.startswith(b"==== ") and b"csi-nfs" in data[:200]:
            given.append(stored(b"".join(one for one in LOGS if one in data), path / f"plain-{number}"))
    return diagnosed(*given)


def gist(report: Report) -> Counter[object]:
    return Counter(
        (one.id, one.category, one.severity, one.confidence, one.recovered, one.failures, one.attempts, one.methods, one.remedy,
         frozenset((volume.name, volume.pvc, volume.server, volume.share) for volume in one.volumes))
        for one in report.diagnoses
    )  # fmt: skip


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_bundle_is_diagnosed_as_its_files_are(layout, tmp_path):
    files = LAYOUTS[layout]()
    report = diagnosed(as_directory(files, tmp_path / "bundle"))
    assert not report.errors
    assert {one.category for one in report.diagnoses} >= {"wrong-share-path", "server-refused"}
    plain = plainly(files, tmp_path / "plain")
    assert gist(report) == gist(plain)
    # Nothing of the others came in: no noise, no false alarm.
    assert report.counts.problems == plain.counts.problems
    assert report.unrecognised == ()
    assert report.calls == plain.calls


@pytest.mark.parametrize("packing", [name for name in PACKINGS if name != "directory"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_packing_changes_nothing(layout, packing, tmp_path):
    files = LAYOUTS[layout]()
    names = list(files)
    random.Random(7).shuffle(names)
    # An archive's members of one directory follow each other, in whatever order.
    names.sort(key=lambda name: name.rpartition("/")[0])
    loose = diagnosed(as_directory(files, tmp_path / "bundle"))
    packed = diagnosed(PACKINGS[packing]({name: files[name] for name in names}, tmp_path / "packed"))
    assert gist(packed) == gist(loose)
    assert packed.errors == ()
    assert [one.nodes for one in packed.diagnoses] == [one.nodes for one in loose.diagnoses]
    assert Counter(kind.partition(" in ")[0] for kind in packed.truncated or ()) == Counter(
        kind.partition(" in ")[0] for kind in loose.truncated or ()
    )
    assert Counter((one.pods, one.nodes, one.calls) for one in packed.inputs) == Counter(
        (one.pods, one.nodes, one.calls) for one in loose.inputs
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_report_tells_whose_logs_they_are(layout, tmp_path):
    report = diagnosed(as_directory(LAYOUTS[layout](), tmp_path / "bundle"))
    spoke = {pod for one in report.inputs for pod in one.pods}
    assert spoke == {f"{SPACE}/{NODE}/nfs", f"{SPACE}/{CONTROLLER}/nfs"}
    nodes = {node for one in report.inputs if f"{SPACE}/{NODE}/nfs" in one.pods for node in one.nodes}
    refused = next(one for one in report.diagnoses if one.category == "server-refused")
    # Nothing in kubelet's tree alone says which node it is of.
    assert nodes == set(refused.nodes) == (set() if layout == "kubelet_tree" else {"worker-7"})
    left = Counter(kind.partition(" in ")[0] for kind in report.truncated or ())
    assert left[bundles.OTHER_CONTAINERS]


def test_a_dump_on_one_stream_is_read_as_its_files(tmp_path):
    files = cluster_info_dump()
    objects = [data for name, data in files.items() if name.endswith(".json")]
    logs = [data for name, data in files.items() if name.endswith(".txt")]
    objects.sort(key=lambda data: b'"NodeList"' not in data[:40])  # kubectl begins with the nodes
    stream = b"".join(objects + logs)
    loose = diagnosed(as_directory(files, tmp_path / "bundle"))
    one = diagnosed(stored(stream, tmp_path / "dump.txt"))
    assert gist(one) == gist(loose)
    assert [one.nodes for one in one.diagnoses] == [one.nodes for one in loose.diagnoses]
    assert {pod for each in one.inputs for pod in each.pods} == {pod for each in loose.inputs for pod in each.pods}
    evidence = next(one for one in one.diagnoses if one.category == "server-refused").evidence[0]
    assert evidence.input.endswith(f"dump.txt!pods/logs/{SPACE}/{NODE}/nfs.log")


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 1 << 20])
def test_where_a_dump_is_cut_into_chunks_changes_nothing(size):
    stream = b"".join(cluster_info_dump().values())
    read = [(name, b"".join(data)) for name, _, data in parts.dump_members(iter([stream]))]
    chunks = (stream[start : start + size] for start in range(0, len(stream), size))
    assert [(name, b"".join(data)) for name, _, data in parts.dump_members(chunks)] == read
    assert dict(read)[f"pods/logs/{SPACE}/{NODE}/nfs.log"] == node_log()
    assert sum(b"".join(data) == b"" for _, _, data in parts.dump_members(iter([stream]))) == 1  # the liveness probe


# ---------------------------------------------------------------- restarts and rotation


def restarts(paths: list[Path]) -> list[tuple[str, str]]:
    scanner = scan.Scanner(loaded(), scan.Options(reference=REFERENCE, trace=True))
    for source in open_sources([str(path) for path in paths], skipped=scanner.skipped):
        scanner.read(source)
    trace = scanner.trace(scanner.report())
    return sorted({(one.input.rpartition("/")[2], one.kind) for volume in trace.volumes for one in volume.restarts})


@pytest.mark.parametrize("layout", ["must_gather", "support_bundle", "kubelet_tree"])
@pytest.mark.parametrize("packing", PACKINGS)
def test_a_previous_log_is_of_the_same_container_before_its_restart(layout, packing, tmp_path):
    files = {name: data for name, data in LAYOUTS[layout]().items() if NODE in name}
    current = {"must_gather": "current.log", "support_bundle": "nfs.log", "kubelet_tree": "1.log"}[layout]
    assert restarts([PACKINGS[packing](files, tmp_path / "b")]) == [(current, "start")]


def test_a_rotated_log_goes_on_in_the_next_file(tmp_path):
    """A call may begin in one file and end in another."""
    log = node_log()
    lines = cri(log).splitlines(keepends=True)
    tree = f"pods/{SPACE}_{NODE}_{UID}/nfs"
    whole = diagnosed(as_directory({f"{tree}/0.log": cri(log)}, tmp_path / "whole"))
    for cut in range(5, len(lines), max(1, len(lines) // 8)):
        early, late = b"".join(lines[: cut // 2]), b"".join(lines[cut // 2 : cut])
        files = {
            f"{tree}/0.log": b"".join(lines[cut:]),
            f"{tree}/0.log.20260720-095200": late,
            f"{tree}/0.log.20260720-095100.gz": gzip.compress(early),
        }
        for number, packing in enumerate(("directory", "tgz")):
            split = diagnosed(PACKINGS[packing](files, tmp_path / f"{cut}-{number}"))
            assert (split.calls, gist(split)) == (whole.calls, gist(whole)), cut


def test_logs_that_are_too_large_to_be_held_come_as_they_lie(tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "ROOM", 100)
    files = {name: must_gather()[name] for name in sorted(must_gather())}
    packed = diagnosed(PACKINGS["tgz"](files, tmp_path / "b"))
    monkeypatch.undo()
    assert gist(packed) == gist(diagnosed(PACKINGS["tgz"](files, tmp_path / "c")))


def test_a_log_that_is_copied_from_both_trees_counts_once(tmp_path):
    """/var/log/containers are links into /var/log/pods: `tar -h` and `cp -L` make each log twice."""
    log = cri(node_log())
    twice = {
        f"log/containers/{NODE}_{SPACE}_nfs-{'0a' * 32}.log": log,
        f"log/pods/{SPACE}_{NODE}_{UID}/nfs/1.log": log,
        f"log/pods/{SPACE}_{NODE}_{UID}/nfs/0.log": cri(previous_log()),
    }
    once = {name: data for name, data in twice.items() if "containers" not in name}
    for number, packing in enumerate(PACKINGS):
        report = diagnosed(PACKINGS[packing](twice, tmp_path / f"a{number}"))
        alone = diagnosed(PACKINGS[packing](once, tmp_path / f"b{number}"))
        assert (gist(report), report.calls) == (gist(alone), alone.calls)
        assert any("read already" in what for what in report.truncated)


# ---------------------------------------------------------------- what is left out


def test_what_is_asked_for_by_name_is_read(tmp_path):
    root = as_directory(kubelet_tree(), tmp_path)
    other = root / f"var/log/pods/{SPACE}_web-0_{UID}/web/0.log"
    assert any(one.name == str(other) for one in diagnosed(other).inputs)
    assert not any(one.name == str(other) for one in diagnosed(root).inputs)


def test_a_driver_that_is_called_otherwise_is_known_by_its_banner(tmp_path):
    path = f"var/log/pods/storage_share-a_{UID}/plugin/0.log"
    report = diagnosed(as_directory({path: cri(controller_log())}, tmp_path))
    assert [one.category for one in report.diagnoses] == ["wrong-share-path"]
    assert report.inputs[0].pods == ("storage/share-a/plugin",)


@pytest.mark.parametrize("packing", ["directory", "tgz"])
def test_a_bundle_without_the_driver_says_so(packing, tmp_path):
    files = {
        f"must-gather.local.1/q/namespaces/a/pods/web-0/web/web/logs/{n}.log": OTHERS for n in ("current", "previous")
    }
    path = PACKINGS[packing](files, tmp_path / "b")
    things = list(open_sources([str(path)]))
    assert [type(one) for one in things] == [SourceError]
    assert "holds nothing of csi-driver-nfs" in str(things[0])


def test_objects_of_the_cluster_are_no_logs(tmp_path):
    """Wherever they lie; what they say is no record of anybody's."""
    files = {
        "a/deployment.yaml": b"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: mkdir\n",
        "a/secrets.json": listed("SecretList", [{"data": {"password": "aHVudGVyMg=="}}]),
        "a/nfs.log": controller_log(),
    }
    report = diagnosed(as_directory(files, tmp_path))
    assert [one.name.rpartition("/")[2] for one in report.inputs] == ["nfs.log"]
    assert dict(report.truncated or {}) == {f"{bundles.OTHER_OBJECTS} in {tmp_path}": 2}


@pytest.mark.parametrize(
    "empty", [listed("EventList", []), b"apiVersion: v1\nitems: []\nkind: List\nmetadata:\n  resourceVersion: ''\n"]
)
def test_a_list_of_nothing_is_no_log(empty, tmp_path):
    report = diagnosed(as_directory({"a/events.json": empty, "a/nfs.log": controller_log()}, tmp_path))
    assert sum(one.unparsed_lines for one in report.inputs) == 0


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("x.tgz!must-gather.local.1/q/namespaces/ns/pods/csi-nfs-node-a/nfs/nfs/logs/previous.log", ("must-gather", "log", "ns", "csi-nfs-node-a", "nfs", "")),
        ("q/namespaces/ns/pods/p/nfs/nfs/logs/rotated/3.log.20260720-101112.gz", ("must-gather", "log", "ns", "p", "nfs", "")),
        ("q/nodes/worker-1/worker-1_logs_kubelet.gz", ("must-gather", "system", "", "", "", "worker-1")),
        ("inspect.local.55/cluster-scoped-resources/rbac.authorization.k8s.io/x.yaml", ("must-gather", "other", "", "", "", "")),
        ("s.tar.gz!support-bundle-2026-07-20T09_55_00/logs/csi-nfs-node-a/nfs-previous.log", ("support-bundle", "log", "", "csi-nfs-node-a", "nfs", "")),
        ("collected/kube-system/csi-nfs-node-a/liveness-probe.log", ("support-bundle", "log", "kube-system", "csi-nfs-node-a", "liveness-probe", "")),
        (f"/var/log/pods/{SPACE}_{NODE}_{UID}/nfs/12.log.20260720-101112", ("pods", "log", SPACE, NODE, "nfs", "")),
        (f"copied/{SPACE}_{NODE}_{UID}/nfs/0.log", ("pods", "log", SPACE, NODE, "nfs", "")),
        ("sosreport-a-2026-07-20-xyzabcd/sos_commands/logs/journalctl_--boot", ("sosreport", "system", "", "", "", "")),
        ("sosreport-a-2026-07-20-xyzabcd/etc/passwd", ("sosreport", "other", "", "", "", "")),
    ],
)  # fmt: skip
def test_paths_tell(name, told):
    place = bundles.of(name)
    assert place is not None
    assert (place.layout, place.kind, place.namespace, place.pod, place.container, place.node) == told


@pytest.mark.parametrize(
    "name", ["-", "nfs.log", "/tmp/nfs.log", "logs/2026/node-1/nfs.log", "sosreport-notes/a.log", "support-bundle-of-mine/nfs.log", "C:\\logs\\x\\nfs.log"]
)  # fmt: skip
def test_other_paths_tell_nothing(name):
    assert bundles.of(name) is None


words = st.sampled_from(
    ["/", "!", "_", "-", ".log", ".gz", "namespaces", "pods", "logs", "current", "previous", "sosreport-a-2026-07-20-b", "hostname", "etc",
     "support-bundle-2026", "cluster-resources", "nfs", "csi-nfs-node-a", "0", "9" * 5000, "ns", UID, "é", "\\", "sos_commands", "rotated"]
) | st.text(max_size=5)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(st.lists(words, max_size=14).map("".join), st.binary(max_size=40))
def test_any_path_and_any_beginning_can_be_looked_at(name, head):
    place = bundles.of(name)
    assert place is None or place.kind in {"log", "system", "events", "manifests", "pods", "host", "other"}
    assert bundles.left_out(name, head) in {None, bundles.OTHER_CONTAINERS, bundles.OTHER_FILES, bundles.OTHER_OBJECTS}
    assert sorted([bundles.order(name), bundles.order("a.log"), bundles.order("1.log")])


def test_a_name_of_a_million_characters_costs_nothing():
    for piece in ("sosreport-a-2026-07-20-b/", "namespaces/", "support-bundle-1/", "a_", "pods/logs/"):
        assert bundles.of(piece * 200_000 + "hostname") is None


marks = st.sampled_from(
    [b"==== START logs for container nfs of pod a/b ====\n", b"==== END logs for container nfs of pod a/b ====\n", b"==== START", b"{\n", b"}\n",
     b'{\n    "kind": "EventList",\n', b"\n}\n", b"I0720 09:53:52.387108       1 nfs.go:1] x\n", b"\n", b"text\n"]
) | st.binary(max_size=8)  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(st.lists(marks, max_size=12).map(b"".join), st.lists(st.integers(0, 400), max_size=6))
def test_any_dump_is_taken_apart_and_nothing_is_made_up(data, cuts):
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    chunks = [data[start:end] for start, end in itertools.pairwise(places)]
    whole = [(name, b"".join(body)) for name, _, body in parts.dump_members(iter([data] if data else []))]
    assert [(name, b"".join(body)) for name, _, body in parts.dump_members(iter(chunks))] == whole
    at = 0
    for _, body in whole:  # each is a piece of it, one behind the other
        at = data.index(body, at) + len(body)


def test_parts_are_ordered_by_restart_and_rotation():
    names = ["10.log", "2.log", "0.log", "0.log.20260720-101112", "0.log.20260719-101112.gz", "current.log", "previous.log", "nfs.log", "nfs-previous.log"]  # fmt: skip
    ranked = sorted(names, key=bundles.order)
    for older, newer in [
        ("0.log.20260719-101112.gz", "0.log.20260720-101112"), ("0.log.20260720-101112", "0.log"), ("0.log", "2.log"),
        ("2.log", "10.log"), ("previous.log", "current.log"), ("nfs-previous.log", "nfs.log"),
    ]:  # fmt: skip
        assert ranked.index(older) < ranked.index(newer)
