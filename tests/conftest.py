"""What several test modules share: a report that uses every field, and a way to fill it with anything."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any

import pytest
from hypothesis import settings

from logscan.model import (
    Activity,
    Alternative,
    Bar,
    Benign,
    CallsSummary,
    Check,
    CollectNext,
    Counts,
    Diagnosis,
    Evidence,
    InputSummary,
    MountTried,
    Remedy,
    Report,
    Requirement,
    Severity,
    TimelineCall,
    Unrecognised,
    VolumeCalls,
    VolumeRef,
)

# How long an example takes depends on what else the machine does; benchmarks/ measures.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

VOLUME = "pvc-ca0ab165-9aa5-42a4-ae15-f4fd036142d2"
START = 1_784_541_232_387_108  # 2026-07-20T09:53:52.387108Z
MINUTE = 60_000_000

FAILURE = Evidence(
    "readonly-share.log", 8, 8,
    "E0720 09:53:52.387108       1 utils.go:93] GRPC error: rpc error: code = Internal desc = failed to make"
    f" subdirectory: mkdir /tmp/{VOLUME}/{VOLUME}: read-only file system",
)  # fmt: skip
DENIED = Evidence(
    "bundle.tgz!node-1/nfs.log", 88, 91,
    "E0720 09:53:52.387108       1 mount_linux.go:282] Mount failed: exit status 32\nMounting command: mount\n"
    "Mounting arguments: -t nfs -o nfsvers=4.1 10.0.0.5:/data /var/lib/kubelet/pods/9b4f17f4/volumes/x/mount\n"
    "Output: mount.nfs: access denied by server while mounting 10.0.0.5:/data",
)  # fmt: skip

READ_ONLY = Diagnosis(
    id="create-mkdir-rofs",
    category="wrong-share-path",
    severity=Severity.ERROR,
    confidence="high",
    title="The volume's directory cannot be made: the mounted share is read-only",
    cause='share "/" is the NFSv4 pseudo-root of 192.168.59.102, which is always read-only, not an exported directory',
    remedy=Remedy(
        "Set the StorageClass parameter share to a directory that 192.168.59.102 exports.",
        ("List the exports; share must be one of them or a directory inside one.", "Apply the class again."),
        ("showmount -e 192.168.59.102", "kubectl delete storageclass <storageclass>"),
        "parameters:\n  server: 192.168.59.102\n  share: /home/ubuntu/nfs\n",
    ),
    confirm=("showmount -e 192.168.59.102",),
    alternatives=(
        Alternative("export-read-only", "the export that holds / is read-only (ro)", ("sudo exportfs -v    # ro or rw?",)),
    ),
    volumes=(VolumeRef(VOLUME, "data-primary-mariadb-cluster-primary-0", "default", "192.168.59.102", "/", "sub"),),
    methods=("CreateVolume",),
    failures=2,
    attempts=2,
    first_time=START,
    last_time=START + MINUTE,
    ongoing=True,
    evidence=(FAILURE,),
    explains=(("provisioning-failed", 2),),
    references=("exports(5)",),
    mount=MountTried("192.168.59.102:/", "nfsvers=4.1"),
    baseline="new",
)  # fmt: skip
REFUSED = Diagnosis(
    id="mount-access-denied",
    category="client-not-allowed",
    severity=Severity.WARNING,
    confidence="medium",
    title="The server refuses the mount",
    cause="10.0.0.5 does not admit this node",
    remedy=Remedy("Admit the node.", ("Add it to /etc/exports.",), ("sudo exportfs -ra",)),
    volumes=tuple(VolumeRef(f"pv-{n:04}", f"data-{n}", "prod", "10.0.0.5", "/data") for n in range(43)),
    nodes=("worker-1", "worker-2"),
    other_nodes=("worker-3",),
    pods=("kube-system/csi-nfs-node-x2x9k",),
    methods=("NodePublishVolume",),
    failures=112,
    attempts=9,
    first_time=START,
    last_time=START + 3000 * MINUTE,
    recovered=True,
    evidence=(DENIED,),
    fixed_in="v4.6.0",
    baseline="known",
)

FULL = Report(
    version="0.1.0",
    verdict="error",
    inputs=(
        InputSummary(
            "readonly-share.log", ("bare",), "nfs", "controller", "v4.1.0", "fingerprint", 3210, 11, 10, 1,
            START, START + MINUTE, "assumed", ("3 lines held invalid UTF-8",), ("nfs", "csi-provisioner"), ("worker-1",),
            (56, 3, 1), ("starts-late",), ("kube-system/csi-nfs-node-x/nfs",),
        ),
        InputSummary("bundle.tgz!node-1/nfs.log", ("cri",), "nfs", "node", "v4.1.0", "banner", 99, 1134, 1024),
    ),
    diagnoses=(READ_ONLY, REFUSED),
    unrecognised=(
        Unrecognised("volume <*> is odd", Severity.WARNING, "nodeserver.go:99", 12, FAILURE, DENIED, "volume 7 is odd"),
    ),
    benign=(Benign("lease-conflict", "Two replicas wanted the lease", 1204),),
    calls=CallsSummary(56, 3, 1, {"CreateVolume": (12, 2), "NodePublishVolume": (44, 1)}),
    counts=Counts(1034, 30, 12, 6, 12),
    collect_next=(CollectNext("the node's own log", "kubectl logs -n kube-system -l app=csi-nfs-node -c nfs"),),
    suppressed=(
        {"id": "noise", "category": "healthy", "reason": "below --severity", "kind": "severity"},
        {"id": "statd", "category": "lockd", "reason": "ignored until 2027-01-31: nfs3 goes", "kind": "ignore",
         "until": "2027-01-31", "place": ".logscan-ignore.yaml:3:3"},
    ),
    truncated={"incidents": 3},
    errors=("missing.log: no such file or directory",),
    interrupted=True,
    rules=("create-mkdir-rofs", "lease-conflict", "mount-access-denied"),
    check=Check(
        passed=False,
        requirements=(
            Requirement("--fail-on new", met=False, text="1 new diagnosis of severity warning or worse: wrong-share-path"),
            Requirement("--expect mount-access-denied", met=True, text="it appears 112 times"),
        ),
    ),
    activity=Activity(60_000_000, (Bar(START - START % MINUTE, 900, 20, 2, 0, 2), Bar(START - START % MINUTE + 9 * MINUTE, 104, 5, 2, 1, 1))),
    timeline=(
        VolumeCalls(
            VOLUME,
            (
                TimelineCall("CreateVolume", "failed", START - 40_000, START, 1, "Internal", "", "read-only file system", "readonly-share.log", 3),
                TimelineCall("CreateVolume", "hung", START + MINUTE, START + 9 * MINUTE, 2, "", "worker-1", "", "readonly-share.log", 9),
                TimelineCall("DeleteVolume", "ok", START + 9 * MINUTE, START + 9 * MINUTE + 7, 1),
            ),
            3,
        ),
        VolumeCalls("pv-0001", (TimelineCall("", "failed", None, START, 1, "Internal", "", "access denied", "bundle.tgz!node-1/nfs.log", 88),)),
    ),
)  # fmt: skip

# Words of a fixed list, which no log can choose.
_CLOSED = {"verdict", "baseline", "outcome", "confidence", "role", "version_source", "time_source", "hints"}


def _filled(value: Any, texts: Iterator[str]) -> Any:
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return next(texts)
    if isinstance(value, tuple):
        return tuple(_filled(item, texts) for item in value)
    if isinstance(value, Mapping):
        return {next(texts) if index else key: _filled(item, texts) for index, (key, item) in enumerate(value.items())}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        free = [one.name for one in dataclasses.fields(value) if one.name not in _CLOSED | {"suppressed"}]
        return dataclasses.replace(value, **{name: _filled(getattr(value, name), texts) for name in free})
    return value


@pytest.fixture(scope="session")
def full() -> Report:
    """A report in which every field says something."""
    return FULL


@pytest.fixture(scope="session")
def filled() -> Callable[[Report, Iterator[str]], Report]:
    """Replaces every free text of a report by the next of the given texts."""
    return _filled
