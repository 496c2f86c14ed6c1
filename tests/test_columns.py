"""Tables say what the report says, row by row, in every form in which they can be had."""

from __future__ import annotations

import csv
import itertools
import json
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import logscan
from logscan import cli, columns, narrow, passing, ranges, rules, scan, sources
from logscan.columns import files, requests, rows, schemas, subject
from logscan.errors import LogscanError
from logscan.report.sheet import _FORMULA as FORMULA
from tests import driver_simulator as sim
from tests import test_narrow

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = sorted(path for path in (ROOT / "samples").iterdir() if path.suffix in {".log", ".txt"})
REFERENCE = test_narrow.REFERENCE
WHATS = list(schemas.TABLES)
some = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


def table_of(data: bytes, what: str = "records", cuts: list[int] = (), **options: object) -> pa.Table:
    tabler = columns.Tabler(what, loaded(), scan.Options(reference=REFERENCE, **options))
    borders = sorted({0, *(cut % (len(data) + 1) for cut in cuts), len(data)})
    chunks = [data[start:end] for start, end in itertools.pairwise(borders)]
    batches = list(tabler.batches([sources.Source("x.log", None, iter(chunks))]))
    return pa.Table.from_batches(batches, tabler.schema)


def rows_of(table: pa.Table) -> list[dict[str, object]]:
    return table.to_pylist()


# ---------------------------------------------------------------- what they say


def test_the_manual_tells_the_schemas():
    assert (ROOT / "docs" / "tables.md").read_text(encoding="utf-8").endswith("\n\n" + columns.manual())


@pytest.mark.parametrize("what", WHATS)
def test_a_schema_tells_the_meaning_of_every_column_and_of_null(what):
    for field in columns.schema(what):
        assert field.metadata[b"meaning"], field.name
        assert field.nullable == (b"null" in field.metadata), field.name
    with pytest.raises(LogscanError, match="one of records, calls, findings, diagnoses"):
        columns.schema("record")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_the_rows_add_up_to_the_report(path):
    data = path.read_bytes()
    scanner = scan.Scanner(loaded(), scan.Options(reference=REFERENCE))
    scanner.read(sources.Source("x.log", None, iter([data])))
    report = scanner.report()
    records, calls, findings = (rows_of(table_of(data, what)) for what in ("records", "calls", "findings"))
    assert [row["record"] for row in records] == list(range(report.counts.records))
    bad = [row for row in records if row["severity"] in {"warning", "error", "fatal"}]
    assert len(bad) == report.counts.problems
    # What only looks like a rule's trouble is unrecognised in the report.
    assert sum(row["rule"] is None for row in bad) <= report.counts.unrecognised
    assert sum(row["outcome"] == "failed" for row in calls) == report.calls.failed
    assert sum(row["hung"] for row in calls) == report.calls.hung
    keys = {(row["input"], row["record"]): row for row in records}
    for row in findings:
        record = keys[row["input"], row["record"]]
        same = (
            "line",
            "end_line",
            "time",
            "call_id",
            "method",
            "volume",
            "pvc",
            "namespace",
            "server",
            "share",
            "grpc_code",
        )
        assert {name: row[name] for name in same} == {name: record[name] for name in same}
        assert record["rule"] is not None
        assert row["captures"] is None or isinstance(json.loads(row["captures"]), dict)
    assert {(row["input"], row["record"]) for row in findings} == {
        key for key, row in keys.items() if row["rule"] is not None
    }
    numbers = [row["call_id"] for row in calls]
    assert len(numbers) == len(set(numbers))
    assert {row["call_id"] for row in records} - {None} <= set(numbers)


def test_the_flagship_as_rows():
    records = rows_of(table_of((ROOT / "samples" / "readonly-share.log").read_bytes()))
    failure = next(row for row in records if row["severity"] == "error")
    assert (failure["rule"], failure["grpc_code"], failure["method"]) == (
        "create-mkdir-rofs",
        "Internal",
        "CreateVolume",
    )
    assert (failure["source_file"], failure["source_line"], failure["pid"]) == ("utils.go", 93, 1)
    assert failure["time"].isoformat() == "2026-07-20T09:53:52.387108+00:00"
    assert failure["volume"] == "pvc-ca0ab165-9aa5-42a4-ae15-f4fd036142d2"
    request = next(row for row in records if row["message"].startswith("GRPC request: "))
    assert (request["volume"], request["server"], request["share"]) == (failure["volume"], "192.168.59.102", "/")
    assert (request["pvc"], request["namespace"]) == ("data-primary-mariadb-cluster-primary-0", "default")
    assert request["call_id"] > failure["call_id"]


noise = st.lists(
    st.one_of(
        st.sampled_from([*test_narrow.NOISE, '{"log":"I0720 09:53:52.123456       1 a.go:1] \\ud800\\n","stream":"stderr","time":"2026-07-20T09:53:52Z"}',
                         "E0720 09:53:52.123456 99999999999999999999 a/b.go:1] big", "F1332 25:61:61.123456       1 x.go:0] no such time"]),
        st.text(max_size=60), st.binary(max_size=60).map(lambda data: data.decode("latin-1")),
    ),
    max_size=12,
)  # fmt: skip


@some
@given(test_narrow.logs, noise, st.lists(st.integers(0, 1 << 20), max_size=8), st.randoms())
def test_nothing_is_null_that_must_not_be_wherever_the_log_is_cut(lines, odd, cuts, dice):
    lines = list(lines)
    for text in odd:
        lines.insert(dice.randrange(len(lines) + 1), text)
    data = "\n".join(lines).encode("utf-8", "surrogatepass" if dice.random() < 0.5 else "replace")
    for what in WHATS:
        table = table_of(data, what, cuts)
        table.validate(full=True)
        for field in table.schema:
            assert field.nullable or not table.column(field.name).null_count, field.name
        assert table.equals(table_of(data, what))
    records, calls = (rows_of(table_of(data, what)) for what in ("records", "calls"))
    assert {row["call_id"] for row in records} - {None} <= {row["call_id"] for row in calls}


# ---------------------------------------------------------------- passed over, cut, in processes


@pytest.fixture
def small(monkeypatch):
    """Borders of all kinds within a few kilobytes."""
    monkeypatch.setattr(passing, "NARROW_FROM", 1)
    monkeypatch.setattr(passing, "LEARN_FROM", 1 << 60)
    monkeypatch.setattr(narrow, "UNIT", 5_000)
    monkeypatch.setattr(narrow, "MAX_HELD", 20_000)
    monkeypatch.setattr(rows, "MAX_ROWS", 40)


def passed(monkeypatch, data: bytes, **options: object) -> tuple[pa.Table, int]:
    """The table of a log, and how many of its records were not read."""
    counted = []
    real = rows.Rows.run

    def run(self, run, *rest):  # noqa: ANN002
        counted.append(run.lines)
        real(self, run, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(rows.Rows, "run", run)
        return table_of(data, cuts=[3_000, 20_000], **options), sum(counted)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(test_narrow.logs, noise, st.lists(st.integers(0, 1 << 20), max_size=12), st.randoms())
@pytest.mark.usefixtures("small")
def test_records_that_are_not_read_have_the_rows_of_those_that_are(lines, odd, cuts, dice):
    lines = list(lines)
    for text in odd[:6]:
        lines.insert(dice.randrange(len(lines) + 1), text)
    if odd and dice.random() < 0.5:  # lines of different calls change places, or are gone
        first, second = (dice.randrange(len(lines)) for _ in range(2))
        lines[first], lines[second] = lines[second], lines[first]
        del lines[dice.randrange(len(lines))]
    data = "\n".join(lines).encode("utf-8", "replace")
    fast = table_of(data, "records", [2_000, *cuts])
    fast.validate(full=True)
    assert rows_of(fast) == rows_of(table_of(data, narrow=False))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("version", sim.VERSIONS[1:-1])
def test_most_records_of_a_healthy_log_are_not_read(monkeypatch, version):
    """Otherwise the law above holds for no reason."""
    data = "\n".join(test_narrow.log_of(7, version, 60, 0.0)).encode()
    table, count = passed(monkeypatch, data)
    assert count > table.num_rows * 0.5
    assert rows_of(table) == rows_of(table_of(data, narrow=False))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("I0720 09:5", "I1332 09:5"),  # no such day
        ("I0720 09:5", "I0720 25:5"),  # nor hour
        ("       1 ", "   12345 "),  # another process
        ("       1 utils.go", "      77 utils.go"),  # two of them
        ("utils.go:", "nestedpendingoperations.go:"),  # as if it were kubelet's
        ('"server":"', '"server":"",'),  # a body that is none
        ('"csi.storage.k8s.io/pvc/name":"', '"csi.storage.k8s.io/pvc/name":"\\u00e9'),
        ('"share":"', '"Share":"/x","share":"'),
        (" is a mountpoint", ' why="because"'),  # structured
        ("internally mounting", "internally mounting rpc error: code = Internal desc ="),
        ("GRPC call: /csi.v1.Controller/", "GRPC call: /csi.v1.Group/"),
    ],
)
def test_odd_records_are_read(before, after):
    lines = test_narrow.log_of(3, "v4.4.0", 40, 0.0)
    for every in (1, 7):
        data = "\n".join(
            line.replace(before, after) if number % every == 0 else line for number, line in enumerate(lines)
        ).encode()
        assert rows_of(table_of(data, cuts=[3_000])) == rows_of(table_of(data, narrow=False))


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 1 << 32), st.integers(0, 300), st.sampled_from([0.0, 0.02]), st.sampled_from([2, 3]))
def test_rows_from_several_processes_are_those_of_one(tmp_path_factory, seed, cut, gap, jobs):
    data = "\n".join(test_narrow.log_of(seed, "v4.9.0", 120, gap)).encode()[cut:]
    path = tmp_path_factory.mktemp("file") / "x.log"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passing, "NARROW_FROM", 1)
        patch.setattr(passing, "LEARN_FROM", 2_000)
        patch.setattr(ranges, "RANGE", 40_000)
        patch.setattr(ranges, "WORTH", 0)
        patch.setattr(narrow, "UNIT", 5_000)
        tabler = columns.Tabler("records", loaded(), scan.Options(reference=REFERENCE, jobs=jobs))
        chunks = iter([data[start : start + 5_000] for start in range(0, len(data), 5_000)])
        batches = list(tabler.batches([sources.Source("x.log", None, chunks, str(path))]))
    assert rows_of(pa.Table.from_batches(batches, tabler.schema)) == rows_of(table_of(data, narrow=False))


bodies = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False), st.text(max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(
            st.sampled_from(["name", "parameters", "server", "share", "Server", "csi.storage.k8s.io/pvc/name", "volume_id",
                             "csi.storage.k8s.io/pvc/namespace", "target_path", "x"]), inner, max_size=4),
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["name", "parameters", "volume_id", "x"]), bodies, max_size=3), st.text(max_size=5)
)
def test_a_pattern_tells_of_a_request_what_json_tells(body, other):
    read = requests.Requests()
    for value in (body, {**body, "name": other}, {**body, "name": ""}, body):
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
        assert read.subject(text) == subject.of_request(value)


# ---------------------------------------------------------------- in a notebook


def test_read_joins_what_open_batches_gives():
    paths = SAMPLES[:4]
    for what in WHATS:
        table = logscan.read(paths, what)
        assert table.schema.equals(columns.schema(what), check_metadata=True)
        with logscan.open_batches(paths, what) as batches:
            assert pa.Table.from_batches(list(batches), batches.schema).to_pylist() == table.to_pylist()


def test_pandas_gets_categories_and_arrow_types():
    import pandas as pd

    frame = logscan.to_pandas(logscan.read(ROOT / "samples" / "readonly-share.log"))
    for field in columns.schema("records"):
        kind = frame.dtypes[field.name]
        if pa.types.is_dictionary(field.type):
            assert isinstance(kind, pd.CategoricalDtype)
        else:
            assert kind == pd.ArrowDtype(field.type)
    assert frame.groupby("severity", observed=True).size()["error"] == 1


def test_what_cannot_be_read_is_told_after_the_rest():
    paths = [SAMPLES[0], ROOT / "missing.log"]
    with pytest.raises(LogscanError, match=r"missing\.log"):
        logscan.read(paths)
    told: list[LogscanError] = []
    assert logscan.read(paths, on_error=told.append).num_rows == logscan.read(SAMPLES[0]).num_rows
    assert [error.place for error in told] == [str(paths[1])]


# ---------------------------------------------------------------- in files


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("nfs.log").write_bytes((ROOT / "samples" / "two-causes.log").read_bytes())
    return tmp_path


def read_back(path: str) -> pa.Table:
    import pyarrow.parquet as pq

    if path.endswith(".parquet"):
        return pq.ParquetFile(path).read()
    with pa.ipc.open_file(path) as file:
        return file.read_all()


@pytest.mark.parametrize("what", WHATS)
def test_a_file_holds_the_table(here, what):
    whole = logscan.read("nfs.log", what)
    for name in ("t.parquet", "t.arrow", "t.csv"):
        assert cli.run(["table", "nfs.log", "--what", what, "-o", name]) == 0
    assert read_back("t.parquet").schema.equals(columns.schema(what), check_metadata=True)
    assert read_back("t.arrow").schema.equals(files.plain(columns.schema(what)), check_metadata=True)
    assert read_back("t.parquet").to_pylist() == read_back("t.arrow").to_pylist() == whole.to_pylist()
    with Path("t.csv").open(encoding="utf-8", newline="") as file:
        cells = list(csv.reader(file))
    assert cells[0] == whole.schema.names
    assert len(cells) == whole.num_rows + 1
    assert not list(here.glob(".logscan*"))


@pytest.mark.usefixtures("here")
def test_a_spreadsheet_runs_no_cell():
    texts = [
        "=1+1",
        "+1",
        "-1",
        "@x",
        "|x",
        "%x",
        "\uff1d1",
        "  =1",
        "'=1",
        '"=1',
        "a\tb",
        "\u202ex",
        "##[error]x",
        "plain",
        "",
        "x" * 40_000,
    ]
    lines = [f"I0720 09:53:52.123456       1 a.go:{n}] {text}" for n, text in enumerate(texts, 1)]
    Path("evil.log").write_text("\n".join(lines), encoding="utf-8")
    assert cli.run(["table", "evil.log", "-o", "t.csv"]) == 0
    with Path("t.csv").open(encoding="utf-8", newline="") as file:
        messages = [row["message"] for row in csv.DictReader(file)]
    assert len(messages) == len(texts)
    assert not [text for text in messages if text.lstrip(" \"'").startswith(FORMULA) and not text.startswith("'")]
    assert all(text.isprintable() and "##[" not in text and len(text) < 32_767 for text in messages)
    assert messages[13:15] == ["plain", ""]


@pytest.mark.usefixtures("here")
def test_partitions_are_the_table_apart():
    import pyarrow.dataset as ds

    assert cli.run(["table", "nfs.log", "-o", "parts", "--partition-by", "day,severity"]) == 0
    whole = logscan.read("nfs.log")
    found: list[dict[str, object]] = []
    for path in Path("parts").rglob("*.parquet"):
        day, severity = (part.partition("=")[2] for part in path.parts[1:3])
        rows = read_back(str(path)).to_pylist()
        assert rows
        assert "severity" not in rows[0]
        found += [{**row, "severity": None if severity == files.NO_VALUE else severity} for row in rows]
        assert {str(row["time"].date()) if row["time"] else files.NO_VALUE for row in rows} == {day}
    assert sorted(found, key=lambda row: row["record"]) == whole.to_pylist()
    assert ds.dataset("parts", partitioning="hive").count_rows() == whole.num_rows


def test_a_partition_stays_in_its_directory(here):
    names = ["../../x", "a/b", "..", "", "=", "%2e", "\u00e9"]
    batch = pa.RecordBatch.from_arrays(
        [pa.array(names).dictionary_encode(), pa.array(range(len(names)))], names=["pod", "n"]
    )
    root = here / "deep" / "root"
    root.mkdir(parents=True)
    files.write_partitions([batch], batch.schema, root, "parquet", ["pod"])
    paths = list(here.rglob("*.parquet"))
    assert len(paths) == len(names)
    assert {path.parent.parent for path in paths} == {root}


def test_a_million_partitions_are_refused(here, monkeypatch):
    monkeypatch.setattr(files, "MAX_PARTITIONS", 3)
    batch = pa.RecordBatch.from_arrays(
        [pa.array(list("abcd")).dictionary_encode(), pa.array(range(4))], names=["pod", "n"]
    )
    with pytest.raises(LogscanError, match="more than 3 partitions"):
        files.write_partitions([batch], batch.schema, here, "parquet", ["pod"])


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["nfs.log", "-o", "t.parquet"], 0, ""),
        (["nfs.log", "-o", "t.csv", "--what", "findings"], 0, ""),
        (["nfs.log"], 2, "--output"),
        (["nfs.log", "-o", "t.txt"], 2, "--format"),
        (["nfs.log", "-o", "no/t.csv"], 2, "its directory does not exist"),
        (["nfs.log", "-o", "nfs.log", "-f", "csv"], 2, "it is an input too"),
        (["nfs.log", "-o", ".", "--partition-by", "day"], 2, "it exists already"),
        (["nfs.log", "-o", "p", "--partition-by", "line"], 2, "cannot be partitioned by 'line'"),
        (["nfs.log", "-o", "p", "--partition-by", "day,day"], 2, "named twice"),
        (["nfs.log", "-o", "-", "--partition-by", "day"], 2, "is a directory"),
        (["nfs.log", "missing.log", "-o", "t.parquet"], 3, "missing.log"),
    ],
)  # fmt: skip
def test_exit_statuses(here, capsys, arguments, status, told):
    assert cli.run(["table", *arguments]) == status
    assert told in capsys.readouterr().err
    if status in {0, 3}:
        assert Path(arguments[arguments.index("-o") + 1]).stat().st_size
    left = {path.name for path in here.iterdir()} - {"nfs.log", "t.parquet", "t.csv"}
    assert not left


def test_what_fails_on_the_way_leaves_the_old_file(here, monkeypatch):
    Path("t.parquet").write_bytes(b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files._Parquet, "write_table", fail)
    assert cli.run(["table", "nfs.log", "-o", "t.parquet"]) == 2
    assert Path("t.parquet").read_bytes() == b"old"
    assert cli.run(["table", "nfs.log", "-o", "parts", "--partition-by", "day"]) == 2
    assert {path.name for path in here.iterdir()} == {"nfs.log", "t.parquet"}


def test_cells_that_need_no_care_are_not_looked_at():
    """The pattern that passes cells over knows all that a spreadsheet would run."""
    texts = [char * n + start + "x" for start in FORMULA for char in " \"'" for n in (0, 1, 3)]
    assert not pc.any(pc.match_substring_regex(pa.array(texts), files._PLAIN)).as_py()
