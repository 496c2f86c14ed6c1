"""Where reports go: several in one run, formats by the file's ending, all of a file or nothing, and conversion."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest

from logscan import cli, edge, terminal
from logscan.errors import LogscanError
from logscan.report import ENDINGS, WRITERS
from logscan.report.safe import visible

SAMPLE = Path(__file__).parent.parent / "samples" / "readonly-share.log"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    Path("nfs.log").write_bytes(SAMPLE.read_bytes())


def formats_of(*outputs: str, format_: str | None = None) -> list[str]:
    return [one.format for one in terminal.targets(outputs, format_, ["nfs.log"])]


def test_each_ending_means_a_writer():
    assert set(ENDINGS.values()) <= set(WRITERS)
    for ending, format_ in ENDINGS.items():
        assert formats_of(f"report{ending}") == formats_of(f"REPORT{ending.upper()}") == [format_]


def test_what_is_said_goes_before_the_ending():
    assert formats_of("json=r.md", "r.xml", "./sarif=x", "r.odd", "gitlab=-") == [
        "json", "junit", "text", "text", "gitlab",
    ]  # fmt: skip
    assert formats_of("a.md", "b.xml", "csv=c.md", format_="json") == ["json", "json", "csv"]


def test_all_formats_in_one_run(capsys):
    outputs = [f"--output={name}=out.{name}" for name in edge.FORMATS]

    assert cli.run(["nfs.log", *outputs, "-o", "-"]) == 0
    assert capsys.readouterr().out.startswith("ERROR: 1 problem")
    assert cli.run(["nfs.log", "--format", "json", "-o", "report.json"]) == 0
    for name in edge.FORMATS:
        whole = Path(f"out.{name}").read_bytes()
        assert whole
        assert cli.run(["convert", "report.json", "-o", f"{name}=again"]) == 0
        again = Path("again").read_bytes()
        if name == "issue":  # the stand-ins of each run are its own
            whole, again = (
                re.sub(rb"\b24[0-9][0-9.]+|-[0-9a-z]{8}\b|[0-9a-f-]{36}", b"", one) for one in (whole, again)
            )
        assert again == whole, name
    assert not list(Path().glob(".logscan*"))


def test_an_output_that_fails_costs_none_of_the_others(capsys, monkeypatch):
    Path("old.sarif").write_text("as before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("logscan.report.sarif.write", full)

    assert cli.run(["nfs.log", "-o", "old.sarif", "-o", "b.xml", "-o", "-", "--fail-on", "error"]) == edge.USAGE
    seen = capsys.readouterr()
    assert seen.err == "logscan: error: old.sarif: cannot be written: No space left on device\n"
    assert seen.out.startswith("ERROR")
    assert Path("old.sarif").read_text() == "as before"
    assert Path("b.xml").read_text(encoding="utf-8").endswith("</testsuites>\n")
    assert sorted(path.name for path in Path().iterdir()) == ["b.xml", "nfs.log", "old.sarif"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_told(capsys):
    assert cli.run(["nfs.log", "-o", "sarif=/dev/full"]) == edge.USAGE
    assert capsys.readouterr().err == "logscan: error: /dev/full: cannot be written: No space left on device\n"


# ---------------------------------------------------------------- the summary of a job


def test_a_summary_is_added_to(monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(Path("summary.md").absolute()))
    Path("summary.md").write_text("# before\n")

    assert cli.run(["nfs.log", "-o", "@step-summary"]) == 0
    assert cli.run(["nfs.log", "-o", "markdown=@step-summary"]) == 0
    text = Path("summary.md").read_text(encoding="utf-8")
    assert text.startswith("# before\n## ")
    assert text.count("\n### 1.") == 2


@pytest.mark.parametrize("value", ["json=@step-summary", "@step-summary"])
def test_a_summary_that_cannot_be_is_refused_before_reading(value):
    with pytest.raises(LogscanError, match="@step-summary: "):
        terminal.targets([value], None, [])


def test_a_summary_that_github_would_not_show_is_left_as_it_was(capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    Path("summary.md").write_text("x" * (1 << 20))

    assert cli.run(["nfs.log", "-o", "@step-summary"]) == edge.USAGE
    assert "GitHub shows at most 1 MiB" in capsys.readouterr().err
    assert Path("summary.md").stat().st_size == 1 << 20


def test_a_file_of_that_name_is_reached():
    assert cli.run(["nfs.log", "-o", "./@step-summary"]) == 0
    assert Path("@step-summary").read_text(encoding="utf-8").startswith("ERROR")


# ---------------------------------------------------------------- convert


def test_convert_reads_a_pipe(capsys, monkeypatch):
    cli.run(["nfs.log", "--format", "json"])
    data = capsys.readouterr().out.encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    assert cli.run(["convert", "--format", "gitlab"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["check_name"] == "create-mkdir-rofs"


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["convert", "nfs.log"], edge.UNREAD, "nfs.log:1:1: is no JSON"),
        (["convert", "gone.json"], edge.UNREAD, "gone.json: no such file or directory"),
        (["convert", "."], edge.UNREAD, ".: is a directory"),
        (["convert", "nfs.log", "-o", "nfs.log"], edge.USAGE, "it is an input too"),
        (["convert", "nfs.log", "-f", "odd"], edge.USAGE, "'odd' is not one of"),
        (["convert", "nfs.log", "x"], edge.USAGE, "unexpected extra argument"),
    ],
)
def test_what_cannot_be_converted(capsys, arguments, status, says):
    assert cli.run(arguments) == status
    err = capsys.readouterr().err
    assert err.startswith("logscan: error: ")
    assert says in err
    assert visible(err.replace("\n", "")) == err.replace("\n", "")
