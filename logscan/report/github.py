"""The report as workflow commands of GitHub Actions: annotations on the run and on the files that hold the evidence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from logscan.model import Diagnosis, Report, Severity
from logscan.report.safe import visible
from logscan.report.words import clip, count, left_out

MAX_ANNOTATIONS = 10  # of a severity in one step; GitHub drops the others without a word
MAX_TEXT = 3_000  # characters; GitHub cuts a message at 4,096

_COMMANDS = {
    Severity.FATAL: "error", Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice",
}  # fmt: skip


def write(report: Report, out: TextIO) -> None:
    """Write *report* to *out*, a command a line; with nothing to tell, one notice says so."""
    found: dict[str, list[str]] = {"error": [], "warning": [], "notice": []}
    for one in report.diagnoses:
        # What the baseline has is told, and is no news.
        command = "notice" if one.baseline == "known" else _COMMANDS[one.severity]
        found[command].append(_diagnosis(command, one))
    for error in report.errors:
        found["error"].append(_command("error", {"title": "input could not be read"}, [error]))
    for demand in report.check.requirements if report.check is not None else ():
        if not demand.met:
            found["error"].insert(0, _command("error", {"title": f"logscan check {demand.wanted}"}, [demand.text]))
    if report.interrupted:
        found["warning"].append(_command("warning", {"title": "interrupted"}, ["The input was not read to its end."]))
    found["notice"].insert(0, _command("notice", {"title": "logscan"}, _verdict(report)))
    for command, lines in found.items():
        if len(lines) > MAX_ANNOTATIONS:
            rest = len(lines) - MAX_ANNOTATIONS + 1
            text = f"and {rest:,} more, of which GitHub would show none; the Markdown and JSON reports have them"
            lines[MAX_ANNOTATIONS - 1 :] = [_command(command, {"title": f"{rest:,} more"}, [text])]
        out.writelines(f"{line}\n" for line in lines)


def _verdict(report: Report) -> Iterable[str]:
    problems = sum(one.severity >= Severity.WARNING for one in report.diagnoses)
    yield f"{report.verdict}: {count(problems, 'problem')} in {count(report.counts.records, 'record')}"
    if report.suppressed:
        yield left_out(report)
    if report.counts.unrecognised:
        yield f"{count(report.counts.unrecognised, 'record')} of severity W, E or F not recognised"
    yield from (f"To collect next, {item.why}: {item.command}" for item in report.collect_next)


def _diagnosis(command: str, one: Diagnosis) -> str:
    properties = {}
    if one.evidence:
        first = one.evidence[0]
        if first.input != "-":  # standard input is no file that an annotation could be on
            properties["file"] = first.input
        if first.line > 0:
            properties["line"] = str(first.line)
            properties["endLine"] = str(max(first.line, first.end_line))
    properties["title"] = f"{one.category} ({one.id})" + (f", {one.baseline}" if one.baseline else "")
    parts = [one.cause or one.title]
    if one.volumes:
        parts.append(f"{count(len(one.volumes), 'volume')}, {count(one.failures, 'failure')}")
    parts += [one.remedy.summary] * bool(one.remedy.summary)
    parts += [f"Confirm: {text}" for text in one.confirm]
    return _command(command, properties, parts)


def _command(name: str, properties: dict[str, str], lines: Iterable[str]) -> str:
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{name} {listed}::{_data(chr(10).join(visible(line) for line in lines))}"


def _data(text: str) -> str:
    return clip(text, MAX_TEXT).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(visible(text)).replace(":", "%3A").replace(",", "%2C")
