"""Run one target under atheris: python -m fuzz.drive TARGET [options of libFuzzer]."""

from __future__ import annotations

import sys
from importlib import import_module

import atheris


def main() -> None:
    """Fuzz until libFuzzer has had enough."""
    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=["logscan"]):
        target = import_module(f"fuzz.{name}")
        if name in {"pipeline", "reports"}:
            import_module("fuzz.pipeline").built_in()
    atheris.Setup(sys.argv, target.one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
