"""What a wheel, or an editable install, has that is made: the packed rules, manual pages, completions of shells."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Where bash, zsh and fish look, below the prefix that logscan is installed in.
COMPLETIONS = {
    "bash": "share/bash-completion/completions/logscan",
    "zsh": "share/zsh/site-functions/_logscan",
    "fish": "share/fish/vendor_completions.d/logscan.fish",
}


class Make(BuildHookInterface[Any]):
    """The build has hatchling, PyYAML and click only, so patterns are not compiled here; ``rules lint`` does."""

    _made: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  hatchling's signature
        """Write all before hatchling collects the files; an sdist makes it anew."""
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        self._made = Path(tempfile.mkdtemp(prefix="logscan-"))
        sys.path.insert(0, str(root))
        try:
            from logscan.cli import cli
            from logscan.commands import completion, manpages
            from logscan.rules import write_pack

            write_pack(root / "logscan", root / "rules")
            for name, page in manpages.pages(cli).items():
                self._share(name, page, f"share/man/man1/{name}", build_data)
            for shell, place in COMPLETIONS.items():
                self._share(shell, completion.script(shell), place, build_data)
        finally:
            sys.path.remove(str(root))

    def _share(self, name: str, text: str, place: str, build_data: dict[str, Any]) -> None:
        assert self._made is not None
        file = self._made / name
        file.write_text(text, encoding="utf-8")
        build_data["shared_data"][str(file)] = place

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Take away what the wheel now holds."""
        if self._made is not None:
            shutil.rmtree(self._made)
