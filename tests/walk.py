"""A newcomer's walk: every block of commands in README.md and docs/, typed as it stands in a fresh environment.

    python -m tests.walk BIN [PAGE]...

BIN is the directory of the ``logscan`` to be tried.  Each page is walked in a copy of this tree of its own, its
blocks one after the other, with a kubectl that answers like a small cluster.  What a block says of itself stands in
a comment before it:

    <!-- not run: REASON -->      left out
    <!-- run: status 1 -->        ends with this exit status; else it must be 0
    <!-- ci: NAME -->             run by .ci/run itself

A block of text after it holds lines that it must have printed,
and a page names the files that its reader has at hand: <!-- files: nfs.log=samples/root-squash.log -->.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from tests.fake_kubectl import FakeKubectl

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 300
LANGUAGES = {"sh": ["bash", "-euo", "pipefail"], "python": ["python"]}
_SKIPPED = shutil.ignore_patterns(".git", ".venv", "dist", "site", ".*_cache", "__pycache__", ".hypothesis")
_MARK = re.compile(r"<!-- (?:(?P<key>not run|run|ci): (?P<value>[^>]+) -->)?")
_STATUS = re.compile(r"status (\d+)")


@dataclass(frozen=True)
class Block:
    """A fenced block, or an indented one (without a language)."""

    page: str
    line: int  # of the fence, from 1
    language: str
    text: str
    status: int = 0
    reason: str = ""  # why it is not run
    by: str = ""  # what of .ci/run runs it

    @property
    def runs(self) -> bool:
        """Whether the walk runs it."""
        return self.language in LANGUAGES and not self.reason and not self.by


def pages() -> list[str]:
    """Every page that tells its reader to type something; what rules say of commands depends on the log."""
    found = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))]
    found.remove("docs/rules.md")
    return ["README.md", "CONTRIBUTING.md", "SECURITY.md", "samples/README.md", "notebooks/README.md", *found]


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page in order.

    Raises:
        ValueError: for a comment before a block that is none of those above.
    """
    before = None
    for token in MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text(encoding="utf-8")):
        if token.type in {"fence", "code_block"}:
            assert token.map is not None
            block = Block(page, token.map[0] + 1, token.info.split()[0] if token.info else "", token.content)
            yield _marked(block, before)
        before = token.content.strip() if token.type == "html_block" else None


def _marked(block: Block, comment: str | None) -> Block:
    found = _MARK.match(comment.splitlines()[-1]) if comment else None
    if found is None or comment is None or comment.startswith("<!-- files:"):
        return block
    known = {"page": block.page, "line": block.line, "language": block.language, "text": block.text}
    if found["key"] == "not run":
        return Block(**known, reason=found["value"].strip())
    if found["key"] == "ci":
        return Block(**known, by=found["value"].strip())
    if found["key"] == "run" and (status := _STATUS.fullmatch(found["value"].strip())):
        return Block(**known, status=int(status[1]))
    raise ValueError(f"{block.page}:{block.line}: what does {comment} mean?")


def files(page: str) -> dict[str, str]:
    """What the reader has at hand: names, and where in this tree it is."""
    text = (ROOT / page).read_text(encoding="utf-8")
    lists = re.findall(r"<!-- files: ([^>]*) -->", text)
    return dict(pair.split("=", 1) for one in lists for pair in one.split())


def kubectl(directory: Path) -> Path:
    """The directory of a kubectl that answers as a small cluster does, and finds plug-ins."""
    from tests.test_kubectl import WEB, cluster

    answers = json.loads(json.dumps(cluster()).replace("data-2", "data-0"))
    # The context's own namespace is shop.
    web = json.dumps({"kind": "Pod", **WEB}).replace("data-2", "data-0")
    answers["get pod web-0 --output=json"] = {"out": web}
    logs = (ROOT / "samples" / "readonly-share.log").read_text(encoding="utf-8")
    for line in [block.text for page in pages() for block in blocks(page) if block.runs]:
        for asked in re.findall(r"kubectl (logs [^|\n#]*)", line):
            answers[" ".join(asked.split())] = {"out": logs}
    answers["logs *"] = {"out": logs}  # since any time
    fake = FakeKubectl(directory / "answers", answers)
    bin_ = directory / "bin"
    bin_.mkdir()
    program = bin_ / "kubectl"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = nfs-logscan ] && shift && exec kubectl-nfs_logscan "$@"\nexec {fake.path} "$@"\n'
    )
    program.chmod(0o755)
    return bin_


def walk(page: str, path: str, directory: Path) -> int:
    """Run a page's blocks; returns how many.

    Args:
        path: the PATH for them.
        directory: an empty one.

    Raises:
        SystemExit: a block did not end as it should.
    """
    home, work = directory / "home", directory / "logscan"
    home.mkdir()
    shutil.copytree(ROOT, work, ignore=_SKIPPED)
    for name, source in files(page).items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
        copy(ROOT / source, work / name)
    environment = {
        "PATH": path, "HOME": str(home), "LANG": "C.UTF-8", "COLUMNS": "80",
        "GITHUB_STEP_SUMMARY": str(home / "summary.md"),
        **{key: value for key, value in os.environ.items() if key.startswith("PIP_")},
    }  # fmt: skip
    ran, printed = 0, None
    for block in blocks(page):
        if not block.runs:
            if block.language == "text" and printed is not None:
                shown = [line for line in block.text.splitlines() if line]
                missing = [line for line in shown if line not in printed]
                if missing:
                    raise SystemExit("\n".join((f"{block.page}:{block.line}: is not printed:", *missing, *printed)))
            printed = None
            continue
        command = [*LANGUAGES[block.language], "-c", block.text]
        done = subprocess.run(
            command, cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=SECONDS, check=False,
        )  # fmt: skip
        if done.returncode != block.status:
            told = f"{block.page}:{block.line}: exit status {done.returncode}, not {block.status}"
            raise SystemExit("\n".join((told, block.text, done.stdout[-4000:], done.stderr[-4000:])))
        printed = done.stdout.splitlines()
        ran += 1
    return ran


def main(arguments: Sequence[str]) -> None:
    """Walk all pages, or those that are named."""
    bin_, *chosen = arguments
    ran = 0
    with tempfile.TemporaryDirectory() as place:
        path = f"{Path(bin_).resolve()}:{kubectl(Path(place))}:/usr/bin:/bin"
        for number, page in enumerate(chosen or pages()):
            directory = Path(place, str(number))
            directory.mkdir()
            ran += walk(page, path, directory)
    left = [block for page in chosen or pages() for block in blocks(page) if block.reason]
    sys.stdout.write(f"walk: {ran} blocks did what they should, {len(left)} are not run\n")


if __name__ == "__main__":
    main(sys.argv[1:])
