"""What is wrong with a manifest by itself: parameters that the driver does not know, volumes that share a handle."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from logscan import csi
from logscan.evidence.manifests import DRIVER, Object, SnapshotClass, StorageClass, Volume
from logscan.evidence.trees import Node


class Remark(NamedTuple):
    """Something about a manifest that its writer should know."""

    line: int
    problem: str  # one clause


# As the driver compares them, and as they are written.
_OF_CLASS: Mapping[str, str] = {
    "server": "server", "share": "share", "subdir": "subDir", "mountpermissions": "mountPermissions", "ondelete": "onDelete",
}  # fmt: skip
_OF_SNAPSHOTS: Mapping[str, str] = {"server": "server", "share": "share", "mountoptions": "mountOptions"}

# The sidecars' own, which they keep to themselves.
_RESERVED = "csi.storage.k8s.io/"
_SECRETS = (
    "provisioner", "controller-publish", "node-stage", "node-publish", "controller-expand", "node-expand", "controller-modify",
    "snapshotter", "snapshotter-list",
)  # fmt: skip
_SIDECARS: Mapping[str, str] = {
    name: name
    for name in (
        f"{_RESERVED}fstype",
        *(f"{_RESERVED}{one}-secret-{what}" for one in _SECRETS for what in ("name", "namespace")),
    )
}
# What other provisioners, or the sense of a word, call a parameter.
_MEANT: Mapping[str, str] = {
    "path": "share", "export": "share", "nfspath": "share", "host": "server", "nfsserver": "server", "pathpattern": "subdir",
    "archiveondelete": "ondelete",
}  # fmt: skip
# What the driver fills into subDir.
_TEMPLATE = ("pvc.metadata.name", "pvc.metadata.namespace", "pv.metadata.name")
_ON_DELETE = frozenset({"", "delete", "retain", "archive"})


def remarks(objects: Iterable[Object], known: Mapping[str, Volume]) -> Iterator[Remark]:
    """What is wrong with *objects*.

    Args:
        known: the volumes that were given before, by name.
    """
    handles = {one.handle: one for one in known.values() if one.driver == DRIVER and one.handle}
    for one in objects:
        if isinstance(one, StorageClass):
            yield from _of_class(one)
        elif isinstance(one, SnapshotClass) and one.driver == DRIVER:
            yield from _parameters(one.node, _OF_SNAPSHOTS, "VolumeSnapshotClass")
        elif isinstance(one, Volume) and one.driver == DRIVER:
            yield from _of_volume(one, handles.get(one.handle))
            if one.handle:
                handles.setdefault(one.handle, one)


def _of_class(one: StorageClass) -> Iterator[Remark]:
    if one.provisioner != DRIVER:
        if "nfs" in one.provisioner and get_close_matches(one.provisioner, [DRIVER], 1, 0.8):
            line = _line(one.node, "provisioner")
            problem = f"the driver's name is {DRIVER}: nobody serves the provisioner {one.provisioner}, unless the driver was installed under it"
            yield Remark(line, problem)
        return
    found = list(_parameters(one.node, _OF_CLASS, "StorageClass"))
    yield from found
    line = _line(one.node, "parameters") or one.place.line
    if not one.server and not any("did you mean server?" in remark.problem for remark in found):
        yield Remark(line, "there is no parameter server, so the driver refuses to make a volume")
    if not one.parameters.get("share") and not any("did you mean share?" in remark.problem for remark in found):
        problem = "there is no parameter share, so it is /: over NFSv4 the root of a server is read-only unless it is exported itself"
        yield Remark(line, problem)
    for name in re.findall(r"\$\{([^}]*)\}", one.parameters.get("subdir", "")):
        if name not in _TEMPLATE:
            like = _meant([f"${{{known}}}" for known in get_close_matches(name, _TEMPLATE, 1)])
            yield Remark(
                line,
                f"subDir holds ${{{name}}}, which the driver does not fill in: claims then share one directory{like}",
            )
    permissions, on_delete = one.parameters.get("mountpermissions", "0"), one.parameters.get("ondelete", "")
    if not re.fullmatch(r"[0-7]+", permissions):
        yield Remark(line, f'mountPermissions "{permissions}" is no octal number, like "0777"')
    if on_delete.lower() not in _ON_DELETE:
        near = get_close_matches(on_delete.lower(), sorted(_ON_DELETE - {""}), 1)
        yield Remark(line, f'onDelete "{on_delete}" is none of delete, retain and archive{_meant(near)}')


def _parameters(node: Node, known: Mapping[str, str], kind: str) -> Iterator[Remark]:
    below = node.get("parameters")
    for key, value in below.pairs if below else ():
        low = key.text.lower()
        if (
            value.kind == "text"
            and not value.quoted
            and re.fullmatch(r"[0-9]+|0[xo][0-9a-fA-F]+|true|false", value.text)
        ):
            yield Remark(value.line, f'{key.text} must be quoted: "{value.text}"; parameters are texts')
        if low.startswith(_RESERVED):
            if low not in _SIDECARS:
                yield Remark(key.line, f'the sidecars know no parameter "{key.text}"{_near(low, _SIDECARS)}')
        elif low == "mountoptions" and low not in known:
            yield Remark(key.line, "mountOptions stands under parameters; it is a field of its own, beside parameters")
        elif low not in known:
            yield Remark(key.line, f'the driver knows no parameter "{key.text}" of a {kind}{_near(low, known)}')


def _of_volume(one: Volume, twin: Volume | None) -> Iterator[Remark]:
    line = _line(one.node, "spec", "csi", "volumeHandle") or one.place.line
    lacking = [name for name in ("server", "share") if not one.attributes.get(name)]
    if lacking:
        yield Remark(
            one.place.line, f"{one.name} has no {' and no '.join(lacking)} in volumeAttributes, so it cannot be mounted"
        )
    if not one.handle:
        yield Remark(one.place.line, f"{one.name} has no volumeHandle")
    elif twin is not None and twin.name != one.name:
        problem = f'{one.name} has the volumeHandle "{one.handle}" of {twin.name}: nodes take them for one volume; it must be another'
        yield Remark(line, problem)
    policy = one.node.str("spec", "persistentVolumeReclaimPolicy")
    if policy == "Delete" and one.handle and csi.parse_volume_id(one.handle) is None:
        problem = f'the volumeHandle "{one.handle}" is not of the form server#share#subdir: reclaimPolicy Delete removes nothing; use Retain'
        yield Remark(line, problem)


def _near(key: str, known: Mapping[str, str]) -> str:
    if _MEANT.get(key) in known:
        return _meant([known[_MEANT[key]]])
    return _meant([known[one] for one in get_close_matches(key, list(known), 1, 0.7)])


def _meant(names: list[str]) -> str:
    return f" (did you mean {names[0]}?)" if names else ""


def _line(node: Node, *keys: str) -> int:
    found = node.get(*keys)
    return found.line if found else 0
