"""The corpus of the fuzz targets, replayed: seeds, and each input that once broke a law."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parent.parent / "fuzz"
INPUTS = sorted((FUZZ / "corpus").glob("*/*"))


def test_each_target_has_a_corpus_and_each_corpus_a_target():
    targets = {path.stem for path in FUZZ.glob("*.py") if "\ndef one(data: bytes)" in path.read_text(encoding="utf-8")}
    assert {path.parent.name for path in INPUTS} == targets
    assert len(targets) >= 9


@pytest.mark.parametrize("path", INPUTS, ids=[f"{path.parent.name}-{path.name}" for path in INPUTS])
def test_laws_hold_for(path):
    import_module(f"fuzz.{path.parent.name}").one(path.read_bytes())


@pytest.mark.parametrize("name", sorted({path.parent.name for path in INPUTS}))
def test_laws_hold_for_what_is_cut_or_mixed_of_seeds(name):
    """A little of what the fuzzers do, the same each time."""
    one = import_module(f"fuzz.{name}").one
    seeds = [path.read_bytes() for path in INPUTS if path.parent.name == name]
    one(b"")
    for index, seed in enumerate(seeds[:: max(1, len(seeds) // 4)]):
        other = seeds[index * 7 % len(seeds)]
        for at in (1, len(seed) // 3, len(seed) - 1):
            one(seed[:at])
            one(seed[:at] + other[at:])
            one(seed[:at] + bytes([index * 37 % 256]) + seed[at + 1 :])
