"""Compression and archives: bounded, told in our words, and the same however the bytes trickle in."""

from __future__ import annotations

from unittest.mock import patch

from logscan import unpack
from logscan.errors import SourceError
from logscan.sources import Source, open_sources

MOST = 1 << 20  # bytes that a bomb may make here


class Pipe:
    """A standard input that delivers pieces of one size.

    The first piece is what tells text from other things, and that may differ with less of it.
    """

    def __init__(self, data: bytes, size: int) -> None:
        self._data = data
        self._size = size
        self._first = 8192

    def read1(self, size: int) -> bytes:
        """The next piece."""
        piece = self._data[: min(size, max(self._first, self._size))]
        self._first = 0
        self._data = self._data[len(piece) :]
        return piece

    read = read1


def content(data: bytes, size: int) -> list[tuple[str, bytes, str]]:
    """(name, content, problem) of all that is in *data*."""
    found = []
    for source in open_sources(["-"], Pipe(data, size)):  # type: ignore[arg-type]
        if isinstance(source, SourceError):
            assert source.place.startswith("-")
            assert source.help, source
            found.append((source.place, b"", source.problem))
            continue
        found.append((source.name, *_read(source)))
    return found


def _read(source: Source) -> tuple[bytes, str]:
    chunks: list[bytes] = []
    try:
        for chunk in source.chunks:
            assert 0 < len(chunk) <= unpack.CHUNK
            chunks.append(chunk)
    except SourceError as error:
        return b"".join(chunks), error.problem
    return b"".join(chunks), ""


def one(data: bytes) -> None:
    """Unfold any bytes, as one piece and in small ones."""
    with patch.object(unpack, "BOMB_SIZE", MOST), patch.object(unpack, "BOMB_RATIO", 1):
        whole = content(data, 1 << 30)
        assert sum(len(body) for _, body, _ in whole) <= MOST + len(data) + (64 << 20)
        assert all(name.isprintable() for name, _, _ in whole)
        pieces = content(data, len(data) // 7 + 1)
    # Damage may be met a little earlier or later in what a decoder holds back.
    if not any(problem for *_, problem in whole):
        assert pieces == whole
