"""What to collect when a log does not hold the cause: exact commands, with this log's names."""

from __future__ import annotations

import shlex
from dataclasses import replace

from logscan.model import CollectNext, Diagnosis, Report

CONTROLLER_LOG = "kubectl logs -n kube-system -l app=csi-nfs-controller -c nfs --tail=-1"
NODE_LOG = "kubectl logs -n kube-system -l app=csi-nfs-node -c nfs --tail=-1 --prefix"
PROVISIONER_LOG = "kubectl logs -n kube-system -l app=csi-nfs-controller -c csi-provisioner --tail=-1"

# Containers whose log never says why a mount failed.
_SIDECARS = {"liveness", "registrar", "csi-provisioner", "csi-snapshotter", "csi-resizer"}


def complete(report: Report) -> Report:
    """Fill ``collect_next``: nothing for a healthy log, what is missing for all others."""
    if report.verdict in {"healthy", "info"}:
        return report
    wanted: list[CollectNext] = []
    if report.verdict == "not-enough-evidence":
        wanted += _missing_logs(report)
    for diagnosis in report.diagnoses:
        wanted += _for_diagnosis(diagnosis)
    unique = {one.command: one for one in reversed(wanted)}
    return replace(report, collect_next=tuple(reversed(unique.values()))[:8])


def _missing_logs(report: Report) -> list[CollectNext]:
    roles = {one.role for one in report.inputs}
    components = {one.component for one in report.inputs if one.component}
    wanted = []
    if components and components <= _SIDECARS:
        names = ", ".join(sorted(components))
        wanted.append(CollectNext(f"this is the log of {names}; the driver's own container is nfs", CONTROLLER_LOG))
    elif "controller" not in roles:
        wanted.append(CollectNext("creating and deleting volumes happens in the controller", CONTROLLER_LOG))
    if "node" not in roles:
        wanted.append(CollectNext("mounting into pods happens on the pod's own node", NODE_LOG))
    wanted.append(
        CollectNext("a restarted container keeps what it said before it died", f"{CONTROLLER_LOG} --previous")
    )
    return wanted


def _for_diagnosis(diagnosis: Diagnosis) -> list[CollectNext]:
    wanted = []
    volume = diagnosis.volumes[0] if diagnosis.volumes else None
    if diagnosis.category in {"insufficient-evidence", "deadline-exceeded", "operation-in-progress"}:
        if volume is not None and volume.pvc:
            command = f"kubectl describe pvc {shlex.quote(volume.pvc)} -n {shlex.quote(volume.namespace or 'default')}"
            wanted.append(CollectNext("the claim's events tell what the provisioner was answered", command))
        wanted.append(CollectNext("the provisioner's own view of the claim", PROVISIONER_LOG))
    if diagnosis.alternatives and diagnosis.confirm:
        wanted.append(CollectNext(f"to decide between the causes of {diagnosis.id}", diagnosis.confirm[0]))
    return wanted
