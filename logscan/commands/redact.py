"""``logscan redact``: logs that may be shown to others."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from logscan.commands.inputs import piped
from logscan.edge import UNREAD, USAGE, complain, debug_option, err, rules_option

if TYPE_CHECKING:
    from logscan.pseudonyms import Pseudonyms
    from logscan.redact import Redactor
    from logscan.sources import Source

SALT = "LOGSCAN_REDACT_SALT"


@click.command()
@click.argument("files", nargs=-1)
@click.option(
    "--output", "-o", "output", default="-", metavar="FILE|DIR/",
    help="Write to FILE, or a file for each input to DIR. Default: standard output.",
)  # fmt: skip
@click.option("--paths", is_flag=True, help="Replace the directories of paths, too.")
@click.option("--name", "names", multiple=True, metavar="NAME", help="A name that must not leave. Repeatable.")
@click.option(
    "--map", "map_", metavar="FILE",
    help="Keep in FILE (mode 0600) what stands for what, and go on with what is there: for the same stand-ins in every run.",
)  # fmt: skip
@click.option(
    "--salt", metavar="TEXT",
    help=f"A secret that makes the stand-ins the same in every run. Default: ${SALT}, else random.",
)  # fmt: skip
@click.option("--restore", is_flag=True, help="The other way: put back what stands in --map.")
@click.option("--live", is_flag=True, help="Write each line as soon as it comes; names are known once they were told.")
@rules_option
@debug_option
@click.pass_context
def redact(
    ctx: click.Context,
    files: tuple[str, ...],
    output: str,
    paths: bool,
    names: tuple[str, ...],
    map_: str | None,
    salt: str | None,
    restore: bool,
    live: bool,
    rule_dirs: tuple[Path, ...],
) -> None:
    """Replace addresses, names and secrets in logs, so that they still get the same diagnosis.

    FILES are what `logscan diagnose` reads; - is standard input, which is the default.
    Several are written one after the other. What is found and what is not:
    docs/redaction.md. Look at the result before you give it away.

    \b
      logscan redact nfs.log > redacted.log
      logscan redact bundle.tgz -o redacted/ --map ours.json

    \b
    Exit status:
      0    all is written
      2    wrong usage, or an output that cannot be written
      3    an input could not be read; the others were
    """  # noqa: D301 - click wants the character itself
    from logscan import redactmap, terminal
    from logscan.errors import LogscanError
    from logscan.redact import Redactor, words_of

    if not files and not piped():
        raise click.UsageError("No log: name a file, or pipe one.")
    if restore and map_ is None:
        raise click.UsageError("--restore needs the --map that says what stands for what.")
    if output != "-" and not _is_directory(output):
        terminal.refuse(output, files)
    if map_ is not None:
        terminal.refuse(map_, (*files, *([] if output == "-" else [output])))
    pseudonyms = pseudonyms_of(map_, salt)
    run = _Run(files or ("-",))
    if restore:
        run.write(output, lambda source: _restored(source, pseudonyms))
    else:
        from logscan import rules

        redactor = Redactor(pseudonyms, words_of(rules.load(rule_dirs).rules), paths=paths, names=names)
        if not live:
            run.learn(redactor)
        run.write(output, lambda source: _redacted(run, source, redactor, live=live), redactor)
        if map_ is not None:
            try:
                redactmap.save(map_, pseudonyms)
            except LogscanError as error:
                complain(str(error))
                ctx.exit(USAGE)
    ctx.exit(UNREAD if run.unread else 0)


def pseudonyms_of(map_: str | None, salt: str | None) -> Pseudonyms:
    """The pseudonyms of a map, of a salt (also that of the environment), or new ones.

    Raises:
        LogscanError: the map cannot be read, or was made with another salt.
    """
    from logscan import redactmap
    from logscan.errors import LogscanError
    from logscan.pseudonyms import Pseudonyms, key_of, new_key

    salt = os.environ.get(SALT) if salt is None else salt
    known = redactmap.load(map_) if map_ is not None else None
    if known is None:
        return Pseudonyms(new_key() if salt is None else key_of(salt))
    if salt is not None and key_of(salt) != known.key:
        raise LogscanError(str(map_), "was made with another --salt", "leave --salt out, or name a new map")
    return known


def _is_directory(output: str) -> bool:
    return output.endswith("/") or os.path.isdir(output)  # noqa: PTH112 - where access is denied, Path.is_dir raises


class _Run:
    """The inputs of one run, which are read twice where they can be."""

    def __init__(self, files: tuple[str, ...]) -> None:
        self._files = files
        self._learnt: set[str] = set()
        self.unread = False

    def learn(self, redactor: Redactor) -> None:
        """Learn the names in all inputs that can be read again, before any of them is written."""
        from logscan.errors import SourceError
        from logscan.redactstream import learn
        from logscan.sources import open_sources

        for source in open_sources([path for path in self._files if path != "-" and not _is_pipe(path)]):
            if not isinstance(source, SourceError):
                self._learnt.add(source.name)
                try:
                    learn(source.chunks, redactor)
                except SourceError:
                    continue  # told when it is read to be written

    def knows(self, source: Source) -> bool:
        """Whether the names of an input have been learnt."""
        return source.name in self._learnt

    def write(
        self, output: str, redacted: Callable[[Source], Iterator[bytes]], redactor: Redactor | None = None
    ) -> None:
        """Write what *redacted* makes of each input."""
        from logscan import filing, terminal
        from logscan.errors import LogscanError

        if output == "-":
            self._copy(map(redacted, self._sources()), terminal.stdout())
        elif _is_directory(output):
            directory = Path(output)
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LogscanError(output, f"cannot be made: {error.strerror or error}") from error
            for source in self._sources():
                name = source.name.replace("/", "_") if redactor is None else redactor.file(source.name)
                filing.save(str(directory / name), partial(self._copy, [redacted(source)]))
        else:
            filing.save(output, partial(self._copy, map(redacted, self._sources())))

    def _sources(self) -> Iterator[Source]:
        from logscan.errors import SourceError
        from logscan.sources import open_sources

        if "-" in self._files and sys.stdin is not None and sys.stdin.isatty():
            err("logscan: reading from the terminal; paste the log, then press Ctrl-D")
        for source in open_sources(self._files):
            if isinstance(source, SourceError):
                self._refuse(source)
            else:
                yield source

    def _copy(self, inputs: Iterable[Iterator[bytes]], out: TextIO) -> None:
        from logscan.errors import SourceError

        for pieces in inputs:
            try:
                for piece in pieces:
                    out.buffer.write(piece)
                    out.buffer.flush()
            except SourceError as error:
                self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        complain(str(error))
        self.unread = True


def _redacted(run: _Run, source: Source, redactor: Redactor, *, live: bool) -> Iterator[bytes]:
    from logscan.redactstream import read_ahead, redacted
    from logscan.sources import Tally

    tally = Tally()
    chunks = source.chunks if live or run.knows(source) else read_ahead(source.chunks, redactor)
    yield from redacted(chunks, redactor, tally)
    if tally.cut_lines:
        complain(f"{source.name}: {tally.cut_lines} lines were too long and were cut ({tally.cut_bytes} bytes dropped)")


def _restored(source: Source, pseudonyms: Pseudonyms) -> Iterator[bytes]:
    from logscan.redactstream import rewritten
    from logscan.sources import Tally

    return rewritten(source.chunks, pseudonyms.restore, Tally())


def _is_pipe(path: str) -> bool:
    try:
        return not stat.S_ISREG(mode := Path(path).stat().st_mode) and not stat.S_ISDIR(mode)
    except OSError:
        return False
