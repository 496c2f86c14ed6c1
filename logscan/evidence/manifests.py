"""What the cluster was told: StorageClasses, PersistentVolumes, claims, the CSIDriver and the driver's own workloads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from logscan.errors import EvidenceError
from logscan.evidence.install import WORKLOADS, Install, of_workload
from logscan.evidence.trees import MAX_TEXT, NOWHERE, Node, Place, documents, members, tree

_MAX_WRITTEN = 20_000  # values of an object that is written again

KINDS = ("StorageClass", "VolumeSnapshotClass", "PersistentVolume", "PersistentVolumeClaim", "CSIDriver", *WORKLOADS)
DRIVER = "nfs.csi.k8s.io"

# What the API server writes and kubectl apply must not be given again.
_SERVERS_OWN = frozenset({"uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink", "generation"})
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class StorageClass:
    """A class, of whatever provisioner."""

    name: str
    provisioner: str
    parameters: dict[str, str]  # keys in lower case, as the driver compares them
    mount_options: tuple[str, ...]
    reclaim_policy: str = ""
    place: Place = NOWHERE
    node: Node = field(default=Node("map", 0), compare=False, repr=False)

    @property
    def server(self) -> str:
        """The NFS server."""
        return self.parameters.get("server", "")

    @property
    def share(self) -> str:
        """The share as the driver mounts it: with one leading slash; a missing one is the root."""
        return "/" + self.parameters.get("share", "").strip("/")

    @property
    def options(self) -> str:
        """The mount options as mount(8) gets them."""
        return ",".join(self.mount_options)


@dataclass(frozen=True, slots=True)
class Volume:
    """A PersistentVolume on NFS: of this driver or of the in-tree plugin."""

    name: str
    driver: str  # "nfs.csi.k8s.io"; "" for the in-tree plugin
    handle: str
    attributes: dict[str, str]  # keys in lower case; server and share also for the in-tree plugin
    mount_options: tuple[str, ...]
    storage_class: str = ""
    claim: str = ""  # "namespace/name"
    phase: str = ""
    place: Place = NOWHERE
    node: Node = field(default=Node("map", 0), compare=False, repr=False)

    @property
    def server(self) -> str:
        """The NFS server."""
        return self.attributes.get("server", "")

    @property
    def share(self) -> str:
        """The share with one leading slash."""
        return "/" + self.attributes.get("share", "").strip("/")

    @property
    def options(self) -> str:
        """The mount options as mount(8) gets them."""
        return ",".join(self.mount_options)


@dataclass(frozen=True, slots=True)
class SnapshotClass:
    """A VolumeSnapshotClass."""

    name: str
    driver: str
    parameters: dict[str, str]  # keys in lower case
    place: Place = NOWHERE
    node: Node = field(default=Node("map", 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """A PersistentVolumeClaim."""

    namespace: str
    name: str
    storage_class: str = ""
    volume: str = ""
    phase: str = ""
    uid: str = ""
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Driver:
    """A CSIDriver object."""

    name: str
    fs_group_policy: str = ""
    attach_required: str = ""
    lifecycle_modes: tuple[str, ...] = ()
    place: Place = NOWHERE


Object = StorageClass | SnapshotClass | Volume | Claim | Driver | Install

# ---------------------------------------------------------------- recognition

_TOP_KIND = re.compile(rf"^kind:[ \t]*[\"']?(?:{'|'.join(KINDS)})(?:List)?[\"']?[ \t]*(?:#.*)?\r?$", re.MULTILINE)
_ITEMS = re.compile(r"^items:[ \t\r]*\n([ ]*)- ", re.MULTILINE)
_LIST = re.compile(r"^kind:[ \t]*[\"']?List[\"']?[ \t]*\r?$", re.MULTILINE)
# What may stand in the first column of block YAML that is a Kubernetes object.
_COLUMN_ONE = re.compile(r"#|---(?:\s|$)|\.\.\.\s*$|%YAML|- |[A-Za-z][A-Za-z]*:(?:\s|$)|\s")


def is_manifest(text: str) -> bool:
    """Whether the whole of *text* is manifests of the kinds that are read here; a log that quotes one is not."""
    if len(text) > MAX_TEXT:
        return False
    text = text.removeprefix("\ufeff")
    start = text.lstrip()
    if start.startswith("{"):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return False
        return _is_object(value)
    if not (_TOP_KIND.search(text) or (_LIST.search(text) and _has_item(text))):
        return False
    if not re.search(r"^apiVersion:", text, re.MULTILINE):
        return False
    return all(not line or line == "\r" or _COLUMN_ONE.match(line) for line in text.split("\n"))


def _has_item(text: str) -> bool:
    """Whether a List holds one of our kinds: events also name kinds, deeper inside."""
    items = _ITEMS.search(text)
    own = rf"^{items[1]}(?:- |  )kind:[ \t]*[\"']?(?:{'|'.join(KINDS)})[\"']?[ \t]*\r?$" if items else ""
    return bool(items and re.search(own, text, re.MULTILINE))


def _is_object(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("apiVersion"), str):
        return False
    kind, items = value.get("kind"), value.get("items")
    if not isinstance(kind, str):
        return False
    if kind in KINDS or kind.removesuffix("List") in KINDS:
        return True
    some = items if isinstance(items, list) else []
    return kind == "List" and any(isinstance(one, dict) and one.get("kind") in KINDS for one in some)


# ---------------------------------------------------------------- reading


def read(text: str, name: str) -> tuple[list[Object], list[EvidenceError]]:
    """Read all objects of a text; what is wrong with one does not hide the others.

    Args:
        name: of the input, for places.

    Returns:
        The objects of ``KINDS`` and what could not be understood.
    """
    if len(text) > MAX_TEXT:
        return [], [EvidenceError(name, f"the text has {len(text)} characters", f"at most {MAX_TEXT} are read")]
    objects: list[Object] = []
    errors: list[EvidenceError] = []
    for offset, document in documents(text.removeprefix("\ufeff")):
        try:
            root = tree(document, name, offset)
        except EvidenceError as error:
            errors.append(error)
            continue
        for node in members(root):
            try:
                made = _object(node, name)
            except EvidenceError as error:
                errors.append(error)
            else:
                objects += [made] if made else []
    return objects, errors


def _object(node: Node, source: str) -> Object | None:
    """What an object of our kinds says; None for others.

    Raises:
        EvidenceError: it lacks what makes it one.
    """
    kind = node.str("kind")
    if node.kind != "map" or kind not in KINDS:
        return None
    name = node.str("metadata", "name")
    place = Place(source, node.line)
    if not name:
        raise EvidenceError(
            str(place), f"a {kind} without metadata.name", "give the whole object: kubectl get … -o yaml"
        )
    if kind in WORKLOADS:
        return of_workload(node, source)
    if kind == "StorageClass":
        parameters, share_line = _texts(node.get("parameters"))
        return StorageClass(
            name,
            node.str("provisioner"),
            parameters,
            _list(node.get("mountOptions")),
            node.str("reclaimPolicy") or "Delete",
            Place(source, node.line, share_line),
            node,
        )
    if kind == "VolumeSnapshotClass":
        return SnapshotClass(name, node.str("driver"), _texts(node.get("parameters"))[0], place, node)
    spec = node.get("spec") or Node("map", node.line)
    if kind == "PersistentVolume":
        return _volume(node, spec, name, source)
    if kind == "PersistentVolumeClaim":
        return Claim(
            node.str("metadata", "namespace") or "default",
            name,
            spec.str("storageClassName")
            or node.str("metadata", "annotations", "volume.beta.kubernetes.io/storage-class"),
            spec.str("volumeName"),
            node.str("status", "phase"),
            node.str("metadata", "uid"),
            place,
        )
    return Driver(
        name, spec.str("fsGroupPolicy"), spec.str("attachRequired"), _list(spec.get("volumeLifecycleModes")), place
    )


def _volume(node: Node, spec: Node, name: str, source: str) -> Volume | None:
    csi, nfs = spec.get("csi"), spec.get("nfs")
    if csi is not None:
        attributes, share_line = _texts(csi.get("volumeAttributes"))
        driver, handle = csi.str("driver"), csi.str("volumeHandle")
    elif nfs is not None:
        path = nfs.get("path")
        attributes, share_line = {"server": nfs.str("server"), "share": nfs.str("path")}, path.line if path else 0
        driver, handle = "", ""
    else:
        return None
    claim = spec.get("claimRef")
    return Volume(
        name,
        driver,
        handle,
        attributes,
        _list(spec.get("mountOptions")),
        spec.str("storageClassName"),
        f"{claim.str('namespace')}/{claim.str('name')}" if claim else "",
        node.str("status", "phase"),
        Place(source, node.line, share_line),
        node,
    )


def _texts(node: Node | None) -> tuple[dict[str, str], int]:
    """A mapping of texts, keys in lower case, and the line of its share."""
    texts: dict[str, str] = {}
    line = 0
    for key, value in node.pairs if node else ():
        if value.kind == "text":
            texts[key.text.lower()] = value.text
            line = value.line if key.text.lower() == "share" else line
    return texts, line


def _list(node: Node | None) -> tuple[str, ...]:
    return tuple(item.text for item in node.items if item.kind == "text") if node else ()


# ---------------------------------------------------------------- writing


def with_share(node: Node, share: str) -> str:
    """The object as YAML with another share, and without what only the API server writes.

    Keys keep their order and scalars their quotes; comments are not kept.  Of a
    PersistentVolume the share in the attributes, or the in-tree plugin's path, changes.

    Raises:
        EvidenceError: the object is absurdly large.
    """
    import yaml

    if node.weight > _MAX_WRITTEN:
        raise EvidenceError("manifest", f"it holds {node.weight} values", f"at most {_MAX_WRITTEN} are written")
    events = [yaml.StreamStartEvent(), yaml.DocumentStartEvent(explicit=False)]
    events += _events(yaml, _amended(node, (), share))
    events += [yaml.DocumentEndEvent(explicit=False), yaml.StreamEndEvent()]
    text: str = yaml.emit(events, width=4096, allow_unicode=True)
    return text


# Where an object says its share, from the root.
_SHARES = {("parameters",): "share", ("spec", "csi", "volumeAttributes"): "share", ("spec", "nfs"): "path"}


def _amended(node: Node, path: tuple[str, ...], share: str) -> Node:
    """*node* with its share replaced and the server's own fields left out; depth is bounded by MAX_DEPTH."""
    if node.kind != "map":
        return node
    wanted = _SHARES.get(path)
    pairs: list[tuple[Node, Node]] = []
    for key, value in node.pairs:
        here = (*path, key.text)
        if here == ("status",) or (path == ("metadata",) and key.text in _SERVERS_OWN) or key.text == _LAST_APPLIED:
            continue
        if wanted and key.text.lower() == wanted:
            style = value.style if value.style in {"'", '"'} else None
            pairs.append((key, Node("text", value.line, share, value.quoted, style)))
        elif here in {("metadata",), ("spec",), ("spec", "csi"), ("metadata", "annotations"), *_SHARES}:
            inner = _amended(value, here, share)
            if inner.pairs or not value.pairs:  # annotations of which nothing is left
                pairs.append((key, inner))
        else:
            pairs.append((key, value))
    if path == ("parameters",) and not any(key.text.lower() == "share" for key, _ in pairs):
        pairs.append((Node("text", node.line, "share"), Node("text", node.line, share)))
    return Node("map", node.line, pairs=tuple(pairs), weight=node.weight)


def _events(yaml: Any, node: Node) -> Iterator[Any]:
    if node.kind == "text":
        # A quoted text stays quoted where it would mean something else without ("0777", "true", "").
        style = node.style
        if node.quoted and style in {"'", '"'} and _is_plain(node.text):
            style = None
        yield yaml.ScalarEvent(None, None, (not node.quoted or style is None, True), node.text, style=style)
    elif node.kind == "list":
        yield yaml.SequenceStartEvent(None, None, implicit=True, flow_style=not node.items)
        for item in node.items:
            yield from _events(yaml, item)
        yield yaml.SequenceEndEvent()
    else:
        yield yaml.MappingStartEvent(None, None, implicit=True, flow_style=not node.pairs)
        for key, value in node.pairs:
            yield from _events(yaml, key)
            yield from _events(yaml, value)
        yield yaml.MappingEndEvent()


def _is_plain(text: str) -> bool:
    """Whether a text means the same without quotes: it is no number, date, boolean or null in YAML 1.1."""
    words = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"}
    return bool(re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./-]*(?:[:#][A-Za-z0-9_./-]+)*", text)) and text.lower() not in words
