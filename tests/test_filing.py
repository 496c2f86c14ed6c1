"""Files that the user names, read within bounds and written whole or not at all."""

from __future__ import annotations

import os

import pytest

from logscan import filing
from logscan.errors import LogscanError, SourceError


def test_a_file_is_read_whole_up_to_its_bound(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(b"x" * (1 << 20))
    assert len(filing.read(path, 1 << 20, "ignore file", place="small")) == 1 << 20
    path.write_bytes(b"x" * ((1 << 20) + 1))
    with pytest.raises(SourceError, match="is larger than 1 MiB, which no ignore file is"):
        filing.read(path, 1 << 20, "ignore file", place="small")


def test_what_cannot_be_read_says_what_to_do(tmp_path):
    with pytest.raises(SourceError) as caught:
        filing.read(tmp_path, 1 << 20, "report", place="it", missing="check --it")
    assert (caught.value.place, caught.value.problem, caught.value.help) == ("it", "is a directory", "check --it")


@pytest.mark.parametrize(
    ("private", "before", "after"), [(False, 0o644, 0o644), (True, 0o644, 0o600), (True, None, 0o600)]
)
def test_a_private_file_is_its_owners_alone_even_if_the_old_one_was_not(tmp_path, private, before, after):
    path = tmp_path / "map"
    if before is not None:
        path.write_text("old")
        path.chmod(before)
    seen = []

    def put(file):
        seen.append(os.fstat(file.fileno()).st_mode & 0o077)
        file.write("new")

    filing.save(str(path), put, private=private)
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == after
    assert not private or seen == [0]


def test_what_cannot_be_finished_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "map"
    path.write_text("old")

    def put(file):
        file.write("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(LogscanError, match="cannot be written: No space left on device"):
        filing.save(str(path), put, private=True)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
