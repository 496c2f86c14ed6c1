"""Packs rules/*.yaml into logscan/_pack.json when a wheel or an editable install is built."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PackRules(BuildHookInterface[Any]):
    """The build has hatchling and PyYAML only, so patterns are not compiled here; ``rules lint`` does."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  hatchling's signature
        """Write the pack before hatchling collects the files; an sdist builds it anew from the rules."""
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        sys.path.insert(0, str(root))
        try:
            from logscan.rules import write_pack

            write_pack(root / "logscan", root / "rules")
        finally:
            sys.path.remove(str(root))
