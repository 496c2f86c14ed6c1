"""events: what kubectl prints of events, in any shape, becomes records; nothing else does."""

from __future__ import annotations

import json
from functools import cache

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from logscan import events, frames, klog, scan, sources
from logscan.events import eventrows
from logscan.model import Record, Report, Severity
from logscan.rules import RuleSet, load

REFERENCE = 1_784_541_232_000_000  # 2026-07-20T09:53:52Z
UID = "27837704-46a3-4f42-bc66-323ac2232d71"
KLOG = "E0720 09:53:52.387108       1 utils.go:93] GRPC error: rpc error: code = Internal desc = x"
FAILED = f'MountVolume.SetUp failed for volume "pvc-{UID}" : rpc error: code = Internal desc = something new'
UNBOUND = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims."


@cache
def loaded() -> RuleSet:
    return load()


def read(text: str, reference: int | None = None) -> list[Record]:
    """All records of an input, in order; every line must be in one of them."""
    deframer = frames.Deframer("x")
    reader = events.Reader(klog.Parser(reference=REFERENCE), reference=reference)
    records, physical = [], 0
    for number, offset, raw in sources.lines([text.encode("utf-8", "replace")], sources.Tally()):
        physical += 1
        for line in deframer.feed(number, offset, raw):
            records += reader.feed(line)
    for line in deframer.close():
        records += reader.feed(line)
    records += reader.close()
    assert sum(record.lines for record in records) == physical
    return records


def only_events(text: str, reference: int | None = None) -> list[Record]:
    return [record for record in read(text, reference) if record.kind == "event"]


def table(rows: list[tuple[str, ...]], gap: int = 3, margin: str = "") -> str:
    """Rows as kubectl aligns them; a newline in the last cell goes on at the line's start."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return "".join(
        margin + "".join(cell.ljust(width + gap) for cell, width in zip(row, widths, strict=False)) + row[-1] + "\n"
        for row in rows
    )


# ---------------------------------------------------------------- tables

GET = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE")


def test_a_row_becomes_a_record():
    text = table([GET, ("2m15s", "Warning", "FailedMount", "pod/web-0", FAILED)])

    (record,) = only_events(text)

    assert (record.severity, record.message, record.line, record.time) == (Severity.WARNING, FAILED, 2, None)
    assert (record.origin.component, record.origin.pod) == ("events", "web-0")
    assert record.fields is not None
    assert {key: record.fields[key] for key in ("reason", "kind", "name")} == {
        "reason": "FailedMount", "kind": "Pod", "name": "web-0",
    }  # fmt: skip
    assert record.header + record.message == text.splitlines()[1]


def test_all_namespaces_and_ages_with_a_count():
    header, *rows = only_events(
        table(
            [
                ("NAMESPACE", *GET),
                ("shop", "2m15s (x7 over 10m)", "Warning", "FailedMount", "Pod/web-0", FAILED),
                ("kube-system", "<unknown>", "Normal", "Created", "Pod/x", "Created"),
            ]
        ),
        REFERENCE,
    )

    assert header.fields is not None
    assert (header.fields["namespace"], header.fields["count"]) == ("shop", "7")
    assert header.time == REFERENCE - 135_000_000
    assert int(header.fields["first"]) == REFERENCE - 600_000_000
    assert [record.time for record in rows] == [None]


def test_wide():
    names = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "SUBOBJECT", "SOURCE", "MESSAGE", "FIRST SEEN", "COUNT", "NAME")
    rows = [
        names,
        ("2m15s", "Warning", "FailedMount", "pod/web-0", "", "kubelet, worker-3", FAILED, "10m", "7", "web-0.17a"),
        ("1s", "Normal", "Started", "pod/b", "spec.containers{b}", "kubelet, worker-1", "Started", "1s", "1", "b.17b"),
    ]

    first, second = only_events(table(rows))

    assert (first.message, first.origin.node) == (FAILED, "worker-3")
    assert first.fields is not None
    assert first.fields["count"] == "7"
    assert (second.message, second.origin.node) == ("Started", "worker-1")


@pytest.mark.parametrize(
    "text",
    [
        f"LAST SEEN TYPE REASON OBJECT MESSAGE\n2m15s Warning FailedMount pod/web-0 {FAILED}\n",
        f"2m15s  Warning  FailedMount  pod/web-0  {FAILED}\n",
        f"shop   2m15s  Warning  FailedMount  pod/web-0  {FAILED}\n",
        f"  Warning  FailedMount  2m (x5 over 10m)  kubelet  {FAILED}\n",
        f"Warning FailedMount 2m kubelet, worker-3 {FAILED}",
        f"│ Warning  FailedMount  58s   kubelet  {FAILED} │\n└────┘\n",
        f"what I see:\n\n  Warning  FailedMount  2m  kubelet  {FAILED}\nPlease help.\n",
    ],
)
def test_pasted_rows(text):
    (record,) = only_events(text)

    assert (record.severity, record.message) == (Severity.WARNING, FAILED)


def test_what_comes_after_a_table_is_not_its():
    text = table([GET, ("2s", "Warning", "FailedMount", "pod/web-0", FAILED)])

    records = read(f"{text}\nAnd the log:\n{KLOG}\nOutput: more\n")

    assert [record.kind for record in records] == ["preamble", "event", "text", "text", "klog"]
    assert records[-1].message.endswith("\nOutput: more")
    assert [record.kind for record in read(f"{KLOG}\n{text}Output: x\n")] == ["klog", "preamble", "event"]


@pytest.mark.parametrize(
    "text", ["Warning: this is odd\n", "Name: me\nAge: 5m\n", "{\n}\n", "apiVersion: v1\nkind: Pod\n"]
)
def test_what_is_no_event_is_let_be(text):
    assert {record.kind for record in read(text)} == {"text"}


def test_a_table_after_a_log_with_prefixes_is_no_wrapped_line():
    rows = table([GET, ("2s", "Warning", "FailedMount", "pod/web-0", FAILED)])

    assert [record.kind for record in read(f"[pod/csi-nfs-node-x/nfs] {KLOG}\n{rows}")] == ["preamble", "event", "klog"]


# ---------------------------------------------------------------- describe


def test_describe_tells_whom_its_events_are_about():
    rows = [
        ("Type", "Reason", "Age", "From", "Message"),
        ("----", "------", "----", "----", "-------"),
        ("Warning", "FailedMount", "5m2s (x12 over 16m)", "kubelet", "first line\n  Output: second"),
        ("Normal", "Scheduled", "16m", "default-scheduler", "assigned"),
    ]
    head = "Name:  web-0\nNamespace:  shop\nNode:  worker-3/10.0.0.1\nContainers:\n  web:\n    Ready:  False\n"

    mount, scheduled = only_events(f"{head}Events:\n{table(rows, gap=2, margin='  ')}")

    assert mount.message == "first line\n  Output: second"
    assert (mount.lines, mount.end_line - mount.line) == (2, 1)
    assert (mount.origin.namespace, mount.origin.pod, mount.origin.node) == ("shop", "web-0", "worker-3")
    assert (scheduled.origin.pod, scheduled.origin.node) == ("web-0", "")


def test_a_container_that_ran_out_of_memory_is_a_record():
    text = (
        "Name:  csi-nfs-node-x\nNamespace:  kube-system\nContainers:\n  nfs:\n    Last State:  Terminated\n"
        "      Reason:  OOMKilled\n      Exit Code:  137\n    Ready:  True\nEvents:  <none>\n"
    )

    (record,) = only_events(text)

    assert (record.severity, record.origin.container) == (Severity.WARNING, "nfs")
    assert record.message == "Last State:  Terminated\n  Reason:  OOMKilled\n  Exit Code:  137"


def test_the_head_of_a_claim():
    text = (
        f"Name:  data\nNamespace:  shop\nStorageClass:  nfs\nStatus:  Bound\nVolume:  pvc-{UID}\n"
        "Annotations:  volume.kubernetes.io/storage-provisioner: nfs.csi.k8s.io\nAccess Modes:  RWX\nEvents:  <none>\n\n\n"
        f"Name:  pvc-{UID}\nLabels:  <none>\nStorageClass:  nfs\nClaim:  shop/data\nReclaim Policy:  Delete\nSource:\n"
        "    Type:  CSI\n    Driver:  nfs.csi.k8s.io\n    VolumeHandle:  10.0.0.5#srv#sub##\nEvents:  <none>\n"
    )

    claim, volume = (record.fields for record in read(text) if record.fields)

    assert claim is not None
    assert volume is not None
    assert (claim["kind"], claim["volume"], claim["provisioner"]) == (
        "PersistentVolumeClaim", f"pvc-{UID}", "nfs.csi.k8s.io",
    )  # fmt: skip
    assert (volume["kind"], volume["claim"], volume["handle"]) == (
        "PersistentVolume", "shop/data", "10.0.0.5#srv#sub##",
    )  # fmt: skip


# ---------------------------------------------------------------- objects

CORE = {
    "apiVersion": "v1", "kind": "Event", "type": "Warning", "reason": "ProvisioningFailed", "count": 7,
    "message": "failed:\nOutput: x", "firstTimestamp": "2026-07-20T09:50:00Z", "lastTimestamp": "2026-07-20T09:53:52Z",
    "involvedObject": {"kind": "PersistentVolumeClaim", "namespace": "shop", "name": "data", "uid": UID},
    "source": {"component": "nfs.csi.k8s.io_worker-1_x"}, "metadata": {"name": "data.17a", "namespace": "shop"},
}  # fmt: skip
NEWER = {
    "apiVersion": "events.k8s.io/v1", "kind": "Event", "type": "Warning", "reason": "ProvisioningFailed",
    "note": "failed:\nOutput: x", "eventTime": "2026-07-20T09:50:00.000000Z",
    "regarding": {"kind": "PersistentVolumeClaim", "namespace": "shop", "name": "data", "uid": UID},
    "series": {"count": 7, "lastObservedTime": "2026-07-20T09:53:52.000000Z"},
    "reportingController": "nfs.csi.k8s.io_worker-1_x", "metadata": {"name": "data.17a", "namespace": "shop"},
}  # fmt: skip


def as_json(value: object) -> str:
    return json.dumps(value, indent=4)


def as_yaml(value: object, width: int = 80) -> str:
    return yaml.safe_dump(json.loads(json.dumps(value)), width=width)  # a copy: kubectl writes no aliases


def written(value: object) -> list[str]:
    return [json.dumps(value), as_json(value), as_yaml(value), as_yaml(value, width=40)]


@pytest.mark.parametrize(
    "text", [*written(CORE), *written(NEWER), *written({"apiVersion": "v1", "items": [CORE], "kind": "List"})]
)
def test_objects(text):
    (record,) = only_events(text)

    assert (record.severity, record.message, record.time) == (Severity.WARNING, "failed:\nOutput: x", REFERENCE)
    assert record.fields == {
        "type": "Warning", "reason": "ProvisioningFailed", "kind": "PersistentVolumeClaim", "namespace": "shop",
        "name": "data", "uid": UID, "count": "7", "source": "nfs.csi.k8s.io_worker-1_x", "first": "1784541000000000",
    }  # fmt: skip


@pytest.mark.parametrize("dump", [as_json, as_yaml])
def test_a_list_has_no_line_of_unknown_form(dump):
    text = dump({"apiVersion": "v1", "items": [CORE, NEWER, CORE], "kind": "List", "metadata": {"resourceVersion": ""}})

    assert [record.message for record in only_events(text)] == ["failed:\nOutput: x"] * 3
    assert "text" not in {record.kind for record in read(text)}


def test_a_list_of_something_else_is_let_be():
    pods = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": str(n)}} for n in range(3)]
    text = as_yaml({"apiVersion": "v1", "items": [*pods, CORE], "kind": "List"})

    assert len(only_events(text)) == 1


def test_a_huge_object_is_not_kept():
    text = "apiVersion: v1\nkind: Event\nmessage: |\n" + f"  {'x' * 1000}\n" * 5000

    assert not only_events(text)


# ---------------------------------------------------------------- laws

AGES = st.sampled_from(
    ["0s", "59s", "2m15s", "3h", "5d2h", "2y34d", "<unknown>", "2m15s (x7 over 10m)", "1s (x2 over 3d)"]
)
NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,40}[a-z0-9]", fullmatch=True)
WORDS = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1, max_size=12).filter(
    lambda word: not word.startswith(("`", "~", "$", "#", "-", "{", "|", ">", "<")) and word not in {"Name:", "Events:"}
)
TEXT = st.lists(WORDS, min_size=1, max_size=8).map(" ".join)
MESSAGES = (
    st.lists(TEXT, min_size=1, max_size=4)
    .map("\n".join)
    .filter(lambda text: not any(line[1:5].isdigit() or line.startswith("apiVersion: ") for line in text.split("\n")))
)
KINDS = st.sampled_from(["pod", "persistentvolumeclaim", "Pod", "PersistentVolumeClaim", "persistentvolume"])
TYPES = st.sampled_from(eventrows.TYPES)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(NAMES, AGES, TYPES, NAMES, KINDS, NAMES, MESSAGES), min_size=1, max_size=6),
    st.integers(2, 9),
    st.booleans(),
)
def test_a_table_reads_back(rows, gap, everywhere):
    start = 0 if everywhere else 1
    cells = [
        (space, age, kind, reason, f"{of}/{name}", text)[start:] for space, age, kind, reason, of, name, text in rows
    ]

    found = only_events(table([("NAMESPACE", *GET)[start:], *cells], gap))

    assert [record.message for record in found] == [row[-1] for row in rows]
    assert [record.fields["reason"] for record in found if record.fields] == [row[3] for row in rows]
    assert [record.fields["name"] for record in found if record.fields] == [row[5] for row in rows]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TYPES, NAMES, AGES, NAMES, MESSAGES), min_size=1, max_size=6), st.integers(2, 9))
def test_a_description_reads_back(rows, gap):
    header = ("Type", "Reason", "Age", "From", "Message")
    ruler = tuple("-" * max(3, len(word)) for word in header)

    found = only_events("Events:\n" + table([header, ruler, *rows], gap, margin="  "))

    assert [record.message for record in found] == [row[-1] for row in rows]
    assert [record.fields["reason"] for record in found if record.fields] == [row[1] for row in rows]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(lambda text, reason: {**CORE, "message": text, "reason": reason}, st.text(min_size=1), NAMES),
        max_size=4,
    )
)
def test_objects_read_back(items):
    for dump in (json.dumps, as_json, as_yaml):
        found = only_events(dump({"apiVersion": "v1", "items": items, "kind": "List"}))
        assert [record.fields["reason"] for record in found if record.fields] == [item["reason"] for item in items]


PIECES = st.sampled_from(
    [
        "LAST SEEN   TYPE   REASON   OBJECT   MESSAGE", "2m15s  Warning  FailedMount  pod/web-0  x", "Events:",
        "  Type  Reason  Age  From  Message", "  ----  ------  ---  ----  -------", "Name:  web-0", "Namespace:  shop",
        "    Last State:  Terminated", "      Reason:  OOMKilled", "apiVersion: v1", "items:", "- apiVersion: v1",
        "  kind: Event", "kind: Event", "kind: List", "{", "}", '    "apiVersion": "v1",', '    "items": [', "---", "",
        json.dumps(CORE), KLOG, "Output: x", "  indented", "│ boxed │", "Events:  <none>", "[", "  message: |-", "```",
        "  Warning  FailedMount  2m  kubelet  y", "Containers:", "  involvedObject: {kind: Pod, name: x}", "  reason: r",
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES | st.text(max_size=30), max_size=25))
def test_any_text_is_read_and_every_line_is_in_one_record(lines):
    read("\n".join(lines))


@settings(max_examples=30, deadline=None)
@given(st.lists(PIECES, max_size=15))
def test_any_text_is_diagnosed(lines):
    scanner = scan.Scanner(loaded())
    scanner.read(sources.Source("x", None, iter(["\n".join(lines).encode()])))
    counts = scanner.report().counts

    assert counts.problems == counts.matched + counts.benign + counts.unrecognised


# ---------------------------------------------------------------- joins


def diagnose(*texts: str) -> Report:
    scanner = scan.Scanner(loaded())
    for number, text in enumerate(texts):
        scanner.read(sources.Source(str(number), None, iter([text.encode()])))
    return scanner.report()


def test_a_pod_that_may_wait_for_either_of_two_causes_is_not_guessed():
    rows = [
        ("NAMESPACE", *GET),
        ("shop", "9s", "Warning", "ProvisioningFailed", "pvc/a", 'failed to provision volume with StorageClass "x": rpc error: code = InvalidArgument desc = server is a required parameter'),
        ("shop", "9s", "Warning", "ProvisioningFailed", "pvc/b", 'failed to provision volume with StorageClass "y": rpc error: code = Internal desc = failed to mount nfs server: rpc error: code = Internal desc = mount failed: exit status 32\nMounting command: mount\nMounting arguments: -t nfs 10.0.0.5:/srv /tmp/pvc-' + UID + "\nOutput: mount.nfs: access denied by server while mounting 10.0.0.5:/srv"),
        ("shop", "9s", "Warning", "FailedScheduling", "pod/web-0", UNBOUND),
    ]  # fmt: skip
    both, one = diagnose(table(rows)), diagnose(table([rows[0], rows[1], rows[3]]))

    assert sorted(found.id for found in both.diagnoses) == [
        "mount-access-denied",
        "pod-unbound-claims",
        "sc-server-missing",
    ]
    assert [found.id for found in one.diagnoses] == ["sc-server-missing"]
    assert dict(one.diagnoses[0].explains)["pod-unbound-claims"] == 1


def test_a_stateful_sets_pod_waits_for_its_own_claim():
    rows = [
        ("NAMESPACE", *GET),
        *(("shop", "9s", "Normal", "ExternalProvisioning", f"pvc/data-web-{n}", "Waiting for a volume to be created either by the external provisioner 'nfs.csi.k8s.io' or manually") for n in (0, 1)),
        ("shop", "9s", "Warning", "FailedScheduling", "pod/web-1", UNBOUND),
    ]  # fmt: skip
    (found,) = diagnose(table(rows)).diagnoses

    assert found.id == "external-provisioning-wait"
    assert {volume.pvc for volume in found.volumes} == {"data-web-0", "data-web-1"}


def test_a_claim_of_another_namespace_is_not_the_one():
    rows = [
        ("NAMESPACE", *GET),
        ("ci", "9s", "Warning", "ProvisioningFailed", "pvc/a", 'failed to provision volume with StorageClass "x": rpc error: code = InvalidArgument desc = server is a required parameter'),
        ("shop", "9s", "Warning", "FailedScheduling", "pod/web-0", UNBOUND),
    ]  # fmt: skip

    assert sorted(found.id for found in diagnose(table(rows)).diagnoses) == ["pod-unbound-claims", "sc-server-missing"]


@pytest.mark.parametrize("started", ["5s", "9m"])
def test_a_container_that_started_later_heals_a_mount(started):
    rows = [
        GET,
        ("58s (x5 over 3m)", "Warning", "FailedMount", "pod/web-0", FAILED),
        (started, "Normal", "Started", "pod/web-0", "Started container web"),
    ]
    report = diagnose(table(rows))

    assert report.verdict == ("healthy" if started == "5s" else "not-enough-evidence")
    assert all(found.attempts == 5 for found in report.diagnoses)
