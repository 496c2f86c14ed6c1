"""Processes of this machine that do a part of the work: forks, so that they have what they need at once."""

from __future__ import annotations

import gc
import os
import signal
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_all_start_methods, get_context

MOST = 8  # one engine reads what they leave over: more would wait for it, and each has 40 MB

_lifeline: tuple[int, int] | None = None  # a pipe whose writing end this process alone holds: it closes when we die


def possible() -> bool:
    """Whether this system has such processes."""
    return "fork" in get_all_start_methods()


def cores() -> int:
    """How many processes are made unless somebody asks for another number: one per core, up to MOST."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(found, MOST)


@contextmanager
def pool(jobs: int) -> Iterator[ProcessPoolExecutor]:
    """So many processes; they are made with the first work, know what this one knows then, and end when it does.

    Raises:
        OSError: there can be no more of them.
    """
    global _lifeline  # noqa: PLW0603 - the forks get it so
    _lifeline = _lifeline or os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # numpy's threads know how to be forked
        made = ProcessPoolExecutor(jobs, get_context("fork"), _start)
        try:
            yield made
        finally:
            made.shutdown(wait=False, cancel_futures=True)


def _start() -> None:
    gc.freeze()  # a collection would write to every object, and so copy what is shared
    # Ctrl-C goes to all processes of a terminal; the first one knows what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, signal.SIG_DFL)
    assert _lifeline is not None
    read, write = _lifeline
    os.close(write)
    threading.Thread(target=_die_with_it, args=(read,), daemon=True).start()


def _die_with_it(lifeline: int) -> None:
    """End this process when the one that made it has died: nobody else would tell it that no work will come."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGKILL)
