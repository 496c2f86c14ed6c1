"""Text that others wrote, made fit for GitHub-flavoured Markdown: it is shown, and does nothing.

Nothing that a log says becomes markup, HTML, a link, a mention, a reference to
an issue, or the end of the block that it is in.
"""

from __future__ import annotations

import re

from logscan.report.safe import no_command, visible

_MARKUP = re.compile(r"[\\`*_\[\]<>&|~$]")
_OPENS_BLOCK = re.compile(r"(?:[-+#=]|(?P<number>\d{1,9})(?=[.)](?:\s|$)))")
_LINK = re.compile(r"https://[A-Za-z0-9._~/?#=&%+:,-]+")
_TICKS = re.compile("`+")
_AUTOLINK = re.compile(r"(?i)(?<![a-z])www\.|://|@|#(?=\w)|(?i:gh)-(?=\d)")


def prose(text: str) -> str:
    """Text within a paragraph, a list's item or a heading, on one line."""
    text = _MARKUP.sub(lambda found: "\\" + found[0], no_command(visible(text.strip())))
    # GitHub links and mentions in what is rendered, so that a backslash does not keep it from doing so.
    text = _AUTOLINK.sub(lambda found: f"{found[0][:-1]}<span>{found[0][-1]}</span>", text)
    if found := _OPENS_BLOCK.match(text):
        cut = found.end("number") if found["number"] else 0
        text = f"{text[:cut]}\\{text[cut:]}"
    return text


def code(text: str) -> str:
    """A code span."""
    text = visible(text)
    if not text.strip():
        return "–"
    ticks = "`" * (max(map(len, _TICKS.findall(text)), default=0) + 1)
    pad = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def cell(text: str) -> str:
    """A code span in a table; the bars of the text stay bars."""
    return code(text).replace("|", "\\|")


def block(text: str, language: str = "text") -> list[str]:
    """Lines of a fenced block, for the top level."""
    fence = "`" * max(3, max(map(len, _TICKS.findall(text)), default=0) + 1)
    return [f"{fence}{language}", *(no_command(visible(line)) for line in text.rstrip("\n").split("\n")), fence]


def is_link(text: str) -> bool:
    """Whether all of it is a plain https URL."""
    return bool(_LINK.fullmatch(text))


def reference(text: str) -> str:
    """A link if it is one, else prose."""
    return f"<{text}>" if is_link(text) else prose(text)
