"""The words that a rule may use: categories, fields of ``when``, names in templates.

Lint, ``rules explain``, the JSON Schema and the docs all read these tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from logscan.model import COMPONENTS, RECORD_KINDS

CATEGORIES: Mapping[str, str] = {
    "client-not-allowed": "The server answers but its export list does not admit this client.",
    "path-not-exported": "The path, as it was asked for, is none of the server's exports.",
    "path-missing-on-server": "The server says that the path does not exist.",
    "wrong-share-path": "The share mounts but is no export: the read-only NFSv4 pseudo-root or a directory above an export.",
    "mount-busy": "The target is already mounted, in use, or mounted with other options.",
    "mount-unprivileged": "The container may not mount: not privileged, or seccomp or AppArmor forbids it.",
    "kernel-module-missing": "The node's kernel has no NFS, or not the version that was asked for.",
    "tls-auth": "Transport encryption (xprtsec=tls or mtls) is refused or not possible.",
    "io-error": "The server, or a soft mount that gave up, answered with an input/output error.",
    "mount-failed": "A mount failed and nothing in the log says why.",
    "unmount-busy": "An unmount or its clean-up was refused because the target is in use or mounted twice.",
    "delete-failed": "The directory of a deleted volume cannot be removed or archived.",
    "restore-failed": "A volume could not be filled from its snapshot or from the volume it clones.",
    "driver-crash": "The driver or a sidecar ended by a panic or a fatal error.",
    "startup-failed": "The driver cannot start: a bad flag, endpoint, socket or registration.",
    "export-read-only": "The mounted share is exported or mounted read-only, so writing fails.",
    "root-squash": "The server maps root to a user without rights there, so mkdir or chown is denied.",
    "chmod-not-permitted": "The chmod that mountPermissions asks for is refused.",
    "fsgroup-failed": "Kubelet cannot give the volume the group that fsGroup asks for.",
    "app-permission": "The mount works; only the application's own user lacks rights on the volume.",
    "mount-eperm": "mount.nfs got EPERM: SELinux, an unprivileged source port, or the security flavour.",
    "mount-eagain": "mount.nfs got EAGAIN: a resource was not available at that moment.",
    "kerberos-auth": "sec=krb5 is asked for where there is no gssd or no keytab.",
    "server-unreachable": "The server does not answer: timed out, no route, or dropped by a firewall.",
    "server-refused": "The host answers but nothing listens on the port.",
    "nfs-version-mismatch": "One side does not speak the NFS version or protocol that the other wants.",
    "statd-missing": "An NFSv3 mount wants locks (no nolock) and rpc.statd does not run.",
    "mount-helper-missing": "The program mount.nfs is not installed where the mount happens.",
    "bad-mount-option": "A mount option is misspelt or not valid for this mount.",
    "dns": "The server's name does not resolve where the mount happens.",
    "stale-handle": "The server no longer knows a file handle: the export or its file system was replaced.",
    "driver-not-registered": "Kubelet on that node does not know the driver.",
    "wrong-kubelet-dir": "The driver was installed for another kubelet root directory than the node has.",
    "plugin-unreachable": "The driver's socket does not answer the sidecar or kubelet.",
    "provisioner-not-running": "Nobody acts on the claim: the controller does not run or serves another name.",
    "port-conflict": "A port of the host that the driver needs is taken, usually by a second pod of it.",
    "oom": "The memory limit was reached and the driver or a mount.nfs was killed.",
    "wrong-arch": "The image is for another processor than the node's.",
    "admission-denied": "Pod security admission or an SCC forbids the driver's pods.",
    "rbac": "A service account lacks a right that it needs.",
    "leader-election": "A sidecar lost its lease for good and ended.",
    "deadline-exceeded": "Only a time-out is to be seen, not what took so long.",
    "operation-in-progress": "An earlier operation on the volume has not ended and blocks this one for good.",
    "unmount-hang": "An unmount never ends.",
    "orphaned-pod": "Directories of pods that are gone were left on the node.",
    "missing-parameter": "A parameter that the driver needs, like server or share, is not there.",
    "invalid-argument": "The driver or a sidecar rejects a parameter or its value.",
    "volume-id-format": "The volume handle cannot be parsed, so deletion silently does nothing.",
    "delete-missing-mount-options": "Deleting mounts the share without the class's mountOptions and fails.",
    "working-dir-read-only": "The driver cannot write its own working directory; no NFS is involved.",
    "snapshot-failed": "Taking or deleting a snapshot failed: tar, a time limit, or the source's path.",
    "snapshot-crd-missing": "The custom resources of snapshot.storage.k8s.io are not installed.",
    "unsupported": "The driver does not do what is asked of it, like inline volumes or expansion.",
    "no-space": "The file system or a quota of the server is full.",
    "driver-bug": "A defect of the driver or of its image, mostly with a version that mends it.",
    "insufficient-evidence": "There are only symptoms, or nothing wrong in this log though something is.",
    "healthy": "Nothing is wrong; lines that only look bad are allowed.",
}


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field of a ``when``: ``type`` decides which operators it has."""

    type: str  # a key of OPERATORS
    meaning: str
    values: tuple[str, ...] = ()  # all that it can be; (): open


# What a value of each type may be compared by; "is" is a plain value or a list of them.
OPERATORS: Mapping[str, tuple[str, ...]] = {
    "text": ("is", "matches", "missing"),
    "number": ("is", "matches", "missing"),
    "flag": ("is", "missing"),
    "path": ("is", "matches", "missing", "under"),
    "version": ("is", "matches", "missing", "version"),
    "any": ("is", "matches", "missing", "under", "version"),
    "rules": ("is", "missing"),
    "count": ("at_least",),
    "finding": ("followed_by",),
    "call": ("no_completion",),
}

_MOUNT_VERSIONS = ("2", "3", "4", "4.0", "4.1", "4.2", "auto")  # auto: not pinned

FIELDS: Mapping[str, FieldInfo] = {
    "record.severity": FieldInfo("text", "severity of the record", ("info", "warning", "error", "fatal", "unknown")),
    "record.file": FieldInfo("text", "source file that logged it, like utils.go"),
    "record.source_line": FieldInfo("number", "line in that source file"),
    "record.message": FieldInfo("text", "text of the record, continuation lines joined by newlines"),
    "record.kind": FieldInfo("text", "grammar that the record was written in", RECORD_KINDS),
    "component": FieldInfo("text", "program that wrote the record", COMPONENTS),
    "pod": FieldInfo("text", "name of the pod that wrote the record, or that an event is about"),
    "role": FieldInfo("text", 'which of the driver\'s pods wrote it; "" where unknown', ("controller", "node", "")),
    "capture.*": FieldInfo("any", "a named group of the rule's pattern"),
    "path.where": FieldInfo(
        "text", "where the captured path, else the mount target, lies", ("share", "container", "node", "unknown")
    ),
    "call.method": FieldInfo("text", "gRPC method, like CreateVolume"),
    "call.code": FieldInfo("text", "gRPC code of the failure, like Internal"),
    "call.attempt": FieldInfo("number", "how many times this was tried, from 1"),
    "call.seconds": FieldInfo("number", "how long the call took, seconds"),
    "call.target": FieldInfo("path", "target path of the call"),
    "call.outcome": FieldInfo("text", "how the call ended", ("open", "ok", "failed", "killed")),
    "call.step": FieldInfo(
        "text",
        "how far the call got, by the last line of it",
        (
            "mounting",
            "publish",
            "mount",
            "mount-failed",
            "chmod",
            "mounted",
            "succeeded",
            "unmounting",
            "unmounted",
            "retained",
        ),
    ),
    "call.request.*": FieldInfo("any", "a value in the JSON of the request, like parameters.share"),
    "mount.options": FieldInfo("text", 'options of the mount, comma separated; "" if none were given'),
    "mount.version": FieldInfo("version", 'NFS version that the options pin: 3, 4, 4.1 …; "auto" if none'),
    "mount.server": FieldInfo("text", "server of the mount"),
    "mount.path": FieldInfo("path", "path on the server that was mounted"),
    "mount.target": FieldInfo("path", "directory that it was mounted on"),
    "mount.server_kind": FieldInfo("text", "how the server is named", ("ipv4", "ipv6", "name")),
    "mount.flavour": FieldInfo("text", 'value of the option sec=; "" if there is none'),
    "volume.name": FieldInfo("text", "name of the PersistentVolume, else its handle"),
    "volume.handle": FieldInfo("text", "CSI volume id"),
    "volume.pvc": FieldInfo("text", "name of the claim"),
    "volume.namespace": FieldInfo("text", "namespace of the claim"),
    "volume.server": FieldInfo("text", "server of the volume"),
    "volume.share": FieldInfo("path", 'share of the volume with a leading "/"; "/" is the server\'s root'),
    "volume.subdir": FieldInfo("text", "directory of the volume in its share"),
    "volume.id_format": FieldInfo("text", "which shape of volume id its handle has"),
    "volume.rules": FieldInfo("rules", "rules that hit this volume"),
    "server.rules": FieldInfo("rules", "rules that hit this server anywhere in the log"),
    "server.works": FieldInfo("flag", "whether some mount of this server succeeded"),
    "server.works_versions": FieldInfo("version", "NFS versions by which this server was mounted", _MOUNT_VERSIONS),
    "share.rules": FieldInfo("rules", "rules that hit this path of this server"),
    "share.works": FieldInfo("flag", "whether this path of this server was mounted"),
    "share.works_versions": FieldInfo("version", "NFS versions by which this path was mounted", _MOUNT_VERSIONS),
    "share.failed_versions": FieldInfo("version", "NFS versions by which mounting this path failed", _MOUNT_VERSIONS),
    "driver.version": FieldInfo("version", "version of the driver, or the span of versions it can be"),
    "evidence.exports": FieldInfo(
        "text",
        "the category of what the exports, where they were given, say that a mount of the share meets; healthy if nothing",
    ),
    "evidence.storageclass": FieldInfo("text", "name of the StorageClass, where its manifest was given"),
    "evidence.events": FieldInfo("text", "whether events are among the logs", ("given",)),
    "evidence.dns_policy": FieldInfo(
        "text",
        "the dnsPolicy in force of the driver's pods, where their manifests or the chart's values were given",
        ("Default", "ClusterFirst", "ClusterFirstWithHostNet", "None"),
    ),
    "evidence.kubelet_dir": FieldInfo(
        "path", "the kubelet's directory that the driver was installed for, where that was given"
    ),
    "evidence.other_kubelet_dir": FieldInfo(
        "flag", "whether the log shows another kubelet's directory than the driver was installed for"
    ),
    "evidence.mount_permissions": FieldInfo(
        "text", "mountPermissions of the driver, octal, where its manifests were given"
    ),
    "evidence.fs_group_policy": FieldInfo(
        "text", "fsGroupPolicy of the CSIDriver object, where it was given", ("None", "File", "ReadWriteOnceWithFSType")
    ),
    "evidence.lifecycle_modes": FieldInfo(
        "text", "volumeLifecycleModes of the CSIDriver object, comma separated, where it was given"
    ),
    "finding.count": FieldInfo(
        "count", "how often this rule hit the volume, or where none is known the node or the pod that logged it"
    ),
    "finding": FieldInfo("finding", "this hit of the rule"),
    "call": FieldInfo("call", "the call that the record belongs to"),
}

TEMPLATE_NAMES: Mapping[str, str] = {
    "server": "NFS server",
    "share": 'share of the volume, with a leading "/"',
    "path": "path on the server that was mounted, unless the pattern captures a path",
    "share_path": "where the captured removed, to, archive, path or file lies on the server",
    "source": "{server}:{path}, as mount(8) takes it",
    "options": "mount options, comma separated",
    "target": "directory that was mounted on",
    "volume": "name of the PersistentVolume",
    "pvc": "name of the claim",
    "namespace": "namespace of the claim",
    "subdir": "directory of the volume in its share",
    "storageclass": "name of the StorageClass",
    "node": "name of the node",
    "pod": "name of the pod that wrote the record",
    "component": "program that wrote the record",
    "method": "gRPC method",
    "code": "gRPC code",
    "desc": "innermost text of the gRPC error",
    "errno": "text of the system's error",
    "driver_version": "version of the driver",
    "kubelet_dir": "the kubelet's root directory, as the log shows it",
    "installed_kubelet_dir": "the kubelet's root directory, as the driver was told it",
}


def field_info(name: str) -> FieldInfo | None:
    """What is known of a field, also one of an open family; None for a field that does not exist."""
    if name in FIELDS:
        return None if name.endswith("*") else FIELDS[name]
    for family in ("capture.", "call.request."):
        if name.startswith(family) and len(name) > len(family):
            return FIELDS[family + "*"]
    return None


def suggest(word: str, known: tuple[str, ...] | list[str], what: str = "known") -> str:
    """A help line: the word that was perhaps meant, else what there is."""
    from difflib import get_close_matches

    near = get_close_matches(word, known, n=1, cutoff=0.6)
    if near:
        return f'did you mean "{near[0]}"?'
    if not known:
        return f"{what}: none"
    if what == "rules":
        return "logscan rules list names them all"
    shown = ", ".join(f'"{one}"' if one in {"", " "} else one for one in known[:12])
    return f"{what}: {shown}{', …' if len(known) > 12 else ''}"
