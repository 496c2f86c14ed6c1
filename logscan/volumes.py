"""The volumes that a log talks of: what is known of each, in a book of bounded size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from logscan import csi
from logscan.model import Record, Volume

MAX_VOLUMES = 20_000  # volumes remembered that have not failed


class Volumes:
    """Volumes by name, least recently mentioned first; failed ones stay for good."""

    def __init__(self) -> None:
        self.evicted = 0
        self._book: OrderedDict[str, Volume] = OrderedDict()
        self._handles: dict[str, str] = {}  # handle -> name where the handle does not tell it
        self._pinned: set[str] = set()

    def __len__(self) -> int:
        return len(self._book)

    def get(self, name: str) -> Volume:
        """What is known of a volume; remembered in a bounded book, failed ones for good."""
        book = self._book
        volume = book.get(name)
        if volume is None:
            volume = book[name] = Volume(name)
            if len(book) > MAX_VOLUMES + len(self._pinned):
                self._forget()
        else:
            book.move_to_end(name)
        return volume

    def known(self, name: str) -> Volume | None:
        """The volume of that name if the log has told anything of it."""
        return self._book.get(name)

    def pin(self, volume: Volume) -> None:
        """Keep a volume for the report."""
        if volume.name not in self._pinned:
            self._pinned.add(volume.name)
            self._book.setdefault(volume.name, volume)

    def _forget(self) -> None:
        book = self._book
        for _ in range(len(book)):
            name, volume = book.popitem(last=False)
            if name in self._pinned:
                book[name] = volume  # to the young end: it is not to be looked at again soon
                continue
            self._handles.pop(volume.handle, None)
            self.evicted += 1
            return

    def of_path(self, path: str) -> Volume | None:
        """The volume whose mount point *path* is, by the path's shape."""
        where = csi.parse_path(path)
        # A path below /tmp names a volume only if a request or a PV name says so: it
        # may be a snapshot's.
        if not where.volume or where.volume.startswith("snapshot-"):
            return None
        return self.get(where.volume)

    def name_of_handle(self, handle: str) -> str:
        """The volume's name that goes with a handle; the handle itself where nothing tells one."""
        if not handle:
            return ""
        if handle in self._handles:
            return self._handles[handle]
        parsed = csi.parse_volume_id(handle)
        return parsed.volume if parsed else handle

    def learn_handle(self, volume: Volume, handle: str) -> None:
        """Take over what a handle tells."""
        volume.handle = handle
        if parsed := csi.parse_volume_id(handle):
            volume.server = volume.server or parsed.server
            volume.share = volume.share or parsed.share
            if parsed.uuid:
                volume.subdir = volume.subdir or parsed.subdir
        if self.name_of_handle(handle) != volume.name:
            self._handles[handle] = volume.name

    def learn_event(self, record: Record) -> None:
        """Take over the claim that a provisioner's ``Event occurred object="ns/claim" …`` says a volume is of."""
        fields = record.fields or {}
        namespace, _, claim = fields.get("object", "").partition("/")
        if fields.get("kind") == "PersistentVolumeClaim" and claim and (name := csi.volume_in(record.message)):
            volume = self.get(name)
            volume.namespace, volume.pvc = namespace, claim

    def learn_request(self, body: Mapping[str, Any]) -> Volume | None:
        """The volume that a request is about, None if it is about none."""
        handle = str(body.get("volume_id") or body.get("source_volume_id") or "")
        if "snapshot_id" in body and not handle:
            parts = str(body["snapshot_id"]).split("#")
            return self.get(parts[4]) if len(parts) > 4 and parts[4] else None
        if handle:
            context = body.get("volume_context")
            context = context if isinstance(context, dict) else {}
            target = csi.parse_path(str(body.get("target_path") or body.get("volume_path") or ""))
            name = target.volume or str(context.get("csi.storage.k8s.io/pv/name") or "") or self.name_of_handle(handle)
            volume = self.get(name)
            self.learn_handle(volume, handle)
            learn_context(volume, context)
            return volume
        if not body.get("name"):
            return None
        volume = self.get(str(body["name"]))
        parameters = body.get("parameters")
        if isinstance(parameters, dict):
            learn_context(volume, parameters)
            volume.parameters = {str(key): str(value) for key, value in parameters.items()}
        return volume


def learn_context(volume: Volume, values: Mapping[str, Any]) -> None:
    """Take over parameters or a volume context; their keys are case-insensitive."""
    for key, value in values.items():
        text = str(value)
        match key.lower():
            case "csi.storage.k8s.io/pvc/name":
                volume.pvc = text
            case "csi.storage.k8s.io/pvc/namespace":
                volume.namespace = text
            case "server":
                volume.server = text
            case "share":
                volume.share = "/" + text.strip("/")
            case "subdir" if text != volume.name:
                volume.subdir = text
