"""A written ``logscan.report/v1`` back into a Report, so that it can be compared and converted without its logs.

Strict on what v1 promises: what is missing or of another shape is refused with
its place.  Keys that v1 does not know are let be: a later logscan may add some.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from logscan.errors import SourceError
from logscan.model import (
    EPOCH,
    HINTS,
    OUTCOMES,
    Activity,
    Alternative,
    Bar,
    Benign,
    CallsSummary,
    Check,
    CollectNext,
    Counts,
    Diagnosis,
    Evidence,
    InputSummary,
    MountTried,
    Remedy,
    Report,
    Requirement,
    Severity,
    TimelineCall,
    Unrecognised,
    VolumeCalls,
    VolumeRef,
)  # fmt: skip
from logscan.report.json_v1 import SCHEMA, cleaned

T = TypeVar("T")

_VERDICTS = ("healthy", "info", "warning", "error", "not-enough-evidence")
_CONFIDENCES = ("high", "medium", "low")
_TIME_SOURCES = ("carrier", "preamble", "file-name", "option", "assumed", "none")
_SUPPRESSED_TOO = {"kind", "category", "until", "place"}
_HELP = "give a report that `logscan --format json` wrote"


MAX_VALUES = 1_500_000  # of brackets and commas: what is made of two bytes may take a hundred


def read(data: bytes, name: str) -> Report:
    """Read what ``json_v1.write`` wrote; *name* is the file's, for errors.

    Raises:
        SourceError: it is no JSON, of another schema, or not of the schema's shape.
    """
    return _report(_Node(_parsed(data, name), name, ""))


def _parsed(data: bytes, name: str) -> Any:
    import json

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in found if keys.count(key) > 1)
            raise SourceError(name, f"the key {twice!r} stands twice in one object", _HELP)
        return found

    def no_number(text: str) -> None:
        raise SourceError(name, f"{text} is no JSON", _HELP)

    if sum(map(data.count, (b"{", b"[", b","))) > MAX_VALUES:
        raise SourceError(name, "holds more values than a report has", _HELP)
    try:
        # UTF-16 and byte order marks too: it is what some shells make of `>`.
        return json.loads(data.removeprefix(b"\xef\xbb\xbf"), object_pairs_hook=once, parse_constant=no_number)
    except json.JSONDecodeError as error:
        raise SourceError(f"{name}:{error.lineno}:{error.colno}", f"is no JSON: {error.msg.lower()}", _HELP) from error
    except UnicodeDecodeError as error:
        raise SourceError(name, f"is no JSON: no {error.encoding.upper()} at byte {error.start}", _HELP) from error
    except RecursionError as error:
        raise SourceError(name, "is nested too deeply for a report", _HELP) from error
    except ValueError as error:  # a number of more digits than Python will read
        raise SourceError(name, "holds a number that is too long for a report", _HELP) from error


@dataclass(frozen=True, slots=True)
class _Node:
    """A value and where it stands: ``diagnoses[2].severity``."""

    value: Any
    name: str
    path: str

    def fault(self, problem: str) -> SourceError:
        return SourceError(f"{self.name}: {self.path}" if self.path else self.name, problem, _HELP)

    def __getitem__(self, key: str) -> _Node:
        members = self.members()
        path = f"{self.path}.{key}" if self.path else key
        if key not in members:
            raise _Node(None, self.name, path).fault("is missing")
        return _Node(members[key], self.name, path)

    def members(self) -> dict[str, Any]:
        return self._of(dict, "an object")

    def items(self) -> list[_Node]:
        values = self._of(list, "a list")
        return [_Node(value, self.name, f"{self.path}[{index}]") for index, value in enumerate(values)]

    def all(self, make: Callable[[_Node], T]) -> tuple[T, ...]:
        return tuple(make(item) for item in self.items())

    def named(self, make: Callable[[_Node], T]) -> dict[str, T]:
        return {cleaned(key): make(self[key]) for key in self.members()}

    def maybe(self, make: Callable[[_Node], T]) -> T | None:
        return None if self.value is None else make(self)

    def later(self, key: str, make: Callable[[_Node], T]) -> T | None:
        """A key that v1 did not have from its start; an older report, such as a baseline, goes without it."""
        return self[key].maybe(make) if key in self.members() else None

    def text(self) -> str:
        text: str = cleaned(self._of(str, "a string"))
        return text

    def flag(self) -> bool:
        return self._of(bool, "true or false")

    def number(self) -> int:
        if type(self.value) is not int or self.value < 0:  # True is an int, too
            raise self.fault("must be a whole number, 0 or more")
        return self.value

    def word(self, known: tuple[str, ...]) -> str:
        text = self.text()
        if text not in known:
            raise self.fault(f"is {_short(text)}, not one of {', '.join(known)}")
        return text

    def time(self) -> int:
        text = self.text()
        try:
            when = datetime.fromisoformat(text)
        except ValueError as error:
            raise self.fault(f"is {_short(text)}, which is no RFC 3339 time") from error
        if when.tzinfo is None:
            raise self.fault(f"is {_short(text)}, a time without a zone")
        # No astimezone(): it fails at both ends of the calendar.
        return (when - EPOCH) // timedelta(microseconds=1)

    def _of(self, kind: type[T], called: str) -> T:
        if not isinstance(self.value, kind):
            raise self.fault(f"must be {called}")
        return self.value


def _short(text: str) -> str:
    return ascii(text if len(text) <= 60 else f"{text[:57]}...")


def _report(top: _Node) -> Report:
    if not isinstance(top.value, Mapping) or "schema" not in top.value:
        raise top.fault("is no report of logscan: it has no schema")
    if top["schema"].value != SCHEMA:
        raise top["schema"].fault(f"is {_short(str(top['schema'].value))}; {SCHEMA} is what can be read")
    if top["tool"]["name"].value != "logscan":
        raise top["tool"]["name"].fault("must be logscan")
    calls = top["calls"]
    return Report(
        version=top["tool"]["version"].text(),
        verdict=top["verdict"].word(_VERDICTS),
        inputs=top["inputs"].all(_input),
        diagnoses=top["diagnoses"].all(_diagnosis),
        unrecognised=top["unrecognised"].all(_unrecognised),
        benign=top["benign"].all(lambda one: Benign(one["id"].text(), one["title"].text(), one["count"].number())),
        calls=CallsSummary(
            calls["total"].number(),
            calls["failed"].number(),
            calls["hung"].number(),
            calls["by_method"].named(lambda one: (one["total"].number(), one["failed"].number())),
        ),
        counts=Counts(**{key: top["counts"][key].number() for key in Counts.__slots__}),
        collect_next=top["collect_next"].all(lambda one: CollectNext(one["why"].text(), one["command"].text())),
        suppressed=top["suppressed"].all(_suppressed),
        truncated=top["truncated"].maybe(lambda one: one.named(_Node.number)),
        errors=top["errors"].all(_Node.text),
        interrupted=top["interrupted"].flag(),
        rules=top["rules"].all(_Node.text),
        check=top.later("check", _check),
        activity=top.later("activity", _activity),
        redacted=top.later("redacted", _Node.flag) or False,
        timeline=top.later("timeline", lambda one: one.all(_calls)) or (),
    )


def _activity(one: _Node) -> Activity:
    width = one["seconds"].number() * 1_000_000
    if not width:
        raise one["seconds"].fault("must be 1 or more")
    return Activity(
        width,
        one["bars"].all(
            lambda bar: Bar(bar["time"].time(), *(bar[key].number() for key in Bar.__slots__ if key != "time"))
        ),
    )


def _calls(one: _Node) -> VolumeCalls:
    return VolumeCalls(one["volume"].text(), one["calls"].all(_call), one["left_out"].number())


def _call(one: _Node) -> TimelineCall:
    return TimelineCall(
        method=one["method"].text(),
        outcome=one["outcome"].word(OUTCOMES),
        start=one["start"].maybe(_Node.time),
        end=one["end"].maybe(_Node.time),
        attempt=one["attempt"].number(),
        code=one["code"].text(),
        node=one["node"].text(),
        text=one["text"].text(),
        input=one["input"].text(),
        line=one["line"].number(),
    )


def _suppressed(one: _Node) -> Mapping[str, Any]:
    one["id"].text()
    one["reason"].text()
    for key in _SUPPRESSED_TOO & one.members().keys():
        one[key].text()
    value: Mapping[str, Any] = cleaned(one.members())
    return value


def _check(one: _Node) -> Check:
    return Check(
        one["passed"].flag(),
        one["requirements"].all(
            lambda each: Requirement(each["wanted"].text(), each["met"].flag(), each["text"].text())
        ),
    )


def _severity(one: _Node) -> Severity:
    return Severity[one.word(tuple(level.name.lower() for level in Severity)).upper()]


def _input(one: _Node) -> InputSummary:
    calls = one["calls"]
    return InputSummary(
        name=one["name"].text(),
        framing=one["framing"].all(_Node.text),
        component=one["component"].maybe(_Node.text),
        role=one["role"].maybe(lambda node: node.word(("controller", "node"))),
        driver_version=one["driver_version"].maybe(_Node.text),
        version_source=one["version_source"].maybe(lambda node: node.word(("banner", "fingerprint"))),
        bytes=one["bytes"].number(),
        lines=one["lines"].number(),
        records=one["records"].number(),
        unparsed_lines=one["unparsed_lines"].number(),
        first_time=one["first_time"].maybe(_Node.time),
        last_time=one["last_time"].maybe(_Node.time),
        time_source=one["time_source"].word(_TIME_SOURCES),
        warnings=one["warnings"].all(_Node.text),
        components=one["components"].all(_Node.text),
        nodes=one["nodes"].all(_Node.text),
        calls=(calls["total"].number(), calls["failed"].number(), calls["hung"].number()),
        hints=one["hints"].all(lambda node: node.word(HINTS)),
        pods=one["pods"].all(_Node.text),
    )


def _diagnosis(one: _Node) -> Diagnosis:
    remedy = one["remedy"]
    return Diagnosis(
        id=one["id"].text(),
        category=one["category"].text(),
        severity=_severity(one["severity"]),
        confidence=one["confidence"].word(_CONFIDENCES),
        title=one["title"].text(),
        cause=one["cause"].text(),
        remedy=Remedy(
            remedy["summary"].text(),
            remedy["steps"].all(_Node.text),
            remedy["commands"].all(_Node.text),
            remedy["manifest"].maybe(_Node.text),
        ),
        confirm=one["confirm"].all(_Node.text),
        alternatives=one["alternatives"].all(
            lambda other: Alternative(other["category"].text(), other["cause"].text(), other["confirm"].all(_Node.text))
        ),
        volumes=one["volumes"].all(lambda volume: VolumeRef(*(volume[key].text() for key in VolumeRef.__slots__))),
        nodes=one["nodes"].all(_Node.text),
        other_nodes=one["other_nodes"].all(_Node.text),
        pods=one.later("pods", lambda node: node.all(_Node.text)) or (),
        methods=one["methods"].all(_Node.text),
        failures=one["failures"].number(),
        attempts=one["attempts"].number(),
        first_time=one["first_time"].maybe(_Node.time),
        last_time=one["last_time"].maybe(_Node.time),
        recovered=one["recovered"].flag(),
        ongoing=one["ongoing"].flag(),
        evidence=one["evidence"].all(_evidence),
        explains=one["explains"].all(lambda other: (other["id"].text(), other["count"].number())),
        fixed_in=one["fixed_in"].maybe(_Node.text),
        references=one["references"].all(_Node.text),
        mount=one["mount"].maybe(lambda mount: MountTried(mount["source"].text(), mount["options"].maybe(_Node.text))),
        baseline=one.later("baseline", lambda node: node.word(("new", "known"))),
    )


def _evidence(one: _Node) -> Evidence:
    return Evidence(one["input"].text(), one["line"].number(), one["end_line"].number(), one["text"].text())


def _unrecognised(one: _Node) -> Unrecognised:
    return Unrecognised(
        template=one["template"].text(),
        severity=_severity(one["severity"]),
        source=one["source"].text(),
        count=one["count"].number(),
        first=_evidence(one["first"]),
        last=_evidence(one["last"]),
        example=one["example"].text(),
    )
