"""Exports and manifests: faults are collected and never raised, and a prediction is made of whatever was understood."""

from __future__ import annotations

from logscan import evidence
from logscan.errors import EvidenceError
from logscan.evidence import manifests
from logscan.evidence.exports import KINDS
from logscan.evidence.foretell import foretell

_KINDS = (*KINDS, "manifest", "values")
CLASS = """\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: nfs-csi}
provisioner: nfs.csi.k8s.io
parameters: {server: 192.168.59.102, share: /}
"""


def one(data: bytes) -> None:
    """Read any text as each kind of evidence: the first byte chooses."""
    text = data[1:].decode("utf-8", "replace")
    kind = _KINDS[data[0] % len(_KINDS)] if data else "exports"
    recognised = evidence.recognise(text, "exports")
    assert recognised is None or recognised in _KINDS
    for way in {kind, recognised or kind}:
        facts, again = evidence.Facts(), evidence.Facts()
        for one in (facts, again):
            one.read("manifest", CLASS, "class.yaml")
            one.read(way, text, "fuzz")
        assert facts.listings == again.listings
        assert all(isinstance(error, EvidenceError) and error.place for error in facts.errors)
        assert all(fault.line >= 0 and fault.problem for _, fault in facts.faults)
        for client in (None, "10.0.0.7"):
            for entry in foretell(facts, client):
                assert entry["outcome"]
        for made in facts.storage_classes.values():
            _amend(made)


def _amend(one: manifests.StorageClass) -> None:
    """A corrected class reads as what it is."""
    if one.node.weight > 2_000 or one.provisioner != manifests.DRIVER or not one.parameters:
        return
    text = manifests.with_share(one.node, "/home/ubuntu/nfs")
    objects, errors = manifests.read(text, "corrected.yaml")
    assert not errors, (text, errors)
    if text:
        (again,) = objects
        assert isinstance(again, manifests.StorageClass)
        assert again.share == "/home/ubuntu/nfs"
        assert (again.name, again.provisioner) == (one.name, one.provisioner)
