"""The lives of volumes, for ``logscan trace``: their calls by time, with outcomes, durations and back-off.

The scanner hands ended calls in only when a trace was asked for.  What is kept
is bounded: of a volume with more calls than MAX_CALLS the first ones and the
latest stay, of more volumes than MAX_VOLUMES those that had trouble.  What was
dropped is counted.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from logscan.model import Call, Diagnosis, Restart, Trace, TracedCall, Volume, VolumeTrace

MAX_VOLUMES = 2_000
MAX_CALLS = 200  # of a volume: the first quarter and the latest of the rest
MAX_FIRST = MAX_CALLS // 4
MAX_TEXT = 300  # characters of what a failure says
WORST = 10  # volumes that are told of when none was asked for

_FAILING, _HUNG, _OPEN, _RECOVERED, _OK = range(5)
STATUSES = ("failing", "hung", "open", "recovered", "ok")

_CONTROLLER = ("Create", "Delete", "Controller", "Validate")


@dataclass(slots=True)
class _Life:
    """One volume's calls in the order in which they ended.  Mutable: it grows."""

    volume: Volume
    first: list[tuple[TracedCall, str]] = field(default_factory=list)  # (call, stream)
    last: deque[tuple[TracedCall, str]] = field(default_factory=lambda: deque(maxlen=MAX_CALLS - MAX_FIRST))
    good: TracedCall | None = None
    total: int = 0
    failed: int = 0
    hung: int = 0
    attempts: int = 0
    # How each method ended last in each place, where not well.
    states: dict[tuple[str, str, str], str] = field(default_factory=dict)
    healed: bool = False

    def bad(self) -> bool:
        """Whether it had any trouble."""
        return bool(self.failed or self.hung)


class Recorder:
    """Takes calls as they end; gives the lives of volumes when the log is over."""

    def __init__(self) -> None:
        self._lives: OrderedDict[str, _Life] = OrderedDict()  # those without trouble: least recently met first
        self._bad: dict[str, _Life] = {}
        self._dropped_volumes: set[str] = set()
        self._dropped_calls = 0
        self._unassigned = [0, 0]

    def add(self, call: Call, role: str, node: str, *, until: int | None, restarted: bool, over: bool = False) -> None:
        """Take a call that ended, or that something ended.

        Args:
            role: of the driver whose log it is, "" unknown; the method may tell better.
            until: time of the restart, or of the last record; of use for a call without an end.
            restarted: a restart of the driver closed it.
            over: the log is at its end.
        """
        if call.volume is None:
            self._unassigned[0] += 1
            self._unassigned[1] += call.outcome == "failed"
            return
        life = self._life(call.volume)
        if life is None:
            self._dropped_calls += 1
            return
        traced = _traced(call, role, node, until=until, restarted=restarted, over=over)
        entry = (traced, call.origin.stream)
        if len(life.first) < MAX_FIRST:
            life.first.append(entry)
        else:
            life.last.append(entry)
        _count(life, traced)
        if life.bad() and call.volume.name in self._lives:
            self._bad[call.volume.name] = self._lives.pop(call.volume.name)

    def _life(self, volume: Volume) -> _Life | None:
        """The volume's life; None: there is no room for one more with trouble."""
        name = volume.name
        if (life := self._bad.get(name)) is not None:
            return life
        if (life := self._lives.get(name)) is not None:
            self._lives.move_to_end(name)
            return life
        if len(self._lives) + len(self._bad) >= MAX_VOLUMES:
            if not self._lives:
                self._forget(name)
                return None
            gone, life = self._lives.popitem(last=False)
            self._forget(gone)
            self._dropped_calls += life.total
        life = self._lives[name] = _Life(volume)
        return life

    def _forget(self, name: str) -> None:
        # Counted by name, so that one that comes again counts once; the set is bounded too.
        if len(self._dropped_volumes) < MAX_VOLUMES * 10:
            self._dropped_volumes.add(name)

    def trace(
        self, version: str, restarts: Sequence[Restart], diagnoses: Sequence[Diagnosis], wanted: str | None = None
    ) -> Trace:
        """The lives of the volumes that *wanted* names (None: of the worst), worst first."""
        lives = {**self._lives, **self._bad}
        chosen = (
            [life for life in lives.values() if life.volume.name in set(find(self.volumes(), wanted))]
            if wanted is not None
            else sorted(lives.values(), key=_badness)[:WORST]
        )
        return Trace(
            version,
            volumes=tuple(_volume(life, restarts, diagnoses) for life in sorted(chosen, key=_badness)),
            known=len(lives) + len(self._dropped_volumes - lives.keys()),
            unassigned=(self._unassigned[0], self._unassigned[1]),
            dropped=self._dropped(lives),
        )

    def volumes(self) -> list[Volume]:
        """All volumes whose life is known, by name."""
        lives = {**self._lives, **self._bad}
        return [lives[name].volume for name in sorted(lives)]

    def _dropped(self, lives: dict[str, _Life]) -> dict[str, int]:
        found = {
            "volumes": len(self._dropped_volumes - lives.keys()),
            "calls of volumes that were dropped": self._dropped_calls,
            "calls in the midst of long lives": sum(
                life.total - len(life.first) - len(life.last) for life in lives.values()
            ),
        }
        return {kind: count for kind, count in found.items() if count}


# ---------------------------------------------------------------- naming a volume


def find(volumes: Iterable[Volume], wanted: str) -> list[str]:
    """The names of the volumes that *wanted* may mean.

    A full name wins over a part: the PV's name, the handle, the claim's name or
    namespace/name.
    """
    known = [(volume.name, _names(volume)) for volume in volumes]
    return [name for name, names in known if wanted in names] or [
        name for name, names in known if wanted and any(wanted in one for one in names)
    ]


def _names(volume: Volume) -> set[str]:
    claim = f"{volume.namespace}/{volume.pvc}" if volume.namespace and volume.pvc else ""
    return {volume.name, volume.handle, volume.pvc, claim} - {""}


# ---------------------------------------------------------------- one call


def said_in_the_end(message: str) -> str:
    """The words of a failure that tell most in one line: what mount(8) printed, else the first line."""
    _, mark, output = message.partition("\nOutput: ")
    lines = [line.strip() for line in (output if mark else message.partition("\n")[0]).split("\n")]
    text = "; ".join(filter(None, lines))
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _traced(call: Call, role: str, node: str, *, until: int | None, restarted: bool, over: bool) -> TracedCall:
    outcome = call.outcome
    if outcome == "killed":
        outcome = "hung" if call.hung else "killed" if restarted else "open" if over else "lost"
    if call.method.startswith("Node"):
        role = "node"
    elif call.method.startswith(_CONTROLLER):
        role = "controller"
    ended = outcome in {"ok", "failed"}
    return TracedCall(
        method=call.method, role=role, node=node or call.origin.node, attempt=call.attempt, outcome=outcome,
        code=call.code, text=said_in_the_end(call.message) if outcome == "failed" else "",
        start=call.start, end=call.end if ended else None, until=None if ended else until,
        key="" if call.key == (call.volume.name if call.volume else "") else call.key,
        source=call.source, options=call.options, candidates=call.candidates,
        input=call.origin.input, line=call.line,
    )  # fmt: skip


def _count(life: _Life, call: TracedCall) -> None:
    life.total += 1
    life.attempts = max(life.attempts, call.attempt)
    life.failed += call.outcome == "failed"
    life.hung += call.outcome == "hung"
    if call.outcome == "ok":
        life.good = call if life.good is None or _when(call) >= _when(life.good) else life.good
    _settle(life, call)


def _settle(life: _Life, call: TracedCall) -> None:
    """Note how the volume fares now: a success heals what failed before of the same kind in the same place."""
    # Another node's success heals nothing.
    key = (call.method, call.node or call.input, call.key if "Snapshot" in call.method else "")
    before = life.states.get(key, "ok")
    if call.outcome == "ok":
        life.healed = life.healed or before != "ok"
        if call.method == "DeleteVolume":
            # What is gone cannot be failing.
            life.healed = life.healed or any(state != "ok" for state in life.states.values())
            life.states.clear()
        life.states.pop(key, None)
    elif len(life.states) < MAX_CALLS or key in life.states:
        # One more attempt that runs does not undo that the one before failed.
        settled = call.outcome in {"failed", "hung"}
        life.states[key] = call.outcome if settled or before == "ok" else before


def _when(call: TracedCall) -> tuple[bool, int, str, int]:
    """By time; what has none comes first, in the order of reading."""
    time = call.start if call.start is not None else call.end
    return (time is not None, time or 0, call.input, call.line)


# ---------------------------------------------------------------- one volume


def _status(life: _Life) -> int:
    states = set(life.states.values())
    if "failed" in states:
        return _FAILING
    if "hung" in states:
        return _HUNG
    if states & {"open", "killed", "lost"}:
        return _OPEN
    return _RECOVERED if life.healed else _OK


def _badness(life: _Life) -> tuple[int, int, int, str]:
    status = _status(life)
    # Failing and hung are as bad as one another: then the one that tried more often.
    return (max(status, _HUNG), -life.attempts, -life.failed, life.volume.name)


def _volume(life: _Life, restarts: Sequence[Restart], diagnoses: Sequence[Diagnosis]) -> VolumeTrace:
    volume = life.volume
    entries = sorted([*life.first, *life.last], key=lambda entry: _when(entry[0]))
    streams = {(call.input, stream) for call, stream in entries}
    return VolumeTrace(
        name=volume.name, handle=volume.handle, pvc=volume.pvc, namespace=volume.namespace,
        server=volume.server, share=volume.share, subdir=volume.subdir,
        status=STATUSES[_status(life)], attempts=life.attempts, total=life.total, failed=life.failed, hung=life.hung,
        dropped=life.total - len(entries),
        last_good=life.good,
        calls=tuple(_with_gaps([call for call, _ in entries])),
        restarts=tuple(one for one in restarts if (one.input, one.stream) in streams),
        diagnoses=tuple(
            (one.id, one.category, one.cause or one.title)
            for one in diagnoses
            if any(ref.name == volume.name for ref in one.volumes)
        ),
    )  # fmt: skip


def _with_gaps(calls: Sequence[TracedCall]) -> list[TracedCall]:
    """Each call with the time since the one before it ended.

    Of a retry that is the attempt before, so the gap is the back-off; else it is
    the latest call of the volume that had ended.  None where the log does not
    tell, or where they overlap.
    """
    found = []
    ends: dict[tuple[str, str], int | None] = {}
    latest: int | None = None
    for call in calls:
        key = (call.method, call.key)
        before = ends.get(key, latest)
        start = call.start if call.start is not None else call.end
        gap = start - before if before is not None and start is not None and start >= before else None
        found.append(replace(call, gap=gap))
        ended = call.end if call.end is not None else call.until if call.outcome == "killed" else None
        ends[key] = ended
        if ended is not None:
            latest = ended if latest is None else max(latest, ended)
    return found
