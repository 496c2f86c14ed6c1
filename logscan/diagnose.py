"""Incidents + what the whole log told -> Diagnoses.

Runs when the log is over, because what decides between two causes of one text
often comes later: another volume of the same share, a retry that succeeds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from logscan import csi, joins, match, services
from logscan.calls import Tracker
from logscan.facts import Facts, World, context_of, fill, nodes_pod, say, with_install
from logscan.incidents import Collector, Incident
from logscan.model import (
    UNRECOGNISED_FAILURE,
    Alternative,
    Cause,
    Diagnosis,
    Evidence,
    Finding,
    MountTried,
    Remedy,
    Rule,
    Severity,
    VolumeRef,
)  # fmt: skip
from logscan.volumes import is_claim

if TYPE_CHECKING:  # reading exports costs 50 ms of a start, and most runs are given none
    from logscan.evidence.weigh import Scales

MAX_EVIDENCE = 5
MAX_ALTERNATIVES = 4

# A volume that failed may wait this long before it is tried again: csi-provisioner's
# --retry-interval-max of the deployments since v4.10, with some slack.
STILL_TRYING = 35 * 60_000_000  # µs

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

_CONFIDENCE = {"high": 0, "medium": 1, "low": 2}
_AT_ONCE = 2_000_000  # µs between a kernel's line and what it explains, by two clocks of one node


@dataclass(slots=True)
class Verdicts:
    """What became of the incidents."""

    diagnoses: list[Diagnosis] = field(default_factory=list)
    unknown: list[Incident] = field(default_factory=list)  # W/E/F that no rule explains
    fired: dict[str, list[tuple[str, dict[str, str]]]] = field(default_factory=dict)  # rule -> (category, captures)
    folded: set[str] = field(default_factory=set)  # rules seen as symptoms of another
    matched: int = 0  # W/E/F records that a rule of more than info explains


@dataclass(slots=True)
class _Case:
    """One incident with the rule and the cause that were found for it."""

    incident: Incident
    rule: Rule
    cause: Cause
    alternatives: list[Cause]
    context: dict[str, str]
    symptoms: Counter[str]
    recovered: bool
    proof: tuple[Evidence, ...] = ()  # beside the log: of exports and manifests


def diagnose(
    tracker: Tracker,
    collector: Collector,
    rules: Mapping[str, Rule],
    version: Mapping[str, str],
    end: int | None,
    scales: Scales | None = None,
    patience: match.Patience | None = None,
    *,
    events: bool = False,
) -> Verdicts:
    """Find the cause of each incident and fold those of one cause into one diagnosis.

    Args:
        version: the driver's version by input name; "" for inputs that do not tell.
        end: time of the last record of the log, µs since the epoch.
        scales: what was given beside the logs: exports, manifests.
        patience: knows which rules took too long.
        events: there are events among the logs.
    """
    # Asked of each pair of cases, and the same all along.
    symptoms_of = cache(lambda rule_id: match.symptoms_of(rule_id, rules))
    joins.settle(collector, tracker.volumes, rules, symptoms_of)
    world = World(tracker, collector, version, end, patience, scales, events=events)
    verdicts = Verdicts()
    cases: list[_Case] = []
    for incident in collector.incidents.values():
        case = _judge(incident, world, rules, verdicts, scales)
        if case is not None:
            cases.append(case)
    _hear(cases, tracker)
    cases, folded = _fold_symptoms(cases, symptoms_of)
    for symptom, _owner in folded:
        verdicts.folded.add(symptom.rule.id)
    verdicts.diagnoses = _merge(cases, folded, world)
    return verdicts


def _judge(
    incident: Incident, world: World, rules: Mapping[str, Rule], verdicts: Verdicts, scales: Scales | None
) -> _Case | None:
    context = with_install(context_of(incident, world.tracker, world.version), incident, world)
    volume = world.tracker.volumes.known(incident.volume.name) or incident.volume if incident.volume else None
    if scales is not None:
        scales.complete(context, volume, incident.message)
    held = {
        finding.rule.id: finding
        for finding in incident.findings
        if match.holds(finding.rule.when, Facts(world, incident, finding, context))
    }
    serious = {rule_id: finding for rule_id, finding in held.items() if finding.rule.severity > Severity.INFO}
    if not serious:
        if held:
            rule_id = next(iter(held))
            world.collector.absorb(rule_id, incident.records, incident.problems)
            known = held[rule_id].rule.causes
            category = known[0].category if known else ""
            verdicts.fired.setdefault(rule_id, []).append((category, held[rule_id].captures))
        elif incident.problems:
            verdicts.unknown.append(incident)
            return _unexplained(incident, context, world)
        return None
    beaten = match.explained(list(serious), rules)
    verdicts.folded.update(beaten)
    standing = [finding for rule_id, finding in serious.items() if rule_id not in beaten] or list(serious.values())
    finding = max(standing, key=lambda f: (not _is_symptom(f.rule), f.rule.severity, f.size, f.rule.id))
    symptoms: Counter[str] = Counter({other: incident.records for other in serious if other != finding.rule.id})
    facts = Facts(world, incident, finding, context)
    causes = [cause for cause in finding.rule.causes if match.holds(cause.when, facts)]
    if not causes:
        causes = [finding.rule.causes[-1]]
    proof: tuple[Evidence, ...] = ()
    names = _names(context, finding)
    if scales is not None:
        # Exports beside the log are none of a service that has none.
        if not services.is_proven(names.get("server", "")) and (
            weighed := scales.weigh(causes, incident.message, context, volume)
        ):
            causes, proof = weighed.causes, weighed.proof
        if not names.get("storageclass") and (name := scales.class_name(volume, context)):
            names["storageclass"] = name
    causes = services.fitted(causes, names)
    verdicts.fired.setdefault(finding.rule.id, []).append((causes[0].category, finding.captures))
    recovered = _recovered(incident, finding.rule, facts, world)
    if recovered and incident.about is not None and causes[0].category in SYMPTOMS:
        # Every claim waits a moment for its volume, and its pod for the claim.
        world.collector.absorb(finding.rule.id, incident.records, incident.problems)
        return None
    verdicts.matched += incident.problems
    return _Case(incident, finding.rule, causes[0], causes[1:], names, symptoms, recovered, proof)


# Whatever the text is, a volume whose calls fail is named.
_UNEXPLAINED = Rule(
    UNRECOGNISED_FAILURE,
    "A call of the driver failed with a text that no rule knows",
    Severity.ERROR,
    ("nfs",),
    (),
    (
        Cause(
            "insufficient-evidence",
            "{method} is answered with {code}, and no rule knows the text; it is shown as it stands",
            "low",
            remedy=Remedy(
                "Read the driver's text; where it is no help, repeat the mount by hand with this log's options."
            ),
        ),
    ),
)


def _unexplained(incident: Incident, context: dict[str, str], world: World) -> _Case | None:
    """A failed call of a volume that no rule says anything of."""
    if not incident.failures or incident.volume is None:
        return None
    recovered = _recovered(incident, _UNEXPLAINED, None, world)
    return _Case(incident, _UNEXPLAINED, _UNEXPLAINED.causes[0], [], context, Counter(), recovered)


def _names(context: Mapping[str, str], finding: Finding) -> dict[str, str]:
    """The names for templates: what the rule captured says more than what the call tells."""
    names = {**context, **finding.captures}
    if "server" in names:
        names["server"] = csi.bare_server(names["server"])
    return names


def _is_symptom(rule: Rule) -> bool:
    """Whether a rule only knows the envelope: any other says more."""
    return bool(rule.causes) and rule.causes[0].category in SYMPTOMS


def _recovered(incident: Incident, rule: Rule, facts: Facts | None, world: World) -> bool:
    """Whether what a rule says heals its finding came after the last of them."""
    if rule.resolved_by == "never":
        return False
    if rule.resolved_by != "success":
        return facts is not None and facts.followed_by(rule.resolved_by, None)
    if (incident.call is not None and incident.call.outcome == "ok") or joins.healed(incident, world.tracker.volumes):
        return True
    volume = world.tracker.volumes.known(incident.volume.name) if incident.volume else None
    if volume is None:
        return False
    method = joins.method_of(incident)
    if "Snapshot" in method and incident.call is not None:
        method = f"{method} {incident.call.key}"
    origin = incident.call.origin if incident.call is not None else None
    return any(_after(success, incident) for success in world.tracker.streams.successes(volume, method, origin))


def _after(success: tuple[int | None, int], incident: Incident) -> bool:
    time, clock = success
    # Stamps of handlers that run side by side may step back by some 10 ms.
    if time is not None and incident.last_time is not None:
        return time >= incident.last_time - 50_000
    return clock > incident.last_clock


def _hear(cases: list[_Case], tracker: Tracker) -> None:
    """A server that was silent and then gave a volume another answer, on the same node, is silent no more."""
    answers: dict[tuple[str, str], list[_Case]] = defaultdict(list)
    calls = [case for case in cases if case.incident.volume is not None and case.incident.about is None]
    for case in calls:
        if case.cause.category in _ANSWERED:
            answers[case.context.get("volume", ""), case.context.get("server", "")].append(case)
    for case in calls:
        if case.cause.category in _SILENT:
            others = answers.get((case.context.get("volume", ""), case.context.get("server", "")), ())
            case.recovered |= any(_after_silence(other, case, tracker) for other in others)


def _after_silence(other: _Case, case: _Case, tracker: Tracker) -> bool:
    mine, theirs = case.incident.origin, other.incident.origin
    when = (other.incident.last_time, other.incident.last_clock)
    same = tracker.streams.same_node((theirs.input, theirs.stream), (mine.input, mine.stream), when[0])
    return same and _one_node(other, case) and _after(when, case.incident)


def _fold_symptoms(
    cases: list[_Case], symptoms_of: Callable[[str], set[str]]
) -> tuple[list[_Case], list[tuple[_Case, _Case]]]:
    """Take out the cases that another case of the same volume explains."""
    by_volume: dict[str, list[_Case]] = defaultdict(list)
    by_path: dict[str, list[_Case]] = defaultdict(list)
    for case in cases:
        by_volume[case.incident.volume.name if case.incident.volume else ""].append(case)
        if not case.incident.volume and case.context.get("path"):
            by_path[case.context["path"]].append(case)
    named: dict[str, _Case] = {}  # by rule: the first case of a volume that is known
    for case in cases:
        if case.incident.volume is not None:
            named.setdefault(case.rule.id, case)
    kept, folded = [], []
    for case in cases:
        name = case.incident.volume.name if case.incident.volume else ""
        # A server's own line names the path that it refused, not the volume.
        rivals = by_volume[name] + by_path[case.context.get("path", "")] if name else by_volume[""]
        if name:
            rivals = rivals + [
                one
                for one in by_volume[""]
                if _keeps_driver_down(one, case)
                or _names_option(one, case)
                or _same_server(one, case)
                or _at_once(one, case)
            ]
        # A symptom that names nobody can only be held against all.
        if not name and case.cause.category in SYMPTOMS:
            rivals = [one for one in cases if not joins.strangers(case.incident, one.incident)]
        owner = _owner(case, rivals, symptoms_of) or _named_twin(case, named)
        if owner is None:
            kept.append(case)
        else:
            folded.append((case, owner))
    return kept, folded


def _one_node(other: _Case, case: _Case) -> bool:
    """Whether both may be of one node."""
    return len({case.context.get("node"), other.context.get("node")} - {None}) < 2


def _keeps_driver_down(other: _Case, case: _Case) -> bool:
    """Whether *other* names no volume because the driver itself, as all volumes need it, does not run."""
    return other.cause.category in _DRIVER_DOWN and other.recovered == case.recovered and _one_node(other, case)


def _same_server(other: _Case, case: _Case) -> bool:
    """Whether a node's kernel tells that it does not reach the server of *case*."""
    server = other.context.get("server")
    return (
        server is not None
        and other.incident.origin.component == "kernel"
        and server == case.context.get("server")
        and other.recovered == case.recovered
        and _one_node(other, case)
    )


def _at_once(other: _Case, case: _Case) -> bool:
    """Whether a node's kernel, which names no server, tells of an error in the moment of *case*."""
    return (
        other.incident.origin.component == "kernel"
        and not other.context.get("server")
        and _one_node(other, case)
        and any(abs(one - two) <= _AT_ONCE for one in other.incident.times for two in case.incident.times)
    )


def _names_option(other: _Case, case: _Case) -> bool:
    """Whether a node's kernel complains of one of the options that *case* mounted with."""
    option = other.context.get("option")
    return (
        bool(option)
        and other.incident.origin.component == "kernel"
        and _one_node(other, case)
        and option in {part.partition("=")[0] for part in case.context.get("options", "").split(",")}
    )


def _named_twin(case: _Case, named: Mapping[str, _Case]) -> _Case | None:
    """The same rule met for a volume that is known, where this text names neither volume nor server.

    A text that somebody quotes beside the log is no trouble of its own.
    """
    if case.incident.volume is not None or case.incident.call is not None or case.context.get("server"):
        return None
    return named.get(case.rule.id)


def _owner(case: _Case, rivals: Iterable[_Case], symptoms_of: Callable[[str], set[str]]) -> _Case | None:
    owners = list(_owners(case, rivals, symptoms_of))
    causes = [one for one in owners if one.cause.category not in SYMPTOMS] or owners
    # An event whose volume is not known may be of any of several causes: which, is not to be guessed.
    lost = case.incident.about is not None and case.incident.volume is None
    return owners[0] if owners and not (lost and len({_fold_key(one) for one in causes}) > 1) else None


def _owners(case: _Case, rivals: Iterable[_Case], symptoms_of: Callable[[str], set[str]]) -> Iterator[_Case]:
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


def _elsewhere(case: _Case, other: _Case) -> bool:
    """Whether two failures are certainly of different nodes, each of which has its own reason."""
    calls = (case.incident.call, other.incident.call)
    nodes = (case.context.get("node"), other.context.get("node"))
    return (
        all(one is not None and one.method.startswith("Node") for one in calls)
        and None not in nodes
        and nodes[0] != nodes[1]
    )


def _told_later(case: _Case, other: _Case) -> bool:
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


def _merge(cases: list[_Case], folded: list[tuple[_Case, _Case]], world: World) -> list[Diagnosis]:
    groups: dict[tuple[object, ...], list[_Case]] = {}
    home: dict[int, tuple[object, ...]] = {}
    for case in cases:
        key = _fold_key(case)
        groups.setdefault(key, []).append(case)
        home[id(case)] = key
    guests: dict[tuple[object, ...], list[_Case]] = defaultdict(list)
    owners = {id(symptom): owner for symptom, owner in folded}
    for symptom, first_owner in folded:
        # A symptom's owner may be a symptom itself.
        owner, seen = first_owner, {id(symptom)}
        while id(owner) in owners and id(owner) not in seen:
            seen.add(id(owner))
            owner = owners[id(owner)]
        if id(owner) in home:
            guests[home[id(owner)]].append(symptom)
    failing = _failing_nodes([*cases, *(symptom for symptom, _ in folded)])
    diagnoses = [_diagnosis(group, guests[key], world, failing) for key, group in groups.items()]
    blocked: Counter[str] = Counter()
    for diagnosis in diagnoses:
        if not diagnosis.recovered:
            blocked[diagnosis.category] += max(1, len(diagnosis.volumes))
    return sorted(diagnoses, key=lambda diagnosis: _rank(diagnosis, blocked))


def _fold_key(case: _Case) -> tuple[object, ...]:
    # Whose volume it is must not keep two cases of one cause apart.
    shared = {k: v for k, v in case.context.items() if k in {"server", "share", "node", "driver_version", "options"}}
    server, share = case.context.get("server", ""), case.context.get("share", "")
    if server and case.cause.category in _SILENT:
        share = ""
    return (case.cause.category, server, share, fill(case.cause.cause, shared), case.recovered)


def _rank(diagnosis: Diagnosis, blocked: Mapping[str, int]) -> tuple[object, ...]:
    """Worst first, then what still goes on, then the category that blocks most volumes."""
    return (
        -diagnosis.severity,
        diagnosis.category in SYMPTOMS,
        not diagnosis.ongoing,
        -blocked[diagnosis.category],
        diagnosis.category,
        -len(diagnosis.volumes),
        _CONFIDENCE[diagnosis.confidence],
        -diagnosis.failures,
        diagnosis.id,
        diagnosis.cause,
    )


def _failing_nodes(cases: Iterable[_Case]) -> set[tuple[str, str]]:
    """(server, node) of what fails and goes on."""
    return {
        (case.context.get("server", ""), case.context["node"])
        for case in cases
        if "node" in case.context and not case.recovered
    }


def _pod(case: _Case) -> str:
    """The driver's pod that a case is of, with its namespace if that is told."""
    origin = case.incident.origin
    return f"{origin.namespace}/{origin.pod}" if origin.namespace else origin.pod


def _other_nodes(group: list[_Case], world: World, failing: set[tuple[str, str]]) -> tuple[str, ...]:
    """The nodes on which the servers of a node's trouble were mounted, and that have none with them."""
    if any(case.recovered or not case.context.get("method", "").startswith("Node") for case in group):
        return ()
    servers = {case.context["server"] for case in group if case.context.get("server")}
    fine = {(server, node) for server in servers for node in world.tracker.streams.mounting(server)}
    return tuple(sorted({node for _, node in fine - failing}))


def _diagnosis(group: list[_Case], guests: list[_Case], world: World, failing: set[tuple[str, str]]) -> Diagnosis:
    lead = max(group, key=_weight)
    everyone = [case.incident for case in group]
    names = _common(group)
    _complete(names, lead, guests)
    times = [time for incident in everyone for time in (incident.first_time, incident.last_time) if time is not None]
    last = max(times, default=None)
    recovered = lead.recovered
    failures = sum(case.incident.failures for case in (*group, *guests))
    sightings: Counter[str] = Counter()
    for incident in everyone:
        sightings.update(incident.sightings)
    explains: Counter[str] = Counter()
    for case in group:
        explains.update(case.symptoms)
    for case in guests:
        if case.rule.id != lead.rule.id:
            explains[case.rule.id] += case.incident.records
        explains.update(case.symptoms)
    return Diagnosis(
        id=lead.rule.id,
        category=lead.cause.category,
        severity=Severity.INFO if recovered else max(case.rule.severity for case in group),
        confidence=lead.cause.confidence,
        title=say(lead.rule.title, names),
        cause=say(lead.cause.cause, names),
        remedy=_remedy(lead.cause.remedy, names),
        confirm=_commands(lead.cause.confirm, names),
        alternatives=_alternatives(lead, names),
        # A server's line names a path only; the volumes are those that it explains.
        volumes=_volumes([*group, *guests], world.tracker),
        nodes=tuple(sorted({case.context["node"] for case in group if "node" in case.context})),
        other_nodes=_other_nodes(group, world, failing),
        pods=tuple(sorted({_pod(case) for case in group if nodes_pod(case.context)})),
        methods=tuple(sorted({case.context["method"] for case in group if case.context.get("method")})),
        failures=failures or max(sightings.values(), default=0),
        attempts=max((incident.attempts for incident in everyone), default=0),
        first_time=min(times, default=None),
        last_time=last,
        recovered=recovered,
        ongoing=not recovered and (last is None or world.end is None or world.end - last <= STILL_TRYING),
        evidence=_evidence(everyone)
        + tuple(dict.fromkeys(item for case in group for item in case.proof))[:MAX_EVIDENCE],
        explains=tuple(sorted(explains.items())),
        fixed_in=lead.rule.fixed_in,
        references=lead.rule.references,
        mount=MountTried(names["source"], names.get("options")) if "source" in names else None,
    )


def _weight(case: _Case) -> tuple[object, ...]:
    """The surest case of a group speaks for it."""
    return (-_CONFIDENCE[case.cause.confidence], case.incident.failures, case.incident.records, case.rule.id)


def _common(group: list[_Case]) -> dict[str, str]:
    """The names of the group's first case; those that differ between volumes stay the first's."""
    return dict(max(group, key=lambda case: (_weight(case)[0], len(case.context))).context)


# What one text of a volume may leave out and another one tell, on whatever node and in whatever call.
_OF_VOLUME = ("server", "share", "path", "source", "options", "pvc", "namespace", "storageclass")


def _complete(names: dict[str, str], lead: _Case, guests: Iterable[_Case]) -> None:
    """Add what the symptoms tell of the volume that a diagnosis is about and its own text does not."""
    mine = lead.incident.volume
    for guest in guests:
        theirs = guest.incident.volume
        if theirs is None or (mine is not None and theirs.name != mine.name):
            continue
        if names.get("server", guest.context.get("server")) != guest.context.get("server"):
            continue
        for name in _OF_VOLUME:
            if name in guest.context:
                names.setdefault(name, guest.context[name])


def _remedy(remedy: Remedy, names: Mapping[str, str]) -> Remedy:
    return Remedy(
        say(remedy.summary, names),
        tuple(say(step, names) for step in remedy.steps),
        _commands(remedy.commands, names),
        fill(remedy.manifest, names) if remedy.manifest else None,
    )


def _commands(templates: Iterable[str], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(fill(template, names, command=True) for template in templates)


def _alternatives(lead: _Case, names: Mapping[str, str]) -> tuple[Alternative, ...]:
    # What the log has settled leaves nothing open.
    if lead.cause.confidence == "high":
        return ()
    seen = {lead.cause.category}
    result = []
    for cause in lead.alternatives:
        if cause.category in seen:
            continue
        seen.add(cause.category)
        result.append(Alternative(cause.category, say(cause.cause, names), _commands(cause.confirm, names)))
    return tuple(result[:MAX_ALTERNATIVES])


def _volumes(group: list[_Case], tracker: Tracker) -> tuple[VolumeRef, ...]:
    refs: dict[str, VolumeRef] = {}
    for case in group:
        if case.incident.volume is None:
            continue
        name = case.incident.volume.name
        known = tracker.volumes.known(name) or case.incident.volume
        server, share = case.context.get("server", ""), case.context.get("share", "")
        if name in refs and not server:  # an event that was folded in knows less
            server, share = refs[name].server, share or refs[name].share
        refs[name] = VolumeRef("" if is_claim(name) else name, known.pvc, known.namespace, server, share, known.subdir)
    return tuple(refs[name] for name in sorted(refs))


def _evidence(incidents: list[Incident]) -> tuple[Evidence, ...]:
    shown: dict[tuple[str, int], Evidence] = {}
    for incident in sorted(incidents, key=lambda one: (one.first_time or 0, one.first[0].line if one.first else 0)):
        for item in incident.first:
            if len(shown) < MAX_EVIDENCE:
                shown.setdefault((item.input, item.line), item)
    if len(incidents) == 1 and incidents[0].last is not None and len(shown) < MAX_EVIDENCE:
        item = incidents[0].last
        shown.setdefault((item.input, item.line), item)
    return tuple(sorted(shown.values(), key=lambda item: (item.input, item.line)))
