"""What the paths inside a bundle tell: whose log a file is, in which order its parts were written, what is none of ours.

One table for all layouts: must-gather (and ``oc adm inspect``), ``kubectl cluster-info dump``,
support bundles of troubleshoot.sh, sosreport, and kubelet's trees below /var/log.  A bundle holds
a whole cluster or machine; what tells nothing of NFS volumes is passed over where it is only
found, and read all the same where it is asked for by name.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache, lru_cache
from typing import NamedTuple

from logscan.shippers import component_of

# Reasons to leave a file out, as they are counted.
OTHER_CONTAINERS = "logs of other containers"
OTHER_FILES = "files that tell nothing of NFS volumes"
OTHER_OBJECTS = "objects that tell nothing of volumes"

MAX_PATH = 4096  # characters; a name in an archive can be a million
LIVE = "~"  # the part that is still written to: it sorts behind all dates
_LATEST = 1 << 30  # the instance of a log whose path does not number it


class Place(NamedTuple):
    """What a path says of a file."""

    layout: str
    kind: str  # log | system (of a node's daemons) | events | manifests | pods | host | other
    namespace: str = ""
    pod: str = ""
    container: str = ""
    node: str = ""
    ident: str = ""  # the program, of a node's log that does not name it
    instance: int = _LATEST  # of the container: counts its restarts
    part: str = LIVE  # of the instance's log, in order
    root: str = ""  # of the bundle, where it tells whose machine it is of

    @property
    def writer(self) -> tuple[str, str, str]:
        """Whose log it is, through all restarts."""
        return (self.namespace, self.pod, self.container)

    @property
    def is_ours(self) -> bool:
        """Whether the log is of the driver or of a sidecar of it, by its name."""
        if self.container == "nfs":
            return True
        # Every CSI driver has the same sidecars.
        return "nfs" in self.pod and bool(component_of(self.container, ""))


_NS, _POD, _IN = r"(?P<namespace>[^/_]+)", r"(?P<pod>[^/_]+)", r"(?P<container>[^/_]+)"
_FILE = r"(?P<container>[^/_]+?)(?P<previous>-previous)?\.log(?:\.gz)?$"
_TREE = r"(?P<number>[0-9]{1,9})\.log(?:\.(?P<part>[0-9]{8}-[0-9]{6}))?(?:\.gz)?$"
_UID = r"(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_SOS = r"/sosreport-[^/]+[0-9]{4}-?[0-9]{2}-?[0-9]{2}[^/]*/"
_SUPPORT = r"/support-bundle-[0-9][^/]*/"
_MUST = r"/namespaces/(?P<namespace>[^/]+)"

# (layout, kind, what every such path holds, pattern, program): the first that fits counts.  Names
# begin with "/", and "!" between an archive and its member is "/" too.
_TABLE: tuple[tuple[str, str, str, str, str], ...] = (
    # must-gather writes the container's name twice; restarts beyond the last are in rotated/.
    ("must-gather", "log", "/logs/", rf"{_MUST}/pods/(?P<pod>[^/]+)/{_IN}/(?P=container)/logs/(?:current|(?P<previous>previous))(?:\.insecure)?\.log(?:\.gz)?$", ""),
    ("must-gather", "log", "/rotated/", rf"{_MUST}/pods/(?P<pod>[^/]+)/{_IN}/(?P=container)/logs/rotated/{_TREE}", ""),
    ("must-gather", "pods", "nfs", rf"{_MUST}/pods/(?P<pod>[^/]*nfs[^/]*)/(?P=pod)\.(?:yaml|json)$", ""),
    ("must-gather", "pods", "/pods.", rf"{_MUST}/core/pods\.(?:yaml|json)$", ""),
    ("must-gather", "events", "/events.", rf"{_MUST}/core/events\.(?:yaml|json)$", ""),
    ("must-gather", "manifests", "/persistentvolume", r"/core/persistentvolume(?:claim)?s(?:/[^/]+)?\.(?:yaml|json)$", ""),
    ("must-gather", "manifests", "/storage.k8s.io/", r"/cluster-scoped-resources/storage\.k8s\.io/(?:storageclass|csidriver)e?s(?:/[^/]+)?\.(?:yaml|json)$", ""),
    ("must-gather", "system", "/nodes/", r"/nodes/(?P<node>[^/]+)/[^/]*kubelet[^/]*$", "kubelet"),
    ("must-gather", "system", "/nodes/", r"/nodes/(?P<node>[^/]+)/[^/]*dmesg[^/]*$", "kernel"),
    ("must-gather", "system", "/host_service_logs/", r"/host_service_logs/[^/]+/kubelet_service\.log(?:\.gz)?$", "kubelet"),
    ("must-gather", "other", "/cluster-scoped-resources/", r"", ""),
    ("must-gather", "other", "/namespaces/", rf"{_MUST}/(?:core|apps|batch|autoscaling|policy|pods|[a-z0-9-]+(?:\.[a-z0-9-]+)+)[/.]", ""),
    ("must-gather", "other", ".local.", r"/(?:must-gather|inspect)\.local\.[0-9]+/", ""),
    ("kubectl-plug-in", "other", "/collected.json", r"/nfs-logscan-[^/]+/collected\.json$", ""),
    # troubleshoot.sh; the parts of a dump, and what the kubectl plug-in saves, are named alike.
    ("support-bundle", "log", "/pods/logs/", rf"/pods/logs/{_NS}/{_POD}/{_FILE}", ""),
    ("support-bundle", "events", "/cluster-resources/events", r"/cluster-resources/events(?:/[^/]+)?\.json$", ""),
    ("support-bundle", "pods", "/cluster-resources/pods/", r"/cluster-resources/pods/[^/]+\.json$", ""),
    ("support-bundle", "manifests", "/cluster-resources/", r"/cluster-resources/(?:pvcs|pvs|storage-?classes|csi-?drivers|(?:storageclass|persistentvolume|persistentvolumeclaim|csidriver)(?:list)?)(?:/[^/]+)?\.(?:json|yaml)$", ""),
    ("support-bundle", "other", "/cluster-resources/", r"", ""),
    # sosreport: of a whole machine, a few files.
    ("sosreport", "host", "/hostname", rf"^(?P<root>.*{_SOS})(?:etc/|sos_commands/(?:host|general)/)?hostname$", ""),
    ("sosreport", "host", "/sos_commands/", r"^(?P<root>.*/)sos_commands/(?:host|general)/hostname$", ""),
    ("sosreport", "system", "/sos_commands/", r"/sos_commands/(?:logs/journalctl[^/]*|kubernetes/[^/]*(?:journal|kubelet)[^/]*)$", ""),
    ("sosreport", "system", "dmesg", rf"{_SOS}(?:.*/)?dmesg[^/]*$|/sos_commands/[^/]+/dmesg[^/]*$", "kernel"),
    ("sosreport", "system", "/sosreport-", rf"{_SOS}var/log/(?:messages|syslog|kern\.log|daemon\.log)[^/]*$", ""),
    ("sosreport", "manifests", "/sos_commands/nfs", r"/sos_commands/nfs(?:server)?/[^/]*(?:exportfs|showmount)[^/]*$", ""),
    ("sosreport", "manifests", "/etc/exports", rf"{_SOS}etc/exports(?:\.d/[^/]+\.exports)?$", ""),
    ("sosreport", "events", "/sos_commands/kubernetes/", r"/sos_commands/kubernetes/(?:.*/)?[^/]*(?:_events?|_pvc?|_sc|storageclass|persistentvolume|csi-nfs)[^/]*$", ""),
    # kubelet's own trees; a log is rotated into files with a date.
    ("pods", "log", "_", rf"/pods/{_NS}_{_POD}_[^/]+/{_IN}/{_TREE}", ""),
    ("pods", "log", "_", rf"/{_NS}_{_POD}_{_UID}/{_IN}/{_TREE}", ""),
    ("pods", "log", "/pods/", rf"/pods/{_NS}_{_POD}_[^/]+/{_IN}/[^/]+$", ""),
    ("containers", "log", "/containers/", r"/containers/(?P<pod>[^/_]+)_(?P<namespace>[^/_]+)_(?P<container>[^/]+)-[0-9a-f]{64}\.log$", ""),
    ("sosreport", "other", "/sosreport-", _SOS, ""),
    ("sosreport", "other", "/sos_commands/", r"", ""),
    # A support bundle's own collectors may be called anything.
    ("support-bundle", "system", "/host-collectors/", r"/host-collectors/.*(?P<ident>kubelet|dmesg|journal)[^/]*$", ""),
    ("support-bundle", "log", "/support-bundle", rf"{_SUPPORT}(?!support-bundle)[^/]+/{_NS}/{_POD}/{_FILE}", ""),
    ("support-bundle", "log", "/support-bundle", rf"{_SUPPORT}(?!support-bundle)[^/]+/{_POD}/{_FILE}", ""),
    ("support-bundle", "other", "/support-bundle", _SUPPORT, ""),
    ("support-bundle", "log", "nfs", r"/(?P<namespace>[^/_]+)/(?P<pod>[^/_]*csi-nfs-[^/_]+)/(?P<container>nfs|csi-[a-z]+?|node-driver-registrar|liveness-probe)(?P<previous>-previous)?\.log(?:\.gz)?$", ""),
    ("cluster-info-dump", "pods", "/pods.", r"/[^/]+/pods\.(?:json|yaml)$", ""),
)  # fmt: skip


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


@lru_cache(maxsize=256)
def of(name: str) -> Place | None:
    """What the path of an input tells; None: it is of no layout that is known."""
    if "/" not in name and "!" not in name:
        return None
    if len(name) > MAX_PATH:
        return None
    path = "/" + name.replace("\\", "/").replace("!", "/").lstrip("/")
    for layout, kind, literal, pattern, ident in _TABLE:
        if literal in path and (found := _compiled(pattern).search(path)):
            return _place(layout, kind, ident, found.groupdict(""))
    return None


def whose(name: str) -> tuple[str, str, str, str, str]:
    """The namespace, pod, container, node and program whose log an input is, "" where its path does not tell."""
    place = of(name)
    if place is None or place.kind not in {"log", "system"}:
        return ("", "", "", "", "")
    return (place.namespace, place.pod, place.container, place.node, place.ident)


def _place(layout: str, kind: str, ident: str, told: dict[str, str]) -> Place:
    instance = int(told["number"]) if told.get("number") else _LATEST
    if told.get("previous"):
        instance = _LATEST - 1
    return Place(
        layout, kind, told.get("namespace", ""), told.get("pod", ""), told.get("container", ""), told.get("node", ""),
        told.get("ident", "").replace("dmesg", "kernel").replace("journal", "") or ident,
        instance, told.get("part") or LIVE, told.get("root", ""),
    )  # fmt: skip


# ---------------------------------------------------------------- order

_NUMBERED = re.compile(r"([0-9]{1,9})\.log(?:\.(.+))?")
_PREVIOUS = re.compile(r"(.*?)[-_.]?(current|previous)?(?:\.insecure)?\.log(?:\.gz)?")


def order(name: str) -> tuple[str, int, str]:
    """What sorts the names in a directory, so that the parts of one log come in the order in which they were written."""
    if found := _NUMBERED.fullmatch(name):
        return ("", int(found[1]), found[2] or LIVE)
    if found := _PREVIOUS.fullmatch(name):
        return (found[1], -1 if found[2] == "previous" else 0, name)
    return (name, 0, name)


# ---------------------------------------------------------------- what is left out

# How much of a log is compared to tell that it is another's copy.  A runtime's stamps are of nanoseconds.
_COMPARED = 4096


def twin(name: str, head: bytes) -> tuple[str, bytes] | None:
    """The layout, and what a log in kubelet's two trees has in common with its copy in the other.

    One is made of links into the other, and whoever follows the links has each log twice.
    """
    place = of(name)
    if place is None or place.layout not in {"pods", "containers"} or not head:
        return None
    # No hash(): it differs from process to process, and copies may be met by several.
    digest = hashlib.blake2b("/".join(place.writer).encode("utf-8", "replace") + b"\n", digest_size=16)
    digest.update(head[:_COMPARED])
    return place.layout, digest.digest()


# What the driver says when it starts, in whatever container.
_BANNERS = (b"Driver: nfs.csi.k8s.io version", b"Driver Name: nfs.csi.k8s.io")
_OF_INTEREST = frozenset(
    {"Event", "List", "Pod", "StorageClass", "PersistentVolume", "PersistentVolumeClaim", "CSIDriver"}
)
_JSON_KIND = re.compile(rb'(?<!\\)"kind":\s*"([A-Za-z]+)"')
_EMPTY = re.compile(rb'^ *"?items"?: *(?:\[\]|null) *,?\r?$', re.MULTILINE)  # as kubectl prints a list of nothing
_YAML_KIND = re.compile(rb"^(?:  |- )?kind: *[\"']?([A-Za-z]+)", re.MULTILINE)


def left_out(name: str, head: bytes) -> str | None:
    """Why a file that was only found is not to be read, one of the reasons above; None: it is.

    Args:
        head: its first bytes, unpacked.
    """
    place = of(name)
    if place is not None and place.kind == "other":
        return OTHER_FILES
    if place is not None and place.kind == "log":
        known = place.is_ours or any(banner in head for banner in _BANNERS)
        return None if known else OTHER_CONTAINERS
    kind = _kind_of_object(head)
    if kind is not None and kind.removesuffix("List") not in _OF_INTEREST and kind != "List":
        return OTHER_OBJECTS
    if kind is not None and kind.endswith("List") and _EMPTY.search(head[:4096]):
        return OTHER_OBJECTS
    return None


def _kind_of_object(head: bytes) -> str | None:
    """The kind of the Kubernetes object, or of the first of those, that a file begins with."""
    start = head[:4096].lstrip()
    if start.startswith(b"{"):
        if b'"apiVersion"' not in start:
            return None
        found = _JSON_KIND.search(start)
    else:
        start = start.removeprefix(b"---").lstrip()
        found = _YAML_KIND.search(start) if start.startswith((b"apiVersion: ", b"kind: ")) else None
    return found[1].decode() if found else None
