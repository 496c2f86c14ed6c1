"""The same over many files on a Dask cluster: workers read and narrow, one engine here reports.

Results are taken in the order of the files, and only so many are asked for ahead, so memory does
not grow with the fleet.  A worker that dies loses nothing: Dask gives its files to another, and a
partial depends on the file alone (see partials.py).

The only module that knows Dask.  Nothing is connected to when it is imported.
"""

from __future__ import annotations

import logging
import pickle
import signal
import threading
import time
import uuid
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from logscan import __version__, forks, partials, sources
from logscan.errors import LogscanError, SourceError
from logscan.finding import STDIN, Entry, Found, listed
from logscan.model import Report
from logscan.partials import Partial, Task
from logscan.quiet import Narrowed
from logscan.rules import RuleSet, load
from logscan.scan import Options, Scanner
from logscan.sources import Source

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"
AHEAD = 4  # tasks per thread of the cluster that are asked for before they are needed
BUDGET = 64 << 20  # bytes per thread of results, roughly, that may wait for us in the cluster
PATIENCE = 60.0  # seconds without any worker
CONNECT = 15.0  # seconds
TICK = 0.2  # seconds between two words on how far it is
_LOOK = 2.0  # seconds between looks at the cluster
_TRIES = 10  # to fetch one result, from workers that die

E = TypeVar("E")
J = TypeVar("J")
R = TypeVar("R")


# ---------------------------------------------------------------- reports


def scan(
    urls: Sequence[str],
    client: Client | None = None,
    *,
    rules: RuleSet | None = None,
    options: Options | None = None,
) -> Report:
    """The report on files that the workers of a Dask cluster read.

    Args:
        urls: as open_sources takes them; paths are those of the workers.
        client: a ``distributed.Client``; this version of logscan must be installed on its workers.
            None: this process does their work.
        rules: the built-in ones, unless given.

    Raises:
        LogscanError: the workers lack this version of logscan, or what it needs.
    """
    rules = load() if rules is None else rules
    scanner = Scanner(rules, options)
    for thing in opened(urls, client, rules, scanner.skipped):
        scanner.read(thing)
    return scanner.report()


def opened(
    urls: Sequence[str],
    client: Client | None,
    rules: RuleSet,
    skipped: sources.Skipped,
    watch: Callable[[State], None] | None = None,
) -> Generator[Source | Narrowed | SourceError]:
    """As sources.open_sources, but the workers read; each must be read before the next is asked for.

    Args:
        skipped: counts what was passed over.
        watch: told several times a second how far it is.

    Raises:
        LogscanError: as ``scan`` does.
    """
    crowd, files = sources.Crowd(skipped), sources.Files(None, skipped)
    entries = list(listed(urls, skipped))  # their names are in the report anyway
    work: Work[Entry, Task, Partial] | None = None
    if client is not None:
        work = Work(client, partials.compute, rules, entries, _tasks, lambda task: task.weight, watch)
    for entry, results in work or _here(entries, rules):
        if not isinstance(entry, Found):
            yield from crowd.take(entry)
        elif entry.path == STDIN:
            yield from files.read(entry, crowd)
        else:
            yield from crowd.admit(partials.inputs(_told(entry, results, crowd, skipped)))
    if work is not None and work.over is not None:
        unread = sum(isinstance(entry, Found) for entry in work.left())
        if unread:
            what = "1 more file was" if unread == 1 else f"{unread} more files were"
            yield SourceError("Dask", f"{what} not read: {work.over.problem}", work.over.help)


def _tasks(entry: Entry) -> Sequence[Task]:
    return partials.tasks(entry) if isinstance(entry, Found) and entry.path != STDIN else ()


def _here(entries: Iterable[Entry], rules: RuleSet) -> Iterator[tuple[Entry, Iterator[Partial | Fault]]]:
    for entry in entries:
        yield entry, (partials.compute(task, rules) for task in _tasks(entry))


def _told(
    found: Found, results: Iterator[Partial | Fault], crowd: sources.Crowd, skipped: sources.Skipped
) -> Iterator[Partial]:
    for one in results:
        if isinstance(one, Fault):
            raise SourceError(found.name, f"was not read: {one.problem}", one.help)
        if one.version != __version__:
            raise LogscanError(
                "Dask", f"a worker has logscan {one.version}, this is {__version__}", _INSTALL.format(__version__)
            )
        skipped.update(one.skipped)
        crowd.left_out += one.left_out
        yield one


# ---------------------------------------------------------------- any work, in order


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a job has no result."""

    problem: str
    help: str


@dataclass(slots=True)
class State:
    """How far it is.  Mutable: it counts."""

    done: int = 0  # jobs
    total: int = 0
    threads: int = 0  # of the cluster


@dataclass(slots=True)
class _Slot(Generic[E, J]):
    """An entry and its jobs, those that are asked for and those that are not."""

    entry: E
    jobs: deque[J]
    asked: deque[tuple[Any, int]] = field(default_factory=deque)  # Future, weight


_INSTALL = "install logscan {} and what reads your URLs (fsspec, s3fs …) on all workers"
_RAN_OUT = "give the workers more memory, or leave the file out"
_LOST = Fault("the connection to the cluster was lost", "look into the scheduler's log")
_ALONE = Fault("there was no worker any more", "start workers for this scheduler")


class Work(Generic[E, J, R]):
    """Jobs that a cluster does, and their results in order.  For one run.

    Args:
        client: of the cluster.
        do: a function of a module: a job and what all jobs need -> result.
        shared: what all jobs need; it is sent once.
        entries: in order.
        jobs_of: the jobs of an entry.
        weigh: bytes of a job's result, roughly.
        watch: told several times a second how far it is.
    """

    def __init__(
        self,
        client: Client,
        do: Callable[[J, Any], R],
        shared: Any,
        entries: Sequence[E],
        jobs_of: Callable[[E], Sequence[J]],
        weigh: Callable[[J], int],
        watch: Callable[[State], None] | None = None,
    ) -> None:
        self.state = State(total=sum(len(jobs_of(entry)) for entry in entries))
        self.over: Fault | None = None  # the cluster is, so what is left has no result
        self._client = client
        self._do = do
        self._entries = iter(entries)
        self._jobs_of = jobs_of
        self._weigh = weigh
        self._watch = watch
        self._name = f"logscan-{uuid.uuid4().hex}"
        # A task, not scattered data: that is gone for good with the workers that have it.
        self._shared = client.submit(_itself, pickle.dumps(shared), key=f"{self._name}-shared")
        self._slots: deque[_Slot[E, J]] = deque()
        self._asked = 0  # jobs whose results are not here yet
        self._weight = 0  # of these
        self._number = 0
        self._looked = self._peopled = float("-inf")

    def __iter__(self) -> Iterator[tuple[E, Iterator[R | Fault]]]:
        """Each entry with the results of its jobs, in order; what is not taken of them is dropped.

        Raises:
            LogscanError: the workers cannot do such work at all.
        """
        self._peopled = time.monotonic()
        try:
            while self.over is None and (self._slots or self._pull()):
                slot = self._slots[0]
                yield slot.entry, self._results(slot)
                self._drop(self._slots.popleft())
        finally:
            for slot in self._slots:
                self._drop(slot)
            self._shared.release()

    def left(self) -> Iterator[E]:
        """The entries that were not told, after the cluster was over."""
        yield from (slot.entry for slot in self._slots)
        yield from self._entries

    # ------------------------------------------------------------ asking

    def _pull(self) -> bool:
        """Take up the next entry; False if there is none."""
        for entry in self._entries:
            slot: _Slot[E, J] = _Slot(entry, deque(self._jobs_of(entry)))
            self._slots.append(slot)
            return True
        return False

    def _fill(self) -> None:
        """Ask for as much as the cluster can work at, and we can take."""
        threads = max(self.state.threads, 1)
        slot = next((one for one in self._slots if one.jobs), None)
        while self._asked < AHEAD * threads and (not self._asked or self._weight < BUDGET * threads):
            while slot is None or not slot.jobs:
                if not self._pull():
                    return
                slot = self._slots[-1]
            self._ask(slot)

    def _ask(self, slot: _Slot[E, J]) -> None:
        job = slot.jobs.popleft()
        self._number += 1
        # Pickled here: Dask would look into it for more tasks.
        call, key = pickle.dumps((self._do, job)), f"{self._name}-{self._number}"
        # First come, first served: without the timeout, what comes within 100 ms is done in any order.
        future = self._client.submit(_done, call, self._shared, key=key, pure=False, fifo_timeout=0)
        slot.asked.append((future, self._weigh(job)))
        self._asked += 1
        self._weight += slot.asked[-1][1]

    def _taken(self, slot: _Slot[E, J]) -> Any:
        future, weight = slot.asked.popleft()
        self._asked -= 1
        self._weight -= weight
        self.state.done += 1
        return future

    def _drop(self, slot: _Slot[E, J]) -> None:
        """What was not taken is not needed."""
        self.state.done += len(slot.jobs)
        while slot.asked:
            future = self._taken(slot)
            if self.over is None:
                future.cancel()

    # ------------------------------------------------------------ waiting

    def _results(self, slot: _Slot[E, J]) -> Iterator[R | Fault]:
        while slot.jobs or slot.asked:
            self._look()
            if self.over is None:
                self._fill()
                if not slot.asked:  # there is no room, but this one is waited for
                    self._ask(slot)
                result = self._result(slot.asked[0][0])
            if self.over is not None:
                yield self.over
                return
            self._taken(slot).release()  # the traceback of its error would keep it
            yield result

    def _wait(self, future: Any) -> None:
        """Wait until a job is done, which it may be more than once: with its worker its result is lost."""
        while self.over is None:
            done = threading.Event()
            future.add_done_callback(lambda _, done=done: done.set())
            while not done.wait(TICK) and self.over is None:
                self._look()
                self._fill()
            if future.status in {"finished", "error"}:
                return
            if future.status == "cancelled":
                self.over = _LOST

    def _look(self) -> None:
        """See how the cluster is, and tell how far it is."""
        now = time.monotonic()
        if now - self._looked >= _LOOK:
            self._looked = now
            if self._client.status not in {"running", "connecting"}:
                self.over = _LOST
                return
            with suppress(OSError):  # it is lost, or only busy: the future tells
                self.state.threads = sum(self._client.nthreads().values())
            if self.state.threads:
                self._peopled = now
            elif now - self._peopled > PATIENCE:
                self.over = _ALONE
        if self._watch is not None:
            self._watch(self.state)

    def _result(self, future: Any) -> R | Fault:
        """What a job has come to; nothing that counts if ``over``."""
        from distributed import KilledWorker

        said = ""
        for _ in range(_TRIES):
            self._wait(future)
            if self.over is not None:
                return self.over
            try:
                result: R = future.result()
            except KilledWorker:
                return Fault("its workers died of it, one after the other", _RAN_OUT)
            except ImportError as error:
                problem = f"a worker cannot do its work: {error}"
                raise LogscanError("Dask", problem, _INSTALL.format(__version__)) from error
            except Exception as error:  # noqa: BLE001 - whatever a worker raises, the other files are read
                said = f"{type(error).__name__}: {error}".split("\n", 1)[0].removesuffix(": ")
                if future.status == "error":
                    return Fault(f"its worker failed: {said}", _RAN_OUT)
                time.sleep(TICK)  # its worker died as we fetched the result, which is not known everywhere yet
            else:
                return result
        return Fault(f"what was made of it could not be fetched: {said}", "look into the scheduler's log")


def _itself(shared: bytes) -> Any:
    return pickle.loads(shared)  # noqa: S301 - from our own client


def _done(call: bytes, shared: Any) -> Any:
    """Do one job, on a worker."""
    do, job = pickle.loads(call)  # noqa: S301 - from our own client
    return do(job, shared)


# ---------------------------------------------------------------- clusters


@contextmanager
def connected(address: str, workers: int | None = None) -> Iterator[Client]:
    """A client of the scheduler at *address*.

    Args:
        address: host:port, a URL of Dask, or the path of a scheduler file; LOCAL: processes of this
            machine that end with us.
        workers: how many, for LOCAL; None: one per core, up to 8.

    Raises:
        LogscanError: there is none.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise LogscanError("--dask", "needs Dask, which is not installed", "pip install 'logscan[dask]'") from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is told in our words
    with ExitStack() as stack:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that versions of other packages differ
                place: Any = address
                if address == LOCAL:
                    # No dashboard; by default it listens on all addresses of the machine.
                    with _uninterrupted():
                        place = LocalCluster(
                            n_workers=workers or forks.cores(), threads_per_worker=1, processes=True, host="127.0.0.1",
                            dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},
                            silence_logs=logging.CRITICAL,
                        )  # fmt: skip
                    stack.enter_context(place)
                where = {"scheduler_file": address} if Path(address).is_file() else {"address": place}
                client = stack.enter_context(Client(**where, timeout=CONNECT, set_as_default=False))
                client.wait_for_workers(1, timeout=CONNECT)
        except TimeoutError as error:
            raise LogscanError(address, "the scheduler has no worker", "start one: dask worker ADDRESS") from error
        except (OSError, ValueError) as error:
            text = str(error).split("\n", 1)[0] or type(error).__name__
            problem = f"no scheduler of Dask answers: {text}"
            raise LogscanError(address, problem, "start one with dask scheduler, or take --dask local") from error
        yield client


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let threads and processes that are made now never see a Ctrl-C: it goes to all of a terminal, but is for us."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # when it is started, it lets the signal through for all who come after it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:  # one that came in between comes now
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
