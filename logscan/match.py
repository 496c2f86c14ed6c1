"""The engine: rules x record -> findings, and what a ``when`` means.

One scan of a message finds the literals of all rules at once; a pattern is
compiled when its literal is first met, runs under a time limit, and never runs
on a record that lacks the literal.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any, Protocol

from logscan import csi
from logscan.model import Condition, Finding, Record, Rule, Severity, Signature, Test

# A pattern that needs longer than this for one record backtracks; the rule is left out then.
TIME_LIMIT = 0.25  # seconds
MAX_TIMEOUTS = 3  # of one rule, before it is not tried any more
SLOW = 0.02  # seconds; what takes longer than this for one record adds up
PATIENCE = 5.0  # seconds that all such searches of one rule may take together
OTHER_DRIVER = "other-driver"  # the rule that may still speak of what is no business of this driver
MAX_MESSAGE = 64 * 1024  # characters of a message that patterns get to see
MAX_CAPTURE = 1024  # characters of what a group of a pattern captures


class Patience:
    """Searches for patterns of rules, and gives up those that take too long: no rule may hang a run.

    ``timeouts`` counts, by rule id, the records on which a pattern ran out of
    time: the rule did not decide there, and the report says so.
    """

    def __init__(self) -> None:
        self.timeouts: Counter[str] = Counter()
        self._slow: defaultdict[str, float] = defaultdict(float)  # seconds
        self._patterns: dict[str, Any] = {}

    def search(self, rule_id: str, pattern: str, text: str) -> Any:
        """The match of a pattern of a rule; None if there is none, or if the rule is not tried any more."""
        if self.timeouts[rule_id] >= MAX_TIMEOUTS:
            return None
        compiled = self._patterns.get(pattern)
        if compiled is None:
            import regex

            compiled = self._patterns[pattern] = regex.compile(pattern)
        begin = perf_counter()
        try:
            return compiled.search(text[:MAX_MESSAGE], timeout=TIME_LIMIT, concurrent=False)
        except TimeoutError:
            self.timeouts[rule_id] += 1
            return None
        finally:
            # The limit is looked at where a pattern backtracks, and a search can take long without.
            took = perf_counter() - begin
            if took > SLOW:
                self._slow[rule_id] += took
                if self._slow[rule_id] > PATIENCE:
                    self.timeouts[rule_id] = max(self.timeouts[rule_id], MAX_TIMEOUTS)


class Engine:
    """Matches records against all rules in one pass over each message."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.patience = Patience()
        self.by_literal: dict[str, list[tuple[Rule, Signature]]] = {}
        for rule in rules:
            for signature in rule.match:
                self.by_literal.setdefault(signature.literal, []).append((rule, signature))
        self._literals = list(self.by_literal)
        self._other = next((rule for rule in rules if rule.id == OTHER_DRIVER), None)
        # LeftmostFirst would hide a literal that begins inside another one; overlapping
        # matches need the standard kind.
        from ahocorasick_rs import AhoCorasick, MatchKind

        self._scan = AhoCorasick(self._literals, matchkind=MatchKind.Standard) if self._literals else None

    def literals_in(self, message: str) -> list[str]:
        """The literals that stand in a message, each as often as it does."""
        if self._scan is None:
            return []
        return [self._literals[hit[0]] for hit in self._scan.find_matches_as_indexes(message, overlapping=True)]

    def match(self, record: Record) -> list[Finding]:
        """All rules whose signature *record* bears, each once, by its longest match.

        A record that a terminal had wrapped is tried again with its lines
        joined the other way if the first joining bears nothing.  An event is looked at with
        its type, reason and object before its message, whoever printed it.
        """
        if record.kind == "event" and record.alternate is not None:
            return self._ours(record, self._match(record, record.alternate))
        findings = self._match(record, record.message)
        if not findings and record.alternate is not None:
            findings = self._match(record, record.alternate)
        return self._ours(record, findings)

    def _ours(self, record: Record, findings: list[Finding]) -> list[Finding]:
        """*findings* without those that only look so: the trouble of another driver uses the same words."""
        if csi.foreign(record.origin):
            if self._other is None or record.severity is None or record.severity < Severity.WARNING:
                return []
            return [Finding(self._other, record, {"driver": record.origin.pod}, 0)]
        if not findings or not csi.other_driver(record.message, (record.fields or {}).get("source", "")):
            return findings
        return [finding for finding in findings if finding.rule.id == OTHER_DRIVER]

    def _match(self, record: Record, message: str) -> list[Finding]:
        if self._scan is None:
            return []
        hits = self._scan.find_matches_as_indexes(message, overlapping=True)
        if not hits:
            return []
        text = message[:MAX_MESSAGE]
        found: dict[str, tuple[int, Finding]] = {}
        for index in dict.fromkeys(hit[0] for hit in hits):
            for rule, signature in self.by_literal[self._literals[index]]:
                captures = self._captures(rule, signature, text)
                if captures is None:
                    continue
                if record.fields and record.kind != "event":
                    captures = _within_field(captures, record.fields)
                length = captures.pop("", None)
                size = int(length) if length else len(signature.literal)
                if rule.id not in found or size > found[rule.id][0]:
                    found[rule.id] = (size, Finding(rule, record, captures, size))
        return [finding for _, finding in found.values()]

    def _captures(self, rule: Rule, signature: Signature, text: str) -> dict[str, str] | None:
        """The named groups of a match, "" holding its length; None where there is none."""
        if signature.pattern is None:
            return {}
        found = self.patience.search(rule.id, signature.pattern, text)
        if found is None:
            return None
        captures = {name: value[:MAX_CAPTURE] for name, value in found.groupdict().items() if value is not None}
        captures[""] = str(found.end() - found.start())
        return captures


def _within_field(captures: Mapping[str, str], fields: Mapping[str, str]) -> dict[str, str]:
    """*captures* without the fields that follow: unquoted, a structured entry does not show where a value ends."""
    tails = [f" {key}={value}" for key, value in fields.items()]
    return {name: min((text.partition(tail)[0] for tail in tails), key=len) for name, text in captures.items()}


# ---------------------------------------------------------------- when


class Facts(Protocol):
    """What a ``when`` may ask about one finding."""

    def get(self, field: str) -> Any:
        """The value of a field of rules.FIELDS; None where the log does not tell it."""

    def matches(self, pattern: str, text: str) -> bool:
        """Whether the pattern is found in a text; also False if the search takes too long."""

    def times(self) -> Sequence[int]:
        """When this finding was made for its volume, µs, in order."""

    def open(self) -> bool:
        """Whether its call never ended."""

    def followed_by(self, rule_id: str, within: int | None) -> bool:
        """Whether a finding of another rule came after it, within so many µs."""


def holds(condition: Condition | Test | None, facts: Facts) -> bool:
    """Whether *condition* is true of *facts*; a field that is not known fails every test but ``missing``."""
    if condition is None:
        return True
    if isinstance(condition, Test):
        return _test(condition, facts)
    if condition.how == "all":
        return all(holds(part, facts) for part in condition.parts)
    if condition.how == "any":
        return any(holds(part, facts) for part in condition.parts)
    return not any(holds(part, facts) for part in condition.parts)


def needs_open_call(condition: Condition | Test | None) -> bool:
    """Whether *condition* can only hold for a call without an end."""
    if isinstance(condition, Test):
        return condition.op == "no_completion" and bool(condition.value)
    if condition is None or condition.how == "not":
        return False
    needs = [needs_open_call(part) for part in condition.parts]
    return any(needs) if condition.how == "all" else bool(needs) and all(needs)


def followers(condition: Condition | Test | None) -> set[str]:
    """The rules that *condition* asks to come after its own."""
    if isinstance(condition, Test):
        return {str(condition.value)} if condition.op == "followed_by" else set()
    return set().union(*(followers(part) for part in condition.parts)) if condition is not None else set()


def _test(test: Test, facts: Facts) -> bool:
    if test.op == "no_completion":
        return facts.open() == bool(test.value)
    if test.op == "at_least":
        return _at_least(facts.times(), int(test.value), test.within)
    if test.op == "followed_by":
        return facts.followed_by(str(test.value), test.within)
    value = facts.get(test.field)
    if test.op == "missing":
        return (value is None) == bool(test.value)
    if value is None:
        return False
    values = list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value]
    return any(_compare(test, one, facts) for one in values)


def _compare(test: Test, value: Any, facts: Facts) -> bool:
    if test.op == "is":
        return any(_text(value) == _text(wanted) for wanted in test.value)
    text = _text(value)
    if test.op == "matches":
        return facts.matches(str(test.value), text)
    if test.op == "version":
        return csi.version_matches(text, str(test.value))
    if test.op == "under":
        base = str(test.value).rstrip("/")
        return text == base or text.startswith(base + "/")
    return False


def _text(value: Any) -> str:
    """Compare as a user writes it in YAML: true is "true", 3 is "3"."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _at_least(times: Sequence[int], count: int, within: int | None) -> bool:
    if within is None:
        return len(times) >= count
    ordered = sorted(times)
    return any(ordered[index + count - 1] - ordered[index] <= within for index in range(len(ordered) - count + 1))


def explained(rule_ids: Sequence[str], by_id: Mapping[str, Rule]) -> dict[str, str]:
    """Which of *rule_ids* are symptoms of another of them: symptom -> the one that explains it."""
    present = set(rule_ids)
    result: dict[str, str] = {}
    for rule_id in rule_ids:
        for symptom in symptoms_of(rule_id, by_id):
            if symptom in present and symptom != rule_id and result.get(rule_id) != symptom:
                result.setdefault(symptom, rule_id)
    return result


def symptoms_of(rule_id: str, by_id: Mapping[str, Rule]) -> set[str]:
    """All that a rule explains, also through what it explains."""
    seen: set[str] = set()
    waiting = [rule_id]
    while waiting:
        rule = by_id.get(waiting.pop())
        for symptom in rule.explains if rule else ():
            if symptom not in seen:
                seen.add(symptom)
                waiting.append(symptom)
    return seen
