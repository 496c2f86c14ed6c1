"""The benchmarks' own judgement: what they call equal counts is equal, and a wrong count is seen."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as harness
from benchmarks import klog_gen
from benchmarks.measure import Run, run

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> tuple[Path, dict[str, object]]:
    path = tmp_path_factory.mktemp("log") / "controller.log"
    return path, klog_gen.generate(path, 0.4, every=20)


def test_a_run_is_measured_and_its_output_kept(tmp_path):
    (tmp_path / "in").write_bytes(b"x" * 100_000)
    done = run([sys.executable, "-c", "import sys, time; sys.stdout.write(str(len(sys.stdin.read()))); time.sleep(0.2)"], stdin=tmp_path / "in")  # fmt: skip

    assert (done.status, done.output) == (0, b"100000")
    assert done.seconds >= 0.2
    assert 2 < done.memory < 500


def test_the_report_is_held_against_what_was_generated(log):
    path, truth = log
    done = run([*harness.LOGSCAN, "--format", "json", str(path)])
    assert harness.report_is_right(truth)(done) == ""

    report = json.loads(done.output)
    report["diagnoses"].pop()
    less = dataclasses.replace(done, output=json.dumps(report).encode())
    assert "names" in harness.report_is_right(truth)(less)
    assert harness.report_is_right(truth | {"failed_calls": 1})(done)


def test_the_table_is_held_against_records_and_signatures(log, tmp_path):
    path, _ = log
    out = tmp_path / "records.parquet"
    assert run([*harness.LOGSCAN, "table", str(path), "-o", str(out)]).status == 0
    counts, records = harness.counts_of(path), harness.records_in(path)
    nothing = Run(0, 0, 0, 0, b"")

    assert sum(counts.values()) > 0
    assert harness.table_is(out, counts, records)(nothing) == ""
    assert "records" in harness.table_is(out, counts, records + 1)(nothing)
    name = next(name for name, count in counts.items() if count)
    assert name in harness.table_is(out, counts | {name: counts[name] + 1}, records)(nothing)


@pytest.mark.parametrize("peer", ["polars", "duckdb", "pandas"])
def test_the_scripts_of_peers_count_the_same(log, tmp_path, peer):
    path, _ = log
    command, missing = harness.script(peer, path, tmp_path, peer)
    assert not missing
    done = run(command)

    assert done.status == 0
    assert harness.counts_are(harness.counts_of(path), harness.records_in(path))(done) == ""
    assert harness.counts_are({"CSI-NFS-001": -1})(done)


def test_the_harness_runs_and_writes_its_page(tmp_path):
    out = tmp_path / "RESULTS.md"
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "--megabytes",
        "0.2",
        "--runs",
        "1",
        "--growth",
        "",
        "--only",
        "files",
    ]
    done = subprocess.run([*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    page = out.read_text(encoding="utf-8")
    assert "| 8 files |" in page
    assert "WRONG" not in page
