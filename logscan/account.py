"""What is learnt about one input while it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from logscan import csi, sources
from logscan.model import Origin, Record

MAX_NODES = 1_000  # of one input
MAX_INPUTS = 10_000  # that a report tells of one by one


@dataclass(slots=True)
class Account:
    """What is learnt about one input while it is read."""

    name: str
    lines: int = 0
    bytes: int = 0
    records: int = 0
    unparsed: int = 0
    first_time: int | None = None
    last_time: int | None = None
    time_source: str = "none"
    banner: str | None = None
    fingerprint: csi.Fingerprint = field(default_factory=csi.Fingerprint)
    components: Counter[str] = field(default_factory=Counter)
    framing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    nodes: set[str] = field(default_factory=set)
    pods: dict[str, None] = field(default_factory=dict)  # "namespace/pod/container" of those who speak
    heard: Origin | None = None  # the latest that was taken note of
    restarted: bool = False  # the container had been started before, and its log is another input
    driver: bool = False  # the driver tells of its calls
    requests: bool = False  # of how they began
    speaker: str = ""  # the first driver that says that the log is its
    orphans: int = 0  # failed calls without a request
    folded: int = 0  # inputs that this tells of together, 0: of one
    damaged: int = 0  # of them, with warnings

    def hear(self, origin: Origin) -> None:
        """Take note of who speaks."""
        self.heard = origin
        if origin.node and len(self.nodes) < MAX_NODES:
            self.nodes.add(origin.node)
        if origin.pod and origin.container and origin.component != "events" and len(self.pods) < MAX_NODES:
            self.pods["/".join(filter(None, (origin.namespace, origin.pod, origin.container)))] = None

    def dated(self, time: int | None, source: str) -> None:
        """Take note of when something was logged."""
        if time is None:
            return
        if self.first_time is None or time < self.first_time:
            self.first_time, self.time_source = time, source
        if self.last_time is None or time > self.last_time:
            self.last_time = time

    def version(self) -> tuple[str | None, str | None]:
        """The driver's version and how it is known."""
        if self.banner:
            return self.banner, "banner"
        span = csi.version_span(self.fingerprint.versions())
        return (span, "fingerprint") if span else (None, None)

    def take_in(self, other: Account) -> None:
        """Tell of another input, too."""
        self.folded += 1
        self.lines, self.bytes = self.lines + other.lines, self.bytes + other.bytes
        self.records, self.unparsed = self.records + other.records, self.unparsed + other.unparsed
        self.dated(other.first_time, other.time_source)
        self.dated(other.last_time, other.time_source)
        self.components.update(other.components)
        self.framing = tuple(dict.fromkeys((*self.framing, *other.framing)))
        self.nodes.update(list(other.nodes)[: MAX_NODES - len(self.nodes)])
        self.pods.update(dict.fromkeys(list(other.pods)[: MAX_NODES - len(self.pods)]))
        self.driver, self.requests = self.driver or other.driver, self.requests or other.requests
        self.orphans += other.orphans
        self.damaged += bool(other.warnings)
        self.name = f"({self.folded:,} more inputs)"
        self.warnings = (f"{self.damaged:,} of them have warnings",) if self.damaged else ()

    def foreign(self) -> str:
        """The name of the other storage driver whose log this is; "" as far as is known."""
        named = self.speaker and "nfs" not in self.speaker and self.banner is None
        return self.speaker if named and self.components.keys() <= {"nfs"} else ""

    def hints(self) -> tuple[str, ...]:
        """What the input lacks, of model.HINTS."""
        if self.foreign():
            return ()
        if not self.requests:
            return ("no-requests",) if self.driver or self.components["nfs"] else ()
        return ("starts-late",) if self.orphans else ()


# Source files that only one program of the neighbourhood has.
FILES: Mapping[str, str] = {
    "controllerserver.go": "nfs", "nodeserver.go": "nfs", "identityserver.go": "nfs", "nfs.go": "nfs",
    "csi-provisioner.go": "csi-provisioner", "clone_controller.go": "csi-provisioner", "csi_resizer.go": "csi-resizer",
    "snapshot_controller.go": "csi-snapshotter", "snapshot_controller_base.go": "csi-snapshotter",
    "nestedpendingoperations.go": "kubelet", "reconciler_common.go": "kubelet", "kubelet_volumes.go": "kubelet",
    "operation_generator.go": "kubelet", "pod_workers.go": "kubelet", "node_register.go": "registrar",
}  # fmt: skip
# Of source files that several have: what only one says in them.  Each sidecar of this driver has a lease of its own.
_SAYINGS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "leaderelection.go": (
        ("/external-snapshotter-leader-nfs-", "csi-snapshotter"), ("/external-resizer-nfs-", "csi-resizer"),
        ("/nfs-csi-k8s-io", "csi-provisioner"),
    ),
    "controller.go": (
        ("syncing claim", "csi-provisioner"), ("claims in progress", "csi-provisioner"), ("syncing volume", "csi-provisioner"),
        ("olume deletion failed", "csi-provisioner"), ("uccessfully created PV", "csi-provisioner"),
        ("failed to provision volume", "csi-provisioner"), ("by resizer", "csi-resizer"),
    ),
    "main.go": (
        ("ServeMux listening", "liveness"), ("to discover driver name", "liveness"), ("ealth check failed", "liveness"),
    ),
}  # fmt: skip
# Source files whose versions tell that of the driver.
DRIVER_FILES = frozenset({"utils.go", "nfs.go", "controllerserver.go", "nodeserver.go", "mount_linux.go"})


def component_of(record: Record) -> str:
    """Which program logged a record: by its carrier, else by the source file and what it says; "" where nothing tells."""
    if known := record.origin.component or FILES.get(record.file):
        return known
    return next((name for words, name in _SAYINGS.get(record.file, ()) if words in record.message), "")


def warnings_of(tally: sources.Tally, damaged: Mapping[str, int]) -> tuple[str, ...]:
    """What an input held that is not as it should be, in words."""
    texts = [f"{_lines(count)} held {what}" for what, count in sorted(damaged.items()) if count]
    if tally.cut_lines:
        verb = "was" if tally.cut_lines == 1 else "were"
        texts.append(f"{_lines(tally.cut_lines)} {verb} too long and {verb} cut ({tally.cut_bytes} bytes dropped)")
    return tuple(texts)


def _lines(count: int) -> str:
    return f"{count} line" if count == 1 else f"{count} lines"
