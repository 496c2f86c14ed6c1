"""``logscan table``: records, calls or findings as Parquet, Arrow or CSV."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from logscan.commands.inputs import dask_option, opened, piped, tz_option, year_option
from logscan.commands.redacting import Veil, redact_options
from logscan.edge import INTERRUPTED, UNREAD, complain, debug_option, rules_option

FORMATS = ("parquet", "arrow", "csv")


@click.command()
@click.argument("files", nargs=-1)
@click.option(
    "--what", type=click.Choice(["records", "calls", "findings", "diagnoses"]), default="records", show_default=True,
    help="A row for each record of the log, gRPC call, finding of a rule, or diagnosis and volume.",
)  # fmt: skip
@click.option(
    "--output", "-o", "out", metavar="FILE", help="Write to FILE, or below the directory FILE with --partition-by."
)
@click.option("--format", "-f", "format_", type=click.Choice(FORMATS), help="Default: what FILE's ending says.")
@click.option(
    "--partition-by", "partitions", metavar="COLUMN[,COLUMN]",
    help="Write a directory of files by the values of these columns; day is the date of the record.",
)  # fmt: skip
@rules_option
@year_option
@tz_option
@click.option(
    "--reference-time", "reference", metavar="TIME",
    help="Latest time the log can have (2026-07-20T10:00:00Z); default: the file's own, or now.",
)  # fmt: skip
@click.option(
    "--jobs",
    "-j",
    type=click.IntRange(1, 256),
    help="Processes for large or many files; default: one per core, up to 8.",
)
@dask_option
@click.option(
    "--columns", "describe", is_flag=True, help="Tell what the columns of the tables mean, as Markdown, and exit."
)
@redact_options
@click.option("--no-progress", is_flag=True, help="No progress on the terminal.")
@debug_option
@click.pass_context
def table(
    ctx: click.Context,
    files: tuple[str, ...],
    what: str,
    out: str | None,
    format_: str | None,
    partitions: str | None,
    rule_dirs: tuple[Path, ...],
    year: int | None,
    tz: str | None,
    reference: str | None,
    jobs: int | None,
    dask: str | None,
    describe: bool,
    no_progress: bool,
    veiling: Mapping[str, Any],
) -> None:
    """Write logs as a table, for pandas, Polars, DuckDB or a spreadsheet.

    FILES are what `logscan diagnose` takes; - is standard input, which is the
    default. The output is there as a whole or not at all.

    \b
      logscan table nfs.log -o records.parquet
      logscan table /var/log/pods --what calls -o calls.csv
      logscan table archive/ --partition-by day,component -o records/
      logscan table --dask local 's3://logs/**/*.log.gz' -o records.parquet

    \b
    Exit status:
      0    the table is written
      2    wrong usage, a broken rule, or a table that cannot be written
      3    an input could not be read; the table has the others
      4    an internal error
      130  Ctrl-C; the table has what was read until then
    """  # noqa: D301 - click wants the character itself
    from logscan import filing, terminal

    columns = _columns()
    if describe:
        terminal.stdout().write(columns.manual())
        return
    from logscan import rules, scan
    from logscan.times import zone_and_reference

    names = [name for name in (partitions or "").split(",") if name]
    kind = _kind(out, format_, parted=bool(names))
    minutes, latest = zone_and_reference(tz, reference)
    if not files and not piped():
        raise click.UsageError("No log: name files, or pipe one.")
    from logscan.columns import files as tables

    options = scan.Options(year=year, zone=minutes, reference=latest, jobs=jobs)
    ruleset = rules.load(rule_dirs)
    veil = Veil(ruleset, **veiling)
    tabler = columns.Tabler(what, ruleset, options, veil)
    tables.check_partitions(names, tabler.schema) if partitions is not None else None
    assert out is not None
    progress = terminal.Progress(tabler.scanner, wanted=not no_progress)
    with opened(tabler.scanner, files or ("-",), progress, dask) as (things, interrupts):
        batches = tabler.batches(things)
        if names:
            _write_parts(out, lambda root: tables.write_partitions(batches, tabler.schema, root, kind, names))
        elif out == "-":
            tables.write(batches, tabler.schema, sys.stdout.buffer, kind)
        else:
            terminal.refuse(out, files)
            filing.replace_by(out, lambda part: tables.write(batches, tabler.schema, part, kind))
    for error in tabler.scanner.errors():
        complain(veil.error(error))
    for fault in veil.close():
        raise fault
    if interrupts.hit:
        ctx.exit(INTERRUPTED)
    ctx.exit(UNREAD if tabler.scanner.errors() else 0)


def _columns() -> Any:
    """The room of tables.

    Raises:
        LogscanError: pyarrow is not installed.
    """
    from logscan.errors import LogscanError

    try:
        from logscan import columns
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        raise LogscanError("table", "pyarrow is not installed", "pip install 'logscan[batch]'") from error
    return columns


def _kind(out: str | None, format_: str | None, *, parted: bool) -> str:
    if not out:
        raise click.UsageError("Nowhere to write to: give --output FILE (.parquet, .arrow or .csv), or - and --format.")
    if parted and out == "-":
        raise click.UsageError("A table with --partition-by is a directory: give --output DIRECTORY.")
    if format_ is None:
        ending = Path(out).suffix.lower().removeprefix(".")
        format_ = ending if ending in FORMATS else "parquet" if parted else None
    if format_ is None:
        raise click.UsageError(f"The ending of {out!r} says no format: give --format {'|'.join(FORMATS)}.")
    if out == "-" and format_ != "csv" and sys.stdout is not None and sys.stdout.isatty():
        raise click.UsageError(f"A terminal cannot show {format_}: give --output FILE.")
    return format_


def _write_parts(place: str, fill: Any) -> None:
    """Let *fill* write a directory under another name, and give it its own when it is complete.

    Raises:
        LogscanError: it cannot be written, or there is something already.
    """
    import shutil

    from logscan.errors import LogscanError

    root = Path(os.path.realpath(place))
    part = root.with_name(f".logscan-{os.getpid()}.part")
    try:
        if root.is_dir() and not any(root.iterdir()):
            pass
        elif root.exists():
            raise LogscanError(
                place, "it exists already", "name a new directory: partitions are never mixed with others"
            )
        try:
            part.mkdir()
            fill(part)
            with suppress(FileNotFoundError):
                root.rmdir()
            part.rename(root)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise LogscanError(place, f"cannot be written: {error.strerror or error}") from error
