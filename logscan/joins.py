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
    failures = _Failures(collector, rules, symptoms_of, volumes)
    for incident in events:
        if incident.about is not None and incident.about.get("kind") == "Pod":
            incident.volume = _of_pod(incident.about, failures.explaining(incident), volumes)
            failures.settled(incident)


def _of_claim(volumes: Volumes, namespace: str, claim: str) -> Volume:
    """The volume of a claim; one without a name if the log tells none."""
    return volumes.of_claim(namespace, claim) or Volume(claim_name(namespace, claim), pvc=claim, namespace=namespace)


class _Failing:
    """Volumes that fail, by name and by the ends of their claims' names."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.volumes: dict[str, Volume] = {}
        self._by_end: dict[str, dict[str, Volume]] = {}

    def add(self, volume: Volume, known: Volume) -> None:
        """Add a volume, unless it is of another namespace."""
        if _of_another(self.namespace, volume):
            return
        self.volumes[volume.name] = known
        end = known.pvc
        while "-" in end:
            end = end.partition("-")[2]
            self._by_end.setdefault(end, {})[volume.name] = known

    def of_claims_named(self, end: str) -> Mapping[str, Volume]:
        """Those whose claims' names end with "-" and a pod's name."""
        return self._by_end.get(end, {}) if end else {}


class _Failures:
    """The volumes that met a rule which explains all that an event met: gathered once for all events alike.

    A thousand pods wait for a thousand volumes of a server that is down, and a million pairs take a minute.
    """

    def __init__(
        self, collector: Collector, rules: Iterable[str], symptoms_of: Callable[[str], set[str]], volumes: Volumes
    ) -> None:
        self._rules, self._symptoms_of, self._volumes = tuple(rules), symptoms_of, volumes
        self._by_rule: dict[str, list[Incident]] = {}
        for incident in collector.incidents.values():
            for rule_id in {finding.rule.id for finding in incident.findings}:
                self._by_rule.setdefault(rule_id, []).append(incident)
        self._found: dict[tuple[frozenset[str], str], tuple[set[str], _Failing]] = {}

    def explaining(self, symptom: Incident) -> _Failing:
        """The failing volumes that *symptom* may be about."""
        met = frozenset(finding.rule.id for finding in symptom.findings if finding.rule.severity > Severity.INFO)
        namespace = (symptom.about or {}).get("namespace", "")
        found = self._found.get((met, namespace))
        if found is None:
            rules = {rule_id for rule_id in self._rules if met and met <= self._symptoms_of(rule_id)}
            found = self._found[met, namespace] = (rules, _Failing(namespace))
            for rule_id in rules:
                for other in self._by_rule.get(rule_id, ()):
                    self._add(found[1], other)
        return found[1]

    def settled(self, incident: Incident) -> None:
        """An event got its volume, so it may explain others."""
        mine = {finding.rule.id for finding in incident.findings}
        for rules, failing in self._found.values():
            if rules & mine:
                self._add(failing, incident)

    def _add(self, failing: _Failing, other: Incident) -> None:
        if other.volume is not None:
            failing.add(other.volume, self._volumes.known(other.volume.name) or other.volume)


def _of_pod(about: Mapping[str, str], failing: _Failing, volumes: Volumes) -> Volume | None:
    """The volume that a pod waits for."""
    namespace, name = about.get("namespace", ""), about.get("name", "")
    pod = volumes.pods.get((namespace, name))
    if about.get("reason") == "FailedMount" and pod is not None and len(pod.volumes) == 1:
        return volumes.get(next(iter(pod.volumes)))
    if pod is not None and pod.claims:
        mine = {one.name: one for one in (_of_claim(volumes, namespace, claim) for claim in pod.claims)}
        hit = [one for key, one in mine.items() if key in failing.volumes] or list(mine.values())
        return hit[0] if len(hit) == 1 else None
    # A StatefulSet calls the claims of web-0 data-web-0, logs-web-0 …
    candidates = failing.of_claims_named(name) or failing.volumes
    return next(iter(candidates.values())) if len(candidates) == 1 else None


def strangers(symptom: Incident, other: Incident) -> bool:
    """Whether *symptom*, an event whose volume is not known, cannot be about the volume of *other*."""
    namespace = symptom.about.get("namespace", "") if symptom.about is not None else ""
    return other.volume is not None and _of_another(namespace, other.volume)


def _of_another(namespace: str, volume: Volume) -> bool:
    """Whether a volume is certainly none of a namespace; "" is not known."""
    return bool(namespace) and volume.namespace not in {"", namespace}


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
