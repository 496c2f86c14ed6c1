"""One failure, told by the pod, its claim, the provisioner and the driver, beside what the server exports.

Whatever part of it is given: its category, or that the evidence is not enough and which command gets more; and given
together they are one diagnosis.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from itertools import chain, combinations

import pytest

from logscan import rules, scan, sources
from logscan.model import Report, Severity
from tests import driver_simulator as sim

EVIDENCE = ("exports", "class")
PARTS = ("pod", "claim", "provisioner", "controller", *EVIDENCE)
SYMPTOMS = {"insufficient-evidence", "deadline-exceeded"}


@dataclass(frozen=True)
class Failure:
    """What goes wrong and what the server's exports file says."""

    category: str
    server: str
    share: str
    exports: str
    how: tuple[tuple[str, str], ...]
    right: str | None = None  # what share should be, where it is wrong

    def __str__(self) -> str:
        return self.category


FAILURES = (
    Failure("wrong-share-path", "192.168.59.102", "/", "/home/ubuntu/nfs *(rw,sync,no_root_squash,no_subtree_check)\n", (("mkdir", "read-only file system"),), "/home/ubuntu/nfs"),
    Failure("export-read-only", "10.1.0.2", "/srv/nfs", "/srv/nfs 10.0.0.0/8(sync,no_root_squash,no_subtree_check)\n", (("mkdir", "read-only file system"),)),
    Failure("root-squash", "nas.example", "/srv/nfs", "/srv/nfs *(rw,sync,no_subtree_check)\n", (("mkdir", "permission denied"),)),
    Failure("client-not-allowed", "10.1.0.3", "/vol", "/vol 192.168.7.0/24(rw,no_root_squash,no_subtree_check)\n", (("mount", "mount.nfs: access denied by server while mounting 10.1.0.3:/vol"),)),
    Failure("server-refused", "10.1.0.4", "/x", "/x *(rw,no_root_squash,no_subtree_check)\n", (("mount", "mount.nfs: Connection refused"),)),
    Failure("dns", "nas.internal", "/x", "/x *(rw,no_root_squash,no_subtree_check)\n", (("mount", "mount.nfs: Failed to resolve server nas.internal: Name or service not known"),)),
    Failure("no-space", "fd00::5", "/full", "/full *(rw,no_root_squash,no_subtree_check)\n", (("mkdir", "no space left on device"),)),
)  # fmt: skip


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


def parts_of(failure: Failure, version: str) -> dict[str, str]:
    """What each tells of it."""
    dice = random.Random(failure.category)
    uid = f"{dice.getrandbits(32):08x}-9aa5-42a4-ae15-{dice.getrandbits(48):012x}"
    parameters = {"server": failure.server, "share": failure.share}
    volume = sim.Volume(f"pvc-{uid}", "shop/data-db-0", parameters, ("nfsvers=4.1",))
    driver = sim.Driver(version)
    at = 1.0
    for attempt in range(3):
        at = sim.create(driver, volume, at, **dict(failure.how)) + 2**attempt
    log = driver.text()
    start = log.rindex("GRPC error: ") + len("GRPC error: ")
    status = log[start:].partition("\nI0720")[0].rstrip()
    quoted = status.replace("\n", "\\n").replace('"', '\\"')
    row = status.replace("\n", " ")
    failed = 'failed to provision volume with StorageClass "nfs-csi": '
    return {
        "pod": (
            "Name:             db-0\nNamespace:        shop\nStatus:           Pending\nVolumes:\n  data:\n"
            "    Type:       PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)\n"
            "    ClaimName:  data-db-0\nEvents:\n"
            "  Type     Reason            Age                  From               Message\n"
            "  ----     ------            ----                 ----               -------\n"
            "  Warning  FailedScheduling  2m10s (x3 over 12m)  default-scheduler  0/3 nodes are available: pod has unbound immediate"
            " PersistentVolumeClaims. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.\n"
        ),
        "claim": (
            f"LAST SEEN   TYPE      REASON                 OBJECT                            MESSAGE\n"
            "6s          Normal    ExternalProvisioning   persistentvolumeclaim/data-db-0   Waiting for a volume to be created either by"
            " the external provisioner 'nfs.csi.k8s.io' or manually by the system administrator. If volume creation is delayed, please"
            " verify that the provisioner is running and correctly registered.\n"
            f"3s          Warning   ProvisioningFailed     persistentvolumeclaim/data-db-0   {failed}{row}\n"
        ),
        "provisioner": (
            f'I0720 09:50:04.390102       1 controller.go:951] "Retrying syncing claim" key="{uid}" failures=2\n'
            f'E0720 09:50:04.390341       1 controller.go:974] "Unhandled Error" err="error syncing claim \\"{uid}\\": '
            f'{failed.replace(chr(34), chr(92) + chr(34))}{quoted}" logger="UnhandledError"\n'
            f'I0720 09:50:04.390610       1 event.go:389] "Event occurred" object="shop/data-db-0" fieldPath="" '
            f'kind="PersistentVolumeClaim" apiVersion="v1" type="Warning" reason="ProvisioningFailed" '
            f'message="{failed.replace(chr(34), chr(92) + chr(34))}{quoted}"\n'
        ),
        "controller": log,
        "exports": failure.exports,
        "class": (
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata:\n  name: nfs-csi\nprovisioner: nfs.csi.k8s.io\n"
            f"parameters:\n  server: {failure.server}\n  share: {failure.share}\nmountOptions:\n  - nfsvers=4.1\n"
        ),
    }  # fmt: skip


def report_of(parts: dict[str, str]) -> Report:
    scanner = scan.Scanner(loaded(), scan.Options(reference=1_796_083_200_000_000))
    for name, text in parts.items():
        scanner.read(sources.Source(name, None, iter([text.encode()])))
    return scanner.report()


@pytest.mark.parametrize("version", ["v4.4.0", "v4.13.4"])
@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_every_part_of_the_story_leads_to_its_cause_or_says_what_is_missing(failure, version):
    parts = parts_of(failure, version)
    subsets = chain.from_iterable(combinations(PARTS, size) for size in range(1, len(PARTS) + 1))
    for given in subsets:
        report = report_of({name: parts[name] for name in given})
        found = [one for one in report.diagnoses if one.severity >= Severity.ERROR]
        if not set(given) - set(EVIDENCE):
            assert not found, given
            continue
        if given[0] == "pod" and not set(given) - {"pod", *EVIDENCE}:
            assert report.verdict == "not-enough-evidence", given
            assert any("kubectl" in one.command for one in report.collect_next), given
            continue
        assert len(found) == 1, (given, [(one.id, one.category) for one in found])
        [one] = found
        named = {one.category} | {other.category for other in one.alternatives}
        if "exports" in given or "controller" in given:
            # From the driver's text alone a read-only share is either of two things; the exports of that share tell.
            decided = "exports" in given and bool({"class", "controller"} & set(given))
            decided |= failure.category != "export-read-only"
            assert one.category == failure.category or (not decided and failure.category in named), given
        else:
            assert failure.category in named, (given, named)
        assert one.category not in SYMPTOMS
        claims = {volume.pvc for volume in one.volumes}
        assert claims <= {"data-db-0", ""}, given
        assert len(one.volumes) == 1, given
        if failure.right is not None and {"exports", "class", "controller"} <= set(given):
            assert f"share: {failure.right}" in (one.remedy.manifest or ""), given
