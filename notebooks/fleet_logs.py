"""Writes four weeks of logs of a fleet, as a log shipper archives them: a packed file of JSON lines for each day.

Ten nodes mount from two NFS servers.  Most calls go well, and a few things happen: see :class:`Story`.  The lines
are those of csi-driver-nfs v4.11.0 at -v=2.  The same seed writes the same bytes.
"""

from __future__ import annotations

import gzip
import json
import random
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

FIRST = datetime(2026, 6, 22, tzinfo=UTC)  # a Monday
DAYS = 28
RACK_A = tuple(f"worker-a{number}" for number in range(1, 5))
RACK_B = tuple(f"worker-b{number}" for number in range(1, 5))
RACK_C = ("worker-c1", "worker-c2")  # are added later
CONTROLLER = "controller"
CONTROLLER_HOST = "worker-a2"
NAS_1, NAS_2 = "nas-1.storage.example", "nas-2.storage.example"
SHARE = "/export/k8s"
MOUNT = {"AccessType": {"Mount": {"mount_flags": ["nfsvers=4.1"]}}, "access_mode": {"mode": 5}}

TIMED_OUT = "mount.nfs: Connection timed out"
DENIED = "mount.nfs: access denied by server while mounting {source}"
STALE = "mount.nfs: Stale file handle"
NO_NAME = "mount.nfs: Failed to resolve server {server}: Temporary failure in name resolution"
NO_HELPER = (
    "mount: {target}: bad option; for several filesystems (e.g. nfs, cifs)"
    " you might need a /sbin/mount.<type> helper program."
)


@dataclass(frozen=True)
class Volume:
    """A claim and its volume."""

    name: str
    claim: str  # "namespace/name"
    server: str
    share: str = SHARE

    @property
    def handle(self) -> str:
        """What the driver calls it."""
        return f"{self.server}#{self.share.strip('/')}#{self.name}##"

    @property
    def inside(self) -> str:
        """Where the controller mounts its share."""
        return f"/tmp/{self.name}"

    @property
    def parameters(self) -> dict[str, str]:
        """Those of its class, and what the provisioner adds."""
        namespace, _, name = self.claim.partition("/")
        claim = {"pv/name": self.name, "pvc/name": name, "pvc/namespace": namespace}
        added = {f"csi.storage.k8s.io/{key}": value for key, value in claim.items()}
        return {**added, "server": self.server, "share": self.share}


class Driver:
    """What the driver's pods log: one on each node, and the controller's."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[tuple[datetime, int, str, str]] = []  # time, order, node or CONTROLLER, text
        self._targets: dict[tuple[str, str], str] = {}  # by node and volume

    def id(self) -> str:
        """A new UUID."""
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def say(self, pod: str, at: datetime, place: str, text: str, letter: str = "I") -> datetime:
        """A record; returns when the next one can be."""
        first, *rest = text.split("\n")
        for line in (f"{letter}{at:%m%d %H:%M:%S.%f}       1 {place}] {first}", *rest):
            self.lines.append((at, len(self.lines), pod, line))
        return at + timedelta(microseconds=self.random.randint(400, 4_000))

    def _begin(self, pod: str, at: datetime, method: str, request: dict[str, object]) -> datetime:
        at = self.say(pod, at, "utils.go:111", f"GRPC call: /csi.v1.{method}")
        return self.say(pod, at, "utils.go:112", f"GRPC request: {json.dumps(request, separators=(',', ':'))}")

    def _end(self, pod: str, at: datetime, error: str, response: dict[str, object] | None = None) -> datetime:
        if error:
            return self.say(pod, at, "utils.go:116", f"GRPC error: rpc error: code = Internal desc = {error}", "E")
        return self.say(pod, at, "utils.go:117", f"GRPC response: {json.dumps(response or {}, separators=(',', ':'))}")

    def create(self, volume: Volume, at: datetime, mkdir: str = "") -> datetime:
        """CreateVolume; *mkdir* is what mkdir says if it fails.  Returns when it ended, as all calls do."""
        request = {"name": volume.name, "parameters": volume.parameters, "volume_capabilities": [MOUNT]}
        at = self._begin(CONTROLLER, at, "Controller/CreateVolume", request)
        at = self._inside_unmount(volume, self._inside_mount(volume, at))
        error = f"failed to make subdirectory: mkdir {volume.inside}/{volume.name}: {mkdir}" if mkdir else ""
        response = {"volume": {"volume_context": volume.parameters, "volume_id": volume.handle}}
        return self._end(CONTROLLER, at, error, response)

    def refuse(self, volume: Volume, at: datetime, why: str) -> datetime:
        """A CreateVolume that ends before anything is mounted."""
        request = {"name": volume.name, "parameters": volume.parameters, "volume_capabilities": [MOUNT]}
        return self._end(CONTROLLER, self._begin(CONTROLLER, at, "Controller/CreateVolume", request), why)

    def delete(self, volume: Volume, at: datetime) -> datetime:
        """DeleteVolume."""
        at = self._begin(CONTROLLER, at, "Controller/DeleteVolume", {"volume_id": volume.handle})
        at = self._inside_mount(volume, at)
        text = f"removing subdirectory at {volume.inside}/{volume.name}"
        at = self.say(CONTROLLER, at, "controllerserver.go:295", text)
        text = f"DeleteVolume: removing empty directories in {volume.inside}"
        at = self.say(CONTROLLER, at, "controllerserver.go:301", text)
        return self._end(CONTROLLER, self._inside_unmount(volume, at), "")

    def _inside_mount(self, volume: Volume, at: datetime) -> datetime:
        """The controller mounts the share."""
        source = f"{volume.server}:{volume.share}"
        text = f"internally mounting {source} at {volume.inside}"
        at = self.say(CONTROLLER, at, "controllerserver.go:523", text)
        return self._mount(CONTROLLER, volume, at, source, volume.inside, "", 0.2)[0]

    def _inside_unmount(self, volume: Volume, at: datetime) -> datetime:
        at = self.say(CONTROLLER, at, "controllerserver.go:538", f"internally unmounting {volume.inside}")
        return self._unmount(CONTROLLER, volume, at, volume.inside)

    def publish(self, node: str, volume: Volume, at: datetime, error: str = "", seconds: float = 0.3) -> datetime:
        """NodePublishVolume; *error* is what mount says if it fails, after about so many *seconds*."""
        target = self._targets.setdefault(
            (node, volume.name), f"/var/lib/kubelet/pods/{self.id()}/volumes/kubernetes.io~csi/{volume.name}/mount"
        )
        request = {
            "target_path": target, "volume_capability": MOUNT,
            "volume_context": {**volume.parameters, "subdir": volume.name}, "volume_id": volume.handle,
        }  # fmt: skip
        at = self._begin(node, at, "Node/NodePublishVolume", request)
        source = f"{volume.server}:{volume.share}/{volume.name}"
        at, failure = self._mount(node, volume, at, source, target, error, seconds)
        return self._end(node, at, failure)

    def unpublish(self, node: str, volume: Volume, at: datetime) -> datetime:
        """NodeUnpublishVolume."""
        target = self._targets.pop((node, volume.name))
        at = self._begin(node, at, "Node/NodeUnpublishVolume", {"target_path": target, "volume_id": volume.handle})
        return self._end(node, self._unmount(node, volume, at, target), "")

    def _mount(
        self, pod: str, volume: Volume, at: datetime, source: str, target: str, error: str, seconds: float
    ) -> tuple[datetime, str]:
        """Mount it; returns when that ended, and how the driver words the failure."""
        where = f"volumeID({volume.handle}) source({source}) targetPath({target}) mountflags([nfsvers=4.1])"
        at = self.say(pod, at, "nodeserver.go:133", f"NodePublishVolume: {where}")
        at += timedelta(seconds=seconds * self.random.uniform(0.8, 1.4))
        if not error:
            text = f"skip chmod on targetPath({target}) since mountPermissions is set as 0"
            at = self.say(pod, at, "nodeserver.go:153", text)
            return self.say(
                pod, at, "nodeserver.go:155", f"volume({volume.handle}) mount {source} on {target} succeeded"
            ), ""
        output = error.format(source=source, server=volume.server, target=target)
        arguments = f"-t nfs -o nfsvers=4.1 {source} {target}"
        body = (
            f"ount failed: exit status 32\nMounting command: mount\nMounting arguments: {arguments}\nOutput: {output}"
        )
        return self.say(pod, at, "mount_linux.go:282", f"M{body}", "E"), f"m{body}"

    def _unmount(self, pod: str, volume: Volume, at: datetime, target: str) -> datetime:
        on = f"{volume.handle} on {target}"
        at = self.say(pod, at, "nodeserver.go:176", f"NodeUnpublishVolume: unmounting volume {on}")
        at = self.say(pod, at, "nodeserver.go:181", f"force unmount {on}") + timedelta(
            seconds=self.random.uniform(0.05, 0.2)
        )
        return self.say(pod, at, "nodeserver.go:189", f"NodeUnpublishVolume: unmount volume {on} successfully")

    def write(self, directory: Path) -> list[Path]:
        """The archive: a file for each day, in order."""
        dice = random.Random(1)
        pods = {CONTROLLER: (f"csi-nfs-controller-7d4c9f6b8d-{_word(dice)}", CONTROLLER_HOST)}
        pods |= {node: (f"csi-nfs-node-{_word(dice)}", node) for node in (*RACK_A, *RACK_B, *RACK_C)}
        days: dict[str, list[str]] = defaultdict(list)
        for at, _, pod, text in sorted(self.lines):
            name, host = pods[pod]
            about = {"namespace_name": "kube-system", "pod_name": name, "container_name": "nfs", "host": host}
            entry = {"time": f"{at:%Y-%m-%dT%H:%M:%S.%f}Z", "log": f"{text}\n", "kubernetes": about}
            days[f"{at:%Y-%m-%d}"].append(json.dumps(entry, separators=(",", ":")) + "\n")
        paths = []
        for day, entries in days.items():
            paths.append(directory / f"{day}.json.gz")
            paths[-1].write_bytes(gzip.compress("".join(entries).encode(), 1, mtime=0))
        return paths


def _word(dice: random.Random) -> str:
    return "".join(dice.choices("bcdfghjklmnpqrstvwxz2456789", k=5))


class Story:
    """What happens in the four weeks.

    =======================  ============================================================================
    Wed, week 2, afternoon   rack b cannot reach nas-2: somebody changed a firewall
    Mon, week 3, by day      nas-1 squashes root for new volumes
    Thu to Fri, week 3       two new nodes are not yet in the exports of nas-1
    Sat, week 3, at night    nas-1 comes back with its file systems made anew: old handles are stale
    Tue to Thu, week 4       worker-b3 was installed anew, without the package that mounts NFS
    from Thu, week 4         a new class mounts the server's root; nobody mends it
    now and then             a node cannot resolve a name for some minutes
    =======================  ============================================================================
    """

    def __init__(self, seed: int = 7) -> None:
        self.driver = Driver(seed)
        self.random = self.driver.random
        self.squashed = _span(14, 8, 9)
        self.faults = [  # span, nodes, servers, what mount says, how long it takes, minutes until somebody drains the node
            (_span(9, 14, 5), RACK_B, {NAS_2}, TIMED_OUT, 110.0, (40, 200)),
            (_span(17, 9, 26), RACK_C, {NAS_1}, DENIED, 0.3, (25, 90)),
            (_span(19, 2, 0.6), (*RACK_A, *RACK_B, *RACK_C), {NAS_1}, STALE, 0.3, (60, 60)),
            (_span(22, 6, 50), ("worker-b3",), {NAS_1, NAS_2}, NO_HELPER, 0.1, (5, 35)),
        ]

    def tell(self) -> Driver:
        """All of it, day by day."""
        names = (
            "shop/db",
            "shop/search",
            "shop/images",
            "web/wiki",
            "web/mail",
            "data/lake",
            "data/models",
            "data/queue",
        )
        lasting = {
            node: [self._volume(f"{name}-{number}") for name in self.random.sample(names, 3)]
            for number, node in enumerate((*RACK_A, *RACK_B, *RACK_C))
        }
        for day in range(DAYS):
            weekend = day % 7 > 4
            for node, volumes in lasting.items():
                if node in RACK_C and day < 17:
                    continue
                for volume in volumes[: 1 if weekend else 3]:
                    self._restart(node, volume, _time(day, self.random.uniform(9 if day == 17 else 6, 20)))
            for number in range(3 if weekend else 9):
                self._job(_time(day, self.random.uniform(6.5, 19)), f"ci/build-{day * 20 + number}")
        for node in RACK_B:  # a roll-out in the midst of it
            for volume in lasting[node]:
                self._restart(node, volume, _time(9, self.random.uniform(14.2, 16)))
        for node, volumes in lasting.items():  # all pods of the server that was away
            for volume in volumes:
                self._restart(node, volume, _time(19, self.random.uniform(2.05, 2.3)))
        for day in (24, 25, 26, 27):  # tried each morning, given up before lunch
            scratch = Volume(f"pvc-{self.driver.id()}", f"lab/scratch-{day - 24}", NAS_2, "/")
            step = partial(self.driver.create, scratch, mkdir="read-only file system")
            self._retry(step, _time(day, 10 + self.random.random()), _time(day, 13), 300)
        return self.driver

    def _volume(self, claim: str) -> Volume:
        return Volume(f"pvc-{self.driver.id()}", claim, self.random.choice((NAS_1, NAS_2)))

    def _retry(self, step: Callable[..., datetime], at: datetime, until: datetime, longest: float) -> datetime:
        """Fail until then, with pauses that double up to *longest* seconds; when the next attempt would be."""
        pause = 1.0
        while at < until:
            at = step(at=at) + timedelta(seconds=pause * self.random.uniform(0.95, 1.05))
            pause = min(pause * 2, longest)
        return at

    def _mount(self, node: str, volume: Volume, at: datetime) -> tuple[str, datetime]:
        """Publish a volume on a node; where it fails for long, on another.  Returns where and when it went well."""
        if self.random.random() < 0.03:
            step = partial(self.driver.publish, node, volume, error=NO_NAME)
            at = self._retry(step, at, at + timedelta(minutes=self.random.expovariate(1 / 4)), 122)
        for span, nodes, servers, error, seconds, minutes in self.faults:
            if node in nodes and volume.server in servers and span[0] <= at < span[1]:
                patience = timedelta(minutes=self.random.uniform(*minutes))
                step = partial(self.driver.publish, node, volume, error=error, seconds=seconds)
                at = self._retry(step, at, min(span[1], at + patience), 122)
                if at < span[1]:
                    node = self.random.choice(RACK_A)  # somebody drains the node
        return node, self.driver.publish(node, volume, at)

    def _restart(self, node: str, volume: Volume, at: datetime) -> None:
        """A pod of a lasting volume starts, and ends when the next one does."""
        node, at = self._mount(node, volume, at)
        self.driver.unpublish(node, volume, at + timedelta(minutes=self.random.uniform(3, 30)))

    def _job(self, at: datetime, claim: str) -> None:
        """A volume that is made for a job and deleted after it; the job gives up if there is none after 20 minutes."""
        volume = self._volume(claim)
        if volume.server == NAS_1 and self.squashed[0] <= at < self.squashed[1]:
            step = partial(self.driver.create, volume, mkdir="permission denied")
            self._retry(step, at, at + timedelta(minutes=20), 300)
            return
        at = self.driver.create(volume, at) + timedelta(seconds=self.random.uniform(1, 4))
        node, at = self._mount(self.random.choice((*RACK_A, *RACK_B)), volume, at)
        at = self.driver.unpublish(node, volume, at + timedelta(minutes=self.random.uniform(2, 15)))
        self.driver.delete(volume, at + timedelta(seconds=self.random.uniform(2, 30)))


class Nights(Story):
    """Two weeks with jobs by day and by night, and a service before the storage that allows so many volumes and no more.

    The nightly loads are too many at once, until a clean-up at 02:40.  What the service says is the house's own, so no
    rule that comes with logscan knows it.
    """

    def tell(self) -> Driver:
        """All of it, day by day."""
        self.faults = []
        for day in range(14):
            for number in range(4):
                self._job(_time(day, self.random.uniform(7, 18)), f"ci/build-{day * 4 + number}")
            for number in range(8):
                self._night(day, _time(day, self.random.uniform(1.2, 3.2)), f"etl/load-{day * 8 + number}")
        for day, seconds in ((5, 31), (11, 44)):
            self.driver.say(CONTROLLER, _time(day, 2.2), "quota.go:11", f"quota service is slow: {seconds}s", "W")
        return self.driver

    def _night(self, day: int, at: datetime, claim: str) -> None:
        begins, ends = _time(day, 2), _time(day, 2) + timedelta(minutes=40)
        if begins <= at < ends:
            volume = self._volume(claim)
            why = f"quota service refused {volume.name} on {volume.server}: project etl has 40 of 40 volumes"
            at = self._retry(partial(self.driver.refuse, volume, why=why), at, ends, 300)
            at = self.driver.create(volume, at) + timedelta(seconds=2)
            self.driver.publish(self.random.choice(RACK_A), volume, at)
        else:
            self._job(at, claim)


def _time(day: int, hour: float) -> datetime:
    return FIRST + timedelta(days=day, hours=hour)


def _span(day: int, hour: float, hours: float) -> tuple[datetime, datetime]:
    return _time(day, hour), _time(day, hour + hours)


def write(directory: Path, story: type[Story] = Story, seed: int = 7) -> list[Path]:
    """Write the archive of a story into a directory, and return its files in order."""
    return story(seed).tell().write(directory)
