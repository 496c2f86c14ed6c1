"""Arrow arrays out of Python's lists and numpy's arrays, by their buffers.

``pyarrow.array`` would import pandas, if that is installed, to see whether it was given one of its
things: half a second and 60 MB of every run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_DICTIONARY = pa.dictionary(pa.int32(), pa.string())


def array(values: Sequence[Any], kind: pa.DataType) -> pa.Array[Any]:
    """An array of a type of schemas.TYPES; None is null."""
    if pa.types.is_dictionary(kind):
        return named(*coded(values))
    if pa.types.is_string(kind):
        return texts(values)
    there = np.fromiter((value is not None for value in values), np.bool_, len(values))
    return numbers(np.fromiter((value or 0 for value in values), np.int64, len(values)), there, kind)


def code(names: dict[str, int], name: str | None) -> int:
    """The number of a name, a new one if it is new; -1 for None."""
    return -1 if name is None else names.setdefault(name, len(names))


def coded(
    values: Sequence[str | None], names: dict[str, int] | None = None
) -> tuple[npt.NDArray[np.int32], dict[str, int]]:
    """The numbers of many names, and all *names*, to which new ones are added; -1 for None."""
    names = {} if names is None else names
    codes: dict[str | None, int] = {name: code(names, name) for name in dict.fromkeys(values)}
    return np.fromiter(map(codes.__getitem__, values), np.int32, len(values)), names


def named(codes: npt.NDArray[np.int32], names: Iterable[str]) -> pa.Array[Any]:
    """Names by their codes, -1 is null."""
    validity, nulls = _validity(codes >= 0)
    dictionary = texts(list(names))
    return pa.DictionaryArray.from_buffers(
        _DICTIONARY, len(codes), [validity, pa.py_buffer(np.maximum(codes, 0))], dictionary, nulls
    )


def texts(values: Sequence[str | None]) -> pa.Array[Any]:
    """Texts; half of a surrogate pair, out of somebody's JSON, is no character."""
    data = [b"" if value is None else value.encode("utf-8", "replace") for value in values]
    ends = np.zeros(len(data) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, data), np.int64, len(data)), out=ends[1:])
    there = np.fromiter((value is not None for value in values), np.bool_, len(data))
    validity, nulls = _validity(there)
    buffers = [validity, pa.py_buffer(ends), pa.py_buffer(b"".join(data))]
    return pa.Array.from_buffers(pa.string(), len(data), buffers, nulls)


def numbers(values: Ints, there: Bools, kind: pa.DataType) -> pa.Array[Any]:
    """Numbers, times and flags; what is not *there* is null."""
    validity, nulls = _validity(there)
    data: Any = values
    if pa.types.is_boolean(kind):
        data = np.packbits(values != 0, bitorder="little")
    elif pa.types.is_int32(kind):
        data = values.astype(np.int32)
    return pa.Array.from_buffers(kind, len(values), [validity, pa.py_buffer(data)], nulls)


def _validity(there: Bools) -> tuple[Any, int]:
    """Arrow's bitmap of what there is, None if all is, and how much is not."""
    nulls = len(there) - int(np.count_nonzero(there))
    return (pa.py_buffer(np.packbits(there, bitorder="little")), nulls) if nulls else (None, 0)
