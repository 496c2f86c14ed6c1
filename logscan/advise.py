"""What to collect when a log does not hold the cause, or not enough to choose: exact commands with this log's names.

A function of the Report alone.  Nothing is advised on a healthy log, nor on a
diagnosis that leaves nothing open.  Names come out of a log, so all of them are quoted.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace

from logscan.model import CollectNext, Diagnosis, InputSummary, Report, Severity, VolumeRef

MAX_ADVICE = 8
MAX_DIAGNOSES = 4  # that may advise: the worst come first

_LOGS = "kubectl -n kube-system logs"
CONTROLLER_LOG = f"{_LOGS} -l app=csi-nfs-controller -c nfs --tail=-1"
PROVISIONER_LOG = f"{_LOGS} -l app=csi-nfs-controller -c csi-provisioner --tail=-1"
REGISTRAR_LOG = f"{_LOGS} -l app=csi-nfs-node -c node-driver-registrar --tail=-1 --prefix"
PODS = "kubectl -n kube-system get pods -l 'app in (csi-nfs-node,csi-nfs-controller)' -o wide"
NODE_LOG = f"{_LOGS} -l app=csi-nfs-node -c nfs --tail=-1 --prefix"
EVENTS = "kubectl get events -A --sort-by=.lastTimestamp | grep -iE 'nfs|mount|provision'"

_FLAGS = """-o jsonpath='{.spec.template.spec.containers[?(@.name=="nfs")].args}'"""

# Containers whose log never says why a mount failed, and where they run.
_SIDECARS = {
    "csi-provisioner": "controller", "csi-snapshotter": "controller", "csi-resizer": "controller",
    "registrar": "node", "liveness": "",
}  # fmt: skip

# Drivers that tell of their start whatever -v is; newer ones as of their calls, from -v=2 on.
_TELL_ANYHOW = frozenset({"v2.0.0", "v3.0.0"})

# What an input that lists exports is called.
_EXPORTS = frozenset({"exports", "etab", "exportfs", "exportfs-s", "exportfs-v", "proc", "showmount"})

_SYMPTOMS = {"insufficient-evidence", "deadline-exceeded", "operation-in-progress", "mount-failed"}

_OF_NODE = re.compile(
    r"MountVolume|FailedMount|timed out waiting for the condition|/pods/[0-9a-f-]+/volumes|NodePublish"
)
_OF_CONTROLLER = re.compile(r"rovision|unbound immediate|syncing claim|CreateVolume|DeleteVolume|napshot|mkdir /tmp/")
_DEFAULTED = re.compile(r'Defaulted container "(?P<chosen>[\w.-]+)" out of: (?P<all>[\w.,() -]+)')
_UID = re.compile(r"pvc-(?P<uid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})")


def complete(report: Report) -> Report:
    """Fill ``collect_next``: nothing for a healthy log, what is missing for all others."""
    if report.verdict in {"healthy", "info"}:
        return report
    wanted: list[CollectNext] = []
    for diagnosis in [one for one in report.diagnoses if _is_open(one)][:MAX_DIAGNOSES]:
        wanted += _for_diagnosis(diagnosis, report)
    if not wanted and report.verdict == "not-enough-evidence":
        wanted += _missing_logs(report)
    unique: dict[str, CollectNext] = {}
    for one in wanted:
        unique.setdefault(one.command, one)
    return replace(report, collect_next=tuple(unique.values())[:MAX_ADVICE])


def _is_open(one: Diagnosis) -> bool:
    """Whether it leaves a question: another cause is possible, or it only knows the symptom."""
    if one.severity < Severity.WARNING or one.recovered:
        return False
    return bool(one.alternatives) or one.confidence == "low" or one.category in _SYMPTOMS


def _for_diagnosis(one: Diagnosis, report: Report) -> Iterator[CollectNext]:
    text = "\n".join(item.text for item in one.evidence)
    if found := _DEFAULTED.search(text):
        yield from _right_container(found["chosen"], found["all"])
        return
    stage = _stage(one, text)
    if one.category in _SYMPTOMS:
        if stage != "node":
            yield from _claim(one.volumes)
            if not one.volumes and one.confirm:
                yield CollectNext("whom it waits for is not said; this tells", one.confirm[0])
        yield from _log_of_stage(stage, one, report)
    if one.alternatives and one.confirm:
        yield CollectNext(f"to decide between the causes of {one.id}", one.confirm[0])
    named = {item.input for item in one.evidence}
    yield from _fuller_log([item for item in report.inputs if item.name in named], stage, one)
    yield from _mount_by_hand(one, stage)
    if stage == "node" and one.pods and not one.nodes:
        space, pod = _pod(one.pods[0])
        yield CollectNext(
            f"on which node the driver's pod {one.pods[0]} runs", f"kubectl -n {space} get pod {pod} -o wide"
        )


def _stage(one: Diagnosis, text: str) -> str:
    """Where it goes wrong: "controller", "node", or "" if nothing tells."""
    if any(method.startswith("Node") for method in one.methods):
        return "node"
    if one.methods:
        return "controller"
    if _OF_NODE.search(text):
        return "node"
    return "controller" if _OF_CONTROLLER.search(text) else ""


# ---------------------------------------------------------------- the logs that are missing


def _missing_logs(report: Report) -> Iterator[CollectNext]:
    """What to fetch when nothing in the inputs names a cause."""
    components = {name for one in report.inputs for name in (one.components or (one.component,)) if name}
    roles = {one.role for one in report.inputs}
    yield from _foretell(report.inputs)
    yield from _fuller_log(report.inputs, "")
    if any(one.id == "lease-not-leader" for one in report.benign):
        yield from _leader()
        return
    if components and components <= _SIDECARS.keys():
        places = {_SIDECARS[name] for name in components}
        why = f"this is the log of {', '.join(sorted(components))}; the driver's own container is nfs"
        if places != {"node"}:
            yield CollectNext(why, CONTROLLER_LOG)
        if places != {"controller"}:
            yield CollectNext(why, NODE_LOG)
        return
    if any(_is_driver(one) and one.role is None for one in report.inputs):
        return  # the driver's own log, only too little of it
    if "controller" not in roles:
        yield CollectNext("creating and deleting volumes happens in the controller", CONTROLLER_LOG)
    if "node" not in roles:
        yield CollectNext("mounting into pods happens on the pod's own node", NODE_LOG)
    if not components & {"events", "kubelet"}:
        yield CollectNext("the events tell which claim and which pod wait, and for what", EVENTS)
    yield CollectNext("a restarted container keeps what it said before it died", f"{CONTROLLER_LOG} --previous")


def _foretell(inputs: Sequence[InputSummary]) -> Iterator[CollectNext]:
    """Exports and classes tell something without any log."""
    exports = [one.name for one in inputs if _EXPORTS.intersection(one.framing)]
    classes = [one.name for one in inputs if "manifest" in one.framing]
    if exports and classes and len(exports) + len(classes) == len(inputs):
        words = [
            *(f"--exports {shlex.quote(one)}" for one in exports),
            *(f"--storageclass {shlex.quote(one)}" for one in classes),
        ]
        yield CollectNext("what the classes will meet on that server", f"logscan predict {' '.join(words)}")


def _right_container(chosen: str, everyone: str) -> Iterator[CollectNext]:
    """Of a pod with several containers kubectl took the first."""
    why = f"kubectl took the container {chosen}; the driver's own is nfs"
    if "provisioner" in everyone or "registrar" not in everyone:
        yield CollectNext(why, CONTROLLER_LOG)
    if "provisioner" not in everyone:
        yield CollectNext(why, NODE_LOG)


def _leader() -> Iterator[CollectNext]:
    """This replica waits: another one works, and its log tells."""
    columns = "NAMESPACE:.metadata.namespace,NAME:.metadata.name,HOLDER:.spec.holderIdentity"
    holder = f"kubectl get lease -A -o custom-columns={columns} | grep nfs"
    yield CollectNext("this replica waits for its lease and does nothing; the holder works", holder)
    every = f"{_LOGS} -l app=csi-nfs-controller --all-containers --prefix --tail=-1"
    yield CollectNext("the logs of all replicas, the holder's among them", every)


def _log_of_stage(stage: str, one: Diagnosis, report: Report) -> Iterator[CollectNext]:
    """The driver's log of where it goes wrong, unless it is among the inputs."""
    if stage != "node" and not _has_log(report, "controller"):
        yield CollectNext("the controller's own words on it", CONTROLLER_LOG)
        if not any("csi-provisioner" in item.components for item in report.inputs):
            yield CollectNext("the provisioner's own view of the claim", PROVISIONER_LOG)
    if stage != "controller":
        yield from _node_logs(stage, one, report)


def _node_logs(stage: str, one: Diagnosis, report: Report) -> Iterator[CollectNext]:
    missing = [node for node in one.nodes if not _has_log(report, "node", node)]
    for node in missing[:2]:
        pod = f"$(kubectl -n kube-system get pod -l app=csi-nfs-node --field-selector spec.nodeName={shlex.quote(node)} -o name)"
        yield CollectNext(f"the driver's log of node {node}, where it is mounted", f"{_LOGS} {pod} -c nfs --tail=-1")
    if missing or _has_log(report, "node"):
        return
    if stage == "node":
        space = next((volume.namespace for volume in one.volumes if volume.namespace), "")
        where = f"kubectl -n {shlex.quote(space)} get pod -o wide" if space else "kubectl get pod -A -o wide"
        yield CollectNext("on which node the pod is: that node's csi-nfs-node pod mounts for it", where)
    yield CollectNext("mounting into pods happens on the pod's own node", NODE_LOG)


def _is_driver(item: InputSummary) -> bool:
    return item.role is not None or item.component == "nfs" or "nfs" in item.components


def _has_log(report: Report, role: str, node: str = "") -> bool:
    """Whether a log of the driver in that role is among the inputs (of that node, as far as they tell)."""
    return any(
        _is_driver(item) and item.role in {role, None} and (not node or not item.nodes or node in item.nodes)
        for item in report.inputs
    )


def _pod(place: str) -> tuple[str, str]:
    """The namespace and the name of a driver's pod, as words of a command."""
    space, _, pod = place.rpartition("/")
    return shlex.quote(space or "kube-system"), shlex.quote(pod)


def _fuller_log(inputs: Sequence[InputSummary], stage: str, one: Diagnosis | None = None) -> Iterator[CollectNext]:
    """The same log, but with what it lacks."""
    for item in inputs:
        role = item.role or stage or "controller"
        log = NODE_LOG if role == "node" else CONTROLLER_LOG
        if role == "node" and one is not None and len(one.pods) == 1:
            space, pod = _pod(one.pods[0])
            log = f"kubectl -n {space} logs {pod} -c nfs --tail=-1"
        owner = "ds csi-nfs-node" if role == "node" else "deploy csi-nfs-controller"
        started = item.version_source == "banner" and item.driver_version not in _TELL_ANYHOW and not item.calls[0]
        if "no-requests" in item.hints and started:
            why = f"{item.name} tells of the driver's start, and of no call: the sidecar does not reach it, or has nothing to do"
            yield CollectNext(why, REGISTRAR_LOG if role == "node" else PROVISIONER_LOG)
            yield CollectNext("are all of the pod's containers up?", PODS)
            yield CollectNext("if it is an excerpt: all that the container said", log)
        elif "no-requests" in item.hints:
            why = f"{item.name} holds none of the driver's requests: -v is below 2, or it is an excerpt"
            yield CollectNext(f"{why}. Is -v=5 among the flags?", f"kubectl -n kube-system get {owner} {_FLAGS}")
            yield CollectNext("all that the container said; with -l alone kubectl prints 10 lines", log)
        if "starts-late" in item.hints:
            why = f"{item.name} starts after the request that failed; this is all that the container said"
            yield CollectNext(why, log)
            yield CollectNext("if it was restarted since: what it said before", f"{log} --previous")


# ---------------------------------------------------------------- what to look at in the cluster


def _claim(volumes: Sequence[VolumeRef]) -> Iterator[CollectNext]:
    volume = next((one for one in volumes if one.pvc), volumes[0] if volumes else None)
    if volume is None:
        return
    if volume.pvc:
        command = f"kubectl -n {shlex.quote(volume.namespace or 'default')} describe pvc {shlex.quote(volume.pvc)}"
        yield CollectNext("the claim's events tell what the provisioner was answered", command)
    elif found := _UID.search(volume.name):
        columns = "NAMESPACE:.metadata.namespace,NAME:.metadata.name,UID:.metadata.uid"
        command = f"kubectl get pvc -A -o custom-columns={columns} | grep {found['uid']}"
        yield CollectNext("whose claim it is: a volume is named after its claim's uid; then describe that", command)


def _mount_by_hand(one: Diagnosis, stage: str) -> Iterator[CollectNext]:
    """What maintainers always ask for: does the same mount work by hand, and what does -v say?"""
    checks = (*one.confirm, *(command for other in one.alternatives for command in other.confirm))
    if one.mount is None or any("mount -v" in command for command in checks):
        return
    options = [word for word in (one.mount.options or "").split(",") if word]
    if one.category == "statd-missing" and "nolock" not in options:
        options.append("nolock")
    chosen = f"-o {shlex.quote(','.join(options))} " if options else ""
    mount = f"mount -v -t nfs {chosen}{shlex.quote(one.mount.source)} /tmp/test"
    why = "does the same mount work by hand"
    if one.mount.options is None:
        why += " (the log does not show its options: add the class's mountOptions)"
    inside = shlex.quote(f"mkdir -p /tmp/test && {mount}; umount /tmp/test")
    if stage == "controller":
        yield CollectNext(
            f"{why}, in the controller?",
            f"kubectl -n kube-system exec deploy/csi-nfs-controller -c nfs -- sh -c {inside}",
        )
    elif one.pods and not one.nodes:
        space, pod = _pod(one.pods[0])
        yield CollectNext(
            f"{why}, in the driver's pod {one.pods[0]}?", f"kubectl -n {space} exec {pod} -c nfs -- sh -c {inside}"
        )
    else:
        place = f"on node {one.nodes[0]}" if one.nodes else "on the pod's node"
        yield CollectNext(f"{why}, {place}?", f"sudo mkdir -p /tmp/test && sudo {mount}; sudo umount /tmp/test")
