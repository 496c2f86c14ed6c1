"""tests/walk.py runs most blocks of the pages, and notices what fails; the walk itself is made by .ci/run."""

from __future__ import annotations

import re

import pytest

from tests import walk

BLOCKS = [block for page in walk.pages() for block in walk.blocks(page)]


def test_most_are_run():
    commands = [block for block in BLOCKS if block.language in walk.LANGUAGES]
    assert len([block for block in commands if block.runs]) >= 15
    assert len([block for block in commands if block.reason]) < len(commands) / 3


def test_what_a_reader_is_said_to_have_is_there():
    for page in walk.pages():
        for source in walk.files(page).values():
            assert (walk.ROOT / source).exists(), f"{page}: {source}"


@pytest.mark.parametrize("comment", ["<!-- not run -->", "<!-- run: always -->", "<!-- dont run: it is slow -->"])
def test_a_comment_that_means_nothing_is_refused(comment, tmp_path, monkeypatch):
    monkeypatch.setattr(walk, "ROOT", tmp_path)
    (tmp_path / "a.md").write_text(f"{comment}\n```sh\ntrue\n```\n")

    with pytest.raises(ValueError, match=r"a\.md:2: what does <!--"):
        list(walk.blocks("a.md"))


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        ("```sh\ntrue\n```\n", None),
        ("```sh\nfalse | true\n```\n", "a.md:1: exit status 1, not 0"),
        ("```sh\nnone-such; true\n```\n", "exit status 127, not 0"),
        ("<!-- run: status 3 -->\n```sh\nexit 3\n```\n", None),
        ("<!-- run: status 3 -->\n```sh\nexit 0\n```\n", "a.md:2: exit status 0, not 3"),
        ("<!-- not run: because it fails -->\n```sh\nexit 3\n```\n", None),
        ("```sh\necho one; echo two\n```\n\n```text\ntwo\n```\n", None),
        ("```sh\necho one\n```\n\n```text\ntwo\n```\n", "a.md:5: is not printed:\ntwo\none"),
        ("<!-- files: x=a.md -->\n\n```sh\ncat x > y\n```\n\n```sh\ncat y\n```\n", None),
    ],
)
def test_the_walk_notices_what_fails(text, fails, tmp_path, monkeypatch):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a.md").write_text(text)
    monkeypatch.setattr(walk, "ROOT", tree)
    (tmp_path / "walk").mkdir()

    if fails is None:
        assert walk.walk("a.md", "/usr/bin:/bin", tmp_path / "walk") == text.count("```sh") - text.count("not run")
    else:
        with pytest.raises(SystemExit, match=re.escape(fails)):
            walk.walk("a.md", "/usr/bin:/bin", tmp_path / "walk")
