"""What a URL names is read as the same tree on disk is; what cannot be had is told in one line, and the rest is read."""

from __future__ import annotations

import dataclasses
import gzip
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logscan import cli, finding, remote, rules, scan, sources
from logscan.errors import SourceError
from tests import s3

ROOT = Path(__file__).resolve().parent.parent
LOG = (ROOT / "samples" / "readonly-share.log").read_bytes()
EXPORTS = b"/home/ubuntu/nfs *(rw,sync,no_root_squash)\n"
TREE = {
    "pods/kube-system_csi-nfs-controller-0_3f0e8c1e-0000-4000-8000-000000000001/nfs/10.log": LOG,
    "pods/kube-system_csi-nfs-controller-0_3f0e8c1e-0000-4000-8000-000000000001/nfs/9.log.gz": gzip.compress(LOG),
    "b/two.log.gz": gzip.compress(LOG * 3),
    "b/c/three.log": LOG,
    "b/.hidden/four.log": LOG,
    "b/picture.png": b"\x89PNG\r\n\x1a\n",
    "exports": EXPORTS,
}


@pytest.fixture(scope="module")
def store():
    with s3.serving():
        for name, data in TREE.items():
            s3.put(f"s3://logs/{name}", data)
        yield


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("disk")
    for name, data in TREE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def read(*places: str, skipped: sources.Skipped | None = None) -> list[tuple[str, bytes | str]]:
    got: list[tuple[str, bytes | str]] = []
    for source in sources.open_sources(places, skipped=skipped):
        if isinstance(source, SourceError):
            got.append((source.place, source.problem))
        else:
            got.append((source.name, b"".join(source.chunks)))
    return got


@pytest.mark.parametrize("pattern", ["", "/b", "/b/**/*.log", "/**/*.log.gz", "/pods/*/nfs/*", "/b/c/three.log", "/*"])
@pytest.mark.usefixtures("store")
def test_a_store_is_read_as_the_same_tree_on_disk(tree, pattern):
    skipped = [Counter(), Counter()]
    here = [(name.removeprefix(str(tree)), data) for name, data in read(f"{tree}{pattern}", skipped=skipped[0])]
    there = [(name.removeprefix("s3://logs"), data) for name, data in read(f"s3://logs{pattern}", skipped=skipped[1])]
    if pattern == "/*":  # on disk a pattern's directories are walked; in a store there are none
        here = [entry for entry in here if entry[0].count("/") == 1]
    assert there == here
    assert len(here) > 0
    if pattern == "/b":
        assert {what: count for (_, what), count in skipped[1].items()} == {
            what: count for (_, what), count in skipped[0].items()
        }


@pytest.mark.usefixtures("store")
def test_an_object_that_is_met_twice_is_read_once():
    names = [name for name, _ in read("s3://logs/b/c/three.log", "s3://logs/b/**", "s3://logs/b/c")]
    assert names == ["s3://logs/b/c/three.log", "s3://logs/b/two.log.gz"]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("s3://logs/none.log", "no such object"),
        ("s3://none/none.log", "no such object"),
        ("s3://logs/*.txt", "no log matches this URL"),
        ("nothing://logs/x", "is of no store that is known: Protocol not known: nothing"),
        ("simplecache::s3://logs/exports", "is a chain of URLs"),
        ("s3://logs/b/picture.png", "is no log: it looks like an image"),
    ],
)
@pytest.mark.usefixtures("store")
def test_what_cannot_be_had_is_told_and_the_rest_is_read(url, problem):
    assert finding.is_url(url) or "::" in url
    got = read(url, "s3://logs/exports") if "::" not in url else [(url, str(refused(url)))]
    assert problem in got[0][1]
    if "::" not in url:
        assert got[1] == ("s3://logs/exports", EXPORTS)


def refused(url: str) -> SourceError:
    with pytest.raises(SourceError) as caught:
        remote.listed(url)
    assert caught.value.help
    return caught.value


@pytest.mark.usefixtures("store")
def test_an_object_is_as_old_as_the_store_says():
    (source,) = sources.open_sources(["s3://logs/exports"])
    assert isinstance(source, sources.Source)
    assert source.mtime is not None
    assert abs(source.mtime / 1e6 - datetime.now(UTC).timestamp()) < 3600


@settings(max_examples=60)
@given(st.integers(0, 4 * 10**15), st.sampled_from(["LastModified", "mtime", "updated"]))
def test_times_of_stores_are_one_time(wanted, key):
    aware = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=wanted)
    naive = aware.replace(tzinfo=None)
    for value in (aware, naive, aware.isoformat()):
        assert remote._modified({key: value}) == wanted
    assert abs(remote._modified({key: aware.timestamp()}) - wanted) <= 1
    assert remote._modified({key: "yesterday"}) is None


@pytest.mark.usefixtures("store")
def test_the_report_on_a_store_is_that_on_the_disk(tree, capsys):
    """The names are others, and so are the times of the files: nothing else may be."""
    reports = []
    for root in (str(tree), "s3://logs"):
        scanner = scan.Scanner(rules.load(), scan.Options(reference=1_796_083_200_000_000))
        for source in sources.open_sources([root], skipped=scanner.skipped):
            scanner.read(source)
        reports.append(repr(dataclasses.asdict(scanner.report())).replace(root, "ROOT"))
    assert reports[0] == reports[1]
    assert cli.run(["--no-progress", "s3://logs/b/c/three.log", "s3://logs/exports"]) == 0
    assert "/home/ubuntu/nfs" in capsys.readouterr().out


@pytest.mark.usefixtures("store")
def test_a_reader_of_ranges_gives_what_a_slice_gives():
    fetch = remote.reader("s3://logs/b/c/three.log")
    for start, size in ((0, 10), (100, 300), (len(LOG) - 5, 100)):
        assert fetch(start, size) == LOG[start : start + size]


def test_a_fault_in_the_midst_is_told_after_what_was_read(monkeypatch):
    with fsspec.open("memory://faulty.log", "wb") as file:
        file.write(LOG)
    monkeypatch.setattr(sources, "CHUNK", 100)
    monkeypatch.setattr(remote, "CHUNK", 100)
    real, asked = remote._asked, []

    def failing(url, ask, *args, **named):  # noqa: ANN002, ANN003
        asked.append(args)
        if len(asked) == 4:
            return real(url, lambda: (_ for _ in ()).throw(ConnectionResetError("reset\nby peer")))
        return real(url, ask, *args, **named)

    monkeypatch.setattr(remote, "_asked", failing)
    (source,) = sources.open_sources(["memory://faulty.log"])
    got: list[bytes] = []
    with pytest.raises(SourceError, match=r"cannot be read: reset\n"):
        got.extend(source.chunks)
    assert b"".join(got) == LOG[:200]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://logs/a b.log", "s3://logs/a b.log"),
        ("https://me:secret@host/x.log?X-Amz-Signature=abc", "https://me@host/x.log?…"),
        ("ftp://me:secret@host:21/x?.log", "ftp://me@host:21/x?.log"),
        ("s3://logs/\x1b[31m", "s3://logs/\ufffd[31m"),
    ],
)
def test_no_secret_of_a_url_is_shown(url, shown):
    assert remote.shown(url) == shown


def test_without_fsspec_a_url_is_an_error_of_one_line():
    """And nothing else needs it."""
    code = (
        "import sys; sys.modules['fsspec'] = None\n"
        "from logscan import cli\n"
        "sys.exit(cli.run(['--no-progress', 's3://logs/x.log', 'samples/readonly-share.log']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "logscan: error: s3://logs/x.log: needs fsspec, which is not installed",
        "  help: pip install 'logscan[dask]', and the package for this kind of URL: s3fs, gcsfs, adlfs …",
    ]
    assert "wrong-share-path" in done.stdout or "pseudo-root" in done.stdout
