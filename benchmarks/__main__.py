"""Measure logscan beside what people would use in its place, and check that all of them count the same.

usage: python -m benchmarks [--megabytes 500] [--runs 5] [--growth 10,100,500,2000] [--only WORD] [--out benchmarks/RESULTS.md]

Generates a controller's log in which one volume in 200 fails.  All commands of a table take turns, as whole processes
with the log in the page cache, after one round that does not count; the table shows medians.  What takes minutes runs once.  Memory is the most that all
processes of a command had at once.  A peer that is not installed is named.  The exit status is 1 if a count is wrong.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from benchmarks import klog_gen
from benchmarks.measure import Run, run
from logscan import __version__, rules

HERE = Path(__file__).parent
PEERS = HERE / "peers"
SIGNATURES = PEERS / "signatures.tsv"
CATEGORY = {
    "read-only": "wrong-share-path", "denied": "client-not-allowed", "refused": "server-refused",
    "permission": "root-squash",
}  # fmt: skip
LOGSCAN = (sys.executable, "-m", "logscan")
TIMES_RG, TIMES_LNAV, TIMES_SCRIPTS = 6, 40, 10  # what is asked for, see the text of each table
TABLE_POLARS, TABLE_DUCKDB = 5, 10
MOST_MEMORY = 300  # MB
TWO_CORES, MORE_RULES = 1.6, 1.5

Check = Callable[[Run], str]  # "" or what is wrong


@dataclass
class Row:
    """One command of a table."""

    name: str
    command: Sequence[str]
    size: int  # bytes of the log, unpacked
    check: Check
    stdin: Path | None = None
    missing: str = ""  # what would have to be installed
    once: bool = False  # it takes minutes: one run, which counts, tells enough
    runs: list[Run] = field(default_factory=list)
    wrong: str = ""

    @property
    def seconds(self) -> float:
        """Median wall time."""
        return statistics.median(one.seconds for one in self.runs)

    @property
    def memory(self) -> float:
        """MB, of all runs the most."""
        return max(one.memory for one in self.runs)


def measure(rows: Sequence[Row], runs: int) -> None:
    """Let the commands take turns, so that a slow spell hits all alike."""
    for turn in range(runs + 1):
        for row in rows:
            if row.missing or row.wrong or (row.once and turn):
                continue
            done = run(row.command, stdin=row.stdin)
            if not turn:
                row.wrong = f"exit status {done.status}" if done.status not in {0, 1} else row.check(done)
                show = row.wrong or "counts agree"
                print(f"  {row.name}: {done.seconds:.2f} s, {done.memory:.0f} MB, {show}", flush=True)
            if turn or row.once:
                row.runs.append(done)


# ---------------------------------------------------------------- what must come out


def nothing(_: Run) -> str:
    """For what counts nothing."""
    return ""


def report_is_right(truth: dict[str, object]) -> Check:
    """The report names as many volumes for each cause as fail by it, and counts the failed calls."""

    def check(done: Run) -> str:
        report = json.loads(done.output)
        named: dict[str, set[str]] = {}
        for one in report["diagnoses"]:
            named.setdefault(one["category"], set()).update(volume["name"] for volume in one["volumes"])
        found = {category: len(names) for category, names in named.items()}
        failing = truth["failing"]
        assert isinstance(failing, dict)
        wanted = {CATEGORY[cause]: count for cause, count in failing.items() if count}
        failed = report["calls"]["failed"]
        right = found == wanted and failed == truth["failed_calls"]
        return "" if right else f"names {found} of {wanted}, {failed} of {truth['failed_calls']} failed calls"

    return check


def signatures() -> list[tuple[str, str]]:
    """(id, regular expression) of those that peers count."""
    rows = [line.split("\t", 2) for line in SIGNATURES.read_text(encoding="utf-8").splitlines()]
    return [(row[0], row[2]) for row in rows]


def counts_of(log: Path) -> dict[str, int]:
    """Lines per signature, by ripgrep where it is installed, else by Python: what peers are held against."""
    import re

    found = dict.fromkeys([name for name, _ in signatures()], 0)
    compiled = [(name, re.compile(pattern.encode())) for name, pattern in signatures()]
    with log.open("rb") as lines:
        for line in lines:
            if line[:1] == b"I":
                continue  # a signature is of an error, or of the lines that continue one
            for name, pattern in compiled:
                found[name] += pattern.search(line) is not None
    return found


def counts_are(wanted: dict[str, int], records: int | None = None) -> Check:
    """The peer printed the number of each signature, and of the records if it makes any."""

    def check(done: Run) -> str:
        words = [line.replace(",", " ").split() for line in done.output.decode("utf-8", "replace").splitlines()]
        said = {row[0].strip('"'): row[1] for row in words if len(row) > 1}
        wrong = [
            f"{name} {said.get(name)} of {count}" for name, count in wanted.items() if said.get(name) != str(count)
        ]
        if records is not None and said.get("records") != str(records):
            wrong.append(f"records {said.get('records')} of {records}")
        return ", ".join(wrong)

    return check


def table_is(path: Path, wanted: dict[str, int], records: int) -> Check:
    """The Parquet file has all records, and in them each signature as often."""

    def check(_: Run) -> str:
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        table = pq.read_table(path, columns=["message"])
        said = {name: pc.sum(pc.match_substring_regex(table["message"], rx)).as_py() for name, rx in signatures()}
        wrong = [f"{name} {said[name]} of {count}" for name, count in wanted.items() if said[name] != count]
        if table.num_rows != records:
            wrong.append(f"records {table.num_rows} of {records}")
        return ", ".join(wrong)

    return check


def records_in(log: Path) -> int:
    """How many lines begin a record."""
    import re

    header = re.compile(rb"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ [^:\]]+:\d+\] ")
    with log.open("rb") as lines:
        return sum(header.match(line) is not None for line in lines)


# ---------------------------------------------------------------- the commands


def script(name: str, log: Path, folder: Path, module: str) -> tuple[list[str], str]:
    """A peer that is a Python script, and what it lacks."""
    command = [
        sys.executable,
        str(PEERS / f"{name}_klog.py"),
        str(log),
        str(folder / f"{name}.parquet"),
        str(SIGNATURES),
    ]
    return command, "" if find_spec(module) else f"pip install {module}"


def tool(name: str) -> str:
    """What to install, "" if a program is there."""
    return "" if shutil.which(name) else f"apt-get install {'ripgrep' if name == 'rg' else name}"


def each_signature(program: str, log: Path) -> list[str]:
    """A shell that asks a grep for one signature after the other."""
    asks = [f"echo {name} $({program} {_quoted(pattern)} {_quoted(str(log))})" for name, pattern in signatures()]
    return ["sh", "-c", "\n".join(asks)]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def lnav(log: Path) -> list[str]:
    """Headless lnav, with SQL over its table of glog's records."""
    asks = " UNION ALL ".join(
        f"SELECT '{name}' AS id, count(*) AS n FROM glog_log WHERE log_text REGEXP '{pattern}'"
        for name, pattern in signatures()
    )
    return [
        "lnav",
        "-n",
        "-c",
        f";SELECT 'records' AS id, count(*) AS n FROM glog_log UNION ALL {asks}",
        "-c",
        ":write-csv-to -",
        str(log),
    ]


def mtail(log: Path) -> list[str]:
    """Mtail over the whole log; its counters are made to lines of "id count"."""
    run_it = f"mtail -one_shot -one_shot_format prometheus -progs {PEERS} -logs {_quoted(str(log))} -port 0 2>/dev/null"
    return ["sh", "-c", f"""{run_it} | sed -n 's/^signature{{.*id="\\([^"]*\\)".*}} \\([0-9]*\\).*/\\1 \\2/p'"""]


def literals(folder: Path) -> Path:
    """All literals of the rules, a line each."""
    path = folder / "literals.txt"
    found = {signature.literal for rule in rules.load().rules for signature in rule.match}
    path.write_text("".join(sorted(f"{one}\n" for one in found if "\n" not in one)), encoding="utf-8")
    return path


# ---------------------------------------------------------------- the tables


@dataclass
class Plan:
    """Logs and what is true of them."""

    folder: Path
    megabytes: float
    runs: int
    log: Path
    truth: dict[str, object]

    @property
    def size(self) -> int:
        """Bytes of the log."""
        return self.log.stat().st_size


Table = tuple[str, str, list[Row], list[str]]  # title, what it shows, rows, findings


def diagnose_table(plan: Plan) -> Table:
    """Diagnose beside searching."""
    log, right = plan.log, report_is_right(plan.truth)
    counts = counts_of(log)
    packed = plan.folder / "log.gz"
    with log.open("rb") as source, gzip.open(packed, "wb", compresslevel=6) as out:
        shutil.copyfileobj(source, out, 1 << 20)
    size = plan.size
    polars, no_polars = script("polars", log, plan.folder, "polars")
    duckdb, no_duckdb = script("duckdb", log, plan.folder, "duckdb")
    pandas, no_pandas = script("pandas", log, plan.folder, "pandas")
    records = records_in(log)
    rows = [
        Row("cat", ["cat", str(log)], size, nothing),
        Row("rg, all literals of the rules", ["rg", "-c", "-F", "-f", str(literals(plan.folder)), str(log)], size, nothing, missing=tool("rg")),
        Row("logscan FILE", [*LOGSCAN, "--format", "json", str(log)], size, right),
        Row("logscan FILE, one process", [*LOGSCAN, "--format", "json", "--jobs", "1", str(log)], size, right),
        Row("cat FILE | logscan", [*LOGSCAN, "--format", "json"], size, right, stdin=log),
        Row("logscan FILE.gz", [*LOGSCAN, "--format", "json", str(packed)], size, right),
        Row("rg, a signature at a time (8)", each_signature("rg -c -e", log), size, counts_are({k: v for k, v in counts.items() if v}), missing=tool("rg")),
        Row("ugrep, a signature at a time (8)", each_signature("ugrep -cE -e", log), size, counts_are(counts), missing=tool("ugrep")),
        Row("mtail (8 signatures)", mtail(log), size, counts_are({k: v for k, v in counts.items() if v}), missing=tool("mtail"), once=True),
        Row("lnav (8 signatures)", lnav(log), size, counts_are(counts, records), missing=tool("lnav")),
        Row("polars script (8 signatures)", polars, size, counts_are(counts, records), missing=no_polars),
        Row("DuckDB script (8 signatures)", duckdb, size, counts_are(counts, records), missing=no_duckdb),
        Row("pandas script (8 signatures)", pandas, size, counts_are(counts, records), missing=no_pandas, once=True),
    ]  # fmt: skip
    measure(rows, plan.runs)
    by = {row.name: row for row in rows if row.runs}
    ours = by["logscan FILE"]
    found = [
        _ratio(
            "logscan FILE takes", ours, by.get("rg, all literals of the rules"), "the time of rg", TIMES_RG, most=True
        ),
        _ratio("lnav takes", by.get("lnav (8 signatures)"), ours, "the time of logscan", TIMES_LNAV),
        _ratio(
            "the polars script takes",
            by.get("polars script (8 signatures)"),
            ours,
            "the time of logscan",
            TIMES_SCRIPTS,
        ),
        _ratio(
            "the DuckDB script takes",
            by.get("DuckDB script (8 signatures)"),
            ours,
            "the time of logscan",
            TIMES_SCRIPTS,
        ),
        _ratio("one process takes", by["logscan FILE, one process"], ours, "the time of two cores", TWO_CORES),
        _memory([row for row in rows if row.name.startswith(("logscan", "cat FILE"))]),
    ]
    about = (
        f"The same log of {size / 1e6:.0f} MB; logscan holds it against {len(rules.load().rules)} rules and pairs its calls, "
        "the peers count eight signatures. Report and peers agree on what is in it."
    )
    return "Diagnose", about, rows, found


def table_table(plan: Plan) -> Table:
    """A table of records in Parquet."""
    log, size = plan.log, plan.size
    counts, records = counts_of(log), records_in(log)
    out = plan.folder / "logscan.parquet"
    wanted = counts_are(counts, records)
    polars, no_polars = script("polars", log, plan.folder, "polars")
    duckdb, no_duckdb = script("duckdb", log, plan.folder, "duckdb")
    pandas, no_pandas = script("pandas", log, plan.folder, "pandas")
    command = [*LOGSCAN, "table", str(log), "-o", str(out)]
    right = table_is(out, counts, records)
    rows = [
        Row("logscan table FILE -o records.parquet", command, size, right),
        Row("the same, one process", [*command, "--jobs", "1"], size, right),
        Row("cat FILE | logscan table - -o records.parquet", [*LOGSCAN, "table", "-", "-o", str(out)], size, right, stdin=log),
        Row("polars script", polars, size, wanted, missing=no_polars),
        Row("DuckDB script", duckdb, size, wanted, missing=no_duckdb),
        Row("pandas script", pandas, size, wanted, missing=no_pandas, once=True),
    ]  # fmt: skip
    measure(rows, plan.runs)
    by = {row.name: row for row in rows if row.runs}
    ours = by["logscan table FILE -o records.parquet"]
    found = [
        _ratio("the polars script takes", by.get("polars script"), ours, "the time of logscan", TABLE_POLARS),
        _ratio("the DuckDB script takes", by.get("DuckDB script"), ours, "the time of logscan", TABLE_DUCKDB),
        _ratio("one process takes", by["the same, one process"], ours, "the time of two cores", TWO_CORES),
        _memory(rows[:3]),
    ]
    about = (
        "All columns of records, lines that continue a record joined to it, to Parquet. The peers' tables have six columns; "
        "logscan's has the call, the volume, the claim, the server and the rule of each record, too."
    )
    return "Table", about, rows, found


def files_table(plan: Plan) -> Table:
    """The same bytes in one file and in eight."""
    parts, truths = [], []
    for number in range(8):
        part = plan.folder / f"part-{number}.log"
        truths.append(klog_gen.generate(part, plan.megabytes / 8, seed=100 + number))
        parts.append(part)
    truth = _sum(truths)
    joined = plan.folder / "joined.log"
    with joined.open("wb") as out:
        for part in parts:
            out.write(part.read_bytes())
    size, right = joined.stat().st_size, report_is_right(truth)
    rows = [
        Row("1 file", [*LOGSCAN, "--format", "json", str(joined)], size, right),
        Row("8 files", [*LOGSCAN, "--format", "json", *map(str, parts)], size, right),
    ]
    measure(rows, plan.runs)
    found = [_ratio("8 files take", rows[1], rows[0], "the time of one", 1.25, most=True), _memory(rows)]
    for path in (*parts, joined):
        path.unlink()
    return "Files", "The same bytes in one file and in eight.", rows, found


def _sum(truths: Sequence[dict[str, object]]) -> dict[str, object]:
    failing: dict[str, int] = {}
    for one in truths:
        assert isinstance(one["failing"], dict)
        for cause, count in one["failing"].items():
            failing[cause] = failing.get(cause, 0) + count
    return {"failing": failing, "failed_calls": sum(int(str(one["failed_calls"])) for one in truths)}


def rules_table(plan: Plan) -> Table:
    """A hundred rules and a thousand, over every line: few rules know no noise, so no call is passed over."""
    log = plan.folder / "rules.log"
    klog_gen.generate(log, min(plan.megabytes, 40))
    rows = [
        Row(f"{size:,} rules", [sys.executable, "-m", "benchmarks.rules_cost", "--one", str(size), str(log)], log.stat().st_size, nothing)
        for size in (100, 1_000)
    ]  # fmt: skip
    measure(rows, plan.runs)
    found = [_ratio("1,000 rules take", rows[1], rows[0], "the time of 100", MORE_RULES, most=True)]
    about = (
        f"{log.stat().st_size / 1e6:.0f} MB, every line of which is read: a hundred rules do not know the noise of a healthy call, so "
        "none is passed over. Rules beyond the first hundred are made up, in the driver's own words."
    )
    return "Rules", about, rows, found


def growth_table(plan: Plan, sizes: Sequence[float]) -> Table:
    """From small logs to large ones, by file and by pipe."""
    rows, grown = [], []
    for megabytes in sizes:
        log = plan.folder / "growing.log"
        truth = klog_gen.generate(log, megabytes)
        size, right = log.stat().st_size, report_is_right(truth)
        out = plan.folder / "growing.parquet"
        mine = [
            Row(f"{megabytes:g} MB: logscan FILE", [*LOGSCAN, "--format", "json", str(log)], size, right),
            Row(f"{megabytes:g} MB: cat FILE | logscan", [*LOGSCAN, "--format", "json"], size, right, stdin=log),
            Row(f"{megabytes:g} MB: logscan table FILE", [*LOGSCAN, "table", str(log), "-o", str(out)], size, nothing),
        ]
        measure(mine, min(plan.runs, 3))
        rows += mine
        grown.append(mine)
        log.unlink()
        out.unlink(missing_ok=True)
    found = [_memory(rows)]
    if len(grown) > 1:
        small, large = grown[-2], grown[-1]
        for before, after in zip(small, large, strict=True):
            times = (after.seconds / after.size) / (before.seconds / before.size)
            what = after.name.partition(": ")[2]
            found.append(f"{what}: a byte of the largest costs {times:.2f} times one of the next smaller log")
    return "Growth", f"Medians of {min(plan.runs, 3)}.", rows, found


def _ratio(text: str, row: Row | None, other: Row | None, of: str, target: float, *, most: bool = False) -> str:
    if row is None or other is None or not row.runs or not other.runs:
        return f"{text} … {of}: not measured"
    ratio = statistics.median(a.seconds / b.seconds for a, b in zip(row.runs, other.runs, strict=True))
    met = ratio <= target if most else ratio >= target
    asked = "at most" if most else "at least"
    return f"{text} {ratio:.2f} times {of} (asked: {asked} {target:g}; {'met' if met else 'MISSED'})"


def _memory(rows: Sequence[Row]) -> str:
    worst = max((row for row in rows if row.runs), key=lambda row: row.memory)
    met = "met" if worst.memory < MOST_MEMORY else "MISSED"
    return f"logscan needs at most {worst.memory:.0f} MB ({worst.name}; asked: below {MOST_MEMORY}; {met})"


# ---------------------------------------------------------------- the page


def page(tables: Sequence[Table], plan: Plan) -> Iterator[str]:
    """RESULTS.md, line by line."""
    yield "# Results"
    yield ""
    yield "Written by `python -m benchmarks`; see there how it measures. Times are medians of whole processes."
    yield ""
    yield f"- {datetime.now(UTC):%Y-%m-%d}, logscan {__version__}, Python {platform.python_version()}"
    yield f"- {_processor()}, {len(os.sched_getaffinity(0))} cores, {_memory_of_machine()}, {platform.system()}"
    yield f"- log: {plan.size / 1e6:.0f} MB, {plan.truth['lines']:,} lines, {plan.truth['volumes']:,} volumes, one in 200 fails; {plan.runs} runs"
    for title, about, rows, found in tables:
        yield from (
            "",
            f"## {title}",
            "",
            about,
            "",
            "| command | seconds | MB/s | memory, MB |",
            "| --- | ---: | ---: | ---: |",
        )
        for row in rows:
            name = row.name.replace("|", "\\|")
            if row.missing:
                yield f"| {name} | not installed: `{row.missing}` | | |"
            elif row.wrong:
                yield f"| {name} | WRONG: {row.wrong} | | |"
            else:
                name += ", one run" * row.once
                yield f"| {name} | {row.seconds:.2f} | {row.size / 1e6 / row.seconds:,.0f} | {row.memory:,.0f} |"
        yield ""
        yield from (f"- {one}" for one in found)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_of_machine() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def main() -> int:
    """Measure, print, write the page."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=500)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--growth", default="10,100,500,2000", help="MB, comma separated; empty: none")
    parser.add_argument("--only", default="", help="tables whose title holds this")
    parser.add_argument("--out", type=Path, help="the page; default: only print it")
    parser.add_argument("--folder", type=Path, help="where logs are made; default: a temporary one")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        log = folder / "controller.log"
        plan = Plan(folder, asked.megabytes, asked.runs, log, klog_gen.generate(log, asked.megabytes))
        sizes = [float(one) for one in asked.growth.split(",") if one]
        makers: list[tuple[str, Callable[[], Table]]] = [
            ("Diagnose", lambda: diagnose_table(plan)),
            ("Table", lambda: table_table(plan)),
            ("Files", lambda: files_table(plan)),
            ("Rules", lambda: rules_table(plan)),
            *([("Growth", lambda: growth_table(plan, sizes))] if sizes else []),
        ]
        tables = []
        for title, make in makers:
            if asked.only.lower() in title.lower():
                print(title, flush=True)
                tables.append(make())
        text = "\n".join(page(tables, plan)) + "\n"
    print(text)
    if asked.out is not None:
        asked.out.write_text(text, encoding="utf-8")
    return int(any(row.wrong for _, _, rows, _ in tables for row in rows))


if __name__ == "__main__":
    sys.exit(main())
