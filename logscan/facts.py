"""What the whole log tells: the values of the fields of a ``when`` and of the names in a template."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from logscan import csi
from logscan.calls import Tracker
from logscan.incidents import Collector, Incident
from logscan.match import Patience
from logscan.model import Call, Finding, Volume
from logscan.volumes import is_claim, learn_context


class Given(Protocol):
    """What was given beside the logs."""

    @property
    def kubelet_dir(self) -> str:
        """The kubelet's root directory as the driver was told it, "" where nothing tells."""

    def tell(self, field: str, names: Mapping[str, str], volume: Volume | None, role: str) -> object:
        """The value of ``evidence.<field>``; None where nothing tells it."""


class World:
    """What the whole log tells: the answer to every field of a ``when``.

    Args:
        version: the driver's by input name, "" for inputs that do not tell.
        end: time of the last record, µs since the epoch.
        given: exports, manifests and the like.
        events: there are events in the log.
    """

    def __init__(
        self,
        tracker: Tracker,
        collector: Collector,
        version: Mapping[str, str],
        end: int | None,
        patience: Patience | None = None,
        given: Given | None = None,
        *,
        events: bool = False,
    ) -> None:
        self.patience = patience or Patience()
        self.given = given
        self.events = events
        self.kubelet_dirs: set[str] = set()  # that the log names
        self.tracker = tracker
        self.collector = collector
        self.end = end
        self.version = version  # by input name, "" = the only one known
        self.by_server: dict[str, set[str]] = defaultdict(set)
        self.by_share: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.by_volume: dict[str, set[str]] = defaultdict(set)
        self.failed_versions: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.times: dict[tuple[str, str | tuple[str, str]], list[int]] = defaultdict(list)
        self._contexts: dict[int, dict[str, str]] = {}  # by id of the incident, until it is judged
        for incident in collector.incidents.values():
            self._learn(incident)

    def _learn(self, incident: Incident) -> None:
        rules = {finding.rule.id for finding in incident.findings}
        if directory := csi.kubelet_dir(incident.message):
            self.kubelet_dirs.add(directory)
        context = self._contexts[id(incident)] = context_of(incident, self.tracker, self.version)
        server, path = context.get("server", ""), context.get("path", "")
        volume = incident.volume.name if incident.volume else ""
        for rule in rules:
            self.times[(rule, volume or _place(incident))].extend(incident.times)
        if server:
            self.by_server[server] |= rules
        if server and path:
            self.by_share[(server, path)] |= rules
        if volume:
            self.by_volume[volume] |= rules
        # Only a mount(8) that failed says that a version of the protocol does not work there.
        if server and path and "ount failed: exit status" in incident.message and "options" in context:
            self.failed_versions[(server, path)].add(csi.mount_version(context["options"]))

    def context(self, incident: Incident) -> dict[str, str]:
        """``context_of`` an incident, which is asked for once: what was found out to learn from it serves again."""
        known = self._contexts.pop(id(incident), None)
        return context_of(incident, self.tracker, self.version) if known is None else known


class Facts:
    """The fields of a ``when`` for one finding of one incident."""

    def __init__(self, world: World, incident: Incident, finding: Finding, context: Mapping[str, str]) -> None:
        self._world = world
        self._incident = incident
        self._finding = finding
        self._context = context

    def get(self, field: str) -> Any:
        """The value of a field of rules.FIELDS; None where the log does not tell it."""
        family, _, rest = field.partition(".")
        value = getattr(self, f"_{family}", self._nothing)(rest)
        return None if value == "" and field not in {"mount.options", "mount.flavour", "role"} else value

    def matches(self, pattern: str, text: str) -> bool:
        """Whether a pattern of the rule is found in a text."""
        return self._world.patience.search(self._finding.rule.id, pattern, text) is not None

    def times(self) -> Sequence[int]:
        """When this finding was made for its volume; without one, on its node, or in the pod that logged it."""
        incident = self._incident
        return self._world.times[(self._finding.rule.id, incident.volume.name if incident.volume else _place(incident))]

    def open(self) -> bool:
        """Whether its call hung."""
        call = self._incident.call
        return self._incident.never_ended and call is not None and call.hung

    def followed_by(self, rule_id: str, within: int | None) -> bool:
        """Whether another rule was met after it, for the same volume or server."""
        met = self._world.collector.last_met
        volume = self._incident.volume.name if self._incident.volume else ""
        server = self._context.get("server", "")
        for subject in (volume, server) if volume or server else ("",):
            seen = met.get((rule_id, subject)) if subject or not (volume or server) else None
            if seen is None:
                continue
            time, clock = seen
            if time is not None and self._incident.last_time is not None:
                gap = time - self._incident.last_time
                if gap >= 0 and (within is None or gap <= within):
                    return True
            elif clock > self._incident.last_clock:
                return True
        return False

    @staticmethod
    def _nothing(_rest: str) -> Any:
        return None

    def _record(self, rest: str) -> Any:
        record = self._finding.record
        if rest == "severity":
            return "unknown" if record.severity is None else record.severity.name.lower()
        if rest == "source_line":
            return record.source_line or None
        return getattr(record, rest, None)

    def _component(self, _rest: str) -> str:
        return self._incident.origin.component

    def _pod(self, _rest: str) -> str:
        return self._incident.origin.pod

    def _role(self, _rest: str) -> str:
        if self._incident.role:
            return self._incident.role
        where = csi.parse_path(self._context.get("target", "")).where
        return {"node": "node", "share": "controller", "container": "controller"}.get(where, "")

    def _capture(self, rest: str) -> Any:
        return self._finding.captures.get(rest)

    def _path(self, _rest: str) -> str:
        path = self._finding.captures.get("path") or self._context.get("target", "")
        return csi.parse_path(path).where

    def _call(self, rest: str) -> Any:
        call = self._incident.call
        if rest == "method":
            return self._context.get("method")
        if rest == "code":
            return self._context.get("code")
        if call is None:
            return None
        if rest.startswith("request."):
            value: Any = call.request
            for part in rest.split(".")[1:]:
                value = value.get(part) if isinstance(value, Mapping) else None
            # A volume's parameters are known from other calls of it too.
            if value is None and call.volume is not None and rest.startswith("request.parameters."):
                value = call.volume.parameters.get(rest.removeprefix("request.parameters."))
            return value
        if rest == "seconds":
            return (call.end - call.start) / 1e6 if call.end is not None and call.start is not None else None
        if rest == "attempt":
            return self._incident.attempts
        return getattr(call, rest, None)

    def _mount(self, rest: str) -> Any:
        options = self._context.get("options")
        match rest:
            case "options":
                return options
            case "version":
                return None if options is None else csi.mount_version(options)
            case "flavour":
                return None if options is None else csi.mount_flavour(options)
            case "server_kind":
                server = self._context.get("server", "")
                return csi.server_kind(server) if server else None
            case "server" | "path" | "target":
                return self._context.get(rest)
        return None

    def _volume(self, rest: str) -> Any:
        volume = self._incident.volume
        if rest == "rules":
            return sorted(self._world.by_volume.get(volume.name if volume else "", ()))
        if rest in {"server", "share", "subdir", "pvc", "namespace"}:
            return self._context.get(rest)
        if volume is None:
            return None
        if rest == "id_format":
            parsed = csi.parse_volume_id(volume.handle)
            return parsed.format if parsed else ("free" if volume.handle else None)
        return getattr(volume, rest, None)

    def _server(self, rest: str) -> Any:
        server = self._context.get("server", "")
        if rest == "rules":
            return sorted(self._world.by_server.get(server, ()))
        works = self._world.tracker.works.get((server, ""))
        return works is not None if rest == "works" else sorted(works or ())

    def _share(self, rest: str) -> Any:
        share = (self._context.get("server", ""), self._context.get("path", ""))
        if rest == "rules":
            return sorted(self._world.by_share.get(share, ()))
        if rest == "failed_versions":
            return sorted(self._world.failed_versions.get(share, ()))
        works = self._world.tracker.works.get(share)
        return works is not None if rest == "works" else sorted(works or ())

    def _driver(self, _rest: str) -> Any:
        return self._context.get("driver_version")

    def _evidence(self, rest: str) -> Any:
        if rest == "events":
            return "given" if self._world.events else None
        given, volume = self._world.given, self._incident.volume
        if given is None:
            return None
        known = self._world.tracker.volumes.known(volume.name) if volume else None
        return given.tell(rest, self._context, known or volume, self._role(""))


# ---------------------------------------------------------------- what a template may name


def context_of(incident: Incident, tracker: Tracker, version: Mapping[str, str] | None = None) -> dict[str, str]:
    """Names and values for templates and conditions; what is not known is not in it."""
    call, volume = incident.call, incident.volume
    if volume is not None:
        volume = tracker.volumes.known(volume.name) or volume
    values: dict[str, str | None] = {}
    source = call.source if call else ""
    options = call.options if call else None
    mount = csi.parse_mount(incident.message)
    if mount is not None:
        source, options = mount.source, mount.options
        values["target"] = mount.target
    if not source and volume is not None:
        source = volume.source
        options = volume.options if options is None else options
    handle = csi.parse_volume_id(volume.handle) if volume is not None and volume.handle else None
    if handle is None:
        handle = csi.parse_volume_id(csi.subject_of(incident.message).handle)
    if handle is None and volume is not None:
        handle = csi.handle_in(incident.message, volume.name)
    server, path = csi.split_source(source) if source else ("", "")
    asked = _asked(call)  # by the call that failed: since then its class may have been mended
    known_server = asked.server or (volume.server if volume else "")
    known_share = asked.share or (volume.share if volume else "")
    values["server"] = csi.bare_server(server or known_server or (handle.server if handle else ""))
    values["share"] = known_share or (handle.share if handle else "") or _share_of(path, volume.name if volume else "")
    values["path"] = path or values["share"]
    if values["server"] and values["path"]:
        values["source"] = fill("{server}:{path}", {"server": values["server"], "path": values["path"]})
    values["options"] = options
    if volume is not None:
        values |= {
            "volume": "" if is_claim(volume.name) else volume.name, "pvc": volume.pvc, "namespace": volume.namespace,
            "subdir": volume.subdir or (handle.subdir if handle else ""), "storageclass": volume.storage_class,
        }  # fmt: skip
    status = csi.parse_status(incident.message)
    values |= {
        "method": call.method if call else None, "code": (call.code if call else "") or (status.code if status else ""),
    }  # fmt: skip
    values["desc"] = (call.message if call else "") or (status.innermost if status else "")
    values["errno"] = csi.errno_in(incident.message)
    values.setdefault("target", (call.target if call else "") or csi.subject_of(incident.message).target)
    host = incident.node or incident.origin.node
    if _SERVERS_OWN.search(incident.origin.stream):  # the host that logs is the server, not a node
        values["server"] = values["server"] or host
        host = ""
    values["node"] = host
    values["node_address"] = tracker.volumes.pods.addresses.get(host or "")
    values |= {"pod": incident.origin.pod, "component": incident.origin.component}
    values["driver_pod"] = incident.origin.pod if incident.origin.component in _IN_NODES_POD else ""
    values["namespace"] = values.get("namespace") or (incident.about or {}).get("namespace")
    if version:
        values["driver_version"] = version.get(incident.origin.input) or version.get("")
    for finding in incident.findings:
        for name, value in finding.captures.items():
            if not values.get(name):
                values[name] = value
    values["kubelet_dir"] = csi.kubelet_dir(incident.message) or csi.kubelet_dir(values["target"] or "")
    return {name: value for name, value in values.items() if value or (name == "options" and value is not None)}


# What may run in the driver's pod of a node.
_IN_NODES_POD = frozenset({"nfs", "registrar", "liveness"})


def _place(incident: Incident) -> tuple[str, str]:
    """What keeps troubles of no volume apart: whose node, or whose pod it is; ("", "") where nothing tells."""
    origin = incident.origin
    node = incident.node or origin.node
    return (node, "" if node or incident.about is not None else origin.pod)


# What only a server logs, in a journal; rpc.gssd and rpc.statd run on nodes, too.
_SERVERS_OWN = re.compile(r"/(?:rpc\.)?(?:mountd|nfsd|exportfs|nfsdcld)$")

# Distributions whose kubelet has a root directory of its own, by the name of the unit that logs.
_DISTRIBUTIONS: Mapping[str, str] = {
    "microk8s": "/var/snap/microk8s/common/var/lib/kubelet",
    "k0s": "/var/lib/k0s/kubelet",
}


def with_install(context: dict[str, str], incident: Incident, world: World) -> dict[str, str]:
    """The same with the directories of kubelet: the node's own, where the log tells but one, and the driver's."""
    if "kubelet_dir" not in context and len(world.kubelet_dirs) == 1:
        context["kubelet_dir"] = next(iter(world.kubelet_dirs))
    if "kubelet_dir" not in context:
        stream = incident.origin.stream
        for name, path in _DISTRIBUTIONS.items():
            if re.search(rf"\b{name}\b", stream):
                context["kubelet_dir"] = path
    if world.given is not None and world.given.kubelet_dir:
        context["installed_kubelet_dir"] = world.given.kubelet_dir
    return context


def _asked(call: Call | None) -> Volume:
    """What the call's own request says of its volume."""
    asked = Volume("")
    for key in ("parameters", "volume_context"):
        values = (call.request or {}).get(key) if call else None
        if isinstance(values, Mapping):
            learn_context(asked, values)
    return asked


def on_server(captures: Mapping[str, str], share: str, call: Call | None) -> str:
    """Where a path that a rule captured lies on the server; below ``<share>`` where the share is not known."""
    captured = next((captures[name] for name in ("removed", "to", "archive", "path", "file") if captures.get(name)), "")
    mounted, rest = csi.below_share(captured)
    if not rest:
        return captured
    content = (call.request or {}).get("volume_content_source") if call else None
    kinds = content.get("Type") if isinstance(content, Mapping) else None
    for kind in kinds.values() if isinstance(kinds, Mapping) else ():
        handle = str(kind.get("snapshot_id") or kind.get("volume_id") or "") if isinstance(kind, Mapping) else ""
        source = csi.parse_volume_id(handle)
        if source is not None and mounted in {source.subdir, source.volume}:
            return f"/{source.share.strip('/')}/{rest}".replace("//", "/")
    return f"{(share or '<share>').rstrip('/')}/{rest}"


def _share_of(path: str, volume: str) -> str:
    """The share in the path that a node mounts: below it lies the volume's own directory."""
    share, separator, last = path.rpartition("/")
    return (share or "/") if separator and volume and last == volume else path


class _Names(dict[str, str]):
    """A template's names; one that the log did not give shows as ``<name>``."""

    def __missing__(self, key: str) -> str:
        return f"<{key}>"


# What may stand unquoted in a command.  Log text is hostile, and commands are made to be pasted.
# A "~" within a word, as in kubernetes.io~csi, is expanded by no shell.
_HARMLESS = re.compile(r"(?:[A-Za-z0-9_@%+=:,./#\[\]^-]|(?<=[A-Za-z0-9_.-])~)+")


def _class_of_claim(names: Mapping[str, str]) -> str:
    """The driver never logs the class's name, but the claim that it was asked for tells it."""
    pvc, namespace = names.get("pvc", ""), names.get("namespace", "")
    if not (_HARMLESS.fullmatch(pvc) and _HARMLESS.fullmatch(namespace)):
        return "<storageclass>"
    return f"$(kubectl get pvc {pvc} -n {namespace} -o jsonpath={{.spec.storageClassName}})"


# How a sentence names whom the log does not, where the name stands as a word of its own.
_NAMELESS = re.compile(r"(?<!share )(?<!server )(?<![^ (])\{(?P<name>server|share)\}(?=[ ,;.)]|'s\b|: |$)")
_WORDS_FOR = {"server": "the NFS server", "share": "the share"}


def say(template: str, names: Mapping[str, str]) -> str:
    """Fill a sentence: who is not known is no ``<name>`` in it where a word can say who is meant."""
    return fill(
        _NAMELESS.sub(lambda found: found[0] if names.get(found["name"]) else _WORDS_FOR[found["name"]], template),
        names,
    )


# Where a command runs in the driver's pod of a node.
_NODES_POD = "$(kubectl -n kube-system get pod -l app=csi-nfs-node --field-selector spec.nodeName={node} -o name)"


# All that the driver runs on a node is one pod.
_OF_NODE = "pod -l app=csi-nfs-node --field-selector spec.nodeName={node}"


def _driver_pod(names: Mapping[str, str]) -> str:
    """The pod of the driver that did what went wrong, as the log tells it."""
    if names.get("method") and not names["method"].startswith("Node"):
        return "deploy/csi-nfs-controller"
    return "pod/{driver_pod}" if nodes_pod(names) else _NODES_POD


def nodes_pod(names: Mapping[str, str]) -> str:
    """The driver's pod on a node whose name nothing tells; "" where the node is known, or no such pod."""
    pod = names.get("driver_pod", "")
    if "node" in names or not pod:
        return ""
    return pod if names.get("method", "").startswith("Node") or _NODE_POD.fullmatch(pod) else ""


_NODE_POD = re.compile(r"[a-z0-9.-]*nfs-node-[a-z0-9]+")


def fill(template: str, names: Mapping[str, str], *, command: bool = False) -> str:
    """Substitute ``{name}``; nothing else is evaluated, and other braces stay as they are.

    Args:
        command: the text is for a shell: a value that the shell would not take
            as one plain word is shown as ``<name>``, like one that is not known.
    """
    known = _Names(names)
    if command and _NODES_POD in template:
        template = template.replace(_NODES_POD, _driver_pod(names))
    if command and _OF_NODE in template and nodes_pod(names):
        template = template.replace(_OF_NODE, "pod {driver_pod}")
    parts = template.split("{")
    out = [parts[0]]
    for part in parts[1:]:
        name, closed, rest = part.partition("}")
        if closed and name.isidentifier():
            value = known[name]
            if name == "server" and rest.startswith(":") and csi.server_kind(value) == "ipv6":
                value = f"[{csi.bare_server(value)}]"  # a source needs the brackets
            if name == "options" and not value:
                value = "defaults"  # mount -o wants a word, and none were given
            if command and name == "storageclass" and name not in names:
                value = _class_of_claim(names)
            elif command and not _HARMLESS.fullmatch(value.removeprefix("<share>") if name == "share_path" else value):
                value = f"<{name}>"
            out.append(value + rest)
        else:
            out.append("{" + part)
    return "".join(out)
