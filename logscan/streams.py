"""The driver processes whose calls are followed, in a book of bounded size."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from logscan import rpc
from logscan.model import Call, Origin, Volume

MAX_OPEN = 4_096  # open calls of one stream
MAX_ASKED = 48 << 20  # size of all open calls
CALL_SIZE = 1_000  # of a call, to which the characters of its request come
MAX_AWAITING = 1_024  # mount errors whose GRPC error has not come yet
MAX_STREAMS = 4_096  # of all inputs; the one that was silent for longest makes room
MAX_NODES = 1_000  # of one input, of streams that made room
MAX_SERVERS = 64  # of one stream


def _told(origin: Origin) -> str:
    """The node that a log's own framing or path tells; not a lambda, as books are copied by pickle."""
    return origin.node


@dataclass(slots=True)
class Stream:
    """The calls of one driver process.  Mutable: the Tracker keeps its books in it."""

    announced: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_OPEN))
    open: OrderedDict[int, Call] = field(default_factory=OrderedDict)  # by id(call), oldest first
    by_key: dict[str, list[Call]] = field(default_factory=dict)  # by volume name, key and target
    awaiting: deque[tuple[str, Call]] = field(default_factory=lambda: deque(maxlen=MAX_AWAITING))
    ambiguous: list[tuple[Call, list[Call]]] = field(default_factory=list)
    nameless: int = 0  # {} that one of several quiet calls got
    abandoned: int = 0  # mounts given up by calls that the log does not name: their errors come late
    last_time: int | None = None
    role: str = ""
    node: str = ""
    running: bool = False  # it has worked since its last start
    started: bool = False  # the log shows a start of it
    origin: Origin | None = None  # of its first record
    servers: set[str] = field(default_factory=set)  # from which it mounted

    def lets_pass(self, methods: Iterable[str], names: Sequence[str], *, named: bool) -> bool:
        """Whether calls that go well, one after the other, would change nothing but counts, as things stand.

        Args:
            named: their responses say whose they are; an empty one goes to the first call that it fits.
        """
        if self.nameless or (self.open and not named):
            return False
        waiting = set(self.announced)
        done = any(call.step in rpc.DONE.get(call.method, ()) for call in self.open.values())
        return not done and waiting.isdisjoint(methods) and self.by_key.keys().isdisjoint(names)

    def pass_over(self, role: str, last_time: int | None) -> None:
        """Such calls went by, the last of them in *role* and at *last_time*."""
        self.running, self.role = True, role
        if last_time is not None and (self.last_time is None or last_time > self.last_time):
            self.last_time = last_time

    def mounted(self, server: str) -> None:
        """Take note that a mount of *server* went well."""
        if len(self.servers) < MAX_SERVERS:
            self.servers.add(server)

    def at_rest(self) -> bool:
        """Whether no call is open and nothing waits for a line to come."""
        waiting = self.open or self.announced or self.awaiting or self.ambiguous
        return not (waiting or self.nameless or self.abandoned or self.node)

    def __setstate__(self, state: tuple[None, dict[str, Any]]) -> None:
        """Become a copy: its calls are copies, too, whose identities are others."""
        for name, value in state[1].items():
            setattr(self, name, value)
        self.open = OrderedDict((id(call), call) for call in self.open.values())


class Streams:
    """Streams by the input and the name of the stream in it, least recently heard of first.

    Args:
        leave: told of a stream that makes room while its input is still read.
        close: settles a stream that is over.
    """

    def __init__(self, leave: Callable[[Stream], None], close: Callable[[Stream], None]) -> None:
        self._book: OrderedDict[tuple[str, str], Stream] = OrderedDict()
        self._leave = leave
        self._close = close
        self.asked = 0  # size of all open calls
        self._roles: dict[str, set[str]] = {}  # of streams that made room, by input
        self._nodes: dict[str, set[str]] = {}
        self._served: dict[str, set[str]] = {}  # by server: nodes of streams that made room
        self._next: dict[str, str] = {}  # inputs whose log goes on in another
        self.host: Callable[[Origin], str] = _told  # on which node a log was written
        self._last: tuple[tuple[str, str], Stream] | None = None  # the latest that made room: its calls are just ending

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._book.values())

    def __len__(self) -> int:
        return len(self._book)

    def of(self, origin: Origin) -> Stream:
        """The stream of a record."""
        key = (origin.input, origin.stream)
        stream = self._book.get(key)
        if stream is None:
            stream = self._book[key] = Stream(origin=origin)
            if len(self._book) > MAX_STREAMS:
                self._make_room(origin.input)
        else:
            self._book.move_to_end(key)
        return stream

    def overfull(self, stream: Stream) -> Iterator[Stream]:
        """Those whose oldest open call must go before the next is asked for, as *stream* has one more."""
        if len(stream.open) > MAX_OPEN:
            yield stream
        if self.asked <= MAX_ASKED:
            return
        for silent in list(self):  # the one that was silent for longest comes first
            while silent.open and silent is not stream and self.asked > MAX_ASKED // 2:
                yield silent
        while len(stream.open) > 1 and self.asked > MAX_ASKED:
            yield stream

    def _make_room(self, reading: str) -> None:
        key, stream = self._book.popitem(last=False)
        self._last = (key, stream)
        self._remember(key[0], stream)
        if key[0] == reading:
            self._leave(stream)
        self._close(stream)

    def _remember(self, input_name: str, stream: Stream) -> None:
        if stream.role:
            self._roles.setdefault(input_name, set()).add(stream.role)
        if stream.node and len(nodes := self._nodes.setdefault(input_name, set())) < MAX_NODES:
            nodes.add(stream.node)
        if node := self._node_of(stream):
            for server in stream.servers:
                mounted = self._served.setdefault(server, set()) if len(self._served) < MAX_STREAMS else set()
                if len(mounted) < MAX_NODES:
                    mounted.add(node)

    def go_on(self, before: str, name: str) -> None:
        """The log of the input *before* goes on in another: what is open there may end here."""
        self._next[before] = name
        for key in [key for key in self._book if key[0] == before]:
            stream = self._book[name, key[1]] = self._book.pop(key)
            self._remember(before, stream)

    def roles(self, input_name: str) -> set[str]:
        """What the streams of an input are: "controller", "node" or both."""
        here = {stream.role for (name, _), stream in self._book.items() if name == input_name and stream.role}
        return here | self._roles.get(input_name, set())

    def nodes(self, input_name: str) -> set[str]:
        """The nodes that the streams of an input gave as theirs."""
        here = {stream.node for (name, _), stream in self._book.items() if name == input_name and stream.node}
        return here | self._nodes.get(input_name, set())

    def about(self, origin: Origin) -> tuple[str, str]:
        """The role and the node of a stream, "" where it does not say."""
        stream = self.find(origin.input, origin.stream)
        return (stream.role, stream.node) if stream else ("", "")

    def find(self, input_name: str, name: str) -> Stream | None:
        """A stream that was heard of; None where it made room."""
        while input_name in self._next:
            input_name = self._next[input_name]
        key = (input_name, name)
        stream = self._book.get(key)
        if stream is None and self._last is not None and self._last[0] == key:
            stream = self._last[1]
        return stream

    def _node_of(self, stream: Stream) -> str:
        return stream.node or (self.host(stream.origin) if stream.origin is not None else "")

    def mounting(self, server: str) -> set[str]:
        """The nodes, as far as their names are known, on which a mount of *server* went well."""
        found = {self._node_of(stream) for stream in self._book.values() if server in stream.servers}
        return (found | self._served.get(server, set())) - {""}

    def same_node(self, one: tuple[str, str], other: tuple[str, str], time: int | None) -> bool:
        """Whether what went well in the stream *one* at *time* may have been on the node of *other*.

        Where their nodes are not known: as a pod of the driver that starts again writes to another
        log, unless *other* still spoke then, for one node has one such pod at a time.  A pod of another
        name that had been running all along is another node's.

        Args:
            one: (input, stream), as other.
        """
        mine, theirs = self.find(*one), self.find(*other)
        if mine is None or theirs is None or mine is theirs:
            return True
        nodes = {self._node_of(mine), self._node_of(theirs)} - {""}
        if len(nodes) == 2:
            return False
        if self._node_of(mine) and self._node_of(theirs):
            return True
        pods = {stream.origin.pod for stream in (mine, theirs) if stream.origin is not None} - {""}
        if len(pods) == 2 and not mine.started:
            return False
        return theirs.last_time is None or time is None or theirs.last_time <= time

    def successes(self, volume: Volume, method: str, origin: Origin | None) -> list[tuple[int | None, int]]:
        """When a method last ended well for a volume: (time, order of reading), one per stream where it is a node's.

        Args:
            method: "" for any.
            origin: of the driver that failed, to leave out what certainly went well on another node.
        """
        found = [when for name, when in volume.successes.items() if method in {"", name}]
        for (name, *place), when in volume.node_successes.items():
            if method in {"", name} and (
                origin is None or self.same_node((place[0], place[1]), (origin.input, origin.stream), when[0])
            ):
                found.append(when)
        return found
