"""Inputs of absurd shapes, for ``benchmarks.bounds``: each is made by a function, at a scale of 1 or less."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import zstandard

GB = 1_000_000_000
PIECE = 1 << 20
ZEROS = bytes(PIECE)
HEAD = "0720 09:53:52.387108       1 "
SAMPLE = Path(__file__).parent.parent / "samples" / "readonly-share.log"

SHAPES: dict[str, Callable[[Path, float], Shape]] = {}


class Shape(NamedTuple):
    """What logscan is given."""

    arguments: list[str]
    stdin: Iterable[bytes] = ()
    status: int = 0
    command: tuple[str, ...] = ()
    alone: bool = False  # without the small log


def shape(make: Callable[[Path, float], Shape]) -> Callable[[Path, float], Shape]:
    """Enter a function that makes a shape."""
    SHAPES[make.__name__] = make
    return make


def saved(path: Path, chunks: Iterable[bytes], **more: Any) -> Shape:
    """The shape of one file."""
    with path.open("wb") as file:
        file.writelines(chunks)
    return Shape([str(path)], **more)


def piped(chunks: Iterable[bytes], **more: Any) -> Shape:
    """The shape of a pipe."""
    return Shape(["-"], chunks, **more)


def zeros(size: float) -> Iterator[bytes]:
    """So many zeros."""
    for _ in range(max(1, int(size) // PIECE)):
        yield ZEROS


def batched(lines: Iterable[str]) -> Iterator[bytes]:
    """Lines in chunks, as a writer's buffer makes them."""
    held: list[str] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= PIECE:
            yield "".join(held).encode()
            held, size = [], 0
    yield "".join(held).encode()


def through(make: Any, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Chunks through a compressor."""
    for chunk in chunks:
        yield make.compress(chunk)
    yield make.flush()


# ---------------------------------------------------------------- packed


@shape
def bomb_gz(folder: Path, scale: float) -> Shape:
    """10 GB of zeros, 1030 : 1."""
    import zlib

    return saved(folder / "zeros.gz", through(zlib.compressobj(9, wbits=31), zeros(10 * GB * scale)), status=3)


@shape
def bomb_zst(folder: Path, scale: float) -> Shape:
    """The same, 30,000 : 1."""
    return saved(folder / "z.zst", through(zstandard.ZstdCompressor().compressobj(), zeros(10 * GB * scale)), status=3)


@shape
def bomb_xz(folder: Path, scale: float) -> Shape:
    """Ten streams of 1 GB each."""
    one = b"".join(through(lzma.LZMACompressor(preset=0), zeros(GB * scale)))
    return saved(folder / "zeros.xz", [one] * 10, status=3)


@shape
def bomb_bz2(folder: Path, scale: float) -> Shape:
    """Ten streams of 1 GB each, 1,400,000 : 1."""
    one = b"".join(through(bz2.BZ2Compressor(9), zeros(GB * scale)))
    return saved(folder / "zeros.bz2", [one] * 10, status=3)


@shape
def bomb_piped(folder: Path, scale: float) -> Shape:
    """bomb_zst through a pipe."""
    return piped([Path(bomb_zst(folder, scale).arguments[0]).read_bytes()], status=3)


@shape
def bomb_of_log_lines(folder: Path, scale: float) -> Shape:
    """10 GB of one healthy line."""
    line = f"I{HEAD}utils.go:88] GRPC call: /csi.v1.Identity/Probe\n".encode()
    some = line * (PIECE // len(line))
    chunks = (some for _ in range(int(10 * GB * scale) // len(some)))
    return saved(folder / "one.zst", through(zstandard.ZstdCompressor().compressobj(), chunks), status=3)


@shape
def bomb_in_tar(folder: Path, scale: float) -> Shape:
    """A tar.gz with a log of 10 GB of zeros."""
    import zlib

    info = tarfile.TarInfo("nfs.log")
    info.size = max(1, int(10 * GB * scale) // PIECE) * PIECE

    def chunks() -> Iterator[bytes]:
        yield info.tobuf()
        yield from zeros(info.size)
        yield bytes(1024)

    return saved(folder / "zeros.tgz", through(zlib.compressobj(9, wbits=31), chunks()), status=3)


@shape
def bomb_in_zip(folder: Path, scale: float) -> Shape:
    """A zip with a log of 10 GB of zeros."""
    path = folder / "zeros.zip"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("nfs.log", "w", force_zip64=True) as out,
    ):
        for chunk in zeros(10 * GB * scale):
            out.write(chunk)
    return Shape([str(path)], status=3)


@shape
def bomb_in_bomb(folder: Path, scale: float) -> Shape:
    """10 GB of zeros, compressed three times: a few hundred bytes."""
    inner = Path(bomb_gz(folder, scale).arguments[0]).read_bytes()
    return saved(folder / "zeros.gz.zst.xz", [lzma.compress(zstandard.compress(inner))], status=3)


@shape
def zips_in_zips(folder: Path, scale: float) -> Shape:
    """Like 42.zip: 16 zips in each of 16 zips, five deep, with 1 GB of zeros in each of a million."""
    data = gzip.compress(bytes(int(GB * scale)))
    for level in range(5):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(16):
                archive.writestr(f"lib {number}.{'zip' if level else 'log'}", data)
        data = out.getvalue()
    return saved(folder / "42.zip", [data], status=3)


@shape
def deep_zips(folder: Path, scale: float) -> Shape:
    """A zip of 60 MiB in a zip in a zip, seven deep: each must be held to be read."""
    data = os.urandom(int(60 * PIECE * scale))
    for _ in range(7):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("x.log", data)
        data = out.getvalue()
    return saved(folder / "deep.zip", [data], status=3)


@shape
def tar_of_many(folder: Path, scale: float) -> Shape:
    """100,000 logs in a tar."""
    body = SAMPLE.read_bytes()
    path = folder / "many.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(int(100_000 * scale)):
            info = tarfile.TarInfo(f"logs/{number:06}.log")
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return Shape([str(path)])


@shape
def zip_of_many(folder: Path, scale: float) -> Shape:
    """A million empty files in a zip."""
    path = folder / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(int(1_000_000 * scale)):
            archive.writestr(zipfile.ZipInfo(f"logs/{number:06}.log"), b"")
    return Shape([str(path)], status=3 if scale >= 0.2 else 0)


@shape
def tar_of_many_names(folder: Path, scale: float) -> Shape:
    """20,000 members whose names have 100 KB each: 2 GB of names, 2 MB packed."""
    import zlib

    def chunks() -> Iterator[bytes]:
        for number in range(int(20_000 * scale)):
            info = tarfile.TarInfo("x" * 100_000 + f"{number}.log")
            yield info.tobuf(tarfile.GNU_FORMAT)
        yield bytes(1024)

    return saved(folder / "names.tgz", through(zlib.compressobj(9, wbits=31), chunks()))


# ---------------------------------------------------------------- lines


@shape
def long_line(folder: Path, scale: float) -> Shape:
    """One line of 1 GB."""
    some = b"x" * PIECE
    head = f"E{HEAD}utils.go:93] GRPC error: ".encode()
    return saved(folder / "long.log", (head, *(some for _ in range(int(GB * scale) // PIECE)), b"\n"))


@shape
def long_line_piped(folder: Path, scale: float) -> Shape:
    """The same through a pipe."""
    path = Path(long_line(folder, scale).arguments[0])

    def chunks() -> Iterator[bytes]:
        with path.open("rb") as file:
            yield from iter(lambda: file.read(PIECE), b"")

    return piped(chunks())


@shape
def endless_line(_folder: Path, _scale: float) -> Shape:
    """What /dev/zero gives, through a pipe."""

    def chunks() -> Iterator[bytes]:
        yield f"I{HEAD}utils.go:88] ".encode()
        while True:
            yield ZEROS

    return piped(chunks(), status=3)


@shape
def sparse_file(folder: Path, _scale: float) -> Shape:
    """A file of 1 TB that takes no room on the disk."""
    path = folder / "sparse.log"
    with path.open("wb") as file:
        file.write(f"I{HEAD}utils.go:88] GRPC call: /csi.v1.Identity/Probe\n".encode())
        file.truncate(1 << 40)
    return Shape([str(path)], status=3)


@shape
def device(_folder: Path, _scale: float) -> Shape:
    """/dev/zero by name."""
    return Shape(["/dev/zero"], status=3)


@shape
def empty_lines(_folder: Path, scale: float) -> Shape:
    """20 million line ends."""
    return piped(b"\n" * PIECE for _ in range(int(20 * scale)))


@shape
def records_of_200_kb(_folder: Path, scale: float) -> Shape:
    """5,000 failures that a rule knows, each of another volume, 200 KB long."""
    tail = " y" * 100_000
    return piped(
        batched(
            f"E{HEAD}utils.go:93] GRPC error: rpc error: code = Internal desc = failed to make subdirectory: mkdir "
            f"/tmp/pvc-{n:08}-9aa5-42a4-ae15-f4fd036142d2/x: read-only file system{tail}\n"
            for n in range(int(5_000 * scale))
        )
    )


@shape
def records_without_end(_folder: Path, scale: float) -> Shape:
    """4,000 pods, each in the midst of a record of 256 KB."""
    more = " z" * 4_000
    rounds = 32

    def lines() -> Iterator[str]:
        for turn in range(rounds):
            for pod in range(int(4_000 * scale)):
                head = "" if turn else f"E{HEAD}utils.go:93] GRPC error: it goes on\n[pod/nfs-{pod}/nfs] "
                yield f"[pod/nfs-{pod}/nfs] {head}{more}\n"

    return piped(batched(lines()))


@shape
def parts_without_end(_folder: Path, scale: float) -> Shape:
    """CRI's parts of lines whose ends never come, of many streams, in characters of four bytes."""
    more = "\U0001f600" * 4_000

    def lines() -> Iterator[str]:
        for _ in range(int(300 * scale) or 1):
            for pod in range(64):
                yield f"[pod/nfs-{pod}/nfs] 2022-07-20T09:53:52.378454321Z stderr P {more}\n"

    return piped(batched(lines()))


@shape
def deep_json(_folder: Path, scale: float) -> Shape:
    """JSON nested half a million deep, in every place where JSON is read."""
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    flat = "[" * 500_000

    def lines() -> Iterator[str]:
        for _ in range(int(100 * scale) or 1):
            yield f"{deep}\n{flat}\n"
            yield f"I{HEAD}utils.go:89] GRPC request: {deep}\n"
            yield f"I{HEAD}utils.go:95] GRPC response: {flat}\n"
            yield '{"log":"' + flat + '\\n","stream":"stderr","time":"2022-07-20T09:53:52Z"}\n'

    return piped(batched(lines()))


# ---------------------------------------------------------------- much of everything


def request(name: str, share: str = "/srv") -> str:
    """A request to make a volume."""
    body = {"name": name, "parameters": {"server": "10.0.0.5", "share": share, "csi.storage.k8s.io/pvc/name": name}}
    return (
        f"I{HEAD}utils.go:88] GRPC call: /csi.v1.Controller/CreateVolume\n"
        f"I{HEAD}utils.go:89] GRPC request: {json.dumps(body, separators=(',', ':'))}\n"
    )


@shape
def volumes_that_fail(_folder: Path, scale: float) -> Shape:
    """A million volumes, each of which fails."""
    desc = "rpc error: code = Internal desc = failed to make subdirectory: mkdir /tmp/{0}/{0}: read-only file system"
    return piped(
        batched(
            request(f"pvc-{n:08}-9aa5-42a4-ae15-f4fd036142d2")
            + f"E{HEAD}utils.go:93] GRPC error: {desc.format(f'pvc-{n:08}-9aa5-42a4-ae15-f4fd036142d2')}\n"
            for n in range(int(1_000_000 * scale))
        )
    )


@shape
def volumes_that_work(_folder: Path, scale: float) -> Shape:
    """Three million volumes, each made without trouble."""
    return piped(
        batched(
            request(name := f"pvc-{n:08}-9aa5-42a4-ae15-f4fd036142d2")
            + f'I{HEAD}utils.go:95] GRPC response: {{"volume":{{"volume_id":"10.0.0.5#srv#{name}##"}}}}\n'
            for n in range(int(3_000_000 * scale))
        )
    )


@shape
def calls_without_end(_folder: Path, scale: float) -> Shape:
    """A million requests of 400 pods, none of which is answered."""
    return piped(
        batched(
            "".join(f"[pod/nfs-{n % 400}/nfs] {line}\n" for line in request(f"pvc-{n}").splitlines())
            for n in range(int(1_000_000 * scale))
        )
    )


@shape
def errors_of_open_calls(_folder: Path, scale: float) -> Shape:
    """4,000 open calls with 16 errors of 100 KB each: what is kept until they end."""
    tail = " y" * 50_000
    pv = "pvc-{:08}-9aa5-42a4-ae15-f4fd036142d2"

    def lines() -> Iterator[str]:
        for n in range(int(4_000 * scale)):
            yield request(pv.format(n))
            for _ in range(4):
                arguments = f"-t nfs 10.0.0.5:/srv /tmp/{pv.format(n)}"
                yield (
                    f"E{HEAD}mount_linux.go:195] Mount failed: exit status 32\nMounting command: mount\n"
                    f"Mounting arguments: {arguments}\nOutput: mount.nfs: access denied by server{tail}\n"
                )

    return piped(batched(lines()))


@shape
def shapes_of_errors(_folder: Path, scale: float) -> Shape:
    """A million errors that no rule knows, no two alike."""
    words = ["ab", "cde", "fgh", "ijkl", "mn", "opq", "rst", "uvw", "xy", "zz"]

    def text(n: int) -> str:
        return " ".join(words[int(digit)] * (1 + place % 3) for place, digit in enumerate(f"{n * 7919 % 10**7:07}"))

    return piped(batched(f"E{HEAD}odd.go:{n % 999 + 1}] {text(n)}\n" for n in range(int(1_000_000 * scale))))


@shape
def streams(_folder: Path, scale: float) -> Shape:
    """A million pods with one error each."""
    error = f"E{HEAD}utils.go:93] GRPC error: rpc error: code = Internal desc = odd thing"
    return piped(batched(f"[pod/nfs-{n}/nfs] {error} {n}\n" for n in range(int(1_000_000 * scale))))


@shape
def events(_folder: Path, scale: float) -> Shape:
    """300,000 events of as many claims."""

    def lines() -> Iterator[str]:
        yield "NAMESPACE   LAST SEEN   TYPE      REASON               OBJECT                         MESSAGE\n"
        for n in range(int(300_000 * scale)):
            what = f"persistentvolumeclaim/data-{n}"
            yield f"default     2m          Warning   ProvisioningFailed   {what:<30} failed to provision volume {n}\n"

    return piped(batched(lines()))


# ---------------------------------------------------------------- evidence and reports


@shape
def aliases(folder: Path, _scale: float) -> Shape:
    """A manifest of ten lines that means a billion values."""
    text = 'apiVersion: v1\nkind: StorageClass\na0: &a0 ["x","x","x","x","x","x","x","x","x"]\n'
    for n in range(1, 12):
        text += f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n"
    return saved(folder / "sc.yaml", [text.encode()])


@shape
def brackets(folder: Path, scale: float) -> Shape:
    """A manifest of 4 MB of brackets."""
    text = b"apiVersion: v1\nkind: StorageClass\nx: " + b"[" * int(4_000_000 * scale)
    return saved(folder / "sc.yaml", [text])


@shape
def many_exports(folder: Path, scale: float) -> Shape:
    """4 MB of exports, half a million clients."""
    lines = (f"/srv/{n} " + "1.2.3.4(rw) " * 20 + "\n" for n in range(int(16_000 * scale)))
    return saved(folder / "exports", batched(lines))


@shape
def one_export(folder: Path, scale: float) -> Shape:
    """4 MB in one line of exports."""
    return saved(folder / "exports", [b"/srv", b" *(rw)" * int(690_000 * scale), b"\n"])


@shape
def report_of_200_mb(folder: Path, scale: float) -> Shape:
    """A report to convert that says little at great length."""
    body = b"[" + b'{"a":[0,1]},' * int(200_000_000 * scale / 12) + b"0]"
    path = folder / "report.json"
    path.write_bytes(b'{"schema":"logscan.report/v1","tool":' + body + b"}")
    return Shape([str(path)], command=("convert",), status=3, alone=True)


@shape
def report_of_brackets(folder: Path, scale: float) -> Shape:
    """A report to convert that is 100 MB of brackets."""
    path = folder / "report.json"
    path.write_bytes(b"[" * int(100_000_000 * scale))
    return Shape([str(path)], command=("convert",), status=3, alone=True)


@shape
def rules_that_backtrack(folder: Path, scale: float) -> Shape:
    """Twenty rules of a user whose patterns and conditions backtrack without end, on 20,000 records each."""
    for n in range(20):
        (folder / f"slow-{n}.yaml").write_text(SLOW_RULE.replace("NUMBER", str(n)))
    text = "a" * 60 + "!"
    log = batched(f"E{HEAD}odd.go:7] slow {text} volume {n}\n" for n in range(int(20_000 * scale)))
    return Shape(["--rules", str(folder), "-"], log)


SLOW_RULE = r"""
id: slow-NUMBER
title: A pattern that backtracks
severity: error
components: [any]
match:
  - literal: "slow a"
    pattern: 'slow (a|aa)+(?P<rest>b|!)NUMBER?'
when: {record.message: {matches: '(a|aa|aaa)+$'}}
causes:
  - category: server-refused
    cause: it is slow
    remedy: {summary: "Mend the rule."}
tests:
  match:
    - {name: one, log: "E0720 09:53:52.387108       1 odd.go:7] slow a!"}
    - {name: two, log: "E0720 09:53:52.387108       1 odd.go:7] slow aa!"}
  no_match:
    - {name: near, log: "E0720 09:53:52.387108       1 odd.go:7] slow b"}
    - {name: far, log: "E0720 09:53:52.387108       1 odd.go:7] fast"}
"""
