"""Whole runs as data: tests/cases/*.yaml says what goes in and what must come out.

A case has an ``about``, an input and an ``expect``:

* ``samples``: names of files in samples/, or ``files``: a name and a text each (``line_ends: crlf`` writes
  them so).  Each becomes one input, in this order.
* ``command``: the arguments of a real command line, run where the samples are; ``samples`` then come by a pipe.
* ``only_above: info``: diagnoses of that severity (or of these) are let be.
* ``kind``: one of KINDS, of each of which there are as many as it says.

``expect`` may hold any of EXPECTATIONS.  ``volumes`` maps each volume to its claim, "" where the log does not
tell it; null leaves them open.  ``says`` is a part of the cause.  A list in the place of a word means: one of these.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from logscan import rules, scan, sources
from logscan.report import json_v1

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "samples"
CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
KEYS = {"about", "kind", "samples", "files", "line_ends", "command", "only_above", "expect"}
EXPECTATIONS = {
    "verdict", "diagnoses", "versions", "roles", "failed_calls", "unrecognised", "benign", "collects",
    "exit", "prints", "complains", "manifest_share",
}  # fmt: skip
DIAGNOSIS = {"id", "category", "severity", "server", "share", "failures", "recovered", "ongoing", "volumes", "says"}


# How many cases of a kind there must be, at least.
KINDS = {
    "several-causes": 10, "healthy": 10, "symptom": 8, "recovered": 6, "hung": 4, "exports": 8, "driver-bug": 3,
}  # fmt: skip


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


def case_of(path: Path) -> dict[str, Any]:
    case = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(case) <= KEYS, set(case) - KEYS
    assert set(case["expect"]) <= EXPECTATIONS, set(case["expect"]) - EXPECTATIONS
    for diagnosis in case["expect"].get("diagnoses", ()):
        assert set(diagnosis) <= DIAGNOSIS, set(diagnosis) - DIAGNOSIS
    return case


def inputs_of(case: dict[str, Any], folder: Path) -> list[Path]:
    """The case's inputs as files, in its order."""
    paths = [SAMPLES / name for name in case.get("samples", ())]
    for name, text in case.get("files", {}).items():
        path = folder / name
        path.write_bytes(text.replace("\n", "\r\n" if case.get("line_ends") == "crlf" else "\n").encode())
        paths.append(path)
    assert paths, "a case needs an input"
    return paths


def report_of(paths: list[str], stdin: bytes = b"") -> dict[str, Any]:
    """What the library reports on *paths*, as JSON's values."""
    scanner = scan.Scanner(loaded())
    for source in sources.open_sources(paths, io.BytesIO(stdin)):
        scanner.read(source)
    return json_v1.to_dict(scanner.report())


def one_of(expected: Any) -> list[Any]:
    return expected if isinstance(expected, list) else [expected]


def check_diagnosis(have: dict[str, Any], expected: dict[str, Any]) -> None:
    for key in ("id", "category", "severity", "failures", "recovered", "ongoing"):
        if key in expected:
            assert have[key] in one_of(expected[key]), f"{key} of {have['id']}"
    if expected.get("volumes") is not None:
        claims = {volume["name"]: f"{volume['namespace']}/{volume['pvc']}".strip("/") for volume in have["volumes"]}
        assert claims == expected["volumes"]
    for key in ("server", "share"):
        if key in expected:
            assert {volume[key] for volume in have["volumes"]} == {expected[key]}
    assert expected.get("says", "") in have["cause"]


def check_report(report: dict[str, Any], case: dict[str, Any]) -> None:
    expect = case["expect"]
    diagnoses = [
        diagnosis for diagnosis in report["diagnoses"] if diagnosis["severity"] not in one_of(case.get("only_above"))
    ]
    if "diagnoses" in expect:
        seen = [(d["id"], d["category"], [v["name"] for v in d["volumes"]]) for d in diagnoses]
        wanted = list(expect["diagnoses"])
        assert len(diagnoses) == len(wanted), seen
        for have in diagnoses:  # in any order: which of two causes is worse is not the case's business
            fits = [
                one
                for one in wanted
                if have["category"] in one_of(one["category"])
                and (one.get("volumes") is None or set(one["volumes"]) == {v["name"] for v in have["volumes"]})
                and have["failures"] in one_of(one.get("failures", have["failures"]))
            ]
            assert fits, f"nobody expected {have['id']}: {have['category']}, {have['failures']} failures, of {seen}"
            check_diagnosis(have, fits[0])
            wanted.remove(fits[0])
    if "verdict" in expect:
        assert report["verdict"] in one_of(expect["verdict"])
    if "versions" in expect:
        assert [one["driver_version"] for one in report["inputs"]] == expect["versions"]
    if "roles" in expect:
        assert [one["role"] for one in report["inputs"]] == expect["roles"]
    if "failed_calls" in expect:
        assert report["calls"]["failed"] == expect["failed_calls"]
    if expect.get("unrecognised", 0) is not None:
        assert [one["template"] for one in report["unrecognised"]] == [] or expect.get("unrecognised")
    if "benign" in expect:
        assert set(expect["benign"]) <= {one["id"] for one in report["benign"]}
    if "manifest_share" in expect:
        manifests = [yaml.safe_load(d["remedy"]["manifest"]) for d in diagnoses if d["remedy"]["manifest"]]
        assert [one["parameters"]["share"] for one in manifests] == [expect["manifest_share"]]
    if "collects" in expect:
        assert bool(report["collect_next"]) == expect["collects"]
        assert all(one["command"] for one in report["collect_next"])


def test_there_are_cases_of_every_kind():
    kinds = Counter(case_of(path).get("kind") for path in CASES)
    assert len(CASES) > 100
    assert set(kinds) == {None, *KINDS}
    assert all(kinds[kind] >= least for kind, least in KINDS.items()), kinds


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_a_run_says_what_its_case_expects(path, tmp_path):
    case = case_of(path)
    if "command" in case:
        run_command(case)
    else:
        check_report(report_of([str(one) for one in inputs_of(case, tmp_path)]), case)


def run_command(case: dict[str, Any]) -> None:
    expect = case["expect"]
    piped = b"".join((SAMPLES / name).read_bytes() for name in case.get("samples", ()))
    done = subprocess.run(
        [sys.executable, "-c", "from logscan.cli import main; main()", *case["command"]],
        input=piped, capture_output=True, cwd=ROOT, env={**os.environ, "NO_COLOR": "1"}, check=False, timeout=60,
    )  # fmt: skip
    out, errors = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == expect.get("exit", 0), errors
    for text in expect.get("prints", ()):
        assert text in out
    for text in expect.get("complains", ()):
        assert text in errors
    if "verdict" in expect:
        check_report(json.loads(out), case)


@pytest.mark.parametrize("path", [path for path in CASES if "command" not in case_of(path)], ids=lambda path: path.stem)
def test_the_order_of_the_inputs_does_not_matter(path, tmp_path):
    case = case_of(path)
    paths = inputs_of(case, tmp_path)
    if len(paths) > 1:
        case["expect"].pop("versions", None)
        case["expect"].pop("roles", None)
        check_report(report_of([str(one) for one in reversed(paths)]), case)


def test_every_sample_is_a_case_of_its_own():
    alone = {
        case["samples"][0]
        for case in map(case_of, CASES)
        if len(case.get("samples", ())) == 1 and "command" not in case
    }
    assert alone == {path.name for path in SAMPLES.iterdir() if path.suffix in {".log", ".txt"}}
