"""A rule must not be fitted to its samples: what a log says stays the same under other names, times and framings.

Each positive test of each rule is changed in ways that do not change its meaning, and goes through the whole
pipeline again; the rule must give the same category.  All is drawn from a seed made of the rule's id, so a
failure comes back.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache

import pytest

from logscan import rules, scan
from logscan.model import Condition, Rule, RuleTest
from logscan.model import Test as Comparison  # pytest would collect a class named Test
from logscan.sources import Source
from tests.mutations import MUTATIONS, REFERENCE, Mutation, neighbour, other_place


@cache
def loaded() -> rules.RuleSet:
    return rules.load(tests=True)


def outcome(log: str, rule: Rule) -> frozenset[str]:
    """What the rule makes of a log: its categories, or that it is benign, or a symptom of something else."""
    scanner = scan.Scanner(loaded(), scan.Options(reference=REFERENCE))
    scanner.read(Source(name="test.log", mtime=None, chunks=iter([log.encode()])))
    report = scanner.report()
    assert scanner.verdicts is not None
    found = {category for category, _ in scanner.verdicts.fired.get(rule.id, [])}
    if not found and rule.id in {one.id for one in report.benign}:
        found.add("benign")
    if not found and rule.id in scanner.verdicts.folded:
        found.add("folded")
    return frozenset(found)


def asks_version(rule: Rule) -> bool:
    """Whether the rule depends on the driver's version, which the places in the source tell."""

    def asks(condition: Condition | Comparison | None) -> bool:
        if isinstance(condition, Comparison):
            return condition.field == "driver.version"
        return condition is not None and any(map(asks, condition.parts))

    return asks(rule.when) or any(asks(cause.when) for cause in rule.causes)


# These speak of another version of the driver, or of one more place of the same version.
OF_A_VERSION = (other_place, neighbour)
RULE_IDS = sorted(path.stem for path in rules.builtin_directory().glob("*.yaml"))


def variants(
    rule: Rule, test: RuleTest, mutations: Iterable[Mutation], rng: random.Random
) -> Iterator[tuple[str, str]]:
    """The test's log changed in each way that is fair to it: (name of the mutation, log)."""
    for mutation in mutations:
        if mutation in OF_A_VERSION and asks_version(rule) and "Driver: " not in test.log:
            continue  # the places are all that tells this log's version, so they are its meaning
        log = mutation(test.log, rng)
        if log is not None and log != test.log:
            yield getattr(mutation, "__name__", ""), log


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_a_rule_says_the_same_of_a_log_that_says_the_same(rule_id):
    rule = loaded().by_id[rule_id]
    rng = random.Random(rule_id)
    changed: list[str] = []
    # Each mutation is tried on one of the rule's logs; on which differs from rule to rule.
    for number, test in enumerate(rule.must_match):
        before = outcome(test.log, rule)
        assert before, test.name
        own = [one for at, one in enumerate(MUTATIONS, len(rule_id)) if at % len(rule.must_match) == number]
        for name, log in variants(rule, test, own, rng):
            after = outcome(log, rule)
            if after != before:
                changed.append(f"{test.name}, {name}: {set(before)} became {set(after)}\n{log}")
    assert not changed, "\n".join(changed)


@pytest.mark.parametrize("rule_id", RULE_IDS)
def test_a_rule_stays_silent_about_what_is_not_its_business(rule_id):
    rule = loaded().by_id[rule_id]
    rng = random.Random(rule_id)
    for test in rule.must_not_match:
        for name, log in variants(rule, test, rng.sample(MUTATIONS, 3), rng):
            assert not outcome(log, rule) - {"folded"}, f"{test.name}, {name}:\n{log}"


def test_every_mutation_is_put_to_many_logs():
    """A mutation that is never fair would prove nothing."""
    rng = random.Random("count")
    counts = Counter(
        name for rule in loaded().rules for test in rule.must_match for name, _ in variants(rule, test, MUTATIONS, rng)
    )
    assert set(counts) == {getattr(mutation, "__name__", "") for mutation in MUTATIONS}
    assert min(counts.values()) >= 20, counts
