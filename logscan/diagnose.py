"""Incidents + what the whole log told -> Diagnoses.

Runs when the log is over, because what decides between two causes of one text
often comes later: another volume of the same share, a retry that succeeds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from logscan import csi, joins, match, services
from logscan.calls import Tracker
from logscan.facts import Facts, World, fill, nodes_pod, on_server, say, with_install
from logscan.folds import SYMPTOMS, Case, after, fold_key, fold_symptoms, hear
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

_CONFIDENCE = {"high": 0, "medium": 1, "low": 2}


@dataclass(slots=True)
class Verdicts:
    """What became of the incidents."""

    diagnoses: list[Diagnosis] = field(default_factory=list)
    unknown: list[Incident] = field(default_factory=list)  # W/E/F that no rule explains
    fired: dict[str, list[tuple[str, dict[str, str]]]] = field(default_factory=dict)  # rule -> (category, captures)
    folded: set[str] = field(default_factory=set)  # rules seen as symptoms of another
    matched: int = 0  # W/E/F records that a rule of more than info explains


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
    cases: list[Case] = []
    for incident in collector.incidents.values():
        case = _judge(incident, world, rules, verdicts, scales)
        if case is not None:
            cases.append(case)
    hear(cases, tracker)
    cases, folded = fold_symptoms(cases, symptoms_of)
    for symptom, _owner in folded:
        verdicts.folded.add(symptom.rule.id)
    verdicts.diagnoses = _merge(cases, folded, world)
    return verdicts


def _judge(
    incident: Incident, world: World, rules: Mapping[str, Rule], verdicts: Verdicts, scales: Scales | None
) -> Case | None:
    context = with_install(world.context(incident), incident, world)
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
    if place := on_server(finding.captures, context.get("share", ""), incident.call):
        names["share_path"] = place
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
    if recovered and causes[0].category in SYMPTOMS and (incident.about is not None or not incident.problems):
        # Every claim waits a moment for its volume, and its pod for the claim; what is told of it is no error.
        world.collector.absorb(finding.rule.id, incident.records, incident.problems)
        return None
    verdicts.matched += incident.problems
    return Case(incident, finding.rule, causes[0], causes[1:], names, symptoms, recovered, proof)


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


def _unexplained(incident: Incident, context: dict[str, str], world: World) -> Case | None:
    """A failed call of a volume that no rule says anything of."""
    if not incident.failures or incident.volume is None:
        return None
    recovered = _recovered(incident, _UNEXPLAINED, None, world)
    return Case(incident, _UNEXPLAINED, _UNEXPLAINED.causes[0], [], context, Counter(), recovered)


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
    # Statistics that are well are not logged; those of a dead mount end as it is unmounted.
    methods = (method, "NodeUnpublishVolume") if method == "NodeGetVolumeStats" else (method,)
    successes = (one for name in methods for one in world.tracker.streams.successes(volume, name, origin))
    return any(after(success, incident) for success in successes)


def _merge(cases: list[Case], folded: list[tuple[Case, Case]], world: World) -> list[Diagnosis]:
    groups: dict[tuple[object, ...], list[Case]] = {}
    home: dict[int, tuple[object, ...]] = {}
    for case in cases:
        key = fold_key(case)
        groups.setdefault(key, []).append(case)
        home[id(case)] = key
    guests: dict[tuple[object, ...], list[Case]] = defaultdict(list)
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


def _failing_nodes(cases: Iterable[Case]) -> set[tuple[str, str]]:
    """(server, node) of what fails and goes on."""
    return {
        (case.context.get("server", ""), case.context["node"])
        for case in cases
        if "node" in case.context and not case.recovered
    }


def _pod(case: Case) -> str:
    """The driver's pod that a case is of, with its namespace if that is told."""
    origin = case.incident.origin
    return f"{origin.namespace}/{origin.pod}" if origin.namespace else origin.pod


def _other_nodes(group: list[Case], world: World, failing: set[tuple[str, str]]) -> tuple[str, ...]:
    """The nodes on which the servers of a node's trouble were mounted, and that have none with them."""
    if any(case.recovered or not case.context.get("method", "").startswith("Node") for case in group):
        return ()
    servers = {case.context["server"] for case in group if case.context.get("server")}
    fine = {(server, node) for server in servers for node in world.tracker.streams.mounting(server)}
    return tuple(sorted({node for _, node in fine - failing}))


def _diagnosis(group: list[Case], guests: list[Case], world: World, failing: set[tuple[str, str]]) -> Diagnosis:
    lead = max(group, key=_weight)
    everyone = [case.incident for case in group]
    # A kernel's or a server's line tells of no call: what it explains is part of the proof, and tells when.
    led = lead.incident.volume is None or lead.incident.origin.component in {"kernel", "nfsd"}
    victims = [case for case in guests if case.incident.volume is not None] if led else []
    touched = [*everyone, *(case.incident for case in victims)]
    names = _common(group)
    _complete(names, lead, guests)
    times = [time for incident in touched for time in (incident.first_time, incident.last_time) if time is not None]
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
        methods=tuple(sorted({case.context["method"] for case in (*group, *victims) if case.context.get("method")})),
        failures=failures or max(sightings.values(), default=0),
        attempts=max((incident.attempts for incident in touched), default=0),
        first_time=min(times, default=None),
        last_time=last,
        recovered=recovered,
        ongoing=not recovered and (last is None or world.end is None or world.end - last <= STILL_TRYING),
        evidence=_evidence(everyone, [case.incident for case in victims])
        + tuple(dict.fromkeys(item for case in group for item in case.proof))[:MAX_EVIDENCE],
        explains=tuple(sorted(explains.items())),
        fixed_in=lead.rule.fixed_in,
        references=lead.rule.references,
        mount=MountTried(names["source"], names.get("options")) if "source" in names else None,
    )


def _weight(case: Case) -> tuple[object, ...]:
    """The surest case of a group speaks for it."""
    return (-_CONFIDENCE[case.cause.confidence], case.incident.failures, case.incident.records, case.rule.id)


def _common(group: list[Case]) -> dict[str, str]:
    """The names of the group's first case; those that differ between volumes stay the first's."""
    return dict(max(group, key=lambda case: (_weight(case)[0], len(case.context))).context)


# What one text of a volume may leave out and another one tell, on whatever node and in whatever call.
_OF_VOLUME = ("server", "share", "path", "source", "options", "pvc", "namespace", "storageclass")


def _complete(names: dict[str, str], lead: Case, guests: Iterable[Case]) -> None:
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


def _alternatives(lead: Case, names: Mapping[str, str]) -> tuple[Alternative, ...]:
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


def _volumes(group: list[Case], tracker: Tracker) -> tuple[VolumeRef, ...]:
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


def _evidence(incidents: list[Incident], others: Sequence[Incident] = ()) -> tuple[Evidence, ...]:
    shown: dict[tuple[str, int], Evidence] = {}
    for incident in sorted(incidents, key=lambda one: (one.first_time or 0, one.first[0].line if one.first else 0)):
        for item in incident.first:
            if len(shown) < MAX_EVIDENCE:
                shown.setdefault((item.input, item.line), item)
    if len(incidents) == 1 and incidents[0].last is not None and len(shown) < MAX_EVIDENCE:
        item = incidents[0].last
        shown.setdefault((item.input, item.line), item)
    for item in (one for incident in others for one in incident.first):
        if len(shown) < MAX_EVIDENCE:
            shown.setdefault((item.input, item.line), item)
    return tuple(sorted(shown.values(), key=lambda item: (item.input, item.line)))
