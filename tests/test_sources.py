"""Any bytes, however packed and however cut into chunks, give the same lines; what cannot be read is told."""

from __future__ import annotations

import gzip
import os
import socket
import threading
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logscan import sources, unpack
from logscan.errors import SourceError
from logscan.sources import Skipped, Source, Tally, lines, open_sources
from tests.reading import PACK, Pipe, cut, piped, problems, read

LOG = b"".join(
    b"E0720 09:53:52.%06d       1 utils.go:93] GRPC error: rpc error: code = Internal desc = %x\n" % (n, n * 7919**5)
    for n in range(3000)
)


# ---------------------------------------------------------------- lines

contents = st.lists(
    st.sampled_from([b"\n", b"\r\n", b"a", b"bcd", b"\0", b"\xff\xfe", b"\xe2\x80\xa8", b"x" * 40])
).map(b"".join)


@given(
    contents | st.binary(max_size=300), st.lists(st.integers(0, 10_000), max_size=12), st.sampled_from([1, 7, 1 << 20])
)
def test_lines_do_not_depend_on_the_chunks(data, places, longest):
    """The lines are those of a split, each at its offset, and every byte is accounted for."""
    wanted = data.split(b"\n")
    if not wanted[-1]:
        wanted.pop()
    tally = Tally()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "MAX_LINE", longest)
        got = list(lines(cut(data, places), tally))

    assert [raw for _, _, raw in got] == [line[:longest] for line in wanted]
    assert [number for number, _, _ in got] == list(range(1, len(wanted) + 1))
    for (_, offset, raw), line in zip(got, wanted, strict=True):
        assert data[offset : offset + len(line)] == line
        assert line.startswith(raw)
    assert tally.bytes == len(data) == sum(len(raw) for *_, raw in got) + data.count(b"\n") + tally.cut_bytes
    assert tally.lines == len(wanted)
    assert tally.cut_lines == sum(len(line) > longest for line in wanted)
    assert tally.nul_bytes == data.count(0)


def test_a_line_of_200_mb_is_cut_in_bounded_memory():
    chunk = b"x" * unpack.CHUNK
    count = 200_000_000 // len(chunk)

    def chunks() -> Iterator[bytes]:
        yield b"first\nlong "
        for _ in range(count):
            yield chunk
        yield b"\nlast"

    tally = Tally()
    tracemalloc.start()
    try:
        got = [(number, offset, len(raw)) for number, offset, raw in lines(chunks(), tally)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    whole = 5 + count * len(chunk)
    assert got == [(1, 0, 5), (2, 6, sources.MAX_LINE), (3, 6 + whole + 1, 4)]
    assert (tally.cut_lines, tally.cut_bytes) == (1, whole - sources.MAX_LINE)
    assert peak < 4 * sources.MAX_LINE


def test_many_tiny_chunks_of_a_long_line_cost_no_more():
    tracemalloc.start()
    try:
        (line,) = lines((b"x" for _ in range(100_000)), Tally())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(line[2]) == 100_000
    assert peak < 500_000


def test_a_fault_comes_after_the_unfinished_line():
    def chunks() -> Iterator[bytes]:
        yield b"one\ntw"
        raise SourceError("x", "is cut off")

    tally = Tally()
    stream = lines(chunks(), tally)
    got = [raw for *_, raw in (next(stream), next(stream))]
    with pytest.raises(SourceError, match="cut off"):
        next(stream)
    assert got == [b"one", b"tw"]
    assert tally == Tally(bytes=6, lines=2)


def test_stopping_early_leaves_the_count_of_lines_right():
    tally = Tally()
    stream = lines([b"a\nb\nc\nd\n"], tally)
    next(stream)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert tally.lines == 2


# ---------------------------------------------------------------- finding


def test_files_come_in_the_order_given_and_stdin_among_them(tmp_path):
    (tmp_path / "b.log").write_bytes(b"b\n")
    (tmp_path / "a.log").write_bytes(b"a\n")
    os.utime(tmp_path / "a.log", ns=(0, 1_600_000_000_123_456_789))
    got = list(open_sources([str(tmp_path / "b.log"), "-", str(tmp_path / "a.log")], Pipe([b"in"])))
    assert [s.name for s in got if isinstance(s, Source)] == [f"{tmp_path}/b.log", "-", f"{tmp_path}/a.log"]
    assert [s.mtime for s in got if isinstance(s, Source)][1:] == [None, 1_600_000_000_123_456]


def test_stdin_is_read_once():
    assert problems(read(["-", "-"], Pipe([b"x"]))) == ["standard input was read already"]


def test_the_first_line_of_a_slow_writer_is_not_held_back():
    pipe = Pipe([b"first\n", b"second\n"])
    (source,) = open_sources(["-"], pipe)
    assert isinstance(source, Source)
    assert next(source.chunks) == b"first\n"
    assert pipe.pieces == [b"second\n"]


def test_an_empty_file_is_a_source_that_yields_nothing(tmp_path):
    (tmp_path / "empty").touch()
    assert read([tmp_path / "empty"]) == [(f"{tmp_path}/empty", b"")]
    assert piped() == [("-", b"")]
    for pack in PACK.values():
        assert piped(pack(b"")) == [("-", b"")]


def tree(root: Path) -> None:
    for name in ("b/2.log", "b/1.log", "a.log", "c/d/e.txt", ".hidden/x.log", "b/.swp", "shot.png"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() + b"\n")
    (root / "photo").write_bytes(b"\xff\xd8\xff\xe0" + os.urandom(100))


def test_a_directory_is_read_in_order_without_what_is_no_log(tmp_path):
    tree(tmp_path)
    skipped: Skipped = Counter()
    got = read([tmp_path], skipped=skipped)
    names = ["a.log", "b/1.log", "b/2.log", "c/d/e.txt"]
    assert got == [(f"{tmp_path}/{name}", name.encode() + b"\n") for name in names]
    assert skipped == {
        (str(tmp_path), "hidden files"): 2,
        (str(tmp_path), "images"): 1,
        (str(tmp_path), "files that are no logs by their name"): 1,
    }


def test_links_in_a_directory_are_followed_to_files_only(tmp_path):
    """/var/log/containers holds nothing but links to files; links to directories can be loops."""
    (tmp_path / "pods").mkdir()
    (tmp_path / "pods/0.log").write_bytes(b"x\n")
    (tmp_path / "containers").mkdir()
    (tmp_path / "containers/web.log").symlink_to("../pods/0.log")
    (tmp_path / "containers/gone.log").symlink_to("nowhere")
    (tmp_path / "containers/self").symlink_to("self")
    (tmp_path / "pods/loop").symlink_to("..")
    (tmp_path / "pods/again").symlink_to("../pods")
    skipped: Skipped = Counter()
    assert read([tmp_path], skipped=skipped) == [(f"{tmp_path}/containers/web.log", b"x\n")]
    assert {what: n for (_, what), n in skipped.items()} == {
        "links to nothing": 2,
        "links to directories": 2,
        "files that were read already": 1,
    }
    assert read([f"{tmp_path}/**/*.log"]) == [(f"{tmp_path}/containers/web.log", b"x\n")]
    (tmp_path / "named").symlink_to("containers")
    assert len(read([tmp_path / "named"])) == 1, "a link that is asked for is followed"


def test_pipes_and_sockets_in_a_directory_are_passed_over(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "x.log").write_bytes(b"x\n")
    skipped: Skipped = Counter()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "sock"))
        assert len(read([tmp_path], skipped=skipped)) == 1
        assert problems(read([tmp_path / "sock"])) == ["is a device or a socket"]
    assert skipped == {(str(tmp_path), "pipes, sockets and devices"): 2}


def test_a_fifo_that_is_asked_for_is_read(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_bytes(LOG))
    writer.start()
    assert read([fifo]) == [(str(fifo), LOG)]
    writer.join()


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.log", ["a.log"]),
        ("*", ["a.log", "b/1.log", "b/2.log", "c/d/e.txt"]),
        ("b/[12].log", ["b/1.log", "b/2.log"]),
        ("**/*.log", ["a.log", "b/1.log", "b/2.log"]),
        ("**/d/*", ["c/d/e.txt"]),
        ("c/**", ["c/d/e.txt"]),
        ("?/**/*.txt", ["c/d/e.txt"]),
    ],
)
def test_patterns(tmp_path, monkeypatch, pattern, names):
    tree(tmp_path)
    assert [thing[0] for thing in read([f"{tmp_path}/{pattern}"])] == [f"{tmp_path}/{name}" for name in names]
    monkeypatch.chdir(tmp_path)
    assert [thing[0] for thing in read([pattern])] == names


def test_a_file_whose_name_is_a_pattern_is_that_file(tmp_path):
    (tmp_path / "a[1].log").write_bytes(b"x")
    assert read([tmp_path / "a[1].log"]) == [(f"{tmp_path}/a[1].log", b"x")]


def test_what_is_not_there_is_told_and_the_rest_is_read(tmp_path):
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir/x.png").touch()
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "x.log").write_bytes(b"x")
    paths = ["missing.log", "no*.log", "no/**/*.log", "dir", "link", "x.log", "x.log/y"]
    got = read([tmp_path / path for path in paths])
    assert problems(got) == [
        "no such file or directory",
        "no log matches this pattern",
        "no log matches this pattern",
        "the directory holds no logs",
        "the link points to nothing",
        "cannot be read: Not a directory",
    ]
    assert got[5] == (f"{tmp_path}/x.log", b"x")
    assert isinstance(got[0], SourceError)
    assert got[0].place == f"{tmp_path}/missing.log"


def test_permission_denied_is_told(tmp_path, monkeypatch):
    """By a patched open and listdir, since tests may run as root, who may read anything."""
    (tmp_path / "sub").mkdir()
    for name in ("a.log", "sub/b.log", "z.log"):
        (tmp_path / name).write_bytes(b"x")

    def refuse(call):
        def wrapped(path, *args: object, **kwargs: object):
            if str(path).endswith(("a.log", "sub")):
                raise PermissionError(13, "Permission denied", path)
            return call(path, *args, **kwargs)

        return wrapped

    monkeypatch.setattr(sources, "open", refuse(open), raising=False)
    monkeypatch.setattr(os, "listdir", refuse(os.listdir))
    got = read([tmp_path])
    assert problems(got) == ["permission denied"] * 2
    assert got[2] == (f"{tmp_path}/z.log", b"x")


def test_names_cannot_play_tricks_on_a_terminal(tmp_path):
    (tmp_path / "a\x1b[31m.log").write_bytes(b"x")
    os.close(os.open(os.fsencode(tmp_path) + b"/b\xff.log", os.O_CREAT | os.O_WRONLY))
    assert [thing[0] for thing in read([tmp_path])] == [f"{tmp_path}/a\ufffd[31m.log", f"{tmp_path}/b\ufffd.log"]


# ---------------------------------------------------------------- text


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_text_with_a_byte_order_mark_becomes_utf_8(codec):
    text = "E0720 grüße \U0001f600\r\n" * 50
    mark = "\ufeff" if codec == "utf-16-be" else ""
    data = (mark + text).encode(codec)
    assert piped(*cut(data, [1, 2, 3, 701, 702, 703])) == [("-", text.encode())]
    assert piped(gzip.compress(data)) == [("-", text.encode())]


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_known_by_its_zeros(codec):
    text = "E0720 09:53:52.387108 grüße\r\n" * 50
    data = text.encode(codec)
    assert piped(*cut(data, [301, 702])) == [("-", text.encode())]
    assert piped(gzip.compress(data)) == [("-", text.encode())]
    assert not sources.is_plain(data)
    assert sources.is_plain(text.encode())


def test_invalid_utf_8_stays_as_it_is():
    assert piped(b"\xef\xbb\xbfa\xff\n") == [("-", b"a\xff\n")]
    assert piped("größe\n".encode("latin-1")) == [("-", b"gr\xf6\xdfe\n")]


@pytest.mark.parametrize(
    "data",
    [
        LOG[:500] + b"\0" * 700 + LOG,
        b"\0" * 20_000 + LOG,
        b"".join(line + b"\0" for line in LOG.splitlines(keepends=True)),
        b"\x1b[31mE0720\x1b[0m \x08\x08\r\x07\n" * 20,
        "日志 журнал\n".encode() * 100,
        b"\0\0a\0",
    ],
    ids=["a hole", "a hole first", "stray", "colour", "no ASCII", "short"],
)
def test_a_log_with_stray_nuls_is_a_log(data):
    assert piped(data) == [("-", data)]


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 20,
        bytes((n * n * 31 + n // 7) % 256 for n in range(8192)),
        b"\x89PNG\r\n\x1a\n",
        b"LPKSHHRH" + bytes(500),
    ],
    ids=["program", "noise", "image", "journal"],
)
def test_a_binary_file_is_no_log(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    (problem,) = problems(read([tmp_path / "x"]))
    assert problem.startswith("is no log: it looks like ")
    assert problems(piped(gzip.compress(data))) == [problem]
    assert problems(read([tmp_path])) == ["the directory holds no logs"]


def test_a_failing_disk_is_told_after_what_was_read():
    class Failing(Pipe):
        def read1(self, size: int) -> bytes:
            if not self.pieces:
                raise OSError(5, "Input/output error")
            return super().read1(size)

    got = read(["-"], Failing([b"a\n"]))
    assert got[0] == ("-", b"a\n")
    assert problems(got) == ["cannot be read: Input/output error"]
