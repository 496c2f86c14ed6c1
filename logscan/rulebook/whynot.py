"""Why a rule does not speak of a log: which of its conditions failed on the record that came nearest.

The log is read by the real program, which is only watched here.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from logscan import match, scan
from logscan.account import Account
from logscan.errors import SourceError
from logscan.facts import Facts, World, context_of, with_install
from logscan.incidents import Incident
from logscan.match import TIME_LIMIT
from logscan.model import Condition, Finding, Record, Report, Rule, Severity, Test
from logscan.report.safe import fold, visible
from logscan.rulebook.ruledoc import in_words
from logscan.rulebook.rulelint import fixed_texts, tokens
from logscan.rules import RuleSet
from logscan.sources import Source

MAX_SHOWN = 3  # records, or incidents, of each kind
MAX_KEPT = 200  # records with a literal whose pattern fails, looked at for how far it gets
MAX_TEXT = 4_096  # characters of a message
MAX_VALUE = 200  # characters of a field's value

_WORD = re.compile(r"[A-Za-z][A-Za-z_-]{3,}")


@dataclass(slots=True)
class _Seen:
    """What the watcher keeps of a log."""

    records: int = 0
    with_literal: int = 0
    matched: int = 0
    failed: list[Record] = field(default_factory=list)
    near: list[tuple[int, int, int, Record, frozenset[str]]] = field(default_factory=list)  # a heap, see _Watcher


class _Watcher(scan.Scanner):
    """The real program; each record is also held against one rule alone."""

    def __init__(self, rules: RuleSet, rule: Rule, options: scan.Options | None) -> None:
        super().__init__(rules, options)
        self.seen = _Seen()
        self._alone = match.Engine([rule])
        self._texts = [signature.literal for signature in rule.match]
        self._words = _words_of(rule)

    def _record(self, state: Account, record: Record) -> None:
        seen = self.seen
        seen.records += 1
        if any(text in message for message in (record.message, record.alternate or "") for text in self._texts):
            seen.with_literal += 1
            if self._alone.match(record):
                seen.matched += 1
            elif len(seen.failed) < MAX_KEPT:
                seen.failed.append(record)
        elif not seen.with_literal:
            shared = self._words & frozenset(word.lower() for word in _WORD.findall(record.message[:MAX_TEXT]))
            if shared:
                # Of records that are as near, the worst is kept, then the first.
                severity = int(record.severity or Severity.INFO)
                heapq.heappush(seen.near, (len(shared), severity, -seen.records, record, shared))
                if len(seen.near) > MAX_SHOWN:
                    heapq.heappop(seen.near)
        super()._record(state, record)

    def incidents(self, report: Report, rule: Rule) -> Iterator[tuple[Incident, Facts]]:
        """The incidents in which the rule's signature was met, with what the log knows of each."""
        versions = {one.name: one.driver_version for one in report.inputs if one.driver_version}
        if len(set(versions.values())) == 1:
            versions[""] = next(iter(versions.values()))
        end = max((one.last_time for one in report.inputs if one.last_time is not None), default=None)
        world = World(self._tracker, self._collector, versions, end, given=self._scales)
        for incident in self._collector.incidents.values():
            for finding in incident.findings:
                if finding.rule.id == rule.id:
                    context = with_install(context_of(incident, self._tracker, versions), incident, world)
                    yield incident, Facts(world, incident, finding, context)


def _words_of(rule: Rule) -> frozenset[str]:
    """The words that a record of the rule would hold."""
    texts = [signature.literal for signature in rule.match]
    texts += [run for signature in rule.match if signature.pattern for run in fixed_texts(signature.pattern)]
    return frozenset(word.lower() for text in texts for word in _WORD.findall(text))


def answer(
    rule: Rule, rules: RuleSet, sources: Iterable[Source | SourceError], options: scan.Options | None = None
) -> tuple[list[str], tuple[SourceError, ...]]:
    """Why the rule did not speak of what is read, or that it did: paragraphs, and what could not be read.

    A line that begins with a blank is of the log or of the rule, and stays one line.
    """
    watcher = _Watcher(rules, rule, options)
    for source in sources:
        watcher.read(source)
    report = watcher.report()
    assert watcher.verdicts is not None
    return list(_answer(rule, watcher, report, rules)), watcher.errors()


def write(lines: Sequence[str], out: TextIO, *, width: int = 80) -> None:
    """Write what ``answer`` said; a log's own characters are made harmless."""
    for line in lines:
        text = visible(line)
        pad = len(text) - len(text.lstrip(" "))
        parts = fold(text.lstrip(" "), max(width - pad, 20))
        out.writelines(f"{' ' * pad}{part}".rstrip() + "\n" for part in parts or [""])


def _answer(rule: Rule, watcher: _Watcher, report: Report, rules: RuleSet) -> Iterator[str]:
    verdicts, seen = watcher.verdicts, watcher.seen
    assert verdicts is not None
    if not seen.records:
        yield "The log holds no record at all."
        return
    benign = next((one for one in report.benign if one.id == rule.id), None)
    if rule.id in verdicts.fired or benign is not None:
        yield from _did(rule, report, benign.count if benign else 0)
    elif seen.matched:
        yield from _lost(rule, watcher, report, rules)
    elif seen.with_literal:
        yield from _pattern_failed(rule, seen)
        yield from _instead(seen.failed, rules)
    else:
        yield from _nowhere(rule, seen)


def _did(rule: Rule, report: Report, benign: int) -> Iterator[str]:
    yield f"{rule.id} did fire."
    if benign:
        yield f"It is of severity info: {benign} records are counted as benign."
    for one in report.diagnoses:
        if one.id == rule.id:
            places = ", ".join(f"{item.input}:{item.line}" for item in one.evidence)
            yield f"It is the diagnosis {one.category} ({one.severity.name.lower()}), by {places}."
        elif rule.id in dict(one.explains):
            yield f"It is folded under the diagnosis {one.category} of the rule {one.id}."


# ---------------------------------------------------------------- no record bears it


def _nowhere(rule: Rule, seen: _Seen) -> Iterator[str]:
    literals = list(dict.fromkeys(signature.literal for signature in rule.match))
    yield f"{rule.id} did not fire: none of its literals is in any of the {seen.records} records."
    yield from (f"  {literal}" for literal in literals)
    if not seen.near:
        yield "No record shares a word with them."
        return
    yield "The nearest records, by the words that they share with the rule:"
    for *_, record, shared in sorted(seen.near, key=lambda one: one[:3], reverse=True):
        yield f"{_place(record)}, {', '.join(sorted(shared))}:"
        yield f"  {_first_line(record)}"


def _pattern_failed(rule: Rule, seen: _Seen) -> Iterator[str]:
    more = f", of which {len(seen.failed)} were looked at" if seen.with_literal > len(seen.failed) else ""
    yield (
        f"{rule.id} did not fire: {_count(seen.with_literal, 'record holds', 'records hold')} a literal of it{more}, "
        "and the pattern matches none."
    )
    best: dict[tuple[str, str], tuple[_Stop, Record, int]] = {}
    for record in seen.failed:
        stop = max(_stops(rule, record.message[:MAX_TEXT]), key=lambda one: one.weight, default=None)
        if stop is None:
            continue
        key = (stop.done, stop.rest)
        known = best.get(key)
        best[key] = (stop, record, 1) if known is None else (known[0], known[1], known[2] + 1)
    for stop, record, count in sorted(best.values(), key=lambda one: -one[0].weight)[:MAX_SHOWN]:
        also = f" (and {count - 1} more like it)" if count > 1 else ""
        yield f"{_place(record)}{also}:"
        yield f"  {_first_line(record)}"
        if not stop.done:
            yield "The pattern does not even begin to match there; it is"
            yield f"  {stop.rest}"
            continue
        yield "The pattern matches as far as"
        yield f"  {stop.text}"
        yield "then it wants"
        yield f"  {stop.rest}"
        yield "but the log goes on with"
        yield f"  {stop.after or '(nothing)'}"


def _instead(records: Sequence[Record], rules: RuleSet) -> Iterator[str]:
    engine = match.Engine(rules.rules)
    others = {finding.rule.id for record in records for finding in engine.match(record)}
    if others:
        yield f"What these records match instead: {', '.join(sorted(others))}."


@dataclass(frozen=True, slots=True)
class _Stop:
    """How far a pattern gets."""

    weight: float  # the share of the pattern that matches
    done: str  # the part of the pattern that matches
    rest: str
    text: str  # what it matches, the end of it
    after: str  # what follows in the log


def _stops(rule: Rule, message: str) -> Iterator[_Stop]:
    for signature in rule.match:
        if signature.pattern is None or signature.literal not in message:
            continue
        for branch in _branches(signature.pattern):
            yield _stop(branch, message)


def _branches(pattern: str) -> list[str]:
    """The alternatives of a pattern, as far as they are not inside a group."""
    depth, branches = 0, [""]
    for kind, text in tokens(pattern):
        depth += (kind == "open" and not _closed(text)) - (kind == "close")
        if text == "|" and kind == "special" and depth == 0:
            branches.append("")
        else:
            branches[-1] += text
    return branches


def _stop(branch: str, message: str) -> _Stop:
    """The longest beginning of a pattern that still matches; a group that is cut is closed where it is cut."""
    import regex

    end = 0
    best = _Stop(0.0, "", branch, "", "")
    for end, beginning in _beginnings(branch):
        try:
            found = regex.search(beginning, message, timeout=TIME_LIMIT)
        except (regex.error, TimeoutError):
            continue
        if found is not None and end > len(best.done) and found.end() > found.start():
            after = message[found.end() :].split("\n", 1)[0]
            text = found[0].rsplit("\n", 1)[-1]
            best = _Stop(end / len(branch), branch[:end], branch[end:], text, after[:MAX_VALUE])
    return best


def _beginnings(branch: str) -> Iterator[tuple[int, str]]:
    """(length, pattern) of each beginning that is a pattern when its groups are closed."""
    parts = tokens(branch)
    whole = _choices(parts)
    length, opened = 0, list[int]()
    for index, (kind, text) in enumerate(parts):
        length += len(text)
        if kind == "open" and not _closed(text):
            opened.append(index)
        elif kind == "close" and opened:
            opened.pop()
        following = parts[index + 1][0] if index + 1 < len(parts) else ""
        # What must not be there, or only be seen, says nothing when it is cut, nor does half a choice.
        if following != "quantifier" and kind != "open" and not whole.intersection(opened):
            yield length, branch[:length] + ")" * len(opened)


def _choices(parts: Sequence[tuple[str, str]]) -> set[int]:
    """Where the groups open that are not to be cut: choices and those that only look."""
    found, opened = set[int](), list[int]()
    for index, (kind, text) in enumerate(parts):
        if kind == "open" and not _closed(text):
            opened.append(index)
            if text.startswith(_LOOK):
                found.add(index)
        elif kind == "close" and opened:
            opened.pop()
        elif text == "|" and kind == "special" and opened:
            found.add(opened[-1])
    return found


_LOOK = ("(?!", "(?<!", "(?=", "(?<=")


def _closed(opening: str) -> bool:
    """Whether a token that opens a group is one by itself: a comment or flags."""
    return opening.endswith(")") or opening.startswith("(?#")


# ---------------------------------------------------------------- a record bears it, and yet


def _lost(rule: Rule, watcher: _Watcher, report: Report, rules: RuleSet) -> Iterator[str]:
    """The signature was met; a ``when`` is false, or another rule says more."""
    met = list(watcher.incidents(report, rule))
    refused = [(incident, facts) for incident, facts in met if not match.holds(rule.when, facts)]
    if refused and len(refused) == len(met):
        yield f"{rule.id} did not fire: its signature was met, but its condition is false."
        closest = sorted(((list(_false(rule.when, facts)), incident) for incident, facts in refused), key=_by_length)
        for reasons, incident in closest[:MAX_SHOWN]:
            yield from _met_at(incident)
            yield from (f"  {reason}" for reason in reasons)
        return
    winners = _winners(rule, met, report, rules)
    if winners:
        yield f"{rule.id} did not become a diagnosis: its signature was met, but another rule says more."
        yield from winners
    else:
        yield f"{rule.id} did not become a diagnosis: its signature was met {_count(watcher.seen.matched, 'time')}."
    for incident, _ in met[:MAX_SHOWN]:
        yield from _met_at(incident)
    if not met:
        yield "The call that its records belong to ended well, which leaves nothing to say."


def _by_length(item: tuple[list[str], Incident]) -> int:
    return len(item[0])


def _met_at(incident: Incident) -> Iterator[str]:
    for item in incident.first[:1]:
        yield f"{item.input}:{item.line}:"
        yield f"  {item.text.splitlines()[0] if item.text else ''}"


def _winners(rule: Rule, met: Sequence[tuple[Incident, Facts]], report: Report, rules: RuleSet) -> list[str]:
    said = []
    for one in report.diagnoses:
        if rule.id in dict(one.explains):
            how = "explains it" if rule.id in match.symptoms_of(one.id, rules.by_id) else "fits better"
            said.append(f"The rule {one.id} ({one.category}) {how}.")
    if not said:
        others = {
            finding.rule.id
            for incident, _ in met
            for finding in incident.findings
            if finding.rule.id != rule.id and _outranks(finding, rule)
        }
        said += [f"The rule {other} was met by the same records or the same call." for other in sorted(others)]
    return said


def _outranks(finding: Finding, rule: Rule) -> bool:
    return finding.rule.severity >= rule.severity or rule.severity == Severity.INFO


def _false(part: Condition | Test | None, facts: Facts) -> Iterator[str]:
    """Each part of a condition that keeps it from being true, with the value that was seen."""
    if part is None or match.holds(part, facts):
        return
    if isinstance(part, Test):
        yield f"{_value(part, facts)}, wanted: {in_words(part)}"
        return
    if part.how == "not":
        for one in part.parts:
            if match.holds(one, facts):
                seen = "; ".join(dict.fromkeys(_value(test, facts) for test in _tests(one)))
                yield f"{seen}, wanted: {in_words(part)}"
        return
    for number, one in enumerate(part.parts):
        reasons = list(_false(one, facts))
        either = "or " if part.how == "any" and number else ""
        yield from (f"{either}{reason}" for reason in reasons)


def _tests(part: Condition | Test) -> Iterator[Test]:
    if isinstance(part, Test):
        yield part
        return
    for one in part.parts:
        yield from _tests(one)


def _value(test: Test, facts: Facts) -> str:
    if test.op == "at_least":
        return f"it happened {_count(len(facts.times()), 'time')}"
    if test.op == "no_completion":
        return "the call never ended" if facts.open() else "the call ended"
    if test.op == "followed_by":
        return f"{test.value} follows" if facts.followed_by(str(test.value), test.within) else "it does not follow"
    value = facts.get(test.field)
    if value is None:
        return f"{test.field} is not known"
    if isinstance(value, (list, tuple, set, frozenset)):
        return f"{test.field} is " + (", ".join(str(one) for one in value) or "empty")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{test.field} is {_cut(text) or '(empty)'}"


# ---------------------------------------------------------------- words


def _place(record: Record) -> str:
    return f"{record.origin.input}:{record.line}"


def _first_line(record: Record) -> str:
    return _cut(record.header + record.message.split("\n", 1)[0], 400)


def _cut(text: str, size: int = MAX_VALUE) -> str:
    return text if len(text) <= size else f"{text[:size]} …"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
