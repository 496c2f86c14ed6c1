"""The engine: literals, patterns, time limits, and what a ``when`` means."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logscan import match
from logscan.model import Cause, Condition, Origin, Record, Rule, Severity, Signature
from logscan.model import Test as Is

ORIGIN = Origin("t.log")


def rule(rule_id: str, *signatures: tuple[str, str | None], explains: tuple[str, ...] = ()) -> Rule:
    return Rule(
        rule_id, rule_id, Severity.ERROR, ("nfs",), tuple(Signature(*one) for one in signatures),
        (Cause("io-error", "cause"),), explains=explains,
    )  # fmt: skip


def record(message: str, alternate: str | None = None) -> Record:
    return Record(
        ORIGIN, 1, 1, 1, 0, Severity.ERROR, None, "none", 0, "", 0, message, "klog", None, alternate
    )  # fmt: skip


def ids(engine: match.Engine, message: str) -> set[str]:
    return {finding.rule.id for finding in engine.match(record(message))}


TEXTS = st.text(alphabet="abcd \n", max_size=60)


@given(TEXTS, st.lists(st.text(alphabet="abcd ", min_size=1, max_size=5), min_size=1, max_size=12, unique=True))
def test_a_literal_is_found_wherever_it_stands_whatever_the_others_are(text, literals):
    rules = [rule(f"r{index}", (literal, None)) for index, literal in enumerate(literals)]
    expected = {f"r{index}" for index, literal in enumerate(literals) if literal in text}
    assert ids(match.Engine(rules), text) == expected


@given(st.text(max_size=200))
def test_any_text_can_be_matched(text):
    engine = match.Engine([rule("a", ("failed", r"failed(?P<why>[^\n]*)")), rule("b", ("\u00e4", None))])
    assert ids(engine, text) == {name for name, literal in (("a", "failed"), ("b", "\u00e4")) if literal in text}


def test_captures_are_those_of_the_longest_match_of_a_rule():
    engine = match.Engine([rule("a", ("mount", "mount"), ("mount failed", r"mount failed: (?P<why>\w+)"))])
    (finding,) = engine.match(record("mount failed: refused"))
    assert finding.captures == {"why": "refused"}


def test_a_pattern_never_runs_where_its_literal_is_missing():
    engine = match.Engine([rule("a", ("needle", ".*"))])
    assert ids(engine, "hay") == set()
    assert engine.patience._patterns == {}


def test_rules_whose_literal_is_never_met_are_not_compiled():
    engine = match.Engine([rule(f"r{index}", (f"literal {index} ", f"literal {index} x")) for index in range(50)])
    engine.match(record("literal 7 x"))
    assert list(engine.patience._patterns) == ["literal 7 x"]


def test_a_wrapped_record_is_tried_joined_the_other_way():
    engine = match.Engine([rule("a", ("read-only file system", None))])
    assert engine.match(record("read-onlyfile system", "read-only file system"))
    assert not engine.match(record("read-onlyfile system"))


def test_a_pattern_that_backtracks_for_ever_is_stopped_counted_and_then_left_alone():
    engine = match.Engine([rule("bad", ("aaaa", r"(?:a|aa)+$")), rule("good", ("aaaa", None))])
    text = "a" * 60 + "b"
    for _ in range(match.MAX_TIMEOUTS + 3):
        assert ids(engine, text) == {"good"}
    assert engine.patience.timeouts["bad"] == match.MAX_TIMEOUTS


def test_no_rules_match_nothing():
    assert match.Engine([]).match(record("anything")) == []


class Facts:
    def __init__(self, values: dict[str, Any], times: tuple[int, ...] = (), *, hung: bool = False) -> None:
        self.values, self._times, self.hung = values, times, hung

    def get(self, field: str) -> Any:
        return self.values.get(field)

    def matches(self, pattern, text):
        return match.Patience().search("a", pattern, text) is not None

    def times(self):
        return self._times

    def open(self):
        return self.hung

    def followed_by(self, rule_id, within):
        return rule_id == "later" and (within is None or within >= 60)


KNOWN = Facts({"share": "/", "count": 3, "works": True, "rules": ["a", "b"], "path": "/srv/x", "version": "v4.6.0"})


@pytest.mark.parametrize(
    ("test", "true"),
    [
        (Is("share", "is", ("/",)), True),
        (Is("share", "is", ("/srv", "/")), True),
        (Is("share", "is", ("/srv",)), False),
        (Is("count", "is", (3,)), True),
        (Is("count", "is", ("3",)), True),
        (Is("works", "is", (True,)), True),
        (Is("works", "is", ("true",)), True),
        (Is("works", "is", (False,)), False),
        (Is("rules", "is", ("b",)), True),
        (Is("rules", "is", ("c",)), False),
        (Is("share", "matches", "^/$"), True),
        (Is("rules", "matches", "^b"), True),
        (Is("unknown", "matches", "."), False),
        (Is("unknown", "is", ("",)), False),
        (Is("unknown", "missing", True), True),
        (Is("unknown", "missing", False), False),
        (Is("share", "missing", False), True),
        (Is("path", "under", "/srv"), True),
        (Is("path", "under", "/sr"), False),
        (Is("path", "under", "/"), True),
        (Is("version", "version", ">=4.1,<4.7"), True),
        (Is("version", "version", ">=4.7"), False),
        (Is("finding", "followed_by", "later", 60), True),
        (Is("finding", "followed_by", "later", 59), False),
        (Is("call", "no_completion", True), False),
        (Is("call", "no_completion", False), True),
    ],
)
def test_one_comparison(test, true):
    assert match.holds(test, KNOWN) is true


@given(st.lists(st.booleans(), max_size=5))
def test_all_any_and_not_are_what_they_say(values):
    parts = tuple(Is("works", "is", (value,)) for value in values)  # holds if True
    assert match.holds(Condition("all", parts), KNOWN) == all(values)
    assert match.holds(Condition("any", parts), KNOWN) == any(values)
    assert match.holds(Condition("not", parts), KNOWN) == (not any(values))


@given(st.lists(st.integers(0, 100), max_size=8), st.integers(1, 5), st.integers(0, 40))
def test_so_many_within_a_time_whatever_the_order(times, count, within):
    expected = any(sum(start <= other <= start + within for other in times) >= count for start in times)
    facts = Facts({}, tuple(times))
    assert match.holds(Is("finding.count", "at_least", count, within), facts) == expected


def test_an_absent_condition_holds():
    assert match.holds(None, KNOWN)


def test_what_only_an_open_call_can_satisfy_is_known_beforehand():
    hangs, other = Is("call", "no_completion", True), Is("share", "is", ("/",))
    assert match.needs_open_call(Condition("all", (other, hangs)))
    assert not match.needs_open_call(Condition("any", (other, hangs)))
    assert match.needs_open_call(Condition("any", (hangs, hangs)))
    assert not match.needs_open_call(Condition("not", (hangs,)))
    assert not match.needs_open_call(None)


def test_a_symptom_is_explained_through_others_too():
    rules = {one.id: one for one in (rule("a", explains=("b",)), rule("b", explains=("c",)), rule("c"), rule("d"))}
    assert match.explained(["a", "c", "d"], rules) == {"c": "a"}
    assert match.symptoms_of("a", rules) == {"b", "c"}


def test_rules_that_explain_each_other_do_not_both_vanish():
    rules = {one.id: one for one in (rule("a", explains=("b",)), rule("b", explains=("a",)))}
    beaten = match.explained(["a", "b"], rules)
    assert len(beaten) == 1


def test_the_regex_module_is_not_loaded_before_a_literal_is_met():
    code = (
        "import sys; from logscan import match; from logscan.model import *; "
        "e = match.Engine([Rule('a','a',Severity.ERROR,(),(Signature('zzzz','z+'),),())]); "
        "e.match(Record(Origin(''),1,1,1,0,None,None,'none',0,'',0,'nothing')); print('regex' in sys.modules)"
    )
    import subprocess

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
