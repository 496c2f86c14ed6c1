"""Replay a busy day through ``logscan --follow`` and watch its memory.

usage: python -m benchmarks.follow_day [HOURS] [RECORDS_A_SECOND] [PLOT.png]

Generates the log of a controller (default: 24 hours at 30 records a second of
the log's time) and pipes it in as fast as it is read.  All day long volumes of
four causes on 40 servers begin to fail, are tried again with growing pauses,
and recover, most of them.  Prints resident memory over the day, and whether

- each trouble (cause and server) was opened exactly once, and none else,
- it stands in the end as it should: recovered, or still failing.

Exits with 1 if not.  The plot needs matplotlib.
"""

from __future__ import annotations

import heapq
import json
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

from benchmarks.klog_gen import CAUSES, Generator
from benchmarks.memory import CATEGORY

SERVERS = [f"192.168.59.{number}" for number in range(10, 50)]
EVERY = 40.0  # seconds between two volumes that begin to fail
Trouble = tuple[str, str]  # category, server


class Day(Generator):
    """The controller's log of some hours, in the order of time."""

    def __init__(self, hours: float, rate: float, seed: int = 11) -> None:
        super().__init__(seed)
        self.end = self.now + timedelta(hours=hours)
        self._pause = 17 / rate  # seconds: so many lines has a volume that is made
        self.failed_volumes = 0
        self.failing: dict[Trouble, set[str]] = {}  # volumes whose last attempt failed; empty: recovered

    def lines(self) -> Iterator[str]:
        """All lines."""
        waiting: list[tuple[object, int, str, str, str, int]] = []
        order = count()
        next_failure = self.now
        while self.now < self.end:
            due = self.now + timedelta(seconds=self._pause)
            if self.now >= next_failure:
                next_failure = self.now + timedelta(seconds=self.random.expovariate(1 / EVERY))
                cause = self.random.choice(CAUSES)
                attempts = self.random.randint(2, 9) if self.random.random() < 0.97 else 10_000
                self.failed_volumes += 1
                heapq.heappush(
                    waiting, (self.now, next(order), self._name(), self.random.choice(SERVERS), cause, attempts)
                )
            if waiting and waiting[0][0] <= self.now:
                _, _, name, server, cause, left = heapq.heappop(waiting)
                share = "/" if cause == "read-only" else "/srv/nfs/k8s"
                volumes = self.failing.setdefault((CATEGORY[cause], server), set())
                yield from self._attempt(name, server, share, cause if left else None)
                self.failed_calls += left > 0
                if left:
                    volumes.add(name)
                    # The provisioner's pauses double, up to half an hour.
                    pause = min(1800, 2 ** self.random.randint(1, 11))
                    heapq.heappush(
                        waiting, (self.now + timedelta(seconds=pause), next(order), name, server, cause, left - 1)
                    )
                else:
                    volumes.discard(name)
            else:
                yield from self._attempt(self._name(), self.random.choice(SERVERS), "/srv/nfs/k8s", None)
            self.now = max(self.now, due)

    def _name(self) -> str:
        return f"pvc-{uuid.UUID(int=self.random.getrandbits(128), version=4)}"


def main() -> int:
    """Replay, watch, compare."""
    hours = float(sys.argv[1]) if len(sys.argv) > 1 else 24.0
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 30.0
    day = Day(hours, rate)
    begin = day.now
    with tempfile.TemporaryDirectory() as folder:
        prom = Path(folder) / "logscan.prom"
        process = subprocess.Popen(
            [str(Path(sys.executable).parent / "logscan"), "--follow", "--format", "ndjson", "--metrics", str(prom)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="ascii",
        )  # fmt: skip
        samples: list[tuple[float, float]] = []  # hours of the log, MiB
        written = threading.Event()
        start = time.perf_counter()
        total = Counter[str]()

        def write() -> None:
            assert process.stdin is not None
            for text in day.lines():
                process.stdin.write(text)
                total["lines"] += text.count("\n")
                total["bytes"] += len(text)
            process.stdin.close()
            written.set()

        def watch() -> None:
            while not written.is_set():
                if (resident := _resident(process.pid)) is not None:
                    samples.append(((day.now - begin).total_seconds() / 3600, resident))
                time.sleep(0.5)

        threads = [threading.Thread(target=write), threading.Thread(target=watch)]
        for thread in threads:
            thread.start()
        assert process.stdout is not None
        events = [json.loads(line) for line in process.stdout]
        for thread in threads:
            thread.join()
        status = process.wait()
        seconds = time.perf_counter() - start
    right = _compare(events, day) and status == 0
    print(
        f"{hours:g} h of log, {total['lines']:,} lines, {total['bytes'] / 1e6:,.0f} MB in {seconds:.0f} s "
        f"({total['lines'] / seconds:,.0f} lines/s, {hours * 3600 / seconds:,.0f} times as fast as it was written)"
    )
    quarters = [samples[len(samples) * part // 4 : len(samples) * (part + 1) // 4] for part in range(4)]
    print(
        "resident MiB by quarters of the day: "
        + "  ".join(f"{min(size for _, size in part):.0f}-{max(size for _, size in part):.0f}" for part in quarters)
    )
    if len(sys.argv) > 3:
        _plot(samples, Path(sys.argv[3]))
    return 0 if right else 1


def _compare(events: list[dict[str, object]], day: Day) -> bool:
    opened: Counter[Trouble] = Counter()
    state: dict[Trouble, str] = {}
    kinds = Counter(str(one["type"]) for one in events)
    for one in events:
        if "key" not in one:
            continue
        about: dict[str, object] = one["diagnosis"]  # type: ignore[assignment]
        servers = {volume["server"] for volume in about["volumes"]}  # type: ignore[attr-defined]
        trouble = (str(about["category"]), *sorted(servers))
        opened[trouble] += one["type"] == "opened"  # type: ignore[index]
        state[trouble] = "closed" if one["type"] == "closed" else "recovered" if about["recovered"] else "open"  # type: ignore[index]
    truth = {trouble: "open" if volumes else "recovered" for trouble, volumes in day.failing.items()}
    summary = next(one for one in events if one["type"] == "summary")
    wrong = {
        "not opened once": {trouble for trouble in truth if opened[trouble] != 1},
        "never happened": {trouble for trouble, times in opened.items() if times and trouble not in truth},
        "other state in the end": {
            (trouble, state.get(trouble), how)
            for trouble, how in truth.items()
            if state.get(trouble) not in {how, "closed" if how == "recovered" else how}  # it was long ago
        },
    }
    print(f"{len(truth)} troubles of {day.failed_volumes:,} volumes, {day.failed_calls:,} failed calls")
    print("events: " + ", ".join(f"{kind} {number:,}" for kind, number in kinds.most_common()))
    print(f"truncated: {summary['truncated']}")
    for what, which in wrong.items():
        print(f"{what}: {len(which)}" + "".join(f"\n  {one}" for one in sorted(map(str, which))[:5]))
    calls: dict[str, int] = summary["calls"]  # type: ignore[assignment]
    print(f"failed calls counted: {calls['failed']:,}, in truth: {day.failed_calls:,}")
    return not any(wrong.values()) and calls["failed"] == day.failed_calls


def _resident(pid: int) -> float | None:
    """MiB of a process; None when it has ended."""
    try:
        text = Path(f"/proc/{pid}/statm").read_text(encoding="ascii")
    except OSError:
        return None
    return int(text.split()[1]) * 4096 / (1 << 20)


def _plot(samples: list[tuple[float, float]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 3.5))
    axes.plot([hour for hour, _ in samples], [size for _, size in samples], linewidth=1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("hours of the log")
    axes.set_ylabel("resident memory, MiB")
    axes.set_title("logscan --follow over a busy day")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
