"""What is to be taken back if the process is told to end: half-written files.

A signal may come at any moment, also in a finalizer, where an exception would be lost.  So nothing
unwinds: the handler takes back what is noted here, and the process ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

_open: list[Callable[[], object]] = []


@contextmanager
def undone_by(action: Callable[[], object]) -> Iterator[None]:
    """While this lasts, *action* takes back what was done; what ends it tidily does so itself."""
    _open.append(action)
    try:
        yield
    finally:
        _open.remove(action)


def undo() -> None:
    """Take all back, the latest first."""
    for action in reversed(_open):
        with suppress(OSError):
            action()
