"""Compression and archives, through open_sources: the same bytes come out, and what is damaged or hostile is told."""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import zipfile
from collections import Counter

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from logscan import sources, unpack
from logscan.errors import SourceError
from logscan.sources import Skipped, Source, open_sources
from tests.reading import PACK, Pipe, cut, piped, problems, read

LOG = b"".join(
    b"E0720 09:53:52.%06d       1 utils.go:93] GRPC error: rpc error: code = Internal desc = %x\n" % (n, n * 7919**5)
    for n in range(3000)
)

slow_files = settings(deadline=None, max_examples=60)


def tar(members: dict[str, bytes] | list[tarfile.TarInfo], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for member in members:
            info = member if isinstance(member, tarfile.TarInfo) else tarfile.TarInfo(member)
            data = members[member] if isinstance(members, dict) else b""
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


# ---------------------------------------------------------------- compression


@given(
    st.sampled_from(sorted(PACK)),
    st.lists(st.binary(max_size=400) | st.just(LOG[:5000]), min_size=1, max_size=3),
    st.lists(st.integers(0, 10_000), max_size=10),
)
@slow_files
def test_packed_data_gives_the_same_lines_as_plain(kind, parts, places):
    """Also of several members, as `cat a.gz b.gz` or a rotating logger makes them, and however it trickles in."""
    plain = b"E0720 " + b"".join(parts)  # as text, or it may be told to be binary
    packed = PACK[kind](b"E0720 ") + b"".join(PACK[kind](part) for part in parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "_foreign", lambda _head: None)
        got = piped(*cut(packed, places))
    assert got == [("-", plain)]


@pytest.mark.parametrize("kind", PACK)
def test_compression_is_told_by_content_not_name(tmp_path, kind):
    (tmp_path / "nfs.log").write_bytes(PACK[kind](LOG))
    (tmp_path / "plain.gz").write_bytes(LOG)
    (tmp_path / "twice").write_bytes(PACK[kind](gzip.compress(LOG)))
    assert read([tmp_path]) == [(f"{tmp_path}/{name}", LOG) for name in ("nfs.log", "plain.gz", "twice")]


@pytest.mark.parametrize("kind", PACK)
def test_one_byte_at_a_time(kind):
    packed = PACK[kind](b"a\nb\n")
    assert piped(*(packed[n : n + 1] for n in range(len(packed)))) == [("-", b"a\nb\n")]


@pytest.mark.parametrize("kind", PACK)
def test_data_before_the_cut_is_yielded_then_the_error(kind):
    packed = PACK[kind](LOG)
    got = piped(packed[: len(packed) * 2 // 3])
    assert problems(got) == [f"the {kind} data is cut off"]
    if kind != "bzip2":  # LOG is one block of it
        (_, content) = got[0]
        assert LOG.startswith(content)
        assert len(content) > len(LOG) // 4
    (error,) = piped(packed[:12])
    assert isinstance(error, SourceError)


def test_whole_blocks_of_a_cut_bzip2_are_yielded():
    packed = bz2.compress(LOG, 1)
    (_, content), error = piped(packed[: len(packed) * 3 // 4])
    assert len(content) > 100_000
    assert LOG.startswith(content)
    assert problems([error]) == ["the bzip2 data is cut off"]


@pytest.mark.parametrize("kind", PACK)
def test_damage_is_told(kind):
    packed = bytearray(PACK[kind](LOG))
    packed[len(packed) // 2 : len(packed) // 2 + 40] = bytes(40)
    got = piped(bytes(packed))
    (problem,) = problems(got)
    assert problem.startswith(f"the {kind} data is damaged: ")
    if kind == "gzip":
        assert LOG.startswith(got[0][1][:50_000])
        assert len(got[0][1]) > 50_000


def test_padding_after_compressed_data_is_no_error_and_other_data_is():
    assert piped(gzip.compress(LOG) + bytes(700)) == [("-", LOG)]
    got = piped(gzip.compress(LOG) + b"plain text\n")
    assert got[0] == ("-", LOG)
    assert problems(got) == ["after the gzip data comes something else, which is not read"]


def test_zstd_with_a_skippable_frame_and_many_frames():
    packed = b"\x50\x2a\x4d\x18\x04\x00\x00\x00abcd" + zstandard.compress(b"a\n") + zstandard.compress(b"b\n")
    assert piped(packed) == [("-", b"a\nb\n")]


@pytest.mark.parametrize("kind", PACK)
def test_bombs_are_stopped(kind, monkeypatch):
    monkeypatch.setattr(unpack, "BOMB_SIZE", 1_000_000)
    monkeypatch.setattr(unpack, "BOMB_RATIO", 20)
    got = piped(PACK[kind](b"a log\n" * 2_000_000))
    assert len(got[0][1]) <= 1_000_000 + 50 * unpack.CHUNK
    assert "unpacks to more than 20 times its size" in problems(got)[0]
    assert piped(PACK[kind](b"a log\n" * 100_000)) == [("-", b"a log\n" * 100_000)]


def test_nesting_has_an_end():
    packed = LOG
    for _ in range(sources.MAX_NESTING + 1):
        packed = gzip.compress(packed)
    assert problems(piped(packed)) == [f"is packed {sources.MAX_NESTING} times or more"]
    for _ in range(sources.MAX_NESTING + 2):
        packed = tar({"x": packed})
    assert problems(piped(packed)) == [f"lies in {sources.MAX_NESTING} archives"]


# ---------------------------------------------------------------- archives


@pytest.mark.parametrize("pack", [bytes, *PACK.values()], ids=["plain", *PACK])
@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_tar_members_are_streams(tmp_path, pack, form):
    members = {
        "./node-1/nfs.log": LOG,
        "node-2/nfs.log.gz": gzip.compress(b"packed\n"),
        "deep/" * 30 + "x.log" if form != tarfile.USTAR_FORMAT else "x.log": b"",
        "inner.tar": tar({"a.log": b"a\n"}),
        "shot.png": b"\x89PNG",
        "node-1/._nfs.log": b"AppleDouble",
        "program": b"\x7fELF" + bytes(range(256)),
        "last.log": b"last\n",
    }
    data = pack(tar(members, form))
    long = list(members)[2]
    wanted = [
        ("node-1/nfs.log", LOG),
        ("node-2/nfs.log.gz", b"packed\n"),
        (long, b""),
        ("inner.tar!a.log", b"a\n"),
        ("last.log", b"last\n"),
    ]
    skipped: Skipped = Counter()
    assert read(["-"], Pipe([data]), skipped) == [(f"-!{name}", content) for name, content in wanted]
    assert set(skipped) == {
        ("-", what) for what in ("hidden files", "files that are no logs by their name", "binary files")
    }
    (tmp_path / "bundle").write_bytes(data)
    assert len(read([tmp_path / "bundle"])) == len(wanted)


def test_the_mtime_of_a_member_is_its_own():
    info = tarfile.TarInfo("a.log")
    info.mtime = 1_600_000_000
    got = list(open_sources(["-"], Pipe([tar([info, tarfile.TarInfo("b.log")])])))
    assert [source.mtime for source in got if isinstance(source, Source)] == [1_600_000_000_000_000, None]


def test_absolute_paths_links_and_devices_touch_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    infos = [
        special("link", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard", tarfile.LNKTYPE, "/etc/passwd"),
        special("null", tarfile.CHRTYPE),
        special("disk", tarfile.BLKTYPE),
        special("fifo", tarfile.FIFOTYPE),
        special("dir", tarfile.DIRTYPE),
        special(f"{tmp_path}/absolute.log", tarfile.REGTYPE),
        special("../../up.log", tarfile.REGTYPE),
        special("a\x1b[31m\n.log", tarfile.REGTYPE),
    ]
    skipped: Skipped = Counter()
    got = read(["-"], Pipe([tar(infos)]), skipped)
    assert got == [(f"-!{tmp_path}/absolute.log", b""), ("-!../../up.log", b""), ("-!a\ufffd[31m\ufffd.log", b"")]
    assert skipped == {("-", "links"): 2, ("-", "devices"): 3, ("-", "directories"): 1}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["tar", "tgz"])
def test_a_cut_tar_yields_what_is_before_the_cut_and_one_error(pack):
    whole = tar({"a.log": LOG, "b.log": LOG})
    start = 512 + -(-len(LOG) // 512) * 512
    data = pack(whole)
    got = piped(data[: (start + 512 + len(LOG) // 2) * len(data) // len(whole)])
    assert got[0] == ("-!a.log", LOG)
    name, content = got[1]
    assert name == "-!b.log"
    assert LOG.startswith(content)
    assert len(content) > 10_000
    assert len(problems(got)) == 1
    assert "cut off" in problems(got)[0]


@pytest.mark.parametrize("size", [300, 512 + 1024 + 100, 512 + 1024, 512 + 1000])
def test_a_tar_cut_anywhere_is_told(size):
    data = tar({"a.log": b"x" * 1000, "b.log": b"y"})
    assert len(problems(piped(data[:size]))) == 1


def test_a_damaged_or_hostile_tar_header_is_told():
    data = bytearray(tar({"a.log": LOG[:1000], "b.log": b"y"}))
    data[512 + 1024 + 10] ^= 0x55
    got = piped(bytes(data))
    assert got[0] == ("-!a.log", LOG[:1000])
    assert len(problems(got)) == 1

    for size in (-512, 1 << 40):  # a pax header that would be read in one go
        info = special("x", tarfile.XHDTYPE)
        info.size = size
        assert len(problems(piped(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048)))) == 1


def test_a_sparse_member_of_absurd_size_is_stopped(monkeypatch):
    monkeypatch.setattr(unpack, "BOMB_SIZE", 1_000_000)
    info = tarfile.TarInfo("a.log")
    info.pax_headers = {"GNU.sparse.map": "0,6", "GNU.sparse.size": str(1 << 40), "GNU.sparse.name": "a.log"}
    info.size = 6
    data = info.tobuf(tarfile.PAX_FORMAT) + b"a log\n" + bytes(506 + 1024)
    got = piped(data)
    assert got[0][1].startswith(b"a log\n")
    assert "unpacks to more than" in problems(got)[0]


def test_members_that_are_not_read_are_passed_over():
    data = gzip.compress(tar({f"{n}.log": LOG for n in range(3)}))
    assert [s.name for s in open_sources(["-"], Pipe([data])) if isinstance(s, Source)] == [
        "-!0.log",
        "-!1.log",
        "-!2.log",
    ]


def test_an_archive_without_logs_is_told():
    assert problems(piped(tar([special("dir", tarfile.DIRTYPE)]))) == ["the archive holds no logs"]


def test_zip_is_read_from_disk_from_a_pipe_and_from_another_archive(tmp_path, monkeypatch):
    path = tmp_path / "logs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a/1.log", (2026, 11, 23, 1, 2, 4)), LOG)
        archive.writestr("a/2.log.gz", gzip.compress(b"two\n"))
        archive.mkdir("b") if hasattr(archive, "mkdir") else archive.writestr("b/", "")
        archive.writestr("odd.log", b"x" * 1000, zipfile.ZIP_BZIP2)
    got = read([path])
    assert got[:2] == [(f"{path}!a/1.log", LOG), (f"{path}!a/2.log.gz", b"two\n")]
    assert problems(got) == ["is packed by a method that logscan does not know"]
    opened = [one for one in open_sources([str(path)]) if not isinstance(one, Source) or list(one.chunks)]
    assert isinstance(opened[0], Source)
    assert opened[0].mtime == 1_795_395_724_000_000

    whole = path.read_bytes()
    assert piped(whole)[:2] == [("-!a/1.log", LOG), ("-!a/2.log.gz", b"two\n")]
    assert piped(gzip.compress(whole))[:2] == piped(whole)[:2]
    outer = tmp_path / "outer.zip"
    with zipfile.ZipFile(outer, "w") as archive:
        archive.write(path, "in/logs.zip")
    assert read([outer])[:2] == [(f"{outer}!in/logs.zip!a/1.log", LOG), (f"{outer}!in/logs.zip!a/2.log.gz", b"two\n")]
    monkeypatch.setattr(unpack, "MAX_ZIP", len(whole) - 1)
    assert problems(piped(whole)) == ["is a zip archive of more than 0 MiB that is piped or packed"]
    cut_off = tmp_path / "cut.zip"
    cut_off.write_bytes(path.read_bytes()[:3000])
    assert "cut off or damaged" in problems(read([cut_off]))[0]
