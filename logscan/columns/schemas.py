"""What the tables hold: names, types, units, and what a missing value means.

A schema is stable: columns may be added at its end, and none changes its meaning.
The second half of ``docs/tables.md`` is made from this file, and a test compares them.
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

from logscan.errors import LogscanError

VERSION = "v1"


class Column(NamedTuple):
    """One column: ``null`` says what a missing value means, "" that there is none."""

    name: str
    kind: str  # a key of TYPES
    meaning: str
    null: str = ""
    unit: str = ""


# "name": text of which there are few different ones, so it is dictionary-encoded.
TYPES: dict[str, pa.DataType] = {
    "name": pa.dictionary(pa.int32(), pa.string()),
    "text": pa.string(),
    "integer": pa.int64(),
    "small": pa.int32(),
    "time": pa.timestamp("us", "UTC"),
    "flag": pa.bool_(),
}

_UNTOLD = "the log does not tell"
_NO_CALL = "it belongs to no call, or the log did not tell to which when it came to this line"
_UNFRAMED = "the framing does not tell"

_SUBJECT = (
    Column("volume", "name", "PV name, or the volume handle where that is not known", _UNTOLD),
    Column("pvc", "name", "name of the claim", _UNTOLD),
    Column("namespace", "name", "namespace of the claim", _UNTOLD),
    Column("server", "name", "NFS server, as the StorageClass or the volume names it", _UNTOLD),
    Column("share", "name", 'share with a leading "/", as mounted', _UNTOLD),
)

RECORDS = (
    Column("input", "name", "name of the input, as in the report"),
    Column("record", "integer", "number of the record in its input, in the order in which records end", unit="from 0"),
    Column("line", "integer", "its first line", unit="from 1"),
    Column("end_line", "integer", "its last line; lines of other writers may lie between", unit="from 1"),
    Column("offset", "integer", "where its first line begins in the unpacked input", unit="bytes"),
    Column("framing", "name", "what wrapped the line: bare, cri, docker, kubectl-prefix, journald, …"),
    Column("kind", "name", "klog, json, text (no header was read), panic, system, preamble, event"),
    Column("pod_namespace", "name", "namespace of the pod that logged it", _UNFRAMED),
    Column("pod", "name", "pod that logged it", _UNFRAMED),
    Column("container", "name", "container that logged it", _UNFRAMED),
    Column("node", "name", "node on which it was logged", _UNFRAMED),
    Column("component", "name", "program that logged it: nfs, csi-provisioner, kubelet, kernel, …", "neither framing nor source file tells"),
    Column("time", "time", "when it was logged", "it has no stamp, or one that no calendar knows", "µs, UTC"),
    Column("time_source", "name", "who told the year: carrier, preamble, file-name, option, assumed, none"),
    Column("severity", "name", "info, warning, error, fatal", "no header says it"),
    Column("pid", "integer", "process or thread id in the header", "there is none, or it is above 2^63 - 1"),
    Column("source_file", "name", "Go source file that logged it, without its directory", "no header says it"),
    Column("source_line", "small", "line in that file", "no header says it", "from 1"),
    Column("message", "text", "the text behind the header, the lines that continue it joined with line feeds"),
    Column("call_id", "integer", "the gRPC call that it belongs to, see the table of calls", _NO_CALL),
    Column("method", "name", 'method of that call, or the one that a "GRPC call: …" line names', _NO_CALL),
    *_SUBJECT,
    Column("grpc_code", "name", "outermost gRPC code in the message: Internal, DeadlineExceeded, …", "it holds no gRPC status"),
    Column("rule", "name", "the rule that it bears the signature of; of several the one that explains the others, else the worst", "no rule knows it"),
    Column("category", "name", "likeliest category of that rule; the diagnosis of the whole log may decide for another", "no rule knows it, or what it knows is noise"),
)  # fmt: skip

CALLS = (
    Column("call_id", "integer", "number of the call in this reading; numbers ascend and some are left out", unit="from 0"),
    Column("input", "name", "name of the input in which it began"),
    Column("line", "integer", "line of its request, or of its error where the log holds no request", unit="from 1"),
    Column("method", "name", "CreateVolume, NodePublishVolume, …", _UNTOLD),
    *_SUBJECT,
    Column("role", "name", "controller or node", _UNTOLD),
    Column("node", "name", "node of the driver", _UNTOLD),
    Column("pod", "name", "pod of the driver", _UNFRAMED),
    Column("attempt", "small", "attempts of this method for this volume so far, this one included", unit="from 1"),
    Column("outcome", "name", "ok, failed, or killed: no end before that of the log, or before a restart"),
    Column("hung", "flag", "open for longer than any time-out of the driver"),
    Column("start", "time", "when the request was logged", "the log holds no request, or no time of it", "µs, UTC"),
    Column("end", "time", "when the end was logged", "there is none, or no time of it", "µs, UTC"),
    Column("duration", "integer", "from start to end", "one of them is missing", "µs"),
    Column("grpc_code", "name", "gRPC code of a failure", "it did not fail, or only mount's error is in the log"),
    Column("error", "text", "the failure's innermost text", "it did not fail"),
    Column("target", "name", "target path", _UNTOLD),
    Column("source", "name", "server:/path that was mounted", "no mount was seen"),
    Column("options", "name", "options of that mount, comma separated", "no mount was seen, or not its options"),
    Column("step", "name", "the last step that was seen: mounting, mount, unmounting, …", "none was"),
    Column("candidates", "small", "of how many calls this is one, where the log does not tell which", unit="from 1"),
)  # fmt: skip

FINDINGS = (
    Column("input", "name", "name of the input; with record the key of the table of records"),
    Column("record", "integer", "number of the record in its input", unit="from 0"),
    Column("line", "integer", "first line of the record", unit="from 1"),
    Column("end_line", "integer", "last line of the record", unit="from 1"),
    Column("time", "time", "when it was logged", "it has no stamp, or one that no calendar knows", "µs, UTC"),
    Column("rule", "name", "id of the rule whose signature the record bears"),
    Column("title", "name", "title of the rule"),
    Column("severity", "name", "severity of the rule: info is noise that looks bad"),
    Column("category", "name", "likeliest category of the rule; the diagnosis may decide for another", "what the rule knows is noise"),
    Column("component", "name", "program that logged the record", "neither framing nor source file tells"),
    Column("pod", "name", "pod that logged it", _UNFRAMED),
    Column("node", "name", "node on which it was logged", _UNFRAMED),
    Column("call_id", "integer", "the gRPC call that the record belongs to", _NO_CALL),
    Column("method", "name", "method of that call", _NO_CALL),
    *_SUBJECT,
    Column("grpc_code", "name", "outermost gRPC code in the message", "it holds no gRPC status"),
    Column("captures", "text", "what the rule's pattern captured, as a JSON object", "it captured nothing"),
)  # fmt: skip

DIAGNOSES = (
    Column("diagnosis", "integer", "number of the diagnosis in the report, the worst first", unit="from 0"),
    Column("id", "name", "id of the rule that it was made of"),
    Column("category", "name", "category of the cause"),
    Column("severity", "name", "info, warning, error, fatal"),
    Column("confidence", "name", "high, medium or low"),
    Column("cause", "text", "the cause in a sentence"),
    Column("fix", "text", "the remedy in a sentence", "there is none"),
    *_SUBJECT,
    Column("failures", "integer", "failed calls, of all volumes"),
    Column("attempts", "integer", "attempts of the volume that tried most often"),
    Column("first_time", "time", "when it was first seen", "no record of it has a time", "µs, UTC"),
    Column("last_time", "time", "when it was last seen", "no record of it has a time", "µs, UTC"),
    Column("recovered", "flag", "a later call ended well"),
    Column("ongoing", "flag", "it still fails at the end of the log"),
)  # fmt: skip

TABLES: dict[str, tuple[Column, ...]] = {
    "records": RECORDS, "calls": CALLS, "findings": FINDINGS, "diagnoses": DIAGNOSES,
}  # fmt: skip

_ABOUT = {
    "records": "A row for every record of the inputs: a header line and the lines that continue it.",
    "calls": (
        "A row for every gRPC call of the driver that carries a request or fails. Its row tells what the log has told by"
        " the end of the call, also of the volume. Calls without a body (`Probe` and the like) have no row."
    ),
    "findings": "A row for every rule whose signature a record bears, before a diagnosis folds, weighs and dismisses them.",
    "diagnoses": "A row for every diagnosis of the report and each of its volumes; one row for a diagnosis without volumes.",
}


def schema(what: str) -> pa.Schema:
    """The schema of a table; each field's metadata has its meaning, and its unit and the meaning of null where it has them.

    Raises:
        LogscanError: there is no such table.
    """
    if what not in TABLES:
        raise LogscanError("what", f"there is no table of {what}", f"one of {', '.join(TABLES)}")
    fields = []
    for column in TABLES[what]:
        words = {"meaning": column.meaning, "unit": column.unit, "null": column.null}
        metadata: dict[bytes | str, bytes | str] = {key: text for key, text in words.items() if text}
        fields.append(pa.field(column.name, TYPES[column.kind], nullable=bool(column.null), metadata=metadata))
    return pa.schema(fields, {"logscan": f"{what}/{VERSION}"})


def manual() -> str:
    """What the columns of all tables mean, as Markdown: the second half of ``docs/tables.md``."""
    parts: list[str] = []
    for what in TABLES:
        parts += [
            f"## {what}\n\n{_ABOUT[what]}\n\n| column | type | unit | meaning | null |\n| --- | --- | --- | --- | --- |\n"
        ]
        for field in schema(what):
            told = {key.decode(): text.decode() for key, text in (field.metadata or {}).items()}
            kind = "dictionary of string" if pa.types.is_dictionary(field.type) else str(field.type)
            parts.append(
                f"| {field.name} | {kind} | {told.get('unit', '')} | {told['meaning']} | {told.get('null', 'never')} |\n"
            )
        parts.append("\n")
    return "".join(parts[:-1])
