"""How much was logged when, and what became of a volume's calls: bounded, exact, and the same however it was read."""

from __future__ import annotations

import itertools
import pickle

from hypothesis import given, settings
from hypothesis import strategies as st

from logscan import rules, scan, sources
from logscan.activity import MAX_BARS, SECOND, Histogram
from logscan.history import MANY, MAX_CALLS, MAX_FIRST, MAX_VOLUMES, MAX_WELL, remember
from logscan.model import Call, Origin, Report, Severity, Volume
from tests.test_narrow import REFERENCE, log_of, passed, reported

DAY = 86_400 * SECOND
times = st.one_of(
    st.integers(0, 400 * 366 * DAY), st.integers(1_784_541_232_000_000, 1_784_541_232_000_000 + 3_600 * SECOND)
)
marks = st.lists(st.tuples(times, st.sampled_from([*Severity, None])), min_size=1, max_size=60)


def filled(entries: list[tuple[int, Severity | None]]) -> Histogram:
    histogram = Histogram()
    for time, severity in entries:
        if severity is None:
            histogram.fail(time)
        else:
            histogram.add(time, severity)
    return histogram


@given(marks, st.randoms())
def test_bars_count_all_in_few_spans_whatever_the_order(entries, dice):
    activity = filled(entries).result()
    assert activity is not None
    width = activity.width
    for bar in activity.bars:
        mine = [severity for time, severity in entries if bar.time <= time < bar.time + width]
        assert mine
        assert (bar.info, bar.warning, bar.error, bar.fatal) == tuple(map(mine.count, Severity))
        assert bar.failed == mine.count(None)
    assert sum(bar.info + bar.warning + bar.error + bar.fatal + bar.failed for bar in activity.bars) == len(entries)
    assert activity.bars[-1].time - activity.bars[0].time < MAX_BARS * width
    shuffled = entries[:]
    dice.shuffle(shuffled)
    assert filled(shuffled).result() == activity


@given(marks)
def test_spans_are_no_wider_than_they_must_be(entries):
    activity = filled(entries).result()
    first, last = min(time for time, _ in entries), max(time for time, _ in entries)
    assert activity is not None
    if activity.width > SECOND:
        # The widest step between two widths is fivefold.
        assert last - first >= (MAX_BARS - 1) * activity.width // 5


@given(marks, marks)
def test_a_copy_goes_on_by_itself(entries, more):
    histogram = filled(entries)
    copy = pickle.loads(pickle.dumps(histogram))
    before = histogram.result()
    for time, severity in more:
        copy.add(time, severity or 0)

    assert histogram.result() == before
    assert sum(bar.info for bar in copy.result().bars) >= sum(bar.info for bar in before.bars)


def test_nothing_with_a_time_has_no_activity():
    assert Histogram().result() is None
    assert scanned(b"no log at all\n").activity is None


# ---------------------------------------------------------------- read and passed over


def scanned(data: bytes, **options: object) -> Report:
    scanner = scan.Scanner(rules.load(), scan.Options(reference=REFERENCE, **options))
    scanner.read(sources.Source("x.log", None, iter([data[:2_000], data[2_000:]])))
    return scanner.report()


def counted(report: Report) -> int:
    assert report.activity is not None
    return sum(bar.warning + bar.error + bar.fatal for bar in report.activity.bars)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from(["v4.1.0", "v4.4.0", "v4.13.4"]), st.sampled_from([1, 60, 5_000]))
def test_records_that_are_passed_over_are_in_the_bars_of_their_own_times(seed, version, pause):
    """Whether a run of calls fits into one bar or is spread over many."""
    lines = log_of(seed, version, 40, 0.0)
    stretched = [stretch(line, pause) for line in lines]
    data = "\n".join(stretched).encode()
    assert passed(data) > len(data) // 4
    whole = reported(data, narrow=False)
    assert reported(data, [1_000, 5_000]) == whole
    assert counted(whole) == whole.counts.problems


def stretch(line: str, pause: int) -> str:
    """The same line as if the log had gone by more slowly, within its month."""
    if len(line) < 22 or line[0] not in "IWEF" or not line[1:5].isdigit():
        return line
    seconds = (int(line[6:8]) * 60 + int(line[9:11])) * 60 + int(line[12:14])
    later = min(seconds * pause // 60, 9 * 86_400)
    day, rest = divmod(later, 86_400)
    clock = f"{rest // 3_600:02}:{rest % 3_600 // 60:02}:{rest % 60:02}"
    return f"{line[:3]}{1 + day:02} {clock}{line[14:]}"


def test_stamps_that_no_calendar_has_are_counted_alike():
    log = "\n".join(log_of(3, "v4.4.0", 30, 0.0))
    for odd in ("0229", "0230", "0700"):
        data = "\n".join(
            f"{line[0]}{odd}{line[5:]}" if line[:1] in "IWEF" and line[1:5].isdigit() else line
            for line in log.split("\n")
        ).encode()
        assert reported(data, [1_000]) == reported(data, narrow=False)
    for odd in ("24:10:00", "23:60:00", "23:59:75"):
        data = "\n".join(
            f"{line[:6]}{odd}{line[14:]}" if line[:1] in "IWEF" and line[1:5].isdigit() and not index % 9 else line
            for index, line in enumerate(log.split("\n"))
        ).encode()
        assert reported(data, [1_000]) == reported(data, narrow=False)


# ---------------------------------------------------------------- the calls of a volume


@given(st.lists(st.sampled_from(["ok", "ok", "failed", "hung"]), max_size=80), st.sampled_from([0, MANY + 1]))
def test_of_a_volumes_calls_the_first_and_the_latest_stay(outcomes, failing):
    volume = Volume("pvc-1")
    for number, outcome in enumerate(outcomes):
        call = Call("CreateVolume", volume, Origin("x.log"), number + 1, start=number)
        remember(call, outcome, number, failing=failing)
    kept = [one.start for one, _ in volume.calls]
    most = MAX_CALLS if set(outcomes) - {"ok"} and not failing else MAX_WELL

    assert len(kept) <= most
    assert len(kept) + volume.forgotten == len(outcomes)
    assert kept == sorted(kept)
    assert kept[:1] == [0][: len(outcomes)]
    assert kept[-(MAX_WELL - 1) :] == list(range(len(outcomes)))[-(MAX_WELL - 1) :]
    if len(kept) == MAX_CALLS and outcomes[0] != "ok":
        assert kept[:MAX_FIRST] == list(range(MAX_FIRST))


def test_the_report_tells_of_the_calls_before_and_after_a_failure():
    after = 0
    for seed in range(4):
        data = "\n".join(log_of(seed, "v4.4.0", 60, 0.0)).encode()
        report = reported(data, [1_000, 9_000])
        named = {volume.name for one in report.diagnoses for volume in one.volumes}
        assert {one.name for one in report.timeline} <= named
        assert any(call.outcome == "failed" for one in report.timeline for call in one.calls)
        for volume in report.timeline:
            told = [call.start if call.start is not None else call.end for call in volume.calls]
            assert told == sorted(told)
            assert all(bool(call.line) == (call.outcome != "ok") for call in volume.calls)
            after += any(
                one.outcome == "failed" and other.outcome == "ok" for one, other in itertools.pairwise(volume.calls)
            )
    assert after


def test_what_is_not_shown_has_no_timeline():
    report = reported("\n".join(log_of(1, "v4.4.0", 60, 0.0)).encode())
    assert report.timeline
    assert scan.only(report, Severity.FATAL).timeline == ()


def test_a_report_tells_of_a_bounded_number_of_volumes():
    lines = [
        f"E0720 09:53:{n % 60:02}.000000       1 utils.go:93] GRPC error: rpc error: code = Internal desc = failed to make subdirectory:"
        f" mkdir /tmp/pvc-{n:08x}-9aa5-42a4-ae15-f4fd036142d2/pvc-{n:08x}-9aa5-42a4-ae15-f4fd036142d2: read-only file system"
        for n in range(3 * MAX_VOLUMES)
    ]
    report = scanned("\n".join(lines).encode())

    assert len(report.timeline) == MAX_VOLUMES
    assert len({one.name for one in report.timeline}) == MAX_VOLUMES
