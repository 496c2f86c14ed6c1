"""The pipeline, in the order in which it runs.  Read this to understand the program."""

from __future__ import annotations

import posixpath
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, pairwise, repeat
from typing import TYPE_CHECKING

from logscan import __version__, advise, bundles, csi, frames, history, passing, sources, timeline, unknown
from logscan.account import DRIVER_FILES, FILES, MAX_INPUTS, Account, component_of, warnings_of
from logscan.activity import Histogram
from logscan.calls import Tracker
from logscan.diagnose import Verdicts, diagnose
from logscan.errors import SourceError
from logscan.incidents import Collector
from logscan.listening import Listener
from logscan.match import Engine
from logscan.model import (
    Benign,
    Call,
    CallsSummary,
    Counts,
    Diagnosis,
    InputSummary,
    Origin,
    Record,
    Report,
    Restart,
    Rule,
    RuleTest,
    Severity,
    Trace,
    Unrecognised,
    Volume,
)  # fmt: skip
from logscan.quiet import Narrowed, Run, unfetched
from logscan.reading import Reading, with_lines
from logscan.rules import RuleSet
from logscan.sorting import HOSTS, evidence_in, sort_out
from logscan.sources import Source

if TYPE_CHECKING:  # 50 ms of a start, for what most runs are not given
    from logscan.evidence.pods import Hosts
    from logscan.evidence.weigh import Scales

NEWEST = 1_000  # incidents, volumes that failed and others, remembered of a log that goes on for days


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may say about the log."""

    year: int | None = None
    zone: int = 0  # minutes east of UTC of whoever wrote klog's stamps
    reference: int | None = None  # the latest time the log can have, µs since the epoch
    trace: bool = False  # remember the lives of the volumes, see Scanner.trace
    jobs: int | None = None  # processes that narrow a large file; None: one per core, up to 8
    narrow: bool = True  # pass over calls of a large log that all went well; the report is the same
    newest: int | None = None  # remember so many incidents and volumes, the last; None: the first MAX_…
    client: str | None = None  # the nodes' address as the NFS server sees it


class Scanner:
    """Reads inputs one after the other and reports on all of them together.

    Memory is bounded by what is wrong, not by what is read; what a cap
    dropped is counted in ``Report.truncated``.
    """

    def __init__(self, rules: RuleSet, options: Options | None = None) -> None:
        self.options = options or Options()
        self.records = 0
        self.bytes = 0
        self._logged = 0  # records that some grammar of logs knows
        self.rules = rules
        self._engine = Engine(rules.rules)
        healers = passing.healers(rules.by_id)
        self._tracker = Tracker(self.options.newest)
        self._collector = Collector(healers, self.options.newest)
        self._passer = passing.Passer(self._engine, healers)
        self._tracker.volumes.waken = self._passer.waken
        self._timeline = timeline.Recorder() if self.options.trace else None
        self._activity = Histogram()
        self._inputs: list[Account] = []
        self._rest: Account | None = None  # of inputs that are too many to be told of one by one
        self._errors: list[SourceError] = []
        self.skipped: sources.Skipped = Counter()  # what open_sources passed over; to be handed to it
        self.verdicts: Verdicts | None = None
        self._scales: Scales | None = None
        self._hosts: Hosts | None = None
        self._parts: dict[tuple[str, tuple[str, str, str]], tuple[str, bundles.Place]] = {}  # latest of each container
        self.changes = 0  # counts what may alter the diagnoses
        self.listener: Listener | None = None
        self._closed = False
        self.watched: set[str] = set()  # volumes of which a success may, too

    def read(self, source: Source | Narrowed | SourceError) -> None:
        """Read one input to its end; what cannot be read is reported, what was read before it counts."""
        for _ in self.steps(source):
            pass

    def steps(self, source: Source | Narrowed | SourceError) -> Iterator[None]:
        """Read one input piece by piece: something can be done after each."""
        if isinstance(source, SourceError):
            self._errors.append(source)
            return
        pieces: Iterator[bytes | Run]
        if isinstance(source, Narrowed):
            pieces = source.pieces
        else:
            kind, chunks = sort_out(source)
            if kind in HOSTS:
                self._read_hosts(source, kind)
                return
            if kind is not None:
                self.evidence(source.name, kind, b"".join(chunks))
                return
            prepare = self.listener.prepare if self.listener is not None else None
            pieces = chunks
            if self.narrows():
                pieces = self._passer.pieces(source.path, chunks, self.options.jobs, prepare)
        reading = self.begin(source.name, source.mtime or time.time_ns() // 1000)
        state, may_narrow = self._inputs[-1], self.narrows()
        try:
            for piece in with_lines(pieces, source.name):
                if isinstance(piece, bytes):
                    reading.feed(piece)
                elif not may_narrow:
                    reading.feed(piece.text())
                else:
                    reading.settle()
                    for part in piece.apart(self._tracker.volumes.restless(piece.names)):
                        if isinstance(part, bytes):
                            reading.feed(part)
                        elif not self._pass_over(state, part, reading):
                            reading.feed(part.text())
                yield
        except SourceError as error:
            self._errors.append(error)
        finally:
            self.end(reading)

    def begin(self, name: str, reference: int) -> Reading:
        """Read an input as it comes; it is to be given to ``end`` when it is over.

        Args:
            reference: µs since the epoch, the latest time that its first stamp can have.
        """
        options, state = self.options, Account(name)
        self._inputs.append(state)
        place = bundles.of(name)
        if place is not None and place.kind == "log":
            key = (posixpath.dirname(name), place.writer)
            before, self._parts[key] = self._parts.get(key), (name, place)
            if before is not None:
                if before[1].instance == place.instance and before[1].part < place.part:
                    self._tracker.streams.go_on(before[0], name)
                state.restarted = before[1].instance < place.instance
        return Reading(
            name, partial(self._record, state), reference=options.reference or reference, year=options.year,
            zone=options.zone, printed=options.reference,
        )  # fmt: skip

    def end(self, reading: Reading, *, cut: bool = False) -> None:
        """An input is over; *cut*: in the midst of a record, which is left out."""
        if not cut:
            reading.close()
        state = next(one for one in reversed(self._inputs) if one.name == reading.name)
        self._sum_up(state, reading.tally, reading.deframer)
        for before, text in reading.pasted.blocks():
            kind = evidence_in(text.encode("utf-8", "replace"), "")
            if kind is not None:
                state.warnings += self._learn(kind, "\n" * before + text, state.name)
        self._fold(state)

    def _fold(self, state: Account) -> None:
        """Tell of an input together with others, where there are too many to tell of each."""
        if len(self._inputs) <= MAX_INPUTS:
            return
        at = next(at for at in range(len(self._inputs) - 1, -1, -1) if self._inputs[at] is state)
        del self._inputs[at]
        if self._rest is None:
            self._rest = Account("")
        self._rest.take_in(state)
        counted = self._tracker.by_input
        for kind in ("total", "failed", "hung"):
            counted["", kind] += counted.pop((state.name, kind), 0)

    def _sum_up(self, state: Account, tally: sources.Tally, deframer: frames.Deframer) -> None:
        state.lines, state.bytes = tally.lines, tally.bytes
        state.framing = tuple(name for name, _ in deframer.carriers.most_common())
        state.warnings = warnings_of(tally, deframer.damaged)
        self.bytes += tally.bytes

    def unread(self, error: SourceError) -> None:
        """An input, or the rest of it, cannot be read."""
        self._errors.append(error)

    def watch(self, around: Callable[[Iterator[bytes | Run]], Iterator[bytes | Run]]) -> None:
        """Let what processes read of a large file go through *around*, which may end it."""
        self._passer.around = around

    def narrows(self) -> bool:
        """Whether calls that went well need not be read."""
        return self.options.narrow and self._timeline is None  # a trace tells of calls that went well, too

    def _pass_over(self, state: Account, run: Run, reading: Reading) -> bool:
        """Enter a run of calls without reading them; False if they have to be read."""
        used = {kind: run.certificates[kind] for kind in set(run.kinds)}
        methods = {one.method for one in used.values()}
        named = all(one.named for one in used.values())
        origin = reading.settle()
        volumes = self._tracker.volumes
        if origin is None or not self._tracker.may_pass(origin, methods, run.names, named=named):
            return False
        if not volumes.awake.isdisjoint(run.names):  # a part before this one had to be read, and told of them
            return False
        if self.listener is not None and not self.listener.takes(used.values(), origin):
            return False
        line = reading.tally.lines + 1
        first, last, (year, zone, source) = reading.pass_over(origin, run)
        if self.listener is not None:
            self.listener.run(run, state.records, line, (year, zone, source), origin, self._tracker.met)
        self.records += run.lines
        state.records += run.lines
        self._logged += run.lines
        state.dated(first, source)
        state.dated(last, source)
        self._activity.pass_over(run, first, last, year, zone)
        clock = self._tracker.clock
        self._tracker.pass_over(origin, run, last)
        clocks = accumulate((used[kind].lines for kind in run.kinds), initial=clock)
        next(clocks)
        sizes = [after - before for before, after in pairwise(run.offsets)]
        fetch = run.fetch if run.lasting else unfetched  # else it may hold on to far more than the calls' lines
        volumes.sleep(
            run.names, zip(run.places(), sizes, clocks, repeat(year), repeat(zone), repeat(fetch), repeat(origin))
        )
        for kind, count in Counter(run.kinds).items():
            certificate = used[kind]
            self._collector.pass_over(certificate.benign, certificate.benign_problems, certificate.problems, count)
            for told in certificate.told:
                state.fingerprint.see(told.file, told.source_line, told.message)
                component = origin.component or FILES.get(told.file, "")
                if component:
                    state.components[component] += count
        state.driver = state.requests = True
        state.hear(origin)
        return True

    def evidence(self, name: str, kind: str, data: bytes) -> None:
        """Take an exports listing or a manifest that the user named as such.

        Args:
            kind: "exports", "manifest" or another that logscan.evidence knows.
        """
        state = Account(name)
        self._inputs.append(state)
        self._weigh_in(state, kind, data)
        self._fold(state)

    def _weigh_in(self, state: Account, kind: str, data: bytes) -> None:
        state.bytes, state.lines, state.framing = len(data), len(data.splitlines()), (kind,)
        state.warnings = self._learn(kind, data.decode("utf-8", "replace"), state.name)
        self.bytes += len(data)

    def _learn(self, kind: str, text: str, name: str) -> tuple[str, ...]:
        """Take in what was given beside the logs, or pasted among them; returns what is wrong with it."""
        from logscan.evidence.weigh import Scales

        if self._scales is None:
            self._scales = Scales(self.options.client)
        facts = self._scales.facts
        errors, faults, remarks = len(facts.errors), len(facts.faults), len(facts.remarks)
        facts.read(kind, text, name)
        return tuple(
            [f"{error.place}: {error.problem}" for error in facts.errors[errors:]]
            + [f"line {fault.line}: {fault.problem}" for _, fault in facts.faults[faults:] if fault.level != "note"]
            + [f"line {remark.line}: {remark.problem}" for _, remark in facts.remarks[remarks:]]
        )

    def _read_hosts(self, source: Source, kind: str) -> None:
        """Learn on which nodes pods run."""
        from logscan.evidence.pods import MAX_JSON, Hosts

        state, data = Account(source.name, framing=(kind,)), bytearray()
        self._inputs.append(state)
        try:
            for chunk in source.chunks:
                data += chunk
                if len(data) > MAX_JSON:
                    break
        except SourceError as error:
            self._errors.append(error)
        self._hosts = self._hosts or Hosts()
        state.bytes, state.lines = len(data), data.count(b"\n")
        self.bytes += len(data)
        if len(data) > MAX_JSON or not self._hosts.read(bytes(data), source.name):
            state.warnings = ("it does not tell on which nodes pods run",)

    def _record(self, state: Account, record: Record) -> None:
        """One record: learn from it, match it, bind it to its call."""
        self.records += 1
        state.records += 1
        if record.kind == "text":
            state.unparsed += record.lines
        elif record.kind != "preamble":
            self._logged += 1
        state.dated(record.time, record.time_source)
        if record.time is not None and record.severity is not None:
            self._activity.add(record.time, record.severity)
        file = record.file
        if file in DRIVER_FILES:
            state.fingerprint.see(file, record.source_line, record.message)
            if record.message.startswith(csi.BANNERS) and (version := csi.banner_version(record.message)) is not None:
                state.banner = version
            if record.message.startswith("GRPC "):
                state.driver = True
                state.requests = state.requests or record.message.startswith(("GRPC call: ", "GRPC request: "))
        component = component_of(record)
        if not state.speaker and component in {"", "nfs"} and record.kind != "event":
            state.speaker = csi.speaker(record.message)
        if component:
            state.components[component] += 1
        if record.origin is not state.heard:
            state.hear(record.origin)
            if state.restarted:
                origin, state.restarted = record.origin, False
                self._tracker.starts.append(Restart(record.time, origin.input, origin.stream, record.line, "start"))
        findings = self._engine.match(record)
        if findings or record.kind == "event" or (record.severity is not None and record.severity >= Severity.WARNING):
            self.changes += 1
        call, ended = passing.enter(record, findings, self._tracker, self._collector)
        if self.listener is not None:
            self.listener.record(record, state.records - 1, findings, call)
            self._tell(ended)
        for one in ended:
            self._count_failure(one)
            self.changes += one.outcome != "ok" or (one.volume is not None and one.volume.name in self.watched)
            # kubelet asks for statistics all the time, and the driver does not log that.
            if one.outcome == "failed" and one.request is None and one.method != "NodeGetVolumeStats":
                state.orphans += 1
        if ended and self._timeline is not None:
            start = self._tracker.starts[-1] if self._tracker.starts else None
            restarted = start is not None and (start.input, start.line) == (record.origin.input, record.line)
            for one in ended:
                role, node = self._tracker.stream_of(one.origin)
                self._timeline.add(one, role, node, until=record.time, restarted=restarted)

    def _tell(self, ended: Iterable[Call]) -> None:
        if self.listener is not None:
            for call in ended:
                self.listener.ended(call, *self._tracker.stream_of(call.origin))

    def close(self) -> None:
        """All inputs have been read: what is open by now does not end any more."""
        if self._closed:
            return
        self._closed = True
        self._tracker.close()
        ended = self._tracker.take_ended()
        self._tell(ended)
        for call in ended:
            role, node = self._tracker.stream_of(call.origin)
            self._collector.end(call, role, node)
            if self._timeline is not None:
                last = next((one.last_time for one in self._inputs if one.name == call.origin.input), None)
                self._timeline.add(call, role, node, until=last, restarted=False, over=True)
        self._collector.close()

    def _count_failure(self, call: Call) -> None:
        if call.outcome == "failed" and call.end is not None:
            self._activity.fail(call.end)

    def report(self, *, interrupted: bool = False) -> Report:
        """Diagnose what was read.  To be called once, when all inputs have been read."""
        self.close()
        if self._hosts is not None:
            hosts = self._hosts
            self._tracker.streams.host = lambda origin: origin.node or hosts.of(origin)
            for incident in self._collector.incidents.values():
                if not incident.node and (incident.role == "node" or "node" in incident.origin.pod):
                    incident.node = self._hosts.of(incident.origin)
        inputs = tuple(self._summary(state) for state in (*self._inputs, *filter(None, (self._rest,))))
        end = max((one.last_time for one in inputs if one.last_time is not None), default=None)
        events = any("events" in one.components for one in inputs)
        verdicts = diagnose(
            self._tracker, self._collector, self.rules.by_id, _versions(inputs), end, self._scales, self._engine.patience,
            events=events,
        )  # fmt: skip
        self.verdicts = verdicts
        unrecognised = unknown.cluster(verdicts.unknown)
        tracker, collector = self._tracker, self._collector
        counts = Counts(
            self.records, collector.problems, verdicts.matched, collector.benign_problems,
            sum(one.count for one in unrecognised),
        )  # fmt: skip
        report = Report(
            version=__version__,
            verdict=verdict_of(verdicts.diagnoses, self._told(inputs), unrecognised, inputs),
            inputs=inputs,
            diagnoses=tuple(verdicts.diagnoses),
            unrecognised=unrecognised,
            benign=tuple(
                Benign(rule_id, self.rules.by_id[rule_id].title, count)
                for rule_id, count in sorted(collector.benign.items())
                if rule_id in self.rules.by_id
            ),
            calls=CallsSummary(
                sum(tracker.total.values()), sum(tracker.failed.values()), tracker.hung,
                {
                    method: (count, tracker.failed.get(method, 0))
                    for method, count in sorted(tracker.total.items())
                    if count or tracker.failed.get(method, 0)
                },
            ),
            counts=counts,
            truncated=self._truncated(),
            errors=tuple(f"{error.place}: {error.problem}" for error in self._errors),
            interrupted=interrupted,
            rules=tuple(self.rules.by_id),
            activity=self._activity.result(),
            timeline=history.timeline(verdicts.diagnoses, tracker.volumes.known, self._node_of),
        )  # fmt: skip
        return advise.complete(report)

    def _node_of(self, origin: Origin) -> str:
        return self._tracker.stream_of(origin)[1] or origin.node

    def volumes(self) -> list[Volume]:
        """The volumes that a trace can tell of; empty without ``Options.trace``."""
        return self._timeline.volumes() if self._timeline is not None else []

    def trace(self, report: Report, wanted: str | None = None) -> Trace:
        """The lives of the volumes that *wanted* names (None: of the worst); *report* is that of this scanner.

        Empty without ``Options.trace``.
        """
        recorder = self._timeline or timeline.Recorder()
        trace = recorder.trace(__version__, tuple(self._tracker.starts), report.diagnoses, wanted)
        return replace(trace, errors=report.errors, interrupted=report.interrupted)

    def errors(self) -> tuple[SourceError, ...]:
        """The inputs, or parts of them, that could not be read."""
        return tuple(self._errors)

    def _told(self, inputs: tuple[InputSummary, ...]) -> bool:
        """Whether what was read would have shown a problem, had there been one.

        The driver tells of its calls at -v=2 and above only; livenessprobe and
        the registrar never say why a mount fails; text is no log.
        """
        if all(state.foreign() for state in self._inputs if state.records) and any(one.records for one in inputs):
            return False
        if self._tracker.total:
            return not self._tracker.dropped_calls  # whose ends were not looked for
        # A replica that waits for its lease does nothing that could go wrong.
        if "lease-not-leader" in self._collector.benign and "lease-acquired" not in self._collector.benign:
            return False
        components = {one.component for one in inputs if one.component}
        return self._logged > 0 and not components <= {"nfs", "liveness", "registrar"}

    def _summary(self, state: Account) -> InputSummary:
        version, how = state.version()
        component, tracker = state.components.most_common(), self._tracker
        role, counted, name = tracker.role(state.name), tracker.by_input, "" if state.folded else state.name
        if other := state.foreign():
            component, role, version, how = [], None, None, None
        nodes = state.nodes | tracker.streams.nodes(state.name)
        if not nodes and self._hosts is not None and (node := self._hosts.of_input(state.name)):
            nodes.add(node)
        return InputSummary(
            state.name, state.framing, component[0][0] if component else ("nfs" if (role or state.driver) and not other else None), role, version, how,
            state.bytes, state.lines, state.records, state.unparsed, state.first_time, state.last_time,
            state.time_source, state.warnings + ((f"it is the log of {other}, another storage driver",) if other else ()),
            components=tuple(name for name, _ in component), nodes=tuple(sorted(nodes)),
            calls=(counted[name, "total"], counted[name, "failed"], counted[name, "hung"]),
            hints=state.hints(), pods=tuple(state.pods),
        )  # fmt: skip

    def _truncated(self) -> Mapping[str, int] | None:
        dropped: dict[str, int] = {}
        if self._tracker.dropped_calls:
            dropped["open calls"] = self._tracker.dropped_calls
        if self._tracker.volumes.evicted:
            kind = "volumes" if self._tracker.volumes.overfull else "volumes without failure"
            dropped[kind] = self._tracker.volumes.evicted
        if self._collector.dropped:
            dropped["incidents"] = self._collector.dropped
        for (place, what), count in sorted(self.skipped.items()):
            if what != "directories":
                dropped[f"{what} in {place}"] = count
        for rule_id, count in self._engine.patience.timeouts.items():
            dropped[f"rule {rule_id} timed out"] = count
        return dropped or None


def _versions(inputs: tuple[InputSummary, ...]) -> dict[str, str]:
    versions = {one.name: one.driver_version for one in inputs if one.driver_version}
    # An event or a sidecar's log beside one driver's log is of the same installation.
    if len(set(versions.values())) == 1:
        versions[""] = next(iter(versions.values()))
    return versions


# What kubelet complains of day by day is about volumes only if it says so.
_OF_VOLUMES = re.compile(r"(?i)volume|mount|csi|nfs")


def _doubtful(unrecognised: Iterable[Unrecognised], inputs: Iterable[InputSummary]) -> bool:
    """Whether something that no rule knows is a reason to doubt calls that all went well.

    A warning is none, unless it is about an NFS volume.
    """
    kubelets = {one.name for one in inputs if one.components == ("kubelet",)}
    return any(
        csi.names_volume(one.example)
        or (
            one.severity > Severity.WARNING
            and (one.first.input not in kubelets or _OF_VOLUMES.search(one.example) is not None)
        )
        for one in unrecognised
    )


def verdict_of(
    diagnoses: Sequence[Diagnosis], told: bool, unrecognised: Iterable[Unrecognised], inputs: Iterable[InputSummary]
) -> str:
    """One word for the whole; a symptom without a cause is no diagnosis.

    Args:
        told: whether the input could have shown a problem at all.
        unrecognised: what it shows that no rule knows.
        inputs: where that is from.
    """
    worst = max((diagnosis.severity for diagnosis in diagnoses), default=None)
    if worst is None:
        return "healthy" if told and not _doubtful(unrecognised, inputs) else "not-enough-evidence"
    if all(d.category in {"insufficient-evidence", "deadline-exceeded"} for d in diagnoses if d.severity == worst):
        return "not-enough-evidence"
    return worst.name.lower() if worst <= Severity.ERROR else "error"


def run_rule_test(rule: Rule, test: RuleTest, rules: RuleSet) -> str | None:
    """Run one of a rule's own tests through the real pipeline.

    Returns:
        None if it passed, else why not, in one line.
    """
    scanner = Scanner(rules, Options(reference=_TEST_REFERENCE))
    scanner.read(Source(name=test.name, mtime=None, chunks=iter([test.log.encode()])))
    report = scanner.report()
    verdicts = scanner.verdicts
    assert verdicts is not None
    fired = verdicts.fired.get(rule.id, [])
    benign = {one.id for one in report.benign}
    if test in rule.must_not_match:
        return "it matched" if fired or rule.id in benign else None
    if not fired and rule.id not in benign:
        if rule.id in verdicts.folded and test.category is None:
            return None
        others = ", ".join(sorted({*verdicts.fired, *benign})) or "no rule"
        return f"it did not match; what did: {others}"
    if test.category is not None and all(category != test.category for category, _ in fired):
        return f"category is {fired[0][0] if fired else 'none (benign)'}, expected {test.category}"
    for name, value in test.captures.items():
        if not any(captures.get(name) == value for _, captures in fired):
            got = fired[0][1].get(name) if fired else None
            return f"capture {name} is {got!r}, expected {value!r}"
    return None


# Tests must not change their meaning with the day on which they run.
_TEST_REFERENCE = 1_767_225_599_000_000  # 2025-12-31T23:59:59Z


def only(report: Report, lowest: Severity) -> Report:
    """The report without the diagnoses below a severity; they are named as suppressed."""
    shown = tuple(diagnosis for diagnosis in report.diagnoses if diagnosis.severity >= lowest)
    hidden = tuple(
        {"id": diagnosis.id, "category": diagnosis.category, "reason": "below --severity", "kind": "severity"}
        for diagnosis in report.diagnoses
        if diagnosis.severity < lowest
    )
    names = {volume.name for diagnosis in shown for volume in diagnosis.volumes}
    told = tuple(one for one in report.timeline if one.name in names)
    return replace(report, diagnoses=shown, suppressed=report.suppressed + hidden, timeline=told)
