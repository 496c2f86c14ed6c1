"""What rules cost: the same log, read with 100 rules and with 1,000.

usage: python -m benchmarks.rules_cost [MEGABYTES] [RUNS] [COMMON_EVERY]
       python -m benchmarks.rules_cost --one RULES LOG    (reads it once, for who measures the process)

The first hundred are built-in rules; the others are made up, with literals and
patterns like those of people: phrases that begin like the driver's own texts,
with captures, and none of which the log holds.  One in COMMON_EVERY (default 50,
twice as often as among the built-in literals) has a literal that healthy lines
do hold, so that its pattern is really tried on them.
Times are CPU seconds of this process; the engine alone, then the whole program.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks import klog_gen
from logscan import frames, klog, match, rules, scan, sources
from logscan.model import Record, Rule, Signature

SIZES = (100, 1_000)
TARGET = 1.5  # times the cost of the smaller set
REFERENCE = 1_767_225_599_000_000  # 2025-12-31T23:59:59Z

_BEGINNINGS = (
    "failed to ", "cannot ", "could not ", "error while ", "timed out while ", "unable to ", "GRPC error: failed to ",
    "mount.nfs: ", "server refused to ", "invalid ",
)  # fmt: skip
_VERBS = ("resolve", "attach", "release", "verify", "rotate", "lock", "refresh", "map", "export", "scan", "sync", "pin")
_NOUNS = (
    "quota of tenant", "export table for", "key of realm", "lease on share", "ticket for principal", "lock on volume",
    "shadow copy of", "replica set for", "policy of namespace", "session with gateway", "mirror of", "index for",
)  # fmt: skip
# In the log a thousand times, in lines without a fault.
_COMMON = ("NodePublishVolume: volumeID(", "internally mounting ", "GRPC request: {", "targetPath(", " succeeded")


def made_up(number: int, template: Rule, common_every: int) -> Rule:
    """The *number*-th made-up rule; the same for the same number."""
    chance = random.Random(number)
    phrase = f"{chance.choice(_VERBS)} {chance.choice(_NOUNS)} {chance.randrange(10_000):04}"
    if number % common_every:
        literal = f"{chance.choice(_BEGINNINGS)}{phrase}"
        pattern = rf"{literal} (?P<what>[^\s:]+): (?P<reason>[^\n]+)"
    else:
        literal = _COMMON[number // common_every % len(_COMMON)]
        pattern = rf"quota \d+ of [^\n]*{literal[:8].replace('(', '.').replace('{', '.')}[^\n]*{phrase}"
    return replace(template, id=f"made-up-{number}", match=(Signature(literal, pattern),), explains=())


def ruleset(size: int, builtin: rules.RuleSet, common_every: int = 50) -> rules.RuleSet:
    """*size* rules: built-in ones first, then made-up ones."""
    chosen = list(builtin.rules[: min(size, SIZES[0])])
    chosen += [made_up(number, chosen[0], common_every) for number in range(size - len(chosen))]
    known = {rule.id for rule in chosen}
    # A rule must not name one that was left out.
    return rules.RuleSet(
        tuple(replace(rule, explains=tuple(one for one in rule.explains if one in known)) for rule in chosen)
    )


def records_of(log: Path) -> list[Record]:
    """The log, read once, so that the engine can be timed alone."""
    deframer = frames.Deframer(str(log), reference=REFERENCE, zone=0)
    parser = klog.Parser(reference=REFERENCE, input=str(log))
    (source,) = sources.open_sources([str(log)])
    if isinstance(source, Exception):
        raise source
    found: list[Record] = []
    for number, offset, raw in sources.lines(source.chunks, sources.Tally()):
        for line in deframer.feed(number, offset, raw):
            found += parser.feed(line)
    return found + parser.close()


def whole(log: Path, loaded: rules.RuleSet) -> None:
    """The whole program, but for writing the report."""
    scanner = scan.Scanner(loaded, scan.Options(reference=REFERENCE))
    for source in sources.open_sources([str(log)]):
        scanner.read(source)
    scanner.report()


def engine(records: list[Record], loaded: rules.RuleSet) -> None:
    """The engine alone, with its construction."""
    found = match.Engine(loaded.rules)
    for record in records:
        found.match(record)


def medians(works: list[Callable[[], None]], runs: int) -> list[float]:
    """Median seconds of each; they take turns, so that a slow spell hits all alike."""
    times: list[list[float]] = [[] for _ in works]
    for run in range(runs + 1):
        for index, work in enumerate(works):
            start = time.process_time()
            work()
            if run:
                times[index].append(time.process_time() - start)
    return [statistics.median(one) for one in times]


def main() -> None:
    """Print a row a measure, and whether the target is met."""
    if sys.argv[1:2] == ["--one"]:
        whole(Path(sys.argv[3]), ruleset(int(sys.argv[2]), rules.load()))
        return
    megabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 8
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    common_every = int(sys.argv[3]) if len(sys.argv) > 3 else 50
    builtin = rules.load()
    few, many = (ruleset(size, builtin, common_every) for size in SIZES)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "controller.log"
        klog_gen.generate(log, megabytes)
        records = records_of(log)
        print(f"{megabytes:g} MB, {len(records)} records, median CPU seconds of {runs} runs by turns")
        print(f"{'':14} {SIZES[0]:>9} {SIZES[1]:>9}   ratio")
        met = True
        for name, works in (
            ("engine alone", [lambda: engine(records, few), lambda: engine(records, many)]),
            ("whole program", [lambda: whole(log, few), lambda: whole(log, many)]),
        ):
            small, large = medians(works, runs)
            print(f"{name:14} {small:9.3f} {large:9.3f}   {large / small:.2f}")
            met = large / small <= TARGET
    print(f"target for the whole program: {TARGET} times; {'met' if met else 'missed'}")


if __name__ == "__main__":
    main()
