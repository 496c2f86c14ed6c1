"""A cluster of two processes reads an S3 API on this machine: the report is that of one engine, whatever dies on the way."""

from __future__ import annotations

import gzip
import json
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

from logscan import cli, columns, finding, fleet, partials, rules, scan, sources
from logscan.errors import LogscanError
from logscan.model import Report
from tests import fleet_jobs, s3
from tests.test_narrow import log_of

REFERENCE = 1_796_083_200_000_000  # 2026-12-01
ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"
BROKEN = gzip.compress("\n".join(log_of(99, "v4.6.0", 30, 0.0)).encode())
OBJECTS = {
    **{
        f"cluster-{n % 3}/2026-07-{n:02}.log.gz": gzip.compress("\n".join(log_of(n, "v4.9.0", 15, 0.0)).encode())
        for n in range(1, 8)
    },
    "cluster-1/2026-07-04.log.gz": BROKEN[: len(BROKEN) // 2],
    "cluster-2/readonly.log.gz": gzip.compress((SAMPLES / "readonly-share.log").read_bytes()),
    "cluster-2/large.log": "\n".join(log_of(17, "v4.13.4", 60, 0.0)).encode(),
    "exports": (SAMPLES / "readonly-share.exports").read_bytes(),
}
PLACES = ("s3://fleet/**/*.log.gz", "s3://fleet/exports", "s3://fleet/cluster-2/large.log", "s3://fleet/gone.log")
RULES = rules.load()
OPTIONS = scan.Options(reference=REFERENCE)


@pytest.fixture(scope="module")
def client():
    import dask

    # A worker that is missing 15 s after it was missed would be given up: it may be the next one that was killed.
    with s3.serving(), dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"}):
        for name, data in OBJECTS.items():
            s3.put(f"s3://fleet/{name}", data)
        with fleet.connected(fleet.LOCAL, 2) as client:
            yield client


@pytest.fixture(scope="module")
def plain(client) -> Report:  # noqa: ARG001 - the store is there as long as it is
    """The report of the one engine that reads every line."""
    scanner = scan.Scanner(RULES, scan.Options(reference=REFERENCE, narrow=False))
    for source in sources.open_sources(PLACES, skipped=scanner.skipped):
        scanner.read(source)
    return scanner.report()


def test_a_fleet_s_report_is_that_of_one_engine(client, plain, monkeypatch):
    monkeypatch.setattr(partials, "RANGE", 15_000)  # so that the large one is read by several
    states: list[tuple[int, int, int]] = []
    scanner = scan.Scanner(RULES, OPTIONS)
    watch = lambda state: states.append((state.done, state.total, state.threads))  # noqa: E731
    for thing in fleet.opened(PLACES, client, RULES, scanner.skipped, watch):
        scanner.read(thing)
    report = scanner.report()
    assert report == plain
    assert [error.partition(": ")[0] for error in report.errors] == [
        "s3://fleet/cluster-1/2026-07-04.log.gz",
        "s3://fleet/gone.log",
    ]
    assert report.diagnoses
    assert len(report.inputs) == len(OBJECTS)
    assert states == sorted(states, key=lambda state: state[0])
    assert max(threads for *_, threads in states) == 2
    assert states[-1][1] > len(OBJECTS)


def test_a_worker_that_is_killed_in_the_midst_loses_nothing(client, plain):
    scanner = scan.Scanner(RULES, OPTIONS)
    victims = list(client.run(os.getpid).values())
    for number, thing in enumerate(fleet.opened(PLACES, client, RULES, scanner.skipped)):
        if number == 2:
            os.kill(victims[0], signal.SIGKILL)
        scanner.read(thing)
    report = scanner.report()
    assert report.errors == plain.errors
    assert report == plain
    client.wait_for_workers(2, timeout=60)
    assert victims[0] not in client.run(os.getpid).values()


@pytest.mark.parametrize("what", ["records", "calls", "findings", "diagnoses"])
def test_a_fleet_s_table_is_that_of_one_process(client, what, monkeypatch):
    monkeypatch.setattr(partials, "RANGE", 15_000)
    tables, errors = [], []
    for opened in (
        fleet.opened,
        lambda places, _client, _rules, skipped: sources.open_sources(places, skipped=skipped),
    ):
        tabler = columns.Tabler(what, RULES, OPTIONS)
        batches = list(tabler.batches(opened(PLACES, client, RULES, tabler.scanner.skipped)))
        tables.append(pa.Table.from_batches(batches, tabler.schema).unify_dictionaries().to_pylist())
        errors.append([str(error) for error in tabler.scanner.errors()])
    assert tables[0] == tables[1]
    assert tables[0]
    assert errors[0] == errors[1]


def test_a_job_whose_worker_dies_is_done_by_another(client, tmp_path):
    work = fleet.Work(client, fleet_jobs.once, str(tmp_path), ["a", "die", "b"], lambda job: [job], lambda _: 0)
    assert [(entry, list(results)) for entry, results in work] == [("a", ["a"]), ("die", ["die"]), ("b", ["b"])]
    assert (tmp_path / "died").exists()
    client.wait_for_workers(2, timeout=60)


def test_results_that_died_with_their_worker_are_made_anew(client):
    """Those that were done, and those that are waited for as it dies."""
    work = fleet.Work(client, fleet_jobs.slow, 0.02, range(24), lambda n: [n], lambda _: 0)
    told = []
    for entry, results in work:
        if entry == 3:
            futures = [future for slot in work._slots for future, _ in slot.asked]
            while not all(future.done() for future in futures):
                time.sleep(0.02)
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        told += results
    assert told == list(range(24))
    assert work.over is None
    client.wait_for_workers(2, timeout=60)


def test_a_result_that_cannot_be_fetched_is_told(client, monkeypatch):
    monkeypatch.setattr(fleet, "TICK", 0.01)
    work = fleet.Work(client, fleet_jobs.unreadable, None, ["x"], lambda job: [job], lambda _: 0)
    ((_, results),) = [(entry, list(results)) for entry, results in work]
    assert results == [
        fleet.Fault("what was made of it could not be fetched: ValueError: not here", "look into the scheduler's log")
    ]


def test_what_a_worker_cannot_do_is_told_and_the_rest_is_done(client):
    scheduler = client.cluster.scheduler
    before, scheduler.allowed_failures = scheduler.allowed_failures, 0
    try:
        # The last one is alone, so that none is suspected with it.
        work = fleet.Work(client, fleet_jobs.faulty, None, ["a", "memory", "b"], lambda job: [job], lambda _: 0)
        told = {entry: next(results) for entry, results in work}
        work = fleet.Work(client, fleet_jobs.faulty, None, ["die"], lambda job: [job], lambda _: 0)
        told |= {entry: next(results) for entry, results in work}
    finally:
        scheduler.allowed_failures = before
    assert (told["a"], told["b"]) == ("a", "b")
    assert told["memory"] == fleet.Fault("its worker failed: MemoryError", fleet._RAN_OUT)
    assert told["die"] == fleet.Fault("its workers died of it, one after the other", fleet._RAN_OUT)


def test_results_come_in_order_and_no_more_are_asked_for_than_can_be_worked_at(client, monkeypatch):
    monkeypatch.setattr(fleet, "AHEAD", 2)
    work = fleet.Work(
        client, fleet_jobs.double, 7, range(40), lambda n: [10 * n + k for k in range(n % 3)], lambda _: 0
    )
    for number, (entry, results) in enumerate(work):
        assert entry == number
        wanted = [7 + 2 * (10 * number + k) for k in range(number % 3)]
        if number % 4:  # what is not taken is dropped
            assert list(results) == wanted
        assert work._asked <= 4
        assert len(work._slots) < 12
    assert (work.state.done, work.state.total, work._asked, work._weight) == (39, 39, 0, 0)


def test_large_results_are_asked_for_one_by_one(client, monkeypatch):
    monkeypatch.setattr(fleet, "BUDGET", 10)
    work = fleet.Work(client, fleet_jobs.double, 0, range(6), lambda n: [n], lambda _: 1000)
    for number, (_, results) in enumerate(work):
        assert list(results) == [2 * number]
        assert work._asked <= 1


def test_who_turns_away_leaves_nothing_running(client):
    work = fleet.Work(client, fleet_jobs.slow, 0.05, range(100), lambda n: [n], lambda _: 0)
    for entry, results in work:
        if entry == 3:
            break
        assert list(results) == [entry]
    del work, results

    def left(dask_scheduler):
        return sum(key.startswith("logscan-") for key in dask_scheduler.tasks)

    deadline = time.monotonic() + 30
    while client.run_on_scheduler(left) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert client.run_on_scheduler(left) == 0


def test_workers_without_this_logscan_are_refused(client, monkeypatch):
    work = fleet.Work(client, fleet_jobs.faulty, None, ["import"], lambda job: [job], lambda _: 0)
    for _, results in work:
        with pytest.raises(LogscanError, match="a worker cannot do its work: No module named 'logscan'"):
            next(results)
    monkeypatch.setattr(fleet, "__version__", "9.9")
    with pytest.raises(LogscanError, match=r"a worker has logscan .*, this is 9\.9"):
        fleet.scan([str(SAMPLES / "dns.log")], client, rules=RULES)


def test_a_cluster_without_workers_or_that_is_gone_is_told_once(tmp_path, monkeypatch):
    from distributed import Client, LocalCluster

    monkeypatch.setattr(fleet, "PATIENCE", 0.3)
    monkeypatch.setattr(fleet, "_LOOK", 0.1)
    for name in "abc":
        (tmp_path / f"{name}.log").write_bytes(b"")
    with LocalCluster(
        n_workers=0, processes=False, dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False}
    ) as cluster, Client(cluster, set_as_default=False) as client:  # fmt: skip
        errors = fleet.scan([str(tmp_path)], client, rules=RULES).errors
        assert len(errors) == 2
        assert "a.log: was not read: there was no worker" in errors[0]
        assert errors[1].startswith("Dask: 2 more files were not read: there was no worker")
        monkeypatch.setattr(fleet, "PATIENCE", 60.0)
        work = fleet.Work(client, fleet_jobs.double, 0, range(3), lambda n: [n], lambda _: 0)
        told = []
        for entry, results in work:
            cluster.scale(0)
            client.close()
            told.append((entry, list(results)))
    assert told == [(0, [fleet._LOST])]
    assert list(work.left()) == [1, 2]


@pytest.mark.parametrize(
    ("address", "problem"),
    [("tcp://127.0.0.1:9", "no scheduler of Dask answers"), ("nonsense://x", "no scheduler of Dask answers")],
)
def test_where_no_scheduler_answers_that_is_told(address, problem, monkeypatch):
    monkeypatch.setattr(fleet, "CONNECT", 0.5)
    with pytest.raises(LogscanError, match=problem), fleet.connected(address):
        pass


def test_a_large_file_is_read_by_several_and_a_packed_one_is_not():
    def borders(name: str, size: int | None, *, regular: bool = True) -> list[tuple[int, int | None]]:
        found = finding.Found(name, name, "", None, size, regular)
        return [(task.start, task.end) for task in partials.tasks(found)]

    size = partials.RANGE
    assert borders("x.log", size) == [(0, None)]
    assert borders("x.log", 3 * size + 5) == [(0, size), (size, 2 * size), (2 * size, 3 * size + 5)]
    assert borders("s3://x/y", 2 * size, regular=False) == [(0, size), (size, 2 * size)]
    for name, regular in (("x.log.gz", True), ("https://host/x.log", False), ("/dev/pipe", False)):
        assert borders(name, 9 * size, regular=regular) == [(0, None)]
    assert borders("s3://x/y", None, regular=False) == [(0, None)]


# ---------------------------------------------------------------- the command


def told(capsys, *arguments: str) -> tuple[int, dict[str, object], str]:
    """Exit status, JSON report and standard error of one command line."""
    places = ("s3://fleet/cluster-2/r*.gz", "s3://fleet/exports", "s3://fleet/gone.log")
    status = cli.run([*arguments, "--format", "json", "--reference-time", "2026-12-01T00:00:00Z", *places])
    out, err = capsys.readouterr()
    return status, json.loads(out), err


def test_the_command_says_with_a_cluster_what_it_says_without(client, capsys):
    address = client.scheduler.address
    alone = told(capsys)
    assert alone[0] == 3
    assert told(capsys, "--dask", address) == alone
    status, report, err = told(capsys, "check", "--dask", address)
    assert (status, report["diagnoses"]) == (3, alone[1]["diagnoses"])
    assert "s3://fleet/gone.log: no such object" in err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--follow", "--dask", "local", "x.log"], "--follow reads where it runs; leave --dask out"),
        (["--dask", "127.0.0.1:9", "x.log"], "127.0.0.1:9: no scheduler of Dask answers"),
    ],
)
def test_a_cluster_that_is_of_no_use_is_an_error_of_one_line(arguments, problem, capsys, monkeypatch):
    monkeypatch.setattr(fleet, "CONNECT", 0.5)
    assert cli.run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"logscan: error: {problem}")
    assert len(err.splitlines()) == 2


def test_without_dask_the_option_is_an_error_of_one_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert cli.run(["--dask", "local", "x.log"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "logscan: error: --dask: needs Dask, which is not installed",
        "  help: pip install 'logscan[dask]'",
    ]


def test_ctrl_c_ends_it_with_the_report_on_what_was_read(tmp_path):
    """The processes of the cluster are in the terminal's group, too, and have nothing to say of it."""
    first, endless = tmp_path / "a.log", tmp_path / "b.log"
    first.write_bytes((SAMPLES / "readonly-share.log").read_bytes())
    os.mkfifo(endless)
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "logscan",
        "--dask",
        "local",
        "--jobs",
        "1",
        "--format",
        "json",
        str(first),
        str(endless),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True, cwd=ROOT) as process:
        os.close(theirs)
        shown = b""
        while b"1/2 parts" not in shown:
            shown += os.read(ours, 4096)
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=60)
        with suppress(OSError):  # the other end is closed
            while more := os.read(ours, 4096):
                shown += more
    os.close(ours)
    assert process.returncode == 130
    report = json.loads(out)
    assert [one["name"] for one in report["inputs"]] == [str(first)]
    assert b"Traceback" not in shown
    assert b"distributed" not in shown
