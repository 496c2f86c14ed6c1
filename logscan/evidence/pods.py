"""On which node each pod runs, and whose machine a report is of: what a bundle holds beside the logs of a pod."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from logscan.bundles import of
from logscan.errors import EvidenceError
from logscan.evidence.trees import objects
from logscan.model import Origin

MAX_PODS = 100_000
MAX_JSON = 16 << 20  # bytes of a PodList


class Hosts:
    """Learns where pods run; ``of`` answers as soon as it has been told."""

    def __init__(self) -> None:
        self._pods: dict[tuple[str, str], str] = {}  # by (namespace, name)
        self._roots: dict[str, str] = {}  # by the root of a machine's report

    def read(self, data: bytes, name: str) -> bool:
        """Learn from an input that is a Pod, a PodList or a file ``hostname``; False: it is none.

        Args:
            name: of the input; its path tells which of them it is.
        """
        place = of(name)
        text = data.decode("utf-8", "replace")
        if place is not None and place.kind == "host":
            host = text.strip()
            if host and len(host) < 254 and " " not in host:
                self._roots[place.root] = host
            return bool(host)
        return self._json(text) if text.lstrip()[:1] in {"{", "["} else self._yaml(text, name)

    def _json(self, text: str) -> bool:
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return False
        items = value.get("items", [value]) if isinstance(value, Mapping) else value
        for item in items if isinstance(items, list) else []:
            if isinstance(item, Mapping):
                self._note(*(_text(item, *path) for path in _PATHS))
        return True

    def _yaml(self, text: str, name: str) -> bool:
        try:
            for node in objects(text, name):
                self._note(*(node.str(*path) for path in _PATHS))
        except EvidenceError:
            return False
        return True

    def _note(self, namespace: str, name: str, node: str) -> None:
        if name and node and len(self._pods) < MAX_PODS:
            self._pods[namespace, name] = node

    def of(self, origin: Origin) -> str:
        """The node of whoever wrote a log, "" where nothing tells."""
        return self._pods.get((origin.namespace, origin.pod), "") or self.of_input(origin.input)

    def of_input(self, name: str) -> str:
        """The node of an input by its path alone."""
        place = of(name) if self._pods or self._roots else None
        if place is None or place.kind not in {"log", "system"}:
            return ""
        if node := self._pods.get((place.namespace, place.pod)):
            return node
        path = "/" + name.replace("\\", "/").replace("!", "/").lstrip("/")
        return next((node for root, node in self._roots.items() if path.startswith(root)), "")


_PATHS = (("metadata", "namespace"), ("metadata", "name"), ("spec", "nodeName"))


def _text(value: Any, *keys: str) -> str:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""
