"""Whose trouble an event tells of: joins pods and claims to the volumes that the rest of the log names.

An event of a claim names its volume seldom, one of a pod never says which claim it waits for.  What the other
events, descriptions and logs told decides when all has been read; what stays open is left open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from logscan.incidents import Collector, Incident
from logscan.model import Severity, Volume
from logscan.volumes import Volumes, claim_name

# Which call of the driver an event's reason is about.
_METHOD: Mapping[str, str] = {
    "ExternalProvisioning": "CreateVolume",
    "Provisioning": "CreateVolume",
    "ProvisioningFailed": "CreateVolume",
    "FailedMount": "NodePublishVolume",
    "VolumeFailedDelete": "DeleteVolume",
}


def settle(
    collector: Collector, volumes: Volumes, rules: Iterable[str], symptoms_of: Callable[[str], set[str]]
) -> None:
    """Give each incident that came from an event the volume that it is about, if that can be told."""
    events = [one for one in collector.incidents.values() if one.about is not None and one.volume is None]
    for incident in events:
        if incident.about is not None and incident.about.get("kind") == "PersistentVolumeClaim":
            incident.volume = _of_claim(volumes, incident.about.get("namespace", ""), incident.about.get("name", ""))
    for incident in events:
        if incident.about is not None and incident.about.get("kind") == "Pod":
            incident.volume = _of_pod(
                incident, incident.about, _explaining(incident, collector, rules, symptoms_of), volumes
            )


def _of_claim(volumes: Volumes, namespace: str, claim: str) -> Volume:
    """The volume of a claim; one without a name if the log tells none."""
    return volumes.of_claim(namespace, claim) or Volume(claim_name(namespace, claim), pvc=claim, namespace=namespace)


def _explaining(
    symptom: Incident, collector: Collector, rules: Iterable[str], symptoms_of: Callable[[str], set[str]]
) -> Iterable[Incident]:
    """The incidents of volumes that met a rule which explains all that *symptom* met."""
    met = {finding.rule.id for finding in symptom.findings if finding.rule.severity > Severity.INFO}
    explaining = {rule_id for rule_id in rules if met and met <= symptoms_of(rule_id)}
    for other in collector.incidents.values():
        if other.volume is not None and any(finding.rule.id in explaining for finding in other.findings):
            yield other


def _of_pod(
    incident: Incident, about: Mapping[str, str], explaining: Iterable[Incident], volumes: Volumes
) -> Volume | None:
    """The volume that a pod waits for."""
    namespace, name = about.get("namespace", ""), about.get("name", "")
    pod = volumes.pods.get((namespace, name))
    if about.get("reason") == "FailedMount" and pod is not None and len(pod.volumes) == 1:
        return volumes.get(next(iter(pod.volumes)))
    failing: dict[str, Volume] = {}
    for other in explaining:
        volume = other.volume
        if volume is not None and not strangers(incident, other):
            failing[volume.name] = volumes.known(volume.name) or volume
    if pod is not None and pod.claims:
        mine = {one.name: one for one in (_of_claim(volumes, namespace, claim) for claim in pod.claims)}
        hit = [one for key, one in mine.items() if key in failing] or list(mine.values())
        return hit[0] if len(hit) == 1 else None
    # A StatefulSet calls the claims of web-0 data-web-0, logs-web-0 …
    mine = {key: one for key, one in failing.items() if one.pvc.endswith(f"-{name}")} if name else {}
    candidates = list((mine or failing).values())
    return candidates[0] if len(candidates) == 1 else None


def strangers(symptom: Incident, other: Incident) -> bool:
    """Whether *symptom*, an event whose volume is not known, cannot be about the volume of *other*."""
    namespace = symptom.about.get("namespace", "") if symptom.about is not None else ""
    return bool(namespace) and other.volume is not None and other.volume.namespace not in {"", namespace}


def healed(incident: Incident, volumes: Volumes) -> bool:
    """Whether an event tells that the trouble is over."""
    about = incident.about or {}
    reason = about.get("reason", "")
    if incident.volume is None or reason == "FailedScheduling":
        if block := about.get("block"):
            return volumes.pods.healed(("", block), reason)
        return about.get("kind") == "Pod" and volumes.pods.healed(
            (about.get("namespace", ""), about.get("name", "")), reason
        )
    volume = volumes.known(incident.volume.name) or incident.volume
    if about == {} and incident.call is None and incident.last is not None:
        # kubelet goes on trying for each pod, so the pod that failed last speaks for all.
        done = volumes.pods.kubelet_ended(incident.last.text)
        if done is not None and done[1] >= incident.last_clock:
            return True
    method = method_of(incident)
    if (method or _method_said(incident.message)) in volume.settled:
        return True
    if method == "CreateVolume":
        # An event without a time cannot be held against a clock, but a volume is made once.
        return incident.about is not None and incident.last_time is None and method in volume.successes
    return method == "NodePublishVolume" and volumes.pods.mounted(
        volume.name, None if incident.about is not None else incident.last_time
    )


def _method_said(text: str) -> str:
    """The driver's method that csi-provisioner says failed; it names the claim, and the answer that it got."""
    made = "failed to provision volume" in text or "claims in progress" in text or "syncing claim" in text
    return "CreateVolume" if made and "laim" in text else ""


def method_of(incident: Incident) -> str:
    """The driver's method whose failure an incident is, "" if that cannot be told."""
    if incident.call is not None:
        return incident.call.method
    return _METHOD.get((incident.about or {}).get("reason", ""), "")
