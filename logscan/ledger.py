"""Reports on a log that goes on -> what happened to each diagnosis: opened, updated, recovered, closed.

A diagnosis learns while the log goes on: it gets more volumes and attempts, its cause becomes more exact, a later
line shows that it was only a symptom of another.  It stays the same entry through all that, and is opened once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256

from logscan.model import Diagnosis, Happening, Report

MAX_CLOSED = 1_000  # entries remembered that are closed: what comes back is known again
UPDATE_EVERY = 10_000_000  # µs between two events that tell of nothing but more volumes, failures and attempts

Identity = tuple[str, ...]


@dataclass(slots=True)
class Entry:
    """What is known of one diagnosis.  Mutable: it learns."""

    key: str  # the same in all its events
    opened: int  # µs since the epoch, when it was first told
    changed: int  # when it last became another state or cause
    diagnosis: Diagnosis  # as it stands now; of what still fails, where some of it recovered
    state: str = "open"  # open | recovered | closed
    told: Diagnosis | None = None  # as the last event had it
    told_at: int = 0


class Ledger:
    """The diagnoses of a log that goes on."""

    def __init__(self) -> None:
        self._entries: dict[Identity, Entry] = {}
        self._opened = 0
        self._final = False

    def entries(self) -> list[Entry]:
        """Those that are not closed: open ones first, each in the order of the last report."""
        return [one for state in ("open", "recovered") for one in self._entries.values() if one.state == state]

    def update(self, report: Report, now: int, *, final: bool = False) -> list[Happening]:
        """Compare a report with what was told before.

        Args:
            now: µs since the epoch.
            final: the log is over: everything that changed is told.
        """
        self._final = final
        standing: dict[Identity, Diagnosis] = {}
        for one in report.diagnoses:
            identity = _identity(one)
            if identity not in standing or standing[identity].recovered:
                standing[identity] = one
        gone = {identity: entry for identity, entry in self._entries.items() if identity not in standing}
        entries: dict[Identity, Entry] = {}
        happened: list[Happening] = []
        for identity, one in standing.items():
            entry = self._entries.get(identity) or _continued(one, gone)
            if entry is None:
                entry = Entry(self._new_key(identity), now, now, one)
            entries[identity] = entry
            happened += self._tell(entry, one, now)
        for entry in gone.values():
            if entry.state != "closed":
                entry.state, entry.changed = "closed", now
                happened.append(Happening("closed", entry.key, now, entry.diagnosis))
        # The youngest of the closed ones stay.
        closed = dict(list(gone.items())[-MAX_CLOSED:])
        self._entries = {**closed, **entries}
        return happened

    def _new_key(self, identity: Identity) -> str:
        # An entry keeps its key when it becomes more exact, so that the same identity may come once more.
        self._opened += 1
        return sha256("\0".join((*identity, str(self._opened))).encode(errors="surrogatepass")).hexdigest()[:12]

    def _tell(self, entry: Entry, one: Diagnosis, now: int) -> Iterator[Happening]:
        entry.diagnosis = one
        before, told = entry.state, entry.told
        entry.state = "recovered" if one.recovered else "open"
        if told is None:
            yield self._event("opened", entry, now)
        if entry.state == "recovered":
            if before != "recovered" or told is None:
                entry.changed = now
                yield self._event("recovered", entry, now)
                return
        elif told is not None and before != "open":
            entry.changed = now
            yield self._event("updated", entry, now, ("state",))
            return
        if told is None or told == one:
            return
        changes = _changes(told, one)
        if set(changes) & _EXACT:
            entry.changed = now
        if set(changes) & _EXACT or (
            changes and (self._final or now - entry.told_at >= UPDATE_EVERY or _grown(told, one))
        ):
            yield self._event("updated", entry, now, changes)

    @staticmethod
    def _event(kind: str, entry: Entry, now: int, changes: tuple[str, ...] = ()) -> Happening:
        entry.told, entry.told_at = entry.diagnosis, now
        return Happening(kind, entry.key, now, entry.diagnosis, changes)


def _identity(one: Diagnosis) -> Identity:
    place = next(((volume.server, volume.share) for volume in one.volumes if volume.server), ("", ""))
    return (one.id, one.category, one.cause, *place)


def _continued(one: Diagnosis, gone: dict[Identity, Entry]) -> Entry | None:
    """The entry of which *one* is what it has become; it is taken out of *gone*."""
    names, lines = _names(one), _lines(one)
    for identity, entry in gone.items():
        before = entry.diagnosis
        if entry.state == "closed":
            continue
        if lines & _lines(before) or (before.category == one.category and names & _names(before)):
            del gone[identity]
            return entry
    return None


def _names(one: Diagnosis) -> set[tuple[str, str, str]]:
    return {(volume.name, volume.namespace, volume.pvc) for volume in one.volumes}


def _lines(one: Diagnosis) -> set[tuple[str, int]]:
    return {(item.input, item.line) for item in one.evidence}


# Told at once; what only grows is told when it has doubled, or after a while.
_EXACT = frozenset({"id", "category", "severity", "confidence", "cause"})


def _changes(before: Diagnosis, after: Diagnosis) -> tuple[str, ...]:
    names = (one.name for one in fields(Diagnosis))
    return tuple(name for name in names if getattr(before, name) != getattr(after, name))


def _grown(before: Diagnosis, after: Diagnosis) -> bool:
    pairs: Sequence[tuple[int, int]] = (
        (len(before.volumes), len(after.volumes)),
        (before.failures, after.failures),
        (before.attempts, after.attempts),
    )
    return any(new >= 2 * max(old, 1) for old, new in pairs)
