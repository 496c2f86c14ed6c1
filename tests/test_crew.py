"""Many files read by processes of this machine: the report is that of reading them one by one, whatever becomes of the processes."""

from __future__ import annotations

import gzip
import io
import itertools
import os
import random
import signal
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logscan import api, columns, crew, forks, partials, passing, scan, sources
from logscan.errors import SourceError
from logscan.model import Report
from logscan.quiet import Narrowed
from tests.test_narrow import log_of
from tests.test_partials import OPTIONS, REFERENCE, RULES, noise, noisy, plain
from tests.test_partials import logs as drivers

few = settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
WORK = [b"I0610 08:02:03.112001 1 main.go:1] plain text of nobody\n" * 3, b"", b"\x7fELF\0\0\0" * 40, b"{}\n"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """So that a few kilobytes are many files and large ones."""
    monkeypatch.setattr(crew, "LEAST", 100)
    monkeypatch.setattr(crew, "MOST", 1 << 20)
    monkeypatch.setattr(crew, "WORTH", 1)
    monkeypatch.setattr(crew, "LOOK", 3)
    monkeypatch.setattr(crew, "AHEAD", 2)
    monkeypatch.setattr(partials, "SMALL", 2_000)
    monkeypatch.setattr(partials, "BLOCK", 4_000)
    monkeypatch.setattr(passing, "NARROW_FROM", 1_000)


def read(*places: object, jobs: int = 2) -> tuple[Report, int]:
    """The report, and how many inputs came from other processes."""
    scanner = scan.Scanner(RULES, scan.Options(reference=REFERENCE, jobs=jobs))
    far = 0
    for thing in crew.open_sources([str(place) for place in places], scanner):
        far += isinstance(thing, Narrowed)
        scanner.read(thing)
    return scanner.report(), far


def files_of(folder, seed: int, count: int = 5):
    dice = random.Random(seed)
    data = "\n".join(log_of(seed, "v4.9.0", 30 * count, 0.0)).encode()
    borders = sorted({0, len(data), *(dice.randrange(len(data)) for _ in range(count - 1))})
    for number, (start, end) in enumerate(itertools.pairwise(borders), 8):
        (folder / f"{number}.log").write_bytes(data[start:end])
    return folder


@few
@given(st.lists(st.tuples(drivers, noise), min_size=2, max_size=5), st.integers(0, 1 << 32).map(random.Random))
def test_files_of_all_kinds_give_the_report_of_reading_them_one_by_one(tmp_path_factory, files, dice):
    folder = tmp_path_factory.mktemp("logs")
    for number, (lines, odd) in enumerate(files):
        data = noisy(lines, odd)
        path = folder / f"{number + 8}.log"
        kind = dice.choice(["text", "text", "gz", "tar", "odd"])
        if kind == "gz":
            path.with_suffix(".log.gz").write_bytes(gzip.compress(data))
        elif kind == "tar":
            with tarfile.open(path.with_suffix(".tgz"), "w:gz") as tar:
                member = tarfile.TarInfo("pods/x.log")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
                tar.addfile(tarfile.TarInfo("pods/empty.log"), io.BytesIO(b""))
        elif kind == "odd":
            path.write_bytes(dice.choice(WORK))
        else:
            path.write_bytes(data)
    again = min(folder.iterdir())  # is named twice, and read once
    assert read(folder, again, folder / "gone.log")[0] == plain(folder, again, folder / "gone.log")


def test_processes_read_what_is_worth_it_and_no_more(tmp_path, monkeypatch):
    """Otherwise the law above holds for no reason."""
    files_of(tmp_path, 3)
    report, far = read(tmp_path)
    assert far == len(list(tmp_path.iterdir()))
    assert report == plain(tmp_path)
    assert read(tmp_path, jobs=1) == (report, 0)
    monkeypatch.setattr(crew, "WORTH", 1 << 30)
    assert read(tmp_path) == (report, 0)
    monkeypatch.setattr(crew, "WORTH", 1)
    monkeypatch.setattr(crew, "MOST", 200)
    assert read(tmp_path) == (report, 0)


def test_a_trace_that_needs_every_call_is_read_here(tmp_path):
    files_of(tmp_path, 3)
    scanner = scan.Scanner(RULES, scan.Options(reference=REFERENCE, narrow=False, jobs=2))
    assert not any(isinstance(thing, Narrowed) for thing in crew.open_sources([str(tmp_path)], scanner))


@pytest.mark.parametrize("victim", ["8.log", "10.log", "12.log"])
def test_a_killed_process_loses_nothing(tmp_path, monkeypatch, victim):
    files_of(tmp_path, 11)
    here, real = os.getpid(), partials.compute

    def deadly(task, *rest, **options):  # noqa: ANN002, ANN003
        if os.getpid() != here and task.found.path.endswith(victim):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(task, *rest, **options)

    monkeypatch.setattr(partials, "compute", deadly)
    assert read(tmp_path)[0] == plain(tmp_path)


def test_where_no_process_can_be_made_files_are_read_here(tmp_path, monkeypatch):
    def none(jobs):
        raise OSError(11, f"no {jobs} more processes")

    files_of(tmp_path, 5)
    monkeypatch.setattr(crew.forks, "pool", none)
    report, far = read(tmp_path)
    assert far == 0
    assert report == plain(tmp_path)


def test_what_cannot_be_read_is_told_in_its_place(tmp_path):
    files_of(tmp_path, 6)
    data = (tmp_path / "9.log").read_bytes()
    (tmp_path / "9.log").write_bytes(gzip.compress(data)[:-20])
    report, far = read(tmp_path)
    assert far
    assert report == plain(tmp_path)
    assert [str(tmp_path / "9.log") in error for error in report.errors] == [True]


def test_only_so_many_wait_for_the_engine(tmp_path, monkeypatch):
    files_of(tmp_path, 7, count=9)
    scanner = scan.Scanner(RULES, scan.Options(reference=REFERENCE, jobs=2))
    asked = []
    real = crew.Task

    def counted(found):
        asked.append(found.path)
        return real(found)

    monkeypatch.setattr(crew, "Task", counted)
    for number, thing in enumerate(crew.open_sources([str(tmp_path)], scanner), 1):
        assert not isinstance(thing, SourceError)
        assert len(asked) <= number + 2 * crew.AHEAD
        scanner.read(thing)


def test_everybody_who_reads_many_files_has_it(tmp_path, monkeypatch):
    files_of(tmp_path, 9)
    seen = []
    real = partials.inputs
    monkeypatch.setattr(partials, "inputs", lambda told: seen.append(1) or real(told))
    assert api.diagnose(tmp_path, reference=REFERENCE, jobs=2).report == plain(tmp_path)
    assert len(seen) == len(list(tmp_path.iterdir()))
    rows, same = (columns.read(str(tmp_path), reference=REFERENCE, jobs=jobs).to_pylist() for jobs in (2, 1))
    assert rows == same
    assert len(seen) == 2 * len(list(tmp_path.iterdir()))


@pytest.mark.parametrize(("there", "made"), [(1, 1), (6, 6), (64, forks.MOST)])
def test_a_large_machine_gets_no_more_processes_than_one_engine_can_follow(monkeypatch, there, made):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(there)), raising=False)
    assert forks.cores() == made


def test_standard_input_is_there_once(tmp_path):
    files_of(tmp_path, 2, count=2)
    data = "\n".join(log_of(2, "v4.1.0", 10, 0.0)).encode()
    scanner = scan.Scanner(RULES, OPTIONS)
    things = crew.open_sources(["-", str(tmp_path), "-"], scanner, io.BytesIO(data))
    for thing in things:
        scanner.read(thing)
    one = scan.Scanner(RULES, scan.Options(reference=REFERENCE, narrow=False))
    for source in sources.open_sources(["-", str(tmp_path), "-"], io.BytesIO(data), one.skipped):
        one.read(source)
    assert scanner.report() == one.report()
