"""What became of a volume's calls, as far as the report shows it: a few of each, kept with the volume.

Calls that are passed over (see quiet.py) come here when their volume is woken, so that
what is kept is the same as if they had been read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from logscan.model import Call, Diagnosis, Origin, TimelineCall, Volume, VolumeCalls
from logscan.timeline import said_in_the_end

MAX_WELL = 4  # calls of a volume that had no trouble: the first, and the latest of the rest
MAX_CALLS = 24  # of one that had: the first third, and the latest of the rest
MAX_FIRST = MAX_CALLS // 3
MANY = 1_000  # volumes that failed; of more no more is kept than of those that did not
MAX_VOLUMES = 40  # in a report
MAX_TEXT = 200  # characters of what a failure says


def remember(call: Call, outcome: str, until: int | None, *, failing: int) -> None:
    """Keep a call that ended, or that something ended, with its volume.

    Args:
        outcome: one of model.OUTCOMES.
        until: when it ended, or how far the log goes that has no end of it.
        failing: volumes that have failed by now.
    """
    volume = call.volume
    if volume is None:
        return
    known = TimelineCall(call.method, outcome, call.start, until, call.attempt)
    if outcome != "ok":
        text = said_in_the_end(call.message)[:MAX_TEXT] if outcome == "failed" else ""
        known = replace(known, code=call.code, text=text, input=call.origin.input, line=call.line)
    calls = volume.calls
    calls.append((known, call.origin))
    if len(calls) <= MAX_WELL:
        return
    if len(calls) > MAX_CALLS:
        del calls[MAX_FIRST]
    elif failing > MANY or all(one.outcome == "ok" for one, _ in calls):
        del calls[1]
    else:
        return
    volume.forgotten += 1


def timeline(
    diagnoses: Sequence[Diagnosis], known: Callable[[str], Volume | None], node_of: Callable[[Origin], str]
) -> tuple[VolumeCalls, ...]:
    """The calls of the volumes that diagnoses name, worst first; at most MAX_VOLUMES.

    Args:
        known: gives a volume by its name.
        node_of: on which node a log was written, "" unknown.
    """
    found = []
    for name in _named(diagnoses):
        volume = known(name)
        if volume is None or not volume.calls:
            continue
        calls = sorted(volume.calls, key=lambda entry: _when(entry[0]))
        told = tuple(replace(one, node=node_of(origin)) for one, origin in calls)
        found.append(VolumeCalls(name, told, volume.forgotten))
        if len(found) == MAX_VOLUMES:
            break
    return tuple(found)


def _named(diagnoses: Sequence[Diagnosis]) -> list[str]:
    """The first volume of each diagnosis, then the second of each, and so on: none is crowded out by another's many."""
    ranked = [(place, index, ref.name) for index, one in enumerate(diagnoses) for place, ref in enumerate(one.volumes)]
    return list(dict.fromkeys(name for _, _, name in sorted(ranked) if name))


def _when(call: TimelineCall) -> tuple[bool, int]:
    """By time; what has none comes first, in the order of reading."""
    time = call.start if call.start is not None else call.end
    return (time is not None, time or 0)
