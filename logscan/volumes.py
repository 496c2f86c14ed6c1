"""The volumes that a log talks of: what is known of each, in a book of bounded size."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from logscan import csi
from logscan.model import Origin, Record, Volume

MAX_VOLUMES = 20_000  # volumes remembered that have not failed, and as many that have: a report names no more


MAX_ASLEEP = 8  # calls of one volume that are kept unread
MAX_NAME = 1024  # characters of a name, a handle or a path
LARGE = 2_000  # characters of the parameters of a volume; real ones have some hundreds
MAX_LARGE = 16 << 20  # characters of the large ones together
MAX_PLACES = 64  # where a volume was mounted or unmounted well


_REFERENCE = re.compile(r"\b(Kind|Namespace|Name|UID|reason): ?[\"']([^\"']*)[\"']")

# A call that ended well and was not read: its lines (or their offset for ``fetch``), their size, the order of
# reading of its last record, the year and the zone (µs east of UTC) of its stamps, fetch(offset, size), who wrote it.
Asleep = tuple[bytes | int, int, int, int | None, int, Callable[[int, int], bytes], Origin]


class Volumes:
    """Volumes by name, least recently mentioned first; the first that failed stay for good.

    Args:
        newest: remember so many, and as many that have failed: those that failed last, instead of
            the first MAX_VOLUMES.  For a log that goes on for days.
    """

    def __init__(self, newest: int | None = None) -> None:
        self._newest = newest
        self._most = newest or MAX_VOLUMES
        self.evicted = 0
        self.overfull = False  # more have failed than can stay
        self._book: OrderedDict[str, Volume | tuple[Asleep, ...]] = OrderedDict()
        self.awake: set[str] = set()  # names of those that are Volumes
        self._handles: dict[str, str] = {}  # handle -> name where the handle does not tell it
        self._large = 0  # characters of large parameters
        self._pinned: dict[str, None] = {}  # the one that failed last is the last
        self.pods = Pods(newest)
        self.waken: Callable[[str, Sequence[Asleep]], Volume] | None = None

    def __len__(self) -> int:
        return len(self._book)

    def full(self, book: dict[Any, Any]) -> bool:
        """Whether another book of what is known by volume takes no more; the newest displaces the oldest."""
        if self._newest and len(book) >= self._newest:
            del book[next(iter(book))]
        return len(book) >= self._most

    @property
    def failed(self) -> int:
        """How many are kept for good."""
        return len(self._pinned)

    def names(self) -> list[str]:
        """All that are remembered."""
        return list(self._book)

    def plain(self) -> bool:
        """Whether nothing is remembered but volumes that their handles name."""
        return not self._handles and not self._pinned and self.pods.empty()

    def get(self, name: str) -> Volume:
        """What is known of a volume; remembered in a bounded book, failed ones for good."""
        name = name[:MAX_NAME]
        book = self._book
        volume = book.get(name)
        if volume is None:
            volume = book[name] = Volume(name)
            self.awake.add(name)
            if len(book) > self._most + len(self._pinned):
                self._forget()
            return volume
        book.move_to_end(name)
        return self._wake(name, volume) if isinstance(volume, tuple) else volume

    def _wake(self, name: str, calls: tuple[Asleep, ...]) -> Volume:
        """Learn now what the calls of a volume told, which were passed over while nothing was wrong."""
        assert self.waken is not None
        volume = self._book[name] = self.waken(name, calls)
        self.awake.add(name)
        return volume

    def sleep(self, names: Sequence[str], calls: Iterable[Asleep]) -> None:
        """Take note of calls that ended well, by volume; what they told is learnt if the volume is ever asked for.

        Args:
            names: none of a volume that is awake.
            calls: one for each name.
        """
        book = self._book
        if book.keys().isdisjoint(names) and len(set(names)) == len(names):
            book.update(zip(names, zip(calls), strict=True))
        else:
            for name, call in zip(names, calls, strict=True):
                before = book.pop(name, ())
                assert isinstance(before, tuple)
                book[name] = (*before, call)
        for _ in range(len(book) - self._most - len(self._pinned)):
            name, one = book.popitem(last=False)
            if isinstance(one, tuple):
                self.evicted += 1
            else:
                book[name] = one
                book.move_to_end(name, last=False)
                self._forget()

    def restless(self, names: Sequence[str]) -> set[str]:
        """Those of *names* that are awake, or sleep with so many calls that it is time to read them."""
        book = self._book
        if book.keys().isdisjoint(names):
            return set()
        return {name for name in names if name in self.awake or len(self._calls_of(name)) >= MAX_ASLEEP}

    def _calls_of(self, name: str) -> tuple[Asleep, ...]:
        calls = self._book.get(name, ())
        return calls if isinstance(calls, tuple) else ()

    def known(self, name: str) -> Volume | None:
        """The volume of that name if the log has told anything of it."""
        volume = self._book.get(name)
        return self._wake(name, volume) if isinstance(volume, tuple) else volume

    def pin(self, volume: Volume) -> None:
        """Keep a volume for the report."""
        if volume.name in self._pinned:
            if self._newest:
                self._pinned[volume.name] = self._pinned.pop(volume.name)
            return
        if len(self._pinned) >= self._most:
            self.overfull = True
            if not self._newest:
                return
            del self._pinned[next(iter(self._pinned))]
        self._pinned[volume.name] = None
        self._book.setdefault(volume.name, volume)
        self.awake.add(volume.name)

    def _forget(self) -> None:
        book = self._book
        for _ in range(len(book)):
            name, volume = book.popitem(last=False)
            if name in self._pinned:
                book[name] = volume  # to the young end: it is not to be looked at again soon
                continue
            if not isinstance(volume, tuple):
                self._handles.pop(volume.handle, None)
                self.awake.discard(name)
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
        handle = handle[:MAX_NAME]
        volume.handle = handle
        if parsed := csi.parse_volume_id(handle):
            volume.server = volume.server or parsed.server
            volume.share = volume.share or parsed.share
            if parsed.uuid:
                volume.subdir = volume.subdir or parsed.subdir
        if self.name_of_handle(handle) != volume.name:
            self._handles[handle] = volume.name

    def learn_event(self, record: Record, clock: int) -> None:
        """Take over what an event, or the head of a description, says of a claim, a volume or a pod.

        Also the sidecars' own ``Event occurred object="ns/claim" …``, which names the object in one field, and
        ``Event(v1.ObjectReference{Kind:"…", Namespace:"…", Name:"…", UID:"…", …``.
        """
        fields = record.fields or {}
        if not fields and record.message.startswith("Event("):
            fields = {key.lower(): value for key, value in _REFERENCE.findall(record.message[:LARGE])}
        namespace, name = fields.get("namespace", ""), fields.get("name", "")
        if not name:
            namespace, _, name = fields.get("object", "").partition("/")
        if not name:
            if block := fields.get("block"):  # of a pod, if it tells of what only pods go through
                self.pods.learn(record, fields, ("", block), clock)
            return
        match fields.get("kind"):
            case "PersistentVolumeClaim":
                self._learn_claim(record, fields, namespace, name)
            case "PersistentVolume":
                self._learn_volume(fields, name)
            case "Pod":
                self.pods.learn(record, fields, (namespace, name), clock)

    def _learn_claim(self, record: Record, fields: Mapping[str, str], namespace: str, claim: str) -> None:
        uid = fields.get("uid", "")
        text = "" if csi.names_source(record.message) else record.message
        name = fields.get("volume") or (
            f"pvc-{uid}" if uid else csi.volume_in(text) if record.kind != "preamble" else ""
        )
        if not name:
            return
        volume = self.get(name)
        volume.namespace, volume.pvc = namespace or volume.namespace, claim
        volume.storage_class = fields.get("storageclass") or volume.storage_class
        if fields.get("reason") == "ProvisioningSucceeded":
            volume.settled.add("CreateVolume")  # a volume is made once: nothing fails after that

    def _learn_volume(self, fields: Mapping[str, str], name: str) -> None:
        volume = self.get(name)
        namespace, _, claim = fields.get("claim", "").partition("/")
        if claim:
            volume.namespace, volume.pvc = namespace, claim
        volume.storage_class = fields.get("storageclass") or volume.storage_class
        if fields.get("handle"):
            self.learn_handle(volume, fields["handle"])

    def of_claim(self, namespace: str, claim: str) -> Volume | None:
        """The volume of a claim; None if it is not known, or if several of that name are.

        Args:
            namespace: "" where it is not known.
        """
        found = [
            volume
            for volume in [self._wake(name, one) if isinstance(one, tuple) else one for name, one in self._book.items()]
            if volume.pvc == claim and (not namespace or volume.namespace in {"", namespace})
        ]
        return found[0] if len(found) == 1 else None

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
            kept = {str(key): str(value) for key, value in parameters.items()}
            size = sum(map(len, kept)) + sum(map(len, kept.values()))
            self._large += size if size > LARGE else 0
            if size <= LARGE or self._large <= MAX_LARGE:
                volume.parameters = kept
        return volume


def note_success(volume: Volume, method: str, when: tuple[int | None, int], origin: Origin) -> None:
    """Take note that a method ended well.

    Args:
        when: time, order of reading.
        origin: of the driver that answered.
    """
    if not method.startswith("Node"):
        volume.successes[method] = when
        return
    book, key = volume.node_successes, (method, origin.input, origin.stream)
    book.pop(key, None)
    if len(book) >= MAX_PLACES:
        del book[next(iter(book))]
    book[key] = when


def learn_context(volume: Volume, values: Mapping[str, Any]) -> None:
    """Take over parameters or a volume context; their keys are case-insensitive."""
    for key, value in values.items():
        text = str(value)[:MAX_NAME]
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


# ---------------------------------------------------------------- claims and pods

_NO_VOLUME = "claim "


def claim_name(namespace: str, claim: str) -> str:
    """What stands for the name of the volume of a claim of which no volume is known; no volume can be called so."""
    return f"{_NO_VOLUME}{namespace}/{claim}"


def is_claim(name: str) -> bool:
    """Whether *name* is one of claim_name's."""
    return name.startswith(_NO_VOLUME)


class Moment(NamedTuple):
    """When an event was last seen, as far as it is known."""

    time: int | None  # µs since the epoch
    age: int | None  # seconds before its table was printed
    clock: int  # order of reading

    def before(self, other: Moment) -> bool:
        """Whether this was seen no later than *other*."""
        if self.time is not None and other.time is not None:
            return self.time <= other.time
        if self.age is not None and other.age is not None:
            return self.age >= other.age
        return self.clock <= other.clock


@dataclass(slots=True)
class Pod:
    """What events tell of one pod.  Mutable: it learns."""

    claims: tuple[str, ...] = ()
    volumes: set[str] = field(default_factory=set)  # that could not be mounted into it
    failed: dict[str, Moment] = field(default_factory=dict)  # by reason, the last time
    done: dict[str, Moment] = field(default_factory=dict)


# What a pod cannot come to before this trouble of it is over: kubelet starts no container
# before all volumes are mounted, and what is scheduled has its claims bound.  A container that is
# stopped because its pod goes fails its probes, too.
_STOPPED = "Stopped"
_HEALED_BY = {
    "Unhealthy": (_STOPPED, "Started"),
    "FailedMount": ("Pulling", "Pulled", "Created", "Started"),
    "FailedScheduling": ("Scheduled", "Pulling", "Pulled", "Created", "Started"),
}


class Pods:
    """Pods by namespace and name."""

    def __init__(self, newest: int | None = None) -> None:
        self._newest = newest
        self._most = newest or MAX_VOLUMES
        # What kubelet says went well: (operation, volume, uid of the pod) -> (time, order of reading).
        self.kubelet: dict[tuple[str, str, str], tuple[int | None, int]] = {}
        self.addresses: dict[str, str] = {}  # of nodes, by name
        self._book: dict[tuple[str, str], Pod] = {}
        self._victims: dict[str, set[tuple[str, str]]] = {}  # volume -> pods that it could not be mounted into

    def empty(self) -> bool:
        """Whether nothing is known of any pod."""
        return not (self.kubelet or self._book)

    def learn_kubelet(self, message: str, time: int | None, clock: int) -> None:
        """Take over that kubelet could mount or unmount a volume of a pod."""
        done = csi.kubelet_operation(message)
        if not done:
            return
        if self._newest:
            self.kubelet.pop(done, None)
            if len(self.kubelet) >= self._most:
                del self.kubelet[next(iter(self.kubelet))]
        if done in self.kubelet or len(self.kubelet) < self._most:
            self.kubelet[done] = (time, clock)

    def kubelet_ended(self, message: str) -> tuple[int | None, int] | None:
        """When kubelet last did well what *message* says that it could not do; None if it never did."""
        failed = csi.kubelet_operation(message)
        return self.kubelet.get(failed) if failed else None

    def get(self, key: tuple[str, str]) -> Pod | None:
        """What is known of a pod."""
        return self._book.get(key)

    def learn(self, record: Record, fields: Mapping[str, str], key: tuple[str, str], clock: int) -> None:
        """Take over an event of a pod, or the head of its description."""
        pod = self._book.get(key)
        if pod is None:
            if len(self._book) >= self._most:
                if not self._newest:
                    return
                self._forget()
            pod = self._book[key] = Pod()
        if fields.get("node_address") and len(self.addresses) < MAX_VOLUMES:
            self.addresses[fields["node"]] = fields["node_address"]
        if fields.get("claims"):
            pod.claims = tuple(fields["claims"].split(","))
        reason = fields.get("reason", "")
        if reason == "Killing" and "Stopping container" in record.message:
            reason = _STOPPED
        age = fields.get("age")
        moment = Moment(record.time, int(age) if age else None, clock)
        book = pod.failed if reason in _HEALED_BY else pod.done
        if reason and (reason not in book or book[reason].before(moment)):
            book[reason] = moment
        if reason == "FailedMount" and (name := csi.subject_of(record.message).volume):
            pod.volumes.add(name)
            self._victims.setdefault(name, set()).add(key)

    def _forget(self) -> None:
        """Let the pod go that is known for longest."""
        key = next(iter(self._book))
        for name in self._book.pop(key).volumes:
            victims = self._victims.get(name, set())
            victims.discard(key)
            if not victims:
                self._victims.pop(name, None)

    def healed(self, key: tuple[str, str], reason: str, since: int | None = None) -> bool:
        """Whether the trouble of that *reason* is over for a pod."""
        pod = self._book.get(key)
        failed = pod.failed.get(reason) if pod is not None else None
        if pod is None or failed is None:
            return False
        ends = [pod.done[one] for one in _HEALED_BY.get(reason, ()) if one in pod.done]
        if reason == "Unhealthy" and _STOPPED in pod.done:
            return True
        return any(
            failed.before(end) and (since is None or (end.time is not None and end.time >= since)) for end in ends
        )

    def mounted(self, volume: str, since: int | None = None) -> bool:
        """Whether the volume was mounted in the end into every pod that it could not be mounted into.

        Args:
            since: µs; a container that was started before, or at a time that is not known, proves nothing then.
        """
        victims = self._victims.get(volume, set())
        return bool(victims) and all(self.healed(key, "FailedMount", since) for key in victims)
