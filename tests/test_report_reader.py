"""A written JSON report is read back whole, and what is none is refused with its place."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logscan.errors import SourceError
from logscan.model import Report
from logscan.report import json_v1
from logscan.report.json_reader import read

TEXTS = st.text(st.one_of(st.sampled_from('\x1b\x7f\u202e\ud800\udfff\n\0\\"'), st.characters(codec=None)), max_size=20)


def written(report: Report) -> bytes:
    out = io.StringIO()
    json_v1.write(report, out)
    return out.getvalue().encode()


def test_a_report_that_uses_every_field_comes_back_equal(full):
    assert read(written(full), "r.json") == full


@given(st.lists(TEXTS, min_size=1, max_size=8), st.integers(-(10**16), 10**17))
@settings(max_examples=80, deadline=None)
def test_write_read_write_is_the_same_to_the_byte(full, filled, texts, time):
    report = filled(full, itertools.cycle(texts))
    value = json_v1.to_dict(report)
    value["diagnoses"][0]["first_time"] = json_v1.rfc3339(time)
    out = io.StringIO()
    json_v1.dump(value, out)
    data = out.getvalue().encode()

    assert written(read(data, "r.json")) == data


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_shell_may_have_written_it_in_another_encoding(full, encoding):
    assert read(written(full).decode().replace("\n", "\r\n").encode(encoding), "r.json") == full


def places(value: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path as the reader names it, its container, its key) of every value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        here = f"{path}[{key}]" if isinstance(value, list) else f"{path}.{key}".lstrip(".")
        yield here, value, key
        yield from places(item, here)


def refused(value: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read(json.dumps(value).encode(), "r.json")
    return caught.value


# A count by kind may be absent, so may what v1 did not have from its start.
FREE = (
    "truncated.", "calls.by_method.", *(f"diagnoses[{n}].{key}" for n in (0, 1) for key in ("baseline", "pods")),
    *(f"suppressed[{n}].{key}" for n in (0, 1) for key in ("category", "kind", "until", "place")),
)  # fmt: skip


def test_every_key_is_needed_and_every_value_has_its_kind(full):
    value = json_v1.to_dict(full)
    for path, holder, key in list(places(value)):
        kept = holder[key]
        holder[key] = 1.5  # of no kind that a report has
        assert refused(value).place.startswith(f"r.json: {path}"), path
        if isinstance(holder, dict):
            order = list(holder)
            del holder[key]
            if path not in {"check", "activity", "timeline", "redacted"} and (
                not path.startswith(FREE) or path.count(".") > 2
            ):
                error = refused(value)
                assert error.problem == "is missing" or path == "schema", path
            holder[key] = kept
            for name in order:
                holder[name] = holder.pop(name)
        holder[key] = kept
    assert read(json.dumps(value).encode(), "r.json") == full


def test_a_key_of_a_later_version_is_let_be(full):
    value = json_v1.to_dict(full)
    value["diagnoses"][0]["mood"] = {"of": ["tomorrow"]}

    assert read(json.dumps(value).encode(), "r.json") == full


@pytest.mark.parametrize(
    ("path", "wrong", "says"),
    [
        ("schema", "logscan.report/v2", "is 'logscan.report/v2'; logscan.report/v1 is what can be read"),
        ("verdict", "fine", "is 'fine', not one of healthy, info, warning, error, not-enough-evidence"),
        ("calls", [], "must be an object"),
        ("counts.records", -1, "must be a whole number, 0 or more"),
        ("counts.records", True, "must be a whole number, 0 or more"),
        ("diagnoses[0].severity", "\x1b[31m", "is '\\x1b[31m', not one of info, warning, error, fatal"),
        ("diagnoses[1].first_time", "yesterday", "is 'yesterday', which is no RFC 3339 time"),
        ("inputs[0].last_time", "2026-07-20T00:00:00", "is '2026-07-20T00:00:00', a time without a zone"),
        ("interrupted", 0, "must be true or false"),
    ],
)
def test_a_fault_is_named_with_its_place(full, path, wrong, says):
    value = json_v1.to_dict(full)
    holder, key = next((holder, key) for place, holder, key in places(value) if place == path)
    holder[key] = wrong

    error = refused(value)
    assert (error.place, error.problem) == (f"r.json: {path}", says)


@pytest.mark.parametrize(
    ("data", "place", "says"),
    [
        (b"", "r.json:1:1", "is no JSON"),
        (b'{"schema":\n oops}', "r.json:2:2", "is no JSON"),
        (b"E0720 09:53:52.387108       1 utils.go:93] GRPC error", "r.json:1:1", "is no JSON"),
        (b"\xff\xfe\xfa", "r.json", "is no JSON"),
        (b"[" * 100_000, "r.json", "nested too deeply"),
        (b"[" + b"9" * 10_000 + b"]", "r.json", "too long"),
        (b'{"a": 1, "a": 2}', "r.json", "'a' stands twice"),
        (b'{"schema": NaN}', "r.json", "NaN is no JSON"),
        (b"[]", "r.json", "is no report of logscan"),
        (b'{"schema": "logscan.trace/v1"}', "r.json: schema", "'logscan.trace/v1'"),
        (b'{"version": "2.1.0", "runs": []}', "r.json", "is no report of logscan"),
    ],
)
def test_what_is_no_report_is_refused(data, place, says):
    with pytest.raises(SourceError) as caught:
        read(data, "r.json")
    assert caught.value.place == place
    assert says in caught.value.problem
