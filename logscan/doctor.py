"""Whether logscan can work here: what ``logscan doctor`` looks at.  Nothing is changed, and no network is used."""

from __future__ import annotations

import json
import locale
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Literal

from logscan import __version__

# Extras for who works on logscan; their absence is no loss to a user.
_DEVELOPMENT = {"test", "docs", "release"}
_KUBECTL_SECONDS = 5

# A mount of the pseudo-root, as short as the driver can tell it, with the server's exports: of known outcome.
_LOG = """\
I0720 09:53:51.201408       1 utils.go:88] GRPC call: /csi.v1.Controller/CreateVolume
I0720 09:53:51.201568       1 utils.go:89] GRPC request: {"name":"pvc-ca0ab165-9aa5-42a4-ae15-f4fd036142d2","parameters":\
{"csi.storage.k8s.io/pvc/name":"data-0","csi.storage.k8s.io/pvc/namespace":"shop","server":"192.0.2.7","share":"/"}}
E0720 09:53:52.387108       1 utils.go:93] GRPC error: rpc error: code = Internal desc = failed to make subdirectory: \
mkdir /tmp/pvc-ca0ab165-9aa5-42a4-ae15-f4fd036142d2/pvc-ca0ab165-9aa5-42a4-ae15-f4fd036142d2: read-only file system
"""
_EXPORTS = "/srv/nfs *(rw,sync,no_root_squash)\n"
_CATEGORY, _SHARE = "wrong-share-path", "/srv/nfs"


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of one thing.

    Attributes:
        status: "note" is what logscan can work without, or slower; only a "problem" keeps it from working.
        help: what to do about it; "" where it is ok.
    """

    name: str
    status: Literal["ok", "note", "problem"]
    says: str
    help: str = ""


def examine() -> Iterator[Check]:
    """All checks, in the order in which one builds on the other; none raises."""
    checks: tuple[tuple[str, Callable[[], Iterator[Check]]], ...] = (
        ("version", _version),
        ("packages", _packages),
        ("rules", _rules),
        ("configuration", _configuration),
        ("self-test", _self_test),
        ("extras", _extras),
        ("processes", _processes),
        ("output", _output),
        ("temporary files", _temporary),
        ("kubectl", _kubectl),
    )
    for name, check in checks:
        try:
            for one in check():
                yield replace(one, name=f"{name} {one.name}".strip())
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the machine is to be told, not to end the telling
            problem = f"{type(error).__name__}: {error}"
            yield Check(name, "problem", problem, "install logscan anew; if it stays, please report it")


def _version() -> Iterator[Check]:
    system = f"{platform.python_implementation()} {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield Check("", "ok", f"logscan {__version__}, {system}, in {Path(__file__).parent}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", version)[:3])


def _lacks(requirement: str) -> str | None:
    """What is wrong with a package that ``Name[extra]>=1.2`` asks for; None: nothing."""
    found = re.match(r"([\w.-]+)(?:\[[^]]*])?(?:>=([\d.]+))?", requirement)
    if found is None:
        return None
    name, least = found.groups()
    if name == "logscan":  # one extra that holds another
        return None
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is missing"
    old = least is not None and _numbers(version) < _numbers(least)
    return f"{name} is {version}, {least} is needed" if old else None


def _asked_for() -> Mapping[str, list[str]] | None:
    """What logscan's own metadata ask for, by extra; "": always.  None: it is not installed as a package."""
    try:
        lines = metadata.requires("logscan") or []
    except metadata.PackageNotFoundError:
        return None
    asked: dict[str, list[str]] = {}
    for line in lines:
        requirement, _, marker = line.partition(";")
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", marker)
        asked.setdefault(extra[1] if extra else "", []).append(requirement.strip())
    return asked


def _packages() -> Iterator[Check]:
    asked = _asked_for()
    if asked is None:
        yield Check(
            "", "note", "logscan runs from a directory that pip knows nothing of", "pip install it for its commands"
        )
        return
    missing = [fault for one in asked.get("", ()) if (fault := _lacks(one))]
    if missing:
        yield Check("", "problem", "; ".join(missing), "pip install --upgrade logscan")
        return
    names = [re.split(r"[^\w.-]", one)[0] for one in asked.get("", ())]
    yield Check("", "ok", ", ".join(f"{name} {metadata.version(name)}" for name in names))


def _extras() -> Iterator[Check]:
    for extra, requirements in (_asked_for() or {}).items():
        if not extra or extra in _DEVELOPMENT:
            continue
        missing = [fault for one in requirements if (fault := _lacks(one))]
        if missing:
            yield Check(extra, "note", "; ".join(missing), f"if you want it: pip install 'logscan[{extra}]'")
        else:
            yield Check(extra, "ok", "installed")


def _rules() -> Iterator[Check]:
    from logscan import rules

    count = len(rules.load().rules)
    if not count:
        yield Check("", "problem", f"there are none in {rules.builtin_directory()}", "install logscan anew")
    elif rules.is_packed():
        yield Check("", "ok", f"{count} built-in rules, packed")
    else:
        slow = "install logscan anew; each start takes seconds longer"
        yield Check(
            "", "note", f"{count} built-in rules, read from YAML: the pack is missing or older than they are", slow
        )


def _configuration() -> Iterator[Check]:
    from logscan import config
    from logscan.errors import LogscanError

    try:
        settings = config.effective(Path.cwd(), os.environ)
    except LogscanError as error:
        first = str(error).split("\n")[0]
        yield Check("", "problem", first, "logscan config show --origin; --no-config goes without")
        return
    origins = sorted({one.origin for one in settings.values() if one.origin != config.DEFAULT})
    yield Check("", "ok", f"from {', '.join(origins)}" if origins else "none: all as it is by default")


def _self_test() -> Iterator[Check]:
    from logscan import rules, scan
    from logscan.sources import Source

    scanner = scan.Scanner(rules.load(), scan.Options(year=2026, jobs=1))
    scanner.read(Source(name="self-test.log", mtime=None, chunks=iter([_LOG.encode()])))
    scanner.evidence("exports", "exports", _EXPORTS.encode())
    report = scanner.report()
    found = [one.category for one in report.diagnoses]
    if found != [_CATEGORY] or _SHARE not in report.diagnoses[0].remedy.summary:
        yield Check(
            "", "problem", f"a known log gives {', '.join(found) or 'nothing'}, not {_CATEGORY}", "install logscan anew"
        )
        return
    yield Check("", "ok", f"a known log gives the known diagnosis, {_CATEGORY}")


def _processes() -> Iterator[Check]:
    import multiprocessing

    from logscan import forks

    cores = forks.cores()
    if not forks.possible():
        yield Check("", "note", "this system cannot fork, so one process reads all files", "nothing is lost but time")
        return
    try:
        multiprocessing.get_context("fork").Lock()
    except OSError as error:
        said = f"no semaphores ({error.strerror}), so one process reads all files"
        yield Check("", "note", said, "give the container a /dev/shm")
        return
    yield Check("", "ok", f"{cores} process{'es read' if cores > 1 else ' reads'} large and many files")


def _output() -> Iterator[Check]:
    encoding = getattr(sys.stdout, "encoding", None) or locale.getpreferredencoding(do_setlocale=False)
    size = shutil.get_terminal_size()
    terminal = sys.stdout is not None and sys.stdout.isatty()
    shown = f"a terminal ({os.environ.get('TERM', 'no TERM')})" if terminal else "no terminal"
    says = f"{shown}, {size.columns} columns, {encoding}"
    if encoding.lower().replace("-", "").replace("_", "") == "utf8":
        yield Check("", "ok", says)
    else:
        yield Check("", "note", f"{says}: what it lacks is shown as \\xe9", "export LANG=C.UTF-8, or PYTHONUTF8=1")


def _temporary() -> Iterator[Check]:
    try:
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
        yield Check("", "ok", tempfile.gettempdir())
    except OSError as error:
        yield Check("", "note", f"none can be written: {error}", "logscan kubectl needs them: set TMPDIR")


def _kubectl() -> Iterator[Check]:
    path = shutil.which("kubectl")
    if path is None:
        help_ = "only logscan kubectl needs it; a log can be piped or named"
        yield Check("", "note", "not found on PATH", help_)
        return
    version = _kubectl_version(path)
    if version is None:
        yield Check("", "note", f"{path} does not say its version", f"{path} version --client")
    elif shutil.which("kubectl-nfs_logscan") is None:
        help_ = f"put {Path(sys.executable).parent} on PATH, or type logscan kubectl"
        yield Check("", "note", f"{version}, {path}, but kubectl nfs-logscan is not on PATH", help_)
    else:
        yield Check("", "ok", f"{version}, {path}; kubectl nfs-logscan is there")


def _kubectl_version(path: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - the user's own kubectl
            [path, "version", "--client", "--output=json"],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=_KUBECTL_SECONDS, check=True,
        )  # fmt: skip
        version = json.loads(done.stdout)["clientVersion"]["gitVersion"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
    return version if isinstance(version, str) else None
