"""Which of the driver's messages a rule knows: each is rendered as it stands in a log and read by the whole program.

``driver_messages.json`` lists the templates of every release, from the driver's
source.  ``coverage.json`` is kept by hand: what placeholders may stand for, and
why a template is left without a rule.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from logscan import scan
from logscan.errors import LogscanError
from logscan.report import table
from logscan.rules import RuleSet
from logscan.sources import Source

MESSAGES = Path(__file__).parent / "driver_messages.json"
NOTES = Path(__file__).parent / "coverage.json"

SINCE = "v4.0.0"  # releases before it are not held to have a rule for everything
LEVELS = ("W", "E", "F")
STATES = ("rule", "reason", "none")
MAX_TEXTS = 24  # renderings of one template

_REFERENCE = 1_767_225_599_000_000  # 2025-12-31T23:59:59Z, so that a run means the same on every day
_NAME = re.compile(r"\{(\w+)\}")
_HEADER = "{0}0720 09:53:52.{1:06}       1 {2}:{3}] "


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the driver; ``last`` "master" is still there."""

    n: int  # names it in ``within``
    file: str  # Go source file
    kind: str  # log | status | error | stderr | format
    severity: str  # a letter of klog
    template: str  # {name} is a placeholder
    first: str
    last: str
    line: int = 1  # in that file, of the last release that has it
    method: str = ""
    code: str = ""  # gRPC code, of kind status
    within: tuple[int, ...] = ()  # the messages that carry it, where it does not stand by itself


@dataclass(frozen=True, slots=True)
class Covered:
    """What is known of one message."""

    message: Message
    state: str  # one of STATES
    rules: tuple[str, ...] = ()
    own: bool = False  # a rule knows the text itself, not only what carries it
    tried: int = 0  # renderings
    hit: int = 0  # of them, those that a rule knows
    missed: str = ""  # the first text that no rule knows
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """The messages of the releases that were asked for."""

    versions: tuple[str, ...]  # oldest first
    messages: tuple[Covered, ...]
    stale: tuple[str, ...] = ()  # reasons that nothing needs

    def count(self, state: str, version: str | None = None) -> int:
        """How many messages are in *state*, of one release or of all."""
        return sum(
            one.state == state and (version is None or _within(one.message, version, version)) for one in self.messages
        )

    @property
    def gaps(self) -> tuple[Covered, ...]:
        """The messages that have neither a rule nor a reason."""
        return tuple(one for one in self.messages if one.state == "none")


@dataclass(frozen=True, slots=True)
class _Catalogue:
    versions: tuple[str, ...]
    messages: Mapping[int, Message]
    values: Mapping[str, Any]  # a placeholder's value, or a list of them
    by_template: Mapping[str, Mapping[str, Any]]  # the same for one template only
    reasons: Sequence[tuple[str, frozenset[str], str]]  # (template, methods that it is of; empty: all, reason)

    def reason(self, message: Message) -> str:
        """Why a message needs no rule; "" if nobody said."""
        return next(
            (
                reason
                for template, methods, reason in self.reasons
                if template == message.template and (not methods or message.method in methods)
            ),
            "",
        )


def _load() -> _Catalogue:
    facts = json.loads(MESSAGES.read_text(encoding="utf-8"))
    notes = json.loads(NOTES.read_text(encoding="utf-8"))
    messages = [Message(**{**item, "within": tuple(item.get("within", ()))}) for item in facts["messages"]]
    reasons = [
        (template, frozenset(group.get("methods", ())), group["reason"])
        for group in notes["reasons"]
        for template in group["templates"]
    ]
    return _Catalogue(
        tuple(facts["versions"]), {one.n: one for one in messages}, notes["values"], notes["by_template"], reasons
    )


def measure(rules: RuleSet, version: str | None = None) -> Coverage:
    """Look for a rule for each message of level W, E and F.

    Args:
        version: one release; None: all since SINCE.

    Raises:
        LogscanError: for a release that is not in the list.
    """
    catalogue = _load()
    if version is not None and version not in catalogue.versions:
        raise LogscanError(version, "there is no such release of the driver", ", ".join(catalogue.versions))
    first, last = (version, version) if version else (SINCE, catalogue.versions[-1])
    probe = _Probe(rules)
    every = [
        _judge(message, probe, catalogue, version)
        for message in catalogue.messages.values()
        # What no release since SINCE prints decides nothing but whether a reason is needed.
        if message.severity in LEVELS and (version is None or _within(message, first, last))
    ]
    needed = {one.message.template for one in every if one.state == "reason"}
    stale = () if version else tuple(template for template, _, _ in catalogue.reasons if template not in needed)
    versions = tuple(one for one in catalogue.versions if _order(first) <= _order(one) <= _order(last))
    return Coverage(versions, tuple(one for one in every if _within(one.message, first, last)), stale)


def _order(version: str) -> tuple[int, ...]:
    return (1_000_000,) if version == "master" else tuple(int(part) for part in version[1:].split("."))


def _within(message: Message, first: str, last: str) -> bool:
    return _order(message.first) <= _order(last) and _order(message.last) >= _order(first)


def _judge(message: Message, probe: _Probe, catalogue: _Catalogue, version: str | None) -> Covered:
    version = version or (message.last if message.last != "master" else catalogue.versions[-2])
    rules: set[str] = set()
    own, tried, hit, missed = False, 0, 0, ""
    for shown in _renderings(message, catalogue):
        tried += 1
        found = probe.rules_for(shown.carrier, shown.text, version)
        rules |= found
        hit += bool(found)
        own = own or bool(found - probe.rules_for(shown.carrier, shown.neutral, version))
        missed = missed or ("" if found else shown.text)
    if hit:
        return Covered(message, "rule", tuple(sorted(rules)), own, tried, hit, missed)
    reason = catalogue.reason(message)
    return Covered(message, "reason" if reason else "none", (), False, tried, 0, missed, reason)


# ---------------------------------------------------------------- what stands in the log


@dataclass(frozen=True, slots=True)
class _Shown:
    """A message with its placeholders filled, inside what carries it."""

    carrier: Message  # of a kind that is logged by itself
    text: str
    neutral: str  # the carrier's text with nothing telling inside


_NOTHING = "something that no rule knows"


def _renderings(message: Message, catalogue: _Catalogue) -> Iterator[_Shown]:
    """Up to MAX_TEXTS plausible texts; none for what only carries others, and for an error that nothing carries."""
    return itertools.islice(_every(message, catalogue), MAX_TEXTS)


def _every(message: Message, catalogue: _Catalogue) -> Iterator[_Shown]:
    texts = list(_texts(message.template, catalogue))
    if message.kind == "status" and message.within:
        texts = [f"rpc error: code = {message.code} desc = {text}" for text in texts]
    elif message.kind != "error":
        for text in texts:
            yield _Shown(message, text, _NOTHING)
        return
    for text, n in itertools.product(texts, message.within):
        outer = catalogue.messages[n]
        carriers = [outer]
        if outer.within:
            carriers = [catalogue.messages[inner] for inner in outer.within]
        for carrier in carriers:
            chain = [carrier.template] if outer is carrier else [carrier.template, outer.template]
            yield _Shown(carrier, _nested([*chain, text], catalogue), _nested([*chain, _NOTHING], catalogue))


def _texts(template: str, catalogue: _Catalogue, **fixed: str) -> Iterator[str]:
    names = list(dict.fromkeys(_NAME.findall(template)))
    special = catalogue.by_template.get(template, {})
    choices = []
    for name in names:
        value = next((known[name] for known in (fixed, special, catalogue.values) if name in known), name)
        choices.append([value] if isinstance(value, str) else value)
    for values in itertools.product(*choices):
        filled = dict(zip(names, values, strict=True))
        yield _NAME.sub(lambda found, filled=filled: filled[found[1]], template)  # type: ignore[misc]


def _nested(chain: Sequence[str], catalogue: _Catalogue) -> str:
    """The last of the texts, in the ``{err}`` of the one before it, and so on."""
    text = chain[-1]
    for template in reversed(chain[:-1]):
        text = next(_texts(template, catalogue, err=text))
    return text


class _Probe:
    """Reads made-up logs with the real program."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._seen: dict[str, frozenset[str]] = {}

    def rules_for(self, carrier: Message, text: str, version: str) -> set[str]:
        """The rules that the message makes speak in its surroundings, and that these do not without it."""
        before, record, after = _frame(carrier, text, version)
        return set(self._fired(before + record + after)) - self._fired(before + after)

    def _fired(self, log: str) -> frozenset[str]:
        known = self._seen.get(log)
        if known is None:
            known = self._seen[log] = frozenset(fired(log, self._rules))
        return known


def fired(log: str, rules: RuleSet) -> set[str]:
    """All rules that speak of a log, also as a symptom of another or as a benign one."""
    scanner = scan.Scanner(rules, scan.Options(reference=_REFERENCE))
    scanner.read(Source(name="-", mtime=None, chunks=iter([log.encode()])))
    report = scanner.report()
    assert scanner.verdicts is not None
    return {*scanner.verdicts.fired, *scanner.verdicts.folded, *(one.id for one in report.benign)}


_VOLUME = "pvc-3f1c8a52-6f0e-4a71-9d7b-2c6a1e0b9d41"
_HANDLE = f"10.0.0.5#srv/nfs/k8s#{_VOLUME}##"
_TARGET = "/var/lib/kubelet/pods/6e15d43c-373c-4eaf-b43b-fee100907386/volumes/kubernetes.io~csi/" + _VOLUME + "/mount"
_CLASS = {"server": "10.0.0.5", "share": "/srv/nfs/k8s"}
_REQUESTS: Mapping[str, Mapping[str, object]] = {
    "CreateVolume": {
        "name": _VOLUME,
        "parameters": {
            "csi.storage.k8s.io/pv/name": _VOLUME, "csi.storage.k8s.io/pvc/name": "data-0",
            "csi.storage.k8s.io/pvc/namespace": "default", **_CLASS,
        },
    },
    "NodePublishVolume": {"target_path": _TARGET, "volume_context": _CLASS, "volume_id": _HANDLE},
    "NodeUnpublishVolume": {"target_path": _TARGET, "volume_id": _HANDLE},
    "CreateSnapshot": {"name": "snapshot-7d0c7b5e-2a4f-4c1b-9e38-5f6a7b8c9d0e", "source_volume_id": _HANDLE},
    "DeleteSnapshot": {"snapshot_id": "static-snapshot"},
    "ControllerExpandVolume": {"capacity_range": {"required_bytes": 2147483648}, "volume_id": _HANDLE},
}  # fmt: skip
_SILENT = {"NodeGetVolumeStats"}  # the driver logs no call and no request of it


def _frame(message: Message, text: str, version: str) -> tuple[str, str, str]:
    """(what comes before, the record, what comes after) as the driver logs them."""
    banner = _HEADER.format("I", 1, "nfs.go", 90) + f"Driver: nfs.csi.k8s.io version: {version}\n"
    if message.kind in {"stderr", "format"}:
        return banner, text + "\n", ""
    before = banner if message.method == "start-up" else banner + _call(message.method)
    if message.kind == "status":
        header = _HEADER.format("E", 4, "utils.go", 116)
        return before, f"{header}GRPC error: rpc error: code = {message.code} desc = {text}\n", ""
    header = _HEADER.format(message.severity, 4, message.file, message.line)
    ends = message.severity == "W" and before != banner
    return before, f"{header}{text}\n", _HEADER.format("I", 5, "utils.go", 118) + "GRPC response: {}\n" if ends else ""


def _call(methods: str) -> str:
    found = re.match(r"(?:Controller|Node|Create|Delete|Validate|List|Get)\w+", methods)
    if found is None or found[0] in _SILENT:
        return ""
    method = found[0]
    service = "Node" if method.startswith("Node") else "Identity" if method == "GetPluginInfo" else "Controller"
    request = json.dumps(_REQUESTS.get(method, {"volume_id": _HANDLE}), separators=(",", ":"))
    return (
        f"{_HEADER.format('I', 2, 'utils.go', 111)}GRPC call: /csi.v1.{service}/{method}\n"
        f"{_HEADER.format('I', 3, 'utils.go', 112)}GRPC request: {request}\n"
    )


# ---------------------------------------------------------------- for people and programs


def write(coverage: Coverage, out: TextIO, *, width: int = 80) -> None:
    """The figures by release, the messages without a rule and why, and what no reason excuses."""
    versions = coverage.versions
    rows = [
        (version, *(str(number) for number in (sum(counts), *counts)))
        for version in versions
        for counts in [[coverage.count(state, version) for state in STATES]]
    ]
    if len(versions) > 1:
        every = tuple(str(coverage.count(state)) for state in STATES)
        rows.append(("all", str(len(coverage.messages)), *every))
    table.write(out, ("VERSION", "MESSAGES", "WITH A RULE", "WITH A REASON", "NEITHER"), rows, width=width)
    left = [one for one in coverage.messages if one.state == "reason"]
    if left:
        out.write("\nWithout a rule, and why:\n")
    for reason in dict.fromkeys(one.reason for one in left):
        of_it = [one for one in left if one.reason == reason]
        out.write(f"\n{reason} ({len(of_it)})\n")
        out.writelines(f"  {_line(one)}\n" for one in of_it)
    if coverage.gaps:
        out.write("\nNeither a rule nor a reason:\n")
        out.writelines(f"  {_line(one)}\n" for one in coverage.gaps)
    if coverage.stale:
        out.write("\nReasons that nothing needs:\n")
        out.writelines(f"  {json.dumps(template, ensure_ascii=False)}\n" for template in coverage.stale)


def _line(covered: Covered) -> str:
    message = covered.message
    span = message.first if message.first == message.last else f"{message.first} to {message.last}"
    where = " ".join(part for part in (message.severity, message.file, message.method, message.code) if part)
    return f"{where}: {json.dumps(message.template, ensure_ascii=False)} ({span})"


def to_dict(coverage: Coverage) -> dict[str, Any]:
    """The coverage as plain values, schema ``logscan.rules-coverage/v1``."""
    return {
        "schema": "logscan.rules-coverage/v1",
        "versions": [
            {"version": version, **{state: coverage.count(state, version) for state in STATES}}
            for version in coverage.versions
        ],
        "total": {state: coverage.count(state) for state in STATES},
        "messages": [
            {
                "file": one.message.file, "kind": one.message.kind, "severity": one.message.severity,
                "method": one.message.method or None, "code": one.message.code or None,
                "template": one.message.template, "first": one.message.first, "last": one.message.last,
                "state": one.state, "rules": list(one.rules), "own": one.own, "renderings": one.tried,
                "matched": one.hit, "missed": one.missed or None, "reason": one.reason or None,
            }
            for one in coverage.messages
        ],
        "stale_reasons": list(coverage.stale),
    }  # fmt: skip


def write_json(coverage: Coverage, out: TextIO, *, width: int = 80) -> None:  # noqa: ARG001
    """``to_dict`` as JSON."""
    json.dump(to_dict(coverage), out, indent=2, ensure_ascii=False)
    out.write("\n")


WRITERS = {"text": write, "json": write_json}
