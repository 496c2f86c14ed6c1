"""What each StorageClass and PersistentVolume will meet on its server, without any log."""

from __future__ import annotations

from typing import Any

from logscan import evidence
from logscan.evidence.manifests import StorageClass, Volume
from logscan.evidence.predictor import Prediction

DRIVER = "nfs.csi.k8s.io"


def foretell(facts: evidence.Facts, client: str | None) -> list[dict[str, Any]]:
    """One entry per class and volume of the driver, in the order of their names.

    Returns:
        kind, name, server, share, outcome ("ok", "EROFS", "ENOENT", "EACCES",
        "EPERM"), stage ("mount", "write", "chmod", "none"), category,
        confidence, why, share_right, candidates, exports (the line that
        /etc/exports should have), manifest (with the right share), unless,
        next_fault.
    """
    entries = []
    for _, one in sorted(facts.storage_classes.items()):
        if one.provisioner == DRIVER:
            entries.append(
                _entry(facts, one, "StorageClass", evidence.predict_class(facts, one, client=client), client)
            )
    for _, volume in sorted(facts.volumes.items()):
        if volume.server:
            found = evidence.predict_volume(facts, volume, client=client)
            entries.append(_entry(facts, volume, "PersistentVolume", found, client))
    return entries


def _entry(
    facts: evidence.Facts,
    one: StorageClass | Volume,
    kind: str,
    found: Prediction,
    client: str | None,
) -> dict[str, Any]:
    right = found.share_right
    return {
        "kind": kind,
        "name": one.name,
        "server": one.server,
        **_told(found),
        "share_right": right,
        "candidates": list(found.candidates),
        "exports": evidence.exports_fix(found, facts, one.server, client=client),
        "manifest": evidence.corrected_manifest(facts, one.name, right) if right is not None else None,
        "unless": _told(found.unless) if found.unless else None,
        "next_fault": _told(found.next_fault) if found.next_fault else None,
    }


def _told(found: Prediction) -> dict[str, Any]:
    return {
        "share": found.share,
        "outcome": found.outcome,
        "stage": found.stage,
        "category": found.category,
        "confidence": found.confidence,
        "why": list(found.why),
    }
