"""What stands between fences of Markdown, or below a prompt: an issue shows a log, and beside it the StorageClass and the exports."""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_PASTED = 256 * 1024  # bytes of an input: what people paste is shorter, and logs are longer
MAX_BLOCKS = 64

_FENCE = re.compile(r"(?P<margin>[ \t]{0,12}(?:> ?){0,6})(?P<fence>`{3,80}|~{3,80})(?P<rest>[^`]*)")
# The command whose output follows it, as people copy it from a terminal.
_PROMPT = re.compile(
    r".{0,80}?[$#%>] *(?:sudo +|ssh +(?:-\S+ +(?:[0-9]+ +)?)*\S+ +)*(?:cat|less|kubectl|k|oc|helm|exportfs|showmount)\b"
)
_SIGNS = (b"```", b"~~~", b"$ ", b"# ", b"% ")


class Pasted:
    """Holds an input as long as it may be one that somebody pasted."""

    def __init__(self) -> None:
        self._held: list[bytes] | None = []
        self._size = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if self._held is None:
            return
        self._size += len(chunk)
        if self._size > MAX_PASTED:
            self.give_up()
        else:
            self._held.append(chunk)

    def give_up(self) -> None:
        """It is a log, and not to be held."""
        self._held = None

    def blocks(self) -> Iterator[tuple[int, str]]:
        """(lines before it, text) of what stands between fences; a command at its head is a blank line.

        Outside fences: what stands between a prompt with such a command, which is a blank line, too, and the next prompt
        or empty line.
        """
        data = b"".join(self._held or ())
        if not any(sign in data for sign in _SIGNS):
            return
        opened, margin, start, found = "", "", 0, 0
        block: list[str] = []
        for number, raw in enumerate([*data.decode("utf-8", "replace").split("\n"), ""], 1):
            line = raw.removesuffix("\r")
            fence = _FENCE.fullmatch(line)
            closes = opened and fence is not None and fence["fence"].startswith(opened) and not fence["rest"].strip()
            asks = not opened and _PROMPT.match(line) is not None
            if closes or (start and not opened and (fence is not None or asks or not line.strip())):
                yield start, "\n".join(block)
                found, opened, start = found + 1, "", 0
                if found == MAX_BLOCKS:
                    return
            if closes:
                continue
            if opened:
                text = line.removeprefix(margin) if line.startswith(margin) else line.removeprefix(margin.rstrip())
                block.append("" if not block and _PROMPT.match(text) else text)
            elif fence is not None:
                opened, margin, start, block = fence["fence"], fence["margin"], number, []
            elif asks:
                start, block = number - 1, [""]
            elif start:
                block.append(line)
