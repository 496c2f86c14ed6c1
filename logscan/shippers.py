"""Who wrote a line, and which part of a log shipper's JSON it is.

Field names are those that docker, fluent-bit, Vector, stern, Loki, journald, Elastic, Splunk,
OpenTelemetry, Datadog and the exports of GCP, Azure and AWS write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from logscan.stamps import RFC3339, Stamps, micros

MAX_DEPTH = 6  # objects around one line

_COMPONENT = {
    "nfs": "nfs", "csi-provisioner": "csi-provisioner", "csi-snapshotter": "csi-snapshotter", "csi-resizer": "csi-resizer",
    "node-driver-registrar": "registrar", "liveness-probe": "liveness",
}  # fmt: skip
_KUBELETS = ("kubelet", "k3s", "k3s-agent", "rke2", "rke2-server", "rke2-agent", "kubelite", "hyperkube", "k0s")
_NFSD = (
    "nfsd",
    "mountd",
    "exportfs",
    "statd",
    "exportd",
    "nfsdcld",
    "nfsdctl",
    "nfs-server",
    "nfs-mountd",
    "nfs-server-generator",
)

# It gets Kerberos credentials for the mounts of a node; its counterpart on a server is rpc.svcgssd.
_GSSD = ("rpc.gssd", "rpc-gssd", "gssd")

# What shippers call the field that holds the line: docker and fluent-bit, stern and Vector, Loki,
# journald, GCP, Azure, CloudWatch Insights, Splunk, OpenTelemetry, Datadog.
_LINE_KEYS = (
    "log", "message", "line", "MESSAGE", "textPayload", "jsonPayload", "LogEntry", "LogMessage", "logEntry", "@message", "_raw", "event",
    "_source", "result", "body", "content", "msg", "attributes",
)  # fmt: skip
_LIST_KEYS = ("events", "logEvents", "entries", "hits", "result", "results", "data", "streams", "items", "values")
_TIME_KEYS = (
    "time", "timestamp", "@timestamp", "ts", "TimeGenerated", "_time", "__REALTIME_TIMESTAMP", "date", "eventTime", "lastTimestamp",
)  # fmt: skip
_META = {
    "namespacename": "namespace", "namespace": "namespace", "podnamespace": "namespace", "podname": "pod", "pod": "pod",
    "containername": "container", "container": "container", "nodename": "node", "node": "node", "host": "node", "hostname": "node",
    "computer": "node", "kubecontainername": "container", "kubenamespace": "namespace",
}  # fmt: skip
_META_HOLDERS = frozenset(
    (
        "kubernetes",
        "k8s",
        "resource",
        "labels",
        "stream",
        "pod",
        "container",
        "node",
        "host",
        "attributes",
        "_source",
        "result",
        "involvedobject",
    ),
)
_GCP_SEVERITY = {"DEFAULT": "I", "INFO": "I", "NOTICE": "I", "WARNING": "W", "ERROR": "E", "CRITICAL": "F"}


def is_klog(text: str) -> bool:
    """Whether *text* begins as a klog header does; klog.HEADER decides for good."""
    if text[:1] not in "IWEF" or not text[1:5].isdigit():
        return False
    if text[5:6] == " ":
        return text[6:8].isdigit() and text[8:9] == ":"
    return text[5:9].isdigit() and text[9:10] == " " and text[12:13] == ":"


def is_event(value: Any) -> bool:
    """Whether *value* is an Event of the Kubernetes API: it stays whole, as it says more than its message."""
    return (
        isinstance(value, dict)
        and isinstance(value.get("reason"), str)
        and (isinstance(value.get("involvedObject"), dict) or isinstance(value.get("regarding"), dict))
    )


def _is_klog_json(value: dict[str, Any]) -> bool:
    """Whether *value* is what klog (or zap) itself writes: the line, not its carrier."""
    return (
        isinstance(value.get("msg"), str)
        and ("ts" in value or "caller" in value)
        and "log" not in value
        and "kubernetes" not in value
    )


def entries(value: Any, around: dict[str, Any], depth: int) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield (line, its object, the object around) for each log entry inside *value*."""
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict) and depth <= MAX_DEPTH:
                yield from entries(item, around, depth + 1)
            elif isinstance(item, list) and len(item) >= 2 and isinstance(item[0], str) and isinstance(item[1], str):
                yield item[1], {"ts": item[0]}, around  # Loki's [nanoseconds, line]
        return
    if not isinstance(value, dict):
        return
    event: Any = value if is_event(value) else value.get("event")
    if is_event(event):
        yield json.dumps(event, ensure_ascii=False), event, around
        return
    if _is_klog_json(value):
        if depth:  # one of a list; alone it is no carrier
            yield json.dumps(value, ensure_ascii=False), {}, around
        return
    for key in _LIST_KEYS if depth < MAX_DEPTH else ():
        inner = value.get(key)
        if isinstance(inner, list) or (isinstance(inner, dict) and key in ("hits", "data")):
            found = list(entries(inner, {**around, **{k: v for k, v in value.items() if k != key}}, depth + 1))
            if found:
                yield from found
                return
    line = _line_of(value, 0)
    if line is not None:
        yield line, value, around


def _line_of(value: dict[str, Any], depth: int) -> str | None:
    """Return the line that an entry holds: in a field of a known name, else in one that looks like klog."""
    for key in _LINE_KEYS:
        inner = value.get(key)
        if isinstance(inner, str):
            return inner
        if key == "MESSAGE" and isinstance(inner, list):  # journald: a text with control characters
            return bytes(byte for byte in inner if isinstance(byte, int) and 0 <= byte < 256).decode("utf-8", "replace")
        if isinstance(inner, dict) and depth < MAX_DEPTH:
            if _is_klog_json(inner):
                return json.dumps(inner, ensure_ascii=False)
            found = _gke(value, inner) if key == "jsonPayload" else None
            found = found if found is not None else _line_of(inner, depth + 1)
            if found is not None:
                return found
    for inner in value.values():
        if isinstance(inner, str) and is_klog(inner.lstrip()):
            return inner
        if isinstance(inner, dict) and depth < MAX_DEPTH and (found := _line_of_header(inner)) is not None:
            return found
    return None


def _line_of_header(value: dict[str, Any]) -> str | None:
    return next((inner for inner in value.values() if isinstance(inner, str) and is_klog(inner.lstrip())), None)


def _gke(entry: dict[str, Any], payload: dict[str, Any]) -> str | None:
    """Put klog's header together again, which GKE's agent takes apart into fields."""
    source, message, stamp = payload.get("source"), payload.get("message"), entry.get("timestamp")
    letter = _GCP_SEVERITY.get(str(entry.get("severity")))
    if (
        not (isinstance(source, str) and isinstance(message, str) and isinstance(stamp, str) and letter)
        or ":" not in source
    ):
        return None
    match = RFC3339.match(stamp)
    if match is None or match[5] not in (None, "Z"):
        return None
    pid = str(payload.get("pid", "1"))
    return f"{letter}{stamp[5:7]}{stamp[8:10]} {stamp[11:16]}:{match[2]}.{micros(match[4]):06} {pid:>7} {source}] {message}"


def _metadata(value: dict[str, Any], into: dict[str, str], parent: str, depth: int) -> None:
    """Collect where an entry comes from, out of any shipper's naming."""
    for key, inner in value.items():
        words = key.lower().replace("_", "").replace("-", "").split(".")
        name = words[-1]
        if name == "name":
            name = words[-2] if len(words) > 1 else parent
        if isinstance(inner, str):
            if inner and name in _META and len(inner) < 300:
                into.setdefault(_META[name], inner)
        elif isinstance(inner, list) and name == "tags":  # Datadog's: "pod_name:x"
            pairs = (one.partition(":") for one in inner[:100] if isinstance(one, str))
            _metadata({name: value for name, _, value in pairs if name != "tags"}, into, "", depth + 1)
        elif isinstance(inner, dict) and depth < 3 and key.lower() in _META_HOLDERS:
            _metadata(inner, into, name, depth + 1)


# ---------------------------------------------------------------- writers


def component_of(container: str, ident: str) -> str:
    """Say which component a container, or else a syslog identifier, is; "" where none of ours."""
    if container in _COMPONENT:
        return _COMPONENT[container]
    if ident in ("kernel", "events"):
        return ident
    name = ident.rpartition("/")[2].removesuffix(".service").removeprefix("snap.")
    if name in _KUBELETS or name.startswith("microk8s.daemon-kube"):
        return "kubelet"
    if name in _GSSD:
        return "gssd"
    return "nfsd" if name.startswith("rpc.") or name in _NFSD else ""


class Frame:
    """A line on its way out of its carriers."""

    __slots__ = (
        "carrier",
        "container",
        "ident",
        "length",
        "namespace",
        "node",
        "number",
        "offset",
        "output",
        "physical",
        "pod",
        "tag",
        "text",
        "written",
    )

    def __init__(self, number: int, offset: int, text: str, physical: int, at: tuple[str, str, str, str, str]) -> None:
        self.number, self.offset, self.text, self.physical = number, offset, text, physical
        self.length = len(text)  # with what is peeled off it later
        self.namespace, self.pod, self.container, self.node, self.ident = at
        self.carrier = ""
        self.output = ""  # "stdout"; stderr, where klog writes, is ""
        self.tag = ""  # "P": a part, more follows; "F": full, or the last part; "" not known to come in parts
        self.written: int | None = None

    def part(self, text: str, physical: int) -> Frame:
        """Return a copy that carries another *text*."""
        at = (self.namespace, self.pod, self.container, self.node, self.ident)
        other = Frame(self.number, self.offset, text, physical, at)
        other.carrier, other.output = self.carrier, self.output
        other.written = self.written
        return other

    def within(self, carrier: str) -> None:
        """Note a carrier; the outermost names the line."""
        if not self.carrier or self.carrier == "pasted":
            self.carrier = carrier

    def stream(self) -> str:
        """Name what keeps this line's writer apart from the others of the input."""
        names = (self.namespace, self.pod, self.container) if self.pod or self.container else (self.node, self.ident)
        name = "/".join(filter(None, names))
        return f"{name} {self.output}".strip() if self.output else name

    def place(self, meta: dict[str, str]) -> None:
        """Take over what a carrier tells of who wrote it."""
        self.namespace = meta.get("namespace") or self.namespace
        self.pod = meta.get("pod") or self.pod
        self.container = meta.get("container", "").rpartition("/")[2] or self.container
        self.node = meta.get("node") or self.node


def describe(frame: Frame, entry: dict[str, Any], around: dict[str, Any], stamps: Stamps) -> None:
    """Set the carrier, place, time and completeness of one JSON entry."""
    meta: dict[str, str] = {}
    _metadata(entry, meta, "", 0)
    _metadata(around, meta, "", 0)
    frame.place(meta)
    holders = [
        h for h in (entry, entry.get("_source"), entry.get("result"), entry.get("attributes")) if isinstance(h, dict)
    ]
    written = next((m for h in holders for key in _TIME_KEYS if (m := stamps.any(h.get(key))) is not None), None)
    frame.written = written if written is not None else frame.written
    if "MESSAGE" in entry:
        ident = entry.get("SYSLOG_IDENTIFIER") or entry.get("_COMM") or ""
        frame.within("journald")
        frame.ident, frame.node = str(ident), str(entry.get("_HOSTNAME") or frame.node)
    elif isinstance(entry.get("log"), str) and entry.keys() <= {"log", "stream", "time", "attrs"} and "time" in entry:
        frame.within("docker")
        frame.output = "stdout" if entry.get("stream") == "stdout" else ""
        frame.tag = "F" if frame.text.endswith("\n") else "P"
        frame.text = frame.text.removesuffix("\n")
    elif "podName" in entry or entry.keys() >= {"pod", "container", "message"}:
        frame.within("stern")
    else:
        frame.within("json-lines")
        if entry.get("logtag") in ("P", "F"):
            frame.output = "stdout" if entry.get("stream") == "stdout" else ""
            frame.tag, frame.text = entry["logtag"], frame.text.removesuffix("\n")
    if is_event(entry) or entry.get("kind") == "Event":
        frame.ident = "events"


_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_]|)")


def clean(text: str) -> str:
    """Take escapes, zeros and a web page's blanks out of *text*."""
    if text.isascii() and "\x1b" not in text and "\0" not in text:
        return text
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    return text.replace("\0", "").replace("\xa0", " ").removeprefix("\ufeff")
