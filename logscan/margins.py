"""What stands before each line of a block that was pasted: Markdown's quotes and indents, the box of a terminal."""

from __future__ import annotations

import re

from logscan.shippers import is_klog
from logscan.stamps import RFC3339

_BLOCK_LIST = re.compile(r"(?:[-*+]|[0-9]{1,3}\.) +")
_BOX = "│┃║"


def is_strong(text: str) -> bool:
    """Whether *text* can only be a log line: what is before it is then not part of it."""
    return (
        is_klog(text)
        or text.startswith("[pod/")
        or (text[:2] == "20" and text[10:11] == "T" and RFC3339.match(text) is not None)
    )


class Margin:
    """The margin of the block that is read.  Mutable."""

    def __init__(self) -> None:
        self.text = ""

    def take_off(self, text: str, *, tabs: bool) -> tuple[str, bool]:
        """Take Markdown's quotes, k9s's box and a block's margin off; also tells if there were any."""
        first = text[:1]
        pasted = False
        if first and first in _BOX:
            text = text.rstrip().rstrip(_BOX).rstrip()[1:].removeprefix(" ")
            return text, True
        if first == "|" and is_klog(text[1:].lstrip()):
            return text[1:].rstrip(" |").lstrip(), True
        if self.text:
            if text.startswith(self.text):
                text, pasted = text[len(self.text) :], True
            elif not text.strip() or text == self.text.rstrip():
                return "", True
            else:
                self.text = ""
            first = text[:1]
        if not first or first not in " \t>-*+0123456789":
            return text, pasted
        bare = text.lstrip(" \t>" if tabs else " >")
        item = _BLOCK_LIST.match(bare)
        if item and is_klog(bare[item.end() :]):
            margin = text[: len(text) - len(bare)]
            self.text = margin + " " * item.end()
            return bare[item.end() :], True
        if len(bare) < len(text) and (is_strong(bare) or bare.startswith("```")):
            self.text += text[: len(text) - len(bare)]
            return bare, True
        return text, pasted
