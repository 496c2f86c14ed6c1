"""Redacts what logscan itself says: reports, traces, what happens while a log goes on, and errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from logscan import history, timeline, unknown
from logscan.errors import LogscanError
from logscan.ledger import Entry
from logscan.model import (
    Alternative,
    Call,
    Check,
    CollectNext,
    Diagnosis,
    Evidence,
    Finding,
    Happening,
    InputSummary,
    Origin,
    Record,
    Remedy,
    Report,
    TimelineCall,
    Trace,
    TracedCall,
    Unrecognised,
    Volume,
    VolumeCalls,
    VolumeRef,
    VolumeTrace,
)  # fmt: skip
from logscan.quiet import Certificate, Run
from logscan.redact import Redactor
from logscan.shapes import ANY, template

MAX_PLACES = 10_000  # names of inputs that are looked for in texts
# A text that is cut may end in the midst of a name: incidents.py says so behind it, the others cut at a length.
_CUT = re.compile(r"[^\s\"',;()\[\]{}=]*( … \([0-9]+ more characters\))$")
_TAIL = re.compile(r"[^\s\"',;()\[\]{}=]*$")
_LENGTHS = frozenset((history.MAX_TEXT, timeline.MAX_TEXT, unknown.MAX_EXAMPLE))


class Ears:
    """Learns names from what a scanner reads; it is to be its listener."""

    def __init__(self, redactor: Redactor | None) -> None:
        self._redactor = redactor
        self._origin: Origin | None = None

    def __reduce__(self) -> tuple[type[Ears], tuple[None]]:
        # A copy of a scanner is made to judge what it knows already: nothing is learnt of it.
        return Ears, (None,)

    def record(self, record: Record, number: int, findings: Sequence[Finding], call: Call | None) -> None:
        """A record: who wrote it, and whom it names."""
        del number, findings
        if self._redactor is None:
            return
        self._redactor.learn(record.header + record.message)
        if record.fields:
            self._redactor.learn("\n".join(f'{key}="{value}"' for key, value in record.fields.items()))
        if record.origin is not self._origin:
            self._origin = record.origin
            for kind, name in (
                ("ns", record.origin.namespace),
                ("pod", record.origin.pod),
                ("node", record.origin.node),
            ):
                self._redactor.learn_name(kind, name)
        if call is not None and call.volume is not None:
            self._volume(call.volume)

    def takes(self, certificates: Iterable[Certificate], origin: Origin) -> bool:
        """Calls that went well are in no report but by their volumes, which are told when they end."""
        del certificates, origin
        return True

    def prepare(self, runs: Sequence[Run]) -> None:
        """Nothing is made of calls that went well."""

    def run(
        self, run: Run, number: int, line: int, dating: tuple[int | None, int, str], origin: Origin, call: int
    ) -> None:
        """Calls that went well: nothing is learnt of them."""

    def ended(self, call: Call, role: str, node: str) -> None:
        """A call is over."""
        del role
        if self._redactor is not None:
            self._redactor.learn_name("node", node)
        if call.volume is not None:
            self._volume(call.volume)

    def _volume(self, volume: Volume) -> None:
        if self._redactor is None:
            return
        for kind, name in _names(volume):
            self._redactor.learn_name(kind, name)
        self._redactor.learn_name("class", volume.storage_class)


class ReportRedactor:
    """Redacts reports and what belongs to them with the names that a redactor knows.

    Args:
        examples: what stays in the words of rules, see ``redact.examples_of``.
    """

    def __init__(self, redactor: Redactor, examples: Iterable[str] = ()) -> None:
        self._redactor = redactor
        self._examples = frozenset(examples)
        self._places: dict[str, None] = {}  # names of inputs, which are replaced in what logscan says of them
        self._own: re.Pattern[str] | None = None

    def report(self, report: Report) -> Report:
        """The report with nothing in it that must not leave."""
        self.learn(report)
        return replace(
            report,
            inputs=tuple(self._input(one) for one in report.inputs),
            diagnoses=tuple(self.diagnosis(one) for one in report.diagnoses),
            unrecognised=tuple(self._unrecognised(one) for one in report.unrecognised),
            # Whatever a log calls a method.
            calls=replace(
                report.calls, by_method={self._redactor.text(name): one for name, one in report.calls.by_method.items()}
            ),
            collect_next=tuple(CollectNext(self.text(one.why), self.text(one.command)) for one in report.collect_next),
            suppressed=tuple(self._suppressed(one) for one in report.suppressed),
            truncated=report.truncated and {self.text(what): count for what, count in report.truncated.items()},
            errors=tuple(self.text(error) for error in report.errors),
            check=report.check and self._check(report.check),
            redacted=True,
            timeline=tuple(self._life(one) for one in report.timeline),
        )

    def trace(self, trace: Trace) -> Trace:
        """The trace with nothing in it that must not leave."""
        self.know(call.input for volume in trace.volumes for call in volume.calls)
        for volume in trace.volumes:
            for kind, name in _names(volume):
                self._redactor.learn_name(kind, name)
            for call in volume.calls:
                self._redactor.learn_name("node", call.node)
                self._redactor.learn(f"{call.text}\n{call.source}\n{call.key}")
        return replace(
            trace,
            volumes=tuple(self._volume_trace(one) for one in trace.volumes),
            errors=tuple(self.text(error) for error in trace.errors),
        )

    def prediction(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """What a class or a volume will meet, or a part of that; the names in it have been learnt."""
        name, text = self._redactor.name, self._redactor.text
        ways: Mapping[str, Callable[[str], str]] = {
            "name": lambda one: name("volume" if entry["kind"] == "PersistentVolume" else "class", one),
            "server": lambda one: name("host", one),
            "share": text, "share_right": text, "candidates": text, "exports": text, "manifest": text, "why": self.text,
        }  # fmt: skip
        told: dict[str, Any] = {}
        for key, value in entry.items():
            if isinstance(value, Mapping):
                told[key] = self.prediction(value)
            elif key not in ways or value is None:
                told[key] = value
            else:
                told[key] = ways[key](value) if isinstance(value, str) else [ways[key](one) for one in value]
        return told

    def happening(self, one: Happening) -> Happening:
        """What became of a diagnosis."""
        self._learn_diagnosis(one.diagnosis)
        # The key is made of names, so that guesses at them could be tried.
        return replace(one, diagnosis=self.diagnosis(one.diagnosis), key=self._redactor.key(one.key))

    def entry(self, one: Entry) -> Entry:
        """What is known of a diagnosis of a log that goes on."""
        self._learn_diagnosis(one.diagnosis)
        return replace(one, diagnosis=self.diagnosis(one.diagnosis), told=None)

    def error(self, error: LogscanError) -> LogscanError:
        """An error, with its place."""
        self.know([error.place])
        return type(error)(self.text(error.place), self.text(error.problem), self.text(error.help))

    def text(self, text: str) -> str:
        """What logscan says, which may name an input."""
        if self._own is None:
            own = sorted({*self._places, *self._examples}, key=len, reverse=True)
            words = "|".join(map(re.escape, own)) or r"[^\s\S]"  # without any it matches nothing
            self._own = re.compile(rf"(?<![\w./-])(?:{words})(?![\w/-])")
        parts, done = [], 0
        for found in self._own.finditer(text):
            own_word = found[0] if found[0] in self._examples else self._redactor.file(found[0])
            parts += [self._redactor.text(text[done : found.start()], ours=True), own_word]
            done = found.end()
        return "".join([*parts, self._redactor.text(text[done:], ours=True)])

    # ------------------------------------------------------------ names

    def know(self, places: Iterable[str]) -> None:
        """Learn names of inputs."""
        for place in places:
            # A file that is named like a word is not told from the word.
            if not self._redactor.is_word(place) and place not in self._places and len(self._places) < MAX_PLACES:
                self._places[place] = None
                self._own = None

    def learn(self, report: Report) -> None:
        """Learn the names in a report."""
        self.know(one.name for one in report.inputs)
        learn = self._redactor.learn_name
        for one in report.inputs:
            for node in one.nodes:
                learn("node", node)
            for place in one.pods:
                parts = place.split("/")
                learn("pod", parts[-2] if len(parts) > 1 else parts[0])
                learn("ns", parts[0] if len(parts) > 2 else "")
        for diagnosis in report.diagnoses:
            self._learn_diagnosis(diagnosis)
        for life in report.timeline:
            learn("volume", life.name)
            for call in life.calls:
                learn("node", call.node)
                self._redactor.learn(call.text)
        for shape in report.unrecognised:
            self._redactor.learn(f"{shape.example}\n{shape.first.text}\n{shape.last.text}")

    def _learn_diagnosis(self, one: Diagnosis) -> None:
        for volume in one.volumes:
            for kind, name in _names(volume):
                self._redactor.learn_name(kind, name)
        for node in (*one.nodes, *one.other_nodes):
            self._redactor.learn_name("node", node)
        for place in one.pods:
            *before, pod = place.split("/")
            self._redactor.learn_name("pod", pod)
            self._redactor.learn_name("ns", "".join(before))
        if one.mount is not None:
            self._redactor.learn(one.mount.source)
        for item in one.evidence:
            self._redactor.learn(item.text)

    # ------------------------------------------------------------ parts of a report

    def _each(self, kind: str, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(self._redactor.name(kind, name) for name in names)

    def _texts(self, texts: Iterable[str]) -> tuple[str, ...]:
        return tuple(self.text(text) for text in texts)

    def _input(self, one: InputSummary) -> InputSummary:
        return replace(
            one,
            name=self._redactor.file(one.name),
            driver_version=one.driver_version and self.text(one.driver_version),
            warnings=self._texts(one.warnings),
            nodes=self._each("node", one.nodes),
            pods=tuple(self._pod(place) for place in one.pods),
        )

    def _pod(self, place: str) -> str:
        """``namespace/pod/container``, of which the first may be missing."""
        *before, pod, container = place.split("/") if "/" in place else (place, "")
        parts = (*self._each("ns", before), self._redactor.name("pod", pod), self._redactor.text(container))
        return "/".join(filter(None, parts))

    def diagnosis(self, one: Diagnosis) -> Diagnosis:
        """A diagnosis; the names in it have been learnt."""
        remedy = one.remedy
        return replace(
            one,
            title=self.text(one.title),
            cause=self.text(one.cause),
            remedy=Remedy(
                self.text(remedy.summary), self._texts(remedy.steps), self._texts(remedy.commands),
                remedy.manifest and self.text(remedy.manifest),
            ),
            confirm=self._texts(one.confirm),
            alternatives=tuple(
                Alternative(other.category, self.text(other.cause), self._texts(other.confirm))
                for other in one.alternatives
            ),
            volumes=tuple(self._volume(volume) for volume in one.volumes),
            methods=tuple(map(self._redactor.text, one.methods)),
            nodes=self._each("node", one.nodes),
            other_nodes=self._each("node", one.other_nodes),
            pods=tuple(self._pod(f"{place}/") for place in one.pods),
            evidence=tuple(self._evidence(item) for item in one.evidence),
            mount=one.mount and replace(
                one.mount, source=self.text(one.mount.source), options=one.mount.options and self.text(one.mount.options)
            ),
        )  # fmt: skip

    def _volume(self, one: VolumeRef) -> VolumeRef:
        redactor = self._redactor
        return VolumeRef(
            redactor.name("volume", one.name), redactor.name("claim", one.pvc), redactor.name("ns", one.namespace),
            redactor.name("host", one.server), redactor.text(one.share), redactor.directory(one.subdir),
        )  # fmt: skip

    def _evidence(self, item: Evidence) -> Evidence:
        return replace(
            item, input=self._redactor.file(item.input), text=self._redactor.text(_CUT.sub(r"\1", item.text))
        )

    def _unrecognised(self, one: Unrecognised) -> Unrecognised:
        example = self._redactor.text(_whole(one.example))
        return replace(
            one,
            source=self._redactor.text(one.source),
            template=self._shape(one.template, template(one.example), template(example)),
            first=self._evidence(one.first),
            last=self._evidence(one.last),
            example=example,
        )

    def _shape(self, shape: str, before: str, after: str) -> str:
        """The shape of the redacted message, with the words left open that its shape leaves open."""
        words, old, new = shape.split(), before.split(), after.split()
        if len(words) == len(old) == len(new) and all(a in {b, ANY} for a, b in zip(words, old, strict=True)):
            return " ".join(ANY if a == ANY else b for a, b in zip(words, new, strict=True))
        return self._redactor.text(shape)

    def _suppressed(self, one: Mapping[str, Any]) -> Mapping[str, Any]:
        known = {"id", "category", "kind", "until"}
        return {
            key: self.text(value) if key not in known and isinstance(value, str) else value
            for key, value in one.items()
        }

    def _life(self, one: VolumeCalls) -> VolumeCalls:
        calls = tuple(self._timeline_call(call) for call in one.calls)
        return replace(one, name=self._redactor.name("volume", one.name), calls=calls)

    def _timeline_call(self, one: TimelineCall) -> TimelineCall:
        text: Callable[[str], str] = self._redactor.text
        return replace(
            one, method=text(one.method), code=text(one.code), node=self._redactor.name("node", one.node),
            text=text(_whole(one.text)), input=self._redactor.file(one.input),
        )  # fmt: skip

    def _check(self, check: Check) -> Check:
        told = tuple(replace(one, wanted=self.text(one.wanted), text=self.text(one.text)) for one in check.requirements)
        return replace(check, requirements=told)

    def _volume_trace(self, one: VolumeTrace) -> VolumeTrace:
        ref = self._volume(VolumeRef(one.name, one.pvc, one.namespace, one.server, one.share, one.subdir))
        return replace(
            one,
            name=ref.name, pvc=ref.pvc, namespace=ref.namespace, server=ref.server, share=ref.share, subdir=ref.subdir,
            handle=self._redactor.text(one.handle),
            last_good=one.last_good and self._call(one.last_good),
            calls=tuple(self._call(call) for call in one.calls),
            restarts=tuple(
                replace(start, input=self._redactor.file(start.input), stream=self._redactor.text(start.stream))
                for start in one.restarts
            ),
            diagnoses=tuple((rule, category, self.text(cause)) for rule, category, cause in one.diagnoses),
        )  # fmt: skip

    def _call(self, one: TracedCall) -> TracedCall:
        text: Callable[[str], str] = self._redactor.text
        return replace(
            one, method=text(one.method), code=text(one.code), node=self._redactor.name("node", one.node), text=text(_whole(one.text)), key=text(one.key), source=text(one.source),
            options=one.options and text(one.options), input=self._redactor.file(one.input),
        )  # fmt: skip


def _whole(text: str) -> str:
    """A text without the word in which it may have been cut."""
    return _TAIL.sub("", text) if len(text) in _LENGTHS else text


def _names(volume: Volume | VolumeRef | VolumeTrace) -> tuple[tuple[str, str], ...]:
    return (
        ("volume", volume.name), ("claim", volume.pvc), ("ns", volume.namespace), ("host", volume.server),
    )  # fmt: skip
