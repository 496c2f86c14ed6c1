"""Ways to change a log without changing what it means; each takes the log and a source of chance.

A mutation gives None where it would not be fair to the log.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

import yaml

from logscan import frames
from logscan.csi import _ROWS as RELEASES
from logscan.csi import ANCHORS
from logscan.model import Line

REFERENCE = 1_767_225_599_000_000  # as in scan.run_rule_test
Mutation = Callable[[str, random.Random], str | None]  # None: the mutation would not be fair to this log

HEADER = re.compile(r"(?m)([IWEF])(\d\d)(\d\d) (\d\d:\d\d:\d\d\.\d{6}) ( *\d+) ([\w.-]+\.go):(\d+)\] ?")


def peeled(log: str) -> list[Line] | None:
    """The program's own lines, if one program wrote all of the log and a pod's log is what it is."""
    deframer = frames.Deframer("test.log", reference=REFERENCE)
    lines = [line for n, text in enumerate(log.split("\n")[:-1]) for line in deframer.feed(n + 1, 0, text.encode())]
    lines += deframer.close()
    places = {(line.origin.carrier, line.origin.pod, line.origin.container) for line in lines if line.text}
    if len(places) != 1 or any(
        line.origin.component in {"kubelet", "kernel", "events", "nfsd", "gssd"} for line in lines
    ):
        return None
    # Kubelet is no pod: its lines have its pid, where a container's first process has 1.
    first = HEADER.match(lines[0].text)
    return lines if first and first[5].strip() == "1" else None


# ---------------------------------------------------------------- names


def other_names(log: str, rng: random.Random) -> str:
    """Other volumes, pods and claims.  As long as before: tables of kubectl are cut by column."""
    table: dict[str, str] = {}

    def other(found: re.Match[str]) -> str:
        old = found[0]
        if old not in table:
            alphabet = "0123456789abcdef" if re.search("[0-9a-f]", old) else "bcdfghjklm"
            table[old] = re.sub("[0-9a-z]", lambda _: rng.choice(alphabet), old)
        return table[old]

    log = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", other, log)
    log = re.sub(r"(?<=csi-nfs-node-)[a-z0-9]{5}\b", other, log)
    # Of a claim only what comes after its first letters, so that no word of a message is hit.
    claims = set(re.findall(r'"csi\.storage\.k8s\.io/pvc/name":"([^"]+)"', log))
    for claim in sorted(claims, key=len, reverse=True):
        if len(claim) >= 6:
            log = re.sub(
                rf"(?<![\w.-]){re.escape(claim)}(?![\w.-])", claim[::-1].strip("-").ljust(len(claim), "x"), log
            )
    return log


_ADDRESS = re.compile(r"(?<![\d.\w-])(?!127\.|0\.|10\.96\.0\.1\b)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.])")
# "nfs4" is the kernel's name for itself, no host.
_HOST = re.compile(r"(?<![\w./-])(?!nfs[34]\b)(?:nfs|node|worker|storage|filer)-?\d+(?:\.[a-z][\w-]*)*(?!\w)")


def other_servers(log: str, rng: random.Random) -> str:
    """Other addresses for addresses, other host names for host names."""
    table: dict[str, str] = {}

    def address(found: re.Match[str]) -> str:
        old = found[0]
        # As long as before, because tables are cut by column; a network stays one.
        parts = [
            rng.choice(range(1, 10) if len(p) == 1 else range(11, 100) if len(p) == 2 else range(110, 224))
            for p in old.split(".")
        ]
        new = ".".join(map(str, parts[:3])) + ("." + old.split(".")[3] if old.endswith(".0") else f".{parts[3]}")
        return table.setdefault(old, new)

    def host(found: re.Match[str]) -> str:
        old = found[0]
        return table.setdefault(
            old,
            re.sub("[a-z]", lambda _: rng.choice("bcdghjkmnpqrtvwz"), old.split(".")[0])
            + old[len(old.split(".")[0]) :],
        )

    log = _ADDRESS.sub(address, log)
    log = re.sub(r"\bfd00::(\w+)", lambda found: f"fd12:3456::{found[1]}", log)
    return _HOST.sub(host, log)


def other_directories(log: str, rng: random.Random) -> str:
    """Another exported directory; "/" stays, because it means something."""
    return re.sub(r"\bsrv/nfs\b(?!/v4)", rng.choice(["export/k8s-vols", "volume1/data", "mnt/tank/k8s"]), log)


# ---------------------------------------------------------------- wording


_ARGUMENTS = re.compile(r"(?m)^Mounting arguments: .*?(?P<source>(?:\[[^\]\s]+\]|[^\s:]+):/\S*) (?P<target>/\S+)$")
_ERROR_TEXT = re.compile(
    r"(?m)^((?:Output: )?mount\.nfs4?: (?:Connection (?:refused|timed out)|No route to host|Network is unreachable"
    r"|Protocol not supported|Operation not permitted|Input/output error|Remote I/O error|Stale file handle|No such device"
    r"|Resource temporarily unavailable|Cannot allocate memory|Invalid argument|File name too long))$"
)
_OTHER_TEXT = re.compile(
    r"(?m)^((?:Output: )?mount\.nfs4?: (?:an incorrect mount option was specified|mount system call failed"
    r"|requested NFS version or transport protocol is not supported))$"
)


def newer_nfs_utils(log: str, _rng: random.Random) -> str | None:
    """Since nfs-utils 2.6.4 mount.nfs says what it was to mount, and where."""
    found = _ARGUMENTS.search(log)
    if found is None:
        return None
    source, target = found["source"], found["target"]
    log = _ERROR_TEXT.sub(lambda text: f"{text[1]} for {source} on {target}", log)
    return _OTHER_TEXT.sub(lambda text: f"{text[1]} for {target}", log)


def called_as_nfs4(log: str, _rng: random.Random) -> str:
    return re.sub(r"(?<=Output: )mount\.nfs:", "mount.nfs4:", log)


# ---------------------------------------------------------------- time, process, place in the source


def other_times(log: str, rng: random.Random) -> str:
    """The same log some weeks and hours earlier."""
    shift = -timedelta(days=rng.randrange(1, 150), seconds=rng.randrange(86_400))

    def move(text: str, form: str) -> str:
        if "%Y" not in form:
            return move(f"2026 {text}", f"%Y {form}")[5:]
        return (datetime.strptime(text, form).replace(tzinfo=UTC) + shift).strftime(form)

    log = HEADER.sub(
        lambda f: f[1] + move(f"{f[2]}{f[3]} {f[4]}", "%m%d %H:%M:%S.%f") + f[0][f.end(4) - f.start(0) :], log
    )
    log = re.sub(r"2026-\d\d-\d\dT\d\d:\d\d:\d\d", lambda f: move(f[0], "%Y-%m-%dT%H:%M:%S"), log)
    log = re.sub(r"2026-\d\d-\d\d \d\d:\d\d:\d\d", lambda f: move(f[0], "%Y-%m-%d %H:%M:%S"), log)
    return re.sub(r"(?m)^[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d", lambda f: move(f[0], "%b %d %H:%M:%S"), log)


def other_process(log: str, rng: random.Random) -> str:
    pid = rng.choice([7, 12, 4242, 1234567])
    return HEADER.sub(lambda f: f"{f[1]}{f[2]}{f[3]} {f[4]} {pid:>7} {f[6]}:{f[7]}] ", log)


def other_place(log: str, rng: random.Random) -> str:
    """The lines of the source where another release prints the same."""
    row = rng.choice(RELEASES)[1]

    def place(found: re.Match[str]) -> str:
        message = log[found.end() : found.end() + 40]
        line = next(
            (n for (file, text), n in zip(ANCHORS, row, strict=True) if file == found[6] and message.startswith(text)),
            0,
        )
        if not line and message.startswith("GRPC request: "):
            line = row[0] + 1
        return found[0].replace(f":{found[7]}]", f":{line or int(found[7]) + rng.randrange(1, 90)}]")

    return HEADER.sub(place, log)


# ---------------------------------------------------------------- framing


def _stamps(lines: Iterable[Line]) -> Iterator[str]:
    """What the runtime would have stamped them with: a line comes when klog says, and what has no header right after."""
    now = datetime(2026, 7, 20, 9, 53, 52, tzinfo=UTC)
    for line in lines:
        found = HEADER.match(line.text)
        if found:
            now = datetime.fromisoformat(f"2026-{found[2]}-{found[3]}T{found[4]}+00:00")
        yield now.strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"
        now += timedelta(microseconds=1)


def _pod(log: str) -> str:
    on_controller = "csi.v1.Controller/" in log or "internally " in log or "/tmp/pvc-" in log
    return "csi-nfs-controller-5bd6c6f8d9-7xk2p" if on_controller else "csi-nfs-node-q9w8e"


def _framed(log: str, form: Callable[[str, str], str], *, names_container: bool) -> str | None:
    lines = peeled(log)
    if lines is None:
        return None
    if names_container:
        # Only the driver's own container has these files; another name would be another program.
        files = {found[6] for line in lines if (found := HEADER.match(line.text))}
        if lines[0].origin.pod or not files <= {file for file, _ in ANCHORS} | {"nfs.go", "mount_helper_common.go"}:
            return None
    return "".join(form(stamp, line.text) + "\n" for stamp, line in zip(_stamps(lines), lines, strict=True))


def timestamps(log: str, _rng: random.Random) -> str | None:
    return _framed(log, lambda stamp, text: f"{stamp} {text}", names_container=False)


def cri(log: str, _rng: random.Random) -> str | None:
    return _framed(log, lambda stamp, text: f"{stamp} stderr F {text}", names_container=False)


def cri_in_parts(log: str, rng: random.Random) -> str | None:
    size = rng.randrange(60, 400)

    def form(stamp: str, text: str) -> str:
        parts = [text[at : at + size] for at in range(0, len(text), size)] or [""]
        return "\n".join(f"{stamp} stderr {'F' if n == len(parts) - 1 else 'P'} {part}" for n, part in enumerate(parts))

    return _framed(log, form, names_container=False)


def docker(log: str, _rng: random.Random) -> str | None:
    return _framed(
        log,
        lambda stamp, text: json.dumps({"log": text + "\n", "stream": "stderr", "time": stamp}),
        names_container=False,
    )


def prefix(log: str, _rng: random.Random) -> str | None:
    return _framed(log, lambda _stamp, text: f"[pod/{_pod(log)}/nfs] {text}", names_container=True)


def prefix_and_timestamps(log: str, _rng: random.Random) -> str | None:
    return _framed(log, lambda stamp, text: f"[pod/{_pod(log)}/nfs] {stamp} {text}", names_container=True)


def stern(log: str, _rng: random.Random) -> str | None:
    return _framed(log, lambda _stamp, text: f"{_pod(log)} nfs {text}", names_container=True)


def shipped(log: str, _rng: random.Random) -> str | None:
    """As a shipper of a cluster writes it: one JSON object a line, with the pod beside the text."""
    place = {"namespace_name": "kube-system", "pod_name": _pod(log), "container_name": "nfs", "host": "w3"}
    return _framed(
        log,
        lambda stamp, text: json.dumps({"@timestamp": stamp, "log": text, "kubernetes": place}),
        names_container=True,
    )


_DMESG = re.compile(r"(?m)^\[12345\.678901\] ")
_JOURNAL = re.compile(r"(?m)^Jul 20 09:53:52 (?P<host>\S+) (?P<program>[\w.-]+)(?P<pid>\[\d+\])?: ")


def other_journal(log: str, rng: random.Random) -> str:
    """Lines of the kernel and of daemons as other tools show them."""
    kernel = ["[ 4711.000042] ", "[Mon Jul 20 09:53:52 2026] ", "Jul 20 09:53:52 w3 kernel: ", "<4>[ 4711.000042] ",
              "2026-07-20T09:53:52+0000 w3 kernel: ", "2026-07-20T09:53:52.123456+02:00 w3 kernel: [ 4711.000042] ",
              "4,1234,4711000042,-;"]  # fmt: skip
    log = _DMESG.sub(lambda _: rng.choice(kernel), log)
    stamp = rng.choice(["2026-07-20T09:53:52+0000", "2026-07-20T09:53:52.123456+02:00", "Jul 20 09:53:52.123456"])
    kubelet = rng.choice(["kubelet", "k3s", "rke2", "microk8s.daemon-kubelite"])
    return _JOURNAL.sub(
        lambda f: f"{stamp} {f['host']} {kubelet if f['program'] == 'kubelet' else f['program']}{f['pid'] or ''}: ", log
    )


_ROW = re.compile(
    r"(?P<age>\S+) +(?P<type>Normal|Warning) +(?P<reason>\S+) +(?P<kind>[a-z]+)/(?P<name>\S+) +(?P<message>.*)"
)
_KINDS = {"pvc": "PersistentVolumeClaim", "pod": "Pod", "pv": "PersistentVolume", "ds": "DaemonSet", "rs": "ReplicaSet",
          "deploy": "Deployment", "volumesnapshot": "VolumeSnapshot", "volumesnapshotcontent": "VolumeSnapshotContent"}  # fmt: skip


def _events(log: str) -> list[dict[str, object]] | None:
    """The rows of a table of ``kubectl get events``, as the API's objects."""
    if not log.startswith("LAST SEEN "):
        return None
    events: list[dict[str, object]] = []
    for line in log.split("\n")[1:-1]:
        row = _ROW.fullmatch(line)
        if row is None:
            return None  # a message of several lines
        kind = _KINDS.get(row["kind"], row["kind"])
        events.append({
            "apiVersion": "v1", "kind": "Event", "type": row["type"], "reason": row["reason"], "message": row["message"],
            "count": 3, "firstTimestamp": "2026-07-20T09:50:00Z", "lastTimestamp": "2026-07-20T09:53:52Z",
            "involvedObject": {"kind": kind, "namespace": "apps", "name": row["name"], "uid": "9b4f17f4"},
            "metadata": {"name": f"{row['name']}.17a", "namespace": "apps"}, "source": {"component": "kubelet"},
        })  # fmt: skip
    return events


def events_as_json(log: str, _rng: random.Random) -> str | None:
    events = _events(log)
    return (
        None if events is None else json.dumps({"apiVersion": "v1", "items": events, "kind": "List"}, indent=4) + "\n"
    )


def events_as_yaml(log: str, _rng: random.Random) -> str | None:
    events = _events(log)
    return None if events is None else yaml.safe_dump({"apiVersion": "v1", "items": events, "kind": "List"}, width=80)


def events_of_a_namespace(log: str, _rng: random.Random) -> str | None:
    """With ``-A``: one column more."""
    if not log.startswith("LAST SEEN ") or _events(log) is None:
        return None
    head, *rows = log.split("\n")[:-1]
    return f"NAMESPACE     {head}\n" + "".join(f"{'kube-system':<14}{row}\n" for row in rows)


# ---------------------------------------------------------------- layout


_WRAPPABLE = {"bare", "kubectl-prefix", "kubectl-timestamps", "cri"}


def wrapped(log: str, rng: random.Random) -> str | None:
    """A terminal that breaks lines at its width, with nothing lost.

    Only of logs with klog's headers, because nothing else shows where a record begins.
    """
    lines = peeled(log)
    if lines is None or {line.origin.carrier for line in lines} - _WRAPPABLE:
        return None
    width = rng.randrange(60, 201)
    return "".join(
        "".join(text[at : at + width] + "\n" for at in range(0, len(text), width)) or "\n"
        for text in log.split("\n")[:-1]
    )


def quoted(log: str, _rng: random.Random) -> str | None:
    """As mail and issues quote it."""
    lines = peeled(log)
    return None if lines is None else "".join(f"> {text}\n" for text in log.split("\n")[:-1])


def crlf(log: str, _rng: random.Random) -> str:
    return log.replace("\n", "\r\n")


NOISE = (
    '{"level":"info","ts":"2026-07-20T09:53:52.123Z","caller":"mvcc/index.go:214","msg":"compact tree index","revision":4711}',
    '203.0.113.9 - - [20/Jul/2026:09:53:52 +0000] "GET /healthz HTTP/1.1" 200 2 "-" "kube-probe/1.31"',
)


def noise(log: str, rng: random.Random) -> str | None:
    """Lines of other programs between the records.  Not between the lines of one, nor in what kubectl prints."""
    lines = peeled(log)
    if lines is None or lines[0].origin.carrier != "bare":
        return None
    mixed = [rng.choice(NOISE)] if rng.random() < 0.5 else []
    for line in lines:
        if HEADER.match(line.text) and rng.random() < 0.4:
            mixed += rng.sample(NOISE, rng.randrange(1, 3))
        mixed.append(line.text)
    return "\n".join(mixed) + "\n"


def neighbour(log: str, _rng: random.Random) -> str | None:
    """A volume of another server, with which all is well, before and after."""
    lines = peeled(log)
    if lines is None or lines[0].origin.carrier != "bare":
        return None
    target = "/var/lib/kubelet/pods/0d1e2f3a-1111-4222-8333-444455556666/volumes/kubernetes.io~csi/pv-well/mount"
    calm = "".join(
        f"I{lines[0].text[1:21]}       1 {text}\n"
        for text in (
            "utils.go:9] GRPC call: /csi.v1.Node/NodePublishVolume",
            f'utils.go:9] GRPC request: {{"target_path":"{target}","volume_id":"192.0.2.7#calm#pv-well##"}}',
            f"nodeserver.go:9] NodePublishVolume: volumeID(192.0.2.7#calm#pv-well##) source(192.0.2.7:/calm/pv-well) targetPath({target}) mountflags([nfsvers=4.1])",
            f"mount_linux.go:9] Mounting cmd (mount) with arguments (-t nfs -o nfsvers=4.1 192.0.2.7:/calm/pv-well {target})",
            f"nodeserver.go:9] volume(192.0.2.7#calm#pv-well##) mount 192.0.2.7:/calm/pv-well on {target} succeeded",
            "utils.go:9] GRPC response: {}",
        )
    )
    return calm + log + calm.replace("pv-well", "pv-fine").replace("0d1e2f3a", "1d1e2f3a")


def twice(log: str, _rng: random.Random) -> str | None:
    """The same again on the next day, as a driver that is not mended tries again."""
    lines = peeled(log)
    if lines is None or "Driver: " in log:
        return None  # a banner in the midst would be a restart
    again = HEADER.sub(lambda f: f"{f[1]}{f[2]}{int(f[3]) + 1:02} {f[4]} {f[5]} {f[6]}:{f[7]}] ", log)
    return log + again.replace("2026-07-20", "2026-07-21")


def crowded(log: str, rng: random.Random) -> str:
    """All at once."""
    log = rng.choice([timestamps, cri, docker, noise])(log, rng) or log
    for mutation in (other_names, other_servers, other_directories, other_times, other_process, crlf):
        log = mutation(log, rng)
    return log


MUTATIONS: tuple[Mutation, ...] = (
    other_names, other_servers, other_directories, newer_nfs_utils, called_as_nfs4, other_times, other_process, other_place, timestamps, cri, cri_in_parts, docker, prefix,
    prefix_and_timestamps, stern, shipped, other_journal, events_as_json, events_as_yaml, events_of_a_namespace, quoted,
    neighbour, twice, wrapped, crlf, noise, crowded,
)  # fmt: skip
