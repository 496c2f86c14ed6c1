"""The rules as one Markdown page, docs/rules.md: a section each, made from the rules alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from logscan.model import Cause, Rule, Severity
from logscan.rulebook.ruledoc import in_words
from logscan.rules import CATEGORIES, RuleSet

HEAD = """\
# The rules

Made from the files in [rules/](../rules/) by `logscan rules doc > docs/rules.md`; edit those, not this page.
How to add your own: [writing-rules.md](writing-rules.md). `{name}` stands for what the log told; a name that it did not
tell is shown as `<name>`.
"""

_GROUPS = (
    (Severity.ERROR, "Errors", "Something does not work."),
    (Severity.WARNING, "Warnings", "Something works and should not be left so."),
    (Severity.INFO, "Harmless", "Looks bad and is not; such records are counted as benign."),
)


def page(rules: RuleSet) -> str:
    """The whole page, the same for the same rules."""
    parts = [HEAD]
    for severity, name, about in _GROUPS:
        chosen = [rule for rule in rules.rules if rule.severity == severity]
        if not chosen:
            continue
        rows = "".join(f"| [{rule.id}](#{rule.id}) | {_plain(rule.title)} |\n" for rule in chosen)
        parts.append(f"## {name}\n\n{about}\n\n| rule | what it says |\n| --- | --- |\n{rows}")
        parts += [_section(rule) for rule in chosen]
    used = {cause.category for rule in rules.rules for cause in rule.causes}
    rows = "".join(f"| `{name}` | {_plain(meaning)} |\n" for name, meaning in CATEGORIES.items() if name in used)
    parts.append(f"## Categories\n\nWhat kind of cause a rule names.\n\n| category | meaning |\n| --- | --- |\n{rows}")
    return "\n".join(parts)


_STEP = " " * 4  # of a list in a list: less is enough for GitHub, and not for the site


def _section(rule: Rule) -> str:
    lines = [f"### {rule.id}", "", f"{_plain(rule.title)}.", ""]
    lines.append(f"- logged by: {', '.join(rule.components)}")
    lines += [f"- text: {_code(text)}" for text in dict.fromkeys(one.literal for one in rule.match)]
    lines += [f"- pattern: {_code(text)}" for text in dict.fromkeys(one.pattern for one in rule.match) if text]
    if rule.when:
        lines.append(f"- only if {_plain(in_words(rule.when))}")
    if rule.affects:
        lines.append(f"- driver {_code(rule.affects)}")
    if rule.fixed_in:
        lines.append(f"- fixed in driver {rule.fixed_in}")
    if rule.explains:
        lines.append(f"- explains {', '.join(f'[{one}](#{one})' for one in rule.explains)}")
    lines += [f"- see {_link(one)}" for one in rule.references]
    for number, cause in enumerate(rule.causes, 1):
        lines += ["", *_cause(number, cause)]
    return "\n".join(lines) + "\n"


def _cause(number: int, cause: Cause) -> Iterable[str]:
    yield f"{number}. {_plain(cause.cause)} (`{cause.category}`, confidence {cause.confidence})"
    pad = _STEP
    if cause.when:
        yield f"{pad}- if {_plain(in_words(cause.when))}"
    for command in cause.confirm:
        yield from _commands(f"{pad}- check: ", command)
    if cause.remedy.summary:
        yield f"{pad}- remedy: {_plain(cause.remedy.summary)}"
    for step in cause.remedy.steps:
        yield f"{pad}{_STEP}- {_plain(step)}"
    for command in cause.remedy.commands:
        yield from _commands(f"{pad}{_STEP}- ", command)
    if cause.remedy.manifest:
        yield from _block(f"{pad}{_STEP}", cause.remedy.manifest)


def _commands(head: str, command: str) -> Iterable[str]:
    if "\n" not in command.strip():
        yield head + _code(command.strip())
        return
    yield head.rstrip()
    yield from _block(" " * (len(head) - len(head.lstrip())) + _STEP, command)


def _block(pad: str, text: str) -> Iterable[str]:
    yield ""
    yield f"{pad}```"
    yield from (f"{pad}{line}".rstrip() for line in text.rstrip("\n").split("\n"))
    yield f"{pad}```"


# What Markdown would take for markup; "_" only where a word begins or ends with it.
_MARKUP = re.compile(r"([\\`*<>\[\]|]|(?<!\w)_|_(?!\w))")


def _plain(text: str) -> str:
    """Text that Markdown leaves alone, with the names to be filled in as code."""
    parts = re.split(r"(\{\w+\})", " ".join(text.split()))
    return "".join(f"`{part}`" if index % 2 else _MARKUP.sub(r"\\\1", part) for index, part in enumerate(parts))


def _code(text: str) -> str:
    """A code span: its fence is longer than any run of backticks in it."""
    fence = "`" * (max((len(run) for run in re.findall(r"`+", text)), default=0) + 1)
    # A span that begins or ends with a backtick needs a blank, and one is taken from each end if both have one.
    edge = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{edge}{text}{edge}{fence}".replace("\n", "\\n")


def _link(reference: str) -> str:
    return f"<{reference}>" if reference.startswith(("http://", "https://")) else _plain(reference)
