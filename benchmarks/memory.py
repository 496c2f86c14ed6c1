"""Show that memory does not grow with the log, and that the counts are right.

usage: python -m benchmarks.memory MEGABYTES...

For each size: generates a log, pipes it in, prints seconds, MB/s, peak memory
of the process, and whether the failing volumes per cause and the failed calls
equal the generator's truth.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.klog_gen import generate

CATEGORY = {
    "read-only": "wrong-share-path", "denied": "client-not-allowed", "refused": "server-refused",
    "permission": "root-squash",
}  # fmt: skip


def main() -> None:
    """Print a row a size."""
    logscan = str(Path(sys.executable).parent / "logscan")
    for megabytes in map(float, sys.argv[1:] or ["10", "100"]):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "log"
            truth = generate(path, megabytes)
            start = time.perf_counter()
            cat = subprocess.Popen(["cat", str(path)], stdout=subprocess.PIPE)
            run = subprocess.run([logscan, "--format", "json"], stdin=cat.stdout, capture_output=True, check=True)
            cat.wait()
            seconds = time.perf_counter() - start
        # Of the largest child so far: sizes are to be given in rising order.
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        report = json.loads(run.stdout)
        named: dict[str, set[str]] = {}
        for one in report["diagnoses"]:
            named.setdefault(one["category"], set()).update(volume["name"] for volume in one["volumes"])
        found = {category: len(names) for category, names in named.items()}
        wanted = {CATEGORY[cause]: count for cause, count in truth["failing"].items() if count}  # type: ignore[attr-defined]
        right = found == wanted and report["calls"]["failed"] == truth["failed_calls"]
        print(
            f"{megabytes:7.0f} MB  {seconds:6.1f} s  {megabytes / seconds:6.1f} MB/s  peak {peak:6.1f} MiB  "
            f"{'counts equal the truth' if right else f'WRONG: {found} for {wanted}'}"
        )


if __name__ == "__main__":
    main()
