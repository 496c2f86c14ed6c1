"""What the site has beside docs/: the commands' own help, and pages of the repository that are not in docs/."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
# Where in the repository, and the page of the site.
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "samples/README.md": "samples.md",
}
RESULTS = ROOT / "benchmarks" / "RESULTS.md"
# What the theme would load for diagrams, old browsers and the stars of a repository.
ELSEWHERE = ("https://unpkg.com/", "https://api.github.com/", "https://${e}/")
# In place of the "<" of "<![": html.parser takes it for a declaration, also in a code span, and gives up.
LESS = "\ue000"
MARK = "<!-- benchmarks -->"


def on_config(config: Any) -> Any:
    """Put the pages that are made into the navigation, in its last part."""
    (background,) = config["nav"][-1].values()
    background += [page for source, page in PAGES.items() if (ROOT / source).exists()]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made."""
    for source, page in PAGES.items():
        if (ROOT / source).exists():
            text = (ROOT / source).read_text(encoding="utf-8")
            files.append(File.generated(config, page, content=_links(text, Path(source).parent)))
    files.append(File.generated(config, "commands.md", content=commands()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:  # noqa: ARG001  mkdocs' signature
    """Put the benchmarks' results where they belong."""
    markdown = re.sub(r"<!(?!--)", f"{LESS}!", markdown)
    if page.file.generated_by is None:
        markdown = _links(markdown, Path("docs"))
    if page.file.src_uri == "faq.md":
        markdown = re.sub(r"`([a-z0-9]+(?:-[a-z0-9]+)+)`", _rule, markdown)
    if MARK not in markdown:
        return markdown
    if not RESULTS.exists():
        return markdown.replace(MARK, "No results are recorded.")
    text = RESULTS.read_text(encoding="utf-8")
    # Below a heading of the second level.
    return markdown.replace(MARK, re.sub(r"^#", "###", re.sub(r"\A# .*\n", "", text), flags=re.MULTILINE))


def on_post_build(config: Any) -> None:
    """Take addresses of others out of the theme's scripts: they are for what is not used here."""
    for script in Path(config["site_dir"]).rglob("*.js"):
        text = script.read_text(encoding="utf-8")
        for address in ELSEWHERE:
            text = text.replace(address, "assets/none/")
        script.write_text(text, encoding="utf-8")


def on_page_content(html: str, page: Any, config: Any, files: Files) -> str:  # noqa: ARG001  mkdocs' signature
    """Put back what was taken away."""
    return html.replace(LESS, "&lt;")


def _rule(found: re.Match[str]) -> str:
    return f"[{found[0]}](rules.md#{found[1]})" if (ROOT / "rules" / f"{found[1]}.yaml").exists() else found[0]


def _links(text: str, directory: Path) -> str:
    """A page's links as the site has them: to its own pages, or, where it has none, the name alone."""

    def link(found: re.Match[str]) -> str:
        shown, target, anchor = found.groups(default="")
        place = (ROOT / directory / target).resolve().relative_to(ROOT).as_posix()
        page = PAGES.get(place, place.removeprefix("docs/") if place.startswith("docs/") else "")
        return f"[{shown}]({page}{anchor})" if page else shown

    return re.sub(r"\[([^]]*)\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)", link, text)


def commands() -> str:
    """The page of all commands."""
    sys.path.insert(0, str(ROOT))
    from logscan.cli import cli

    parts = ["# Commands", "What each says of itself with `--help`; the same as manual pages: `man logscan`."]
    for context in _contexts(cli, None, "logscan"):
        level = "#" * (2 + (context.command_path.count(" ") > 1))
        parts.append(f"{level} {context.command_path}\n\n```text\n{context.get_help()}\n```")
    return "\n\n".join(parts) + "\n"


def _contexts(command: click.Command, parent: click.Context | None, name: str) -> Iterator[click.Context]:
    settings = {**command.context_settings, "terminal_width": 100}
    context = click.Context(command, parent, info_name=name, **settings)
    yield context
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            below = command.get_command(context, inner)
            if below is not None and not below.hidden:
                yield from _contexts(below, context, inner)
