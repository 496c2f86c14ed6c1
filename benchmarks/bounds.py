"""Give logscan inputs of absurd shapes, and show that time and memory stay bounded.

usage: python -m benchmarks.bounds [--scale N] [NAME...]

For each shape: makes it, runs the whole program on it beside a small log that fails, and prints
seconds, peak memory of the largest process, the exit status and the first thing it said.  A row
is WRONG if the status is not the shape's own, if the other log's cause is missing from the report,
or if more than 300 MiB were needed; then the exit status is 1.  --scale 0.01 makes them small.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.shapes import SAMPLE, SHAPES, Shape

LIMIT = 300  # MiB
PATIENCE = 600.0  # seconds, after which it is killed

# A small process starts the program: what a large one starts counts that one's memory as its own.
LAUNCH = """
import json, os, subprocess, sys, threading, time
patience, used, *command = sys.argv[1:]
begin = time.perf_counter()
process = subprocess.Popen(command)
killer = threading.Timer(float(patience), process.kill)
killer.start()
_, status, usage = os.wait4(process.pid, 0)
killer.cancel()
told = [time.perf_counter() - begin, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)]
open(used, "w").write(json.dumps(told))
"""


def run(made: Shape, folder: Path, patience: float) -> tuple[float, float, int, str, bytes]:
    """Run the program: (seconds, MiB, exit status, what it said, the report)."""
    more = [] if made.alone else [str(SAMPLE), "--format", "json"]
    command = [sys.executable, "-m", "logscan", *made.command, *made.arguments, *more]
    out, said = folder / "out", folder / "said"
    with out.open("wb") as stdout, said.open("wb") as stderr:
        stdin = subprocess.PIPE if made.stdin else subprocess.DEVNULL
        launch = [sys.executable, "-c", LAUNCH, str(patience), str(folder / "used"), *command]
        process = subprocess.Popen(launch, stdin=stdin, stdout=stdout, stderr=stderr)
        if process.stdin is not None:
            threading.Thread(target=_feed, args=(process.stdin, made.stdin), daemon=True).start()
        process.wait()
    seconds, peak, status = json.loads((folder / "used").read_text())
    return seconds, peak, status, said.read_text(), out.read_bytes()


def _feed(pipe: Any, chunks: Iterable[bytes]) -> None:
    try:
        for chunk in chunks:
            pipe.write(chunk)
        pipe.close()
    except OSError:  # the program reads no more of it
        pass


def main() -> int:
    """Print a row a shape; 1 if one was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="of the shapes; default: all")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--patience", type=float, default=PATIENCE, help="seconds after which it is killed")
    options = parser.parse_args()
    wrong = 0
    print(f"{'shape':<22}{'seconds':>9}{'peak MiB':>10}{'exit':>6}  said")
    for name in options.names or SHAPES:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "in").mkdir()
            made = SHAPES[name](folder / "in", options.scale)
            seconds, peak, status, said, report = run(made, folder, options.patience)
        good = status == made.status and peak <= LIMIT and (made.alone or b'"wrong-share-path"' in report)
        wrong += not good
        first = said.replace(place, "").removeprefix("logscan: error: ").split("\n")[0]
        mark = "" if good else "WRONG  "
        print(f"{name:<22}{seconds:>9.1f}{peak:>10.0f}{status:>6}  {mark}{first[:110]}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
