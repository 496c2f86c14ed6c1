"""The text report: nothing hostile comes through, nothing overflows, nothing to paste is broken."""

from __future__ import annotations

import io
import itertools
import re
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logscan.model import Counts, Evidence, InputSummary, Remedy, Report, Unrecognised, VolumeRef
from logscan.report import WRITERS, page, text, words
from logscan.report.safe import columns, fold, visible

SGR = re.compile(r"\x1b\[[0-9;]*m")
# Of a log that means harm: escape sequences, C1, bidi, zero-width, separators, surrogates, and what is wide.
HOSTILE = "\x1b[31m\x07\r\n\t\x00\x7f\x9b\u202e\u2066\u200b\u200e\u2028\u2029\ufeff\u00ad\ud800\u3164\ufe0f日本é́ -/,<>"
TEXTS = st.text(st.one_of(st.sampled_from(HOSTILE), st.characters()), max_size=40)


def render(report: Report, *, width: int = 80, color: bool = False) -> str:
    out = io.StringIO()
    WRITERS["text"](report, out, width=width, color=color)
    return out.getvalue()


@given(st.lists(TEXTS, min_size=1, max_size=8), st.integers(20, 120))
@example(["\x1b]0;owned\x07"], 80)
@example(["\u202eevil\u2066"], 40)
@settings(max_examples=60, deadline=None)
def test_no_text_of_a_log_reaches_the_terminal_as_a_control(full, filled, texts, width):
    output = render(filled(full, itertools.cycle(texts)), width=width)

    assert not [
        char for char in output if char != "\n" and unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    ]


@given(TEXTS)
@settings(deadline=None)
def test_visible_text_is_ink_and_blanks_and_stays_so(text):
    shown = visible(text)

    assert shown.isprintable()
    assert visible(shown) == shown
    assert text.isprintable() or shown != text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünï 日本", "plain ünï 日本"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\tb\r\nc", r"a\tb\r\nc"),
        ("share: /data", r"share:\xa0/data"),
        ("\u202egnp", r"\u202egnp"),
        ("\U000e0041", r"\U000e0041"),
        (r"kubelet's \n stays", r"kubelet's \n stays"),
    ],
)
def test_what_is_shown_of_a_character(text, shown):
    assert visible(text.replace("share: ", "share:\xa0")) == shown


@given(st.lists(TEXTS, min_size=1, max_size=8), st.integers(20, 200))
@settings(max_examples=60, deadline=None)
def test_only_what_is_to_be_pasted_is_wider_than_the_terminal(full, filled, texts, width):
    report = filled(full, itertools.cycle(texts))
    pasted = {shown.strip() for line in _pasted(report) for shown in (visible(line.strip()), visible(line))}

    for line in render(report, width=width).splitlines():
        assert columns(line) <= width or line.strip() in pasted


def _pasted(report: Report) -> list[str]:
    lines = [one.command for one in report.collect_next]
    for diagnosis in report.diagnoses:
        lines += [*diagnosis.confirm, *diagnosis.remedy.commands, *(diagnosis.remedy.manifest or "").split("\n")]
        lines += [command for one in diagnosis.alternatives for command in one.confirm]
    return lines


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_command_stays_on_one_line_at_a_constant_indent(full, width):
    lines = render(full, width=width).splitlines()

    for diagnosis in full.diagnoses:
        for command in (*diagnosis.confirm, *diagnosis.remedy.commands):
            assert f"  {command}" in lines


@pytest.mark.parametrize("width", [20, 57, 80, 200])
def test_colours_change_nothing_but_colours(full, width):
    coloured = render(full, width=width, color=True)

    assert coloured != render(full, width=width)
    assert SGR.sub("", coloured) == render(full, width=width)
    assert all(line.count("\x1b") in {0, 2} for line in coloured.splitlines())


def test_yellow_white_and_grey_are_not_used(full):
    assert not set(re.findall(r"3[37]|9\d", " ".join(SGR.findall(render(full, color=True)))))


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Zs"], include_characters=" "), max_size=300),
       st.integers(8, 60))  # fmt: skip
@settings(deadline=None)
def test_folding_loses_only_the_blanks_at_which_it_folds(text, width):
    parts = fold(visible(text), width)

    assert all(columns(part) <= width for part in parts)
    assert "".join(parts).replace(" ", "") == visible(text).replace(" ", "")


def test_a_word_folded_in_evidence_says_so(full):
    lines = render(full, width=60).splitlines()

    assert [line for line in lines if line.startswith("  |   /tmp/pvc-ca0ab165") and line.endswith("\\")]


def test_a_huge_message_keeps_its_start_and_its_end(full):
    text = "E0720 starts " + "x" * 1_000_000 + " ends here"
    report = replace(full, diagnoses=(replace(full.diagnoses[0], evidence=(Evidence("a", 1, 1, text),)),))
    output = render(report)

    assert "E0720 starts" in output
    assert "ends here" in output
    assert "characters left out" in output
    assert len(output) < 20_000
    assert page.MAX_TEXT < 20_000


def test_the_verdict_comes_first_and_says_what_was_looked_at(full):
    assert render(full, width=200).splitlines()[:3] == [
        "ERROR: 2 problems (wrong-share-path, client-not-allowed), 44 volumes affected (1 ignored, 1 not",
        "shown)",
        "Looked at 1,034 records of 2 inputs, 56 calls, controller and node logs of v4.1.0.",
    ]


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [
        ("healthy", "HEALTHY: No problem found in 1,234 records, 56 calls, controller log of v4.6.0"),
        ("info", "INFO: No problem left in 1,234 records, 56 calls, controller log of v4.6.0; 0 notes"),
        (
            "not-enough-evidence",
            "NOT ENOUGH EVIDENCE: no cause can be named from 1,234 records, 56 calls, controller log of v4.6.0",
        ),
    ],
)
def test_a_verdict_without_a_cause_says_what_was_looked_at(full, verdict, sentence):
    report = Report(
        "0.1.0", verdict, (InputSummary("-", component="nfs", role="controller", driver_version="v4.6.0"),),
        calls=replace(full.calls, total=56), counts=Counts(1234),
    )  # fmt: skip

    assert " ".join(render(report).split("\n\n")[0].split()) == sentence


def test_nothing_read_is_said_to_be_nothing():
    assert render(Report("0.1.0", "not-enough-evidence")) == "NOT ENOUGH EVIDENCE: nothing in the input is a log\n"


def test_prose_is_no_log():
    prose = InputSummary("README.md", lines=40, records=12, unparsed_lines=40)
    report = Report("0.1.0", "not-enough-evidence", (prose,), counts=Counts(12))

    assert render(report).startswith("NOT ENOUGH EVIDENCE: nothing in the input is a log\n")
    other = replace(prose, unparsed_lines=39)
    assert "from 12 records" in render(replace(report, inputs=(other,)))


def test_the_flagship_names_everything_it_concerns(full):
    output = " ".join(render(full, width=200).split())

    for part in (
        "1. error: wrong-share-path (confidence: high)",
        'share "/" is the NFSv4 pseudo-root of 192.168.59.102',
        "server 192.168.59.102, share /",
        "PVC default/data-primary-mariadb-cluster-primary-0, volume pvc-ca0ab165-9aa5-42a4-ae15-f4fd036142d2",
        "2026-07-20 09:53:52 to 09:54:52 UTC: 2 failures of CreateVolume, 2 attempts, still so where the log ends",
        "readonly-share.log:8",
        "To decide showmount -e 192.168.59.102",
        "To tell export-read-only sudo exportfs -v",
        "(put in <storageclass>: the log does not tell)",
        "and 37 more volumes",
        "recovered: it worked later",
        "bundle.tgz!node-1/nfs.log:88-91",
        "controller log of v4.1.0 (by the source lines that logged)",
        "30 records of severity W, E or F: 12 diagnosed, 6 harmless, 12 not recognised",
    ):
        assert part in output


def test_what_one_check_decides_is_printed_once(full):
    lines = render(full).splitlines()
    until_fix = lines[: lines.index("Fix")]

    assert until_fix.count("  showmount -e 192.168.59.102") == 1


def test_long_lists_are_capped_and_say_so(full):
    many = tuple(VolumeRef(f"pv-{n}", server=f"10.0.0.{n}", share="/") for n in range(30))
    shapes = tuple(replace(full.unrecognised[0], template=f"shape {n}") for n in range(50))
    report = replace(
        full, diagnoses=(replace(full.diagnoses[0], volumes=many, evidence=full.diagnoses[0].evidence * 30),),
        unrecognised=shapes, inputs=full.inputs * 50,
    )  # fmt: skip
    output = render(report)

    for part in ("and 26 volumes of 26 more shares", "and 27 more places", "and 40 more shapes", "and 92 more inputs"):
        assert part in output


def test_a_diagnosis_that_says_little_is_still_a_page(full):
    bare = replace(full.diagnoses[0], remedy=Remedy(), confirm=(), alternatives=(), volumes=(), evidence=(), cause="")
    output = render(Report("0.1.0", "error", diagnoses=(bare,)))

    assert full.diagnoses[0].title.split(":")[0] in output
    assert "\nFix" not in output


def test_one_unrecognised_record_is_shown_as_it_is(full):
    one = Unrecognised(
        "volume <*> is odd", full.diagnoses[0].severity, "", 1, *full.diagnoses[0].evidence * 2, "volume 7 is odd"
    )
    output = render(Report("0.1.0", "error", unrecognised=(one,)))

    assert "  | volume 7 is odd" in output
    assert "<*>" not in output


def test_many_diagnoses_are_told_in_full_then_in_short_then_counted(full):
    many = tuple(replace(full.diagnoses[0], id=f"rule-{number}") for number in range(1, 101))
    lines = render(replace(full, diagnoses=many)).splitlines()

    assert sum(line.startswith("-- ") for line in lines) == text.MAX_PAGES + 1
    assert any(line.startswith(f"-- and {100 - text.MAX_PAGES} more findings, in short ") for line in lines)
    assert sum("rule-" in line for line in lines) == text.MAX_PAGES + text.MAX_BRIEF
    assert f"and {100 - text.MAX_PAGES - text.MAX_BRIEF} more findings" in lines


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ([("nfs", "controller", "v4.6.0")], "controller log of v4.6.0"),
        ([("nfs", "controller", "v4.6.0"), ("nfs", "node", "v4.6.0")], "controller and node logs of v4.6.0"),
        ([("nfs", None, "v4.11.0"), ("csi-provisioner", None, None)], "driver log of v4.11.0, csi-provisioner log"),
        ([("nfs", "node", "v4.1.0"), ("kubelet", None, None), ("events", None, None)], "node log of v4.1.0, events and kubelet logs"),
        ([("kubelet", None, None)], "kubelet log"),
        ([(None, None, None)], ""),
    ],
)  # fmt: skip
def test_a_version_is_told_of_the_logs_that_have_it(full, inputs, told):
    logs = tuple(InputSummary(f"{n}.log", component=c, role=r, driver_version=v) for n, (c, r, v) in enumerate(inputs))

    assert words.looked_at(replace(full, inputs=logs)).endswith(told or " calls")
