"""Time what a user waits for: the start of the program, and a small pipe.

usage: python -m benchmarks.start_up [RUNS]

Whole processes, wall time, median and extremes of RUNS (default 11) after one
warm-up each.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

SAMPLE = Path(__file__).parent.parent / "samples" / "readonly-share.log"


def seconds(command: list[str], stdin: bytes) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    subprocess.run(command, input=stdin, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print a row a command."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 11
    logscan = str(Path(sys.executable).parent / "logscan")
    text = SAMPLE.read_bytes()[:1024]
    for name, command, stdin in (
        ("logscan --version", [logscan, "--version"], b""),
        ("1 kB | logscan", [logscan], text),
        ("flagship | logscan", [logscan], SAMPLE.read_bytes()),
    ):
        seconds(command, stdin)
        times = [seconds(command, stdin) for _ in range(runs)]
        print(f"{name:20} median {statistics.median(times):.3f} s  min {min(times):.3f}  max {max(times):.3f}")


if __name__ == "__main__":
    main()
