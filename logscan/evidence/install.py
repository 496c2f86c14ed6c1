"""How the driver was installed: its DaemonSet and Deployment, or the values given to its chart.

Names and defaults are those of the chart and the manifests of csi-driver-nfs: the node's pod has the kubelet's
directory ``pods`` and the plugin's directory mounted from the host, and the registrar is told the socket's path there.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from logscan.evidence.trees import MAX_TEXT, NOWHERE, Node, Place

WORKLOADS = ("DaemonSet", "Deployment")
DEFAULT_KUBELET_DIR = "/var/lib/kubelet"

_PLUGIN = "/plugins/csi-nfsplugin"
_REGISTRATION = re.compile(rf"--kubelet-registration-path=(?P<dir>/\S*?){_PLUGIN}\S*")
_MOUNT_PERMISSIONS = re.compile(r"--mount-permissions=(?P<mode>[0-7]+)")


@dataclass(frozen=True, slots=True)
class Install:
    """One of the driver's two workloads; "" is not told."""

    role: str  # "controller" | "node"
    kubelet_dir: str = ""  # the kubelet's root directory, as the driver was told it
    dns_policy: str = ""  # in force
    mount_permissions: str = ""  # octal, of all volumes whose class does not say
    place: Place = NOWHERE


# ---------------------------------------------------------------- workloads


def of_workload(node: Node, source: str) -> Install | None:
    """What a DaemonSet or Deployment tells; None if it is not the driver's."""
    pod = node.get("spec", "template", "spec")
    if pod is None:
        return None
    words = [word for container in _items(pod.get("containers")) for word in _words(container)]
    paths = [path for volume in _items(pod.get("volumes")) if (path := volume.str("hostPath", "path").rstrip("/"))]
    if not any("nfsplugin" in word or "csi-nfs" in word for word in (*words, *paths)):
        return None
    told = [found["dir"] for word in words if (found := _REGISTRATION.search(word))]
    told += [word.partition(_PLUGIN)[0] for word in words if word.startswith("/") and f"{_PLUGIN}/csi.sock" in word]
    told += [path.removesuffix(_PLUGIN) for path in paths if path.endswith(_PLUGIN)]
    told += [path.removesuffix("/pods") for path in paths if path.endswith("/pods")]
    modes = [found["mode"] for word in words if (found := _MOUNT_PERMISSIONS.search(word))]
    return Install(
        "node" if node.str("kind") == "DaemonSet" else "controller",
        # Only the node's pod works in the kubelet's directory; the controller has it mounted for no use.
        posixpath.normpath(told[0]) if told and node.str("kind") == "DaemonSet" else "",
        _in_force(pod.str("dnsPolicy") or "ClusterFirst", host_network=pod.str("hostNetwork") == "true"),
        modes[0] if modes else "",
        Place(source, node.line),
    )


def _in_force(policy: str, *, host_network: bool) -> str:
    """Kubernetes gives a pod on the host's network the node's DNS, unless its policy says ClusterFirstWithHostNet."""
    return "Default" if policy == "ClusterFirst" and host_network else policy


def _items(node: Node | None) -> tuple[Node, ...]:
    return node.items if node is not None else ()


def _words(container: Node) -> Iterator[str]:
    """Image, arguments and environment of a container."""
    yield container.str("image")
    for key in ("args", "command"):
        yield from (item.text for item in _items(container.get(key)) if item.kind == "text")
    yield from (item.str("value") for item in _items(container.get("env")))


# ---------------------------------------------------------------- the chart's values

# Of the chart's values these few are no other chart's.
_OWN = re.compile(
    r"^kubeletDir:|^[ ]+(?:enableFSGroupPolicy|enableInlineVolume|propagateHostMountOptions|workingMountDir"
    r"|useTarCommandInSnapshot|runOnControlPlane):|^[ ]+name:[ ]*[\"']?nfs\.csi\.k8s\.io|csi-driver-nfs|/nfsplugin",
    re.MULTILINE,
)
_TOP = re.compile(r"^(?P<key>[A-Za-z]\w*):", re.MULTILINE)
_KEYS = frozenset({
    "customLabels", "image", "serviceAccount", "rbac", "driver", "feature", "kubeletDir", "controller", "node",
    "externalSnapshotter", "imagePullSecrets", "storageClass", "storageClasses", "volumeSnapshotClass",
})  # fmt: skip
# What helm get values prints above them.
_HEADING = re.compile(r"\A\s*(?:USER-SUPPLIED|COMPUTED) VALUES:[ \t]*\r?\n")


def is_values(text: str) -> bool:
    """Whether the whole of *text* is values for the driver's chart, as a file or as ``helm get values`` prints them."""
    if len(text) > MAX_TEXT:
        return False
    text, headed = without_heading(text.removeprefix("\ufeff"))
    keys = {found["key"] for found in _TOP.finditer(text)}
    if not keys or not keys <= _KEYS or not _OWN.search(text):
        return False
    plain = all(not line.strip() or line[0] in " #-\t\r" or _TOP.match(line) for line in text.split("\n"))
    return plain and (headed or len(keys) > 1 or "kubeletDir" in keys or "feature" in keys)


def without_heading(text: str) -> tuple[str, bool]:
    """The YAML alone, and whether helm's heading stood above it."""
    bare = _HEADING.sub("\n", text, count=1)
    return bare, bare != text


def of_values(root: Node, source: str) -> tuple[Install, Install]:
    """What the values make of the node's and of the controller's workload; what they leave out is the chart's default."""
    mode = root.str("driver", "mountPermissions")
    directory = posixpath.normpath(root.str("kubeletDir") or DEFAULT_KUBELET_DIR)
    found = []
    for role in ("node", "controller"):
        policy = root.str(role, "dnsPolicy")
        found.append(
            Install(
                role,
                directory if role == "node" else "",
                _in_force(policy, host_network=True) if policy else "",
                mode,
                Place(source, root.line),
            )
        )
    return found[0], found[1]
