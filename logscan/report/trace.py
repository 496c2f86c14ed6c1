"""The trace for people: each volume's calls as a timeline, with bars as wide as the terminal allows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from logscan.model import Restart, Trace, TracedCall, VolumeTrace, rfc3339
from logscan.report.page import BOLD, GREEN, MAGENTA, RED, Page
from logscan.report.safe import columns, visible
from logscan.report.words import count, duration, span

# How much of a life is shown; the JSON holds all of it.
MAX_ROWS = 40
MAX_DIAGNOSES = 3
MAX_CALL = 28  # columns of a method's name: a log may name any
ALIKE = 4  # failures in a row of one kind, of which only the first two and the last are shown

QUIET = 15 * 60_000_000  # µs without a call that end a stretch: the next one gets a time axis of its own

MIN_BAR, MAX_BAR = 12, 80  # columns
_TIME, _OUTCOME, _TOOK, _GAP = 10, 6, 7, 7  # columns: 2026-07-20, failed, >1m58s, +1m58s

_BAR = {"ok": "=", "failed": "#"}  # what has no end is drawn to where the log, or the process, ends
_NO_END = "~"
_STYLE = {"failed": "31", "hung": "35", "killed": "35", "lost": "35", "open": "35"}
_STATUS_STYLE = {"failing": RED, "hung": MAGENTA, "open": MAGENTA, "recovered": BOLD, "ok": GREEN}
_STATUS = {
    "failing": "failing", "hung": "hanging", "open": "without an end", "recovered": "recovered", "ok": "well",
}  # fmt: skip

_POD = re.compile(r"/pods/([0-9a-zA-Z]{1,8})")


def write(trace: Trace, out: TextIO, *, width: int = 80, color: bool = False) -> None:
    """Write *trace* to *out*; all text in it is taken to be hostile.

    Args:
        trace: any.
        out: gets whole lines without control characters but, with *color*, SGR sequences.
        width: columns of the terminal; bars shrink with it and are left out below about 60.
        color: whether to use ANSI colours; the text is the same without.
    """
    page = Page(out, width, color=color)
    page.prose(_sentence(trace), indent=0, style=BOLD)
    if trace.interrupted:
        page.prose("Interrupted: the input was not read to its end; this is what had been read.", indent=0)
    for number, volume in enumerate(trace.volumes, 1):
        _volume(page, number, volume)
    _notes(page, trace)


def _sentence(trace: Trace) -> str:
    if not trace.volumes:
        return "No call in the input names a volume. Trace the log of the driver's container, nfs, at -v=2 or more."
    statuses = Counter(one.status for one in trace.volumes)
    told = ", ".join(f"{statuses[status]:,} {words}" for status, words in _STATUS.items() if statuses[status])
    shown = count(len(trace.volumes), "volume")
    of = f" of {trace.known:,}" if trace.known > len(trace.volumes) else ""
    return f"TRACE: {shown}{of}: {told}"


def _notes(page: Page, trace: Trace) -> None:
    notes = []
    total, failed = trace.unassigned
    if total:
        notes.append(f"{count(total, 'call')} ({failed:,} failed) of which the log does not tell the volume")
    notes += [f"{kind}, to bound the memory: {number:,}" for kind, number in trace.dropped.items()]
    if notes:
        page.heading("In no timeline")
        for note in notes:
            page.prose(note)
    if trace.errors:
        page.heading("Could not be read")
        for error in trace.errors:
            page.prose(error)


# ---------------------------------------------------------------- one volume


def _volume(page: Page, number: int, one: VolumeTrace) -> None:
    page.rule(f"-- {number}. {one.name}: {_STATUS.get(one.status, one.status)}", _STATUS_STYLE.get(one.status, BOLD))
    claim = f"PVC {one.namespace}/{one.pvc}" if one.namespace and one.pvc else f"PVC {one.pvc}" if one.pvc else ""
    about = [claim, f"server {one.server}" * bool(one.server), f"share {one.share}" * bool(one.share)]
    if one.subdir and one.subdir != one.name:
        about.append(f"subdirectory {one.subdir}")
    if any(about):
        page.prose(", ".join(filter(None, about)), indent=0)
    page.prose(_summary(one), indent=0)
    for rule, category, cause in one.diagnoses[:MAX_DIAGNOSES]:
        page.prose(f"{cause} ({category}, {rule})", indent=0, first="Why: ")
    places = {(call.role, call.node, call.input) for call in one.calls}
    keys = {call.key for call in one.calls if "/pods/" in call.key}
    view = _View(page, one, several_places=len(places) > 1, several_pods=len(keys) > 1)
    for stretch in _stretches(one):
        _stretch(view, stretch)
    if one.dropped:
        page.prose(f"(left out between the first calls and the latest: {count(one.dropped, 'call')})", indent=0)


def _summary(one: VolumeTrace) -> str:
    calls = (
        count(one.total, "call")
        + f", {one.failed:,} failed" * bool(one.failed)
        + f", {one.hung:,} hung" * bool(one.hung)
    )
    times = [time for call in one.calls for time in (call.start, call.end) if time is not None]
    when = span(min(times), max(times)) if times else "at unknown times"
    if one.last_good is None:
        return f"{calls}; {when}; no good call in this log"
    good = one.last_good
    time = rfc3339(good.end if good.end is not None else good.start)
    at = f" at {time[11:19]}" if time else ""
    return f"{calls}; {when}; last good call: {good.method or 'unknown'}{at}"


@dataclass(frozen=True, slots=True)
class _View:
    page: Page
    volume: VolumeTrace
    several_places: bool
    several_pods: bool


@dataclass(slots=True)
class _Stretch:
    """Calls and restarts between two long silences."""

    after: int | None  # µs of silence before it
    first: int  # µs, where its axis starts
    last: int
    items: list[TracedCall | Restart]


def _start(item: TracedCall | Restart) -> int | None:
    if isinstance(item, Restart):
        return item.time
    return item.start if item.start is not None else item.end


def _end(item: TracedCall | Restart) -> int | None:
    if isinstance(item, Restart):
        return item.time
    return item.end if item.end is not None else item.until if item.outcome != "lost" else None


def _stretches(one: VolumeTrace) -> list[_Stretch]:
    items: list[TracedCall | Restart] = [*one.calls, *_lived_through(one)]
    items.sort(key=lambda item: (_start(item) is not None, _start(item) or 0))
    found: list[_Stretch] = []
    for item in items:
        start, end = _start(item), _end(item)
        start = end if start is None else start
        if start is None:
            # Without a time: it stays with what comes before it in the order of the log.
            if not found:
                found.append(_Stretch(None, 0, -1, []))
            found[-1].items.append(item)
            continue
        end = max(start, end if end is not None else start)
        now = found[-1] if found else None
        if now is None or now.last < now.first or start - now.last > QUIET:
            after = start - now.last if now is not None and now.last >= now.first else None
            found.append(_Stretch(after, start, end, [item]))
        else:
            now.last = max(now.last, end)
            now.items.append(item)
    return found


def _lived_through(one: VolumeTrace) -> list[Restart]:
    """The restarts within the volume's life: of those before and after it tells nothing."""
    times = [time for call in one.calls for time in (call.start, call.end, call.until) if time is not None]
    if not times:
        return []
    first, last = min(times), max(times)
    return [start for start in one.restarts if start.time is not None and first <= start.time <= last]


# ---------------------------------------------------------------- one stretch


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the rows of one stretch are laid out."""

    stretch: _Stretch
    name: int  # columns of the call's name
    left: int  # columns before the bar
    bar: int  # columns within it; below MIN_BAR the rows are prose
    drawn: bool  # one call alone has nothing to be long or short against


def _layout(page: Page, stretch: _Stretch) -> _Layout:
    name = max((columns(_call_name(item)) for item in stretch.items if isinstance(item, TracedCall)), default=4)
    left = _TIME + 1 + _OUTCOME + 1 + name + 1 + _TOOK + 1 + _GAP + 1
    drawn = len(stretch.items) > 1 and stretch.last > stretch.first
    return _Layout(stretch, name, left, min(page.width - left - 2, MAX_BAR), drawn)


def _stretch(view: _View, stretch: _Stretch) -> None:
    page, layout = view.page, _layout(view.page, stretch)
    page.line()
    if stretch.after is not None:
        page.prose(f"... {duration(stretch.after)} later", indent=0)
    _head(page, layout)
    rows = list(_folded(stretch.items))
    hidden = range(MAX_ROWS // 3, MAX_ROWS // 3 + max(0, len(rows) - MAX_ROWS))
    told: tuple[str, str] | None = None
    for index, row in enumerate(rows):
        if index in hidden:
            if index == hidden.start:
                page.prose(f"... {count(len(hidden), 'row')} more; --format json tells all ...", indent=_margin(page))
            continue
        item = row[0]
        if len(row) > 1:
            _alike(page, row)
        elif isinstance(item, Restart):
            _restart(page, item, layout)
        else:
            _call(page, item, layout, gap=None if index == 0 and stretch.after is not None else item.gap)
            said = (item.code, item.text)
            _detail(view, item, again=said == told)
            told = said if item.outcome == "failed" else told


def _margin(page: Page) -> int:
    """Where what belongs to a row, and is none, begins."""
    return _TIME + 1 if page.width >= 48 else 2


def _folded(items: Sequence[TracedCall | Restart]) -> Iterator[list[TracedCall | Restart]]:
    """Rows of one item each; of many failures alike in a row, those in the middle are one row."""
    run: list[TracedCall | Restart] = []
    for item in [*items, None]:
        if run and item is not None and _kind(item) is not None and _kind(item) == _kind(run[-1]):
            run.append(item)
            continue
        if len(run) > ALIKE:
            yield from (run[:1], run[1:2], run[2:-1], run[-1:])
        else:
            yield from ([one] for one in run)
        run = [] if item is None else [item]


def _kind(item: TracedCall | Restart) -> tuple[str, ...] | None:
    if isinstance(item, Restart) or item.outcome != "failed":
        return None
    return (item.method, item.code, item.text, item.node, item.input, item.key)


def _head(page: Page, layout: _Layout) -> None:
    stretch = layout.stretch
    date = _clock(stretch.first)[0] if stretch.last >= stretch.first else ""
    if layout.bar < MIN_BAR:
        page.line(date, BOLD)
        return
    axis = ""
    if layout.drawn and layout.bar >= 20:
        begin, end = _clock(stretch.first)[1], _clock(stretch.last)[1]
        axis = f"{begin}{' ' * (layout.bar - len(begin) - len(end))}{end}"
    cells = f"{date:<{_TIME}} {'':<{_OUTCOME}} {'CALL':<{layout.name}} {'TOOK':>{_TOOK}} {'GAP':>{_GAP}}"
    page.line(f"{cells}  {axis}".rstrip(), BOLD)


def _clock(time: int | None) -> tuple[str, str]:
    """(date, time of day)."""
    text = rfc3339(time)
    return (text[:10], text[11:19]) if text else ("", "--:--:--")


def _call_name(call: TracedCall) -> str:
    name = visible(call.method) or "unknown call"
    name = name if columns(name) <= MAX_CALL else name[: MAX_CALL // 2 - 1] + "~"
    return f"{name} #{call.attempt}" if call.attempt > 1 or call.outcome != "ok" else name


def _took(call: TracedCall) -> str:
    if call.start is None:
        return "?"
    if call.end is not None:
        return duration(call.end - call.start) if call.end >= call.start else "?"
    return f">{duration(call.until - call.start)}" if call.until is not None and call.until >= call.start else "?"


def _call(page: Page, call: TracedCall, layout: _Layout, gap: int | None) -> None:
    clock = _clock(_start(call))[1]
    name, took = _call_name(call), _took(call)
    style = _STYLE.get(call.outcome, "")
    if layout.bar < MIN_BAR:
        parts = [f"{call.outcome} {name}"]
        parts += [f"took {took}"] * (took != "?")
        parts += [] if gap is None else [f"{duration(gap)} after the one before"]
        page.prose(", ".join(parts), indent=0, first=f"{clock}  ", style=style)
        return
    padding = " " * (layout.name - columns(name))
    spaced = "" if gap is None else f"+{duration(gap)}"
    row = f"{clock:>{_TIME}} {call.outcome:<{_OUTCOME}} {name}{padding} {took:>{_TOOK}} {spaced:>{_GAP}}"
    page.line((row + _bar(layout, _start(call), _end(call), _BAR.get(call.outcome, _NO_END))).rstrip(), style)


def _bar(layout: _Layout, start: int | None, end: int | None, mark: str) -> str:
    if not layout.drawn:
        return ""
    return f" |{_drawn(layout.stretch, start, end, mark, layout.bar)}|"


def _drawn(stretch: _Stretch, start: int | None, end: int | None, mark: str, width: int) -> str:
    """A bar on the stretch's axis, at least one column long."""
    whole = stretch.last - stretch.first
    if start is None:
        return " " * width
    left = min(width - 1, (start - stretch.first) * width // whole)
    right = left if end is None else min(width - 1, (max(end, start) - stretch.first) * width // whole)
    return " " * left + mark * (right - left + 1) + " " * (width - 1 - right)


def _restart(page: Page, start: Restart, layout: _Layout) -> None:
    what = "the driver crashed" if start.kind == "panic" else "the driver was restarted"
    clock, text = _clock(start.time)[1], f"{what} (line {start.line:,})"
    row = f"{clock:>{_TIME}} {text}"
    if layout.bar < MIN_BAR or columns(row) >= layout.left:
        page.prose(text, indent=0, first=f"{clock}  ", style=MAGENTA)
        return
    page.line(f"{row:<{layout.left - 1}}{_bar(layout, start.time, start.time, '!')}".rstrip(), MAGENTA)


def _detail(view: _View, call: TracedCall, *, again: bool) -> None:
    """What the row has no room for: the failure's words, where it was, and the line."""
    parts = []
    if call.outcome == "failed":
        code = call.code or "failed"
        parts.append(f"{code}: as before" if again else f"{code}: {call.text}" if call.text else code)
    elif call.outcome == "killed":
        parts.append("no end: the driver was restarted")
    elif call.outcome in {"hung", "open"}:
        parts.append("no end in this log" + (": it hangs" if call.outcome == "hung" else ""))
    elif call.outcome == "lost":
        parts.append("lost sight of: too many calls were open")
    where = []
    if view.several_pods and (pod := _POD.search(call.key)):
        where.append(f"pod {pod[1]}")
    if view.several_places:
        where.append(f"node {call.node}" if call.node else call.role or "unknown place")
    if where:
        parts.append(", ".join(where))
    if call.candidates > 1:
        parts.append(f"one of {call.candidates:,} calls that the log does not tell apart")
    if parts:
        parts.append(f"{call.input}:{call.line}")
        view.page.prose(f"{'; '.join(parts[:-1])} ({parts[-1]})", indent=_margin(view.page))


def _alike(page: Page, row: Sequence[TracedCall | Restart]) -> None:
    calls = [item for item in row if isinstance(item, TracedCall)]
    gaps = [call.gap for call in calls if call.gap is not None]
    spaced = f", {duration(min(gaps))} to {duration(max(gaps))} apart" if gaps else ""
    page.prose(
        f"... {count(len(calls), 'attempt')} more that failed alike{spaced} ...",
        indent=_margin(page),
        style=_STYLE["failed"],
    )
