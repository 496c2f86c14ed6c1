"""What must hold of every diagnosis, however calls interleave, whatever is cut off and whatever is added."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from logscan import rules, scan, sources
from logscan.model import Diagnosis, Report, Severity
from tests import driver_simulator as sim

few = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
REFERENCE = 1_796_083_200_000_000  # 2026-12-01
MINUTES = 60.0

# (category that the trouble has, what goes wrong, parameters of the class): each names its volume.
TROUBLES: tuple[tuple[str, dict[str, str], dict[str, str]], ...] = (
    ("wrong-share-path", {"mkdir": "read-only file system"}, {"server": "10.1.0.1", "share": "/"}),
    ("root-squash", {"mkdir": "permission denied"}, {"server": "10.1.0.2", "share": "/srv/nfs"}),
    ("client-not-allowed", {"mount": "mount.nfs: access denied by server while mounting 10.1.0.3:/vol"}, {"server": "10.1.0.3", "share": "/vol"}),
    ("server-refused", {"mount": "mount.nfs: Connection refused"}, {"server": "10.1.0.4", "share": "/x"}),
    ("dns", {"mount": "mount.nfs: Failed to resolve server nas.example: Name or service not known"}, {"server": "nas.example", "share": "/x"}),
    ("no-space", {"mkdir": "no space left on device"}, {"server": "10.1.0.6", "share": "/full"}),
)  # fmt: skip
VERSIONS = tuple(version for version in sim.VERSIONS if version not in {"v3.1.0", "v4.1.0", "master"})


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


def report_of(*logs: bytes) -> Report:
    scanner = scan.Scanner(loaded(), scan.Options(reference=REFERENCE))
    for number, log in enumerate(logs):
        scanner.read(sources.Source(f"{number}.log", None, iter([log])))
    return scanner.report()


def volume_of(dice: random.Random, parameters: dict[str, str]) -> sim.Volume:
    name = f"pvc-{dice.getrandbits(32):08x}-0000-4000-8000-{dice.getrandbits(48):012x}"
    return sim.Volume(name, f"ns/{name[4:12]}", dict(parameters), ("nfsvers=4.1",), pod=name[4:])


Life = Callable[[sim.Driver, float], None]


def failing(dice: random.Random, trouble: int, tries: int) -> tuple[sim.Volume, Life]:
    _, how, parameters = TROUBLES[trouble]
    volume = volume_of(dice, parameters)

    def live(driver: sim.Driver, at: float) -> None:
        for attempt in range(tries):
            at = sim.create(driver, volume, at, **how) + 2**attempt

    return volume, live


def healthy(dice: random.Random) -> tuple[sim.Volume, Life]:
    volume = volume_of(dice, {"server": "10.9.9.9", "share": "/ok"})

    def live(driver: sim.Driver, at: float) -> None:
        sim.delete(driver, volume, sim.create(driver, volume, at) + 3)

    return volume, live


def log_of(version: str, lives: list[Life], starts: list[float]) -> bytes:
    driver = sim.Driver(version)
    driver.start(0)
    for live, start in zip(lives, starts, strict=True):
        live(driver, start)
    return driver.text().encode()


def gist(diagnoses: tuple[Diagnosis, ...]) -> Counter[Any]:
    """Which cause hits which volumes, and how often calls failed of it."""
    return Counter(
        (
            one.id,
            one.category,
            one.severity,
            one.recovered,
            one.failures,
            frozenset(volume.name for volume in one.volumes),
        )
        for one in diagnoses
    )


worlds = st.tuples(
    st.integers(0, 1 << 32), st.sampled_from(VERSIONS), st.lists(st.tuples(st.integers(0, len(TROUBLES) - 1), st.integers(1, 4)), min_size=1, max_size=5)
)  # fmt: skip


def built(world: tuple[int, str, list[tuple[int, int]]]) -> tuple[str, list[sim.Volume], list[Life]]:
    seed, version, troubles = world
    dice = random.Random(seed)
    pairs = [failing(dice, trouble, tries) for trouble, tries in troubles]
    return version, [volume for volume, _ in pairs], [live for _, live in pairs]


@few
@given(worlds, st.randoms(use_true_random=False))
def test_how_calls_interleave_does_not_matter(world, dice):
    version, volumes, lives = built(world)
    one_by_one = report_of(log_of(version, lives, [5 + 5 * MINUTES * n for n in range(len(lives))]))
    side_by_side = report_of(log_of(version, lives, [5 + dice.random() * 6 for _ in lives]))
    assert gist(side_by_side.diagnoses) == gist(one_by_one.diagnoses)
    found = {volume.name: one.category for one in one_by_one.diagnoses for volume in one.volumes}
    assert found == {volume.name: TROUBLES[trouble][0] for volume, (trouble, _) in zip(volumes, world[2], strict=True)}


@few
@given(worlds, st.integers(1, 6), st.randoms(use_true_random=False))
def test_a_volume_that_is_well_changes_nothing(world, count, dice):
    version, _, lives = built(world)
    starts = [5 + dice.random() * 6 for _ in lives]
    more = [healthy(random.Random(f"well {n}"))[1] for n in range(count)]
    alone = report_of(log_of(version, lives, starts))
    beside = report_of(log_of(version, [*lives, *more], starts + [5 + dice.random() * 9 for _ in more]))
    assert gist(beside.diagnoses) == gist(alone.diagnoses)
    assert beside.calls.failed == alone.calls.failed


@few
@example((1, "v4.13.4", [(0, 3), (3, 2)]), 0.5, 0.5)
@given(worlds, st.floats(0, 1), st.floats(0, 1))
def test_a_log_that_is_cut_anywhere_invents_no_cause(world, front, back):
    version, _, lives = built(world)
    whole = log_of(version, lives, [5 + n * 0.7 for n in range(len(lives))])
    start, end = sorted((int(front * len(whole)), int(back * len(whole))))
    told = {one.category for one in report_of(whole).diagnoses}
    for part in (whole[start:end], whole[start:], whole[:end]):
        sure = {
            one.category
            for one in report_of(part).diagnoses
            if one.confidence == "high" and one.severity >= Severity.ERROR
        }
        assert sure <= told


@few
@given(worlds, worlds)
def test_two_logs_together_tell_what_each_tells(one, other):
    first, second = (
        log_of(version, lives, [5 + n for n in range(len(lives))]) for version, _, lives in map(built, (one, other))
    )
    alone = [report_of(first), report_of(second)]
    both = report_of(first, second)
    failures: Counter[Any] = Counter()
    volumes: dict[Any, set[str]] = {}
    for report in alone:
        for diagnosis in report.diagnoses:
            key = (diagnosis.id, diagnosis.category, frozenset((v.server, v.share) for v in diagnosis.volumes))
            failures[key] += diagnosis.failures
            volumes.setdefault(key, set()).update(volume.name for volume in diagnosis.volumes)
    told = {
        (one.id, one.category, frozenset((v.server, v.share) for v in one.volumes)): (
            one.failures,
            {v.name for v in one.volumes},
        )
        for one in both.diagnoses
    }
    assert told == {key: (failures[key], volumes[key]) for key in failures}
    assert both.calls.total == sum(report.calls.total for report in alone)
    assert both.calls.failed == sum(report.calls.failed for report in alone)
    assert both.counts.records == sum(report.counts.records for report in alone)


NOISE = (
    "text without a header",
    "",
    "W0720 09:53:52.123456       1 odd.go:1] nobody knows this",
    "\x1b[1mE0720 09:50:00.0",
    "{",
    '{"a": 1}',
    "E0720 09:50:01.000001       1 x.go:9] so odd",
)


@few
@given(worlds, st.lists(st.tuples(st.floats(0, 1), st.sampled_from(NOISE)), max_size=8))
def test_the_counts_add_up(world, noise):
    version, _, lives = built(world)
    lines = log_of(version, lives, [5.0] * len(lives)).decode().split("\n")
    for place, text in noise:
        lines.insert(int(place * len(lines)), text)
    data = "\n".join(lines).encode()
    scanner = scan.Scanner(loaded(), scan.Options(reference=REFERENCE))
    spans: Counter[int] = Counter()
    take = scanner._record

    def watch(state: object, record: object) -> None:
        spans[record.line] += record.lines
        take(state, record)

    scanner._record = watch
    scanner.read(sources.Source("x.log", None, iter([data])))
    report = scanner.report()
    counts = report.counts
    assert counts.problems == counts.matched + counts.benign + counts.unrecognised
    assert counts.unrecognised == sum(one.count for one in report.unrecognised)
    assert sum(spans.values()) == report.inputs[0].lines  # each line is in one record
    assert counts.records == len(spans) == report.inputs[0].records


@pytest.mark.parametrize("version", ["v4.2.0", "v4.9.0", "v4.13.4"])
def test_a_cut_at_every_line_raises_nothing(version):
    dice = random.Random(version)
    lives = [failing(dice, trouble, 2)[1] for trouble in (0, 2)]
    lines = log_of(version, lives, [5.0, 5.2]).split(b"\n")
    told = {one.category for one in report_of(b"\n".join(lines)).diagnoses}
    for at in range(0, len(lines), 3):
        report = report_of(b"\n".join(lines[at:]))
        assert {one.category for one in report.diagnoses if one.confidence == "high"} <= told
