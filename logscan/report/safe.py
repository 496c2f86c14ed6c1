"""Text that others wrote, made fit for a terminal: visible, of known width, and folded.

A log holds what any pod, server or user put into a name.  An escape sequence
in it would recolour, retitle or rewrite the terminal, and a bidirectional
control would show a command that is not the one pasted.
"""

from __future__ import annotations

import re
import unicodedata

# Letters by their category, yet they show as nothing: Hangul fillers, the combining
# grapheme joiner, Khmer inherent vowels, Mongolian and other variation selectors.
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u180b\u180c\u180d\u180f")

# What a CI runner would obey in a job's log: at a line's start, and (an older form) anywhere in a line.
_COMMAND = re.compile(r"(?P<blank>\s*):(?=:[A-Za-z][\w-]*(?:\s[^\n]*)?::)")
_OLD_COMMAND = re.compile(r"#(?=#\[[A-Za-z])")

_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def visible(text: str) -> str:
    r"""Show every character that is no plain ink as an escape: ``\x1b``, ``\u202e``.

    What counts as ink is ``str.isprintable``: not C0 and C1 controls, not
    format characters (bidi, zero-width, soft hyphen, tags), not line and
    paragraph separators, not exotic blanks (a no-break space in YAML is a
    fault worth seeing), not lone surrogates.  A backslash stays as it is:
    kubelet's quoted texts are full of them.  A CI runner's ``##[command]`` is
    broken up, too.
    """
    if "##[" in text:
        text = _OLD_COMMAND.sub(r"\\x23", text)
    if text.isprintable() and (text.isascii() or not _has_invisible(text)):
        return text
    return "".join(char if _is_ink(char) else _escape(char) for char in text)


def no_command(line: str) -> str:
    """A line of which a CI runner that reads it in a job's log makes no ``::command::``; others are let be."""
    found = _COMMAND.match(line)
    return f"{found['blank']}\\x3a{line[found.end() :]}" if found else line


def _is_ink(char: str) -> bool:
    return char.isprintable() and char not in _INVISIBLE and not _is_selector(char)


def _is_selector(char: str) -> bool:
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _has_invisible(text: str) -> bool:
    return any(char in _INVISIBLE or _is_selector(char) for char in text)


def _escape(char: str) -> str:
    code = ord(char)
    if char in _SHORT:
        return _SHORT[char]
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def columns(text: str) -> int:
    """How many columns of a terminal *text* takes; it must be visible() already."""
    if text.isascii():
        return len(text)
    return sum(map(_columns_of, text))


def _columns_of(char: str) -> int:
    if char.isascii():
        return 1
    if unicodedata.category(char) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fold(text: str, width: int, *, mark: str = "") -> list[str]:
    """Break *text* into lines of at most *width* columns.

    Breaks at blanks where it can; the blanks there become the line break, all
    others stay.  A word too long for a line is broken after a character that
    ends a part of a path or list, else anywhere; *mark* then ends the line.

    Args:
        text: visible() text; one line.
        width: columns, at least 4.
        mark: said at the end of a line whose last word goes on in the next.

    Returns:
        At least one line.
    """
    lines: list[str] = []
    while columns(text) > width:
        limit = _fitting(text, width)
        # One more, because the blank at which a line ends takes no column.
        blank = text.rfind(" ", 0, limit + 1)
        head = text[:blank].rstrip(" ") if blank > 0 else ""
        # A line that would be nearly empty is worse than a broken word.
        if columns(head) * 3 >= width:
            lines.append(head)
            text = text[blank + 1 :].lstrip(" ")
            continue
        limit = _fitting(text, width - len(mark))
        cut = _joint(text, limit)
        lines.append(text[:cut] + mark)
        text = text[cut:]
    if text or not lines:
        lines.append(text)
    return lines


def _joint(text: str, limit: int) -> int:
    """Where to break a word: after a list's comma, a path's slash, or what else joins parts."""
    for char in ",/;:-_":
        # Not in the first half: a ragged column of stumps reads worse than a cut.
        if (found := text.rfind(char, limit // 2, limit)) >= 0:
            return found + 1
    return limit


def _fitting(text: str, width: int) -> int:
    """How many characters of *text* fit into *width* columns; at least 1."""
    if text[: width + 1].isascii():
        return max(1, width)
    used = 0
    for index, char in enumerate(text):
        used += _columns_of(char)
        if used > width:
            return max(1, index)
    return len(text)
