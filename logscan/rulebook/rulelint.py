"""What is doubtful about rules that load: each doubt is a fault of level "warning"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from logscan.model import Rule, Severity
from logscan.rulebook.rulereader import Fault, RuleFile

MIN_TESTS = 2  # of each kind: another framing or version, and a near miss
TELLING = 6  # characters of a literal


def doubts(files: Sequence[RuleFile]) -> list[Fault]:
    """All doubts about the files, in their order; files that did not load are passed over."""
    found: list[Fault] = []
    signatures: dict[tuple[str, str | None], str] = {}
    explains = {file.rule.id: file.rule.explains for file in files if file.rule}
    for file in files:
        if file.rule is None:
            continue
        found += _signatures(file, file.rule, signatures)
        found += _causes(file, file.rule)
        found += _tests(file, file.rule)
        if file.rule.id in _reach(file.rule.id, explains):
            problem = "the rule explains itself, through what it explains"
            found.append(_doubt(file, "explains", problem, "leave out the true cause among the symptoms"))
    return found


def _doubt(file: RuleFile, where: str, problem: str, advice: str) -> Fault:
    return Fault(file.places.get(where, f"{file.path}:1:1"), problem, advice, "warning")


def _reach(start: str, explains: dict[str, tuple[str, ...]]) -> set[str]:
    seen: set[str] = set()
    waiting = list(explains.get(start, ()))
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += explains.get(one, ())
    return seen


def _signatures(file: RuleFile, rule: Rule, owners: dict[tuple[str, str | None], str]) -> Iterable[Fault]:
    for index, signature in enumerate(rule.match):
        literal, pattern = f"match.{index}.literal", f"match.{index}.pattern"
        owner = owners.setdefault((signature.literal, signature.pattern), rule.id)
        if owner != rule.id:
            advice = "join the rules, or tell them apart by pattern"
            yield _doubt(file, literal, f"the rule {owner} has the same signature", advice)
        if len(signature.literal) < TELLING:
            advice = "choose a longer text; it decides which records are looked at"
            yield _doubt(file, literal, f"literal has fewer than {TELLING} characters", advice)
        if not _occurs(signature.literal, signature.pattern, rule):
            problem = "literal is neither in the fixed text of its pattern nor in a log of tests.match"
            yield _doubt(file, literal, problem, "the pattern is never tried on a record without its literal")
        if signature.pattern and nested_quantifier(signature.pattern):
            advice = "use a negated class, or a possessive quantifier (++) inside"
            yield _doubt(file, pattern, "a repeated group repeats inside: the pattern may backtrack for ever", advice)


def _occurs(literal: str, pattern: str | None, rule: Rule) -> bool:
    if pattern and any(literal in text for text in fixed_texts(pattern)):
        return True
    return any(literal in test.log for test in rule.must_match)


def _causes(file: RuleFile, rule: Rule) -> Iterable[Fault]:
    if rule.severity == Severity.INFO:
        return
    for index, cause in enumerate(rule.causes):
        where = f"causes.{index}"
        if not cause.remedy.summary:
            yield _doubt(file, where, "the cause has no remedy with a summary", "say in one sentence what to do")
        if not cause.confirm and not cause.remedy.commands:
            yield _doubt(file, where, "neither confirm nor remedy of the cause holds a command", "give one to paste")
    if rule.causes and rule.causes[-1].when is not None:
        advice = "leave its when out, or a hit may be left without any cause"
        yield _doubt(file, f"causes.{len(rule.causes) - 1}", "the last cause has a condition", advice)


def _tests(file: RuleFile, rule: Rule) -> Iterable[Fault]:
    for name, tests in (("match", rule.must_match), ("no_match", rule.must_not_match)):
        if len(tests) < MIN_TESTS:
            advice = "add another framing or version" if name == "match" else "add a near miss"
            yield _doubt(file, "tests", f"tests.{name} has fewer than {MIN_TESTS} logs", advice)


# ---------------------------------------------------------------- patterns, read without an engine

_TOKEN = re.compile(
    r"(?P<escape>\\(?:[pPN]\{[^}]*\}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.))"
    r"|(?P<class>\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\])"
    r"|(?P<open>\((?:\?(?:P?<[A-Za-z_]\w*>|[:=!>|]|<[=!]|[a-zA-Z-]+[:)]|\#[^)]*))?)"
    r"|(?P<close>\))"
    r"|(?P<quantifier>(?:[*+?]|\{\d*,?\d*\})[?+]?)"
    r"|(?P<special>[.^$|])"
    r"|(?P<char>.)",
    re.DOTALL,
)


def tokens(pattern: str) -> list[tuple[str, str]]:
    """(kind, text) of each part of a pattern: escape, class, open, close, quantifier, special or char."""
    return [(token.lastgroup or "", token[0]) for token in _TOKEN.finditer(pattern)]


def fixed_texts(pattern: str) -> list[str]:
    """Runs of characters that a match can hold; a literal inside one of them can occur in a match.

    A run goes on into and out of a group that is neither repeated nor a choice.
    """
    parts = tokens(pattern)
    stack: list[_Group] = [_Group("")]
    for index, (kind, text) in enumerate(parts):
        group = stack[-1]
        if kind == "char":
            group.runs[-1] += text
        elif kind == "escape" and len(text) == 2 and not text[1].isalnum():
            group.runs[-1] += text[1]
        elif kind == "open":
            if not text.endswith(")") and not text.startswith("(?#"):
                stack.append(_Group(text))
        elif kind == "close" and len(stack) > 1:
            quantified = index + 1 < len(parts) and parts[index + 1][0] == "quantifier"
            _leave(stack.pop(), stack[-1], apart=quantified)
        elif kind == "quantifier":
            # It belongs to the last character alone.
            group.runs[-1] = group.runs[-1][:-1]
            group.runs.append("")
        else:
            group.choice = group.choice or text == "|"
            group.runs.append("")
    return [run for group in stack for run in group.runs if run]


@dataclass(slots=True)
class _Group:
    """A group that is being read."""

    opened: str  # "(?:", "(?P<name>", "(?!" …
    runs: list[str] = field(default_factory=lambda: [""])
    choice: bool = False


def _leave(inner: _Group, outer: _Group, *, apart: bool) -> None:
    """Hand the runs of a group that has closed to the one around it."""
    if inner.opened in {"(?!", "(?<!"}:
        return  # what must not be there
    if apart or inner.choice or inner.opened in {"(?=", "(?<="}:
        outer.runs += [*inner.runs, ""]
    else:
        outer.runs[-1] += inner.runs[0]
        outer.runs += inner.runs[1:]


@dataclass(slots=True)
class _Loop:
    """A group, looked at for what repeats in it."""

    opened: str
    atoms: list[str] = field(default_factory=list)  # its members, a group as "("
    repeats: list[str] = field(default_factory=list)  # those of them that repeat without bound
    choice: bool = False

    def ambiguous(self) -> bool:
        """Whether one text can be cut into repetitions in more than one way, as far as can be seen.

        It cannot where each repetition begins or ends with a character that
        what repeats inside never holds, like ``(?:,[^,]+)*``.
        """
        if not self.repeats or self.opened == "(?>":
            return False
        if self.choice:
            return True
        marks = [
            atom for atom in (self.atoms[0], self.atoms[-1]) if atom not in self.repeats and _FIXED.fullmatch(atom)
        ]
        return not any(all(one.startswith("[^") and mark in one for one in self.repeats) for mark in marks)


_FIXED = re.compile(r"\\[^a-zA-Z]|\\[nt]|[^.^$|()\[\\]", re.DOTALL)


def nested_quantifier(pattern: str) -> bool:
    """Whether something that repeats without bound repeats inside a group that does so too."""
    stack = [_Loop("")]
    closed: _Loop | None = None  # the token before ended this group
    for token in _TOKEN.finditer(pattern):
        kind, text = token.lastgroup, token[0]
        just_closed, closed = closed, None
        if kind == "open":
            if not text.endswith(")") and not text.startswith("(?#"):
                stack.append(_Loop(text))
        elif kind == "close" and len(stack) > 1:
            closed = stack.pop()
            stack[-1].atoms.append("(")
            if closed.repeats and closed.opened != "(?>":
                stack[-1].repeats.append("(")
        elif kind == "quantifier":
            if not _unbounded(text):
                # It may be absent, so it marks no end.
                stack[-1].atoms[-1:] = ["("]
            elif just_closed is not None and just_closed.ambiguous():
                return True
            elif stack[-1].atoms and not text.endswith(("++", "*+", "}+")):
                stack[-1].repeats.append(stack[-1].atoms[-1])
        elif text == "|":
            stack[-1].choice = True
        else:
            stack[-1].atoms.append(text)
    return False


def _unbounded(quantifier: str) -> bool:
    return quantifier[0] in "*+" or re.match(r"\{\d*,\}", quantifier) is not None
