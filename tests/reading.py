"""Read everything through open_sources, as the tests of sources and of unpacking both do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from itertools import pairwise

import zstandard

from logscan import unpack
from logscan.errors import SourceError
from logscan.sources import open_sources

PACK = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,  # as the command does
}


class Pipe(io.RawIOBase):
    """A stdin that delivers what a slow writer wrote, piece by piece."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = [piece for piece in pieces if piece]

    def read1(self, size: int) -> bytes:
        piece = self.pieces.pop(0) if self.pieces else b""
        if piece[size:]:
            self.pieces.insert(0, piece[size:])
        return piece[:size]


def piped(*pieces: bytes) -> list[tuple[str, bytes] | SourceError]:
    return read(["-"], stdin=Pipe(list(pieces)))


def read(paths, stdin=None, skipped=None) -> list[tuple[str, bytes] | SourceError]:
    """Read everything: (name, content), and each SourceError where it came."""
    got: list[tuple[str, bytes] | SourceError] = []
    for source in open_sources([str(path) for path in paths], stdin, skipped):
        if isinstance(source, SourceError):
            got.append(source)
            continue
        content = b""
        try:
            for chunk in source.chunks:
                assert 0 < len(chunk) <= unpack.CHUNK
                content += chunk
        except SourceError as error:
            got += [(source.name, content), error]
        else:
            got.append((source.name, content))
    return got


def problems(got) -> list[str]:
    assert all(error.place and error.help for error in got if isinstance(error, SourceError))
    return [error.problem for error in got if isinstance(error, SourceError)]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[a:b] for a, b in pairwise(edges)]
