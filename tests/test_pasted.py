"""What is pasted between fences is found wherever it stands, and how its bytes come changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logscan import evidence
from logscan.pasted import MAX_BLOCKS, MAX_PASTED, Pasted
from tests.reading import cut

CLASS = (
    "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata:\n  name: fast\nprovisioner: nfs.csi.k8s.io\n"
    "parameters:\n  server: 10.77.0.4\n  share: /"
)


def blocks(*chunks: bytes) -> list[tuple[int, str]]:
    pasted = Pasted()
    for chunk in chunks:
        pasted.feed(chunk)
    return list(pasted.blocks())


@given(st.binary(max_size=300), st.lists(st.integers(0, 300)))
def test_any_bytes_in_any_pieces_give_the_same_blocks(data, places):
    data = data.replace(b"x", b"\n```").replace(b"y", b"\n~~~")
    assert blocks(*cut(data, places)) == blocks(data)


prose = st.text("ab #>-*\n", max_size=40).map(lambda text: "".join(f"w{line}\n" for line in text.split("\n")))


@pytest.mark.parametrize("margin", ["", "  ", "> ", ">> "])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("fences", [("```", "```"), ("```yaml", "```"), ("~~~ yml", "~~~~"), ("````", "````  ")])
@given(
    prose,
    st.sampled_from(["", "$ kubectl get sc fast -o yaml", "root@nas:~# cat class.yaml", "me@box % kubectl get sc"]),
)
def test_a_manifest_is_found_with_its_line(margin, ends, fences, before, command):
    lines = [fences[0], *([command] if command else []), *CLASS.split("\n"), fences[1]]
    text = before + "".join(f"{margin}{line}\n" for line in lines) + "more\n"

    [(above, block)] = blocks(text.replace("\n", ends).encode())

    assert above == before.count("\n") + 1
    assert block.lstrip("\n") == CLASS
    assert evidence.recognise(block, "") == "manifest"


def test_what_is_not_closed_or_stands_without_a_fence_is_prose():
    assert blocks(f"```\n{CLASS}\n".encode()) == []
    assert blocks(f"{CLASS}\n".encode()) == []
    assert blocks(b"inline ```code``` here\n```one``` two\n") == []


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("command", "after"),
    [
        ("$ kubectl get sc fast -o yaml", ""),
        ("root@nas:/etc# cat class.yaml", "\nsome words\n"),
        ("$ ssh -p 2222 nas sudo cat class.yaml", "$ kubectl get pv\nno resources\n"),
        ("me@box ~ % kubectl get sc", "```\nx\n"),
    ],
)
def test_what_a_command_prints_is_found_below_its_prompt(command, after, ends):
    above, block = blocks(f"log\n{command}\n{CLASS}\n{after}".replace("\n", ends).encode())[0]

    assert above == 1
    assert block == f"\n{CLASS}"


def test_a_log_is_not_held_and_a_page_of_fences_has_an_end():
    assert blocks(b"```\nx\n```\n", b"x" * MAX_PASTED) == []
    assert len(blocks(b"```\nx\n```\n" * 100)) == MAX_BLOCKS
    assert blocks(b"````\n```\n" * (MAX_PASTED // 9)) is not None  # each opens what nothing closes
