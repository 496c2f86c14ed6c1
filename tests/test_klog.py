"""klog: one grammar, records whole, no line lost."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from logscan import klog
from logscan.frames import Deframer
from logscan.model import Record, Severity, rfc3339

REFERENCE = 1_785_000_000_000_000  # 25 July 2026
HEAD = "E0720 09:53:52.387108       1 utils.go:93] "


def parse(text: str | bytes, name: str = "x.log", **options: int) -> list[Record]:
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    deframer = Deframer(name, reference=options.get("reference", REFERENCE), zone=options.get("zone", 0))
    parser = klog.Parser(**{"reference": REFERENCE, "input": name, **options})
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    records: list[Record] = []
    offset = 0
    for number, raw in enumerate(lines, 1):
        for line in deframer.feed(number, offset, raw):
            records += parser.feed(line)
        offset += len(raw) + 1
    for line in deframer.close():
        records += parser.feed(line)
    records += parser.close()
    assert sum(record.lines for record in records) == len(lines)
    return records


# ---------------------------------------------------------------- classic


def test_header_is_read():
    (record,) = parse("W0720 09:53:52.387108    1234 utils.go:93] GRPC call: /x\n")

    assert (record.severity, record.pid, record.file, record.source_line) == (Severity.WARNING, 1234, "utils.go", 93)
    assert (record.message, record.kind, record.line, record.offset) == ("GRPC call: /x", "klog", 1, 0)
    assert rfc3339(record.time) == "2026-07-20T09:53:52.387108Z"


@pytest.mark.parametrize(
    "text",
    [
        "E0720 09:53:52.387108 1 utils.go:93] GRPC error: x",
        "E20260720 09:53:52.387108       1 utils.go:93] GRPC error: x",
        "E0720 09:53:52.387108       1 nfs/utils.go:93] GRPC error: x",
        "   E0720 09:53:52.387108       1 utils.go:93] GRPC error: x",
        "E0720 09:53:52.387108       1 utils.go:93]  GRPC error: x".replace("]  ", "] "),
        "\x1b[31mE0720 09:53:52.387108       1 utils.go:93] GRPC error: x\x1b[0m\r",
    ],
    ids=["collapsed", "yyyymmdd", "directory", "leading blanks", "plain", "colour and CRLF"],
)
def test_header_is_read_however_it_was_copied(text: str):
    (record,) = parse(text)

    assert (record.kind, record.severity, record.file, record.source_line) == ("klog", Severity.ERROR, "utils.go", 93)
    assert record.message == "GRPC error: x"
    assert rfc3339(record.time) == "2026-07-20T09:53:52.387108Z"


def test_lines_without_header_continue_the_record():
    first, second = parse(
        HEAD
        + "GRPC error: mount failed: exit status 32\nMounting command: mount\nOutput: mount.nfs: access denied\n\n"
        + HEAD
        + "next\n"
    )

    assert (
        first.message
        == "GRPC error: mount failed: exit status 32\nMounting command: mount\nOutput: mount.nfs: access denied"
    )
    assert (first.line, first.end_line, first.lines) == (1, 4, 4)
    assert (second.line, second.message) == (5, "next")


def test_banner_is_one_record():
    (record,) = parse(
        'I0720 09:53:52.387108       1 nfs.go:112] \nDRIVER INFORMATION:\n-------------------\nBuild Date: "2022"\n'
        "Driver Version: v4.1.0\n\nStreaming logs below:\n"
    )

    assert record.message.startswith("\nDRIVER INFORMATION:\n---")
    assert record.lines == 7


def test_endless_continuation_is_counted_but_not_kept():
    (record,) = parse(HEAD + "x\n" + "y" * 100 + "\n" + "no header\n" * 50_000)

    assert record.lines == 50_002
    assert record.end_line == 50_002
    assert len(record.message) < klog.MAX_TEXT


# ---------------------------------------------------------------- structured and JSON


def test_structured_values_are_unquoted():
    (record,) = parse(
        HEAD + r'"Unhandled Error" err="error syncing claim \"U\": exit status 32\nOutput: mount.nfs: x" n=5 logger="a"'
    )

    assert (
        record.message
        == 'Unhandled Error err=error syncing claim "U": exit status 32\nOutput: mount.nfs: x n=5 logger=a'
    )
    assert record.fields == {
        "err": 'error syncing claim "U": exit status 32\nOutput: mount.nfs: x',
        "n": "5",
        "logger": "a",
    }


def test_structured_block_is_read():
    (record,) = parse(
        HEAD + '"Failed" err=<\n\tmount failed: exit status 32\n\tOutput: mount.nfs: x\n > PVC="default/data" ok=true\n'
    )

    assert record.fields == {
        "err": "mount failed: exit status 32\nOutput: mount.nfs: x",
        "PVC": "default/data",
        "ok": "true",
    }
    assert record.message == "Failed err=mount failed: exit status 32\nOutput: mount.nfs: x PVC=default/data ok=true"
    assert record.lines == 4


def test_structs_in_values_are_kept_whole():
    (record,) = parse(HEAD + '"Retrying" obj={"a":"b c","d":[1, 2]} pods=["a/b" "c/d"] key="v"')

    assert record.fields == {"obj": '{"a":"b c","d":[1, 2]}', "pods": '["a/b" "c/d"]', "key": "v"}


def test_a_quoted_word_does_not_make_it_structured():
    (record,) = parse(
        'I0720 09:53:52.378951       1 mount_helper_common.go:99] "/tmp/pvc-1" is a mountpoint, unmounting'
    )

    assert record.message == '"/tmp/pvc-1" is a mountpoint, unmounting'
    assert record.fields is None


def test_json_entry():
    error, info = parse(
        json.dumps(
            {
                "ts": 1784541232387.108,
                "caller": "nfs/utils.go:93",
                "msg": "GRPC error",
                "err": "exit status 32\nOutput: x",
            }
        )
        + "\n"
        + json.dumps({"ts": 1784541232388.5, "caller": "nfs/utils.go:88", "msg": "GRPC call", "v": 2, "n": 5})
    )

    assert (error.kind, error.severity, error.file, error.source_line) == ("json", Severity.ERROR, "utils.go", 93)
    assert error.message == "GRPC error err=exit status 32\nOutput: x"
    assert rfc3339(error.time) == "2026-07-20T09:53:52.387108Z"
    assert (info.severity, info.message, info.fields) == (Severity.INFO, "GRPC call n=5", {"n": "5"})


# ---------------------------------------------------------------- what is no klog


def test_panic_is_a_record_of_its_own():
    before, panic, after = parse(
        HEAD
        + "x\npanic: runtime error: invalid memory address\n[signal SIGSEGV: segmentation violation]\n\ngoroutine 7 [running]:\n"
        "main.f(...)\n\t/src/nfs.go:12 +0x1d\nexit status 2\n" + HEAD + "again\n"
    )

    assert (before.message, before.lines, after.message) == ("x", 1, "again")
    assert (panic.kind, panic.severity, panic.lines) == ("panic", Severity.FATAL, 7)
    assert panic.message.startswith("panic: runtime error: invalid memory address\n[signal SIGSEGV")


def test_klogs_own_dump_belongs_to_its_fatal_line():
    (record,) = parse(
        "F0720 09:53:52.387108       1 nfs.go:93] Failed to listen: x\ngoroutine 1 [running]:\nmain.main()\n\t/x.go:1\n"
    )

    assert (record.kind, record.severity, record.lines) == ("klog", Severity.FATAL, 4)


def test_go_log_of_grpc():
    _, record = parse(HEAD + "x\n2026/07/20 15:04:05 ERROR: [core] grpc: Server.Serve failed\n")

    assert (record.severity, record.message) == (Severity.ERROR, "[core] grpc: Server.Serve failed")
    assert rfc3339(record.time) == "2026-07-20T15:04:05.000000Z"


def test_text_without_header_joins_a_mounts_output():
    error, other = parse(
        "GRPC error: rpc error: code = Internal desc = mount failed: exit status 32\nMounting command: mount\n"
        "Mounting arguments: -t nfs 10.0.0.5:/data /tmp/pvc-1\nOutput: mount.nfs: access denied\n\nGRPC call: /x\n"
    )

    assert (error.kind, error.severity, error.lines) == ("text", None, 5)
    assert error.message.endswith("Output: mount.nfs: access denied")
    assert other.message == "GRPC call: /x"


def test_text_may_start_in_the_middle():
    first, second = parse("Mounting command: mount\nMounting arguments: x\nOutput: y\n" + HEAD + "z")

    assert (first.kind, first.lines) == ("text", 3)
    assert second.kind == "klog"


def test_system_lines_stand_for_themselves_and_kubelet_lines_join():
    kernel, error, other = parse(
        "2026-07-20T09:53:50+0000 n1 kernel: nfs: server 10.0.0.5 not responding, still trying\n"
        "2026-07-20T09:53:52+0000 n1 kubelet[9]: E0720 09:53:52.387108       9 a.go:1] mount failed: exit status 32\n"
        "2026-07-20T09:53:52+0000 n1 kubelet[9]: Mounting command: mount\n"
        "2026-07-20T09:53:53+0000 n1 kubelet[9]: something else\n"
    )

    assert sorted((r.kind, r.lines) for r in (kernel, error, other)) == [("klog", 2), ("system", 1), ("system", 1)]


def test_a_fence_ends_the_record():
    records = parse("```\n" + HEAD + "x\n```\nWhat is wrong here?\n")

    assert [record.message for record in records] == ["```", "x", "```", "What is wrong here?"]


# ---------------------------------------------------------------- years and zones


@pytest.mark.parametrize(
    ("stamp", "reference", "expected"),
    [
        ("0720", "2026-07-25", "2026"),
        ("0725", "2026-07-25", "2026"),
        ("0726", "2026-07-25", "2026"),
        ("0727", "2026-07-25", "2025"),
        ("1231", "2026-01-02", "2025"),
        ("0229", "2026-07-25", "2024"),
    ],
)
def test_year_is_the_latest_that_is_not_in_the_future(stamp: str, reference: str, expected: str):
    micros = int(__import__("datetime").datetime.fromisoformat(reference + "T12:00+00:00").timestamp()) * 1_000_000
    (record,) = parse(f"I{stamp} 09:53:52.387108       1 a.go:1] x", reference=micros)

    assert str(rfc3339(record.time))[:4] == expected
    assert record.time_source == "assumed"


def test_new_year_adds_a_year_and_stragglers_take_it_back():
    stamps = ["1231 23:59:59.999990", "0101 00:00:00.000001", "1231 23:59:59.999999", "0101 00:00:00.000002"]
    records = parse(
        "".join(f"I{stamp}       1 a.go:1] x\n" for stamp in stamps), reference=1_767_400_000_000_000
    )  # 3 January 2026

    assert [str(rfc3339(record.time))[:4] for record in records] == ["2025", "2026", "2025", "2026"]


def test_preamble_gives_the_year():
    preamble, record = parse(
        "Log file created at: 2023/07/20 09:53:00\nRunning on machine: n1\nBinary: Built with gc go1.19 for linux/amd64\n"
        "Log line format: [IWEF]mmdd hh:mm:ss.uuuuuu threadid file:line] msg\n" + HEAD + "x\n"
    )

    assert (preamble.kind, preamble.lines) == ("preamble", 4)
    assert (record.time_source, rfc3339(record.time)) == ("preamble", "2023-07-20T09:53:52.387108Z")


def test_file_name_gives_the_year():
    (record,) = parse(HEAD + "x", name="nfsplugin.n1.root.log.ERROR.20210720-095300.1")

    assert (record.time_source, str(rfc3339(record.time))[:4]) == ("file-name", "2021")


def test_option_gives_year_and_zone():
    (record,) = parse(HEAD + "x", year=2020, zone=120)

    assert (record.time_source, rfc3339(record.time)) == ("option", "2020-07-20T07:53:52.387108Z")


def test_carrier_gives_year_and_zone():
    (record,) = parse("2024-07-20T04:23:52.5Z " + HEAD + "x")

    assert (record.time_source, rfc3339(record.time)) == ("carrier", "2024-07-20T04:23:52.387108Z")


def test_a_date_that_does_not_exist_gives_no_time():
    (record,) = parse("I1345 09:53:52.387108       1 a.go:1] x")

    assert (record.time, record.time_source) == (None, "none")


# ---------------------------------------------------------------- wrapped lines

LONG = (
    HEAD
    + "GRPC error: rpc error: code = Internal desc = failed to make subdirectory: mkdir /tmp/pvc-1/pvc-1: read-only file system"
)


def test_a_terminals_wrap_is_undone_and_the_other_way_is_kept():
    (record,) = parse("\n".join((LONG[:100], LONG[100:])))

    assert record.message == LONG[len(HEAD) :]
    assert record.alternate == LONG[len(HEAD) : 100] + " " + LONG[100:]
    assert record.lines == 2


def test_a_word_wrap_is_undone():
    import textwrap

    (record,) = parse("\n".join(textwrap.wrap(LONG, 72, break_long_words=False)))

    assert record.message == LONG[len(HEAD) :]


def test_a_wrapped_request_is_joined_so_that_its_json_parses():
    text = (
        HEAD.replace("E", "I", 1)
        + 'GRPC request: {"name":"pvc-1","parameters":{"server":"10.0.0.5","share":"/"},"n":[{"a":{}}]}'
    )
    (record,) = parse("\n".join(text[at : at + 61] for at in range(0, len(text), 61)))

    assert json.loads(record.message.removeprefix("GRPC request: "))["parameters"]["share"] == "/"


def test_a_wrap_leaves_the_mounts_own_lines_alone():
    (record,) = parse(LONG[:100] + "\n" + LONG[100:] + "\nMounting command: mount\nOutput: mount.nfs: x\n")

    assert record.message == LONG[len(HEAD) :] + "\nMounting command: mount\nOutput: mount.nfs: x"


def test_lines_of_a_log_that_nobody_wrapped_stay_apart():
    first, second = parse(HEAD + "x" * 300 + "\n" + LONG + "\nand so on\n")

    assert len(first.message) == 300
    assert second.message.endswith("file system\nand so on")
    assert second.alternate is None


def test_a_header_that_was_broken_in_two_is_mended():
    first, second = parse(HEAD + "a\n" + LONG[:34] + "\n" + LONG[34:] + "\n")

    assert first.message == "a"
    assert (second.message, second.lines, second.line, second.end_line) == (LONG[len(HEAD) :], 2, 2, 3)


def test_more_streams_than_are_kept_apart_lose_nothing():
    records = parse("".join(f"[pod/p-{n}/nfs] {HEAD}x\n" for n in range(klog.MAX_STREAMS + 10)))

    assert len({record.origin.pod for record in records}) == klog.MAX_STREAMS + 10


# ---------------------------------------------------------------- laws

words = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_=()/.,:#{}[]\"'ü", min_size=1, max_size=40)
messages = st.lists(words, min_size=1, max_size=30).map(" ".join)
sources = st.sampled_from(["utils.go:93", "nodeserver.go:114", "mount_helper_common.go:133"])
entries = st.builds(lambda sev, source, text: (sev, source, text), st.sampled_from("IWEF"), sources, messages)
fragments = st.sampled_from(
    [
        HEAD.encode(), b"[pod/a/nfs] ", b"2026-07-20T09:53:52Z ", b"stderr P ", b"stderr F ", b"{", b"}", b'{"log":"x\\n","stream":"stderr","time":"t"}',
        b'{"msg":"x","ts":1}', b"[", b"]", b"> ", b"```", b"\n", b"\n", b"\r\n", b"\0", b"\xff", b"\x1b[0m", b"Mounting command: mount", b"\t", b" ",
        b"panic: x", b"goroutine 1 [running]:", b"<6>", b"[1.5] ", b"Jul 20 09:53:52 n k: ", b"a nfs ", b'"m" err=<', b" > k=v", b"Log file created at: ",
        b"2026/07/20 09:53:52 ERROR: x", b'"message":"I0720 09:53:52.387108 1 a.go:1] x"', "\u2028│".encode(), b"x" * 60, b"I0720 09:53:52",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(fragments, st.binary(max_size=12)), max_size=40).map(b"".join))
def test_no_input_is_refused_and_no_line_is_lost(data: bytes):
    for record in parse(data):
        record.message.encode()  # a lone surrogate could not be printed
        rfc3339(record.time)


def render(entry: tuple[str, str, str], second: int = 0) -> str:
    severity, source, text = entry
    return f"{severity}0720 09:53:{second % 60:02}.387108       1 {source}] {text}"


def essence(records: list[Record]) -> list[tuple[object, ...]]:
    return [(r.severity, r.file, r.source_line, r.message) for r in records]


TIME = "2026-07-20T09:53:52.387108Z"
CARRIERS = {
    "timestamps": lambda text: f"{TIME} {text}",
    "prefix": lambda text: f"[pod/p-1/nfs] {text}",
    "stern": lambda text: f"p-1 nfs {text}",
    "cri": lambda text: f"{TIME} stderr F {text}",
    "docker": lambda text: json.dumps({"log": text + "\n", "stream": "stderr", "time": TIME}),
    "fluent-bit": lambda text: json.dumps({"log": text, "kubernetes": {"pod_name": "p", "container_name": "nfs"}}),
    "journald": lambda text: f"{TIME} n1 kubelet[1]: {text}",
    "quote": lambda text: f"> {text}",
    "margin": lambda text: f"    {text}",
    "k9s": lambda text: f"│ {text}    │",
}
NESTABLE = ("timestamps", "prefix", "cri", "docker", "fluent-bit")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(entries, min_size=1, max_size=5),
    st.sampled_from(sorted(CARRIERS)),
    st.one_of(st.none(), st.sampled_from(NESTABLE)),
)
def test_a_carrier_does_not_change_what_it_carries(logged: list[tuple[str, str, str]], outer: str, inner: str | None):
    inner = None if outer in ("journald", "quote", "margin", "k9s") or inner == outer else inner
    texts = []
    for n, entry in enumerate(logged):
        texts += [render(entry, n), "Mounting command: mount", "Output: mount.nfs: x"]
    framed = [CARRIERS[outer](CARRIERS[inner](text) if inner else text) for text in texts]

    assert essence(parse("\n".join(framed))) == essence(parse("\n".join(texts)))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), entries), min_size=1, max_size=12))
def test_interleaved_streams_do_not_finish_each_others_sentences(rows: list[tuple[bool, tuple[str, str, str]]]):
    def lines(which: bool) -> list[str]:
        name = "a" if which else "b"
        return [
            f"[pod/{name}/nfs] {text}"
            for here, entry in rows
            if here is which
            for text in (render(entry), "Output: x" + name)
        ]

    queues = {True: lines(True), False: lines(False)}
    mixed = [queues[which].pop(0) for which, _ in rows for which in (which,) if queues[which]]
    mixed += queues[True] + queues[False]
    together = parse("\n".join(mixed))
    for which in (True, False):
        name = "a" if which else "b"
        assert essence([r for r in together if r.origin.pod == name]) == essence(parse("\n".join(lines(which))))


@settings(max_examples=100, deadline=None)
@given(entries, st.lists(st.integers(0, 300), max_size=4))
def test_parts_join_to_the_whole(entry: tuple[str, str, str], cuts: list[int]):
    text = render(entry)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    parts = [text[a:b] for a, b in pairwise(edges)]
    rows = [f"{TIME} stderr {'F' if n == len(parts) - 1 else 'P'} {part}" for n, part in enumerate(parts)]
    joined = parse("\n".join(rows))

    assert essence(joined) == essence(parse(text))
    assert joined[0].lines == len(parts)


@settings(max_examples=300, deadline=None)
@given(st.lists(entries, min_size=1, max_size=6), st.integers(60, 200))
def test_a_wrapped_record_is_unwrapped(logged: list[tuple[str, str, str]], width: int):
    """A break just before what mount(8) prints on lines of its own is no break that one could see."""
    texts = [render(entry, n) for n, entry in enumerate(logged)]
    assume(not any(text[at:].startswith(klog._SHAPES) for text in texts for at in range(width, len(text), width)))
    wrapped = [text[at : at + width] for text in texts for at in range(0, len(text), width)]

    assert essence(parse("\n".join(wrapped))) == essence(parse("\n".join(texts)))
