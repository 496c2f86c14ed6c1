"""Runs kubectl: several at a time, each for so long, what it prints into files."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MAX_SAID = 16 << 10  # bytes of stderr that are looked at
VERBS = frozenset({"get", "logs", "describe"})  # nothing else is ever run

# How kubectl says that there is no cluster for it, or none that lets us in.
_NO_CLUSTER = (
    "was refused", "connection refused", "Unable to connect to the server", "no such host", "i/o timeout", "no route to host",
    "must be logged in", "(Unauthorized)", "does not exist", "getting credentials", "x509:", "error loading config file",
    "invalid configuration", "no such file or directory", "TLS handshake timeout", "context was not found", "no configuration has been provided",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Command:
    """One call of kubectl.

    ``args`` has no options of connection; ``name`` is the file that takes what it prints.
    """

    args: tuple[str, ...]
    name: str
    optional: bool = False  # that it finds nothing is no fault


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a command; ``path`` holds what it printed, also if it failed in the midst."""

    command: Command
    path: Path
    status: int | None  # None: it gave no answer in time, or was interrupted
    said: str  # on standard error
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether it printed all that was asked for."""
        return self.status == 0

    @property
    def reason(self) -> str:
        """The line in which kubectl says why it failed."""
        lines = [line.strip() for line in self.said.splitlines() if line.strip()]
        # client-go's own log comes before kubectl's word, with every retry.
        told = [
            line for line in lines if line.startswith(("error: ", "Error from server", "The connection", "Unable to"))
        ]
        return (told or lines or [f"exit status {self.status}"])[-1]

    @property
    def no_cluster(self) -> bool:
        """Whether no other command can fare better."""
        return not self.ok and self.status is not None and any(words in self.reason for words in _NO_CLUSTER)

    @property
    def forbidden(self) -> bool:
        """Whether the user may not ask for this."""
        return not self.ok and "(Forbidden)" in self.reason

    @property
    def missing(self) -> bool:
        """Whether what was asked for is not there."""
        reason = self.reason
        return not self.ok and ("(NotFound)" in reason or "previous terminated container" in reason)


class NoKubectlError(Exception):
    """There is no kubectl to run."""


class Runner:
    """Runs commands of one cluster.

    Args:
        kubectl: the program.
        connection: options that say which cluster, and as whom.
        directory: where the files go, at the names of the commands.
        timeout: seconds for each command.
        parallel: commands at a time.
    """

    def __init__(self, kubectl: str, connection: Sequence[str], directory: Path, timeout: float, parallel: int) -> None:
        self._kubectl = kubectl
        self._connection = tuple(connection)
        self.directory = directory
        self._timeout = timeout
        self._parallel = parallel
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def line(self, command: Command) -> str:
        """The command as a shell would be given it."""
        return shlex.join((self._kubectl, *self._connection, *command.args))

    def run(self, commands: Sequence[Command], told: Callable[[Result], None]) -> list[Result]:
        """Run all of them; the results are in their order.  What is interrupted by Ctrl-C ends all.

        Args:
            told: is given each result as it comes, in the thread of the caller.

        Raises:
            NoKubectlError: the program cannot be run.
        """
        results: dict[int, Result] = {}
        with ThreadPoolExecutor(self._parallel) as pool:
            try:
                waiting = {pool.submit(self._one, command): index for index, command in enumerate(commands)}
                for future in _as_they_come(set(waiting)):
                    result = results[waiting[future]] = future.result()
                    told(result)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.stop()
                raise
        return [results[index] for index in range(len(commands))]

    def stop(self) -> None:
        """End what runs."""
        self._stopped = True
        for process in list(self._running):
            _end(process)

    def _one(self, command: Command) -> Result:
        assert command.args[0] in VERBS, command.args
        path = self.directory / command.name
        path.parent.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        # A file, not a pipe: logs may be large, and nobody has to empty it.  What asks for a password gets none.
        with path.open("wb") as out:
            try:
                process = subprocess.Popen(  # noqa: S603 - arguments are a list, and no shell reads them
                    [self._kubectl, *self._connection, *command.args],
                    stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, start_new_session=True,
                )  # fmt: skip
            except OSError as error:
                raise NoKubectlError(str(error.strerror or error)) from error
            self._running.add(process)
            try:
                if self._stopped:
                    _end(process)
                _, said = process.communicate(timeout=self._timeout)
                status: int | None = process.returncode
            except subprocess.TimeoutExpired:
                _end(process)
                said, status = _rest(process), None
            finally:
                self._running.discard(process)
        if self._stopped:
            status = None
        return Result(command, path, status, said[-MAX_SAID:].decode("utf-8", "replace"), time.monotonic() - began)


def _rest(process: subprocess.Popen[bytes]) -> bytes:
    """What a killed program had said; somebody that it started may still hold its standard error."""
    try:
        return process.communicate(timeout=2)[1]
    except subprocess.TimeoutExpired:
        return b""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill kubectl and its children: plug-ins that fetch credentials."""
    import signal

    with suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def _as_they_come(waiting: set[Future[Result]]) -> Iterator[Future[Result]]:
    while waiting:
        # In slices, so that Ctrl-C is heeded while nothing comes.
        done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
        yield from done
