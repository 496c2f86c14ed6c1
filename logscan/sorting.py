"""What kind an input is: a log, or what lies beside logs and is known by its content or its path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from logscan import bundles
from logscan.errors import SourceError
from logscan.sources import Source

MAX_EVIDENCE = 4 * 1024 * 1024  # bytes of an exports file or a manifest
HOSTS = frozenset({"pods", "host"})  # files that tell on which node a pod runs


def sort_out(source: Source) -> tuple[str | None, Iterator[bytes]]:
    """What kind of evidence or of HOSTS an input is, by its content or its path; None: a log.  And all its chunks."""
    place = bundles.of(source.name)
    if place is not None and place.kind in HOSTS:
        return place.kind, source.chunks
    held: list[bytes] = []
    size = 0
    try:
        for chunk in source.chunks:
            held.append(chunk)
            size += len(chunk)
            if size > MAX_EVIDENCE or not may_be_evidence(held[0]):
                return None, _chained(held, source.chunks, None)
    except SourceError as error:
        return None, _chained(held, (), error)
    if not held:
        return None, iter(())
    return evidence_in(b"".join(held), source.name), iter(held)


# How exports files, their listings and manifests begin; most logs do not.
_EVIDENCE = (
    b"/", b"#", b'"/', b"Export list", b"apiVersion", b"kind:", b"items:", b"---", b"- apiVersion", b"-", b"metadata:", b"spec:",
    b"USER-SUPPLIED VALUES:", b"COMPUTED VALUES:",
)  # fmt: skip
# How a line of YAML begins that could be the first of a chart's values; no log's line does.
_KEY = re.compile(rb"[A-Za-z]\w*:[ \t]*(?:\r?\n|\Z|[\w/\"'{\[.-]+[ \t]*\r?\n)")


def evidence_in(data: bytes, name: str) -> str | None:
    """What kind of evidence a whole input is; None: a log."""
    if not may_be_evidence(data):
        return None
    from logscan import evidence

    return evidence.recognise(data.decode("utf-8", "replace"), name)


def may_be_evidence(first: bytes) -> bool:
    """Whether an input that begins so may turn out to be no log but evidence."""
    head = first.lstrip()
    return head.startswith(_EVIDENCE) or _KEY.match(head) is not None or (head.startswith(b"{") and b'"kind"' in first)


def _chained(held: list[bytes], rest: Iterable[bytes], error: SourceError | None) -> Iterator[bytes]:
    """What was looked at, what follows, and how it ended."""
    yield from held
    if error is not None:
        raise error
    yield from rest
