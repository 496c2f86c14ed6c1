"""Files and pipes are followed as ``tail -F`` does it: every byte once, in order, whatever happens to the names."""

from __future__ import annotations

import gzip
import os
import threading
import time
from pathlib import Path

import pytest

from logscan import tail
from logscan.tail import Tail

PATIENCE = 10.0  # seconds before a test gives up
OPEN: list[Tail] = []  # to be closed when a test is over


@pytest.fixture(autouse=True)
def _fast(monkeypatch, tmp_path):
    monkeypatch.setattr(tail, "POLL", 0.002)
    monkeypatch.setattr(tail, "LOOK", 0.004)
    monkeypatch.chdir(tmp_path)
    yield
    while OPEN:
        OPEN.pop().close()


class Reader:
    """Gathers what comes, by input."""

    def __init__(self, *paths: str, stdin=None) -> None:
        self.tail = Tail(paths, stdin)
        OPEN.append(self.tail)
        self.got: dict[str, bytes] = {}
        self.ended: list[str] = []
        self.errors: list[str] = []

    def poll(self) -> None:
        for piece in self.tail.poll(0.002):
            if piece.error is not None:
                self.errors.append(str(piece.error))
            elif piece.data:
                self.got[piece.name] = self.got.get(piece.name, b"") + piece.data
            else:
                self.ended.append(piece.name)

    def until(self, **wanted: bytes) -> None:
        """Poll until exactly this has come of the inputs, whose dots are left out."""
        deadline = time.monotonic() + PATIENCE
        while {Path(name).stem.replace("-", "_"): data for name, data in self.got.items()} != wanted:
            assert time.monotonic() < deadline, self.got
            self.poll()
        for _ in range(5):  # and no more
            self.poll()
        assert {Path(name).stem.replace("-", "_"): data for name, data in self.got.items()} == wanted


def append(path: str, data: bytes) -> None:
    with Path(path).open("ab") as file:
        file.write(data)


def test_a_file_is_read_from_its_start_and_as_it_grows():
    append("a.log", b"one\n")
    reader = Reader("a.log")
    reader.until(a=b"one\n")
    append("a.log", b"tw")
    reader.until(a=b"one\ntw")
    append("a.log", b"o\n")
    reader.until(a=b"one\ntwo\n")


def test_several_files_keep_apart_and_large_ones_come_in_the_order_given():
    append("a.log", b"a" * 200_000 + b"\n")
    append("b.log", b"b\n")
    reader = Reader("a.log", "b.log")
    names = [piece.name for piece in reader.tail.poll(0.01)]
    assert names == sorted(names)
    assert set(names) == {"a.log", "b.log"}


@pytest.mark.parametrize("unread", [b"", b"unread\n", b"no line's end"])
def test_rotation_by_another_file_loses_nothing(unread):
    append("a.log", b"old\n")
    reader = Reader("a.log")
    reader.until(a=b"old\n")
    append("a.log", unread)
    Path("a.log").rename("a.log.1")
    append("a.log", b"new\n")
    ended = unread + b"\n" * (unread != b"" and not unread.endswith(b"\n"))
    reader.until(a=b"old\n" + ended + b"new\n")


def test_what_is_written_to_the_old_file_before_the_new_one_comes_is_read():
    append("a.log", b"old\n")
    reader = Reader("a.log")
    reader.until(a=b"old\n")
    Path("a.log").rename("a.log.1")
    append("a.log.1", b"late\n")
    reader.until(a=b"old\nlate\n")
    append("a.log", b"new\n")
    reader.until(a=b"old\nlate\nnew\n")


@pytest.mark.parametrize("fresh", [b"n\n", b"a longer text than the one before\n"])
def test_truncation_begins_again(fresh):
    append("a.log", b"0123456789\n")
    reader = Reader("a.log")
    reader.until(a=b"0123456789\n")
    with Path("a.log").open("r+b") as file:  # in one go: no poll sees it empty
        file.write(fresh)
        file.truncate()
    reader.until(a=b"0123456789\n" + fresh)


def test_a_file_that_does_not_exist_yet_is_waited_for():
    reader = Reader("a.log")
    assert reader.tail.missing() == ["a.log"]
    reader.poll()
    append("a.log", b"one\n")
    reader.until(a=b"one\n")
    assert reader.tail.missing() == []
    assert not reader.tail.over


@pytest.mark.parametrize("place", ["pods", "pods/*/*.log", "pods/**/*.log"])
def test_new_files_of_a_directory_or_a_pattern_are_followed_and_rotated_ones_are_not_read_twice(place):
    Path("pods/one").mkdir(parents=True)
    first = b"first, and long enough to be known again\n" * 8
    append("pods/one/a.log", first)
    reader = Reader(place)
    reader.until(a=first)
    Path("pods/two").mkdir()
    append("pods/two/b.log", b"b\n")
    reader.until(a=first, b=b"b\n")
    Path("pods/one/a.log").rename("pods/one/a.log.20260720-095352")
    append("pods/one/a.log", b"second\n")
    Path("pods/one/a.log.20260720-095352.gz").write_bytes(gzip.compress(first))
    Path("pods/one/copy.log").write_bytes(first)  # rotated under a name that does not tell it
    reader.until(a=first + b"second\n", b=b"b\n")


def test_a_file_that_has_gone_from_a_directory_is_over(monkeypatch):
    monkeypatch.setattr(tail, "LEFT", 0.005)
    Path("pods").mkdir()
    append("pods/a.log", b"a\n")
    reader = Reader("pods")
    reader.until(a=b"a\n")
    Path("pods/a.log").unlink()
    deadline = time.monotonic() + PATIENCE
    while not reader.ended:
        assert time.monotonic() < deadline
        reader.poll()
    assert reader.ended == ["pods/a.log"]


def test_what_is_packed_is_left_to_be_read_once():
    Path("a.log.gz").write_bytes(gzip.compress(b"x\n"))
    reader = Reader("a.log.gz")
    reader.poll()
    assert reader.tail.unfollowed == ["a.log.gz"]
    assert reader.tail.over


def test_a_named_pipe_waits_for_its_writer_and_is_opened_once():
    os.mkfifo("a.log")
    reader = Reader("a.log")
    reader.poll()
    assert not reader.tail.over
    long = b"x" * 1000 + b"\n"
    with Path("a.log").open("wb", buffering=0) as out:
        out.write(long)
        reader.until(a=long)
        out.write(b"more\n")
        reader.until(a=long + b"more\n")
    deadline = time.monotonic() + PATIENCE
    while not reader.tail.over:
        assert time.monotonic() < deadline
        reader.poll()
    assert reader.ended == ["a.log"]


def test_a_packed_pipe_is_handed_on_whole():
    packed = gzip.compress(bytes(range(256)) * 1000)
    out, into = os.pipe()
    thread = threading.Thread(
        target=lambda: (os.write(into, packed[:300]), os.write(into, packed[300:]), os.close(into))
    )
    with os.fdopen(out, "rb") as stdin:
        reader = Reader("-", stdin=stdin)
        thread.start()
        deadline = time.monotonic() + PATIENCE
        while not reader.tail.over:
            assert time.monotonic() < deadline
            reader.poll()
        [(name, chunks)] = reader.tail.packed
        assert (name, b"".join(chunks)) == ("-", packed)
        thread.join()
    assert not reader.got


def test_a_pipe_is_read_as_it_comes_and_ends():
    out, into = os.pipe()
    with os.fdopen(out, "rb") as stdin:
        reader = Reader("-", stdin=stdin)
        os.write(into, b"one")
        reader.until(_=b"one")
        thread = threading.Timer(0.02, lambda: (os.write(into, b" two\n"), os.close(into)))
        thread.start()
        reader.until(_=b"one two\n")
        thread.join()
        deadline = time.monotonic() + PATIENCE
        while not reader.tail.over:
            assert time.monotonic() < deadline
            reader.poll()
        assert reader.ended == ["-"]
