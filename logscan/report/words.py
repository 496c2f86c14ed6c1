"""Words that several pages say alike: counts, lists, spans of time."""

from __future__ import annotations

from collections.abc import Sequence

from logscan.model import Diagnosis, Evidence, InputSummary, Report, Severity, rfc3339


def count(number: int, noun: str) -> str:
    """Such as: 1 volume, 1,234 volumes."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def more(number: int, noun: str) -> str:
    """Such as: and 3 more volumes."""
    return f"and {number:,} more {noun}{'' if number == 1 else 's'}"


def left_out_calls(number: int) -> str:
    """Such as: 3 more calls in between are left out."""
    return f"{number:,} more call{'' if number == 1 else 's'} in between {'is' if number == 1 else 'are'} left out"


def listed(names: Sequence[str], most: int) -> str:
    """Such as: a, b and 37 more."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def span(first: int | None, last: int | None) -> str:
    """Such as: 2026-07-20 09:53:52 to 09:54:48 UTC.  Empty where no time is known."""
    one, other = rfc3339(first), rfc3339(last)
    if one is None or other is None:
        only = one or other
        return f"{only[:10]} {only[11:19]} UTC" if only else ""
    start = f"{one[:10]} {one[11:19]}"
    if one[:19] == other[:19]:
        return f"{start} UTC"
    end = other[11:19] if one[:10] == other[:10] else f"{other[:10]} {other[11:19]}"
    return f"{start} to {end} UTC"


def node_list(one: Diagnosis, most: int) -> str:
    """Such as: nodes worker-1, worker-2; worker-3 mounts from the server and does not fail.

    A node that nothing names is told by the driver's pod on it.  Empty where neither is known.
    """
    parts = [f"node{'s' * (len(one.nodes) > 1)} {listed(one.nodes, most)}"] if one.nodes else []
    if one.pods:
        theirs = "nodes" if len(one.pods) > 1 else "node"
        parts.append(f"the {theirs} of the driver's pod{'s' * (len(one.pods) > 1)} {listed(one.pods, most)}")
    text = " and ".join(parts)
    if one.other_nodes:
        several = len(one.other_nodes) > 1
        does = "mount from the server and do not fail" if several else "mounts from the server and does not fail"
        text += f"; {listed(one.other_nodes, most)} {does}"
    return text


def duration(micros: int) -> str:
    """A length of time in at most six columns: 21ms, 1.6s, 1m58s, 2h05m, 3d04h."""
    seconds = micros / 1_000_000
    if micros < 1_000:
        return "<1ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 3_600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    days = whole // 86_400
    return f"{days}d{whole % 86_400 // 3600:02}h" if days < 100 else f"{days}d"


def place(evidence: Evidence) -> str:
    """Such as: nfs.log:88 or nfs.log:88-91."""
    lines = f"{evidence.line}" if evidence.end_line <= evidence.line else f"{evidence.line}-{evidence.end_line}"
    return f"{evidence.input}:{lines}"


def clip(text: str, most: int) -> str:
    """At most about *most* characters of a text; its start says what failed, its end says why."""
    dropped = len(text) - most
    if dropped <= 0:
        return text
    return f"{text[: most * 2 // 3]} [... {dropped:,} characters left out ...] {text[-(most // 3) :]}"


def kind(one: InputSummary) -> str:
    """What an input is: "controller", "node", "kubelet", or ""."""
    return one.role or ("" if one.component in {None, "nfs"} else one.component or "")


def looked_at(report: Report) -> str:
    """Such as: 1,234 records, 56 calls, controller log of v4.6.0."""
    parts = [count(report.counts.records, "record")]
    if len(report.inputs) > 1:
        parts[0] += f" of {len(report.inputs):,} inputs"
    if report.calls.total:
        parts.append(count(report.calls.total, "call"))
    versions = sorted({one.driver_version for one in report.inputs if one.driver_version})
    drivers = sorted({kind(one) or "driver" for one in report.inputs if one.driver_version})
    others = sorted({kind(one) for one in report.inputs} - {"", *drivers})
    of = f" of {listed(versions, 2)}" if versions else ""
    parts += [_logs(kinds) + version for kinds, version in ((drivers, of), (others, "")) if kinds]
    return ", ".join(parts)


def _logs(kinds: Sequence[str]) -> str:
    """Such as: controller and node logs."""
    return f"{' and '.join(kinds[:3])} log{'s' * (len(kinds) > 1)}"


def left_out(report: Report) -> str:
    """Such as: 2 ignored, 1 not shown."""
    ignored = sum(one.get("kind") == "ignore" for one in report.suppressed)
    rest = len(report.suppressed) - ignored
    return ", ".join([f"{ignored:,} ignored"] * bool(ignored) + [f"{rest:,} not shown"] * bool(rest))


def sentence(report: Report) -> str:
    """The verdict, such as: ERROR: 2 problems (root-squash, wrong-share-path), 4 volumes affected."""
    what_was = looked_at(report)
    hidden = f" ({left_out(report)})" if report.suppressed else ""
    problems = [one for one in report.diagnoses if one.severity >= Severity.WARNING]
    if report.verdict == "not-enough-evidence":
        prose = report.inputs and all(0 < one.lines <= one.unparsed_lines for one in report.inputs)
        is_log = report.counts.records and (report.diagnoses or not prose)
        why = f"no cause can be named from {what_was}" if is_log else "nothing in the input is a log"
        return f"NOT ENOUGH EVIDENCE: {why}{hidden}"
    if report.verdict == "healthy":
        return f"HEALTHY: No problem found in {what_was}{hidden}"
    if report.verdict == "info":
        return f"INFO: No problem left in {what_was}; {count(len(report.diagnoses), 'note')}{hidden}"
    categories = list(dict.fromkeys(one.category for one in problems))
    names = {volume.name or (volume.namespace, volume.pvc) for one in problems for volume in one.volumes}
    what = count(len(problems), "problem") + (f" ({listed(categories, 4)})" if categories else "")
    affected = f", {count(len(names), 'volume')} affected" if names else ""
    return f"{report.verdict.upper()}: {what}{affected}{hidden}"
