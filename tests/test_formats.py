"""Every format tells the same diagnoses, keeps to its own grammar, and lets no log text act in it."""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import html5lib
import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import JUnitXml
from lxml import etree, html
from markdown_it import MarkdownIt

from logscan import rules, scan, sources
from logscan.model import Evidence, Report, Severity
from logscan.report import WRITERS, json_reader
from logscan.report.github import MAX_ANNOTATIONS
from logscan.report.identity import fingerprints
from tests.test_cases import CASES, case_of, inputs_of

HERE = Path(__file__).parent
SARIF = jsonschema.Draft202012Validator(json.loads((HERE / "schemas" / "sarif-2.1.0.json").read_text("utf-8")))
JENKINS = etree.XMLSchema(etree.parse(HERE / "schemas" / "jenkins-junit.xsd"))
MARKDOWN = MarkdownIt("gfm-like", {"html": True, "linkify": False})


def render(report: Report, format_: str) -> str:
    out = io.StringIO()
    WRITERS[format_](report, out, width=200, color=False)
    return out.getvalue()


@pytest.fixture(scope="session")
def reports(tmp_path_factory) -> dict[str, Report]:
    """What logscan tells of every case, and of every sample, as those are cases too."""
    found = {}
    loaded = rules.load()
    for path in CASES:
        case = case_of(path)
        if "command" in case:
            continue
        scanner = scan.Scanner(loaded)
        folder = tmp_path_factory.mktemp(path.stem)
        for source in sources.open_sources([str(one) for one in inputs_of(case, folder)], io.BytesIO()):
            scanner.read(source)
        found[path.stem] = scanner.report()
    assert len(found) > 40
    return found


# ---------------------------------------------------------------- how each format names its diagnoses


def of_text(output: str) -> list[str]:
    return re.findall(r"^-- \d+\. \w+: (\S+) \(confidence", output, re.MULTILINE)


def of_markdown(output: str) -> list[str]:
    return re.findall(r"^\*\*(?:info|warning|error|fatal)\*\* · `(\S+)` · confidence", output, re.MULTILINE)


def of_sarif(output: str) -> list[str]:
    return [one["properties"]["category"] for one in json.loads(output)["runs"][0]["results"] if "properties" in one]


def of_junit(output: str) -> list[str]:
    texts = [str(text) for text in etree.fromstring(output.encode()).xpath("//failure/text() | //system-out/text()")]
    return [name for text in texts for name in re.findall(r"^\w+: (\S+) \(confidence: \w+\)$", text, re.MULTILINE)]


def of_ndjson(output: str) -> list[str]:
    lines = [json.loads(line) for line in output.splitlines()]
    return [one["category"] for one in lines if one["type"] == "diagnosis"]


def of_html(output: str) -> list[str]:
    found = html.document_fromstring(output).xpath("//*[self::article or self::tr][@data-category]")
    return [one.get("data-category") for one in found]


NAMES: dict[str, Callable[[str], list[str]]] = {
    "text": of_text,
    "json": lambda output: [one["category"] for one in json.loads(output)["diagnoses"]],
    "ndjson": of_ndjson,
    "markdown": of_markdown,
    "html": of_html,
    "csv": lambda output: [row["category"] for row in csv.DictReader(io.StringIO(output))],
    "sarif": of_sarif,
    "junit": of_junit,
    "github": lambda output: re.findall(r"title=(\S+) \(", output),
    "issue": lambda output: re.findall(
        r"(?:\(|\| )`([a-z-]+)`(?:, confidence| \| (?:the|how|nobody|whoever) )", output
    ),
    "gitlab": lambda output: [one["description"].partition(":")[0] for one in json.loads(output)],
}


def test_every_format_is_held_to_it():
    assert set(NAMES) == set(CHECKS) == set(WRITERS)


@pytest.mark.parametrize("format_", NAMES)
def test_every_format_names_the_same_diagnoses(reports, format_):
    for case, report in reports.items():
        told = NAMES[format_](render(report, format_))
        assert sorted(told) == sorted(one.category for one in report.diagnoses), case


@pytest.mark.parametrize("format_", WRITERS)
def test_converting_is_the_same_as_writing(reports, full, format_):
    for case, report in (*reports.items(), ("full", full)):
        read = json_reader.read(render(report, "json").encode(), case)
        assert render(read, format_) == render(report, format_), case


@pytest.mark.parametrize("format_", WRITERS)
def test_with_nothing_found_there_is_a_whole_document(format_):
    output = render(Report("0.1.0", "healthy", rules=("one",)), format_)

    assert output.endswith("\n")
    CHECKS[format_](output)


# ---------------------------------------------------------------- each format's own grammar


def check_json(output: str) -> None:
    assert output.isascii()
    json.loads(output)


def check_ndjson(output: str) -> None:
    for line in output.removesuffix("\n").split("\n"):
        assert line.isascii()
        assert json.loads(line)["type"] in {"summary", "input", "diagnosis", "unrecognised", "benign", "timeline"}
    assert json.loads(output.split("\n", maxsplit=1)[0])["type"] == "summary"


def check_sarif(output: str) -> None:
    value = json.loads(output)
    assert [error.message for error in SARIF.iter_errors(value)] == []
    run = value["runs"][0]
    names = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(names)) == len(names)
    assert all(names[one["ruleIndex"]] == one["ruleId"] for one in run["results"])


def check_junit(output: str) -> None:
    tree = etree.fromstring(output.encode(), etree.XMLParser(resolve_entities=False))
    JENKINS.assertValid(tree)
    suites = JUnitXml.fromstring(output.encode())
    cases = [case for suite in suites for case in suite]
    assert suites.tests == len(cases)
    assert suites.failures == sum(tag.tag == "failure" for tag in tree.iter())
    for suite in suites:
        names = [case.name for case in suite]
        assert suite.tests == len(names)


def check_csv(output: str) -> None:
    rows = list(csv.reader(io.StringIO(output, newline=""), strict=True))
    assert output.count("\r\n") == output.count("\n") == len(rows)
    for row in rows:
        assert len(row) == len(rows[0])
        for text in row:
            assert not re.match(r"\s*[=+\-@|%\t\r＝＋－＠]", text), text


def check_github(output: str) -> None:
    found: dict[str, int] = {}
    for line in output.removesuffix("\n").split("\n"):
        # As the runner reads a command: its name, its properties, its data.
        command = re.fullmatch(r"::(error|warning|notice) ((?:[a-zA-Z]+=[^,:\r\n]*,?)+)::([^\r\n]*)", line)
        assert command, line
        found[command[1]] = found.get(command[1], 0) + 1
        keys = [pair.partition("=")[0] for pair in command[2].split(",")]
        assert set(keys) <= {"file", "line", "endLine", "title"}
        assert re.search(r"%(?!25|0A|0D|3A|2C)", line) is None
    assert max(found.values()) <= MAX_ANNOTATIONS
    assert found["notice"] >= 1


def check_gitlab(output: str) -> None:
    names = []
    for one in json.loads(output):
        assert set(one) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert one["severity"] in {"info", "minor", "major", "critical", "blocker"}
        assert one["location"]["lines"]["begin"] >= 1
        names.append(one["fingerprint"])
    assert len(set(names)) == len(names)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: list[str] = []
        self.comments: list[str] = []
        self.allowed = set(OURS)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.targets += [value or "" for key, value in attrs if key in {"href", "src"}]
        assert {key for key, _ in attrs} <= {"href", "class", "style"}, attrs
        assert tag in self.allowed, tag


OURS = {
    "h2", "h3", "p", "strong", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "ol", "ul", "li", "details",
    "summary", "span", "a",
}  # fmt: skip


def check_markdown(output: str) -> None:
    tags = Tags()
    tags.feed(MARKDOWN.render(output))
    assert all(target.startswith("https://") for target in tags.targets)
    assert tags.tags.count("details") == output.count("\n<details>\n")


def check_issue(output: str) -> None:
    tags = Tags()
    tags.allowed |= {"blockquote", "hr", "sub"}
    tags.feed(MARKDOWN.render(output))
    assert all(target.startswith("https://") for target in tags.targets)
    assert tags.comments == re.findall(r"(?m)^(?:- )?<!--(.*)-->$", output)
    assert len(output) < 65_536


def check_text(output: str) -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", output)


# What a page of ours is made of; nothing that loads, runs or sends.
HTML_TAGS = {
    "html", "head", "meta", "title", "style", "body", "a", "header", "div", "p", "nav", "main", "section", "h1", "h2", "h3", "h4", "span", "strong",
    "dl", "dt", "dd", "ol", "ul", "li", "article", "code", "pre", "button", "figure", "figcaption", "table", "caption", "thead", "tbody", "tr",
    "th", "td", "details", "summary", "form", "label", "input", "fieldset", "legend", "select", "option", "output", "footer", "script",
}  # fmt: skip
HTML_ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "id", "href", "rel", "hidden", "type", "tabindex", "scope", "role", "value", "checked",
    "autocomplete", "spellcheck", "aria-hidden", "aria-label", "aria-labelledby", "aria-live", "data-n", "colspan", "open", "data-severity", "data-category",
    "data-component",
}  # fmt: skip


def check_html(output: str) -> None:
    tree = html5lib.HTMLParser(html5lib.treebuilders.getTreeBuilder("lxml"), strict=True).parse(output).getroot()
    ids = []
    for one in tree.iter(etree.Element):
        tag = etree.QName(one).localname
        assert tag in HTML_TAGS, tag
        assert {str(name) for name in one.attrib} <= HTML_ATTRIBUTES, one.attrib
        ids += [one.get("id")] * ("id" in one.attrib)
        href = one.get("href", "#")
        assert re.fullmatch(r"#[\w-]+|#|https://[\w.~/?#=&%+:,-]+", href), href
    assert len(set(ids)) == len(ids)
    bodies = tree.xpath("//h:script/text()", namespaces={"h": "http://www.w3.org/1999/xhtml"})
    assert len(bodies) == output.count("<script") == output.count("</script")
    styles = tree.xpath("//h:style/text()", namespaces={"h": "http://www.w3.org/1999/xhtml"})
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', output)
    assert policy
    allowed = [f"'sha256-{b64encode(sha256(one.encode()).digest()).decode()}'" for one in (*bodies[-2:], *styles)]
    assert unescape(policy[1]) == (
        f"default-src 'none'; script-src {allowed[0]} {allowed[1]}; style-src {allowed[2]};"
        " base-uri 'none'; form-action 'none'"
    )


CHECKS: dict[str, Callable[[str], None]] = {
    "text": check_text,
    "json": check_json,
    "ndjson": check_ndjson,
    "markdown": check_markdown,
    "html": check_html,
    "csv": check_csv,
    "sarif": check_sarif,
    "junit": check_junit,
    "github": check_github,
    "gitlab": check_gitlab,
    "issue": check_issue,
}


@pytest.mark.parametrize("format_", CHECKS)
def test_every_report_keeps_to_the_formats_grammar(reports, full, format_):
    for report in (*reports.values(), full):
        CHECKS[format_](render(report, format_))


# ---------------------------------------------------------------- hostile logs

HOSTILE = (
    "\x1b[31m\x1b]0;owned\x07", "\x9b2J", "</script><script>alert(1)</script>", "::error::pwned", "\n::error::pwned\n",
    "##[add-mask]x", "]]><x/>", "<!--", "-->", "=cmd|'/c calc'!A0", "+1+1", "-2", "@SUM(A1)", " =1", "'=1", "%0A::error::x",
    "\u202e\u2066", "\0", "```\n# owned\n```", "````", "~~~", "`", "a`b``c", "| a | b |", "\\|", "[x](javascript:alert(1))",
    "![x](http://x/y.png)", "<img src=x onerror=alert(1)>", "&lt;b&gt;", "&#x3c;script>", "@kubernetes/sig-storage", "#1",
    "http://evil.example", "www.evil.example", "\ufffe\uffff", "\x0b\x0c", "\r", "\r\n", "1. x", "- x", "---", "===", "# x",
    "> x", "    x", "\t", "'\"", ",", ";", "a:b,c", "é", "日本", "\u2028", "$x^2$", "</details>", "</summary>", "\\", "",
)  # fmt: skip
HOSTILE_TEXT = st.lists(
    st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(codec="utf-8"), max_size=6)), min_size=1, max_size=4
).map("".join)


@pytest.mark.parametrize("format_", CHECKS)
def test_hostile_text_is_inert(full, filled, format_):
    @given(st.lists(HOSTILE_TEXT, min_size=1, max_size=6))
    @settings(max_examples=25, deadline=None)
    def hostile(texts):
        output = render(filled(full, itertools.cycle(texts)), format_)
        CHECKS[format_](output)
        unseen = {char for char in output if unicodedata.category(char) in {"Cc", "Cf", "Cs"}} - {"\n", "\r"}
        assert not unseen
        assert format_ == "csv" or "\r" not in output
        assert not re.search(r"##\[[A-Za-z]", output)
        assert format_ == "github" or not re.search(r"(?m)^\s*::[A-Za-z][\w-]*( .*)?::", output)

    hostile()


@pytest.mark.parametrize("text", HOSTILE)
def test_each_hostile_text_alone_is_inert(full, filled, text):
    report = filled(full, itertools.repeat(text))
    for format_, check in CHECKS.items():
        check(render(report, format_))


@pytest.mark.parametrize("format_", CHECKS)
def test_a_line_of_a_megabyte_does_not_fill_the_report(full, format_):
    evidence = Evidence("nfs.log", 1, 1, "E0720 " + "`]]>" * 250_000)
    report = replace(full, diagnoses=tuple(replace(one, evidence=(evidence,) * 3) for one in full.diagnoses))
    output = render(report, format_)

    CHECKS[format_](output)
    if format_ not in {"json", "ndjson"}:  # they are the report itself
        assert len(output) < 100_000


@pytest.mark.parametrize("format_", sorted(CHECKS.keys() - {"json", "ndjson", "html", "csv", "sarif", "gitlab"}))
def test_what_people_read_stays_short_with_a_thousand_diagnoses(full, format_):
    report = replace(full, diagnoses=full.diagnoses * 500)

    assert len(render(report, format_)) < 250_000


# ---------------------------------------------------------------- what each system needs


def test_a_fingerprint_outlives_lines_times_volumes_and_counts(full):
    one = full.diagnoses[0]
    moved = replace(
        one,
        evidence=tuple(replace(item, line=item.line + 7, text="E0101 00:00:00") for item in one.evidence),
        first_time=1,
        last_time=2,
        failures=99,
        volumes=(replace(one.volumes[0], name="pvc-other", pvc="other"),),
    )
    other = replace(one, volumes=(replace(one.volumes[0], share="/other"),))

    assert fingerprints([one]) == fingerprints([moved]) != fingerprints([other])
    assert len(set(fingerprints([one, one, other]))) == 3


def test_the_fingerprints_of_a_log_that_is_shifted_and_later_are_the_same():
    text = (HERE.parent / "samples" / "two-causes.log").read_text("utf-8")
    later = "I1124 00:00:00.000000       1 nfs.go:1] one more line\n" + text.replace("1123 ", "1124 ")

    def of(log: str) -> list[str]:
        scanner = scan.Scanner(rules.load())
        for source in sources.open_sources(["-"], io.BytesIO(log.encode())):
            scanner.read(source)
        run = json.loads(render(scanner.report(), "sarif"))["runs"][0]
        return [one["partialFingerprints"]["logscan/v1"] for one in run["results"]]

    assert of(text) == of(later)
    assert len(set(of(text))) == 2


def test_sarif_has_levels_regions_help_and_suppressions(full):
    run = json.loads(render(full, "sarif"))["runs"][0]
    first, second, hidden, ignored = run["results"]

    assert (first["level"], second["level"]) == ("error", "warning")
    region = second["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["endLine"]) == (88, 91)
    assert second["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "bundle.tgz!node-1/nfs.log"
    assert hidden["suppressions"][0]["justification"] == "below --severity"
    assert ignored["suppressions"][0]["justification"] == "ignored until 2027-01-31: nfs3 goes"
    assert [one.get("baselineState") for one in run["results"]] == ["new", "unchanged", None, None]
    assert run["properties"] == {
        "verdict": "error",
        "check": "failed",
        "missed": ["--fail-on new: 1 new diagnosis of severity warning or worse: wrong-share-path"],
    }
    by_id = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert "```sh\nshowmount -e" in by_id["create-mkdir-rofs"]["help"]["markdown"]
    assert run["invocations"][0]["executionSuccessful"] is False


def test_junit_has_a_case_for_each_rule_and_input(full):
    suites = {suite.name: list(suite) for suite in JUnitXml.fromstring(render(full, "junit").encode())}
    outcome = {case.name: [type(one).__name__ for one in case.result] for case in suites["logscan.rules"]}

    assert outcome == {
        "create-mkdir-rofs": ["Failure"],
        "lease-conflict": [],
        "mount-access-denied": ["Skipped"],  # the baseline has it
        "noise": ["Skipped"],
        "statd": ["Skipped"],
    }
    assert [(case.name, bool(case.result)) for case in suites["logscan.check"]] == [
        ("--fail-on new", True), ("--expect mount-access-denied", False),
    ]  # fmt: skip
    assert [case.name for case in suites["logscan.inputs"] if any(case.result)] == ["missing.log", "interrupted"]


def test_junit_passes_what_is_a_note(full):
    note = replace(full.diagnoses[0], severity=Severity.INFO)
    output = render(replace(full, diagnoses=(note,), errors=(), interrupted=False), "junit")

    assert 'failures="0" errors="0"' in output
    assert "wrong-share-path" in output


def test_github_tells_of_what_it_would_not_show(full):
    lines = render(replace(full, diagnoses=full.diagnoses[:1] * 25, check=None), "github").splitlines()
    errors = [line for line in lines if line.startswith("::error ")]

    assert len(errors) == 10
    assert errors[-1].startswith("::error title=17 more::and 17 more, of which")


def test_what_check_found_and_what_was_ignored_shows_in_each_format(full):
    missed, said = "--fail-on new", "1 new diagnosis of severity warning or worse: wrong-share-path"
    shown = {
        name: render(full, name) for name in ("text", "markdown", "html", "github", "sarif", "junit", "json", "ndjson")
    }
    for name, output in shown.items():
        assert missed in output, name
        assert said in output.replace("%3A", ":").replace("`", ""), name
    for name in ("markdown", "html"):
        assert (shown[name].count("new, by the baseline"), shown[name].count("known, by the baseline")) == (1, 1), name
    for name in ("text", "markdown", "html", "github", "junit"):
        assert "1 ignored, 1 not shown" in shown[name].replace("\n", " "), name
    assert [row["baseline"] for row in csv.DictReader(io.StringIO(render(full, "csv")))] == ["new", "known"]
    assert "::notice file=bundle.tgz!node-1/nfs.log,line=88,endLine=91,title=client-not-allowed" in shown["github"]


def test_without_a_check_no_format_tells_of_one(full):
    report = replace(full, check=None, diagnoses=tuple(replace(one, baseline=None) for one in full.diagnoses))
    for name in WRITERS:
        assert "--fail-on" not in render(report, name), name
        assert "baseline" not in render(report, name) or name in {"csv", "json", "ndjson", "html"}, name


def test_what_markdown_shows_is_what_the_log_says(full):
    text = "a|b `c` ``d`` <b>&amp; \\ *x* _y_ [z](w) @me #1"
    one = replace(full.diagnoses[0], cause=text, volumes=(replace(full.diagnoses[0].volumes[0], name=text),))
    html = MARKDOWN.render(render(replace(full, diagnoses=(one,)), "markdown"))
    shown: list[str] = []

    class Shown(HTMLParser):
        def handle_data(self, data: str) -> None:
            shown.append(data)

    Shown().feed(html)
    assert "".join(shown).count(text) == 2


def test_ndjson_is_the_report_in_lines(full):
    lines = [json.loads(line) for line in render(full, "ndjson").splitlines()]
    whole = json.loads(render(full, "json"))

    assert lines[0] == {"type": "summary"} | {
        key: value
        for key, value in whole.items()
        if key not in {"inputs", "diagnoses", "unrecognised", "benign", "timeline"}
    }
    assert [one["type"] for one in lines[1:]] == ["input"] * 2 + ["diagnosis"] * 2 + ["unrecognised", "benign"] + [
        "timeline"
    ] * 2
    assert lines[3] == {"type": "diagnosis"} | whole["diagnoses"][0]
