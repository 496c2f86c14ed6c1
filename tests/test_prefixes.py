"""Whatever a tool or a viewer puts before each line, the diagnosis is the same."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from logscan import rules, scan, sources
from logscan.frames import Deframer
from logscan.prefixes import Prefixes
from logscan.report import json_v1

LOG = (Path(__file__).resolve().parent.parent / "samples/path-not-exported.log").read_text("utf-8").splitlines()
POD = "csi-nfs-controller-7d9c8b-x2x4z"


def stamp(n: int) -> str:
    return f"2026-11-23T11:{50 + n // 600:02}:{n // 10 % 60:02}.{n % 10}00000Z"


def each(pattern: str) -> Callable[[list[str]], str]:
    """Every line in *pattern*, in which T is a time and N the line's number."""

    def wrap(lines: list[str]) -> str:
        return "\n".join(
            pattern.replace("T@", stamp(n)).replace("N@", str(n + 1)).replace("POD@", POD).replace("LINE@", line)
            for n, line in enumerate(lines)
        )

    return wrap


def quoted(pattern: str) -> Callable[[list[str]], str]:
    """Every line in *pattern* as a JSON text without its quotes."""
    return lambda lines: each(pattern)([json.dumps(line)[1:-1] for line in lines])


def table(
    head: list[str], row: Callable[[int, str], list[str]], *, newest_first: bool = False, **how: int
) -> Callable[[list[str]], str]:
    def wrap(lines: list[str]) -> str:
        out = io.StringIO()
        writer = csv.writer(out, **how)
        writer.writerow(head)
        rows = [row(n, line) for n, line in enumerate(lines)]
        writer.writerows(reversed(rows) if newest_first else rows)
        return out.getvalue()

    return wrap


WRAPPED = {
    "grep -n": each("N@:LINE@"),
    "grep with names": each("logs/nfs.log:LINE@"),
    "grep with names and numbers": each("logs/nfs.log:N@:LINE@"),
    "grep with context": lambda lines: "\n".join(
        f"nfs.log{mark}{n}{mark}{line}" for n, line in enumerate(lines, 1) for mark in (":" if "rror" in line else "-",)
    ),
    "cat -n": lambda lines: "\n".join(f"{n:6}\t{line}" for n, line in enumerate(lines, 1)),
    "less -N": lambda lines: "\n".join(f"{n:7} {line}" for n, line in enumerate(lines, 1)),
    "kubetail": each("[POD@ nfs] LINE@"),
    "kail": each("kube-system/POD@[nfs]: LINE@"),
    "gh run view --log": each("e2e\tShow logs\tT@ LINE@"),
    "GitLab's job log": each("T@ 01O LINE@"),
    "Jenkins' timestamper": each("[T@] LINE@"),
    "Rancher": each("Mon, Nov 23 2026 11:50:48 AM LINE@"),
    "docker compose": each("nfs-1  | LINE@"),
    "a list in a chat": each("• LINE@"),
    "aws logs tail": each("T@ POD@/nfs LINE@"),
    "fluent-bit's stdout": each('[0] kube.var.log: [[1690000000.1, {}], {"stream"=>"stderr", "log"=>"LINE@"}]'),
    "fluentd's file": quoted('T@\tkubernetes.var.log\t{"log":"LINE@\\n","stream":"stderr"}'),
    "gcloud's YAML": quoted('insertId: aN@\ntextPayload: "LINE@"\ntimestamp: T@\n---'),
    "one JSON text": lambda lines: json.dumps("\n".join(lines)),
    "one Python text": lambda lines: repr("\n".join(lines)),
    "Kibana's CSV": table(
        ["@timestamp", "message", "kubernetes.pod.name"], lambda _, line: ["Nov 23, 2026 @ 11:50:48.037", line, POD], newest_first=True,
    ),
    "Datadog's CSV": table(
        ["Date", "Host", "Service", "Content"], lambda n, line: [stamp(n), "n1", "nfs", line], quoting=csv.QUOTE_ALL
    ),
    "journalctl -o export": each("__CURSOR=s=1;i=N@\n_HOSTNAME=n1\nSYSLOG_IDENTIFIER=nfsplugin\nMESSAGE=LINE@\n"),
    "journalctl -o verbose": each(
        "Mon 2026-11-23 11:50:48.000000 UTC [s=1;i=2;b=3;m=4;t=5;x=6]\n    SYSLOG_IDENTIFIER=nfsplugin\n    MESSAGE=LINE@"
    ),
    "Datadog's JSON": quoted('{"id":"N@","attributes":{"timestamp":"T@","message":"LINE@","tags":["pod_name:POD@"]}}'),
}  # fmt: skip


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


def told(text: str) -> list[tuple]:
    scanner = scan.Scanner(loaded(), scan.Options(year=2026))
    for source in sources.open_sources(["-"], stdin=io.BytesIO(text.encode())):
        scanner.read(source)
    out = io.StringIO()
    json_v1.write(scanner.report(), out)
    return sorted(
        (
            one["id"],
            one["category"],
            one["confidence"],
            one["recovered"],
            one["attempts"],
            one["failures"],
            len(one["volumes"]),
        )
        for one in json.loads(out.getvalue())["diagnoses"]
    )


@pytest.mark.parametrize("name", WRAPPED)
def test_the_diagnosis_is_that_of_the_log_as_it_was_written(name):
    assert told(WRAPPED[name](LOG)) == told("\n".join(LOG))


def test_two_pods_that_speak_in_turns_are_kept_apart():
    """Records and calls of one are not ended by the other's."""
    both = [f"[{pod} nfs] {line}" for line in LOG for pod in ("csi-nfs-controller-a-1", "csi-nfs-controller-b-1")]
    [one] = told("\n".join(LOG))
    assert told("\n".join(both)) == [(*one[:4], 2 * one[4], 2 * one[5], one[6])]


@pytest.mark.parametrize("carrier", ["", "2026-07-20T09:53:52.4Z ", "[pod/csi-nfs-node-a/nfs] "])
def test_what_a_record_quotes_of_another_log_is_part_of_it(carrier):
    quoting = [
        "E0720 09:53:52.387108       1 a.go:1] it failed:",
        "output: E0720 09:53:50.000000       7 b.go:2] inner",
        'I0720 09:53:53.387108       1 a.go:2] "Probe failed" output=<',
        "\tE0720 09:53:50.000000       7 b.go:2] inner",
        " >",
    ]
    deframer = Deframer("x")
    lines = [line for n, text in enumerate(quoting, 1) for line in deframer.feed(n, 0, (carrier + text).encode())]
    assert [line.text for line in lines] == quoting


@pytest.mark.parametrize(
    "text",
    [
        "no header at all",
        "2m   Warning   Unhealthy   pod/x   Startup probe failed: E0720 09:53:52.387108       1 a.go:1] x",
        "xE0720 09:53:52.387108       1 a.go:1] x",
        "E0720 09:53:52.387108       1 a.go:1] x",
        "\tE0720 09:53:52.387108       1 a.go:1] x",
        "  E0720 09:53:52.387108       1 a.go:1] x",
        f"{'x' * 400}: E0720 09:53:52.387108       1 a.go:1] x",
    ],
)
def test_what_is_no_prefix_stays(text):
    assert Prefixes().take_off(text) is None
