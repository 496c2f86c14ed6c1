"""Whom a record is about, by its own words and its call's request: what was read before does not matter.

So a record tells the same wherever a log is cut, and in whatever process it is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from logscan import csi
from logscan.account import component_of
from logscan.match import explained
from logscan.model import Call, Record, Rule, Severity, Volume
from logscan.volumes import Volumes

MAX_MESSAGE = 64 * 1024  # characters of a message that are looked at
MAX_KNOWN = 10_000  # sets of rules that are remembered


# Who speaks of one volume in one record, without calls that could tell.
NEIGHBOURS = frozenset({"csi-provisioner", "csi-resizer", "csi-snapshotter", "kubelet"})
PROVISIONED = "pvc-"  # what the names of their volumes begin with


class Subject(NamedTuple):
    """A volume, as far as it is told; None: not told."""

    volume: str | None = None
    pvc: str | None = None
    namespace: str | None = None
    server: str | None = None
    share: str | None = None


NOBODY = Subject()


def of_volume(volume: Volume | None) -> Subject:
    """What is known of a volume by now."""
    if volume is None:
        return NOBODY
    return Subject(
        volume.name or None, volume.pvc or None, volume.namespace or None, volume.server or None, volume.share or None
    )


def of_request(body: Mapping[str, Any]) -> Subject:
    """Whom a request is about, by itself."""
    return of_volume(Volumes().learn_request(body))


def of_record(record: Record, call: Call | None) -> Subject:
    """Whom a record is about: its call's volume, else, of errors, events and the neighbours, whom the text names."""
    if call is not None:
        return of_volume(call.volume) if call.request is None else of_request(call.request)
    if record.kind == "event":
        return _of_event(record)
    if record.severity is not None and record.severity >= Severity.ERROR:
        return Subject(_named(record.message))
    if PROVISIONED in record.message and component_of(record) in NEIGHBOURS:
        return Subject(_named(record.message))
    return NOBODY


def _of_event(record: Record) -> Subject:
    fields = record.fields or {}
    kind, name = fields.get("kind"), fields.get("name") or None
    if kind == "PersistentVolume":
        return Subject(name)
    uid = fields.get("uid")
    if kind == "PersistentVolumeClaim":
        volume = fields.get("volume") or (f"pvc-{uid}" if uid else _named(record.message))
        return Subject(volume, name, fields.get("namespace") or None)
    return Subject(_named(record.message))


def _named(message: str) -> str | None:
    text = message[:MAX_MESSAGE]
    return None if csi.names_source(text) else csi.subject_of(text).volume or None


def code_in(message: str) -> str | None:
    """The outermost gRPC code that a message tells."""
    if CODE not in message:
        return None
    status = csi.parse_status(message[:MAX_MESSAGE])
    return status.code if status is not None else None


CODE = "rpc error: code = "
ANNOUNCED = "GRPC call: "
SEVERITIES = ("info", "warning", "error", "fatal")


def announced(message: str) -> str | None:
    """The method that a ``GRPC call`` line names."""
    return message.rpartition("/")[2].strip() or None if message.startswith(ANNOUNCED) else None


class Verdict(NamedTuple):
    """A rule and its likeliest category."""

    rule: str | None = None
    category: str | None = None


class Chooser:
    """Which of the rules that a record bears is named beside it.

    Args:
        by_id: all rules.
    """

    def __init__(self, by_id: Mapping[str, Rule]) -> None:
        self._by_id = by_id
        self._known: dict[tuple[str, ...], Verdict] = {(): Verdict()}

    def of(self, ids: Iterable[str]) -> Verdict:
        """The one that no other explains; of several the worst, then the first by id."""
        key = tuple(sorted(ids))
        known = self._known.get(key)
        if known is None:
            symptoms = explained(key, self._by_id)
            left = [one for one in key if one not in symptoms] or list(key)
            best = min(left, key=lambda one: (-self._by_id[one].severity, one))
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            known = self._known[key] = Verdict(best, category_of(self._by_id[best]))
        return known


def category_of(rule: Rule) -> str | None:
    """The category of the first cause that needs no more than the signature; None: the rule knows noise."""
    plain = [cause for cause in rule.causes if cause.when is None] or rule.causes
    return plain[0].category if plain else None
