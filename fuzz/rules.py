"""Rule files: a fault has a place and is told; what has none can be matched, and survives being packed."""

from __future__ import annotations

from logscan import match, model
from logscan.rulebook.ruledoc import explain
from logscan.rulebook.rulefile import read_rule_file
from logscan.rulebook.rulelint import doubts

TEXT = (
    "GRPC error: rpc error: code = Internal desc = failed to make subdirectory: mkdir /tmp/a/b: read-only file system"
)
RECORD = model.Record(
    model.Origin("fuzz.log", ""), 1, 1, 1, 0, model.Severity.ERROR, None, "none", 1, "utils.go", 93, TEXT
)


def one(data: bytes) -> None:
    """Read any text as a rule."""
    text = data.decode("utf-8", "replace")
    read = read_rule_file(text, "rules/fuzz.yaml", stem="fuzz")
    for fault in read.faults:
        assert fault.place.startswith("rules/fuzz.yaml:")
        assert fault.problem
        str(fault.error())
    if read.rule is None:
        assert read.errors() or read.disable
        return
    engine = match.Engine([read.rule])
    for finding in engine.match(RECORD):
        assert any(signature.literal in TEXT for signature in read.rule.match)
        assert all(value in TEXT for value in finding.captures.values())
    list(doubts([read]))
    explain(read.rule).encode()
