"""Logs as every version of the driver writes them, each with a trouble that is known, or with none.

Recordings show one version; these show what the others do differently: the lines and
where they are logged from, what a volume is called, what fails without naming anybody.
"""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import pytest

from logscan import rules, scan, sources
from logscan.model import Report, Severity
from tests import driver_simulator as sim
from tests.driver_simulator import VERSIONS, Driver, Volume, create, delete, publish, stats, unpublish


class Cluster:
    """A controller and a node of one version, and their volumes."""

    def __init__(self, version: str, **options: Any) -> None:
        self.version = version
        self.random = random.Random(version)
        self.controller = Driver(version, 1, **options)
        self.node = Driver(version, 2, **options)
        self.volumes: list[Volume] = []
        self.still_wrong: set[str] = set()  # whose retry succeeded though nothing was mended

    def volume(self, flags: str = "nfsvers=4.1", handle: str = "", name: str = "", **parameters: str) -> Volume:
        """One more volume; a parameter that is given as "-" is left out."""
        number = len(self.volumes)
        given = {"server": "10.0.0.5", "share": "/srv/nfs", **parameters}
        parameters = {key: value for key, value in given.items() if value != "-"}
        claim = f"{('default', 'apps', 'ci')[number % 3]}/data-web-{number}"
        options = tuple(filter(None, flags.split(",")))
        self.volumes.append(Volume(name or f"pvc-{self._uuid()}", claim, parameters, options, handle, self._uuid()))
        return self.volumes[-1]

    def some(self, count: int, flags: str = "nfsvers=4.1", **parameters: str) -> list[Volume]:
        return [self.volume(flags, **parameters) for _ in range(count)]

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def made(self, count: int, flags: str = "nfsvers=4.1", **parameters: str) -> list[Volume]:
        """Volumes that could be created."""
        volumes = self.some(count, flags, **parameters)
        for index, volume in enumerate(volumes):
            create(self.controller, volume, 2 + index * 0.1)
        return volumes

    def used(self, count: int, flags: str = "nfsvers=4.1") -> list[Volume]:
        """Volumes that were created and mounted."""
        volumes = self.made(count, flags)
        for index, volume in enumerate(volumes):
            publish(self.node, volume, 4 + index * 0.1)
        return volumes

    def life(self, at: float, **parameters: str) -> None:
        """A volume that is made, used, released and deleted."""
        volume = self.volume(**parameters)
        at = create(self.controller, volume, at) + 0.5
        at = publish(self.node, volume, at) + 3
        at = unpublish(self.node, volume, at) + 0.5
        delete(self.controller, volume, at)

    def retry(self, volumes: Iterable[Volume], act: Callable[[Volume, float, int], float], start: float = 5.0) -> None:
        """Each volume four times, with growing pauses and beside the others."""
        for index, volume in enumerate(volumes):
            at = start + 0.11 * index
            for attempt in range(4):
                at = act(volume, at, attempt) + 2**attempt + self.random.uniform(0.6, 1.4)

    def failing(self) -> set[str]:
        """Volumes with a method whose last call failed."""
        ends = [*self.controller.ends.items(), *self.node.ends.items()]
        return {name for (_, name), codes in ends if name and codes[-1]} | self.still_wrong


# ---------------------------------------------------------------- troubles

READ_ONLY, DENIED, EPERM = "read-only file system", "permission denied", "operation not permitted"
STATD = (
    "mount.nfs: rpc.statd is not running but is required for remote locking.\n"
    "mount.nfs: Either use '-o nolock' to keep locks local, or start statd."
)
NOBODY = "mount.nfs: Failed to resolve server nfs.missing.example: Name or service not known"
SNAPSHOT = "snapshot-1f0c6c4a-8d6f-4c7a-9f5b-0d4b6a3e2c11"

How = Mapping[str, str] | Callable[[Cluster, Volume, int], Mapping[str, str]]


def how_of(how: How, cluster: Cluster, volume: Volume, attempt: int) -> dict[str, Any]:
    return dict(how(cluster, volume, attempt) if callable(how) else how)


def creating(how: How, count: int = 3, flags: str = "nfsvers=4.1", **parameters: str) -> Callable[[Cluster], None]:
    """Volumes of one class that cannot be created, beside one that can."""

    def build(cluster: Cluster) -> None:
        volumes = cluster.some(count, flags, **parameters)
        cluster.retry(volumes, lambda v, at, n: create(cluster.controller, v, at, **how_of(how, cluster, v, n)))
        cluster.life(3, server="10.0.0.9")

    return build


def publishing(how: How, count: int = 2, **given: str) -> Callable[[Cluster], None]:
    """Volumes that cannot be mounted, and are released and deleted at last, beside one that can."""

    def build(cluster: Cluster) -> None:
        volumes = cluster.some(count, **given) if "handle" in given else cluster.made(count, **given)
        cluster.retry(volumes, lambda v, at, n: publish(cluster.node, v, at, **how_of(how, cluster, v, n)))
        if "handle" not in given:
            for index, volume in enumerate(volumes):
                delete(cluster.controller, volume, unpublish(cluster.node, volume, 60 + index) + 1)
        cluster.life(3, server="10.0.0.9")

    return build


def deleting(how: How, flags: str = "nfsvers=4.1", **parameters: str) -> Callable[[Cluster], None]:
    """Volumes that cannot be deleted."""

    def build(cluster: Cluster) -> None:
        volumes = cluster.made(2, flags, **parameters)
        cluster.retry(volumes, lambda v, at, n: delete(cluster.controller, v, at, **how_of(how, cluster, v, n)))

    return build


def root_is_read_only(cluster: Cluster, _: Volume, attempt: int) -> dict[str, str]:
    """Before v4.2.0 every mount is chmod'ed, and one that failed there is found and used by the next attempt."""
    chmod = not cluster.controller.since("v4.2.0") and attempt % 2 == 0
    return {"chmod": READ_ONLY} if chmod else {"mkdir": READ_ONLY}


def look(cluster: Cluster, volume: Volume, _: int, errno: str) -> dict[str, str]:
    """What a look at a pod's mount point gives: v4.10.0 lost the path."""
    return {"target_error": errno if cluster.node.since("v4.10.0") else f"stat {volume.target}: {errno}"}


def look_inside(cluster: Cluster, volume: Volume, _: int) -> dict[str, str]:
    path = "" if cluster.controller.since("v4.10.0") else f"stat {volume.internal}: "
    return {"target_error": f"{path}stale NFS file handle"}


def refused_here(_: Cluster, volume: Volume, __: int) -> dict[str, str]:
    return {"mount": f"mount.nfs: access denied by server while mounting 10.0.0.5:/srv/nfs/{volume.subdir}"}


def secure_port(cluster: Cluster) -> None:
    """One refusal, three texts: by what version the mount asks for."""
    denied = "mount.nfs: access denied by server while mounting 10.0.0.5:/srv/nfs"
    texts = {"nfsvers=4.1": f"mount.nfs: {EPERM.capitalize()}", "nfsvers=3,nolock": denied}
    texts[""] = f"{STATD}\nmount.nfs: {EPERM.capitalize()}"
    for flags, text in texts.items():
        volumes = cluster.some(1, flags)
        cluster.retry(volumes, lambda v, at, _, text=text: create(cluster.controller, v, at, mount=text))


def node_chmod(cluster: Cluster) -> None:
    """All at once, the newest drivers without a path; each retry finds the mount and says nothing."""
    volumes = cluster.some(4, mountPermissions="0777", subDir="shared")
    for index, volume in enumerate(volumes):
        create(cluster.controller, volume, 2 + index * 0.1, warn=EPERM)
        publish(cluster.node, volume, 5 + index * 0.003, chmod=EPERM)
        publish(cluster.node, volume, 6 + index * 0.003)
        unpublish(cluster.node, volume, 9)
        cluster.still_wrong.add(volume.name)
    cluster.life(2.5)


def dropped_packets(cluster: Cluster) -> None:
    """The driver gives up, the client asked again long before, and mount(8) says why long after."""
    for index, volume in enumerate(cluster.some(2)):
        at = 2 + index * 0.2
        for _ in range(2):
            end = create(cluster.controller, volume, at, mount="timeout mount.nfs: Connection timed out")
            create(cluster.controller, volume, at + 15, aborted=True)
            create(cluster.controller, volume, at + 60, aborted=True)
            at = end + 5


def server_comes_back(cluster: Cluster) -> None:
    volumes = cluster.some(3)
    refused = "mount.nfs: Connection refused"
    cluster.retry(volumes, lambda v, at, n: create(cluster.controller, v, at, mount="" if n == 3 else refused))
    for volume in volumes:
        publish(cluster.node, volume, 40)


def dead_statistics(errno: str) -> Callable[[Cluster], None]:
    def build(cluster: Cluster) -> None:
        volumes = cluster.used(3)[:2]
        text = "failed to stat file {0}: lstat {0}: " + errno
        cluster.retry(volumes, lambda v, at, _: stats(cluster.node, v, at + 60, "Internal", text.format(v.target)))

    return build


def busy_unmount(cluster: Cluster) -> None:
    busy = "umount.nfs: {}: device is busy"
    act = partial(unpublish, cluster.node)
    cluster.retry(cluster.used(2), lambda v, at, _: act(v, at + 5, error=busy.format(v.target)))


def hanging_unmount(cluster: Cluster) -> None:
    volumes = cluster.used(2)
    for volume in volumes:
        unpublish(cluster.node, volume, 10, hang=True)
    cluster.retry(volumes, lambda v, at, _: unpublish(cluster.node, v, at + 130, aborted=True))


def unreadable_snapshot(cluster: Cluster) -> None:
    volume = cluster.made(1)[0]
    path = f"{volume.internal}/{volume.name}/a"
    inside = f"walking source directory: opening file being packed {path}: open {path}: {DENIED}"
    tar = inside if cluster.controller.since("v4.10.0") else "exit status 2: tar: ./a: Cannot open: Permission denied"
    cluster.retry([volume], lambda v, at, _: sim.snapshot(cluster.controller, v, SNAPSHOT, at, tar=tar))


def kept(source: Volume) -> Volume:
    """The snapshot of a volume, as something to fill a new one from."""
    handle = f"{source.server}#{source.share[1:]}#{SNAPSHOT}#{SNAPSHOT}#{source.name}"
    return Volume(SNAPSHOT, "", source.parameters, handle=handle)


def lost_archive(cluster: Cluster) -> None:
    """The error names the snapshot; what fails is the new volume."""
    source = cluster.made(1)[0]
    archive = f"/tmp/{SNAPSHOT}/{SNAPSHOT}/{source.name}.tar.gz"
    text = f"exit status 2: tar (child): {archive}: Cannot open: No such file or directory"
    if cluster.controller.since("v4.10.0"):
        text = f"opening archive {archive}: open {archive}: no such file or directory"
    how = {"source": kept(source), "copy": f"failed to copy volume for snapshot: {text}"}
    cluster.retry(cluster.some(1), lambda v, at, _: create(cluster.controller, v, at, **how))


def unreadable_source(cluster: Cluster) -> None:
    """Two clones at once of a volume, the only one that the errors name."""
    source = cluster.made(1)[0]
    text = f"cp: cannot open '{source.internal}/{source.name}/a' for reading: Permission denied"
    how = {"source": source, "copy": f"failed to copy volume exit status 1: {text}\n"}
    cluster.retry(cluster.some(2), lambda v, at, _: create(cluster.controller, v, at, **how))


def expansion(cluster: Cluster) -> None:
    """Before v4.10.0 the driver has none."""

    def expand(volume: Volume, at: float, _: int) -> float:
        request = {"capacity_range": {"required_bytes": 21474836480}, "volume_id": volume.id(cluster.version)}
        call = sim.Call(cluster.controller, at, "Controller/ControllerExpandVolume", volume.name, request)
        return call.fail("Unimplemented", "")

    cluster.retry(cluster.made(1), expand)


def crash(cluster: Cluster, dump: str = "") -> None:
    """The controller ends in the middle of three calls, which its successor carries out."""
    volumes = cluster.some(3)
    cluster.controller.dies = 2.25
    for again in (False, True):
        for index, volume in enumerate(volumes):
            create(cluster.controller, volume, (15 if again else 2) + index * 0.1)
        if not again:
            cluster.controller.restart(2.25, 12)
    if dump:
        cluster.controller.raw(2.25, dump)


PANIC = (
    "panic: runtime error: invalid memory address or nil pointer dereference\n"
    "[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x14b3b0d]\n\ngoroutine 67 [running]:\n"
    "github.com/kubernetes-csi/csi-driver-nfs/pkg/nfs.(*ControllerServer).CreateVolume(0xc0001a2000)\n"
    "\t/workspace/pkg/nfs/controllerserver.go:142 +0x3ad"
)


def three_causes(cluster: Cluster) -> None:
    for how, given in (
        (root_is_read_only, {"share": "/"}),
        ({"mkdir": DENIED}, {"share": "/srv/private"}),
        ({"mount": NOBODY}, {"server": "nfs.missing.example"}),
    ):
        creating(how, 2, **given)(cluster)  # type: ignore[arg-type]


def busy_day(cluster: Cluster) -> None:
    """Much that looks bad and is not."""
    for index, volume in enumerate(cluster.some(6)):
        at = 2 + index * 0.07
        if cluster.controller.since("v4.9.0"):
            create(cluster.controller, volume, at + 0.05, aborted=True)
        at = publish(cluster.node, volume, create(cluster.controller, volume, at) + 1)
        publish(cluster.node, volume, at + 60)
        at = unpublish(cluster.node, volume, at + 70)
        if index < 2:
            stats(cluster.node, volume, at + 1, "NotFound", f"path {volume.target} does not exist")
            cluster.node.ends.pop(("NodeGetVolumeStats", volume.name))
        delete(cluster.controller, volume, at + 2)
    if cluster.controller.since("v4.4.0"):
        source, one, other = cluster.some(3)
        at = sim.snapshot(cluster.controller, source, SNAPSHOT, create(cluster.controller, source, 3) + 1)
        create(cluster.controller, one, at + 1, source=kept(source), copy="ok")
        create(cluster.controller, other, at + 1, source=source, copy="ok")
        cluster.life(5, onDelete="retain")


# ---------------------------------------------------------------- cases

MIDDLE = ("v4.1.0", "v4.9.0", "v4.13.4")


@dataclass(frozen=True)
class Case:
    """A trouble, the versions to show it in, and the categories that may come first: none for none."""

    name: str
    versions: tuple[str, ...]
    build: Callable[[Cluster], None]
    first: frozenset[str]
    options: tuple[tuple[str, Any], ...] = ()


def case(name: str, versions: tuple[str, ...], build: Callable[[Cluster], None], *first: str, **options: Any) -> Case:
    return Case(name, versions, build, frozenset(first), tuple(options.items()))


REFUSED = {"mount": "mount.nfs: Connection refused"}
CASES = (
    case("busy-day", VERSIONS, busy_day),
    case("share-root", VERSIONS, creating(root_is_read_only, share="/"), "wrong-share-path"),
    case("no-share", ("v4.1.0", "v4.13.4", "master"), creating(root_is_read_only, share="-"), "wrong-share-path"),
    case("secure-port", MIDDLE, secure_port, "mount-eperm"),
    case("client-denied", ("v4.4.0", "v4.13.4", "master"), publishing(refused_here), "client-not-allowed"),
    case("root-squash", ("v3.1.0", *MIDDLE), creating({"mkdir": DENIED}), "root-squash"),
    case("node-chmod", ("v4.1.0", "v4.13.4", "master"), node_chmod, "chmod-not-permitted"),
    case("packets-dropped", ("v4.10.0", "v4.12.1", "v4.13.0", "v4.13.4"), dropped_packets, "server-unreachable"),
    case("server-back", ("v3.1.0", "v4.9.0", "v4.13.4"), server_comes_back),
    case("refused-ipv6", ("v4.1.0", "v4.13.4"), creating(REFUSED, server="fd00::1"), "server-refused"),
    case("no-name", ("v4.2.0", "v4.12.1"), creating({"mount": NOBODY}, server="nfs.missing.example"), "dns"),
    case("share-full", ("v4.4.0",), creating({"mkdir": "no space left on device"}), "no-space"),
    case("quota", ("v4.10.0",), creating({"mkdir": "disk quota exceeded"}), "no-space"),
    case("stale-share", ("v4.1.0", "v4.11.0"), creating({"mkdir": "stale NFS file handle"}), "stale-handle"),
    case("stale-left-over", ("v4.9.0", "v4.13.4"), creating(look_inside), "stale-handle"),
    case("stale-target", MIDDLE, publishing(partial(look, errno="stale NFS file handle")), "stale-handle"),
    case("dead-target", MIDDLE, publishing(partial(look, errno="connection timed out")), "server-unreachable"),
    case("stale-statistics", ("v4.2.0", "v4.12.1"), dead_statistics("stale NFS file handle"), "stale-handle"),
    case("no-statistics", ("v4.9.0",), dead_statistics("connection timed out"), "server-unreachable"),
    case("soft-mount", ("v4.11.0",), creating({"mkdir": "connection timed out"}, flags="soft"), "server-unreachable"),
    case("nested", ("v4.1.0",), creating({"mkdir": "no such file or directory"}, subDir="a/b"), "driver-bug"),
    case("file-there", ("v4.11.0",), creating({"mkdir": "file exists"}, subDir="a"), "invalid-argument"),
    case("bad-mode", ("master",), creating({"invalid": "invalid mountPermissions x in storage class"}), "invalid-argument"),
    case("odd-key", ("v3.1.0",), creating({"invalid": 'invalid parameter "x"'}, x="y"), "invalid-argument"),
    case("no-server", MIDDLE, creating({"invalid": "server is a required parameter"}, server="-"), "missing-parameter"),
    case("block", MIDDLE, creating({"invalid": "block volume capability not supported", "kind": "Block"}), "unsupported"),
    case("tmp-read-only", MIDDLE, creating(lambda _, v, __: {"target_error": f"mkdir {v.internal}: {READ_ONLY}"}),
         "working-dir-read-only"),
    case("kubelet-dir", MIDDLE, publishing({"target_error": f"mkdir /var/snap: {READ_ONLY}"}), "wrong-kubelet-dir"),
    case("static-missing", MIDDLE, publishing(
        {"mount": "mount.nfs: mounting 10.0.0.5:/old failed, reason given by server: No such file or directory"},
        1, handle="legacy", name="legacy", share="/old"), "path-missing-on-server"),
    case("delete-options", MIDDLE, deleting({"mount": STATD}, "nfsvers=3,nolock"), "delete-missing-mount-options"),
    case("delete-busy", ("v4.2.0", "master"), deleting({"remove": ": directory not empty"}), "delete-failed"),
    case("delete-denied", ("v4.10.0",), deleting({"remove": f"/pgdata: {DENIED}"}), "delete-failed"),
    case("delete-stale", ("v4.13.4",), deleting({"remove": ": stale NFS file handle"}), "stale-handle"),
    case("archive-loop", ("v4.8.0",), deleting({"archive": "no such file or directory"}, onDelete="archive"), "driver-bug"),
    case("unmount-busy", ("v4.9.0", "v4.13.4"), busy_unmount, "unmount-busy"),
    case("unmount-hangs", ("v4.9.0", "v4.13.4"), hanging_unmount, "unmount-hang"),
    case("snapshot", ("v4.8.0", "v4.11.0"), unreadable_snapshot, "root-squash", "snapshot-failed"),
    case("restore", ("v4.4.0", "v4.13.4"), lost_archive, "restore-failed"),
    case("clone", ("v4.8.0", "v4.12.1"), unreadable_source, "root-squash", "restore-failed"),
    case("expansion", ("v4.1.0", "v4.9.0"), expansion, "unsupported"),
    case("restart", ("v4.2.0", "v4.13.4"), crash),
    case("panic", ("v4.1.0", "v4.11.0"), partial(crash, dump=PANIC), "driver-crash"),
    case("three-causes", ("v4.1.0", "v4.11.0"), three_causes, "dns", "root-squash", "wrong-share-path"),
    case("no-banner", ("v4.2.0", "v4.13.4", "master"), creating({"mkdir": DENIED}), "root-squash", banner=False),
    case("no-version", ("master",), creating({"mkdir": DENIED}), "root-squash", says="N/A"),
    case("delete-options-quiet", MIDDLE, deleting({"mount": STATD}, "nfsvers=3,nolock"), "delete-missing-mount-options",
         verbosity=2),
    case("errors-only", MIDDLE, creating({"mkdir": DENIED}), "root-squash", verbosity=0),
    case("late-errors-only", ("v4.12.1", "v4.13.4"), dropped_packets, "server-unreachable", verbosity=0),
)  # fmt: skip
RUNS = [(one, version) for one in CASES for version in one.versions]


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


def diagnosed(cluster: Cluster) -> Report:
    scanner = scan.Scanner(loaded(), scan.Options(year=2026))
    for name, driver in (("controller.log", cluster.controller), ("node.log", cluster.node)):
        scanner.read(sources.Source(name, None, iter([driver.text().encode()])))
    return scanner.report()


def holds(span: str, version: str) -> bool:
    """Whether a span of versions, "v4.6.0-v4.8.0", has *version* in it."""
    low, _, high = span.partition("-")
    order = {text: tuple(map(int, re.findall(r"\d+", text))) or (99,) for text in (low, high or low, version)}
    return order[low] <= order[version] <= order[high or low]


@pytest.mark.parametrize(("one", "version"), RUNS, ids=[f"{one.name}-{version}" for one, version in RUNS])
def test_a_trouble_is_recognised_in_the_words_of_each_version(one, version):
    cluster = Cluster(version, **dict(one.options))
    one.build(cluster)
    report = diagnosed(cluster)
    real = [found for found in report.diagnoses if found.severity > Severity.INFO and not found.recovered]
    named = {volume.name: volume for found in real for volume in found.volumes}
    handles = {volume.handle: volume.name for volume in cluster.volumes if volume.handle}

    assert {handles.get(name, name) for name in named} == cluster.failing()
    assert report.calls.failed == cluster.controller.failed.total() + cluster.node.failed.total()
    assert {found.category for found in real} <= one.first
    assert bool(real) == bool(one.first)
    assert report.counts.unrecognised == 0
    claims = {volume.name: volume.claim for volume in cluster.volumes}
    assert {
        name for name, volume in named.items() if volume.pvc and claims[name] != f"{volume.namespace}/{volume.pvc}"
    } == set()
    for found in report.inputs:
        if found.driver_version is None:
            assert one.options, "a log with a banner tells its version"
        else:
            assert found.driver_version == version or (one.options and holds(found.driver_version, version))


def test_three_causes_at_once_keep_their_own_volumes():
    cluster = Cluster("v4.13.4")
    three_causes(cluster)
    volumes = [{volume.name for volume in found.volumes} for found in diagnosed(cluster).diagnoses]
    assert [len(names) for names in volumes] == [2, 2, 2]
    assert len(set.union(*volumes)) == 6
