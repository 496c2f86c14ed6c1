"""The nouns of the program.  No I/O here and no imports of ours.

Times are integers: microseconds since 1970-01-01T00:00:00Z.  A klog line is
built once per line of input, and an ``int`` is ten times cheaper than an aware
``datetime``; ``rfc3339`` turns one into text at the edge.

NamedTuples are what is built once per line, frozen dataclasses are the rest,
and the few mutable classes say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(micros: int | None) -> str | None:
    """Write a time (microseconds since the epoch, UTC) as RFC 3339 with a "Z"."""
    if micros is None:
        return None
    return (EPOCH + timedelta(microseconds=micros)).isoformat(timespec="microseconds")[:-6] + "Z"


class Severity(IntEnum):
    """How bad; klog's letters I, W, E and F in order, so that ``max`` works."""

    INFO = 0
    WARNING = 1
    ERROR = 2
    FATAL = 3


@dataclass(frozen=True, slots=True)
class Origin:
    """Where lines come from.  One object per stream, shared by all its lines."""

    input: str  # "-", "nfs.log", "bundle.tgz!node-1/nfs.log"
    stream: str = ""  # what keeps interleaved writers apart: "pod/container", "node/kubelet", ""
    carrier: str = "bare"  # the framing's name, one of frames.CARRIERS
    namespace: str = ""
    pod: str = ""
    container: str = ""
    node: str = ""
    component: str = ""  # one of COMPONENTS, or "" where the carrier does not tell


COMPONENTS = (
    "nfs", "csi-provisioner", "csi-snapshotter", "csi-resizer", "registrar", "liveness",
    "kubelet", "events", "kernel", "nfsd", "gssd",
)  # fmt: skip


class Line(NamedTuple):
    """One line of a program's output, out of its framing."""

    origin: Origin
    number: int  # 1-based physical line of the input it came from
    offset: int  # byte offset of that physical line in the (unpacked) input
    text: str  # never holds "\n"
    written: int | None = None  # when the carrier stored it; None if it did not say
    physical: int = 1  # physical lines it is made of; 0 for the 2nd and later out of one
    margin: int = 0  # characters of its carrier before it: a terminal wraps the whole line


class Record(NamedTuple):
    """One entry of a log: a header line and the lines that continue it.

    A NamedTuple, not a frozen dataclass, because one is built per log entry
    and a tuple is three times cheaper to build.
    """

    origin: Origin
    line: int  # first physical line, 1-based
    end_line: int  # last one; lines of other streams may lie between
    lines: int  # how many physical lines it is made of
    offset: int  # byte offset of the first one
    severity: Severity | None  # None where no header says it
    time: int | None
    time_source: str  # one of TIME_SOURCES
    pid: int  # 0 where unknown
    file: str  # base name of the Go source file that logged, "" where unknown
    source_line: int  # 1-based line in that file, 0 where unknown
    message: str  # continuation lines joined with "\n", no final newline
    kind: str = "klog"  # one of RECORD_KINDS
    fields: Mapping[str, str] | None = None  # of structured and JSON klog
    # The message joined the other way, if a terminal wrapped it; of an event: led by type, reason and object.
    alternate: str | None = None
    header: str = ""  # as it stands in the log, "E0720 09:53:52.387108       1 utils.go:93] "


# klog: a header was read.  text: no header, so severity is unknown.  panic: Go's own
# dump.  system: a line of the kernel, a daemon or kubelet that is no klog.  preamble: what
# a log file or a table begins with.  event: of the Kubernetes API.
RECORD_KINDS = ("klog", "json", "text", "panic", "system", "preamble", "event")

# Who gave the year (and the rest) of a time: the carrier's stamp, klog's file preamble, the
# file's name, the user, or nobody: then it is the latest year that is not in the future.
TIME_SOURCES = ("carrier", "preamble", "file-name", "option", "assumed", "none")


# ---------------------------------------------------------------- rules


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison of a ``when``: ``field`` is dotted and one of rules.FIELDS."""

    field: str
    op: str  # "is", "matches", "missing", "version", "under", "at_least", "no_completion", "followed_by"
    value: Any  # "is": tuple of values, any of which may be equal
    within: int | None = None  # µs, for at_least and followed_by


@dataclass(frozen=True, slots=True)
class Condition:
    """A ``when``: ``how`` is "all", "any" or "not" (which has one part)."""

    how: str
    parts: tuple[Condition | Test, ...]


@dataclass(frozen=True, slots=True)
class Signature:
    """What marks a record: the literal is necessary for the pattern."""

    literal: str
    pattern: str | None = None  # None: the literal alone suffices


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do; commands are ready to paste.  Templates until a diagnosis fills them."""

    summary: str = ""
    steps: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    manifest: str | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """One reason for a signature; ``category`` is one of rules.CATEGORIES."""

    category: str
    cause: str  # a template, one sentence
    confidence: str = "medium"  # high | medium | low, where ``when`` holds (or is absent)
    when: Condition | None = None
    confirm: tuple[str, ...] = ()
    remedy: Remedy = Remedy()


@dataclass(frozen=True, slots=True)
class RuleTest:
    """A log inside a rule that it must (or must not) match, through the real pipeline."""

    name: str
    log: str
    captures: Mapping[str, str] = field(default_factory=dict)
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A signature, its ranked causes, and its own tests."""

    id: str
    title: str
    severity: Severity
    components: tuple[str, ...]
    match: tuple[Signature, ...]
    causes: tuple[Cause, ...]
    when: Condition | None = None
    explains: tuple[str, ...] = ()  # rules whose findings are symptoms of this one
    resolved_by: str = "success"  # "success" (same call, same volume) | "never" | a rule id
    affects: str | None = None  # driver versions, ">=4.1,<4.5"
    fixed_in: str | None = None
    references: tuple[str, ...] = ()
    must_match: tuple[RuleTest, ...] = ()
    must_not_match: tuple[RuleTest, ...] = ()
    path: str = ""  # of the file it came from


# ---------------------------------------------------------------- calls


@dataclass(slots=True)
class Volume:
    """What the log has told so far about one volume.  Mutable: it learns.

    ``name`` is the PV name where known (``pvc-…``), else the volume handle.
    """

    name: str
    handle: str = ""  # CSI volume id as printed
    pvc: str = ""
    namespace: str = ""
    server: str = ""
    share: str = ""  # with a leading "/", as mounted; "/" is the server's root
    subdir: str = ""
    storage_class: str = ""
    parameters: dict[str, str] = field(default_factory=dict)  # of the CreateVolume request
    source: str = ""  # "server:/path" of the last mount seen for it
    options: str | None = None  # options of that mount; None: no mount seen
    attempts: dict[str, int] = field(default_factory=dict)  # by method (and snapshot, or pod of a node)
    # When a method last ended well: (time, order of reading).  A node's calls are in the second, by
    # (method, input, stream) of whoever answered: what works on one node may fail on another.
    successes: dict[str, tuple[int | None, int]] = field(default_factory=dict)
    node_successes: dict[tuple[str, str, str], tuple[int | None, int]] = field(default_factory=dict)
    settled: set[str] = field(default_factory=set)  # methods that an event says ended well for good
    calls: list[tuple[TimelineCall, Origin]] = field(default_factory=list)  # some that ended, see history.py
    forgotten: int = 0  # calls that are not among them


# How a call ended: ok | failed | hung | killed (by a restart) | open (no end before the log's) | lost (by a cap).
OUTCOMES = ("ok", "failed", "hung", "killed", "open", "lost")


@dataclass(slots=True)
class Call:
    """One gRPC call of the driver.  Mutable until it ends.

    ``volume`` is None where nothing in the log says whose call it was;
    ``candidates`` then tells of how many it is one.
    """

    method: str  # "CreateVolume"; "" unknown
    volume: Volume | None
    origin: Origin
    line: int
    start: int | None = None  # of the request; None: the log starts later
    end: int | None = None
    outcome: str = "open"  # open | ok | failed | killed
    code: str = ""  # gRPC code of a failure: "Internal"
    message: str = ""  # the failure's own text, innermost desc
    target: str = ""  # target path
    request: Mapping[str, Any] | None = None
    options: str | None = None  # mount options used, comma separated; None: no mount seen
    source: str = ""  # "server:/path" mounted
    step: str = ""  # last step seen, one of calls.STEPS
    key: str = ""  # what keeps calls of one method apart: volume, target or snapshot
    attempt: int = 1  # 1-based, of this method and key
    candidates: int = 1
    hung: bool = False  # open for longer than any time-out of the driver
    size: int = 0  # characters of the request's line
    number: int = -1  # in the order in which the calls of a log are first met, from 0; some are left out


class Finding(NamedTuple):
    """A rule's signature met in a record."""

    rule: Rule
    record: Record
    captures: dict[str, str]
    size: int = 0  # characters matched: the longer says more


# ---------------------------------------------------------------- the report

# The id of a diagnosis that no rule made: a call failed, and its text is among the unrecognised.
UNRECOGNISED_FAILURE = "unrecognised-failure"


@dataclass(frozen=True, slots=True)
class InputSummary:
    """What one input was."""

    name: str
    framing: tuple[str, ...] = ()  # carriers met, most lines first
    component: str | None = None
    role: str | None = None  # "controller" | "node"
    driver_version: str | None = None
    version_source: str | None = None  # "banner" | "fingerprint"
    bytes: int = 0
    lines: int = 0
    records: int = 0
    unparsed_lines: int = 0
    first_time: int | None = None
    last_time: int | None = None
    time_source: str = "none"
    warnings: tuple[str, ...] = ()  # "3 lines held bytes that are no UTF-8"
    components: tuple[str, ...] = ()  # all that speak in it, most records first
    nodes: tuple[str, ...] = ()  # whose logs these are, where they tell
    calls: tuple[int, int, int] = (0, 0, 0)  # gRPC calls of the driver: all, failed, hung
    hints: tuple[str, ...] = ()  # what it lacks, of HINTS
    pods: tuple[str, ...] = ()  # "namespace/pod/container" of those who speak in it, where they tell


# Framings of what is given beside logs: it decides between causes and holds no records.
BESIDE = frozenset({"exports", "exportfs-v", "exportfs-s", "etab", "showmount", "proc", "manifest", "pods", "host"})

# no-requests: the driver's log, but not one request (-v is below 2, or it is an excerpt).  starts-late: it
# has requests, but not that of a call that failed.
HINTS = ("no-requests", "starts-late")


@dataclass(frozen=True, slots=True)
class VolumeRef:
    """A volume as a diagnosis names it; "" is unknown."""

    name: str
    pvc: str = ""
    namespace: str = ""
    server: str = ""
    share: str = ""
    subdir: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Lines of the log that prove a diagnosis."""

    input: str
    line: int
    end_line: int
    text: str


@dataclass(frozen=True, slots=True)
class MountTried:
    """What the driver mounted, or tried to."""

    source: str  # "server:/path"
    options: str | None = None  # comma separated; None: the log does not show them


@dataclass(frozen=True, slots=True)
class Alternative:
    """A cause that the log cannot rule out, and what would decide."""

    category: str
    cause: str
    confirm: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One cause, the volumes that it hits, the proof and the cure."""

    id: str  # of the rule
    category: str
    severity: Severity
    confidence: str
    title: str
    cause: str
    remedy: Remedy
    confirm: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    volumes: tuple[VolumeRef, ...] = ()
    nodes: tuple[str, ...] = ()
    other_nodes: tuple[str, ...] = ()  # that mounted from the same server, and do not fail
    pods: tuple[str, ...] = ()  # the driver's, "namespace/pod" or "pod", on nodes that nothing names
    methods: tuple[str, ...] = ()
    failures: int = 0  # failed calls, each once though the driver logs it twice
    attempts: int = 0  # of the volume that tried most often
    first_time: int | None = None
    last_time: int | None = None
    recovered: bool = False
    ongoing: bool = False
    evidence: tuple[Evidence, ...] = ()
    explains: tuple[tuple[str, int], ...] = ()  # (rule id, records folded in)
    fixed_in: str | None = None
    references: tuple[str, ...] = ()
    mount: MountTried | None = None  # None: the log does not name server and path
    baseline: str | None = None  # "new" | "known": whether the baseline has it; None: there was none


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """W/E/F records of one shape that no rule knows."""

    template: str
    severity: Severity
    source: str  # "utils.go:93", "" where unknown
    count: int
    first: Evidence
    last: Evidence
    example: str


@dataclass(frozen=True, slots=True)
class Benign:
    """Records that look bad and are not."""

    id: str
    title: str
    count: int


@dataclass(frozen=True, slots=True)
class CallsSummary:
    """Counts of gRPC calls of the driver."""

    total: int = 0
    failed: int = 0
    hung: int = 0
    by_method: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # (total, failed)


@dataclass(frozen=True, slots=True)
class CollectNext:
    """What is missing to know more, and the command that fetches it."""

    why: str
    command: str


@dataclass(frozen=True, slots=True)
class Counts:
    """Law: ``problems == matched + benign + unrecognised``."""

    records: int = 0
    problems: int = 0  # records of severity W, E or F
    matched: int = 0
    benign: int = 0
    unrecognised: int = 0


@dataclass(frozen=True, slots=True)
class Requirement:
    """What ``logscan check`` was asked to hold the report against."""

    wanted: str  # "--fail-on error", "--expect create-mkdir-rofs"
    met: bool
    text: str  # why it is met or not, one clause


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of ``logscan check``."""

    passed: bool  # all requirements are met
    requirements: tuple[Requirement, ...] = ()


@dataclass(frozen=True, slots=True)
class Bar:
    """What was logged in one span of time."""

    time: int  # µs since the epoch, when it begins
    info: int = 0  # records
    warning: int = 0
    error: int = 0
    fatal: int = 0
    failed: int = 0  # calls of the driver that failed


@dataclass(frozen=True, slots=True)
class Activity:
    """How much was logged when, of the records that have a severity and a time."""

    width: int  # µs that each bar spans
    bars: tuple[Bar, ...]  # those in which there was anything, by time


@dataclass(frozen=True, slots=True)
class TimelineCall:
    """One call of a volume that a diagnosis names."""

    method: str  # "" unknown
    outcome: str  # one of OUTCOMES
    start: int | None  # None: the log does not hold the request
    end: int | None  # of a call without an end: how far the log goes, or the restart; None where the log does not tell
    attempt: int  # 1-based, of this method for the volume
    code: str = ""  # gRPC code of a failure
    node: str = ""
    text: str = ""  # what the failure says in the end
    input: str = ""  # "" and 0 of a call that went well
    line: int = 0


@dataclass(frozen=True, slots=True)
class VolumeCalls:
    """Calls of one volume."""

    name: str
    calls: tuple[TimelineCall, ...]  # by time
    left_out: int = 0  # calls in the midst that are not here


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a writer may know."""

    version: str  # of logscan
    verdict: str  # healthy | info | warning | error | not-enough-evidence
    inputs: tuple[InputSummary, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()  # worst and most specific first
    unrecognised: tuple[Unrecognised, ...] = ()
    benign: tuple[Benign, ...] = ()
    calls: CallsSummary = CallsSummary()
    counts: Counts = Counts()
    collect_next: tuple[CollectNext, ...] = ()
    suppressed: tuple[
        Mapping[str, Any], ...
    ] = ()  # texts: id, reason, category, kind (severity | ignore), until, place
    truncated: Mapping[str, int] | None = None  # what a cap dropped, by kind
    errors: tuple[str, ...] = ()  # inputs that could not be read: "place: problem"
    interrupted: bool = False  # Ctrl-C: the input was not read to its end
    rules: tuple[str, ...] = ()  # ids of those that the input was held against, by id
    check: Check | None = None  # None: nothing was asked to be checked
    activity: Activity | None = None  # None: nothing had a time
    redacted: bool = False  # names, addresses and secrets are stand-ins
    timeline: tuple[VolumeCalls, ...] = ()  # of volumes that diagnoses name, worst first; see history.py


# ---------------------------------------------------------------- the trace


@dataclass(frozen=True, slots=True)
class TracedCall:
    """One call in a volume's life, as ``logscan trace`` shows it."""

    method: str  # "" unknown
    role: str  # "controller" | "node" | ""
    node: str
    attempt: int  # 1-based, of this method (and snapshot) for the volume
    outcome: str  # ok | failed | open (no end before the log's) | hung | killed (by a restart) | lost (by a cap)
    code: str = ""  # gRPC code of a failure
    text: str = ""  # what the failure says in the end: mount's output, else the innermost message
    start: int | None = None  # None: the log does not hold the request
    end: int | None = None  # None where the log does not tell
    until: int | None = None  # of a call without an end: how far the log goes, or the restart
    gap: int | None = None  # µs from the end of the call before to this start, see timeline.py
    key: str = ""  # what keeps calls of one method apart: target path, snapshot
    source: str = ""  # "server:/path" mounted
    options: str | None = None  # mount options used; None: no mount seen
    candidates: int = 1  # more than 1: the log does not tell which of so many calls this was
    input: str = ""
    line: int = 0  # of the request, or of the error where there is no request


@dataclass(frozen=True, slots=True)
class Restart:
    """A start of the driver in the midst of its log."""

    time: int | None
    input: str
    stream: str
    line: int
    kind: str  # "start" (a banner) | "panic"


@dataclass(frozen=True, slots=True)
class VolumeTrace:
    """The life of one volume, as far as the log tells it."""

    name: str
    handle: str = ""
    pvc: str = ""
    namespace: str = ""
    server: str = ""
    share: str = ""
    subdir: str = ""
    status: str = "ok"  # failing | hung | open | recovered | ok
    attempts: int = 0  # of the method that was tried most often
    total: int = 0  # calls, shown and dropped
    failed: int = 0
    hung: int = 0
    dropped: int = 0  # calls in the midst that a cap dropped
    last_good: TracedCall | None = None
    calls: tuple[TracedCall, ...] = ()  # by time
    restarts: tuple[Restart, ...] = ()
    diagnoses: tuple[tuple[str, str, str], ...] = ()  # (rule id, category, cause)


@dataclass(frozen=True, slots=True)
class Trace:
    """What ``logscan trace`` tells."""

    version: str  # of logscan
    volumes: tuple[VolumeTrace, ...] = ()  # worst first
    known: int = 0  # volumes that have calls in the log
    unassigned: tuple[int, int] = (0, 0)  # calls that name no volume: (all, failed)
    dropped: Mapping[str, int] = field(default_factory=dict)  # what caps dropped, by kind
    errors: tuple[str, ...] = ()  # inputs that could not be read
    interrupted: bool = False


# ---------------------------------------------------------------- a log that goes on


@dataclass(frozen=True, slots=True)
class Happening:
    """What became of a diagnosis while the log went on."""

    kind: str  # opened | updated | recovered | closed (explained by another, or forgotten)
    key: str  # of the diagnosis: the same in all that happens to it
    time: int  # µs since the epoch, when it was told
    diagnosis: Diagnosis
    changes: tuple[str, ...] = ()  # updated: the fields that differ, or "state": it fails again
