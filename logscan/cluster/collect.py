"""Which commands tell what is wrong with NFS volumes, and in which order they are asked.

First the lookups: the driver's pods, the claim or pod that was named, the events.  They tell
whose logs are needed; then come logs, manifests and descriptions.  The files have the names of
a support bundle, so that what is saved is read by the same table of paths (see ``bundles``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from logscan.cluster.run import Command, Result, Runner
from logscan.errors import SourceError

DRIVER = "nfs.csi.k8s.io"
MAX_NODES = 20  # whose logs are fetched, unless all are wanted
MAX_PARSED = 64 << 20  # bytes of a list that is looked into
MAX_FILE = 3 << 20  # bytes of manifests in one file

SELECTORS = ("app in (csi-nfs-controller,csi-nfs-node)", "app.kubernetes.io/name=csi-driver-nfs")
HOME = "kube-system"  # where the driver is, if we may not look everywhere

_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
_KINDS = {
    "pvc": "pvc", "pvcs": "pvc", "persistentvolumeclaim": "pvc", "persistentvolumeclaims": "pvc",
    "po": "pod", "pod": "pod", "pods": "pod",
}  # fmt: skip
_ABOUT_VOLUMES = re.compile(
    r"Volume|Mount|Provision|Attach|Bind|Resiz|Snapshot|Scheduling|WaitForFirstConsumer|WaitForPodScheduled"
)
_OBJECTS = frozenset(
    {"PersistentVolumeClaim", "PersistentVolume", "StorageClass", "VolumeSnapshot", "VolumeAttachment"}
)

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """The claim or pod that is asked about; ``kind`` "" is either, ``namespace`` "" that of the context."""

    name: str
    namespace: str = ""
    kind: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.namespace, self.name)))


def target_of(word: str) -> Target | None:
    """Understand NAME, NAMESPACE/NAME, pvc/NAME or pod/NAME; None: it is no name of Kubernetes."""
    before, slash, name = word.rpartition("/")
    kind = ""
    if slash and before in _KINDS:
        before, kind = "", _KINDS[before]
    elif "/" in before:  # NAMESPACE/pvc/NAME
        before, _, middle = before.partition("/")
        kind = _KINDS.get(middle, "?")
    if kind == "?" or not _NAME.fullmatch(name) or (slash and before and not _NAME.fullmatch(before)):
        return None
    if slash and not before and not kind:
        return None
    return Target(name, before, kind)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user wants to know."""

    target: Target | None = None
    namespace: str = ""  # of the driver; "": all are searched
    selector: str = ""  # of the driver's pods, where its labels are others
    since: str = ""  # as kubectl logs takes it
    all_nodes: bool = False


@dataclass(slots=True)
class Collection:
    """What was asked, and what could not be had.  Mutable: it grows."""

    results: list[Result] = field(default_factory=list)
    planned: list[Command] = field(default_factory=list)  # that a dry run did not run
    faults: list[SourceError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what was decided for the user
    lost: bool = False  # there is no cluster to ask

    @property
    def commands(self) -> list[Command]:
        """All of them, in order."""
        return [result.command for result in self.results] + self.planned


class _LostError(Exception):
    """There is no cluster that answers."""


class Collector:
    """Asks *runner*'s cluster for what *wish* needs.

    Args:
        told: is given each result as it comes, and how many are still to come.
    """

    def __init__(self, runner: Runner, wish: Wish, told: Callable[[Result, int], None]) -> None:
        self.found = Collection()
        self._runner = runner
        self._wish = wish
        self._told = told

    def collect(self, *, dry: bool = False) -> None:
        """Fill ``found``; *dry*: only look up what the commands are.

        Raises:
            NoKubectlError: there is no kubectl.
        """
        try:
            self._ask(dry=dry)
        except _LostError:
            self.found.lost = True
        finally:
            self._trim()  # also after Ctrl-C: nothing is kept that nobody needs

    def _ask(self, *, dry: bool) -> None:
        pods = self._driver_pods()
        target = self._look_up_target()
        homes = {_text(pod, "metadata", "namespace") for pod in pods} or {self._wish.namespace or HOME}
        events = self._events(target, homes)
        commands = [*self._logs(pods, target, events), *self._manifests(target), *self._descriptions(pods, target)]
        if dry:
            self.found.planned = commands
            return
        self._run(commands)

    # ------------------------------------------------------------ asking

    def _run(self, commands: Sequence[Command], *, quiet: bool = False) -> list[Result]:
        """Run commands, keep their results, and say what failed; *quiet*: the caller says it."""
        left = len(commands)
        results: list[Result] = []

        def take(result: Result) -> None:
            nonlocal left
            left -= 1
            self._told(result, left)
            results.append(result)

        try:
            results = self._runner.run(commands, take)
        finally:  # Ctrl-C: what came until then counts
            self.found.results += results
        lost = next((result for result in results if result.no_cluster), None)
        if lost is not None and not any(result.ok for result in self.found.results):
            help_ = "kubectl cluster-info tells more; choose another with --context or --kubeconfig"
            self._fault("the cluster", f"cannot be reached: {lost.reason}", help_)
            raise _LostError
        if results and not self.found.results[len(results) :] and all(result.status is None for result in results):
            self._fault(
                "the cluster", f"gave no answer in {results[0].seconds:.0f} s", "--timeout SECONDS waits longer"
            )
            raise _LostError
        if not quiet:
            for result in results:
                self._judge(result)
        return results

    def _judge(self, result: Result) -> None:
        command = result.command
        if result.ok or (command.optional and result.missing):
            return
        what = _what(command)
        if result.no_cluster:
            if all(one.place != "the cluster" for one in self.found.faults):
                self._fault("the cluster", f"does not answer any more: {result.reason}", "what came until then is read")
        elif result.status is None:
            self._fault(what, f"gave no answer in {result.seconds:.0f} s; what came until then is read", "--timeout SECONDS waits longer")  # fmt: skip
        elif result.forbidden:
            reason = result.reason.partition("(Forbidden): ")[2]
            self._fault(what, f"forbidden: {reason}", "ask for a role that may get and list it")
        elif result.missing and command.args[0] == "logs":
            self._fault(what, "the pod is gone since it was listed", "run it again: another pod has taken its place")
        else:
            self._fault(what, result.reason, "the rest is read all the same")

    def _fault(self, place: str, problem: str, help_: str) -> None:
        if all((one.place, one.problem) != (place, problem) for one in self.found.faults):
            self.found.faults.append(SourceError(place, problem, help_))

    # ------------------------------------------------------------ lookups

    def _driver_pods(self) -> list[Object]:
        wish = self._wish
        selectors = (wish.selector,) if wish.selector else SELECTORS
        where = (f"--namespace={wish.namespace}",) if wish.namespace else ("--all-namespaces",)
        results = self._run([_list_pods(where, one, n) for n, one in enumerate(selectors)], quiet=True)
        if not wish.namespace and any(result.forbidden for result in results):
            # Who may not look everywhere may look where the driver usually is.
            where = (f"--namespace={HOME}",)
            results = self._run([_list_pods(where, one, n) for n, one in enumerate(selectors)], quiet=True)
        for result in results:
            self._judge(result)
        pods: dict[tuple[str, str], Object] = {}
        for result in results:
            for pod in items(result):
                pods.setdefault((_text(pod, "metadata", "namespace"), _text(pod, "metadata", "name")), pod)
        pods = {key: pod for key, pod in pods.items() if all(_NAME.fullmatch(word) for word in key)}
        if not pods and all(result.ok for result in results):
            place = f"namespace {where[0].partition('=')[2]}" if "=" in where[0] else "any namespace"
            self._fault("the driver's pods", f"none has the labels {' or '.join(selectors)} in {place}", "is csi-driver-nfs installed? --selector LABELS and -n NAMESPACE find one that is labelled otherwise")  # fmt: skip
        return [pods[key] for key in sorted(pods)]

    def _look_up_target(self) -> _Around | None:
        target = self._wish.target
        if target is None:
            return None
        where = (f"--namespace={target.namespace}",) if target.namespace else ()
        kinds = [target.kind] if target.kind else ["pvc", "pod"]
        asked = [
            Command(("get", kind, *where, target.name, "--output=json"), f"lookup/{kind}.json", optional=True)
            for kind in kinds
        ]
        results = self._run(asked)
        here: dict[str, Object] = {}
        for kind, result in zip(kinds, results, strict=True):
            if result.ok:
                here.update((kind, one) for one in items(result)[:1])
        if not here:
            if all(result.missing for result in results):
                what = " nor ".join({"pvc": "claim", "pod": "pod"}[kind] for kind in kinds)
                inside = f"namespace {target.namespace}" if target.namespace else "the current namespace"
                neither = "neither " if len(kinds) > 1 else "no "
                self._fault(str(target), f"there is {neither}{what} of that name in {inside}", "name it as NAMESPACE/NAME; kubectl get pvc,pod -A lists them")  # fmt: skip
            return None
        around = _Around(next(iter(here.values())).get("metadata", {}).get("namespace", target.namespace) or "default")
        around.take(here.get("pvc"), [here["pod"]] if "pod" in here else [])
        # A claim does not name its pods.
        command = Command(("get", "pods", f"--namespace={around.namespace}", "--output=json"), "lookup/pods.json")
        if around.claims and "pod" not in here:
            (result,) = self._run([command])
            around.take(None, [pod for pod in items(result) if around.claims & _claims(pod)])
            if not around.nodes:
                self.found.notes.append(f"no pod that has a node uses {target}: no node's log is needed")
        return around

    def _events(self, around: _Around | None, homes: set[str]) -> list[Object]:
        results = self._run([_list_events(space) for space in ([""] if around is None else {around.namespace, *homes})])
        if around is None and results[0].forbidden:
            results = self._run([_list_events(space) for space in homes])
        return [event for result in results for event in items(result)]

    # ------------------------------------------------------------ what the lookups lead to

    def _logs(self, pods: Sequence[Object], around: _Around | None, events: Iterable[Object]) -> list[Command]:
        needed = [pod for pod in pods if not _is_on_node(pod)] + self._of_nodes(
            [pod for pod in pods if _is_on_node(pod)], around, events
        )
        since = (f"--since={self._wish.since}",) if self._wish.since else ()
        commands = []
        for pod in needed:
            namespace, name = _text(pod, "metadata", "namespace"), _text(pod, "metadata", "name")
            restarted = _restarted(pod)
            for container in _containers(pod):
                args = ("logs", f"--namespace={namespace}", name, f"--container={container}", *since)
                file = f"pods/logs/{namespace}/{name}/{container}"
                if restarted.get(container, True):
                    commands.append(Command((*args, "--previous"), f"{file}-previous.log", optional=True))
                commands.append(Command(args, f"{file}.log"))
        return commands

    def _of_nodes(self, pods: list[Object], around: _Around | None, events: Iterable[Object]) -> list[Object]:
        """The node pods whose logs are needed: of the target's nodes, else of those where something is wrong first."""
        if around is not None:
            here = [pod for pod in pods if _text(pod, "spec", "nodeName") in around.nodes]
            without = around.nodes - {_text(pod, "spec", "nodeName") for pod in here}
            for node in sorted(without):
                self._fault(f"node {node}", "no pod of the driver runs on it", "kubectl get pods -A -o wide -l app=csi-nfs-node; does the DaemonSet tolerate the node's taints?")  # fmt: skip
            return here
        if self._wish.all_nodes or len(pods) <= MAX_NODES:
            return pods
        failing = {_text(event, "source", "host") for event in events if event.get("type") == "Warning"}
        pods = sorted(pods, key=lambda pod: (_is_well(pod), _text(pod, "spec", "nodeName") not in failing))
        self.found.notes.append(
            f"logs of {MAX_NODES} of {len(pods)} nodes are fetched, those with warnings first; name a claim or a pod, or give --all-nodes"
        )
        return pods[:MAX_NODES]

    def _manifests(self, around: _Around | None) -> list[Command]:
        where = "--all-namespaces" if around is None else f"--namespace={around.namespace}"
        volumes = sorted(around.volumes) if around is not None else []
        claims = sorted(around.claims) if around is not None else []
        commands = [
            Command(("get", "storageclasses", "--output=json"), "cluster-resources/storage-classes.json"),
            Command(("get", "csidrivers", "--output=json"), "cluster-resources/csi-drivers.json"),
        ]
        if around is None or volumes or claims:
            commands.append(
                Command(("get", "persistentvolumes", *volumes, "--output=json"), "cluster-resources/pvs.json")
            )
        if around is None or claims:
            args = ("get", "persistentvolumeclaims", where, *claims, "--output=json")
            commands.append(Command(args, "cluster-resources/pvcs.json"))
        return commands

    def _descriptions(self, pods: Sequence[Object], around: _Around | None) -> list[Command]:
        commands = []
        unwell: dict[str, list[str]] = {}
        for pod in pods:
            if not _is_well(pod):
                unwell.setdefault(_text(pod, "metadata", "namespace"), []).append(_text(pod, "metadata", "name"))
        for namespace, names in unwell.items():
            args = ("describe", "pods", f"--namespace={namespace}", *names[:MAX_NODES])
            commands.append(Command(args, f"describe/driver-{namespace}.txt"))
        if around is not None:
            for kind, chosen in (("pvc", around.claims), ("pod", around.pods)):
                if chosen:
                    args = ("describe", kind, f"--namespace={around.namespace}", *sorted(chosen)[:MAX_NODES])
                    commands.append(Command(args, f"describe/{kind}-{around.namespace}.txt"))
        return commands

    # ------------------------------------------------------------ what is kept

    def _trim(self) -> None:
        """Of lists of the whole cluster keep what concerns NFS volumes."""
        by_name = {result.command.name: result for result in self.found.results}
        classes = items(by_name.get("cluster-resources/storage-classes.json"))
        ours = {_text(one, "metadata", "name") for one in classes if _text(one, "provisioner") == DRIVER}
        volumes = [
            one for one in items(by_name.get("cluster-resources/pvs.json"))
            if _text(one, "spec", "csi", "driver") == DRIVER or isinstance(_get(one, "spec", "nfs"), Mapping)
        ]  # fmt: skip
        bound = {_text(one, "metadata", "name") for one in volumes}
        claims = [
            one for one in items(by_name.get("cluster-resources/pvcs.json"))
            if _text(one, "spec", "volumeName") in bound or _text(one, "spec", "storageClassName") in ours
            or not _text(one, "spec", "volumeName")
        ]  # fmt: skip
        drivers = [
            one
            for one in items(by_name.get("cluster-resources/csi-drivers.json"))
            if "nfs" in _text(one, "metadata", "name")
        ]
        for name, kept in (("pvs", volumes), ("pvcs", claims), ("storage-classes", classes), ("csi-drivers", drivers)):
            result = by_name.get(f"cluster-resources/{name}.json")
            if result is not None and _parsed(result):
                _rewrite(result.path, kept)
        events = [
            result for result in self.found.results if result.command.name.startswith("cluster-resources/events/")
        ]
        listed = {result.path.stem for result in events if result.ok}
        for result in self.found.results:
            name = result.command.name
            if name.startswith("describe/"):
                text = without_environment(result.path.read_text("utf-8", "replace"))
                namespace = next(word for word in result.command.args if word.startswith("--namespace=")).partition(
                    "="
                )[2]
                result.path.write_text(_without_events(text) if listed & {"all", namespace} else text, "utf-8")
            elif name.startswith("cluster-resources/events/") and _parsed(result):
                _rewrite(result.path, [event for event in items(result) if _concerns_us(event)])
            elif name.startswith("cluster-resources/pods/"):
                _rewrite(result.path, [_outline(pod) for pod in items(result)])


@dataclass(slots=True)
class _Around:
    """What belongs to the claim or pod that was asked about.  Mutable: it learns."""

    namespace: str
    claims: set[str] = field(default_factory=set)
    pods: set[str] = field(default_factory=set)
    volumes: set[str] = field(default_factory=set)
    nodes: set[str] = field(default_factory=set)

    def take(self, claim: Object | None, pods: Sequence[Object]) -> None:
        """Add a claim and pods."""
        if claim is not None:
            self.claims |= _named(_text(claim, "metadata", "name"))
            self.volumes |= _named(_text(claim, "spec", "volumeName"))
        for pod in pods:
            self.pods |= _named(_text(pod, "metadata", "name"))
            self.nodes |= _named(_text(pod, "spec", "nodeName"))
            self.claims |= _claims(pod)


# ---------------------------------------------------------------- objects


def items(result: Result | None) -> list[Object]:
    """The objects that a command printed as JSON; none if it failed."""
    value = _parsed(result) if result is not None else None
    if not isinstance(value, Mapping):
        return []
    listed = value.get("items") if str(value.get("kind", "")).endswith("List") else [value]
    return [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []


def _parsed(result: Result) -> Any:
    try:
        if not result.ok or result.path.stat().st_size > MAX_PARSED:
            return None
        return json.loads(result.path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _get(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _text(value: Any, *keys: str) -> str:
    found = _get(value, *keys)
    return found if isinstance(found, str) else ""


def _maps(value: Any, *keys: str) -> list[Object]:
    found = _get(value, *keys)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _named(name: str) -> set[str]:
    return {name} if _NAME.fullmatch(name) else set()


def _claims(pod: Object) -> set[str]:
    found = [_text(one, "persistentVolumeClaim", "claimName") for one in _maps(pod, "spec", "volumes")]
    return {name for name in found if _NAME.fullmatch(name)}


def _containers(pod: Object) -> list[str]:
    every = [*_maps(pod, "spec", "initContainers"), *_maps(pod, "spec", "containers")]
    return [name for one in every if _NAME.fullmatch(name := _text(one, "name"))]


def _restarted(pod: Object) -> dict[str, bool]:
    """Of each container whose status is known, whether it has run before."""
    return {
        _text(one, "name"): bool(one.get("restartCount")) or "terminated" in (_get(one, "lastState") or {})
        for one in _maps(pod, "status", "containerStatuses")
    }


def _is_well(pod: Object) -> bool:
    """Whether all containers of a pod are ready and always were."""
    statuses = _maps(pod, "status", "containerStatuses")
    return bool(statuses) and all(one.get("ready") and not one.get("restartCount") for one in statuses)


def _is_on_node(pod: Object) -> bool:
    """Whether it serves the node that it runs on: a DaemonSet made it."""
    owners = {_text(one, "kind") for one in _maps(pod, "metadata", "ownerReferences")}
    return "DaemonSet" in owners or (not owners and _text(pod, "metadata", "labels", "app") == "csi-nfs-node")


def _concerns_us(event: Object) -> bool:
    about = event.get("involvedObject") or event.get("regarding") or {}
    return (
        _text(about, "kind") in _OBJECTS
        or "nfs" in _text(about, "name")
        or bool(_ABOUT_VOLUMES.search(_text(event, "reason")))
        or "nfs" in _text(event, "message").lower()
    )


def _outline(pod: Object) -> Object:
    """Of a pod what it is and how it fares, without what it is given to work with."""
    containers = [{key: one.get(key) for key in ("name", "image", "args")} for one in _maps(pod, "spec", "containers")]
    metadata = {key: _get(pod, "metadata", key) for key in ("name", "namespace", "labels", "ownerReferences")}
    spec = {"nodeName": _text(pod, "spec", "nodeName"), "containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": pod.get("status")}


def without_environment(text: str) -> str:
    """What ``kubectl describe`` prints, without the environment of containers: people put passwords there."""
    lines, inside = [], -1
    for line in text.splitlines(keepends=True):
        indent = len(line) - len(line.lstrip(" "))
        if inside >= 0 and (indent > inside or not line.strip()):
            continue
        inside = indent if line.lstrip(" ").startswith("Environment:") else -1
        lines.append(line)
    return "".join(lines)


def _without_events(text: str) -> str:
    """A description without the events below it: from the list of events they would be counted a second time."""
    lines, inside = [], False
    for line in text.splitlines(keepends=True):
        inside = line.startswith("Events:") or (inside and line[:1] in {" ", "\n", "\r"})
        if not inside:
            lines.append(line)
    return "".join(lines)


def _rewrite(path: Path, kept: Sequence[Object]) -> None:
    """Write objects as kubectl lists them, in files that are not too large to be read as a whole; none for none."""
    if not kept:
        path.unlink(missing_ok=True)
        return
    parts: list[list[str]] = [[]]
    size = 0
    for one in kept:
        metadata = {key: value for key, value in (one.get("metadata") or {}).items() if key != "managedFields"}
        text = json.dumps({**one, "metadata": metadata}, indent=4)
        if size + len(text) > MAX_FILE and parts[-1]:
            parts.append([])
            size = 0
        parts[-1].append(text)
        size += len(text)
    for number, part in enumerate(parts):
        file = path
        if number:
            file = path.parent / path.stem / f"{number}.json"
            file.parent.mkdir(exist_ok=True)
        body = ",\n".join(part)
        file.write_text(
            f'{{\n    "apiVersion": "v1",\n    "items": [\n{body}\n    ],\n    "kind": "List"\n}}\n', "utf-8"
        )


def _list_pods(where: Sequence[str], selector: str, number: int) -> Command:
    args = ("get", "pods", *where, f"--selector={selector}", "--output=json")
    return Command(args, f"cluster-resources/pods/driver-{number + 1}.json")


def _list_events(namespace: str) -> Command:
    where = f"--namespace={namespace}" if namespace else "--all-namespaces"
    return Command(("get", "events", where, "--output=json"), f"cluster-resources/events/{namespace or 'all'}.json")


def _what(command: Command) -> str:
    """What a command asks for, in a few words."""
    verb, *rest = command.args
    names = [word for word in rest if not word.startswith("-")]
    options = dict(word.removeprefix("--").partition("=")[::2] for word in rest if word.startswith("--"))
    if verb == "logs":
        before = " before its restart" if "previous" in options else ""
        return f"the log of {options['namespace']}/{names[0]}/{options['container']}{before}"
    space = f" of namespace {options['namespace']}" if "namespace" in options else ""
    return f"{'the description of ' if verb == 'describe' else ''}{' '.join(names[:4])}{space}"
