"""A ready issue for the driver's tracker: a body for each driver bug, and whose business all the rest is.

Names, addresses and secrets never get into it: a report that is not redacted yet is redacted here, with a key
that is made of all that the report says, so that nobody can try out guesses who does not know all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TextIO

from logscan.model import (
    UNRECOGNISED_FAILURE,
    Diagnosis,
    InputSummary,
    Report,
    Severity,
    TimelineCall,
    Unrecognised,
    VolumeCalls,
    rfc3339,
)  # fmt: skip
from logscan.report import json_v1
from logscan.report.mdtext import block, cell, code, prose, reference
from logscan.report.words import clip, count, duration, kind, listed, more, place, span

BUG = "driver-bug"
TRACKER = "https://github.com/kubernetes-csi/csi-driver-nfs/issues"

# A body may have 65,536 characters.
MAX_BODIES = 4
MAX_EVIDENCE = 3
MAX_TEXT = 2_000  # characters of one logged message
MAX_LINE = 600  # of prose
MAX_LIVES = 3  # volumes whose calls are shown
MAX_CALLS = 16
MAX_SHAPES = 5
MAX_ROWS = 60
MAX_INPUTS = 10

# Whose business a category is, where it is not the driver's.
_ELSEWHERE: Mapping[str, str] = {
    "the NFS server: its exports, rights and disks": (
        "client-not-allowed path-not-exported path-missing-on-server export-read-only root-squash no-space stale-handle io-error"
        " server-refused chmod-not-permitted delete-failed"
    ),
    "the StorageClass or the PersistentVolume": (
        "wrong-share-path bad-mount-option missing-parameter invalid-argument volume-id-format delete-missing-mount-options"
        " nfs-version-mismatch unsupported"
    ),
    "the node: its kernel, packages and services": (
        "kernel-module-missing mount-helper-missing statd-missing kerberos-auth tls-auth mount-eperm mount-eagain mount-busy"
        " unmount-busy unmount-hang orphaned-pod wrong-arch"
    ),
    "the network, or the cluster's DNS": "server-unreachable dns",
    "how the driver was installed": (
        "driver-not-registered wrong-kubelet-dir plugin-unreachable provisioner-not-running port-conflict oom admission-denied rbac"
        " startup-failed working-dir-read-only mount-unprivileged snapshot-crd-missing leader-election"
    ),
    "the application and its pod": "app-permission fsgroup-failed",
    "nobody yet: the log does not tell enough": (
        "mount-failed deadline-exceeded operation-in-progress insufficient-evidence snapshot-failed restore-failed driver-crash"
    ),
    "nobody: nothing is wrong": "healthy",
}  # fmt: skip
BELONGS: Mapping[str, str] = {name: place for place, names in _ELSEWHERE.items() for name in names.split()}


def write(report: Report, out: TextIO) -> None:
    """Write a body for each driver bug of *report* to *out*, or why there is none."""
    bugs = [one for one in report.diagnoses if is_for_the_driver(one)]
    others = [one for one in report.diagnoses if not is_for_the_driver(one)]
    left_out = max(0, len(bugs) - MAX_ROWS), max(0, len(others) - MAX_ROWS)
    # What is not shown need not be redacted.
    shown = replace(report, diagnoses=(*bugs[:MAX_ROWS], *others[:MAX_ROWS]))
    out.writelines(f"{line}\n" for line in _lines(shown if report.redacted else _redacted(shown), left_out))


def _redacted(report: Report) -> Report:
    from logscan.pseudonyms import Pseudonyms
    from logscan.redact import Redactor, words_of
    from logscan.redactreport import ReportRedactor

    whole = json.dumps(json_v1.to_dict(report), sort_keys=True)
    redactor = Redactor(Pseudonyms(sha256(whole.encode()).digest()), words_of(()))
    return ReportRedactor(redactor).report(report)


def _lines(report: Report, left_out: tuple[int, int]) -> Iterator[str]:
    bugs = [one for one in report.diagnoses if is_for_the_driver(one)]
    others = [one for one in report.diagnoses if not is_for_the_driver(one)]
    failures = tuple(one for one in report.unrecognised if one.severity >= Severity.ERROR)
    if bugs:
        for number, one in enumerate(bugs[:MAX_BODIES], 1):
            if number > 1:
                yield from ("", "---", "")
            if len(bugs) > 1:
                yield from (
                    f"<!-- {number} of {len(bugs) + left_out[0]}: each belongs into an issue of its own -->",
                    "",
                )
            yield from _bug(one, report)
        if len(bugs) > MAX_BODIES:
            yield from ("", "---", "", "<!-- These have no body here: leave them out. -->", "")
            yield from _rows(bugs[MAX_BODIES:], left_out[0])
        if others:
            yield from ("", "---", "", "<!-- The rest is not for the driver's tracker: leave it out. -->", "")
    elif failures and not others:
        yield from _unknown(failures, report)
    else:
        yield from _none(report)
        yield ""
    if others:
        yield from _rows(others, left_out[1])


def is_for_the_driver(one: Diagnosis) -> bool:
    """Whether a diagnosis is the business of who writes the driver."""
    return one.category == BUG or one.id == UNRECOGNISED_FAILURE


# ---------------------------------------------------------------- one bug


def _bug(one: Diagnosis, report: Report) -> Iterator[str]:
    yield f"**Title:** {_say(one.cause if one.id != UNRECOGNISED_FAILURE else one.title, 200)}"
    if one.fixed_in:
        yield from ("", f"> Fixed in {_say(one.fixed_in)}: upgrade, and report it only if it is still so.")
    yield from ("", "**What happened**:", "")
    yield f"{_say(one.title)}: {_say(one.cause)} ({cell(one.category)}, confidence {one.confidence})."
    yield ""
    yield from _facts(one)
    for item in one.evidence[:MAX_EVIDENCE]:
        yield from (f"At {code(place(item))}:", "", *block(clip(item.text, MAX_TEXT)), "")
    if len(one.evidence) > MAX_EVIDENCE:
        yield from (more(len(one.evidence) - MAX_EVIDENCE, "place"), "")
    yield from _lives(one, report)
    yield from ("**What you expected to happen**:", "", f"{_say(listed(one.methods, 3)) or 'The call'} succeeds.", "")
    yield from ("**How to reproduce it**:", "", *_reproduce(one), "")
    yield from ("**Anything else we need to know?**:", "", *_tried(one), "", *_untold(one, report), "")
    yield from _environment(report)


def _facts(one: Diagnosis) -> Iterator[str]:
    of = f" of {_say(listed(one.methods, 3))}" if one.methods else ""
    yield f"- {count(one.failures, 'failed call')}{of}, {count(len(one.volumes), 'volume')}" + (
        f", {count(len(one.nodes) + len(one.pods), 'node')}" if one.nodes or one.pods else ""
    )
    state = "it worked later" if one.recovered else "still so where the log ends" if one.ongoing else ""
    when = ", ".join(filter(None, (span(one.first_time, one.last_time), state)))
    if when:
        yield f"- {when}"
    yield ""


def _lives(one: Diagnosis, report: Report) -> Iterator[str]:
    names = {volume.name for volume in one.volumes}
    lives = [life for life in report.timeline if life.name in names and life.calls]
    if not lives:
        return
    yield from ("Timeline:", "")
    for life in lives[:MAX_LIVES]:
        yield from (f"{code(life.name)}", "", *_life(life), "")
    if len(lives) > MAX_LIVES:
        yield from (more(len(lives) - MAX_LIVES, "volume"), "")


def _life(life: VolumeCalls) -> Iterator[str]:
    yield "| when (UTC) | call | attempt | took | ended | says |"
    yield "| --- | --- | ---: | ---: | --- | --- |"
    shown = life.calls if len(life.calls) <= MAX_CALLS else (*life.calls[:4], *life.calls[4 - MAX_CALLS :])
    for call in shown:
        yield f"| {' | '.join(_call(call))} |"
    left_out = life.left_out + len(life.calls) - len(shown)
    if left_out:
        yield from ("", more(left_out, "call"))


def _call(call: TimelineCall) -> tuple[str, ...]:
    when = rfc3339(call.start if call.start is not None else call.end)
    took = duration(call.end - call.start) if call.start is not None and call.end is not None else "–"
    ended = cell(" ".join(filter(None, (call.outcome, call.code))))
    return (
        f"{when[:10]} {when[11:23]}" if when else "–", cell(call.method or "unknown"), f"{call.attempt:,}", took, ended,
        cell(clip(call.text, 200)) if call.text else "–",
    )  # fmt: skip


def _reproduce(one: Diagnosis) -> Iterator[str]:
    if one.mount is not None:
        options = "" if one.mount.options is None else f" with {cell(one.mount.options or 'no options')}"
        yield f"- A mount of {cell(one.mount.source)}{options}."
    shares = sorted({f"share {volume.share}, subDir {volume.subdir}" for volume in one.volumes if volume.subdir})
    for text in shares[:3]:
        yield f"- A volume with {cell(text)}."
    yield "- <!-- the StorageClass, and what was done -->"


def _tried(one: Diagnosis) -> Iterator[str]:
    yield "What was tried:"
    yield ""
    if one.attempts > 1:
        yield f"- Kubernetes tried the same call {count(one.attempts, 'time')}."
    else:
        yield "- The log shows no further attempt."
    remedy = one.remedy
    proposed = [text for text in (remedy.summary, *remedy.steps) if text]
    yield from (f"- Proposed, and not known to have been tried: {_say(text)}" for text in proposed)
    if remedy.commands:
        yield from ("", *block("\n".join(remedy.commands), "sh"))
    for text in one.references:
        yield from ("", f"See {reference(text)}")


def _untold(one: Diagnosis, report: Report) -> Iterator[str]:
    yield "What logscan could not tell:"
    yield ""
    told = [f"whether it is rather {_say(other.cause)} ({cell(other.category)})" for other in one.alternatives]
    if one.id == UNRECOGNISED_FAILURE:
        told.append("what the message means: no rule knows it")
    if not any(item.driver_version for item in report.inputs):
        told.append("the driver's version")
    told += [f"{_say(item.why)}" for item in report.collect_next[:MAX_SHAPES]]
    told.append("the versions of Kubernetes, of the nodes' system and of the NFS server")
    if report.interrupted or report.errors:
        told.append("what stands in the inputs that were not read to their end")
    yield from (f"- {text}" for text in told)
    if one.confirm:
        yield from ("", "To decide:", "", *block("\n".join(one.confirm), "sh"))


def _environment(report: Report) -> Iterator[str]:
    yield from ("**Environment**:", "")
    inputs = report.inputs[:MAX_INPUTS]
    versions = {one.driver_version: one.version_source for one in report.inputs if one.driver_version}
    how = {"banner": "it says so itself", "fingerprint": "by the source lines that it logs from"}
    told = ", ".join(f"{_say(name)} ({how.get(source or '', 'unknown how')})" for name, source in versions.items())
    yield f"- CSI Driver version: {told or 'unknown'}"
    yield "- Kubernetes version (use `kubectl version`):"
    yield "- OS (e.g. from /etc/os-release):"
    yield "- Kernel (e.g. `uname -a`):"
    yield "- Install tools:"
    components = sorted({name for one in report.inputs for name in one.components or ((one.component or ""),) if name})
    yield f"- Others: logs of {_say(listed(components, 8)) or 'nobody known'}"
    yield from (f"  - {_input(one)}" for one in inputs)
    if len(report.inputs) > MAX_INPUTS:
        yield f"  - {more(len(report.inputs) - MAX_INPUTS, 'input')}"
    yield ""
    yield (
        f"<sub>Written by logscan {_say(report.version)}. Names, addresses and secrets are replaced by stand-ins:"
        " what is the same is called the same. Read it before you send it.</sub>"
    )


def _input(one: InputSummary) -> str:
    parts = (f"{kind(one)} log".strip(), count(one.records, "record"), span(one.first_time, one.last_time))
    return f"{code(clip(one.name, 200))}: {_say(', '.join(filter(None, parts)))}"


# ---------------------------------------------------------------- all else


def _unknown(failures: Sequence[Unrecognised], report: Report) -> Iterator[str]:
    first = failures[0]
    yield f"**Title:** {_say(first.template, 200)}"
    yield from ("", "**What happened**:", "")
    yield f"{count(sum(one.count for one in failures), 'record')} of severity error that no rule of logscan knows."
    yield ""
    for one in failures[:MAX_SHAPES]:
        source = f" from {code(one.source)}" if one.source else ""
        yield from (f"{one.count:,} ×{source}, first at {code(place(one.first))}:", "")
        yield from (*block(clip(one.example or one.template, MAX_TEXT)), "")
    if len(failures) > MAX_SHAPES:
        yield from (more(len(failures) - MAX_SHAPES, "shape"), "")
    yield from ("**What you expected to happen**:", "", "<!-- what should happen instead -->", "")
    yield from ("**How to reproduce it**:", "", "<!-- the StorageClass, and what was done -->", "")
    yield from ("**Anything else we need to know?**:", "", "What logscan could not tell:", "")
    yield from ("- what the messages mean, and whether anything failed because of them", "")
    yield from _environment(report)


def _none(report: Report) -> Iterator[str]:
    yield "**There is no driver bug in this report.**"
    yield ""
    if report.diagnoses:
        yield f"What logscan found is not for {TRACKER}; whose business it is:"
    elif report.verdict == "healthy":
        yield f"Nothing is wrong in what was read, so there is nothing to report to {TRACKER}."
    else:
        yield f"There is nothing in it that could be reported to {TRACKER} yet: what was read does not tell enough."
        for item in report.collect_next[:MAX_SHAPES]:
            yield from ("", _say(item.why), "", *block(item.command, "sh"))


def _rows(diagnoses: Sequence[Diagnosis], left_out: int) -> Iterator[str]:
    yield "| what | category | belongs to | first thing to do |"
    yield "| --- | --- | --- | --- |"
    for one in diagnoses:
        whose = "the driver" if is_for_the_driver(one) else BELONGS.get(one.category, "whoever runs the cluster")
        what = _say(one.cause or one.title, 240) + (" (it worked later)" if one.recovered else "")
        yield f"| {what} | {cell(one.category)} | {whose} | {_say(one.remedy.summary, 240) or '–'} |"
    if left_out:
        yield from ("", more(left_out, "problem"))


def _say(text: str, most: int = MAX_LINE) -> str:
    return prose(clip(text, most))
