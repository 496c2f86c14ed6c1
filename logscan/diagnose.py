"""Incidents + what the whole log told -> Diagnoses.

Runs when the log is over, because what decides between two causes of one text
often comes later: another volume of the same share, a retry that succeeds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from logscan import csi, match
from logscan.calls import Tracker
from logscan.incidents import Collector, Incident
from logscan.model import (
    Alternative,
    Cause,
    Diagnosis,
    Evidence,
    Finding,
    Remedy,
    Rule,
    Severity,
    VolumeRef,
)  # fmt: skip

MAX_EVIDENCE = 5
MAX_ALTERNATIVES = 4

# A volume that failed may wait this long before it is tried again: csi-provisioner's
# --retry-interval-max of the deployments since v4.10, with some slack.
STILL_TRYING = 35 * 60_000_000  # µs

# Categories that name a symptom, not a cause: they come last and fold under anything better.
SYMPTOMS = frozenset({"insufficient-evidence", "deadline-exceeded", "operation-in-progress", "mount-failed"})

_CONFIDENCE = {"high": 0, "medium": 1, "low": 2}


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
    finding: Finding
    cause: Cause
    alternatives: list[Cause]
    context: dict[str, str]
    symptoms: Counter[str]
    recovered: bool


class _World:
    """What the whole log tells: the answer to every field of a ``when``."""

    def __init__(self, tracker: Tracker, collector: Collector, version: Mapping[str, str], end: int | None) -> None:
        self.tracker = tracker
        self.collector = collector
        self.end = end
        self.version = version  # by input name, "" = the only one known
        self.by_server: dict[str, set[str]] = defaultdict(set)
        self.by_share: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.by_volume: dict[str, set[str]] = defaultdict(set)
        self.failed_versions: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.times: dict[tuple[str, str], list[int]] = defaultdict(list)
        for incident in collector.incidents.values():
            self._learn(incident)

    def _learn(self, incident: Incident) -> None:
        rules = {finding.rule.id for finding in incident.findings}
        context = context_of(incident, self.tracker)
        server, path = context.get("server", ""), context.get("path", "")
        volume = incident.volume.name if incident.volume else ""
        for rule in rules:
            self.times[(rule, volume)].extend(incident.times)
        if server:
            self.by_server[server] |= rules
        if server and path:
            self.by_share[(server, path)] |= rules
        if volume:
            self.by_volume[volume] |= rules
        # Only a mount(8) that failed says that a version of the protocol does not work there.
        if server and path and "ount failed: exit status" in incident.message and "options" in context:
            self.failed_versions[(server, path)].add(csi.mount_version(context["options"]))


class _Facts:
    """The fields of a ``when`` for one finding of one incident."""

    def __init__(self, world: _World, incident: Incident, finding: Finding, context: Mapping[str, str]) -> None:
        self._world = world
        self._incident = incident
        self._finding = finding
        self._context = context

    def get(self, field: str) -> Any:
        family, _, rest = field.partition(".")
        value = getattr(self, f"_{family}", self._nothing)(rest)
        return None if value == "" and field not in {"mount.options", "mount.flavour", "role"} else value

    def times(self) -> Sequence[int]:
        incident = self._incident
        return self._world.times[(self._finding.rule.id, incident.volume.name if incident.volume else "")]

    def open(self) -> bool:
        call = self._incident.call
        return self._incident.never_ended and call is not None and call.hung

    def followed_by(self, rule_id: str, within: int | None) -> bool:
        met = self._world.collector.last_met
        volume = self._incident.volume.name if self._incident.volume else ""
        server = self._context.get("server", "")
        for subject in (volume, server) if volume or server else ("",):
            seen = met.get((rule_id, subject)) if subject or not (volume or server) else None
            if seen is None:
                continue
            time, clock = seen
            if time is not None and self._incident.last_time is not None:
                gap = time - self._incident.last_time
                if gap >= 0 and (within is None or gap <= within):
                    return True
            elif clock > self._incident.last_clock:
                return True
        return False

    @staticmethod
    def _nothing(_rest: str) -> Any:
        return None

    def _record(self, rest: str) -> Any:
        record = self._finding.record
        if rest == "severity":
            return "unknown" if record.severity is None else record.severity.name.lower()
        if rest == "source_line":
            return record.source_line or None
        return getattr(record, rest, None)

    def _component(self, _rest: str) -> str:
        return self._incident.origin.component

    def _role(self, _rest: str) -> str:
        if self._incident.role:
            return self._incident.role
        where = csi.parse_path(self._context.get("target", "")).where
        return {"node": "node", "share": "controller", "container": "controller"}.get(where, "")

    def _capture(self, rest: str) -> Any:
        return self._finding.captures.get(rest)

    def _path(self, _rest: str) -> str:
        path = self._finding.captures.get("path") or self._context.get("target", "")
        return csi.parse_path(path).where

    def _call(self, rest: str) -> Any:
        call = self._incident.call
        if rest == "method":
            return self._context.get("method")
        if rest == "code":
            return self._context.get("code")
        if call is None:
            return None
        if rest.startswith("request."):
            value: Any = call.request
            for part in rest.split(".")[1:]:
                value = value.get(part) if isinstance(value, Mapping) else None
            # A volume's parameters are known from other calls of it too.
            if value is None and call.volume is not None and rest.startswith("request.parameters."):
                value = call.volume.parameters.get(rest.removeprefix("request.parameters."))
            return value
        if rest == "seconds":
            return (call.end - call.start) / 1e6 if call.end is not None and call.start is not None else None
        if rest == "attempt":
            return self._incident.attempts
        return getattr(call, rest, None)

    def _mount(self, rest: str) -> Any:
        options = self._context.get("options")
        match rest:
            case "options":
                return options
            case "version":
                return None if options is None else csi.mount_version(options)
            case "flavour":
                return None if options is None else csi.mount_flavour(options)
            case "server_kind":
                server = self._context.get("server", "")
                return csi.server_kind(server) if server else None
            case "server" | "path" | "target":
                return self._context.get(rest)
        return None

    def _volume(self, rest: str) -> Any:
        volume = self._incident.volume
        if rest == "rules":
            return sorted(self._world.by_volume.get(volume.name if volume else "", ()))
        if rest in {"server", "share", "subdir", "pvc", "namespace"}:
            return self._context.get(rest)
        if volume is None:
            return None
        if rest == "id_format":
            parsed = csi.parse_volume_id(volume.handle)
            return parsed.format if parsed else ("free" if volume.handle else None)
        return getattr(volume, rest, None)

    def _server(self, rest: str) -> Any:
        server = self._context.get("server", "")
        if rest == "rules":
            return sorted(self._world.by_server.get(server, ()))
        works = self._world.tracker.works.get((server, ""))
        return bool(works) if rest == "works" else sorted(works.versions if works else ())

    def _share(self, rest: str) -> Any:
        share = (self._context.get("server", ""), self._context.get("path", ""))
        if rest == "rules":
            return sorted(self._world.by_share.get(share, ()))
        if rest == "failed_versions":
            return sorted(self._world.failed_versions.get(share, ()))
        works = self._world.tracker.works.get(share)
        return bool(works) if rest == "works" else sorted(works.versions if works else ())

    def _driver(self, _rest: str) -> Any:
        return self._context.get("driver_version")

    def _evidence(self, _rest: str) -> Any:
        return None


# ---------------------------------------------------------------- what a template may name


def context_of(incident: Incident, tracker: Tracker, version: Mapping[str, str] | None = None) -> dict[str, str]:
    """Names and values for templates and conditions; what is not known is not in it."""
    call, volume = incident.call, incident.volume
    if volume is not None:
        volume = tracker.volumes.known(volume.name) or volume
    values: dict[str, str | None] = {}
    source = call.source if call else ""
    options = call.options if call else None
    mount = csi.parse_mount(incident.message)
    if mount is not None:
        source, options = mount.source, mount.options
        values["target"] = mount.target
    if not source and volume is not None:
        source = volume.source
        options = volume.options if options is None else options
    handle = csi.parse_volume_id(volume.handle) if volume is not None and volume.handle else None
    if handle is None:
        handle = csi.parse_volume_id(csi.subject_of(incident.message).handle)
    server, path = csi.split_source(source) if source else ("", "")
    known_server = volume.server if volume else ""
    known_share = volume.share if volume else ""
    values["server"] = server or known_server or (handle.server if handle else "")
    values["share"] = known_share or (handle.share if handle else "") or path
    values["path"] = path or values["share"]
    values["source"] = f"{values['server']}:{values['path']}" if values["server"] and values["path"] else None
    values["options"] = options
    if volume is not None:
        values |= {
            "volume": volume.name, "pvc": volume.pvc, "namespace": volume.namespace,
            "subdir": volume.subdir or (handle.subdir if handle else ""), "storageclass": volume.storage_class,
        }  # fmt: skip
    status = csi.parse_status(incident.message)
    values["method"] = call.method if call else None
    values["code"] = (call.code if call else "") or (status.code if status else "")
    values["desc"] = (call.message if call else "") or (status.innermost if status else "")
    values["errno"] = csi.errno_in(incident.message)
    values.setdefault("target", (call.target if call else "") or csi.subject_of(incident.message).target)
    values["node"] = incident.node or incident.origin.node
    values["pod"] = incident.origin.pod
    values["component"] = incident.origin.component
    if version:
        values["driver_version"] = version.get(incident.origin.input) or version.get("")
    for finding in incident.findings:
        for name, value in finding.captures.items():
            if not values.get(name):
                values[name] = value
    return {name: value for name, value in values.items() if value or (name == "options" and value is not None)}


class _Names(dict[str, str]):
    """A template's names; one that the log did not give shows as ``<name>``."""

    def __missing__(self, key: str) -> str:
        return f"<{key}>"


def fill(template: str, names: Mapping[str, str]) -> str:
    """Substitute ``{name}``; nothing else is evaluated, and other braces stay as they are."""
    known = _Names(names)
    parts = template.split("{")
    out = [parts[0]]
    for part in parts[1:]:
        name, closed, rest = part.partition("}")
        if closed and name.isidentifier():
            value = known[name]
            if name == "options" and not value:
                value = "defaults"  # mount -o wants a word, and none were given
            out.append(value + rest)
        else:
            out.append("{" + part)
    return "".join(out)


# ---------------------------------------------------------------- the diagnosis


def diagnose(
    tracker: Tracker, collector: Collector, rules: Mapping[str, Rule], version: Mapping[str, str], end: int | None
) -> Verdicts:
    """Find the cause of each incident and fold those of one cause into one diagnosis.

    Args:
        version: the driver's version by input name; "" for inputs that do not tell.
        end: time of the last record of the log, µs since the epoch.
    """
    world = _World(tracker, collector, version, end)
    verdicts = Verdicts()
    cases: list[_Case] = []
    for incident in collector.incidents.values():
        case = _judge(incident, world, rules, verdicts)
        if case is not None:
            cases.append(case)
    cases, folded = _fold_symptoms(cases, rules)
    for symptom, _owner in folded:
        verdicts.folded.add(symptom.rule.id)
    verdicts.diagnoses = _merge(cases, folded, world)
    return verdicts


def _judge(incident: Incident, world: _World, rules: Mapping[str, Rule], verdicts: Verdicts) -> _Case | None:
    context = context_of(incident, world.tracker, world.version)
    held = {
        finding.rule.id: finding
        for finding in incident.findings
        if match.holds(finding.rule.when, _Facts(world, incident, finding, context))
    }
    serious = {rule_id: finding for rule_id, finding in held.items() if finding.rule.severity > Severity.INFO}
    if not serious:
        if held:
            rule_id = next(iter(held))
            world.collector.absorb(rule_id, incident.records, incident.problems)
            verdicts.fired.setdefault(rule_id, []).append(("", held[rule_id].captures))
        elif incident.problems:
            verdicts.unknown.append(incident)
        return None
    verdicts.matched += incident.problems
    beaten = match.explained(list(serious), rules)
    verdicts.folded.update(beaten)
    standing = [finding for rule_id, finding in serious.items() if rule_id not in beaten] or list(serious.values())
    finding = max(standing, key=lambda f: (f.rule.severity, f.size, f.rule.id))
    symptoms: Counter[str] = Counter({other: incident.records for other in serious if other != finding.rule.id})
    facts = _Facts(world, incident, finding, context)
    causes = [cause for cause in finding.rule.causes if match.holds(cause.when, facts)]
    if not causes:
        causes = [finding.rule.causes[-1]]
    verdicts.fired.setdefault(finding.rule.id, []).append((causes[0].category, finding.captures))
    return _Case(
        incident, finding.rule, finding, causes[0], causes[1:], {**context, **finding.captures}, symptoms,
        _recovered(incident, finding.rule, facts, world),
    )  # fmt: skip


def _recovered(incident: Incident, rule: Rule, facts: _Facts, world: _World) -> bool:
    """Whether what a rule says heals its finding came after the last of them."""
    if rule.resolved_by == "never":
        return False
    if rule.resolved_by != "success":
        return facts.followed_by(rule.resolved_by, None)
    if incident.call is not None and incident.call.outcome == "ok":
        return True
    volume = world.tracker.volumes.known(incident.volume.name) if incident.volume else None
    if volume is None:
        return False
    method = incident.call.method if incident.call else ""
    if "Snapshot" in method and incident.call is not None:
        method = f"{method} {incident.call.key}"
    ended = [volume.successes.get(method)] if method else list(volume.successes.values())
    return any(_after(success, incident) for success in ended if success is not None)


def _after(success: tuple[int | None, int], incident: Incident) -> bool:
    time, clock = success
    # Stamps of handlers that run side by side may step back by some 10 ms.
    if time is not None and incident.last_time is not None:
        return time >= incident.last_time - 50_000
    return clock > incident.last_clock


def _fold_symptoms(cases: list[_Case], rules: Mapping[str, Rule]) -> tuple[list[_Case], list[tuple[_Case, _Case]]]:
    """Take out the cases that another case of the same volume explains."""
    by_volume: dict[str, list[_Case]] = defaultdict(list)
    for case in cases:
        by_volume[case.incident.volume.name if case.incident.volume else ""].append(case)
    named = [case for case in cases if case.incident.volume]
    kept, folded = [], []
    for case in cases:
        name = case.incident.volume.name if case.incident.volume else ""
        # A symptom that names nobody can only be held against all.
        rivals = by_volume[name] if name else (cases if case.cause.category in SYMPTOMS else by_volume[""])
        owner = _owner(case, rivals or named, rules)
        if owner is None:
            kept.append(case)
        else:
            folded.append((case, owner))
    return kept, folded


def _owner(case: _Case, rivals: Iterable[_Case], rules: Mapping[str, Rule]) -> _Case | None:
    for other in rivals:
        if other is case or other.rule.id == case.rule.id:
            continue
        if case.rule.id in match.symptoms_of(other.rule.id, rules):
            # Two rules that explain each other: the first by id stands.
            if other.rule.id in match.symptoms_of(case.rule.id, rules) and case.rule.id < other.rule.id:
                continue
            return other
    return None


def _merge(cases: list[_Case], folded: list[tuple[_Case, _Case]], world: _World) -> list[Diagnosis]:
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
    diagnoses = [_diagnosis(group, guests[key], world) for key, group in groups.items()]
    blocked: Counter[str] = Counter()
    for diagnosis in diagnoses:
        if not diagnosis.recovered:
            blocked[diagnosis.category] += max(1, len(diagnosis.volumes))
    return sorted(diagnoses, key=lambda diagnosis: _rank(diagnosis, blocked))


def _fold_key(case: _Case) -> tuple[object, ...]:
    # Whose volume it is must not keep two cases of one cause apart.
    shared = {k: v for k, v in case.context.items() if k in {"server", "share", "node", "driver_version", "options"}}
    server, share = case.context.get("server", ""), case.context.get("share", "")
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


def _diagnosis(group: list[_Case], guests: list[_Case], world: _World) -> Diagnosis:
    lead = max(group, key=lambda case: (case.incident.failures, case.incident.records, case.rule.id))
    everyone = [case.incident for case in group]
    names = _common(group)
    times = [time for incident in everyone for time in (incident.first_time, incident.last_time) if time is not None]
    last = max(times, default=None)
    recovered = lead.recovered
    failures = sum(incident.failures for incident in everyone)
    sightings: Counter[str] = Counter()
    for incident in everyone:
        sightings.update(incident.sightings)
    explains: Counter[str] = Counter()
    for case in group:
        explains.update(case.symptoms)
    for case in guests:
        explains[case.rule.id] += case.incident.records
        explains.update(case.symptoms)
    return Diagnosis(
        id=lead.rule.id,
        category=lead.cause.category,
        severity=Severity.INFO if recovered else max(case.rule.severity for case in group),
        confidence=lead.cause.confidence,
        title=fill(lead.rule.title, names),
        cause=fill(lead.cause.cause, names),
        remedy=_remedy(lead.cause.remedy, names),
        confirm=tuple(fill(command, names) for command in lead.cause.confirm),
        alternatives=_alternatives(lead, names),
        volumes=_volumes(group, world.tracker),
        nodes=tuple(sorted({case.context["node"] for case in group if "node" in case.context})),
        methods=tuple(sorted({case.context["method"] for case in group if case.context.get("method")})),
        failures=failures or max(sightings.values(), default=0),
        attempts=max((incident.attempts for incident in everyone), default=0),
        first_time=min(times, default=None),
        last_time=last,
        recovered=recovered,
        ongoing=not recovered and (last is None or world.end is None or world.end - last <= STILL_TRYING),
        evidence=_evidence(everyone),
        explains=tuple(sorted(explains.items())),
        fixed_in=lead.rule.fixed_in,
        references=lead.rule.references,
    )


def _common(group: list[_Case]) -> dict[str, str]:
    """The names of the group's first case; those that differ between volumes stay the first's."""
    lead = max(group, key=lambda case: len(case.context))
    return dict(lead.context)


def _remedy(remedy: Remedy, names: Mapping[str, str]) -> Remedy:
    return Remedy(
        fill(remedy.summary, names),
        tuple(fill(step, names) for step in remedy.steps),
        tuple(fill(command, names) for command in remedy.commands),
        fill(remedy.manifest, names) if remedy.manifest else None,
    )


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
        confirm = tuple(fill(command, names) for command in cause.confirm)
        result.append(Alternative(cause.category, fill(cause.cause, names), confirm))
    return tuple(result[:MAX_ALTERNATIVES])


def _volumes(group: list[_Case], tracker: Tracker) -> tuple[VolumeRef, ...]:
    refs: dict[str, VolumeRef] = {}
    for case in group:
        if case.incident.volume is None:
            continue
        name = case.incident.volume.name
        known = tracker.volumes.known(name) or case.incident.volume
        context = case.context
        refs[name] = VolumeRef(
            name, known.pvc, known.namespace, context.get("server", ""), context.get("share", ""), known.subdir
        )
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
