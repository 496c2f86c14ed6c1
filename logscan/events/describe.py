"""What stands above the events in the output of ``kubectl describe``: whom it is about, and what it says of storage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_FIRST = re.compile(r"Name:\s+\S+$")
_SECOND = re.compile(
    r"(?:Namespace|Labels|Annotations|Priority|StorageClass|Selector|CreationTimestamp|Roles|Provisioner|IsDefaultClass):(?:\s|$)"
)
_KEY = re.compile(r"[A-Z][\w /().-]{0,60}:(?:\s|$)")
_TOP = re.compile(r"([A-Z][\w /().-]{0,60}):[ \t]*(.*)")
_CONTAINER = re.compile(r"  ([a-z0-9][-a-z0-9.]*):$")
_ENDED = re.compile(r"( +)(?:Last )?State:\s+Terminated$")
_REASON = re.compile(r"\s+Reason:\s+(\S+)")
_PROVISIONER = re.compile(
    r"(?:volume\.(?:beta\.)?kubernetes\.io/storage-provisioner|pv\.kubernetes\.io/provisioned-by): (\S+)"
)

# A key that only one kind of object has.
_KIND_BY_KEY = (
    ("Containers", "Pod"), ("Reclaim Policy", "PersistentVolume"), ("Access Modes", "PersistentVolumeClaim"),
    ("Used By", "PersistentVolumeClaim"), ("Mounted By", "PersistentVolumeClaim"), ("Node", "Pod"), ("QoS Class", "Pod"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ended:
    """A container that ended: the lines of its ``Last State:`` (or ``State:``)."""

    container: str
    reason: str  # "OOMKilled"
    first: int  # index of its first line
    end: int  # index after its last line


@dataclass(frozen=True, slots=True)
class Head:
    """What the lines above ``Events:`` say; "" is unknown."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    node: str = ""
    facts: dict[str, str] = field(default_factory=dict)  # storageclass volume status claims claim handle provisioner
    ended: tuple[Ended, ...] = ()


def begins(text: str) -> bool:
    """Whether *text* can be the first line."""
    return text.startswith("Name:") and _FIRST.match(text) is not None


def is_second(text: str) -> bool:
    """Whether *text* can be the second line; both together are no prose."""
    return _SECOND.match(text) is not None


def goes_on(text: str) -> bool:
    """Whether *text* can stand further down."""
    return text[:1] in " \t" or _KEY.match(text) is not None


def read(lines: Sequence[str]) -> Head:
    """Read the lines above ``Events:``."""
    top: dict[str, str] = {}
    claims, facts, ended = [], {}, []
    container = section = ""
    kind = ""
    for index, text in enumerate(lines):
        if found := _TOP.match(text):
            section, value = found[1], found[2].strip()
            top.setdefault(section, value)
            kind = kind or next((one for key, one in _KIND_BY_KEY if key == section), "")
        if provisioner := _PROVISIONER.search(text):
            facts["provisioner"] = provisioner[1]
        if text[:1] != " ":
            continue
        if section.endswith("Containers") and (named := _CONTAINER.match(text)):
            container = named[1]
        key, _, value = text.strip().partition(":")
        if section == "Volumes" and key == "ClaimName":
            claims.append(value.strip())
        elif section == "Source" and key in {"VolumeHandle", "Driver"}:
            facts["handle" if key == "VolumeHandle" else "driver"] = value.strip()
        if state := _ENDED.match(text):
            ended.append(_ended(lines, index, len(state[1]), container))
    for key, name in (("StorageClass", "storageclass"), ("Volume", "volume"), ("Status", "status"), ("Claim", "claim")):
        if top.get(key, "") not in {"", "<none>", "<unset>"}:
            facts[name] = top[key]
    if claims:
        facts["claims"] = ",".join(claims)
    if "Desired Number of Nodes Scheduled" in top:
        kind = "DaemonSet"
    node, _, address = top.get("Node", "").partition("/")
    if address:
        facts |= {"node": node, "node_address": address}
    return Head(
        kind, top.get("Namespace", ""), top.get("Name", ""), "" if node.startswith("<") else node, facts, tuple(ended)
    )


def _ended(lines: Sequence[str], first: int, indent: int, container: str) -> Ended:
    end = first + 1
    while end < len(lines) and lines[end][: indent + 1].isspace() and lines[end].strip():
        end += 1
    reasons = [found[1] for text in lines[first:end] if (found := _REASON.match(text))]
    return Ended(container, reasons[0] if reasons else "", first, end)
