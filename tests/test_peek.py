"""A log that goes on can be asked at any time what it would be found to say if it ended here."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logscan import peek, rules, scan
from logscan.sources import Source

RULES = rules.load(())
NOW = 1_900_000_000_000_000
SAMPLES = sorted(Path(__file__).parent.parent.joinpath("samples").glob("*.log"))


def diagnosed(data: bytes):
    """What diagnose says of *data*."""
    scanner = scan.Scanner(RULES, scan.Options())
    scanner.read(Source("x", NOW, iter([data] if data else [])))
    return scanner.report()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
@settings(max_examples=2)
@given(data=st.data())
def test_a_peek_is_what_diagnose_says_of_the_bytes_so_far_and_changes_nothing(path, data):
    log = path.read_bytes()
    cuts = sorted(data.draw(st.sets(st.integers(1, len(log)), min_size=1, max_size=3)))
    scanner = scan.Scanner(RULES, scan.Options())
    reading = scanner.begin("x", NOW)
    for start, end in zip([0, *cuts], [*cuts, len(log)], strict=True):
        reading.feed(log[start:end])
        assert peek.report(scanner, [reading], [reading]) == diagnosed(log[:end])
    scanner.end(reading)
    assert scanner.report() == diagnosed(log)


def test_a_record_that_may_go_on_is_left_out_until_it_is_settled():
    scanner = scan.Scanner(RULES, scan.Options())
    reading = scanner.begin("x", NOW)
    reading.feed(b"E0720 09:53:52.387108       1 utils.go:93] GRPC error: rpc error: code = Internal desc = ")
    assert peek.report(scanner, [reading], []).counts.records == 0
    assert peek.report(scanner, [reading], [reading]).counts.records == 1
    reading.feed(b"mount failed: exit status 32\n")
    assert peek.report(scanner, [reading], []).counts.records == 0
    reading.feed(b"Output: mount.nfs: access denied by server while mounting 10.0.0.5:/data\n")
    (one,) = peek.report(scanner, [reading], [reading]).diagnoses
    assert one.category == "client-not-allowed"
