"""Gather findings into incidents: one per volume, call and set of rules, with how often.

An incident is what a diagnosis is made of once the whole log has been read.
Retries of one call are one incident with a count, so memory grows with what
is wrong, not with the log.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from typing import Any

from logscan import csi, match
from logscan.model import Call, Evidence, Finding, Origin, Record, Rule, Severity, Volume
from logscan.shapes import template

MAX_INCIDENTS = 20_000
MAX_PENDING = 16  # records kept for one open call
MAX_TEXT = 4_096  # characters of an evidence text
MAX_TIMES = 64
ROOM = 24 << 20  # characters of messages that are kept whole; of those that come later only the beginning
BRIEF = 1_024  # characters of it


@dataclass(slots=True)
class Incident:
    """The same trouble of the same volume in the same call, and how often.  Mutable: it counts."""

    findings: tuple[Finding, ...]
    call: Call | None
    volume: Volume | None
    origin: Origin
    message: str  # of the record that says most
    role: str = ""
    node: str = ""
    failures: int = 0  # failed calls
    sightings: Counter[str] = field(default_factory=Counter)  # records without a call, by who logged them
    records: int = 0
    problems: int = 0  # W/E/F records
    attempts: int = 0
    first_time: int | None = None
    last_time: int | None = None
    last_clock: int = 0
    times: deque[int] = field(default_factory=lambda: deque(maxlen=MAX_TIMES))
    first: tuple[Evidence, ...] = ()
    last: Evidence | None = None
    severity: Severity = Severity.INFO
    source: str = ""  # "utils.go:93"
    never_ended: bool = False
    about: Mapping[str, str] | None = None  # of an event: its fields, see eventrows.Event


def evidence(record: Record, most: int = MAX_TEXT) -> Evidence:
    """The lines of a record, cut to a length that a report can hold."""
    text = record.message.rstrip("\n")
    if len(text) > most:
        text = text[:most] + f" … ({len(text) - most} more characters)"
    return Evidence(record.origin.input, record.line, record.end_line, record.header + text)


class Collector:
    """Takes findings as the log is read; gives incidents when it is over.

    Args:
        newest: remember so many incidents, those that were met last, instead of the first
            MAX_INCIDENTS.  For a log that goes on for days.
    """

    def __init__(self, healers: frozenset[str] = frozenset(), newest: int | None = None) -> None:
        self._newest = newest
        self._healers = healers  # rules that tell of the end of another's trouble
        self.incidents: dict[tuple[object, ...], Incident] = {}
        self.benign: Counter[str] = Counter()
        self.benign_problems = 0
        self.problems = 0
        self.dropped = 0
        # Where and when rules were last met: for what ends with another line
        # ("server … OK").  (rule id, subject) -> (time, order of reading).
        self.last_met: dict[tuple[str, str], tuple[int | None, int]] = {}
        self.clock = 0  # the tracker's: what it has as later must be later here
        self._open_only: dict[str, bool] = {}  # by rule id
        self._pending: dict[int, tuple[Call, list[tuple[Record, list[Finding]]]]] = {}
        self._waiting = 0  # characters of the messages in it
        self._kept = 0  # of the messages of incidents

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become a copy: its calls are copies, too, whose identities are others."""
        self.__dict__.update(state)
        self._pending = {id(call): (call, records) for call, records in self._pending.values()}

    def add(self, record: Record, findings: list[Finding], call: Call | None) -> None:
        """Take one record that a rule knows, or that is a W, E or F."""
        problem = record.severity is not None and record.severity >= Severity.WARNING
        self.problems += problem
        for finding in findings:
            if finding.rule.id not in self._healers:
                continue
            for subject in {finding.captures.get("server", ""), finding.captures.get("volume", ""), ""}:
                key = (finding.rule.id, subject)
                if self._newest:
                    self.last_met.pop(key, None)
                    if len(self.last_met) >= self._newest:
                        del self.last_met[next(iter(self.last_met))]
                if key in self.last_met or len(self.last_met) < MAX_INCIDENTS:
                    self.last_met[key] = (record.time, self.clock)
        if findings and all(f.rule.severity is Severity.INFO and f.rule.when is None for f in findings):
            self.absorb(findings[0].rule.id, 1, int(problem))
            return
        if not findings and not problem:
            return
        if call is not None and call.outcome == "open":
            _, records = self._pending.setdefault(id(call), (call, []))
            crowded = self._waiting > ROOM
            if len(records) < (2 if crowded else MAX_PENDING):
                records.append(_cut(record, findings, BRIEF if crowded else match.MAX_MESSAGE))
                self._waiting += len(records[-1][0].message)
                return
            call = None
        elif call is not None and id(call) in self._pending:
            self._pending[id(call)][1].append((record, findings))
            self._waiting += len(record.message)
            return
        self._enter([(record, findings)], call, failures=0)

    def expect(self, call: Call) -> None:
        """A call is about to end with the record that is added next."""
        self._pending.setdefault(id(call), (call, []))

    def end(self, call: Call, role: str = "", node: str = "") -> None:
        """A call ended: what its records said becomes one incident."""
        _, records = self._pending.pop(id(call), (call, []))
        self._waiting -= sum(len(record.message) for record, _ in records)
        if call.outcome == "ok":
            records = [(record, [f for f in findings if not self._only_open(f.rule)]) for record, findings in records]
            # What only mattered if the call had not ended is nothing now.
            records = [entry for entry in records if entry[1] or _is_problem(entry[0])]
        if not records:
            return
        failed = call.outcome == "failed"
        incident = self._enter(records, call, failures=int(failed))
        incident.role, incident.node = role, node or incident.origin.node
        incident.never_ended = incident.never_ended or call.outcome == "killed"

    def _only_open(self, rule: Rule) -> bool:
        """Whether a rule can only hold for a call without an end; asked for each call that ends well."""
        known = self._open_only.get(rule.id)
        if known is None:
            known = self._open_only[rule.id] = match.needs_open_call(rule.when)
        return known

    def at_rest(self) -> bool:
        """Whether nothing was entered but noise, and nothing waits."""
        return not (self.incidents or self._pending or self.last_met or self.dropped)

    def close(self) -> None:
        """Enter what still waited for the end of a call."""
        for call, _ in list(self._pending.values()):
            self.end(call)

    def pass_over(self, benign: Mapping[str, int], benign_problems: int, problems: int, count: int) -> None:
        """Count the noise of *count* calls that went well alike."""
        for rule_id, records in benign.items():
            self.absorb(rule_id, records * count, 0)
        self.benign_problems += benign_problems * count
        self.problems += problems * count

    def absorb(self, rule_id: str, count: int, problems: int) -> None:
        """Count records that look bad and are not."""
        self.benign[rule_id] += count
        self.benign_problems += problems

    # ------------------------------------------------------------

    def _enter(self, records: list[tuple[Record, list[Finding]]], call: Call | None, failures: int) -> Incident:
        findings = _best(finding for _, found in records for finding in found)
        told = max(records, key=lambda entry: (bool(entry[1]), len(entry[0].message)))[0]
        volume = call.volume if call is not None else None
        name = volume.name if volume else _name(findings, told)
        key = self._key(findings, call, name, told)
        incident = self.incidents.get(key)
        if incident is None and self._newest and len(self.incidents) >= self._newest:
            self._forget(len(self.incidents) // 20 + 1)
        if incident is None and len(self.incidents) >= MAX_INCIDENTS:
            self.dropped += 1
            key = ("", *key[1:2])
            incident = self.incidents.get(key)
        if incident is None:
            most = match.MAX_MESSAGE if self._kept < ROOM else BRIEF
            findings = tuple(_cut(finding.record, [finding], most)[1][0] for finding in findings)
            message = told.message[: min(most, MAX_TEXT * 4)]
            self._kept += len(message) + sum(len(finding.record.message) for finding in findings)
            incident = self.incidents[key] = Incident(
                findings, call, volume or (Volume(name) if name else None), told.origin, message,
                about=told.fields if told.kind == "event" else None,
            )  # fmt: skip
        self._count(incident, records, call, failures)
        return incident

    def _forget(self, number: int) -> None:
        """Let those go that were not met for longest.

        The order of the others stays: a report must not depend on what was forgotten.
        """
        for key in nsmallest(number, self.incidents, key=lambda key: self.incidents[key].last_clock):
            self.problems -= self.incidents.pop(key).problems
            self.dropped += 1

    @staticmethod
    def _key(findings: Sequence[Finding], call: Call | None, name: str, told: Record) -> tuple[object, ...]:
        rules = tuple(finding.rule.id for finding in findings)
        if rules and all(finding.rule.severity is Severity.INFO for finding in findings):
            return ("benign", rules)
        if not rules:
            # Of what no rule knows only the shape is told, so pods need not be kept apart.
            place = _place(call, told, pods=False)
            return (name, rules, place, told.severity, told.file, told.source_line, template(told.message))
        if call is None:
            captures = () if name else tuple(sorted((k, v) for f in findings for k, v in f.captures.items()))
            captures += _object(told) if told.kind == "event" and not name else ()
            mount = csi.parse_mount(told.message)
            return (name, rules, _place(None, told), told.origin.component, mount.source if mount else "", captures)
        options = (call.source, call.options)
        return (
            name, rules, _place(call, told), call.method, call.code, options, call.outcome, call.candidates > 1,
        )  # fmt: skip

    def _count(
        self, incident: Incident, records: list[tuple[Record, list[Finding]]], call: Call | None, failures: int
    ) -> None:
        incident.failures += failures
        incident.last_clock = self.clock
        if call is not None:
            incident.attempts = max(incident.attempts, call.attempt)
            incident.call = call  # the newest knows most
        else:
            # One component may say it twice of one failure: provisioner in its error and in the event it makes of it.
            said = records[0][0]
            times = _times(said)
            incident.sightings[f"{said.origin.component or said.origin.input} {said.file}"] += times
            if said.kind == "event":
                incident.attempts += times
        most = MAX_TEXT if self._kept < ROOM else BRIEF
        proof = [record for record, findings in records if findings] or [records[0][0]]
        shown = [evidence(record, most) for record in proof]
        if not incident.first:
            incident.first = tuple(_fewest(shown))
            self._kept += sum(len(one.text) for one in (*incident.first, shown[-1]))
        incident.last = shown[-1]
        for record, _ in records:
            incident.records += 1
            incident.problems += _is_problem(record)
            if record.severity is not None and record.severity >= incident.severity:
                incident.severity = record.severity
                incident.source = f"{record.file}:{record.source_line}" if record.file else ""
            if record.time is not None:
                incident.times.append(record.time)
                first, last = incident.first_time, incident.last_time
                began = _began(record, record.time)
                incident.first_time = began if first is None else min(first, began)
                incident.last_time = record.time if last is None else max(last, record.time)


def _cut(record: Record, findings: list[Finding], most: int) -> tuple[Record, list[Finding]]:
    """A record and its findings with at most so many characters of its message."""
    if len(record.message) <= most and (record.alternate is None or len(record.alternate) <= most):
        return record, findings
    alternate = record.alternate and record.alternate[:most]
    cut = record._replace(
        message=record.message[:most],
        alternate=alternate,
        header=record.header[:most],
        fields=None if record.kind != "event" else record.fields,
    )
    return cut, [finding._replace(record=cut) for finding in findings]


def _place(call: Call | None, told: Record, *, pods: bool = True) -> tuple[str, ...]:
    """What keeps nodes apart, or pods where their nodes are not told: what works on one may fail on another."""
    if call is not None:
        return (call.origin.input, call.origin.stream) if call.method.startswith("Node") else ()
    return () if told.kind == "event" else (told.origin.node or (told.origin.pod if pods else ""),)


def _is_problem(record: Record) -> bool:
    return record.severity is not None and record.severity >= Severity.WARNING


def _times(record: Record) -> int:
    """How often a record says that it happened: an event is counted, not repeated."""
    return int((record.fields or {}).get("count", "1")) if record.kind == "event" else 1


def _began(record: Record, time: int) -> int:
    """When what a record says happened first."""
    first = (record.fields or {}).get("first", "") if record.kind == "event" else ""
    return min(int(first), time) if first else time


def _object(record: Record) -> tuple[tuple[str, str], ...]:
    """What keeps events of one text apart: the object that each is about."""
    fields = record.fields or {}
    return tuple((key, fields[key]) for key in ("kind", "namespace", "name", "block") if key in fields)


def _best(findings: object) -> tuple[Finding, ...]:
    """Each rule once, with its longest match, in the order of rule ids."""
    best: dict[str, Finding] = {}
    for finding in findings:  # type: ignore[attr-defined]
        if finding.rule.id not in best or finding.size > best[finding.rule.id].size:
            best[finding.rule.id] = finding
    return tuple(best[rule_id] for rule_id in sorted(best))


def _name(findings: Sequence[Finding], record: Record) -> str:
    for finding in findings:
        if finding.captures.get("volume", "").startswith("pvc-"):
            return finding.captures["volume"]
    fields = record.fields or {}
    if record.kind == "event" and fields.get("kind") == "PersistentVolumeClaim" and "uid" in fields:
        return f"pvc-{fields['uid']}"
    subject = csi.subject_of(record.message)
    if subject.volume and not csi.names_source(record.message):
        return subject.volume
    if named := next((f.captures["volume"] for f in findings if f.captures.get("volume")), ""):
        return named
    handle = next((f.captures["handle"] for f in findings if f.captures.get("handle")), "")
    parsed = csi.parse_volume_id(handle)
    return parsed.volume if parsed else handle


def _fewest(shown: list[Evidence]) -> list[Evidence]:
    """The driver logs a mount error twice with one body: show the GRPC error, which says more."""
    grpc = [item for item in shown if "GRPC error" in item.text]
    return grpc[-1:] or shown[:2]
