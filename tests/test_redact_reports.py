"""``--redact``: nothing that must not leave is in anything that is written, in whatever form."""

from __future__ import annotations

import dataclasses
import io
import itertools
import json
import os
import re
import sys
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from logscan import cli, rules
from logscan.columns import arrays, schemas, veiled
from logscan.edge import FORMATS
from logscan.model import Rule, Severity
from logscan.pseudonyms import Pseudonyms
from logscan.redact import Redactor, examples_of, words_of
from logscan.redactreport import ReportRedactor
from logscan.report import json_reader, json_v1

VOLUME = "pvc-ca0ab165-9aa5-42a4-ae15-f4fd036142d2"
NODE_LOG = """\
Jul 20 09:53:50 acme-node-7 kubelet[99]: E0720 09:53:50.000001      99 odd.go:1] "Volume of acme-web is odd" pod="acme-shop/acme-web" node="acme-node-7"
Jul 20 09:53:51 acme-node-7 kubelet[99]: E0720 09:53:51.000001      99 odd.go:2] acme-db said Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhY21lIn0.c2ln
"""
LOG = f"""\
I0720 09:53:50.201408       1 nfs.go:84] Driver: nfs.csi.k8s.io version: v4.6.0
I0720 09:53:52.201408       1 utils.go:109] GRPC call: /csi.v1.Controller/CreateVolume
I0720 09:53:52.201568       1 utils.go:110] GRPC request: {{"name":"{VOLUME}","parameters":{{"csi.storage.k8s.io/pv/name":\
"{VOLUME}","csi.storage.k8s.io/pvc/name":"acme-data","csi.storage.k8s.io/pvc/namespace":"acme-shop","server":"acme-nas",\
"share":"/"}},"secrets":{{"password":"acme-hunter2"}},"volume_capabilities":[{{"AccessType":{{"Mount":{{"mount_flags":["nfsvers=4.1","password=acme-hunter2"]}}}}}}]}}
I0720 09:53:52.378454       1 controllerserver.go:465] internally mounting acme-nas:/ at /tmp/{VOLUME}
E0720 09:53:52.387108       1 utils.go:114] GRPC error: rpc error: code = Internal desc = failed to make subdirectory: \
mkdir /tmp/{VOLUME}/{VOLUME}: read-only file system
E0720 09:53:53.000001       1 odd.go:7] acme-nas and nas.acme.corp and 10.11.12.13 and jane@ACME.CORP and https://u:acme-hunter2@10.11.12.13/ are odd
"""
PLANTED = re.compile("acme|10\\.11\\.12\\.13|hunter2|jane|ca0ab165|eyJ", re.IGNORECASE)


@cache
def loaded() -> tuple[Rule, ...]:
    return rules.load().rules


@pytest.fixture(autouse=True)
def _logs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOGSCAN_REDACT_SALT", raising=False)
    Path("acme").mkdir()
    Path("acme/acme-prod.log").write_text(LOG)
    Path("acme/node.log").write_text(NODE_LOG)


def run(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = cli.run(list(arguments))
    return (status, *capfd.readouterr())


@pytest.mark.parametrize("command", ["diagnose", "check"])
def test_no_format_tells(command, capfd):
    files = ["acme/acme-prod.log", "acme/node.log", "acme/missing.log"]
    for options in (["--redact", "--redact-name", "acme-db"], []):
        places = [part for name in FORMATS for part in ("-o", f"{name}={name}")]
        status, _, errors = run(capfd, command, *files, *options, *places, "--metrics", "figures.prom")
        assert status == 3
        assert "no such file or directory" in errors
        told = {name: Path(name).read_text() for name in FORMATS} | {"figures": Path("figures.prom").read_text()}
        told["errors"] = errors
        found = {name for name, text in told.items() if PLANTED.search(text)}
        assert all(told.values())
        assert found == (set() if options else {*FORMATS, "errors"} - {"issue"})


@pytest.mark.parametrize("format_", ["text", "json"])
def test_no_trace_tells(format_, capfd):
    status, out, errors = run(
        capfd, "trace", "acme-data", "acme/acme-prod.log", "acme/node.log", "--redact", "-f", format_
    )
    assert (status, errors) == (0, "")
    assert "CreateVolume" in out
    assert not PLANTED.search(out), out
    status, _, errors = run(capfd, "trace", "nobody", "acme/acme-prod.log", "--redact")
    assert status == 2
    assert "the input tells of pvc-" in errors
    assert not PLANTED.search(errors), errors


@pytest.mark.parametrize("what", schemas.TABLES)
@pytest.mark.parametrize("kind", ["csv", "parquet", "arrow"])
def test_no_table_tells(what, kind, capfd):
    for options in (["--redact", "--redact-name", "acme-db"], []):
        status, _, errors = run(
            capfd, "table", "acme/acme-prod.log", "acme/node.log", "acme/missing.log", "--what", what, *options, "-o", f"out.{kind}",
        )  # fmt: skip
        assert status == 3
        assert "no such file or directory" in errors
        told = "\n".join(map(str, cells_of(Path(f"out.{kind}"))))
        assert told
        assert bool(PLANTED.search(told + errors)) is not bool(options), PLANTED.search(told + errors)


def cells_of(path: Path) -> list[object]:
    """All values and names of a table in a file."""
    if path.suffix == ".csv":
        return path.read_text(encoding="utf-8").split("\n")
    table = parquet.read_table(path) if path.suffix == ".parquet" else pa.ipc.open_file(path).read_all()
    return [value for row in table.to_pylist() for value in row.values()]


def test_no_partition_of_a_table_tells(capfd):
    status, _, errors = run(
        capfd, "table", "acme", "--redact-name", "acme-db", "--partition-by", "node,pvc", "-o", "parts", "-f", "csv"
    )
    assert (status, errors) == (0, "")
    files = [path for path in Path("parts").rglob("*") if path.is_file()]
    assert len(files) > 1
    assert not PLANTED.search(" ".join([*map(str, files), *(path.read_text() for path in files)]))


@pytest.mark.parametrize("column", sorted({column.name for table in schemas.TABLES.values() for column in table}))
def test_every_text_of_a_table_is_redacted(column):
    """Whatever column it stands in: one that is new is here as soon as a table has it."""
    for what in schemas.TABLES:
        schema = schemas.schema(what)
        if column not in schema.names or column in veiled.OURS or what == "diagnoses":
            continue
        index = schema.get_field_index(column)
        if not (pa.types.is_string(schema.types[index]) or pa.types.is_dictionary(schema.types[index])):
            continue
        texts = [None, "nas.secret.corp", "at 10.11.12.13 of nas.secret.corp", "password=hunter2", None, "10.11.12.13"]
        nothing = [pa.nulls(len(texts), kind) for kind in schema.types]
        nothing[index] = arrays.array(texts, schema.types[index])
        batch = pa.RecordBatch.from_arrays(nothing, schema=schema)
        (told,) = veiled.redacted([batch], schema, Redactor(Pseudonyms(b"k" * 32), words_of(loaded())))
        values = told.column(index).to_pylist()
        assert [value is None for value in values] == [text is None for text in texts]
        assert not re.search(r"secret|corp|10\.11\.|hunter", str(values)), (what, values)
        assert told.schema == schema


def test_every_column_is_ours_or_redacted():
    """The words of rules and of logscan are the only ones that stay."""
    told = {column.name for table in schemas.TABLES.values() for column in table}
    assert told >= veiled.OURS | set(veiled.NAMES)
    assert not veiled.OURS & {"message", "error", "captures", "input", "method", "target", "source", "options", "share"}


@pytest.mark.parametrize("format_", ["text", "json"])
def test_no_comparison_tells(format_, capfd):
    run(capfd, "acme/acme-prod.log", "-o", "acme/acme-old.json")
    Path("acme/acme-new.log").write_text(LOG + LOG.replace("acme-data", "acme-more").replace("ca0ab165", "ca0ab166"))
    for before, after in (
        ("acme-prod.log", "acme-new.log"),
        ("acme-old.json", "node.log"),
        ("missing", "acme-new.log"),
    ):
        for options in (["--redact", "--redact-name", "acme-db"], []):
            status, out, errors = run(capfd, "diff", f"acme/{before}", f"acme/{after}", "-f", format_, *options)
            assert status == (3 if before == "missing" else 0)
            assert bool(PLANTED.search(out + errors)) is not bool(options), out + errors
            assert out


def test_what_is_the_same_is_the_same_when_redacted(capfd):
    """Also where only the second run tells that a word is a name."""
    Path("a.log").write_text(LOG.replace("acme-nas", "storage"))
    Path("b.log").write_text(LOG.replace("acme-nas", "storage") + NODE_LOG)
    kinds = []
    for options in ([], ["--redact"]):
        _, out, _ = run(capfd, "diff", "a.log", "b.log", "-f", "json", *options)
        told = json.loads(out)
        kinds.append([one["change"] for part in ("findings", "unrecognised") for one in told[part]])
    assert kinds[0] == kinds[1]
    assert "same" in kinds[0]


@pytest.mark.parametrize("format_", ["text", "json"])
def test_no_prediction_tells(format_, capfd):
    Path("acme/acme-exports").write_text("/acme-vol 10.11.12.0/24(rw,sync)\n/acme-vol acme-node-7(ro) acme\n")
    Path("acme/class.yaml").write_text(CLASS)
    for options in (["--redact", "--redact-paths"], []):
        status, out, errors = run(
            capfd, "predict", "--exports", "acme/acme-exports", "--storageclass", "acme/class.yaml", "--storageclass",
            "acme/missing.yaml", "-f", format_, *options,
        )  # fmt: skip
        assert status == 3, errors
        assert "no such file or directory" in errors
        assert "wrong-share-path" in out
        assert bool(PLANTED.search(out + errors)) is not bool(options), PLANTED.search(out + errors)


CLASS = """\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: acme-fast}
provisioner: nfs.csi.k8s.io
parameters: {server: nas.acme.corp, share: /}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: acme-pv}
spec:
  csi: {driver: nfs.csi.k8s.io, volumeHandle: acme-handle, volumeAttributes: {server: nas.acme.corp, share: /acme-vol/acme-sub}}
"""


@pytest.mark.parametrize("format_", ["text", "ndjson"])
def test_what_happens_tells_nothing(format_, capfd, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(_Pipe(LOG.encode())))
    status, out, errors = run(capfd, "--follow", "--redact", "-f", format_)
    assert (status, errors) == (0, "")
    assert "opened" in out
    assert not PLANTED.search(out), out


class _Pipe(io.RawIOBase):
    """Standard input of a writer who has said all."""

    def __init__(self, data: bytes) -> None:
        self._read, write = os.pipe()
        os.write(write, data)
        os.close(write)

    def fileno(self) -> int:
        return self._read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = os.read(self._read, len(buffer))
        buffer[: len(data)] = data
        return len(data)


def test_a_report_and_a_log_have_the_same_names(capfd):
    run(capfd, "redact", "acme/acme-prod.log", "--map", "map.json", "-o", "out.log")
    before = Path("map.json").read_text()
    ours = json.loads(run(capfd, "acme/acme-prod.log", "--redact-map", "map.json", "-f", "json")[1])
    theirs = json.loads(run(capfd, "out.log", "-f", "json")[1])
    (one,), (other,) = ours["diagnoses"], theirs["diagnoses"]
    assert one["volumes"] == other["volumes"]
    assert one["cause"] == other["cause"]
    assert [item["text"] for item in one["evidence"]] == [item["text"] for item in other["evidence"]]
    assert json.loads(before)["key"] == json.loads(Path("map.json").read_text())["key"]


def test_a_baseline_needs_names_that_last(capfd, monkeypatch):
    status, _, errors = run(capfd, "check", "acme/node.log", "--redact", "--write-baseline", "b.json")
    assert status == 2
    assert "LOGSCAN_REDACT_SALT" in errors
    monkeypatch.setenv("LOGSCAN_REDACT_SALT", "a long secret")
    status, _, errors = run(capfd, "check", "acme/acme-prod.log", "--redact", "--write-baseline", "b.json")
    assert (status, errors.count("logscan: error")) == (1, 0), errors
    assert not PLANTED.search(Path("b.json").read_text())
    status, out, _ = run(capfd, "check", "acme/acme-prod.log", "--redact", "--baseline", "b.json", "--fail-on", "new")
    assert status == 0, out


# Words of rules and of logscan, which no log can choose.
OURS = {
    "id",
    "category",
    "references",
    "framing",
    "component",
    "components",
    "benign",
    "explains",
    "rules",
    "tool",
    "fixed_in",
    "suppressed",
    "baseline",
}


def free(value: object) -> object:
    if isinstance(value, dict):
        return {key: free(item) for key, item in value.items() if key not in OURS}
    return [free(item) for item in value] if isinstance(value, list) else value


def test_every_text_of_a_report_is_redacted(full, filled):
    """Whatever field it stands in: one that is new is here as soon as the report has it."""
    texts = (f"x{n} 10.11.{n % 250}.7 nas{n}.secret.corp password=hunter{n}" for n in itertools.count())
    report = filled(full, texts)
    assert len(re.findall(r"10\.11\.|secret\.corp|hunter", json.dumps(free(json_v1.to_dict(report))))) > 100
    one = ReportRedactor(Redactor(Pseudonyms(b"k" * 32), words_of(loaded())), examples_of(loaded()))
    told = json.dumps(free(json_v1.to_dict(one.report(report))))
    assert not re.findall(r".{30}(?:10\.11\.|secret\.corp|hunter)", told)


@pytest.mark.parametrize("length", range(1, 40))
def test_no_part_of_a_name_is_left_where_a_text_is_cut(length, full):
    """The name is at the end of 200 characters, and its rest behind them."""
    cut = ("x" * (199 - length) + " nas.secret-of-acme.corp.example.com.and.so.on")[:200]
    calls = tuple(dataclasses.replace(call, text=cut) for call in full.timeline[0].calls)
    report = dataclasses.replace(full, timeline=(dataclasses.replace(full.timeline[0], calls=calls),))
    one = ReportRedactor(Redactor(Pseudonyms(b"k" * 32)))
    told = one.report(report).timeline[0].calls
    assert told
    assert all("nas" not in call.text for call in told)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=6))
def test_a_redacted_report_is_a_report(full, filled, texts):
    report = filled(full, itertools.cycle(texts))
    one = ReportRedactor(Redactor(Pseudonyms(b"k" * 32), words_of(loaded())))
    told = one.report(report)
    out = io.StringIO()
    json_v1.write(told, out)
    assert json_reader.read(out.getvalue().encode(), "-") is not None
    assert [d.severity for d in told.diagnoses] == [d.severity for d in report.diagnoses]
    assert Severity.ERROR in {d.severity for d in told.diagnoses}
