"""Elements of HTML as text; what is not made here is escaped, so that no text of a log becomes markup."""

from __future__ import annotations

from html import escape

from logscan.report.safe import no_command, visible

# Elements without an end tag.
_VOID = frozenset({"br", "input", "link", "meta"})


class Html(str):
    """Markup.  Made by ``el``, ``text`` and ``block`` alone; every other string is text."""

    __slots__ = ()


def text(value: str) -> Html:
    """A text of one line: what is no plain ink is shown as an escape."""
    return Html(escape(visible(value)))


def block(value: str) -> Html:
    """Lines, for an element that keeps them."""
    return Html("\n".join(escape(no_command(visible(line))) for line in value.split("\n")))


def join(*parts: str) -> Html:
    """Parts behind each other; those that are no markup are escaped."""
    return Html("".join(part if isinstance(part, Html) else text(part) for part in parts))


def el(name: str, /, *parts: str, **attributes: str | int | bool | None) -> Html:
    """One element.

    Args:
        name: of the element; "article.card.error" has classes, too.
        parts: markup, or text that is escaped.
        attributes: ``data_x`` is data-x and ``for_`` is for; True has no value, None and False are left out.
    """
    name, *classes = name.split(".")
    given = [f' class="{" ".join(classes)}"'] if classes else []
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        attribute = key.rstrip("_").replace("_", "-")
        given.append(f" {attribute}" if value is True else f' {attribute}="{escape(visible(str(value)))}"')
    opened = f"<{name}{''.join(given)}>"
    return Html(opened) if name in _VOID else Html(f"{opened}{join(*parts)}</{name}>")


# Columns of numbers, by their titles.
NUMBERS = frozenset(
    {
        "Records",
        "Lines",
        "Calls",
        "Failed",
        "Hung",
        "Took",
        "Attempt",
        "Info",
        "Warnings",
        "Errors",
        "Fatal",
        "Failed calls",
    }
)


def table(name: str, columns: tuple[str, ...], rows: list[Html]) -> Html:
    """A table that scrolls by itself where it is too wide."""
    head = (el("th.n" if title in NUMBERS else "th", title, scope="col") for title in columns)
    return el(
        "div.scroll",
        el("table", el("thead", el("tr", *head)), el("tbody", *rows)),
        role="group", aria_label=name,
    )  # fmt: skip
