"""However files are cut, in whatever order, how often and by whom they are read: the report is that of reading them one by one."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import tarfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logscan import finding, fleet, narrow, partials, ranges, rules, scan, sources
from logscan.model import Report
from logscan.partials import Partial, Partials, Task
from logscan.quiet import Run
from tests import driver_simulator as sim
from tests.test_narrow import NOISE, log_of, volume_of

REFERENCE = 1_796_083_200_000_000  # 2026-12-01
SAMPLES = Path(__file__).resolve().parent.parent / "samples"
LOG = (SAMPLES / "readonly-share.log").read_bytes()
RULES = rules.load()
OPTIONS = scan.Options(reference=REFERENCE)
few = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Borders of all kinds within a few kilobytes."""
    monkeypatch.setattr(partials, "RANGE", 9_000)
    monkeypatch.setattr(partials, "SMALL", 2_000)
    monkeypatch.setattr(partials, "BLOCK", 4_000)
    monkeypatch.setattr(partials, "_READ", 3_000)
    monkeypatch.setattr(partials, "UNIT", 1_500)
    monkeypatch.setattr(narrow, "UNIT", 1_500)
    monkeypatch.setattr(ranges, "LOOK", 900)


def plain(*places: object) -> Report:
    """The report of the one engine that reads every line."""
    scanner = scan.Scanner(RULES, scan.Options(reference=REFERENCE, narrow=False))
    for source in sources.open_sources([str(place) for place in places], skipped=scanner.skipped):
        scanner.read(source)
    return scanner.report()


def tasks_of(*places: object) -> list[Task]:
    entries = finding.listed([str(place) for place in places], Counter())
    return [task for entry in entries if isinstance(entry, finding.Found) for task in partials.tasks(entry)]


def far(task: Task) -> Partial:
    """What comes back from another process."""
    told: Partial = pickle.loads(pickle.dumps(partials.compute(pickle.loads(pickle.dumps(task)), RULES)))
    return told


logs = st.builds(
    log_of, st.integers(0, 1 << 32), st.sampled_from(["v4.1.0", "v4.9.0", "v4.13.4"]), st.sampled_from([3, 30, 60]),
    st.sampled_from([0.0, 0.0, 0.02]),
)  # fmt: skip
noise = st.lists(st.tuples(st.integers(0, 1000), st.sampled_from(NOISE)), max_size=4)


def noisy(lines: list[str], odd: list[tuple[int, str]]) -> bytes:
    """A log with odd lines put into it."""
    text = list(lines)
    for place, line in odd:
        text.insert(place % (len(text) + 1), line)
    return "\n".join(text).encode()


@few
@given(
    st.lists(st.tuples(logs, noise), min_size=1, max_size=3), st.integers(0, 1 << 32).map(random.Random), st.booleans()
)
def test_parts_read_anywhere_and_united_in_any_order_give_the_report_of_the_whole(
    tmp_path_factory, files, dice, packed
):
    folder = tmp_path_factory.mktemp("logs")
    for number, (lines, odd) in enumerate(files):
        data = noisy(lines, odd)
        name = f"{number + 8}.log"  # 8, 9, 10: their order is not that of the letters
        if packed and number == 0:
            (folder / f"{name}.gz").write_bytes(gzip.compress(data))
        else:
            (folder / name).write_bytes(data)
    told = [Partials(far(task)) for task in tasks_of(folder)]
    told += dice.choices(told, k=2)  # what was lost in the midst is done again
    dice.shuffle(told)
    while len(told) > 1:
        left, right = (told.pop(dice.randrange(len(told))) for _ in range(2))
        told.append(left | right)
    assert partials.report(told[0], RULES, OPTIONS) == plain(folder)


def test_a_large_file_is_cut_and_most_of_it_need_not_be_read(tmp_path):
    """Otherwise the law above holds for no reason."""
    data = "\n".join(log_of(7, "v4.9.0", 60, 0.0)).encode()
    (tmp_path / "x.log").write_bytes(data)
    told = [far(task) for task in tasks_of(tmp_path)]
    assert len(told) > 3
    assert all(one.rest is not None for one in told[1:])
    pieces = [piece for one in partials.inputs(iter(told)) for piece in one.pieces]
    assert b"".join(piece.text() if isinstance(piece, Run) else piece for piece in pieces) == data
    assert sum(len(piece) for piece in pieces if isinstance(piece, Run)) > len(data) * 0.3


some = st.builds(
    lambda name, start, data, mtime: Partial(
        Task(finding.Found(name, name, mtime=mtime), start),
        (partials.Input(name, mtime, None, True, partials._packed(iter([data]), 0)),),
    ),
    st.sampled_from(["a", "b/10.log", "b/9.log"]), st.sampled_from([0, 9]), st.sampled_from([b"x\n", b"y\n", b""]),
    st.sampled_from([None, 1]),
)  # fmt: skip
books = st.lists(some, max_size=4).map(lambda made: Partials(*made))


@given(books, books, books)
def test_uniting_is_associative_commutative_and_idempotent(a, b, c):
    assert (a | b) | c == a | (b | c)
    assert a | b == b | a
    assert a | a == a
    assert a | Partials() == a
    assert len(a | b) <= len(a) + len(b)


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1 << 32))
def test_a_partial_depends_on_the_file_alone(tmp_path_factory, seed):
    """Not on what its worker has read before."""
    folder = tmp_path_factory.mktemp("logs")
    dice = random.Random(seed)
    for number in range(2):
        lines = log_of(seed + number, "v4.9.0", 30, 0.0)
        (folder / f"{number}.log").write_bytes("\n".join(lines).encode())
    tasks = tasks_of(folder)
    first = {task.key: partials.compute(task, RULES) for task in tasks}
    dice.shuffle(tasks)
    assert {task.key: partials.compute(task, RULES) for task in tasks} == first


def tar(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


BIG = "\n".join(log_of(3, "v4.9.0", 60, 0.0)).encode()
POD = "pods/kube-system_csi-nfs-node-x_3f0e8c1e-0000-4000-8000-000000000001/nfs"
COPY = f"containers/csi-nfs-node-x_kube-system_nfs-{'0f' * 32}.log"
TREES = {
    "evidence": {
        "a.log": LOG, "exports": b"/home/ubuntu/nfs *(rw,sync,no_root_squash)\n",
        "class.yaml": (SAMPLES / "readonly-share.storageclass.yaml").read_bytes(), "events.txt": (SAMPLES / "events.txt").read_bytes(),
    },
    "kinds": {
        "empty.log": b"", "bom8.log": b"\xef\xbb\xbf" + BIG, "bom16.log": BIG.decode().encode("utf-16"), "picture.log": b"\x89PNG\r\n\x1a\n",
        "noise.bin": b"x", ".hidden": LOG, "nul.log": b"\0" * 30_000 + BIG, "no-end.log": BIG.rstrip(b"\n"), "long.log": b"x" * 50_000,
    },
    "packed": {
        "a.log.gz": gzip.compress(BIG), "cut.log.gz": gzip.compress(BIG)[:-2_000], "bundle.tgz": tar({"node-1/nfs.log": BIG, "node-1/.x": b"", "x.png": b""}),
        "large.bundle": tar({".x": b"", **{f"{n}/nfs.log": random.Random(n).randbytes(9_000).hex().encode() for n in range(3)}}),
    },
    "rotated": {f"{POD}/0.log": LOG, f"{POD}/0.log.20260720-095500": BIG, f"{POD}/1.log": BIG, COPY: LOG},
    "nothing": {"x.png": b"x", "pods/ns_other_3f0e8c1e-0000-4000-8000-000000000001/web/0.log": b"hello\n"},
    "others": {"pods/ns_other_3f0e8c1e-0000-4000-8000-000000000001/web/0.log": b"hello\n"},
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
def test_every_kind_of_file_is_read_as_by_one_engine(name, tmp_path):
    for path, data in TREES[name].items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    places = [str(tmp_path), f"{tmp_path}/none.log", f"{tmp_path}/*.none"]
    report = fleet.scan(places, rules=RULES, options=OPTIONS)
    assert report == plain(*places)
    assert len(report.errors) >= 2
    (single,) = {len(tasks_of(path)) for path in tmp_path.rglob("large.bundle")} or {2}
    assert single > 1, "the bundle must be one that is cut before it is known to be none"


def test_a_line_that_goes_on_over_a_border_begins_no_call(tmp_path):
    """What follows the border would be a call that went well, and may be passed over, were it not the end of a line."""
    start = BIG.rindex(b"\n", 0, BIG.index(b"GRPC call: /csi.v1.Controller/CreateVolume")) + 1
    for glue in (partials.RANGE, partials.RANGE - 1, partials.RANGE + 1):
        (tmp_path / "x.log").write_bytes(b"x" * glue + BIG[start:])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ranges, "LOOK", 60)
            told = Partials(*[far(task) for task in tasks_of(tmp_path)])
        assert len(told) > 3
        assert partials.report(told, RULES, OPTIONS) == plain(tmp_path)


def test_a_call_that_goes_on_over_a_border_is_read(tmp_path):
    """Lines without a header behind the border belong to the last line before it."""
    dice, driver, at = random.Random(1), sim.Driver("v4.9.0"), 1.0
    for _ in range(2):
        at = sim.create(driver, volume_of(dice), at) + 1
    calls = driver.text().encode().rstrip(b"\n") + b"\n"
    # The border is in the last line of the last call, and the next call is farther away than is looked for one.
    head = b"x" * (partials.RANGE - len(calls) + 4) + b"\n" + calls
    assert len(head) == partials.RANGE + 5
    (tmp_path / "x.log").write_bytes(
        head + b"failed to make subdirectory: mkdir /tmp/x: read-only file system\n" * 20 + BIG
    )
    assert partials.report(Partials(*[far(task) for task in tasks_of(tmp_path)]), RULES, OPTIONS) == plain(tmp_path)


def test_what_works_is_known_of_calls_that_were_passed_over(tmp_path):
    """A path that does not exist on a server that serves others is another diagnosis than a server without any."""
    dice = random.Random(5)
    driver = sim.Driver("v4.9.0")
    driver.start(0)
    at, witness = 1.0, ""
    for number in range(40):
        volume = volume_of(dice)
        volume.parameters["server"] = "10.0.0.9" if number == 20 else "10.0.0.8"
        witness = volume.name if number == 20 else witness
        at = sim.create(driver, volume, at) + 1
    volume = volume_of(dice)
    volume.parameters.update(server="10.0.0.9", share="/none")
    reason = "mount.nfs: mounting 10.0.0.9:/none failed, reason given by server: No such file or directory"
    sim.publish(driver, volume, at, mount=reason)
    (tmp_path / "x.log").write_text(driver.text())
    told = [far(task) for task in tasks_of(tmp_path)]
    (whole,) = partials.inputs(iter(told))
    assert any(isinstance(piece, Run) and witness in piece.names for piece in whole.pieces)
    report = partials.report(Partials(*told), RULES, OPTIONS)
    assert report == plain(tmp_path)
    (tmp_path / "x.log").write_text(driver.text()[driver.text().rindex("GRPC call:") - 60 :])
    assert plain(tmp_path).diagnoses[0].confidence != report.diagnoses[0].confidence


def test_a_trace_reads_the_calls_that_went_well(tmp_path):
    """Partials that were narrowed serve an engine that needs every line, too."""
    (tmp_path / "x.log").write_bytes(BIG)
    reports = []
    for things in (
        sources.open_sources([str(tmp_path)]),
        fleet.opened([str(tmp_path)], None, RULES, Counter()),
    ):
        scanner = scan.Scanner(RULES, scan.Options(reference=REFERENCE, trace=True))
        for thing in things:
            scanner.read(thing)
        report = scanner.report()
        reports.append((report, scanner.trace(report)))
    assert reports[0] == reports[1]
    assert reports[0][1].volumes


def test_a_file_that_becomes_shorter_is_told_after_what_was_read(tmp_path):
    path = tmp_path / "x.log"
    path.write_bytes(BIG)
    tasks = tasks_of(path)
    told = [partials.compute(tasks[0], RULES)]
    path.write_bytes(BIG[: len(BIG) // 2])
    told += [partials.compute(task, RULES) for task in tasks[1:]]
    report = partials.report(Partials(*told), RULES, OPTIONS)
    assert [error.partition(": ")[2] for error in report.errors] == ["became shorter while it was read"]
    assert report.inputs[0].bytes > 0
    assert report.inputs[0].bytes <= len(BIG) // 2
