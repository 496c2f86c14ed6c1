"""Which troubles are one: what a volume's failures, its events, kubelet, the kernel and the server say of one cause.

A symptom that a cause of the same volume explains is folded under it; what one cause does to many volumes is one trouble.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter

from logscan import joins
from logscan.calls import Tracker
from logscan.facts import fill
from logscan.incidents import Incident
from logscan.model import Cause, Evidence, Rule, Severity

# Categories that name a symptom, not a cause: they come last and fold under anything better.
SYMPTOMS = frozenset({"insufficient-evidence", "deadline-exceeded", "operation-in-progress", "mount-failed"})

# Categories of the driver's own pods, not of a volume: while they do not run, no volume comes up.
_DRIVER_DOWN = frozenset({
    "admission-denied", "startup-failed", "wrong-arch", "port-conflict", "oom", "driver-crash", "rbac", "wrong-kubelet-dir",
    "driver-not-registered", "provisioner-not-running", "plugin-unreachable",
})  # fmt: skip

# Categories of a server that did not answer, whatever share was asked for; and those of what it answered.
_SILENT = frozenset({"server-refused", "server-unreachable", "dns"})
_ANSWERED = frozenset({
    "client-not-allowed", "path-not-exported", "path-missing-on-server", "wrong-share-path", "mount-eperm", "stale-handle",
    "root-squash", "chmod-not-permitted", "export-read-only", "no-space",
})  # fmt: skip

_AT_ONCE = 2_000_000  # µs between a kernel's line and what it explains, by two clocks of one node


@dataclass(slots=True)
class Case:
    """One incident with the rule and the cause that were found for it."""

    incident: Incident
    rule: Rule
    cause: Cause
    alternatives: list[Cause]
    context: dict[str, str]
    symptoms: Counter[str]
    recovered: bool
    proof: tuple[Evidence, ...] = ()  # beside the log: of exports and manifests


def after(success: tuple[int | None, int], incident: Incident) -> bool:
    """Whether something went well, at this (time, order of reading), after all that *incident* counts."""
    time, clock = success
    # Stamps of handlers that run side by side may step back by some 10 ms.
    if time is not None and incident.last_time is not None:
        return time >= incident.last_time - 50_000
    return clock > incident.last_clock


def hear(cases: list[Case], tracker: Tracker) -> None:
    """A server that was silent and then gave a volume another answer, on the same node, is silent no more."""
    answers: dict[tuple[str, str], list[Case]] = defaultdict(list)
    calls = [case for case in cases if case.incident.volume is not None and case.incident.about is None]
    for case in calls:
        if case.cause.category in _ANSWERED:
            answers[case.context.get("volume", ""), case.context.get("server", "")].append(case)
    for case in calls:
        if case.cause.category in _SILENT:
            others = answers.get((case.context.get("volume", ""), case.context.get("server", "")), ())
            case.recovered |= any(_after_silence(other, case, tracker) for other in others)


def _after_silence(other: Case, case: Case, tracker: Tracker) -> bool:
    mine, theirs = case.incident.origin, other.incident.origin
    when = (other.incident.last_time, other.incident.last_clock)
    same = tracker.streams.same_node((theirs.input, theirs.stream), (mine.input, mine.stream), when[0])
    return same and _one_node(other, case) and after(when, case.incident)


def fold_symptoms(
    cases: list[Case], symptoms_of: Callable[[str], set[str]]
) -> tuple[list[Case], list[tuple[Case, Case]]]:
    """Take out the cases that another case of the same volume explains."""
    by_volume: dict[str, list[Case]] = defaultdict(list)
    shelves = _Shelves(symptoms_of)
    named: dict[str, Case] = {}  # by rule: the first case of a volume that is known
    for case in cases:
        shelves.put("all", case)
        if case.incident.volume is None or not case.incident.volume.name:
            shelves.put("unnamed", case)
        else:
            by_volume[case.incident.volume.name].append(case)
        if not case.incident.volume and case.context.get("path"):
            shelves.put(("path", case.context["path"]), case)
        if case.incident.volume is not None:
            named.setdefault(case.rule.id, case)
            shelves.put(_writer(case), case)
    lost: dict[object, Case | None] = {}  # owners of what names no volume, where all alike have the same one
    keys: dict[int, object] = {}  # what is equal for cases of one cause, by the case's identity
    kept, folded = [], []
    for case in cases:
        name = case.incident.volume.name if case.incident.volume else ""
        rivals: Iterable[Case]
        if name:
            # A server's own line names the path that it refused, not the volume.
            of_path = shelves.explaining(("path", case.context.get("path", "")), case)
            rivals = chain(by_volume[name], of_path, _beside(case, shelves.explaining("unnamed", case)))
        elif case.cause.category in SYMPTOMS:
            # A symptom that names nobody can only be held against all.
            every = shelves.explaining("all", case)
            rivals = (one for one in every if not joins.strangers(case.incident, one.incident))
        else:
            rivals = chain(shelves.explaining("unnamed", case), shelves.explaining(_writer(case), case))
        alike = _alike(case)
        if alike is None or alike not in lost:
            lost[alike] = _owner(case, rivals, symptoms_of, keys)
        owner = lost[alike] or _named_twin(case, named)
        if owner is None:
            kept.append(case)
        else:
            folded.append((case, owner))
    return kept, folded


class _Shelves:
    """Cases by what they may have in common with a symptom, and by rule.

    Only rules that explain a symptom are looked at: held each against each, some ten thousand cases that
    nothing joins would take minutes.
    """

    def __init__(self, symptoms_of: Callable[[str], set[str]]) -> None:
        self._symptoms_of = symptoms_of
        self._count = 0
        self._shelves: dict[object, dict[str, list[tuple[int, Case]]]] = defaultdict(lambda: defaultdict(list))
        self._found: dict[tuple[object, str], list[Case]] = {}

    def put(self, key: object, case: Case) -> None:
        """Add a case; all are added before the first is asked for."""
        self._count += 1
        self._shelves[key][case.rule.id].append((self._count, case))

    def explaining(self, key: object, case: Case) -> list[Case]:
        """The cases of *key* whose rules explain that of *case*, in the order in which they were added."""
        shelf = self._shelves.get(key)
        if shelf is None:
            return []
        mine = case.rule.id
        found = self._found.get((key, mine))
        if found is None:
            lists = [shelf[rule] for rule in shelf if rule != mine and mine in self._symptoms_of(rule)]
            found = [one for _, one in sorted(chain(*lists), key=itemgetter(0))]
            self._found[key, mine] = found
        return found


def _alike(case: Case) -> object:
    """What decides of the owner of a case that names no volume and is of no call; None for all other cases."""
    incident = case.incident
    if incident.volume is not None or incident.call is not None:
        return None
    if case.cause.category in SYMPTOMS:
        return (case.rule.id, incident.about is None, (incident.about or {}).get("namespace", ""))
    return (case.rule.id, incident.about is None, _writer(case))


def _beside(case: Case, unnamed: Iterable[Case]) -> Iterator[Case]:
    """Those that name no volume and yet speak of what *case* is about."""
    for one in unnamed:
        if _keeps_driver_down(one, case) or _names_option(one, case) or _same_server(one, case) or _at_once(one, case):
            yield one


def _writer(case: Case) -> tuple[str, str, str]:
    """Who tells of a cause: a text of his without a name is of the volumes that he names with it."""
    return (case.cause.category, case.incident.origin.input, case.incident.origin.stream)


def _one_node(other: Case, case: Case) -> bool:
    """Whether both may be of one node."""
    return len({case.context.get("node"), other.context.get("node")} - {None}) < 2


def _keeps_driver_down(other: Case, case: Case) -> bool:
    """Whether *other* names no volume because the driver itself, as all volumes need it, does not run."""
    return other.cause.category in _DRIVER_DOWN and other.recovered == case.recovered and _one_node(other, case)


def _same_server(other: Case, case: Case) -> bool:
    """Whether a node's kernel tells that it does not reach the server of *case*."""
    server = other.context.get("server")
    return (
        server is not None
        and other.incident.origin.component == "kernel"
        and server == case.context.get("server")
        and other.recovered == case.recovered
        and _one_node(other, case)
    )


def _at_once(other: Case, case: Case) -> bool:
    """Whether a node's kernel, which names no server, tells of an error in the moment of *case*."""
    return (
        other.incident.origin.component == "kernel"
        and not other.context.get("server")
        and _one_node(other, case)
        and any(abs(one - two) <= _AT_ONCE for one in other.incident.times for two in case.incident.times)
    )


def _names_option(other: Case, case: Case) -> bool:
    """Whether a node's kernel complains of one of the options that *case* mounted with."""
    option = other.context.get("option")
    return (
        bool(option)
        and other.incident.origin.component == "kernel"
        and _one_node(other, case)
        and option in {part.partition("=")[0] for part in case.context.get("options", "").split(",")}
    )


def _named_twin(case: Case, named: Mapping[str, Case]) -> Case | None:
    """The same rule met for a volume that is known, where this text names neither volume nor server.

    A text that somebody quotes beside the log is no trouble of its own.
    """
    if case.incident.volume is not None or case.incident.call is not None or case.context.get("server"):
        return None
    return named.get(case.rule.id)


def _owner(
    case: Case, rivals: Iterable[Case], symptoms_of: Callable[[str], set[str]], keys: dict[int, object]
) -> Case | None:
    owners = _owners(case, rivals, symptoms_of)
    first = next(owners, None)
    if first is None or case.incident.about is None or case.incident.volume is not None:
        return first
    # An event whose volume is not known may be of any of several causes: which, is not to be guessed.
    causes: set[object] = set()
    symptoms: set[object] = set()
    for one in chain((first,), owners):
        if id(one) not in keys:
            keys[id(one)] = fold_key(one)
        (symptoms if one.cause.category in SYMPTOMS else causes).add(keys[id(one)])
        if len(causes) > 1:
            return None
    return first if len(causes or symptoms) == 1 else None


def _owners(case: Case, rivals: Iterable[Case], symptoms_of: Callable[[str], set[str]]) -> Iterator[Case]:
    for other in rivals:
        if other is case or other.rule.id == case.rule.id or _elsewhere(case, other):
            continue
        if _told_later(case, other):
            yield other
        elif case.rule.id in symptoms_of(other.rule.id):
            # Two rules that explain each other: the first by id stands.
            if other.rule.id in symptoms_of(case.rule.id) and case.rule.id < other.rule.id:
                continue
            yield other


def _elsewhere(case: Case, other: Case) -> bool:
    """Whether two failures are certainly of different nodes, each of which has its own reason."""
    calls = (case.incident.call, other.incident.call)
    nodes = (case.context.get("node"), other.context.get("node"))
    return (
        all(one is not None and one.method.startswith("Node") for one in calls)
        and None not in nodes
        and nodes[0] != nodes[1]
    )


def _told_later(case: Case, other: Case) -> bool:
    """Whether *case* only says that a call did not end in time, and a later try of it said why it fails."""
    mine, theirs = case.incident, other.incident
    if case.cause.category not in {"deadline-exceeded", "operation-in-progress"}:
        return False
    if other.cause.category in SYMPTOMS or other.rule.severity < Severity.ERROR or case.recovered != other.recovered:
        return False
    if mine.volume is None or theirs.volume is None or theirs.volume.name != mine.volume.name:
        return False
    methods = {joins.method_of(mine), joins.method_of(theirs)} - {""}
    if mine.last_time is not None and theirs.last_time is not None:
        return len(methods) <= 1 and mine.last_time <= theirs.last_time
    return len(methods) <= 1


def fold_key(case: Case) -> tuple[object, ...]:
    """What is equal for the cases of one cause."""
    # Whose volume it is must not keep two cases of one cause apart.
    shared = {k: v for k, v in case.context.items() if k in {"server", "share", "node", "driver_version", "options"}}
    server, share = case.context.get("server", ""), case.context.get("share", "")
    if server and case.cause.category in _SILENT:
        share = ""
    return (case.cause.category, server, share, fill(case.cause.cause, shared), case.recovered)
