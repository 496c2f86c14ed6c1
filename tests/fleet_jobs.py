"""What the tests of clusters let workers do; workers import it by this name."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def double(job: int, shared: int) -> int:
    """A result that tells which job it is of."""
    return shared + 2 * job


def slow(job: int, shared: float) -> int:
    """The same, after a while."""
    time.sleep(shared)
    return job


def faulty(job: str, shared: object) -> str:  # noqa: ARG001
    """Jobs that go wrong in the ways in which jobs do."""
    if job == "import":
        raise ModuleNotFoundError("No module named 'logscan'")
    if job == "memory":
        raise MemoryError
    if job == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return job


def once(job: str, shared: str) -> str:
    """Dies in the midst of the first job that has this name."""
    mark = Path(shared) / "died"
    if job == "die" and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return job


class Unreadable:
    """What only its own process can have."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return refuse, (os.getpid(),)


def refuse(pid: int) -> int:
    """Be unpickled where it was pickled."""
    if pid != os.getpid():
        raise ValueError("not here")
    return pid


def unreadable(job: str, shared: object) -> Unreadable:  # noqa: ARG001
    """A result that arrives nowhere."""
    return Unreadable()
