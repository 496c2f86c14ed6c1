"""What is wrong with a class or a volume by itself, and what is not."""

from __future__ import annotations

import pytest

from logscan.evidence import Facts

VOLUME = """\
apiVersion: v1
kind: PersistentVolume
metadata:
  name: {name}
spec:
  persistentVolumeReclaimPolicy: {policy}
  csi:
    driver: {driver}
    volumeHandle: {handle}
    volumeAttributes: {{server: 10.0.0.9, share: /srv/a}}
"""
SNAPSHOTS = """\
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshotClass
metadata:
  name: snapshots
driver: nfs.csi.k8s.io
deletionPolicy: Delete
parameters:
  share: /snap
"""


def klass(*parameters: str, provisioner: str = "nfs.csi.k8s.io") -> str:
    below = "".join(f"  {one}\n" for one in parameters)
    return f"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata:\n  name: nfs\nprovisioner: {provisioner}\nparameters:\n{below}"


def volume(name: str, handle: str, *, policy: str = "Retain", driver: str = "nfs.csi.k8s.io") -> str:
    return VOLUME.format(name=name, handle=handle, policy=policy, driver=driver)


GOOD = ("server: 10.0.0.9", "share: /srv")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (klass("sever: 10.0.0.9", "share: /srv"), 7, 'no parameter "sever" of a StorageClass (did you mean server?)'),
        (klass(*GOOD, "mountPermission: '0777'"), 9, "(did you mean mountPermissions?)"),
        (klass(*GOOD, "mountOptions: nfsvers=4.1"), 9, "beside parameters"),
        (klass(*GOOD, "mountPermissions: 0777"), 9, 'mountPermissions must be quoted: "0777"'),
        (klass(*GOOD, 'mountPermissions: "0o777"'), 7, "is no octal number"),
        (klass(*GOOD, "onDelete: archived"), 7, "(did you mean archive?)"),
        (
            klass(*GOOD, "csi.storage.k8s.io/provisoner-secret-name: a"),
            9,
            "csi.storage.k8s.io/provisioner-secret-name?",
        ),
        (
            klass(*GOOD, "subDir: x/${pvc.metadata.nam}"),
            7,
            "claims then share one directory (did you mean ${pvc.metadata.name}?)",
        ),
        (klass(*GOOD, "pathPattern: a"), 9, "(did you mean subDir?)"),
        (klass("share: /srv"), 7, "no parameter server"),
        (klass("server: 10.0.0.9"), 7, "no parameter share"),
        (klass(*GOOD, provisioner="nfs.csi.k8s.com"), 5, "nobody serves the provisioner nfs.csi.k8s.com"),
        (SNAPSHOTS + "  path: /x\n", 9, 'no parameter "path" of a VolumeSnapshotClass (did you mean share?)'),
        (volume("a", "media") + "---\n" + volume("b", "media"), 20, 'b has the volumeHandle "media" of a'),
        (volume("a", "media", policy="Delete"), 9, "reclaimPolicy Delete removes nothing"),
        (volume("a", "media").replace("server: 10.0.0.9, ", ""), 1, "has no server in volumeAttributes"),
    ],
)
def test_what_is_wrong_with_a_manifest_by_itself(text, line, says):
    known = Facts()
    known.read("manifest", text, "m.yaml")
    assert [(name, remark.line) for name, remark in known.remarks] == [("m.yaml", line)]
    assert says in known.remarks[0][1].problem


@pytest.mark.parametrize(
    "text",
    [
        klass(*GOOD, 'mountPermissions: "0"', "subDir: ${pvc.metadata.name}", "onDelete: Retain"),
        klass("Server: 10.0.0.9", "SHARE: /srv"),
        klass(
            *GOOD, "csi.storage.k8s.io/provisioner-secret-name: a", "csi.storage.k8s.io/provisioner-secret-namespace: b"
        ),
        klass("pathPattern: x", provisioner="cluster.local/nfs-subdir-external-provisioner"),
        SNAPSHOTS + "  mountOptions: nfsvers=4.1\n  csi.storage.k8s.io/snapshotter-secret-name: a\n",
        SNAPSHOTS.replace("nfs.csi.k8s.io", "hostpath.csi.k8s.io") + "  path: /x\n",
        volume("a", "10.0.0.9#srv#a##", policy="Delete") + "---\n" + volume("b", "10.0.0.9#srv#b##", policy="Delete"),
        volume("a", "media") + "---\n" + volume("b", "media", driver="smb.csi.k8s.io"),
    ],
)
def test_a_manifest_as_it_should_be_is_not_remarked_on(text):
    known = Facts()
    known.read("manifest", text, "m.yaml")
    assert known.remarks == []
