"""What single lines of the driver say about its gRPC calls; no state.

Methods, the shapes of requests and responses, the lines that a call prints on
its way (driver v3.0.0 and newer, ``-v=5``).
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from logscan import csi
from logscan.model import Call, Record

CONTROLLER_METHODS = frozenset(
    {"CreateVolume", "DeleteVolume", "CreateSnapshot", "DeleteSnapshot", "ControllerExpandVolume",
     "ValidateVolumeCapabilities", "ControllerPublishVolume", "ControllerUnpublishVolume"}
)  # fmt: skip
NODE_METHODS = frozenset(
    {"NodePublishVolume", "NodeUnpublishVolume", "NodeGetVolumeStats", "NodeExpandVolume", "NodeStageVolume"}
)

# Who mounts and who unmounts; a controller's calls do both, inside.
MOUNTING = CONTROLLER_METHODS | {"NodePublishVolume"}
UNMOUNTING = CONTROLLER_METHODS | {"NodeUnpublishVolume"}

# How far a call got, by its last line: mounting (announced), mount (mount(8) runs), mount-failed,
# chmod (tried), mounted (no chmod needed), succeeded (NodePublishVolume's last line),
# unmounting, unmounted (its last line), retained (a delete that has nothing to do).
STEPS = ("", "mounting", "publish", "mount", "mount-failed", "chmod", "mounted", "succeeded",
         "unmounting", "unmounted", "retained")  # fmt: skip

# The last line of a call that then has nothing left that can fail: newer drivers print no
# response for these (an empty body is V6 there, and the manifests say -v=5).
DONE = {
    "NodePublishVolume": {"succeeded"},
    "NodeUnpublishVolume": {"unmounted"},
    "DeleteVolume": {"unmounted", "retained"},
    "DeleteSnapshot": {"unmounted"},
}

# Whose call an error is when the log has no request for it: by its words.
_METHOD_OF_TEXT: tuple[tuple[str, str], ...] = (
    ("failed to make subdirectory", "CreateVolume"),
    ("failed to copy volume", "CreateVolume"),
    ("for snapshot volume copy", "CreateVolume"),
    ("CreateVolume", "CreateVolume"),
    ("in storage class", "CreateVolume"),
    ("delete subdirectory(", "DeleteVolume"),
    ("archive subdirectory(", "DeleteVolume"),
    ("failed to delete archived subdirectory", "DeleteVolume"),
    ("failed to remove empty directories", "DeleteVolume"),
    ("failed to delete subdirectory", "DeleteVolume"),
    ("still exists after 1 minute", "DeleteVolume"),
    ("for snapshot deletion", "DeleteSnapshot"),
    ("failed to create archive for snapshot", "CreateSnapshot"),
    ("failed to create nfsSnapshot from snapshot ID", "CreateVolume"),
    ("failed to create nfsSnapshot", "CreateSnapshot"),
    ("failed to create source volume", "CreateSnapshot"),
    ("failed to mount snapshot nfs server", "CreateSnapshot"),
    ("failed to mount src nfs server", "CreateSnapshot"),
    ("failed to unmount target", "NodeUnpublishVolume"),
    ("failed to stat file", "NodeGetVolumeStats"),
    ("failed to get metrics", "NodeGetVolumeStats"),
    ("failed to transform", "NodeGetVolumeStats"),
    ("does not exist", "NodeGetVolumeStats"),
    ("Capacity Range missing", "ControllerExpandVolume"),
)


# A mount is given up after 90 s (v4.10 to v4.12) or 110 s (v4.13): a little less than the shortest, µs.
GIVES_UP_AFTER = 80_000_000


# ---------------------------------------------------------------- reading single lines

INTERNAL = re.compile(r"internally (?:mounting (?P<source>\S+) at|unmounting) (?P<target>/\S+)")
PUBLISH = re.compile(
    r"NodePublishVolume: volumeID\((?P<handle>.*?)\) source\((?P<source>.*?)\) targetPath\((?P<target>[^)]*)\)"
    r"(?: mountflags\(\[(?P<flags>[^\]]*)\]\))?"
)
TARGET = re.compile(r"targetPath\((?P<target>/[^,)\s]+)")
SUCCEEDED = re.compile(r"volume\(.*?\) mount (?P<source>\S+) on (?P<target>/\S+) succeeded")
UNPUBLISH = re.compile(
    r"NodeUnpublishVolume: unmount(?:ing)? volume (?:\S+) on (?P<target>/\S+)(?P<done> successfully)?"
)

METHODS_OF_RESPONSE: Mapping[str, frozenset[str]] = {
    "usage": frozenset({"NodeGetVolumeStats"}),
    "capacity_bytes": frozenset({"ControllerExpandVolume"}),
    "node_expansion_required": frozenset({"ControllerExpandVolume"}),
    "confirmed": frozenset({"ValidateVolumeCapabilities"}),
    "message": frozenset({"ValidateVolumeCapabilities"}),
}
_EMPTY_REQUEST = frozenset(
    {"GetPluginInfo", "GetPluginCapabilities", "Probe", "ControllerGetCapabilities", "NodeGetCapabilities",
     "NodeGetInfo", "ListVolumes", "GetCapacity", "ListSnapshots"}
)  # fmt: skip


MAX_TEXT = 4_096  # characters of what a failure says
MAX_BODY = 128 << 10  # characters of a request or a response; real ones have a few thousand


def read_json(text: str) -> dict[str, Any] | None:
    """A JSON object, or None for anything else (a body that was cut, say).

    The driver writes it on one line; a stranger's lines may follow in the record.
    """
    line = text.partition("\n")[0]
    if len(line) > MAX_BODY:
        return None
    try:
        body = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def methods_of_request(body: Mapping[str, Any] | None) -> frozenset[str]:
    """Which methods a request of this shape can be of; its line does not name one."""
    if not body:
        return _EMPTY_REQUEST
    if "source_volume_id" in body:
        return frozenset({"CreateSnapshot"})
    if "snapshot_id" in body:
        return frozenset({"DeleteSnapshot"})
    if "volume_path" in body:
        return frozenset({"NodeGetVolumeStats", "NodeExpandVolume"})
    if "target_path" in body:
        publish = "volume_capability" in body or "volume_context" in body
        return frozenset({"NodePublishVolume" if publish else "NodeUnpublishVolume"})
    if "volume_id" in body:
        if "capacity_range" in body:
            return frozenset({"ControllerExpandVolume"})
        if "volume_capabilities" in body:
            return frozenset({"ValidateVolumeCapabilities"})
        return frozenset({"DeleteVolume"})
    if "name" in body:
        return frozenset({"CreateVolume"})
    # A call that lacks what it must have ("name must be provided"): any that has a body.
    return CONTROLLER_METHODS | NODE_METHODS


def method_of_text(text: str) -> str:
    """The method that an error's words betray, "" if they do not."""
    if "ount failed: exit status" in text and "failed to mount" not in text:
        return ""  # mount(8) says "does not exist" too
    return next((method for words, method in _METHOD_OF_TEXT if words in text), "")


def take_announced(announced: deque[str], methods: frozenset[str]) -> str:
    """The oldest ``GRPC call`` line that still waits for a request of this shape."""
    for index, method in enumerate(announced):
        if method in methods:
            del announced[index]
            return method
    return ""


def failing(calls: Iterable[Call], target: str, text: str) -> Call | None:
    """Which of the *calls* on what an error names ended with its *text*, which is about the path *target*."""
    # A path in the controller's working directory is never a node's, nor the other way round.
    found = same_side([call for call in calls if call.outcome == "open"], target)
    method = method_of_text(text)
    found = [call for call in found if call.method == method] or found
    if "already exists" in text and found:
        return found[-1]  # answered at once: never the long-running one
    if same := [call for call in found if call.target and call.target == target]:
        return same[0]
    if csi.names_source(text):
        # One source may be copied by several calls at once: unmounting is the last that a copy does.
        found = [call for call in found if call.step == "unmounted"] or found
    return found[0] if found else None


def same_side(calls: Iterable[Call], path: str) -> list[Call]:
    """Those of the calls that can work on *path*: kubelet's targets are the node service's."""
    where = csi.parse_path(path).where if path else "unknown"
    if where == "node":
        return [call for call in calls if call.method in NODE_METHODS]
    if where in {"share", "container"}:
        return [call for call in calls if call.method in CONTROLLER_METHODS]
    return list(calls)


def mount_body(text: str) -> str:
    """A mount error's body, the same in ``Mount failed`` and in the GRPC error.

    Without the output, after which a stranger's line may follow: the arguments
    end with the target, so they tell whose it is.
    """
    start = text.lower().find("mount failed: ")
    body = text[start + len("mount failed: ") :] if start >= 0 else text
    return " ".join(body[:MAX_TEXT].partition("\nOutput: ")[0].split())


def method_key(call: Call) -> str:
    """What an attempt or a success is counted under: snapshots of one volume are apart."""
    return f"{call.method} {call.key}" if "Snapshot" in call.method else call.method


def count_attempt(call: Call) -> None:
    """Number a call among those of its method and volume."""
    if call.volume is not None:
        key = method_key(call)
        if call.method.startswith("Node"):  # other nodes do not try it again, they have pods of their own
            key = f"{key} {call.origin.stream}"
        call.attempt = call.volume.attempts[key] = call.volume.attempts.get(key, 0) + 1


def names_of(call: Call) -> set[str]:
    """All by which a line may mean this call."""
    names = {call.key, call.target, call.volume.name if call.volume else ""}
    if call.volume is not None:
        names.add(call.volume.handle)
    if call.request is not None and "volume_content_source" in call.request:
        names |= _copied_from(call.request["volume_content_source"])
    return names - {""}


def _copied_from(content: Any) -> set[str]:
    """What a new volume is filled from: the name in the working path of a snapshot or a volume."""
    kinds = content.get("Type") if isinstance(content, dict) else None
    names = set()
    for kind in kinds.values() if isinstance(kinds, dict) else ():
        if not isinstance(kind, dict):
            continue
        handle = str(kind.get("snapshot_id") or kind.get("volume_id") or "")
        parsed = csi.parse_volume_id(handle)
        # A snapshot's working path is /tmp/<snapshot name>, the third part of its id.
        names.add(handle if parsed is None else parsed.subdir if "snapshot_id" in kind else parsed.volume)
    return names


def age(call: Call, record: Record) -> int:
    """How long a call had run when *record* was logged, µs; 0 where it cannot be told."""
    return record.time - call.start if record.time is not None and call.start is not None else 0


def likely(calls: list[Call], record: Record, status: csi.Status) -> list[Call]:
    """Those of the open *calls* that a nameless error fits best, by how far they got; all if it fits none."""
    if status.innermost.lower() in csi.ERRNOS:
        # The bare text of an errno is chmod's in the newer drivers: its line came just before.  Or it is
        # that of a look at the mount point, which v4.10.0 and newer do not name: no mount came before.
        fitting = [call for call in calls if call.step in {"chmod", "unmounted"}]
        return fitting or [call for call in calls if call.step in {"", "mounting"}] or calls
    if status.innermost == "time out":
        # v4.10 to v4.12 name nobody when they give a mount up after 90 s.
        return [call for call in calls if age(call, record) >= GIVES_UP_AFTER] or calls
    if status.code == "InvalidArgument":
        # Arguments are checked before anything is mounted.
        return [call for call in calls if not call.step] or calls
    return calls


def oldest(calls: Iterable[Call], methods: Iterable[str]) -> Call | None:
    """The first of *calls* that is open and of one of *methods*."""
    wanted = methods if isinstance(methods, (set, frozenset)) else set(methods)
    return next((call for call in calls if call.outcome == "open" and call.method in wanted), None)
