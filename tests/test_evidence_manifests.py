"""Manifests as clusters print them and people write them, what is evidence at all, and hostile texts."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logscan.evidence import Facts, corrected_manifest, manifests, predict_class, predict_volume, recognise
from tests.test_evidence import DATA, LIVE, SERVER, facts, storage_class

# ---------------------------------------------------------------- manifests

FROM_CLUSTER = """\
apiVersion: v1
items:
- apiVersion: storage.k8s.io/v1
  allowVolumeExpansion: true
  kind: StorageClass
  metadata:
    annotations:
      kubectl.kubernetes.io/last-applied-configuration: |
        {"apiVersion":"storage.k8s.io/v1","parameters":{"share":"/"}}
      storageclass.kubernetes.io/is-default-class: "true"
    creationTimestamp: "2026-07-20T09:00:00Z"
    managedFields:
    - manager: kubectl
    name: nfs-csi
    resourceVersion: "123"
    uid: 1b4e28ba-2fa1-11d2-883f-0016d3cca427
  mountOptions:
  - nfsvers=4.1
  parameters:
    mountPermissions: "0777"
    server: 192.168.59.102
    share: /
  provisioner: nfs.csi.k8s.io
  reclaimPolicy: Delete
- apiVersion: v1
  kind: PersistentVolumeClaim
  metadata: {name: data, namespace: apps, uid: 5d535de8-4ad6-4ec2-b866-ce3e864788e3}
  spec: {storageClassName: nfs-csi, volumeName: pvc-5d535de8-4ad6-4ec2-b866-ce3e864788e3}
  status: {phase: Bound}
- apiVersion: v1
  kind: PersistentVolume
  metadata: {name: pvc-5d535de8-4ad6-4ec2-b866-ce3e864788e3}
  spec:
    mountOptions: [nfsvers=4.1]
    storageClassName: nfs-csi
    claimRef: {namespace: apps, name: data}
    csi:
      driver: nfs.csi.k8s.io
      volumeHandle: 192.168.59.102#home/ubuntu/nfs#pvc-5d535de8-4ad6-4ec2-b866-ce3e864788e3##
      volumeAttributes: {server: 192.168.59.102, share: /home/ubuntu/nfs, subDir: pvc-5d535de8-4ad6-4ec2-b866-ce3e864788e3}
- apiVersion: storage.k8s.io/v1
  kind: CSIDriver
  metadata: {name: nfs.csi.k8s.io}
  spec: {attachRequired: false, fsGroupPolicy: File}
kind: List
metadata:
  resourceVersion: ""
"""


def test_a_list_as_kubectl_prints_it():
    assert recognise(FROM_CLUSTER, "all.yaml") == "manifest"
    known = facts(f"{DATA} *(rw,no_root_squash)\n", FROM_CLUSTER)
    one = known.storage_classes["nfs-csi"]
    assert (one.server, one.share, one.options, one.place.share_line) == (SERVER, "/", "nfsvers=4.1", 22)
    assert known.claims["apps", "data"].storage_class == "nfs-csi"
    volume = known.volumes["pvc-5d535de8-4ad6-4ec2-b866-ce3e864788e3"]
    assert (volume.claim, volume.share, volume.options) == ("apps/data", DATA, "nfsvers=4.1")
    assert known.drivers["nfs.csi.k8s.io"].fs_group_policy == "File"
    assert known.class_of_volume("?", ("apps", "data")) is one
    assert known.class_of_volume(volume.name) is one
    assert known.class_of(SERVER, "") is one
    assert predict_class(known, one).share_right == DATA
    assert predict_volume(known, volume).outcome == "ok"


def test_the_corrected_manifest_is_the_smallest_edit():
    known = facts("", FROM_CLUSTER)
    assert corrected_manifest(known, "nfs-csi", DATA) == (
        "apiVersion: storage.k8s.io/v1\nallowVolumeExpansion: true\nkind: StorageClass\nmetadata:\n  annotations:\n"
        '    storageclass.kubernetes.io/is-default-class: "true"\n  name: nfs-csi\nmountOptions:\n- nfsvers=4.1\nparameters:\n'
        '  mountPermissions: "0777"\n  server: 192.168.59.102\n  share: /home/ubuntu/nfs\nprovisioner: nfs.csi.k8s.io\nreclaimPolicy: Delete\n'
    )
    assert corrected_manifest(known, (SERVER, "/"), DATA) == corrected_manifest(known, "nfs-csi", DATA)
    volume = corrected_manifest(known, "pvc-5d535de8-4ad6-4ec2-b866-ce3e864788e3", "/new")
    assert volume is not None
    assert "share: /new\n" in volume
    assert corrected_manifest(known, "other", DATA) is None
    assert corrected_manifest(known, (SERVER, "/other"), DATA) is None


def test_a_class_in_json_comes_back_as_yaml():
    text = json.dumps({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast", "uid": "x", "annotations": {}},
        "provisioner": "nfs.csi.k8s.io", "parameters": {"Server": SERVER, "n": "1"}, "allowVolumeExpansion": True,
    })  # fmt: skip
    assert recognise(text, "sc.json") == "manifest"
    known = facts("", text)
    assert (known.storage_classes["fast"].server, known.storage_classes["fast"].share) == (SERVER, "/")
    written = corrected_manifest(known, "fast", DATA)
    assert written is not None
    assert "  share: /home/ubuntu/nfs\n" in written
    assert "uid" not in written
    assert '"1"' in written
    again = facts("", written)
    assert again.storage_classes["fast"].share == DATA


def test_the_in_tree_plugin():
    text = f"apiVersion: v1\nkind: PersistentVolume\nmetadata:\n  name: static\nspec:\n  nfs:\n    server: {SERVER}\n    path: /\n"
    known = facts(f"{DATA} *(rw)\n", text)
    volume = known.volumes["static"]
    assert (volume.driver, volume.server, volume.share) == ("", SERVER, "/")
    assert predict_volume(known, volume).share_right == DATA
    written = corrected_manifest(known, "static", DATA)
    assert written is not None
    assert f"path: {DATA}\n" in written


def test_one_bad_document_does_not_hide_the_others():
    known = Facts()
    known.read(
        "manifest",
        storage_class("/a", name="one") + "---\na: [\n---\nkind: StorageClass\n---\n" + storage_class("/b", name="two"),
        "m.yaml",
    )
    assert sorted(known.storage_classes) == ["one", "two"]
    assert [error.place for error in known.errors] == ["m.yaml:13", "m.yaml:14"]
    assert all(error.help for error in known.errors)


def test_windows_line_ends():
    text = storage_class("/").replace("\n", "\r\n")
    assert recognise(text, "sc.yaml") == "manifest"
    assert facts("", text).storage_classes["nfs-csi"].share == "/"


# ---------------------------------------------------------------- recognition

LOG = """\
I0720 09:53:52.381108       1 utils.go:86] GRPC call: /csi.v1.Controller/CreateVolume
I0720 09:53:52.381208       1 utils.go:87] GRPC request: {"name":"pvc-1","parameters":{"server":"192.168.59.102","share":"/"}}
E0720 09:53:52.387108       1 utils.go:93] GRPC error: rpc error: code = Internal desc = failed to make subdirectory: read-only file system
"""


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (storage_class("/"), "manifest"),
        ("# mine\n---\n" + storage_class("/") + "---\n" + storage_class("/b", name="b"), "manifest"),
        (f"{DATA} *(rw,sync,no_root_squash)\n", "exports"),
        (LIVE, "exportfs-v"),
        (LOG, None),
        (LOG + storage_class("/"), None),
        (storage_class("/") + LOG, None),
        ('{"kind":"Event","apiVersion":"v1","involvedObject":{"kind":"PersistentVolumeClaim"}}\n', None),
        ('{"kind":"Event","apiVersion":"audit.k8s.io/v1"}\n{"kind":"PersistentVolumeClaim","apiVersion":"v1"}\n', None),
        (
            "apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Event\n  involvedObject:\n    kind: PersistentVolumeClaim\nkind: List\n",
            None,
        ),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: x\n", "manifest"),
        ('{"log":"kind: StorageClass\\n","stream":"stderr"}\n', None),
        ("", None),
    ],
)
def test_recognition(text, kind):
    assert recognise(text, "input") == kind


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=60) | st.sampled_from([
    "/home *(rw,sync)", "kind: StorageClass", "apiVersion: v1", "Export list for 10.0.0.5:", "---", "/a *", "# Version 1.1", "{", "Mounting command: mount",
])  # fmt: skip


@settings(max_examples=200)
@given(
    st.lists(WORDS, max_size=6),
    st.integers(0, 6),
    st.sampled_from("IWEF"),
    st.sampled_from(["-", "nfs.log", "exports", "a.yaml", "x.exports"]),
)
def test_a_log_is_never_claimed(lines, at, letter, name):
    lines = list(lines)
    lines.insert(
        min(at, len(lines)),
        f"{letter}0720 09:53:52.387108       1 utils.go:93] GRPC call: /csi.v1.Node/NodePublishVolume",
    )
    assert recognise("\n".join(lines), name) is None


# ---------------------------------------------------------------- hostile


@pytest.mark.parametrize(
    "text",
    [
        "[" * 400_000, "{" * 400_000, "- " * 200_000, "a: b\n" * 60_000, "&a " * 100_000, "kind: StorageClass\n---\n" * 4_000, "'" * 400_000,
        "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefghij", "bcdefghijk", strict=True)),
        "kind: StorageClass\napiVersion: v1\n" + " " * 400_000,
        "kind: StorageClass\napiVersion: v1\nmetadata: {name: x}\nparameters:\n" + "".join(f"  k{n}: v\n" for n in range(30_000)),
        "kind: StorageClass\napiVersion: v1\nmetadata: {name: x}\nparameters: {server: s, share: '" + "/a" * 200_000 + "'}\n",
    ],
    ids=range(11),
)  # fmt: skip
def test_hostile_manifests(text):
    start = time.process_time()
    recognise(text, "x")
    known = Facts()
    known.read("manifest", text, "x")
    known.read("exports", "/b *(rw,fsid=0)\n/a *(rw)\n", "exports")
    for one in known.storage_classes.values():
        predict_class(known, one)
        corrected_manifest(known, one.name, "/new")
    assert time.process_time() - start < 5


def test_json_that_nests_too_deep_is_nothing():
    assert recognise('{"a":' * 100_000, "x") is None


def test_too_much_is_an_error():
    known = Facts()
    for kind in ("manifest", "exports"):
        known.read(kind, "#" * (manifests.MAX_TEXT + 1), "big")
    assert len(known.errors) == 2
    assert recognise(storage_class("/") + "#" * manifests.MAX_TEXT, "x") is None
    assert not known
