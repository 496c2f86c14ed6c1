"""What CSI and this driver mean by their strings: ids, paths, mounts, errors, versions.

Facts are of the driver's sources, v2.0.0 to v4.13.4 and the master branch after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from logscan.model import Origin

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


# ---------------------------------------------------------------- volume ids


class VolumeId(NamedTuple):
    """A CSI volume handle, taken apart.  ``share`` begins with "/" as it is mounted."""

    server: str
    share: str
    subdir: str
    uuid: str = ""  # the PV's name; only written when the class sets subDir
    on_delete: str = ""  # "retain", "archive" or "" in the case that the user typed
    format: str = "hash"  # hash: v3.1.0 and newer; slash: v3.0.0

    @property
    def volume(self) -> str:
        """The PV's name as far as the handle tells it."""
        return self.uuid or self.subdir


def parse_volume_id(handle: str) -> VolumeId | None:
    """Take a volume handle apart; None for a static PV's free text.

    ``server#share#subdir[#uuid[#onDelete]]`` since v3.1.0, ``server/share/subdir``
    in v3.0.0.  Empty parts stay, and share "/" is written as an empty part.
    """
    parts = handle.split("#")
    if len(parts) >= 3:
        if not parts[0]:
            return None
        uuid = parts[3] if len(parts) > 3 else ""
        on_delete = parts[4] if len(parts) > 4 else ""
        return VolumeId(parts[0], "/" + parts[1].strip("/"), parts[2], uuid, on_delete)
    if len(parts) == 1 and handle.count("/") >= 2 and not handle.startswith("/"):
        server, _, rest = handle.partition("/")
        share, _, subdir = rest.rpartition("/")
        if server and subdir:
            return VolumeId(server, "/" + share.strip("/"), subdir, format="slash")
    return None


# ---------------------------------------------------------------- paths

_POD_VOLUME = re.compile(r"/pods/(?P<pod>[^/\s]+)/volumes/kubernetes\.io~csi/(?P<volume>[^/\s]+)(?:/mount)?")
_VOLUME_NAME = re.compile(rf"pvc-{UUID}")


class Target(NamedTuple):
    """Where a path of the driver lies, and whose it is."""

    where: str  # "share": on the NFS share; "container": in the driver's own; "node": below kubelet's directory
    volume: str = ""
    pod_uid: str = ""


# Directories that a controller works in: --working-mount-dir, "/tmp" unless set.
WORKING_DIRS = ("/tmp",)  # noqa: S108 - the driver's default, not ours


# A call prints its target on every line; most lines of a log are asked again at once.
@lru_cache(maxsize=1024)
def parse_path(path: str) -> Target:
    """Tell where *path* lies by its shape.

    The controller mounts a share at ``/tmp/<pv>``: one part below the working
    directory is in the container, two are on the share.  kubelet's targets hold
    ``/pods/<uid>/volumes/kubernetes.io~csi/<pv>/mount``, wherever its root is.
    """
    if found := _POD_VOLUME.search(path):
        return Target("node", found["volume"], found["pod"])
    for base in WORKING_DIRS:
        if path == base or path.startswith(base + "/"):
            parts = [part for part in path[len(base) :].split("/") if part]
            # "pvc-<uid>" is a text about logs, or a log whose names were taken out: it names nobody.
            volume = parts[0] if parts and "<" not in parts[0] else ""
            return Target("share" if len(parts) > 1 else "container", volume)
    if "/kubelet/" in path or path.startswith("/var/lib/kubelet"):
        return Target("node")
    # A working directory set by --working-mount-dir: known by the PV name that it repeats.
    names = _VOLUME_NAME.findall(path)
    if len(names) >= 2:
        return Target("share", names[0])
    if names:
        tail = path.partition(names[0])[2]
        return Target("share" if tail.strip("/") else "container", names[0])
    return Target("unknown")


def below_share(path: str) -> tuple[str, str]:
    """What stands in the place of a share in a path of the controller, and the rest of it: ("pvc-…", "team/web").

    ("", "") where *path* does not lie on a share.
    """
    where = parse_path(path)
    if where.where != "share" or not where.volume:
        return "", ""
    return where.volume, path.partition(f"/{where.volume}/")[2].strip("/")


class Subject(NamedTuple):
    """Whom a text is about; "" is unknown."""

    volume: str = ""
    handle: str = ""
    target: str = ""  # the path that told


_PATH = re.compile(r"(?<![\w:.])(?:/[^\s\"'/:,)\\]+)+")
_HANDLE = re.compile(r"nfs\.csi\.k8s\.io\^(?P<handle>[^\s\"'\\)]+)")
_BY_HAND = re.compile(r"(?:^|[\s$#/>])mount (?:-[vfs]+ )*-t nfs4? ")
_QUOTED_VOLUME = re.compile(r"(?:for volume|[Vv]olume) \\?\"(?P<volume>[^\"\\\s]+)\\?\"")
_BUSY = re.compile(r"with the given Volume ID (?P<handle>\S+) already exists")
_SNAPSHOT_OF = re.compile(r"take snapshot of the volume (?P<handle>[^\s#:]+#[^\s:]+)")
_CLAIM = re.compile(rf"(?:claim \\?\"|claimUID=\"?|syncing claim\"? key=\"?)(?P<uid>{UUID})")


def subject_of(text: str) -> Subject:
    """Tell whom *text* is about: the strongest key first.

    The target of a mount, then a target or working path, then a handle, a
    quoted PV name, a claim's uid (a PV is named ``pvc-<uid>``), a bare name.
    """
    if mount := parse_mount(text):
        where = parse_path(mount.target)
        if where.where == "container" and _BY_HAND.search(text):  # a directory to try in is no volume
            return Subject(volume_in(text) or "")
        if where.volume:
            return Subject(where.volume, "", mount.target)
    snapshot = None
    for found in _PATH.finditer(text):
        where = parse_path(found[0])
        if where.volume.startswith("snapshot-"):  # its own directory: whose it is may be said as well
            snapshot = snapshot or Subject(where.volume, "", found[0])
        elif where.volume:
            return Subject(where.volume, "", found[0])
    if found_handle := _BUSY.search(text) or _HANDLE.search(text) or (snapshot and _SNAPSHOT_OF.search(text)):
        handle = found_handle["handle"]
        parsed = parse_volume_id(handle)
        quoted = _QUOTED_VOLUME.search(text)
        name = parsed.volume if parsed else (quoted["volume"] if quoted else handle)
        return Subject(name, handle if parsed or name != handle else "")
    if snapshot:
        return snapshot
    if quoted := _QUOTED_VOLUME.search(text):
        return Subject(quoted["volume"])
    if claim := _CLAIM.search(text):
        return Subject(f"pvc-{claim['uid']}")
    return Subject(volume_in(text) or "")


_PODS = re.compile(rf"/pods/{UUID}/(?:volumes|volume-subpaths|plugins|containers|etc-hosts)\b")
_NO_PATH = re.compile(r"[\s\"':,=]")
_MAX_PATH = 4096  # characters


_ANY_HANDLE = re.compile(r"(?<![^\s\"'\\(^=])[^\s\"'\\()^#]+#[^\s\"'\\()^#]*#[^\s\"'\\()^]+")


def handle_in(text: str, volume: str) -> VolumeId | None:
    """The first handle in *text* that names *volume*, wherever it stands; None where there is none."""
    if "#" not in text:
        return None
    for found in _ANY_HANDLE.finditer(text):
        parsed = parse_volume_id(found[0].rstrip(":,;."))
        if parsed is not None and volume in {parsed.uuid, parsed.subdir}:
            return parsed
    return None


def kubelet_dir(text: str) -> str:
    """The root directory of the kubelet that a path of a pod in *text* shows, "" where there is none."""
    # From what stands behind it backwards: a pattern that begins with any "/" takes the square of a text of slashes.
    for found in _PODS.finditer(text):
        word = _NO_PATH.split(text[max(0, found.start() - _MAX_PATH) : found.start()])[-1]
        if "/" in word:
            return word[word.index("/") :]
    return ""


def names_source(text: str) -> bool:
    """Whether the volume or snapshot that an error's paths name is the one copied from: it is not what failed."""
    return "failed to copy volume" in text or "src nfs server for snapshot volume copy" in text


_OPERATION = re.compile(
    rf"(?P<operation>MountVolume\.SetUp|UnmountVolume\.TearDown) (?:succeeded|failed) for volume [\s\S]*?"
    rf"\(UID: \\?\"(?P<pod>{UUID})"
)


def kubelet_operation(text: str) -> tuple[str, str, str] | None:
    """What kubelet did, for which volume and for the pod of which uid; None if *text* does not tell.

    ``MountVolume.SetUp succeeded for volume "pvc-…" (UniqueName: …) pod "web-0" (UID: "…")``, and the same with "failed";
    a TearDown that succeeded names the volume by its handle only.
    """
    found = _OPERATION.search(text)
    volume = subject_of(text).volume if found else ""
    return (found["operation"], volume, found["pod"]) if found and volume else None


# Whom kubelet asks, in its UniqueName, and the identity that a provisioner, resizer or snapshotter puts under its
# events: <driver>_<node>_<uuid>.
_ASKED = re.compile(
    r"kubernetes\.io/csi/(?P<driver>[a-z0-9][-a-z0-9.]*)(?:\^|/[0-9a-f]+/globalmount)"
    r"|Mounting arguments: -t (?P<type>(?!nfs)\w[\w.-]*)"
)
_REPORTER = re.compile(r"(?P<type>)(?P<driver>[a-z0-9][-a-z0-9]*(?:\.[-a-z0-9]+)+(?:/[-a-z0-9.]+)?)_\S+")


def other_driver(text: str, reporter: str = "") -> str:
    """The storage driver that a text is about where it is certainly not this one, else "".

    This driver may be given another name (``--drivername``), which has NFS in it if anything has.

    Args:
        reporter: who reported an event, "" if it is no event or that is not known.
    """
    found = _ASKED.search(text) or (_REPORTER.fullmatch(reporter.rsplit(" ", maxsplit=1)[-1]) if reporter else None)
    if found is None or "nfs.csi.k8s.io" in text:
        return ""
    driver = found["driver"] or found["type"]
    return driver if "nfs" not in driver or "/" in driver or "democratic-csi" in driver else ""


# The last is a stand-in: see redact.py.
_DRIVERS_POD = re.compile(r"csi-[a-z]+-(?:node|controller)|-csi-(?:node|controller|driver)|^csi-[a-z0-9]+$")
_DRIVERS_CONTAINER = re.compile(r"csi|plugin|driver|liveness|snapshotter|resizer|provisioner|attacher|registrar")


@lru_cache(maxsize=1024)  # asked of each line of a container
def other_pod(pod: str, container: str) -> bool:
    """Whether a container's log is certainly that of another storage driver, by the names of pod and container."""
    if "csi" not in pod or not container or container == "nfs":
        return False
    if not (_DRIVERS_CONTAINER.search(container) or _DRIVERS_POD.search(pod)):
        return False
    return "nfs" not in pod or "democratic-csi" in pod


def foreign(origin: Origin) -> bool:
    """Whether lines of *origin* are certainly another storage driver's; see other_pod."""
    return bool(origin.pod) and other_pod(origin.pod, origin.container)


def names_volume(text: str) -> bool:
    """Whether *text*, which may be cut down to its shape, is certainly about an NFS mount or a volume of CSI."""
    return any(word in text for word in ("kubernetes.io~csi", "NFS file handle", "mount.nfs", "nfs.csi.k8s.io^"))


def volume_in(text: str) -> str | None:
    """The first provisioned volume's name (``pvc-<uuid>``) in *text*."""
    found = _VOLUME_NAME.search(text)
    return found[0] if found else None


# ---------------------------------------------------------------- mounts


class Mount(NamedTuple):
    """The arguments of one mount(8) as the driver gave them."""

    server: str
    path: str
    target: str
    options: str  # comma separated, "" for none; blanks inside are the user's
    fs: str = "nfs"

    @property
    def source(self) -> str:
        """``server:path``, as mount.nfs prints it."""
        return f"{self.server}:{self.path}"


# The options may hold blanks (a class that says "nfsvers=4.1 , hard"), so they end where a
# source and a target that end the line begin.  A raw IPv6 address is split at ":/".
_MOUNT_ARGUMENTS = re.compile(
    r"-t (?P<fs>\S+) (?:-o (?P<options>[^\n]*?) )?(?P<server>\[[^\]\s]+\]|[^\s/]+?):(?P<path>/[^\s]*) (?P<target>/[^\s)]+)"
)


def parse_mount(text: str) -> Mount | None:
    """Find the mount(8) arguments in *text* (``-t nfs [-o …] S:P T``)."""
    found = _MOUNT_ARGUMENTS.search(text)
    if not found:
        return None
    return Mount(found["server"], found["path"], found["target"], found["options"] or "", found["fs"])


def split_source(source: str) -> tuple[str, str]:
    """``server:/path`` to its two parts; an IPv6 server without brackets."""
    server, separator, path = source.partition(":/")
    return (bare_server(server), "/" + path) if separator else (bare_server(source), "")


def bare_server(server: str) -> str:
    """A server's name or address; IPv6 without the brackets that only a source has."""
    return server[1:-1] if server.startswith("[") and server.endswith("]") else server


_VERSION_OPTION = re.compile(r"(?:^|[,\s])(?:nfsvers|vers|v)=?(?P<version>[0-9][0-9.]*)(?=$|[,\s])")


def mount_version(options: str) -> str:
    """The NFS version that *options* pin: "3", "4", "4.1" …, or "auto".

    The last one wins, as it does for mount.nfs; ``v4.1`` and ``minorversion=`` count.
    """
    found = _VERSION_OPTION.findall(options)
    if not found:
        return "auto"
    version = str(found[-1])
    if version == "4" and (minor := re.search(r"minorversion=(\d)", options)):
        return f"4.{minor[1]}"
    return version


def mount_flavour(options: str) -> str:
    """The value of ``sec=`` in *options*, "" if there is none."""
    found = re.findall(r"(?:^|[,\s])sec=([^,\s]+)", options)
    return str(found[-1]) if found else ""


def server_kind(server: str) -> str:
    """Tell "ipv4", "ipv6" or "name"."""
    if re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){3}", server):
        return "ipv4"
    return "ipv6" if server.startswith("[") or server.count(":") >= 2 else "name"


# ---------------------------------------------------------------- errors

# A desc may hold a whole error again: "failed to mount nfs server: rpc error: code = …".
_STATUS = re.compile(r"rpc error: code = (?P<code>\w+) desc = ?")


class Status(NamedTuple):
    """A gRPC error: the outer code is the call's, the innermost text is the cause's."""

    code: str
    desc: str
    innermost: str


def parse_status(text: str) -> Status | None:
    """Find ``rpc error: code = C desc = D`` in *text*, nested ones included."""
    first = _STATUS.search(text)
    if not first:
        return None
    desc = text[first.end() :]
    last = first
    for found in _STATUS.finditer(text, first.end()):
        last = found
    return Status(first["code"], desc.strip(), text[last.end() :].strip())


# errno by the words of Go (lower case) and of glibc and mount.nfs (capitals).
ERRNOS = {
    "permission denied": "EACCES",
    "operation not permitted": "EPERM",
    "read-only file system": "EROFS",
    "stale nfs file handle": "ESTALE",
    "stale file handle": "ESTALE",
    "no such file or directory": "ENOENT",
    "device or resource busy": "EBUSY",
    "directory not empty": "ENOTEMPTY",
    "disk quota exceeded": "EDQUOT",
    "no space left on device": "ENOSPC",
    "input/output error": "EIO",
    "remote i/o error": "EREMOTEIO",
    "file exists": "EEXIST",
    "not a directory": "ENOTDIR",
    "connection refused": "ECONNREFUSED",
    "connection timed out": "ETIMEDOUT",
    "host is down": "EHOSTDOWN",
    "no route to host": "EHOSTUNREACH",
    "network is unreachable": "ENETUNREACH",
    "protocol not supported": "EPROTONOSUPPORT",
    "invalid argument": "EINVAL",
    "file name too long": "ENAMETOOLONG",
    "resource temporarily unavailable": "EAGAIN",
    "no such device": "ENODEV",
    "transport endpoint is not connected": "ENOTCONN",
}


def errno_in(text: str) -> str:
    """The last errno text in *text* as its name ("EROFS"), "" if there is none."""
    # A look for each is eight times as fast as one alternation without regard to case.
    low = text.lower()
    last, length, name = -1, 0, ""
    for words, errno in ERRNOS.items():
        at = low.rfind(words)
        if at > last or (at == last >= 0 and len(words) > length):
            last, length, name = at, len(words), errno
    return name


# ---------------------------------------------------------------- versions

# Source lines that tell the driver's version: anchor -> {line: versions}.
# One row a release: call, error, response (utils.go), internally mounting, internally
# unmounting (controllerserver.go), NodePublishVolume:, succeeded (nodeserver.go), Mounting cmd,
# Mount failed (mount_linux.go).  0 stands for "not printed by this version".
_ROWS: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("v2.0.0", (46, 50, 52, 0, 0, 0, 0, 138, 143)),
    ("v3.0.0", (86, 91, 93, 252, 270, 77, 0, 180, 184)),
    ("v3.1.0", (86, 91, 93, 269, 287, 95, 0, 183, 195)),
    ("v4.0.0", (86, 91, 93, 275, 290, 111, 131, 183, 195)),
    ("v4.1.0", (88, 93, 95, 285, 300, 129, 148, 183, 195)),
    ("v4.2.0", (88, 93, 95, 287, 302, 123, 142, 220, 232)),
    ("v4.3.0", (106, 111, 113, 453, 468, 123, 142, 220, 232)),
    ("v4.4.0", (106, 111, 113, 445, 460, 123, 142, 220, 232)),
    ("v4.5.0", (107, 112, 114, 457, 472, 123, 142, 220, 232)),
    ("v4.6.0", (109, 114, 116, 455, 470, 132, 151, 218, 230)),
    ("v4.7.0", (109, 114, 116, 462, 477, 132, 151, 218, 230)),
    ("v4.8.0", (109, 114, 116, 465, 480, 132, 151, 218, 230)),
    ("v4.9.0", (110, 115, 117, 496, 511, 132, 151, 218, 230)),
    ("v4.10.0", (110, 115, 117, 524, 539, 133, 155, 270, 282)),
    ("v4.11.0", (111, 116, 118, 523, 538, 133, 155, 270, 282)),
    ("v4.12.0", (111, 116, 118, 501, 516, 133, 155, 270, 282)),
    ("v4.12.1", (111, 116, 118, 501, 516, 133, 155, 270, 282)),
    ("v4.13.0", (111, 116, 118, 509, 524, 133, 157, 270, 282)),
    ("v4.13.1", (111, 116, 118, 509, 524, 137, 161, 270, 282)),
    ("v4.13.2", (111, 116, 118, 509, 524, 137, 161, 270, 282)),
    ("v4.13.3", (111, 116, 118, 514, 529, 153, 177, 270, 282)),
    ("v4.13.4", (111, 116, 118, 514, 529, 153, 177, 270, 282)),
    ("master", (111, 116, 127, 536, 554, 153, 177, 270, 282)),
)
ANCHORS = (
    ("utils.go", "GRPC call: "),
    ("utils.go", "GRPC error: "),
    ("utils.go", "GRPC response: "),
    ("controllerserver.go", "internally mounting "),
    ("controllerserver.go", "internally unmounting "),
    ("nodeserver.go", "NodePublishVolume: "),
    ("nodeserver.go", "volume("),
    ("mount_linux.go", "Mounting cmd ("),
    ("mount_linux.go", "Mount failed: "),
)
_ANCHOR_PREFIXES = tuple(prefix for _, prefix in ANCHORS)


# The driver logs from some 150 places; a hostile log could name a new one on each line.
MAX_PLACES = 1_000


class Fingerprint:
    """Narrows the driver's version down by where in the source its lines were printed.

    A version counts only if *all* anchors that were seen agree; vendors ship
    builds with shifted lines, and half an agreement would name a wrong release.
    """

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()
        self._places: set[tuple[str, int]] = set()

    def see(self, file: str, line: int, message: str) -> None:
        """Take note of one record's place in the source."""
        place = (file, line)
        # One place in the source prints one message: what was looked at once says no more.
        if place in self._places:
            return
        if len(self._places) < MAX_PLACES:
            self._places.add(place)
        if not message.startswith(_ANCHOR_PREFIXES):
            return
        for index, (anchor_file, prefix) in enumerate(ANCHORS):
            if file == anchor_file and message.startswith(prefix):
                if len(self._seen) < MAX_PLACES:
                    self._seen.add((index, line))
                return

    def versions(self) -> tuple[str, ...]:
        """The releases that agree with every anchor, oldest first; () for none."""
        if not self._seen:
            return ()
        return tuple(version for version, row in _ROWS if all(row[index] == line for index, line in self._seen))


# How the messages begin that state the version: the start, GetPluginInfo's answer, and the block below the start.
BANNERS = ("Driver: ", 'GRPC response: {"name"', "DRIVER INFORMATION", "\nDRIVER INFORMATION")
_BANNER = re.compile(r"^Driver: (?P<name>\S+) version: (?P<version>\S+)")
_BLOCK_VERSION = re.compile(r"^Driver Version: *(?P<version>v?\d\S*)", re.MULTILINE)
_VENDOR_VERSION = re.compile(r'"name":"nfs\.csi\.k8s\.io"[^}]*"vendor_version":"(?P<version>[^"]+)"')


def banner_version(message: str) -> str | None:
    """The version that the driver's first line (or GetPluginInfo) states, with a "v"."""
    found = _BANNER.match(message) or _VENDOR_VERSION.search(message) or _BLOCK_VERSION.search(message)
    if not found or found["version"] in {"N/A", ""}:
        return None
    version = found["version"]
    return version if not version[0].isdigit() else f"v{version}"  # v3.0.0 printed it bare


# How drivers of other stores say who they are when they start, and where kubelet has them stage a volume.
_SPEAKER = re.compile(
    r"^(?:driver: |Driver: |\"?Starting driver type: .{0,60}? with name: )(?P<name>[a-z0-9][-a-z0-9.]*)"
    r"|\bDriver(?: Information)?\"? ?[dD]river(?:Name)?=\"?(?P<field>[a-z0-9][-a-z0-9]*\.[-a-z0-9.]+)"
    r"|kubernetes\.io/csi/(?P<staged>[a-z0-9][-a-z0-9.]*)/[-0-9a-z]+/globalmount"
)


def speaker(message: str) -> str:
    """The name of the driver whose log this is, where a driver says so; "" where it does not."""
    if "river" not in message and "/globalmount" not in message:
        return ""
    found = _SPEAKER.search(message)
    return (found["name"] or found["field"] or found["staged"]) if found else ""


def version_span(versions: Iterable[str]) -> str | None:
    """Write some neighbouring versions as one: "v4.6.0" or "v4.6.0-v4.8.0"."""
    names = list(versions)
    if not names:
        return None
    return names[0] if len(names) == 1 else f"{names[0]}-{names[-1]}"


def version_key(version: str) -> tuple[int, ...]:
    """Sort key of "v4.10.0"; "master" is newer than every release."""
    if version == "master":
        return (1 << 30,)
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


_COMPARISON = re.compile(r"\s*(>=|<=|==|=|<|>)?\s*v?(\d+(?:\.\d+)*)\s*")


def version_matches(version: str, spec: str) -> bool:
    """Whether *version* ("v4.6.0", or a span "v4.6.0-v4.8.0") lies wholly in *spec* (">=4.1,<4.5")."""
    ends = re.findall(r"master|(?<![\w.])v?\d[\d.]*", version)
    return bool(ends) and all(_in_range(version_key(end), spec) for end in ends)


def _in_range(key: tuple[int, ...], spec: str) -> bool:
    for part in spec.split(","):
        found = _COMPARISON.fullmatch(part)
        if not found:
            return False
        bound = version_key(found[2])
        size = max(len(key), len(bound))
        left, right = (side + (0,) * (size - len(side)) for side in (key, bound))
        sign = found[1] or "=="
        if not {
            ">=": left >= right, "<=": left <= right, "<": left < right, ">": left > right,
        }.get(sign, left == right):  # fmt: skip
            return False
    return True
