"""What Tab does after ``logscan``, in the shells themselves: lines are typed at a terminal, and what then runs is looked at."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from logscan import rules
from logscan.cli import COMMANDS
from logscan.commands.completion import SHELLS, for_kubectl
from logscan.commands.kubectl import kubectl

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 60  # of patience, for a machine with much to do

# How a shell is started without anybody's settings, and told of the script.
STARTS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ". {script}"),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; . {script}"),
    "fish": (["fish", "--no-config", "-i"], "source {script}"),
}
# Typed, and the words that then are the command line; the directory holds logs/ and shop-controller.log.
TYPED = [
    ("rul\texpl\tcreate-mkdir-rof\t", ["rules", "explain", "create-mkdir-rofs"]),
    ("shop\t--foll\t", ["shop-controller.log", "--follow"]),
    ("--form\tmark\tshop\t", ["--format", "markdown", "shop-controller.log"]),
    ("trace --format=js\tshop\t", ["trace", "--format=json", "shop-controller.log"]),
]


@pytest.fixture
def shell(request, tmp_path):
    """Types a line in a shell and returns the words with which ``logscan`` was run then."""
    name = request.param
    if shutil.which(name) is None and not os.environ.get("CI"):
        pytest.skip(f"{name} is not installed")
    (tmp_path / "shop-controller.log").touch()
    (tmp_path / "bin").mkdir()
    program, ran = tmp_path / "bin" / "logscan", tmp_path / "ran"
    program.write_text(
        f'#!/bin/sh\n[ -n "$_LOGSCAN_COMPLETE" ] && exec {sys.executable} -m logscan "$@"\n'
        f"printf '%s\\n' \"$@\" > {ran}.new && mv {ran}.new {ran}\n"
    )
    program.chmod(0o755)
    script = tmp_path / "bin" / "script"
    said = subprocess.run(
        [sys.executable, "-m", "logscan", "completion", name], cwd=ROOT, capture_output=True, text=True, check=True
    )
    script.write_text(said.stdout)
    environment = {
        "PATH": f"{program.parent}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "TERM": "dumb",
        "LANG": "C.UTF-8", "INPUTRC": "/dev/null", "PS1": "", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    start, setup = STARTS[name]

    def typed(line: str) -> list[str]:
        master, slave = pty.openpty()
        process = subprocess.Popen(
            # fish wants the terminal to be its own.
            ["setsid", "--ctty", "--wait", *start],
            stdin=slave, stdout=slave, stderr=slave, cwd=tmp_path, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        os.write(master, f"{setup.format(script=script)}\nlogscan {line}\nexit\n".encode())
        shown, end = b"", time.monotonic() + SECONDS
        while not ran.exists() and time.monotonic() < end:
            if select.select([master], [], [], 0.1)[0]:
                try:
                    shown += os.read(master, 65536)
                except OSError:  # the shell has gone
                    break
        process.kill()
        process.wait()
        os.close(master)
        assert ran.exists(), shown.decode(errors="replace")
        return ran.read_text().splitlines()

    return typed


@pytest.mark.parametrize("shell", SHELLS, indirect=True)
@pytest.mark.parametrize(("line", "words"), TYPED, ids=[line.split("\t")[0] for line, _ in TYPED])
def test_tab_completes_as_a_user_would_expect(shell, line, words):
    assert shell(line) == words


def offered(line: str, word: int) -> list[str]:
    """What is offered for a word of a line, kinds and all."""
    environment = {**os.environ, "COMP_WORDS": line, "COMP_CWORD": str(word), "_LOGSCAN_COMPLETE": "bash_complete"}
    done = subprocess.run(
        [sys.executable, "-m", "logscan"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_commands_and_the_options_of_the_one_that_need_not_be_named_come_first():
    assert offered("logscan ", 1) == [f"plain,{name}" for name in ("diagnose", *sorted(COMMANDS.keys() - {"diagnose"}))]
    options = offered("logscan --", 1)
    assert {"plain,--version", "plain,--follow", "plain,--help"} <= set(options)
    assert len(options) == len(set(options))


def test_rules_of_ones_own_are_offered_and_broken_ones_do_no_harm(tmp_path):
    (tmp_path / "off.yaml").write_text("disable: [dns-lookup-failed]\n")
    known = [rule.id for rule in rules.load().rules if rule.id.startswith("d")]

    assert offered("logscan rules explain d", 3) == [f"plain,{one}" for one in known]
    (tmp_path / "off.yaml").write_text(f"disable: [{known[0]}]\n")
    assert offered(f"logscan rules explain --rules {tmp_path} d", 5) == [f"plain,{one}" for one in known[1:]]
    (tmp_path / "off.yaml").write_text("disable: 3\n")
    assert offered(f"logscan rules explain --rules {tmp_path} d", 5) == [f"plain,{one}" for one in known]


@pytest.mark.parametrize(
    ("words", "first", "last"),
    [
        (["--sel"], "--selector\tOf the driver's pods", ":4"),
        (["shop/data-0", "--format", "mark"], "markdown", ":4"),
        (["--format", "mark"], "markdown", ":4"),
        (["shop/"], ":4", ":4"),  # names of a cluster are not files
        (["--save", "ca"], ":0", ":0"),
        ([], ":4", ":4"),
    ],
)
def test_kubectl_is_answered_as_it_wants_it(words, first, last):
    lines = for_kubectl(kubectl, words).splitlines()

    assert lines[0].startswith(first)
    assert lines[-1] == last
