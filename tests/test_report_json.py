"""The JSON report keeps to its schema whatever a log says, and tells the same as the text."""

from __future__ import annotations

import io
import itertools
import json
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logscan.model import Diagnosis, InputSummary, Report
from logscan.report import WRITERS
from logscan.report.json_v1 import dump, to_dict
from logscan.report.safe import visible

SCHEMA = json.loads((Path(__file__).parent.parent / "docs" / "report-v1.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
TEXTS = st.text(
    st.one_of(st.sampled_from("\x1b\x7f\x9b\u202e\ud800\udfff\n\0"), st.characters(codec=None)), max_size=20
)


def render(report: Report, format_: str = "json") -> str:
    out = io.StringIO()
    WRITERS[format_](report, out, width=80, color=False)
    return out.getvalue()


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_describes_every_property_and_allows_no_other():
    def walk(node: Any, path: str) -> None:
        if isinstance(node, list):
            for item in node:
                walk(item, path)
        if not isinstance(node, dict):
            return
        if "properties" in node and isinstance(node["properties"], dict):
            assert node["additionalProperties"] is False, path
            for name, one in node["properties"].items():
                assert one.get("description") or "$ref" in one, f"{path}.{name}"
        for key, value in node.items():
            walk(value, f"{path}.{key}")

    walk(SCHEMA, "")


@given(st.lists(TEXTS, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_whatever_a_log_says_the_report_is_valid_and_ascii(full, filled, texts):
    report = filled(full, itertools.cycle(texts))
    output = render(report)

    VALIDATOR.validate(json.loads(output))
    assert output.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", output)
    json.loads(output.encode("utf-8"))["verdict"].encode("utf-8")
    json.dumps(json.loads(output), ensure_ascii=False).encode("utf-8")  # no lone surrogate is left


@pytest.mark.parametrize("verdict", ["healthy", "info", "warning", "error", "not-enough-evidence"])
def test_an_empty_report_is_valid(verdict):
    VALIDATOR.validate(to_dict(Report("0.1.0", verdict)))


def test_the_keys_are_those_of_the_schema_in_its_order(full):
    value = to_dict(full)

    assert list(value) == list(SCHEMA["properties"])
    assert list(value["diagnoses"][0]) == list(SCHEMA["$defs"]["diagnosis"]["properties"])
    assert list(value["inputs"][0]) == list(SCHEMA["$defs"]["input"]["properties"])


def test_no_field_of_the_model_is_forgotten(full):
    value = to_dict(full)

    assert {one.name for one in fields(Report)} - {"version"} == set(value) - {"schema", "tool"}
    assert {one.name for one in fields(Diagnosis)} == set(value["diagnoses"][0])
    assert {one.name for one in fields(InputSummary)} == set(value["inputs"][0])


def test_times_are_rfc_3339(full):
    diagnosis = to_dict(full)["diagnoses"][0]

    assert diagnosis["first_time"] == "2026-07-20T09:53:52.387108Z"
    assert to_dict(full)["inputs"][1]["first_time"] is None


def test_the_exact_text_of_evidence_survives(full):
    text = "E0720\t\x1b[31m é\u202e\nOutput:  two  blanks"
    evidence = replace(full.diagnoses[0].evidence[0], text=text)
    report = replace(full, diagnoses=(replace(full.diagnoses[0], evidence=(evidence,)),))

    assert json.loads(render(report))["diagnoses"][0]["evidence"][0]["text"] == text


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), min_size=2, max_size=2, unique=True))
@settings(max_examples=40, deadline=None)
def test_text_and_json_name_the_same_diagnoses(full, ids):
    diagnoses = tuple(replace(one, id=name) for one, name in zip(full.diagnoses, ids, strict=True))
    report = replace(full, diagnoses=diagnoses)
    text = render(report, "text").replace("\n", "").replace(" ", "")

    for one in json.loads(render(report))["diagnoses"]:
        assert f"logscanrulesexplain{visible(one['id'])}".replace(" ", "") in text


def test_a_report_that_is_written_in_many_pieces_is_one_value():
    value = {"text": "\x7f\x1b", "many": [{"number": number, "empty": []} for number in range(20_000)]}
    out = io.StringIO()
    dump(value, out)

    assert out.getvalue() == json.dumps(value, indent=2).replace("\x7f", "\\u007f") + "\n"
