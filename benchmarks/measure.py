"""Run a command as a whole process: its time, and the memory of it and all its processes."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

NEXT = 0.05  # seconds between two looks at the memory


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command."""

    seconds: float  # wall time
    cpu: float  # seconds of the processor, all processes
    memory: float  # MB: the most that all its processes had at once; shared pages count once
    status: int
    output: bytes


def run(command: Sequence[str], *, stdin: Path | None = None, cwd: Path | None = None) -> Run:
    """Run a command to its end.

    Args:
        stdin: a file that ``cat`` pipes into it.
    """
    with tempfile.TemporaryFile() as out:
        start = time.perf_counter()
        before = os.times()
        cat = subprocess.Popen(["cat", str(stdin)], stdout=subprocess.PIPE) if stdin is not None else None
        source = cat.stdout if cat is not None else subprocess.DEVNULL
        process = subprocess.Popen(command, stdin=source, stdout=out, stderr=subprocess.DEVNULL, cwd=cwd)
        if cat is not None and cat.stdout is not None:
            cat.stdout.close()
        watch = _Watch(process.pid)
        watch.start()
        status = process.wait()
        watch.stop()
        if cat is not None:
            cat.wait()
        seconds = time.perf_counter() - start
        after = os.times()
        out.seek(0)
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return Run(seconds, cpu, watch.most / 1e6, status, out.read())


class _Watch(threading.Thread):
    """Looks at the memory of a process and its descendants."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._over, self.most = pid, threading.Event(), 0

    def run(self) -> None:
        while not self._over.wait(NEXT if self.most else 0.01):
            self.most = max(self.most, sum(_memory(pid) for pid in _family(self._pid)))

    def stop(self) -> None:
        self._over.set()
        self.join()


def _family(pid: int) -> list[int]:
    found, index = [pid], 0
    while index < len(found):
        with suppress(OSError):
            for task in Path(f"/proc/{found[index]}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        index += 1
    return found


def _memory(pid: int) -> int:
    """Bytes of a process; of pages that it shares with others, its part."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
