"""What is passed over because it went well changes no report: narrowed, cut anywhere, in processes, or read whole."""

from __future__ import annotations

import dataclasses
import itertools
import os
import random
import re
import signal
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from logscan import heads, klog, narrow, passing, ranges, rules, scan, sources
from logscan.model import Report
from logscan.quiet import Run
from tests import driver_simulator as sim

some = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
REFERENCE = 1_796_083_200_000_000  # 2026-12-01
NOISE = (
    "", "Mounting arguments: -t nfs 10.0.0.1:/ /tmp/x", "W0720 09:53:52.123456       1 x.go:1] odd", "plain text", "\u00e9t\u00e9",
    "E0720 09:50:52.123456       1 utils.go:116] GRPC error: rpc error: code = Internal desc = permission denied",
    "I0720 09:50:52.123456       1 utils.go:111] GRPC call: /csi.v1.Identity/Probe", "I0720 09:50:52.123456       1 a.go:1] x\r",
    "I0720 09:50:52.123456       1 utils.go:118] GRPC response: {}", "\x1b[31mI0720", "2026-07-20T09:53:52.1Z stdout F I0720 0",
    "E0720 09:53:52.387108       1 mount_linux.go:282] Mount failed: exit status 32", "apiVersion: v1", "NAME  AGE",
    "Driver: nfs.csi.k8s.io version: v4.13.4",
)  # fmt: skip


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Borders of all kinds within a few kilobytes."""
    monkeypatch.setattr(passing, "NARROW_FROM", 1)
    monkeypatch.setattr(passing, "LEARN_FROM", 1 << 60)
    monkeypatch.setattr(narrow, "UNIT", 5_000)
    monkeypatch.setattr(narrow, "MAX_HELD", 20_000)


def volume_of(dice: random.Random) -> sim.Volume:
    name = f"pvc-{dice.getrandbits(32):08x}-0000-4000-8000-{dice.getrandbits(48):012x}"
    parameters = {"server": f"10.0.{dice.randrange(3)}.{dice.randrange(2, 5)}", "share": dice.choice(["/", "/srv/nfs"])}
    if dice.random() < 0.4:
        parameters["mountPermissions"] = dice.choice(["0777", "0", "2775"])
    if dice.random() < 0.2:
        parameters["subDir"] = dice.choice(["a/b", "team"])
    pod = f"{dice.getrandbits(32):08x}-1111-4000-8000-{dice.getrandbits(48):012x}"
    return sim.Volume(
        name,
        f"ns{dice.randrange(2)}/data-{dice.randrange(9)}",
        parameters,
        dice.choice([("nfsvers=4.1",), (), ("hard", "nolock")]),
        pod=pod,
    )


def log_of(seed: int, version: str, calls: int, gap: float) -> list[str]:
    """The log of one driver: most calls end well, one by one or side by side."""
    dice = random.Random(seed)
    driver = sim.Driver(version)
    driver.start(0)
    volumes = [volume_of(dice) for _ in range(max(2, calls // 3))]
    at = 1.0
    for _ in range(calls):
        volume = dice.choice(volumes)
        act = dice.choice([sim.create, sim.create, sim.delete, sim.publish, sim.unpublish])
        how = {}
        if dice.random() < 0.08:
            how = (
                {"mount": "mount.nfs: Connection refused"}
                if act is not sim.unpublish
                else {"error": "umount: target is busy"}
            )
        ended = act(driver, volume, at, **how)
        at = at + gap if gap else ended + dice.random()
        if dice.random() < 0.01:
            driver.restart(at, at + 2)
            at += 3
    return driver.text().split("\n")


def reported(data: bytes, cuts: list[int] = (), *, path: str | None = None, **options: object) -> Report:
    scanner = scan.Scanner(loaded(), scan.Options(reference=REFERENCE, **options))
    borders = sorted({0, *(cut % (len(data) + 1) for cut in cuts), len(data)})
    chunks = [data[start:end] for start, end in itertools.pairwise(borders)]
    scanner.read(sources.Source("x.log", None, iter(chunks), path))
    return scanner.report()


def passed(data: bytes) -> int:
    """Bytes of *data* that are passed over."""
    narrower = passing.Passer(scan.Scanner(loaded())._engine, frozenset()).learned().begin(0, inside=False)
    return sum(piece.size for piece in [*narrower.feed(data), *narrower.close()] if isinstance(piece, Run))


logs = st.builds(
    log_of,
    st.integers(0, 1 << 32),
    st.sampled_from(sim.VERSIONS),
    st.sampled_from([3, 12, 40]),
    st.sampled_from([0.0, 0.0, 0.01, 3.0]),
)


@some
@given(
    logs,
    st.lists(st.integers(0, 1 << 20), max_size=12),
    st.lists(st.tuples(st.integers(0, 1000), st.sampled_from(NOISE)), max_size=6),
    st.integers(0, 1 << 32).map(random.Random),
)
def test_a_narrowed_log_gives_the_report_of_the_whole(lines, cuts, noise, dice):
    lines = list(lines)
    for place, text in noise:
        lines.insert(place % (len(lines) + 1), text)
    if noise and dice.random() < 0.5:  # lines of different calls change places, or are gone
        first, second = (dice.randrange(len(lines)) for _ in range(2))
        lines[first], lines[second] = lines[second], lines[first]
        del lines[dice.randrange(len(lines))]
    data = "\n".join(lines).encode()
    assert reported(data, cuts) == reported(data, narrow=False)


@pytest.mark.parametrize("version", sim.VERSIONS[1:-1])
def test_calls_that_go_well_are_passed_over(version):
    """Otherwise the law above holds for no reason."""
    data = "\n".join(log_of(7, version, 60, 0.0)).encode()
    assert passed(data) > len(data) * 0.5


def test_what_was_learnt_serves_the_next_input():
    """Else each range of a large file would ask the engine of every sort of call anew, and give them up in the end."""
    passer = passing.Passer(scan.Scanner(loaded())._engine, frozenset())
    asked = []
    narrower = passer.fresh()
    narrower.probe = lambda block: asked.append(block) or passer.probe(block)
    data = "\n".join(log_of(7, "v4.9.0", 60, 0.0)).encode()

    def told() -> list[object]:
        narrower.begin(0, inside=False)
        runs = [piece for piece in [*narrower.feed(data), *narrower.close()] if isinstance(piece, Run)]
        return sorted(work for run in runs for work in run.works)

    first, at_first = told(), len(asked)
    assert first
    assert told() == first
    # Sorts without a certificate are tried again; the others are known.
    assert len(asked) - at_first < at_first / 2


def test_a_volume_that_fails_later_is_known_by_what_was_passed_over():
    driver = sim.Driver("v4.13.4")
    driver.start(0)
    dice = random.Random(3)
    volumes = [volume_of(dice) for _ in range(30)]
    at = 1.0
    for volume in volumes:
        at = sim.create(driver, volume, at) + 1
    for volume in volumes[:3]:
        at = sim.delete(driver, volume, at, mount="mount.nfs: access denied by server while mounting x:/y") + 1
    data = driver.text().encode()
    report = reported(data)
    assert report == reported(data, narrow=False)
    claims = {(one.name, one.pvc) for diagnosis in report.diagnoses for one in diagnosis.volumes}
    assert claims >= {(volume.name, volume.claim.partition("/")[2]) for volume in volumes[:3]}


def test_a_run_of_which_a_part_had_to_be_read_is_read_to_its_end():
    """What was read woke a volume of the part after it, which must not be put to sleep again."""
    lines = log_of(660947, "v4.2.0", 12, 3.0)
    dice = random.Random(35)
    lines.insert(dice.randrange(len(lines) + 1), "")
    first, second = (dice.randrange(len(lines)) for _ in range(2))
    lines[first], lines[second] = lines[second], lines[first]
    del lines[dice.randrange(len(lines))]
    data = "\n".join(lines).encode()
    assert reported(data, [2_000]) == reported(data, narrow=False)


def test_what_names_hold_is_no_atom_for_long(monkeypatch):
    """Else every call of a claim that is called so would be looked at twice."""
    monkeypatch.setattr(narrow, "MANY", 1)
    narrower = passing.Passer(scan.Scanner(loaded())._engine, frozenset()).fresh().begin(0, inside=False)
    for seed in (5, 6):
        list(narrower.feed("\n".join([*log_of(seed, "v4.9.0", 60, 0.0), ""]).encode()))
    atom = next(one for _, atoms in narrower._atoms for one in atoms if one.isalpha() and one.islower())
    named = "\n".join(re.sub(r'(?<=pvc/name":")[^"]+', f"{atom}-0", line) for line in log_of(6, "v4.9.0", 60, 0.0))
    pieces = list(narrower.feed(named.encode()))
    assert sum(piece.size for piece in pieces if isinstance(piece, Run)) > len(named) * 0.3
    narrower._marked(b"", np.zeros(1, np.int64))  # builds them anew, if there is need
    assert all(atom not in atoms for _, atoms in narrower._atoms)
    assert " " in narrow.cover(["comm nfsd"], [])[0]


@some
@given(logs, st.lists(st.integers(0, 1 << 20), min_size=1, max_size=5), st.integers(1, 20_000))
def test_inputs_that_follow_are_narrowed_sooner_and_report_the_same(lines, borders, again):
    data = "\n".join(lines).encode()
    edges = sorted({0, *(at % (len(data) + 1) for at in borders), len(data)})
    parts = [data[start:end] for start, end in itertools.pairwise(edges)]

    def report(**options: object) -> Report:
        scanner = scan.Scanner(loaded(), scan.Options(reference=REFERENCE, **options))
        for number, part in enumerate(parts):
            chunks = (part[at : at + 3_000] for at in range(0, len(part), 3_000))
            scanner.read(sources.Source(f"{number}.log", None, chunks, None))
        return scanner.report()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passing, "NARROW_AGAIN", again)
        assert report() == report(narrow=False)


def test_an_input_that_follows_needs_less_to_be_narrowed(monkeypatch):
    data = "\n".join(log_of(7, "v4.9.0", 60, 0.0)).encode()
    monkeypatch.setattr(passing, "NARROW_FROM", len(data) // 2)
    monkeypatch.setattr(passing, "NARROW_AGAIN", 2_000)
    passer = passing.Passer(scan.Scanner(loaded())._engine, frozenset())

    def unread() -> int:
        chunks = (data[at : at + 1_000] for at in range(0, len(data), 1_000))
        return sum(piece.size for piece in passer.pieces(None, chunks, None, None) if isinstance(piece, Run))

    first, second = unread(), unread()
    assert 0 < first < len(data) // 2 < second


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(0, 1 << 20), st.sampled_from([0.0, 0.02]))
def test_a_file_read_by_processes_gives_the_report_of_the_whole(tmp_path_factory, seed, cut, gap):
    data = "\n".join(log_of(seed, "v4.9.0", 120, gap)).encode()[cut % 300 :]
    path = tmp_path_factory.mktemp("file") / "x.log"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranges, "RANGE", 40_000)
        patch.setattr(ranges, "WORTH", 0)
        patch.setattr(passing, "LEARN_FROM", 2_000)
        # As sources reads a file: chunks of one size.
        cuts = list(range(0, len(data), 5_000))
        assert reported(data, cuts, path=str(path), jobs=2) == reported(data, narrow=False)


def test_a_killed_process_loses_nothing(tmp_path, monkeypatch):
    data = "\n".join(log_of(11, "v4.6.0", 100, 0.0)).encode()
    path = tmp_path / "x.log"
    path.write_bytes(data)
    monkeypatch.setattr(ranges, "RANGE", 30_000)
    monkeypatch.setattr(ranges, "WORTH", 0)
    monkeypatch.setattr(passing, "LEARN_FROM", 2_000)
    here, real = os.getpid(), ranges._tell

    def deadly(narrower, path, start, *rest):  # noqa: ANN002
        if os.getpid() != here and start > len(data) // 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(narrower, path, start, *rest)

    monkeypatch.setattr(ranges, "_tell", deadly)
    report = reported(data, list(range(0, len(data), 5_000)), path=str(path), jobs=2)
    assert report == reported(data, narrow=False)


def test_a_file_that_becomes_shorter_is_told(tmp_path, monkeypatch):
    data = "\n".join(log_of(11, "v4.6.0", 60, 0.0)).encode()
    path = tmp_path / "x.log"
    path.write_bytes(data)
    monkeypatch.setattr(ranges, "WORTH", 0)
    monkeypatch.setattr(passing, "LEARN_FROM", 2_000)
    real = ranges._all

    def shorten(*args, **kwargs):  # noqa: ANN002, ANN003
        told = list(real(*args, **kwargs))
        os.truncate(path, 6_000)
        return told

    monkeypatch.setattr(ranges, "_all", shorten)
    report = reported(data, [5_000, 10_000], path=str(path), jobs=2)
    assert any("became shorter" in error for error in report.errors)


texts = st.text(st.characters(max_codepoint=127, exclude_characters="\n"), max_size=30)
headers = st.builds(
    "{}{:04d}{}{:02d}:{:02d}:{:02d}.{:06d}{}{}{}{}:{}]{}{}".format,
    st.sampled_from("IWEFX"), st.integers(0, 9999), st.sampled_from([" ", "  "]), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99),
    st.integers(0, 999_999), st.sampled_from([" ", "       ", "  "]), st.one_of(st.integers(0, 10**8), st.just("1 2")), st.sampled_from([" ", "  "]),
    st.sampled_from(["utils.go", "mount_helper_common.go", "a]b.go", "", "x y.go", "a/b.go", "a:b.go"]), st.one_of(st.integers(0, 10**10), st.just("x")),
    st.sampled_from([" ", "", "  "]), texts,
)  # fmt: skip
padded = st.builds(
    "{}0720 09:53:52.387108 {:>7} {}:{}] {}".format, st.sampled_from("IWEF"), st.integers(0, 10**7 - 1), st.sampled_from(["utils.go", "a.go", "nodeserver.go"]),
    st.integers(0, 9999), texts,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(texts, headers, padded), max_size=12))
@example(["I0720 09:53:52.387108       1 utils.go:93]", "x" * 200])
def test_what_is_a_head_in_a_chunk_is_one_in_the_grammar(lines):
    """And at the same place, with the same stamp; the grammar knows more, a chunk never."""
    data = "".join(f"{line}\n" for line in [*lines, "x" * 100]).encode()
    found = heads.read(data)
    assert len(found.starts) == data.count(b"\n")
    for number, line in enumerate(data.decode().split("\n")[:-1]):
        if not found.known[number]:
            continue
        match = klog.HEADER.match(line)
        if match is None:  # the place is looked at where a sort of line is met first
            assert "]" in line
            continue
        assert found.message[number] - found.starts[number] == match.end()
        assert chr(found.letter[number]) == match[1]
        stamp = b"".join(int(part[number]).to_bytes(8, "big") for part in found.stamp).strip(b"\0")
        assert stamp.replace(b"\0", b"") == line[1:21].encode()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.text("abcd ", min_size=1, max_size=12), max_size=20),
    st.lists(st.text("abcd ", max_size=20), max_size=5),
)
def test_each_literal_holds_an_atom_and_no_healthy_line_does(literals, healthy):
    atoms = narrow.cover(literals, healthy)
    for literal in literals:
        assert any(atom in literal for atom in atoms)
    for atom in atoms:
        assert atom in literals or not any(atom in text for text in healthy)


def test_a_rule_that_looks_at_healthy_lines_is_asked(tmp_path):
    """A pattern that holds for some of the healthy calls only: none of them may be passed over unasked."""
    (tmp_path / "odd-share.yaml").write_text(
        "id: odd-share\ntitle: A share of its own\nseverity: warning\ncomponents: [nfs]\n"
        "match:\n  - literal: 'internally mounting '\n    pattern: 'internally mounting 10\\.0\\.1\\.\\d+:'\n"
        "causes:\n  - category: driver-bug\n    cause: it is so\n    remedy: {summary: Do so., steps: [So.]}\n"
        "tests:\n  match: [{name: a, log: 'I0720 09:53:52.387108       1 x.go:1] internally mounting 10.0.1.2:/ at /tmp/x'}]\n"
        "  no_match: [{name: b, log: 'I0720 09:53:52.387108       1 x.go:1] internally mounting 10.0.2.2:/ at /tmp/x'}]\n"
    )
    ruleset = rules.load((tmp_path,))
    data = "\n".join(log_of(5, "v4.4.0", 60, 0.0)).encode()

    def report(**options):  # noqa: ANN003
        scanner = scan.Scanner(ruleset, scan.Options(reference=REFERENCE, **options))
        scanner.read(sources.Source("x.log", None, iter([data[:4000], data[4000:]])))
        return scanner.report()

    told = report()
    assert told == report(narrow=False)
    assert any(one.id == "odd-share" for one in told.diagnoses)


def test_options_that_need_every_call_read_every_call():
    data = "\n".join(log_of(5, "v4.4.0", 30, 0.0)).encode()
    scanner = scan.Scanner(loaded(), scan.Options(reference=REFERENCE, trace=True))
    scanner.read(sources.Source("x.log", None, iter([data[:4000], data[4000:]])))
    report = scanner.report()
    assert len(scanner.volumes()) > 5
    assert dataclasses.replace(report) == reported(data)
