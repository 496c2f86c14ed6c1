"""A page of text: lines of a known width, sections, commands and quoted logs.

Laid out by hand rather than with rich: importing rich.console costs 40 ms of
the 350 ms that a small pipe may take, it wraps commands that must stay whole to
be pasted, and its output would differ from that of a pipe.  All this page needs
is bold, three colours, and ``safe.fold``.  Decorations are ASCII, so that any
locale can print them; yellow, white and grey are not used, because one of a
light and a dark background swallows each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

from logscan.report.safe import columns, fold, no_command, visible

MAX_TEXT = 2400  # characters of one logged message; the middle of a longer one is left out
MAX_PROSE = 100  # columns: longer lines of prose are hard to read
MIN_WIDTH = 20

BOLD, RED, MAGENTA, GREEN = "1", "1;31", "1;35", "1;32"


class Page:
    """Writes lines of a known width; everything it is given is made visible first."""

    def __init__(self, out: TextIO, width: int, *, color: bool) -> None:
        self.out = out
        self.width = max(width, MIN_WIDTH)
        self.prose_width = min(self.width, MAX_PROSE)
        self.color = color

    def line(self, text: str = "", style: str = "") -> None:
        """One line as it is; *text* must be visible() already."""
        text = no_command(text)
        self.out.write(f"\x1b[{style}m{text}\x1b[0m\n" if style and self.color and text else f"{text}\n")

    def prose(self, text: str, *, indent: int = 2, first: str = "", style: str = "") -> None:
        """Folded text; *first* stands before its first line and the rest is aligned under it."""
        first = " " * indent + first
        rest = " " * len(first)
        for index, part in enumerate(fold(_clip(visible(text)), self.prose_width - len(first))):
            self.line((rest if index else first) + part, style)

    def heading(self, text: str) -> None:
        """A line that opens a section, after an empty one."""
        self.line()
        self.prose(text, indent=0, style=BOLD)

    def rule(self, text: str, style: str) -> None:
        """A heading that a row of dashes carries to the right edge."""
        self.line()
        lines = fold(_clip(visible(text)), self.prose_width)
        free = self.prose_width - columns(lines[-1]) - 1
        lines[-1] += " " + "-" * free if free > 0 else ""
        for line in lines:
            self.line(line, style)

    def commands(self, commands: Iterable[str]) -> None:
        """Commands to paste: never folded, each on a line of its own at a constant indent."""
        for command in commands:
            self.line("  " + visible(command.strip()), BOLD)

    def logged(self, text: str) -> None:
        """Text of a log, as exact as it can be shown: "| " opens each of its lines.

        A line that is folded goes on after "|   "; one that is folded inside a
        word ends with a backslash.
        """
        for raw in _clip_middle(text).rstrip("\n").split("\n"):
            for index, part in enumerate(fold(visible(raw), self.width - 8, mark="\\")):
                self.line(f"  |   {part}" if index else f"  | {part}".rstrip(" "))


def _clip(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]} [... {len(text) - MAX_TEXT:,} more characters]"


def _clip_middle(text: str) -> str:
    """A long message without its middle: its start says what failed, its end says why."""
    dropped = len(text) - MAX_TEXT
    if dropped <= 0:
        return text
    head, tail = MAX_TEXT * 2 // 3, MAX_TEXT // 3
    return f"{text[:head]} [... {dropped:,} characters left out ...] {text[-tail:]}"
