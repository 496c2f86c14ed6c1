"""Layers around text: compression and archives, read as streams.

Only ``sources`` uses this.  Decoders and archive readers are imported where
used, since this is on the start-up path.  Nothing is unpacked to disk, and no
name inside an archive is ever opened.
"""

# A path stays as the user wrote it, and pathlib would rewrite "./x".
# ruff: noqa: PTH123, PTH202

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO

from .errors import SourceError

CHUNK = 1 << 18  # bytes read at a time
BOMB_SIZE = 256 << 20  # bytes; up to here any ratio is believed
BOMB_RATIO = 500  # unpacked : read.  Real logs reach 10 to 200
MAX_TAR_HEADER = 1 << 20  # bytes of a pax header or long name, which tarfile reads in one go
MAX_ZIP = 64 << 20  # bytes of zips inside something else, which are held in memory
MAX_DIRECTORY = 12 << 20  # bytes of a zip's table of contents, of which each entry takes ten times the room
MAX_MEMBERS = 250_000  # of an archive
MAX_LABEL = 1024  # characters of a member's name; of a longer one the middle is left out
TAR_BLOCK = 512
UNPACK = "unpack it and give logscan the files"

_COPY_AGAIN = "what lies before was read; copy the file again to have the rest"

# Small, because a decoder that raises takes the output of that call with it,
# and because it bounds what one call can make: 16 MiB for zstd, the densest.
_PIECE = 512

_COMPRESSIONS: dict[str, tuple[bytes, ...]] = {
    "gzip": (b"\x1f\x8b\x08",),
    "xz": (b"\xfd7zXZ\x00",),
    # A block or the end of an empty stream must follow, for a log may begin with "BZh1".
    "bzip2": tuple(b"BZh%d%s" % (n, mark) for n in range(1, 10) for mark in (b"1AY&SY", b"\x17rE8P\x90")),
    # RFC 8878: frames, and the skippable frames that pzstd puts before them.
    "zstd": (b"\x28\xb5\x2f\xfd", *(bytes([n]) + b"\x2a\x4d\x18" for n in range(0x50, 0x60))),
}
_LONGEST_MAGIC = 10  # bytes, bzip2's

# A member of an archive: its name there, mtime in µs since the epoch (None: unknown), content.
Member = tuple[str, int | None, Iterator[bytes]]


@dataclass(slots=True)
class Meter:
    """Bytes read from disk or pipe against bytes made of them, by all layers together."""

    raw: int = 0
    made: int = 0
    held: int = 0  # bytes of zips that are in memory
    members: int = 0  # of archives, passed over or not

    @property
    def spent(self) -> bool:
        """Whether so much was made of so little that no log can be meant."""
        return self.made > max(BOMB_SIZE, BOMB_RATIO * self.raw)

    def grow(self, size: int, place: str) -> None:
        """Count *size* bytes made; raise SourceError if that is too much."""
        self.made += size
        if self.spent:
            problem = f"unpacks to more than {BOMB_RATIO} times its size; stopped after {self.made} bytes"
            raise SourceError(place, problem, "if it is no decompression bomb, " + UNPACK)


def printable(name: str) -> str:
    """Replace what plays tricks on a terminal or cannot be encoded (file names hold any bytes)."""
    return name if name.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in name)


def label(archive: str, member: str) -> str:
    """Name a member.  No path to open, so "/etc/x" and "../x" may stay what they are."""
    name = member.removeprefix("./")
    if len(name) > MAX_LABEL:
        name = f"{name[: MAX_LABEL // 2]}…{name[-MAX_LABEL // 2 :]}"
    return f"{archive}!{printable(name)}"


def at_most(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Cut chunks longer than *size* bytes."""
    for chunk in chunks:
        if len(chunk) <= size:
            yield chunk
        else:
            for start in range(0, len(chunk), size):
                yield chunk[start : start + size]


# ---------------------------------------------------------------- compression


def compression(head: bytes) -> str | None:
    """Name the compression of a file that begins with *head*, None if there is none."""
    return next((kind for kind, magics in _COMPRESSIONS.items() if head.startswith(magics)), None)


def decompress(chunks: Iterable[bytes], kind: str, place: str, meter: Meter) -> Iterator[bytes]:
    """Decompress all members (gzip, bzip2) or frames, skipping padding between them.

    Yields chunks of at most CHUNK bytes, and holds nothing back while it waits
    for input.  Raises SourceError when the data is damaged, cut off, followed
    by something else, or a bomb, after yielding what could be decoded.
    """
    made: list[bytes] = []
    size = 0
    fault: SourceError | None = None
    try:
        for out in _decoded(chunks, kind, place):
            made.append(out)
            size += len(out)
            meter.grow(len(out), place)
            if size >= CHUNK or (size and not out):
                yield from at_most([b"".join(made)], CHUNK)
                made, size = [], 0
    except SourceError as error:
        fault = error
    if size:
        yield from at_most([b"".join(made)], CHUNK)
    if fault is not None:
        raise fault


def _decoded(chunks: Iterable[bytes], kind: str, place: str) -> Iterator[bytes]:
    """Yield what one call after the other makes; b"" when a chunk of input is used up."""
    make, damage = _decoder(kind)
    decoder: Any = make()
    data = b""
    for chunk in chain(chunks, [b""]):  # the empty one: no more will come
        data += chunk  # what is left in it is the beginning of a member, too short to be told
        at = 0
        while at < len(data):
            if decoder is None:
                at += len(data) - at - len(data[at:].lstrip(b"\0")) if data[at] == 0 else 0  # padding
                if at == len(data) or (chunk and len(data) - at < _LONGEST_MAGIC):
                    break
                if not data.startswith(_COMPRESSIONS[kind], at):
                    raise SourceError(place, f"after the {kind} data comes something else, which is not read", UNPACK)
                decoder = make()
            piece = data[at : at + _PIECE]
            at += len(piece)
            try:
                yield from filter(None, _outputs(decoder, piece))
            except damage as error:
                raise SourceError(place, f"the {kind} data is damaged: {error}", _COPY_AGAIN) from error
            if decoder.eof:
                at -= len(decoder.unused_data)
                decoder = None
        data = data[at:]
        yield b""
    if decoder is not None:
        raise SourceError(place, f"the {kind} data is cut off", _COPY_AGAIN)


def _decoder(kind: str) -> tuple[Callable[[], Any], type[Exception]]:
    """Return what makes a decoder of one member, and what it raises on damage."""
    if kind == "gzip":
        import zlib

        return (lambda: zlib.decompressobj(31)), zlib.error
    if kind == "bzip2":
        import bz2

        return bz2.BZ2Decompressor, OSError
    if kind == "xz":
        import lzma

        # xz -9 needs 65 MiB; a file may ask for 4 GiB.
        return (lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=1 << 27)), lzma.LZMAError
    import zstandard

    return (lambda: zstandard.ZstdDecompressor().decompressobj()), zstandard.ZstdError


def _outputs(decoder: Any, piece: bytes) -> Iterator[bytes]:
    if not hasattr(decoder, "needs_input"):  # zlib and zstd: bounded by _PIECE
        yield decoder.decompress(piece)
        return
    yield decoder.decompress(piece, CHUNK)
    while not decoder.eof and not decoder.needs_input:
        yield decoder.decompress(b"", CHUNK)


# ---------------------------------------------------------------- archives


def is_tar(head: bytes) -> bool:
    """Recognise POSIX and GNU tar by their magic, older ones by the header's checksum."""
    if head[257:262] == b"ustar":
        return True
    stored = head[148:156].strip(b" \0")
    if len(head) < TAR_BLOCK or not stored.isdigit() or b"8" in stored or b"9" in stored:
        return False
    return int(stored, 8) == sum(head[:148]) + 8 * 0x20 + sum(head[156:TAR_BLOCK])


def is_zip(head: bytes) -> bool:
    """Recognise zip, also an empty one."""
    return head.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def in_memory(chunks: Iterable[bytes], place: str, meter: Meter) -> BinaryIO:
    """A zip that comes as a stream; its size is held on *meter* until the caller lets it go.

    Raises:
        SourceError: it is too large to be held.
    """
    from io import BytesIO

    file, before = BytesIO(), meter.held
    for chunk in chunks:
        meter.held += file.write(chunk)
        if meter.held > MAX_ZIP:
            meter.held = before
            together = ", with those around it," if before else ""
            problem = f"is a zip archive of more than {MAX_ZIP >> 20} MiB{together} that is piped or packed"
            raise SourceError(place, problem, UNPACK)
    return file


def _directory_size(path: str | BinaryIO) -> int:
    """Bytes of a zip's table of contents as its end says; 0 where there is no such end, which zipfile will tell."""
    from io import SEEK_END

    with open(path, "rb") if isinstance(path, str) else nullcontext(path) as file:
        size = file.seek(0, SEEK_END)
        file.seek(max(0, size - (1 << 16) - 98))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0:
        return 0
    told = int.from_bytes(tail[at + 12 : at + 16], "little")
    large = tail.rfind(b"PK\x06\x06", 0, at)  # zip64's, which says it in eight bytes
    return max(told, int.from_bytes(tail[large + 40 : large + 48], "little")) if large >= 0 else told


class _Reader:
    """A file for tarfile.  A fault reads as the end, so that what lies before it is delivered first."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""
        self.fault: SourceError | None = None

    def read(self, size: int) -> bytes:
        if not self._rest and self.fault is None:
            try:
                self._rest = next(self._chunks, b"")
            except SourceError as error:
                self.fault = error
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


def tar_members(
    chunks: Iterator[bytes], place: str, meter: Meter, skip: Callable[[str], None]
) -> Iterator[Member | SourceError]:
    """Read a tar as a stream: each member before the next is asked for, or it is passed over.

    Links, devices and directories are told to *skip*.  A SourceError is the
    last thing that comes, unless a member's content has raised it.
    """
    import tarfile

    reader: Any = _Reader(chunks)
    told = False

    def fault(error: Exception) -> SourceError:
        nonlocal told
        told = True
        if isinstance(reader.fault, SourceError):
            return reader.fault
        return SourceError(place, f"the tar archive is cut off or damaged: {error}", _COPY_AGAIN)

    def content(info: Any) -> Iterator[bytes]:
        try:
            for chunk in _tar_content(archive, info):
                meter.grow(len(chunk), label(place, info.name))  # a sparse member is made of nothing
                yield chunk
        except tarfile.TarError as error:
            raise fault(error) from error

    try:
        archive: Any = tarfile.open(  # noqa: SIM115 - holds nothing that wants closing
            fileobj=reader,
            mode="r|",
            bufsize=CHUNK,
            tarinfo=_strict_header(),
            encoding="utf-8",
            errors="surrogateescape",
        )
        while (info := archive.next()) is not None:
            archive.members.clear()  # or it would remember every member
            if not info.isreg():
                skip("directories" if info.isdir() else "links" if info.issym() or info.islnk() else "devices")
                continue
            mtime = int(info.mtime * 1_000_000) if info.mtime > 0 else None  # 0: made reproducible
            yield info.name, mtime, content(info)
            if told or meter.spent:
                return
    except (tarfile.TarError, ValueError, OverflowError) as error:
        if not told:
            yield fault(error)
        return
    if reader.fault is not None:
        yield reader.fault


def _tar_content(archive: Any, info: Any) -> Iterator[bytes]:
    """Read one member; what there is of it comes before the tarfile.TarError."""
    import tarfile

    if info.issparse():
        file = archive.extractfile(info)
        yield from iter(lambda: file.read1(CHUNK), b"")
        return
    # Not by extractfile, which drops what it has when the archive ends in the middle.
    at, end = info.offset_data, info.offset_data + info.size
    while at < end:
        archive.fileobj.seek(at)  # raises if the caller went on to another member before
        chunk = archive.fileobj.read(min(CHUNK, end - at))
        if not chunk:
            raise tarfile.ReadError("unexpected end of data")
        at += len(chunk)
        yield chunk


def _strict_header() -> Any:
    """Make a TarInfo that raises where tarfile would take a damaged header for the archive's end."""
    import tarfile

    in_memory = {
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
    }

    class Header(tarfile.TarInfo):
        @classmethod
        def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Any:
            made = super().frombuf(buf, encoding, errors)
            # A negative size sends tarfile round and round (CVE-2025-8194).
            if made.size < 0 or (made.type in in_memory and made.size > MAX_TAR_HEADER):
                raise tarfile.ReadError("a header of absurd size")
            return made

        @classmethod
        def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Any:
            try:
                return super().fromtarfile(tarfile_)
            except tarfile.HeaderError as error:
                if type(error).__name__ == "EOFHeaderError":  # the zeros at a proper end
                    raise
                raise tarfile.ReadError(str(error)) from error

    return Header


def zip_members(
    path: str | BinaryIO, place: str, meter: Meter, skip: Callable[[str], None]
) -> Iterator[Member | SourceError]:
    """Read a zip on disk or in memory (its table of contents is at its end, so a pipe will not do)."""
    import struct
    import zipfile
    import zlib
    from datetime import UTC, datetime

    # All that zipfile raises on damage, on offsets that point anywhere and on flags that contradict each other.
    damage = (
        zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, LookupError, OverflowError, RuntimeError,
    )  # fmt: skip
    size = 0  # of a file on disk; what is held in memory was counted when it was read

    def content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> Iterator[bytes]:
        try:
            meter.raw = min(size, meter.raw + info.compress_size) if size else meter.raw
            with archive.open(info) as opened:
                file: Any = opened
                while chunk := file.read1(CHUNK):
                    meter.grow(len(chunk), where)
                    yield chunk
        except damage as error:
            raise SourceError(where, f"the zip archive is damaged: {error}", _COPY_AGAIN) from error

    try:
        if isinstance(path, str):
            size = os.path.getsize(path)
        if _directory_size(path) > MAX_DIRECTORY:
            yield SourceError(place, "the zip archive holds too many files", UNPACK)
            return
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                where = label(place, info.filename)
                folder = info.filename.endswith("/")  # is_dir() looks for the last character of an empty name
                if folder or stat.S_ISLNK(info.external_attr >> 16):
                    skip("directories" if folder else "links")
                elif info.flag_bits & 1:
                    yield SourceError(where, "is encrypted", UNPACK)
                # zipfile sets no bound to what one read of the other methods makes.
                elif info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                    yield SourceError(where, "is packed by a method that logscan does not know", UNPACK)
                else:
                    try:  # zip knows no zone, 1980 is its zero, and it can hold a 31 February
                        written = int(datetime(*info.date_time, tzinfo=UTC).timestamp()) * 1_000_000
                    except ValueError:
                        written = 0
                    known = written if info.date_time[0] > 1980 and written else None
                    yield info.filename, known, content(archive, info, where)
                    if meter.spent:
                        return
    except damage as error:
        yield SourceError(place, f"the zip archive is cut off or damaged: {error}", _COPY_AGAIN)
