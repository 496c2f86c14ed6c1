"""Pair the driver's requests with how they ended, and learn about the volumes on the way.

The driver prints no request id, its pid is constant, and handlers run side by
side and end in any order.  So a line is bound to a call by what it names:
the volume, the target path, the body of a mount error.  Where a line names
nothing and several calls are open, it stays ambiguous: "one of N".

One Tracker reads all streams; what it keeps is bounded (see the MAX_ constants).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence

from logscan import csi, history, rpc, volumes
from logscan.model import Call, Origin, Record, Restart, Volume
from logscan.quiet import Run
from logscan.streams import CALL_SIZE, MAX_AWAITING, Stream, Streams
from logscan.volumes import MAX_VOLUMES, Volumes, learn_context

MAX_AMBIGUOUS = 256  # errors that name nobody
MAX_STARTS = 1_000  # of drivers, the latest
# A mount of the driver lasts 110 s at most (90 s before v4.13), a call of kubelet two minutes: what is longer, hangs.
HUNG_AFTER = 120_000_000  # µs


class Tracker:
    """Reads records in the order of the log; tells whose call each belongs to.

    ``feed`` returns the call a record belongs to (None: of no call, or unknown).
    Calls that ended wait in ``ended`` until the caller takes them.
    """

    def __init__(self, newest: int | None = None) -> None:
        self.ended: list[Call] = []
        self.total: dict[str, int] = {}
        self.failed: dict[str, int] = {}
        self.hung = 0
        self.by_input: Counter[tuple[str, str]] = Counter()  # the same: (input, "total" | "failed" | "hung")
        self.starts: deque[Restart] = deque(maxlen=MAX_STARTS)  # in the midst of a log
        self.volumes = Volumes(newest)
        self._given_up: set[str] = set()  # volumes with a mount that timed out and may still run
        self.dropped_calls = 0  # open calls that no longer fitted in
        self.works: dict[tuple[str, str], set[str]] = {}  # NFS versions mounted, by (server, "" or path)
        self.clock = 0  # counts records: the order of reading
        self.met = 0  # counts calls, see Call.number
        self.streams = Streams(self._leave, self._close_stream)
        self._handlers = {
            "GRPC ": self._grpc, "inter": self._internal, "NodeP": self._publish, "NodeU": self._unpublish,
            "volum": self._succeeded, "Mount": self._mount, "chmod": self._chmod, "skip ": self._chmod,
            "Drive": self._banner, "DRIVE": self._banner, "panic": self._banner, "fatal": self._banner,
            "Delet": self._retained, "Event": self._event, "Unmou": self._kubelet,
        }  # fmt: skip

    # ------------------------------------------------------------ reading

    def feed(self, record: Record) -> Call | None:
        """Bind *record* to a call of its stream, and learn from it."""
        self.clock += 1
        message = record.message
        handler = self._handlers.get("Event" if record.kind in {"event", "preamble"} else message[:5])
        # The sidecars' side of the same calls would double them; another driver's look the same.
        if handler is None or record.file == "connection.go" or csi.foreign(record.origin):
            return None
        stream = self.streams.of(record.origin)
        if record.time is not None and (stream.last_time is None or record.time > stream.last_time):
            stream.last_time = record.time
        return handler(stream, record)

    def may_pass(self, origin: Origin, methods: Iterable[str], names: Sequence[str], *, named: bool) -> bool:
        """Whether calls that went well would change nothing but counts; see Stream.lets_pass."""
        fits = self._given_up.isdisjoint(names) and not csi.foreign(origin)
        return fits and self.streams.of(origin).lets_pass(methods, names, named=named)

    def pass_over(self, origin: Origin, run: Run, last_time: int | None) -> None:
        """Take note of calls that went well, whose lines are not read."""
        self.clock += run.lines
        self.met += len(run.kinds)
        self.streams.of(origin).pass_over(run.certificates[run.kinds[-1]].role, last_time)
        for kind, count in Counter(run.kinds).items():
            self._count("total", run.certificates[kind].method, origin, count)
        for key, versions in run.works:
            if key in self.works or len(self.works) < MAX_VOLUMES:
                self.works.setdefault(key, set()).update(versions)
            if not key[1]:
                self.streams.of(origin).mounted(key[0])

    def at_rest(self) -> bool:
        """Whether no call is open and nothing waits for a line to come."""
        lost = self.hung or self.starts or self._given_up or self.dropped_calls
        return not lost and all(stream.at_rest() for stream in self.streams)

    def take_ended(self) -> list[Call]:
        """The calls that ended since this was last asked."""
        ended, self.ended = self.ended, []
        return ended

    def close(self) -> None:
        """The log is over: settle what can be settled, and say what hangs."""
        for stream in self.streams:
            self._close_stream(stream, "open")

    def role(self, input_name: str) -> str | None:
        """Whether the calls of an input are a controller's or a node's; None if neither or both."""
        roles = self.streams.roles(input_name)
        return roles.pop() if len(roles) == 1 else None

    def stream_of(self, origin: Origin) -> tuple[str, str]:
        """The role and the node of the driver whose log this is, "" where it does not say."""
        return self.streams.about(origin)

    def _next(self) -> int:
        self.met += 1
        return self.met - 1

    # ------------------------------------------------------------ gRPC lines

    def _grpc(self, stream: Stream, record: Record) -> Call | None:
        message = record.message
        stream.running = True
        if message.startswith("GRPC call: "):
            method = message[:200].rpartition("/")[2].strip()
            stream.announced.append(method)
            self._count("total", method, record.origin)
            if "/csi.v1.Controller/" in message:
                stream.role = "controller"
            elif "/csi.v1.Node/" in message:
                stream.role = "node"
            return None
        if message.startswith("GRPC request: "):
            return self._request(stream, record)
        if message.startswith("GRPC response: "):
            return self._response(stream, record)
        if message.startswith("GRPC error: "):
            return self._error(stream, record)
        return None

    def _request(self, stream: Stream, record: Record) -> Call | None:
        body = rpc.read_json(record.message[len("GRPC request: ") :])
        methods = rpc.methods_of_request(body)
        method = rpc.take_announced(stream.announced, methods)
        if not body:
            return None  # an empty request is Identity's or a capability's: nothing to learn
        if method == "":
            if len(methods) != 1:
                return None
            method = next(iter(methods))
            self._count("total", method, record.origin)
        call = Call(method, None, record.origin, record.line, start=record.time, request=body, number=self._next())
        volume = self.volumes.learn_request(body)
        call.volume = volume
        call.target = str(body.get("target_path") or body.get("volume_path") or "")
        # A snapshot's working path is /tmp/<snapshot name>, the third part of its id.
        snapshot = str(body.get("snapshot_id") or "").split("#")
        name = snapshot[2] if len(snapshot) > 2 else snapshot[0]
        call.key = call.target or str(body.get("name") or name or (volume.name if volume else ""))
        rpc.count_attempt(call)
        call.size = len(record.message) + CALL_SIZE
        self._open(stream, call)
        return call

    def _response(self, stream: Stream, record: Record) -> Call | None:
        text = record.message[len("GRPC response: ") :]
        body = rpc.read_json(text)
        call: Call | None = None
        if body and isinstance(body.get("volume"), dict):
            answered = body["volume"]
            name = self.volumes.name_of_handle(str(answered.get("volume_id") or ""))
            context = answered.get("volume_context")
            if name:
                volume = self.volumes.get(name)
                learn_context(volume, context if isinstance(context, dict) else {})
                call = rpc.oldest(stream.by_key.get(name, ()), {"CreateVolume"})
                if call is None:
                    self._note_success("CreateVolume", volume, record.time, record.origin)
        elif body and "node_id" in body:
            stream.node = str(body["node_id"])
        elif body and isinstance(body.get("snapshot"), dict):
            handle = str(body["snapshot"].get("snapshot_id") or "")
            parts = handle.split("#")
            call = rpc.oldest(stream.by_key.get(parts[2] if len(parts) > 2 else "", ()), {"CreateSnapshot"})
        elif body:
            call = rpc.oldest(stream.open.values(), rpc.METHODS_OF_RESPONSE.get(next(iter(body)), frozenset()))
        elif text.partition("\n")[0].strip() == "{}":
            call = self._anonymous_success(stream, record)
        if call is not None:
            self._finish(stream, call, "ok", record)
        return call

    def _anonymous_success(self, stream: Stream, record: Record) -> Call | None:
        """Whose ``{}`` this is: of a call whose last line was its last, else of the only one."""
        quiet = []
        for call in stream.open.values():
            if call.method not in rpc.DONE:
                continue
            if call.step in rpc.DONE[call.method]:
                return call  # several may be done: they all ended well, so which is the same
            if call.step == "":
                quiet.append(call)
        # A publish of what is mounted already prints nothing but call, request and {}.
        if len(quiet) <= 1:
            return quiet[0] if quiet else None
        stream.nameless += 1
        for call in quiet:
            call.candidates = len(quiet)
        if stream.nameless >= len(quiet):
            # As many answers as calls that could have got one: each got one.
            stream.nameless = 0
            for call in quiet:
                self._finish(stream, call, "ok", record)
        return None

    def _error(self, stream: Stream, record: Record) -> Call | None:
        status = csi.parse_status(record.message)
        if status is None:
            return None
        call = self._awaited(stream, status.innermost)
        if call is None:
            call = self._failing(stream, record, status)
        call.code, call.message, call.end = status.code, status.innermost[: rpc.MAX_TEXT], record.time
        # One of N: its end waits until the others' ends have told whose it is.
        if call.outcome == "open" and not any(call is failure for failure, _ in stream.ambiguous):
            call.candidates = 1
            self._finish(stream, call, "failed", record)
        return call

    def _awaited(self, stream: Stream, body: str) -> Call | None:
        """The call whose ``Mount failed: …`` had the same body: one event, logged twice."""
        wanted = rpc.mount_body(body)
        for index, (have, call) in enumerate(stream.awaiting):
            if have == wanted:
                del stream.awaiting[index]
                return call if call.outcome == "open" else None
        return None

    def _failing(self, stream: Stream, record: Record, status: csi.Status) -> Call:
        subject = csi.subject_of(status.desc)
        name = self.volumes.name_of_handle(subject.handle) or subject.volume
        if name:
            if call := rpc.failing(stream.by_key.get(name, ()), subject.target, status.desc):
                return call
            if not csi.names_source(status.desc):
                return self._orphan(record, status, self.volumes.get(name))
        return self._anonymous_failure(stream, record, status)

    def _anonymous_failure(self, stream: Stream, record: Record, status: csi.Status) -> Call:
        method = rpc.method_of_text(status.desc)
        wrapped = "failed to mount nfs server" in status.desc
        candidates = [
            call
            for call in stream.open.values()
            if call.outcome == "open"
            and (not method or call.method == method)
            and not (wrapped and call.method in rpc.NODE_METHODS)
            and call.step not in rpc.DONE.get(call.method, ())
        ]
        candidates = rpc.likely(candidates, record, status)
        if len(candidates) == 1:
            return candidates[0]
        call = self._orphan(record, status, None)
        stream.abandoned += status.innermost == "time out"
        if candidates:
            call.candidates = len(candidates)
            methods = {candidate.method for candidate in candidates}
            if len(methods) == 1:
                call.method = methods.pop()
            # The call itself was counted when it was announced.
            self._count("total", method, record.origin, -1)
            stream.ambiguous.append((call, candidates))
            if len(stream.ambiguous) > MAX_AMBIGUOUS:
                self._give_up(stream)
        return call

    def _orphan(self, record: Record, status: csi.Status, volume: Volume | None) -> Call:
        """A failure whose request the log does not hold (it starts later, or -v is too low)."""
        method = rpc.method_of_text(status.desc)
        if not method and volume is not None:
            where = csi.parse_path(csi.subject_of(status.desc).target).where
            method = "NodePublishVolume" if where == "node" else ""
        call = Call(method, volume, record.origin, record.line, end=record.time, number=self._next())
        if volume is not None:
            call.options, call.source = volume.options, volume.source
            call.target = csi.subject_of(status.desc).target
            call.key = volume.name
            rpc.count_attempt(call)
        if mount := csi.parse_mount(status.desc):
            self._note_mount(call, mount)
        self._count("total", method, record.origin)
        return call

    # ------------------------------------------------------------ the driver's own lines

    def _internal(self, stream: Stream, record: Record) -> Call | None:
        found = rpc.INTERNAL.match(record.message)
        if not found:
            return None
        stream.role = stream.role or "controller"
        call = self._by_path(stream, found["target"], rpc.CONTROLLER_METHODS)
        if found["source"]:
            volume = call.volume if call and call.volume else self.volumes.of_path(found["target"])
            if volume is not None:
                server, share = csi.split_source(found["source"])
                volume.server = volume.server or server
                volume.share = volume.share or share
                volume.source = found["source"]
            if call is not None:
                call.step = "mounting"
        elif call is not None:
            call.step = "unmounting"
        return call

    def _publish(self, stream: Stream, record: Record) -> Call | None:
        found = rpc.PUBLISH.match(record.message)
        if not found:
            return None
        call = self._by_path(stream, found["target"], rpc.MOUNTING)
        volume = self.volumes.of_path(found["target"]) or (call.volume if call else None)
        on_node = csi.parse_path(found["target"]).where == "node"
        if on_node:
            stream.role = stream.role or "node"
        # At -v=2 or 3 the command itself is not logged; Go prints the list with blanks between.
        options = None if found["flags"] is None else ",".join(found["flags"].split())
        if volume is not None:
            volume.source = found["source"]
            volume.options = options if options is not None else volume.options
            if on_node:
                self.volumes.learn_handle(volume, found["handle"])
        if call is not None:
            call.source = found["source"]
            call.options = options if options is not None else call.options
            call.step = "publish"
        return call

    def _mount(self, stream: Stream, record: Record) -> Call | None:
        message = record.message
        if message.startswith("MountVolume."):
            self._kubelet(stream, record)
            return None
        mount = csi.parse_mount(message)
        if mount is None:
            return None
        failed = message.startswith("Mount failed")
        if not failed and not message.startswith("Mounting cmd"):
            return None
        call = self._by_path(stream, mount.target, rpc.MOUNTING)
        volume = self.volumes.of_path(mount.target) or (call.volume if call else None)
        if volume is not None:
            volume.source, volume.options = mount.source, mount.options
            volume.server = volume.server or csi.bare_server(mount.server)
        if call is None and failed and volume is not None and volume.name in self._given_up:
            return None  # the end of a mount whose call had timed out, and was counted then
        if call is None and failed:
            call = Call("", volume, record.origin, record.line, end=record.time, number=self._next())
            call.key = volume.name if volume else mount.target
        if call is not None:
            self._note_mount(call, mount)
            call.step = "mount-failed" if failed else "mount"
            if failed:
                if len(stream.awaiting) == MAX_AWAITING:
                    self._late(stream)
                stream.awaiting.append((rpc.mount_body(message), call))
        return call

    @staticmethod
    def _note_mount(call: Call, mount: csi.Mount) -> None:
        call.options, call.source = mount.options, mount.source
        call.target = call.target or mount.target

    def _chmod(self, stream: Stream, record: Record) -> Call | None:
        found = rpc.TARGET.search(record.message)
        call = self._by_path(stream, found["target"], rpc.MOUNTING) if found else None
        if call is not None:
            call.step = "chmod" if record.message.startswith("chmod") else "mounted"
        return call

    def _succeeded(self, stream: Stream, record: Record) -> Call | None:
        found = rpc.SUCCEEDED.match(record.message)
        if not found:
            return None
        call = self._by_path(stream, found["target"], rpc.MOUNTING)
        volume = self.volumes.of_path(found["target"]) or (call.volume if call else None)
        options = call.options if call and call.options is not None else (volume.options if volume else None)
        self._note_works(stream, found["source"], options)
        if call is not None:
            call.step = "succeeded"
            if call.method == "NodePublishVolume":
                self._note_success(call.method, call.volume, record.time, record.origin)
        elif volume is not None and csi.parse_path(found["target"]).where == "node":
            self._note_success("NodePublishVolume", volume, record.time, record.origin)
        return call

    def _unpublish(self, stream: Stream, record: Record) -> Call | None:
        found = rpc.UNPUBLISH.match(record.message)
        if not found:
            return None
        call = self._by_path(stream, found["target"], rpc.UNMOUNTING)
        if call is not None:
            call.step = "unmounted" if found["done"] else "unmounting"
            if found["done"] and call.method == "NodeUnpublishVolume":
                self._note_success(call.method, call.volume, record.time, record.origin)
        return call

    def _retained(self, stream: Stream, record: Record) -> Call | None:
        """``DeleteVolume: …``: retained or deleted before, so there is nothing to do."""
        if not record.message.startswith("DeleteVolume: "):
            return None
        for call in stream.open.values():
            if call.method == "DeleteVolume" and call.volume and call.volume.handle in record.message:
                if "retain" in record.message or "already deleted" in record.message:
                    call.step = "retained"
                return call
        return None

    def _banner(self, stream: Stream, record: Record) -> None:
        """A new start: what was open before is gone."""
        if not record.message.startswith(("Driver: ", "DRIVER INFORMATION", "panic: ", "fatal error: ")):
            return
        if stream.running:
            kind = "start" if record.message.startswith("D") else "panic"
            self.starts.append(Restart(record.time, record.origin.input, record.origin.stream, record.line, kind))
        stream.running, stream.started = False, True
        if stream.open:
            self._close_stream(stream, "killed")

    def _kubelet(self, _: Stream, record: Record) -> None:
        if " succeeded for volume " in record.message[:60]:
            self.volumes.pods.learn_kubelet(record.message, record.time, self.clock)

    def _event(self, _: Stream, record: Record) -> None:
        self.volumes.learn_event(record, self.clock)

    # ------------------------------------------------------------ opening and ending

    def _open(self, stream: Stream, call: Call) -> None:
        for name in rpc.names_of(call):
            older = stream.by_key.setdefault(name, [])
            # Locks let one handler at a time work on a target: one that printed its last line has ended, unanswered.
            for other in [other for other in older if other.key == call.key]:
                if other.step in rpc.DONE.get(other.method, ()):
                    self._finish(stream, other, "ok", None)
                    continue
                if other.method != call.method:
                    continue
                if not other.step and other.candidates > 1:
                    # Tried again, and it was one of those that an empty answer fitted.
                    stream.nameless = max(0, stream.nameless - 1)
                    self._finish(stream, other, "ok", None)
                    continue
                # A retry of a call that may own a nameless error: then it does.
                for failure, candidates in stream.ambiguous[:]:
                    if any(other is candidate for candidate in candidates):
                        self._assign(stream, failure, other)
                        break
            stream.by_key.setdefault(name, []).append(call)
        stream.open[id(call)] = call
        self.streams.asked += call.size
        for crowded in self.streams.overfull(stream):
            self._lose(crowded)

    def _lose(self, stream: Stream) -> None:
        """There are too many open calls: the oldest of a stream is not followed any more."""
        oldest = next(iter(stream.open.values()))
        self.dropped_calls += 1
        self._drop(stream, oldest)
        history.remember(oldest, "lost", stream.last_time, failing=self.volumes.failed)
        oldest.outcome = "killed"
        self.ended.append(oldest)

    def _finish(self, stream: Stream, call: Call, outcome: str, record: Record | None) -> None:
        call.outcome = outcome
        call.end = record.time if record is not None else call.end
        if outcome == "failed":
            self._count("failed", call.method, call.origin)
            if call.volume is not None:
                self.volumes.pin(call.volume)
                late = call.message == "time out" or " timeout after " in call.message
                if late and len(self._given_up) < MAX_VOLUMES:
                    self._given_up.add(call.volume.name)
        elif outcome == "ok":
            self._note_success(rpc.method_key(call), call.volume, call.end, call.origin)
        history.remember(call, outcome, call.end, failing=self.volumes.failed)
        self._drop(stream, call)
        self.ended.append(call)
        if outcome == "ok" and stream.ambiguous:
            self._narrow(stream, call)

    def _drop(self, stream: Stream, call: Call) -> None:
        if stream.open.pop(id(call), None) is not None:
            self.streams.asked -= call.size
        for name in rpc.names_of(call):
            calls = stream.by_key.get(name)
            if calls:
                calls[:] = [other for other in calls if other is not call]
                if not calls:
                    del stream.by_key[name]

    def _narrow(self, stream: Stream, succeeded: Call) -> None:
        """One candidate fewer for each error that named nobody."""
        for failure, candidates in stream.ambiguous[:]:
            left = [call for call in candidates if call is not succeeded]
            candidates[:] = left
            failure.candidates = max(1, len(left))
            if len(left) == 1:
                self._assign(stream, failure, left[0])

    def _assign(self, stream: Stream, failure: Call, owner: Call) -> None:
        """The error *failure* turned out to be *owner*'s end."""
        stream.ambiguous[:] = [pair for pair in stream.ambiguous if pair[0] is not failure]
        failure.method, failure.volume, failure.key = owner.method, owner.volume, owner.key
        failure.request, failure.start, failure.target = owner.request, owner.start, owner.target
        failure.options, failure.source, failure.attempt = owner.options, owner.source, owner.attempt
        failure.candidates, failure.number = 1, owner.number
        owner.outcome = "failed"
        self._drop(stream, owner)
        self._finish(stream, failure, "failed", None)

    def _give_up(self, stream: Stream) -> None:
        """The oldest nameless error stays one of N."""
        failure, candidates = stream.ambiguous.pop(0)
        alive = [call for call in candidates if call.outcome == "open"]
        failure.candidates = max(1, len(alive))
        for call in alive:
            call.candidates = max(call.candidates, len(alive))
        self._finish(stream, failure, "failed", None)

    def _settle(self, stream: Stream) -> None:
        """As many nameless errors as calls that could own them: each owns one."""
        while stream.ambiguous:
            failure, candidates = stream.ambiguous[0]
            alive = [call for call in candidates if call.outcome == "open"]
            rivals = [pair for pair in stream.ambiguous if any(call in alive for call in pair[1])]
            owners = {id(call) for pair in rivals for call in pair[1] if call.outcome == "open"}
            if alive and len(rivals) >= len(owners):
                self._assign(stream, failure, alive[0])
            else:
                self._give_up(stream)

    def _late(self, stream: Stream) -> None:
        """A mount error whose call gave up long before: a failure of its own."""
        body, call = stream.awaiting.popleft()
        if call.outcome == "open" and id(call) not in stream.open:
            call.code, call.message = "", body
            counted = stream.abandoned > 0  # with the error that told of the time-out
            stream.abandoned -= counted
            self._count("total", call.method, call.origin, not counted)
            self._count("failed", call.method, call.origin, -counted)
            self._finish(stream, call, "failed", None)

    def _leave(self, stream: Stream) -> None:
        """A stream is no longer followed, though its log may go on: its open calls are lost."""
        self.dropped_calls += sum(call.step not in rpc.DONE.get(call.method, ()) for call in stream.open.values())

    def _close_stream(self, stream: Stream, why: str = "lost") -> None:
        while stream.awaiting:
            self._late(stream)
        self._settle(stream)
        for call in list(stream.open.values()):
            if call.step in rpc.DONE.get(call.method, ()):
                self._finish(stream, call, "ok", None)
                continue
            age = stream.last_time - call.start if stream.last_time is not None and call.start is not None else 0
            # One of these ended with an error that names nobody: which hangs cannot be told.
            call.hung = age >= HUNG_AFTER and call.candidates == 1
            self.hung += call.hung
            self.by_input[call.origin.input, "hung"] += call.hung
            call.end, call.outcome = None, "killed"
            history.remember(call, "hung" if call.hung else why, stream.last_time, failing=self.volumes.failed)
            self._drop(stream, call)
            self.ended.append(call)
        stream.announced.clear()

    def _count(self, kind: str, method: str, origin: Origin, number: int = 1) -> None:
        counts = self.total if kind == "total" else self.failed
        counts[method] = counts.get(method, 0) + number
        self.by_input[origin.input, kind] += number

    def _note_success(self, method: str, volume: Volume | None, time: int | None, origin: Origin) -> None:
        if volume is not None:
            volumes.note_success(volume, method, (time, self.clock), origin)

    def _note_works(self, stream: Stream, source: str, options: str | None) -> None:
        server, path = csi.split_source(source)
        stream.mounted(server)
        for key in ((server, ""), (server, path)):
            if key not in self.works and self.volumes.full(self.works):
                continue
            works = self.works.setdefault(key, set())
            if options is not None:
                works.add(csi.mount_version(options))

    # ------------------------------------------------------------ names

    def _by_path(self, stream: Stream, path: str, methods: Iterable[str]) -> Call | None:
        """The open call that works on *path*: by its target, else by the volume in it."""
        calls = stream.by_key.get(path)
        if not calls:
            where = csi.parse_path(path)
            calls = rpc.same_side(stream.by_key.get(where.volume, []), path) if where.volume else None
        return rpc.oldest(calls or (), methods)
