"""Tables in files: Parquet, Arrow IPC and CSV, one or a directory of partitions, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logscan.columns import arrays
from logscan.errors import LogscanError
from logscan.report.sheet import MAX_CELL, cell

ROWS = 32_768  # of a row group
BYTES = 10 << 20  # of a row group, in memory
MAX_PARTITIONS = 1_000  # each keeps a file open
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
DAY = "day"
_MAX_HELD = 128 << 20  # bytes of rows that wait for their partition's row group

# What needs no care in a cell: printable ASCII that begins no formula.
_PLAIN = r"^(?:[ \"']*[^ \"'=+\-@|%\x00-\x1f\x7f-\x{10ffff}][ -~]*)?$"


class Writer(Protocol):
    """Takes tables of one schema, one after the other."""

    def write_table(self, table: pa.Table) -> None:
        """Write the rows of *table*."""

    def close(self) -> None:
        """Write what comes last."""


def write(batches: Iterable[pa.RecordBatch], schema: pa.Schema, out: Path | BinaryIO, kind: str) -> None:
    """Write all *batches* to *out* in a format of KINDS.

    Raises:
        OSError: it cannot be written.
    """
    writer = KINDS[kind](str(out) if isinstance(out, Path) else out, schema)
    # Arrow encodes without Python's lock, so one table is written while the next is made.
    with _closing(writer), ThreadPoolExecutor(1) as thread:
        written: Future[None] | None = None
        for table in grouped(batches, schema):
            if written is not None:
                written.result()
            written = thread.submit(writer.write_table, table)
        if written is not None:
            written.result()


def grouped(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """The rows of *batches* in tables that make good row groups."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= ROWS or size >= BYTES:
            yield pa.Table.from_batches(held, schema)
            held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held, schema)


class _closing:  # noqa: N801 - it is used as contextlib's
    """Close a writer; after an error as far as it can be closed."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            self._writer.close()
        except (OSError, pa.ArrowException):
            if kind is None:
                raise


# ---------------------------------------------------------------- formats


def _parquet(out: Any, schema: pa.Schema) -> Writer:
    import pyarrow.parquet as pq

    names = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    # Of names, statistics tell next to nothing and take a quarter of the time.
    numbers = [field.name for field in schema if field.name not in names and field.type != pa.string()]
    options: dict[str, Any] = {"compression": "zstd", "compression_level": 1, "write_statistics": numbers}
    return _Parquet(pq.ParquetWriter(out, schema, use_dictionary=names, **options))


class _Parquet:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write_table(self, table: pa.Table) -> None:
        # One dictionary for the row group: with the second, the writer would give dictionaries up.
        self._writer.write_table(table.unify_dictionaries(), row_group_size=ROWS)

    def close(self) -> None:
        self._writer.close()


class _Arrow:
    def __init__(self, out: Any, schema: pa.Schema) -> None:
        self._schema = plain(schema)
        self._writer = pa.ipc.new_file(out, self._schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))

    def write_table(self, table: pa.Table) -> None:
        self._writer.write_table(table.cast(self._schema))

    def close(self) -> None:
        self._writer.close()


def plain(schema: pa.Schema) -> pa.Schema:
    """*schema* without dictionaries."""
    return pa.schema(
        [field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field for field in schema],
        schema.metadata,
    )


class _Csv:
    def __init__(self, out: Any, schema: pa.Schema) -> None:
        import pyarrow.csv as pa_csv

        self._schema = pa.schema([(field.name, pa.string()) for field in schema])
        options = pa_csv.WriteOptions(quoting_style="all_valid")
        self._writer = pa_csv.CSVWriter(out, self._schema, write_options=options)

    def write_table(self, table: pa.Table) -> None:
        columns = [_cells(table.column(n)) for n in range(table.num_columns)]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


def _cells(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """A column as the text of cells."""
    return pa.chunked_array([_chunk(chunk) for chunk in column.chunks], pa.string())


def _chunk(chunk: Any) -> Any:
    if isinstance(chunk, pa.DictionaryArray):
        return _safe(chunk.dictionary).take(chunk.indices)
    if pa.types.is_timestamp(chunk.type):
        return pc.strftime(chunk.cast(pa.timestamp("us")), format="%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_string(chunk.type):
        return _safe(chunk)
    return chunk.cast(pa.string())


def _safe(texts: Any) -> Any:
    """Cells of texts: most need no care, and only the others become Python's."""
    odd = pc.or_(pc.invert(pc.match_substring_regex(texts, _PLAIN)), pc.match_substring(texts, "##["))
    odd = pc.fill_null(pc.or_(odd, pc.greater(pc.binary_length(texts), MAX_CELL)), fill_value=False)
    if not pc.any(odd).as_py():
        return texts
    return pc.replace_with_mask(texts, odd, arrays.texts([cell(text) for text in texts.filter(odd).to_pylist()]))


KINDS: dict[str, Callable[[Any, pa.Schema], Writer]] = {"parquet": _parquet, "arrow": _Arrow, "csv": _Csv}


# ---------------------------------------------------------------- partitions


def check_partitions(names: Sequence[str], schema: pa.Schema) -> None:
    """Refuse what a table cannot be partitioned by.

    Raises:
        LogscanError: there is no such column, it is named twice, or its values are numbers.
    """
    known = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    known += [DAY] if "time" in schema.names or "start" in schema.names else []
    for name in names:
        if name not in known:
            raise LogscanError(
                "--partition-by", f"the table cannot be partitioned by {name!r}", f"one of {', '.join(known)}"
            )
    if len(set(names)) < len(names):
        raise LogscanError("--partition-by", "a column is named twice")


def write_partitions(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, root: Path, kind: str, names: Sequence[str]
) -> None:
    """Write all *batches* below the empty directory *root*, a file for each set of values of the columns *names*.

    Raises:
        LogscanError: there would be too many files.
        OSError: one cannot be written.
    """
    parts = _Parts(
        root, kind, names, pa.schema([field for field in schema if field.name not in names], schema.metadata)
    )
    try:
        for batch in batches:
            parts.add(batch)
        parts.flush(0)
    finally:
        parts.close()


class _Parts:
    """The files of the partitions, and the rows that wait for them."""

    def __init__(self, root: Path, kind: str, names: Sequence[str], schema: pa.Schema) -> None:
        self._root, self._kind, self._names, self._schema = root, kind, names, schema
        self._writers: dict[tuple[str | None, ...], Writer] = {}
        self._held: dict[tuple[str | None, ...], list[pa.Table]] = {}
        self._sizes: dict[tuple[str | None, ...], int] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        keys = [_texts(batch, name) for name in self._names]
        wanted = pa.Table.from_batches([batch]).select(self._schema.names)
        codes = [pc.fill_null(key.indices, -1).to_numpy(zero_copy_only=False).astype("int64") for key in keys]
        values = [[*key.dictionary.to_pylist(), None] for key in keys]
        mixed = codes[0]
        for code, among in zip(codes[1:], values[1:], strict=True):
            mixed = mixed * len(among) + code % len(among)
        mixed = arrays.numbers(mixed, np.ones(len(mixed), np.bool_), pa.int64())
        for group in pc.unique(mixed).to_pylist():
            mask = pc.equal(mixed, group)
            at = pc.index(mask, True).as_py()
            key = tuple(among[int(code[at])] for code, among in zip(codes, values, strict=True))
            rows = wanted.filter(mask)
            if (
                key not in self._writers
                and key not in self._held
                and len({*self._writers, *self._held}) >= MAX_PARTITIONS
            ):
                raise LogscanError(
                    str(self._root),
                    f"there would be more than {MAX_PARTITIONS:,} partitions",
                    "partition by fewer columns",
                )
            self._held.setdefault(key, []).append(rows)
            self._sizes[key] = self._sizes.get(key, 0) + rows.nbytes
            if self._sizes[key] >= BYTES:
                self._put(key)
        self.flush(_MAX_HELD)

    def flush(self, most: int) -> None:
        """Write what waits, the largest first, until it is no more than so many bytes."""
        while sum(self._sizes.values()) > most or (self._held and not most):
            self._put(max(self._sizes, key=self._sizes.__getitem__))

    def _put(self, key: tuple[str | None, ...]) -> None:
        tables = self._held.pop(key)
        del self._sizes[key]
        if key not in self._writers:
            place = self._root.joinpath(
                *(
                    f"{name}={NO_VALUE if value is None else quote(value, safe='')}"
                    for name, value in zip(self._names, key, strict=True)
                )
            )
            place.mkdir(parents=True, exist_ok=True)
            self._writers[key] = KINDS[self._kind](str(place / f"part-0.{self._kind}"), self._schema)
        self._writers[key].write_table(pa.concat_tables(tables))

    def close(self) -> None:
        for writer in self._writers.values():
            with _closing(writer):
                pass


def _texts(batch: pa.RecordBatch, name: str) -> Any:
    """A column that rows are parted by, dictionary-encoded."""
    if name != DAY:
        return batch.column(name)
    time = batch.column("time" if "time" in batch.schema.names else "start")
    return pc.strftime(time.cast(pa.timestamp("us")), format="%Y-%m-%d").dictionary_encode()
