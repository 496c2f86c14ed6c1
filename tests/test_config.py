"""Configuration: nearest file, environment, options on top; typed values with their origin; what a stranger's file cannot do."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from logscan import cli, config, edge
from logscan.commands.redact import SALT
from logscan.errors import FaultsError, LogscanError

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("LOGSCAN_")]:
        monkeypatch.delenv(name)
    (tmp_path / "repo/sub").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "repo")
    Path("nfs.log").write_bytes((SAMPLES / "readonly-share.log").read_bytes())


def own(text: str) -> None:
    Path("logscan.toml").write_text(text, encoding="utf-8")


def shown(capsys, *arguments: str) -> dict:
    assert cli.run(["config", "show", "--format", "json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def faults(environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(LogscanError) as caught:
        config.effective(Path.cwd(), environ or {})
    error = caught.value
    return [str(one) for one in error.faults] if isinstance(error, FaultsError) else [str(error)]


# ---------------------------------------------------------------- where it comes from


def test_the_nearest_file_counts_then_the_environment_then_options(capsys, monkeypatch):
    Path("pyproject.toml").write_text('[tool.logscan]\nseverity = "error"\ncolor = "never"\nyear = 2020\n')
    monkeypatch.setenv("LOGSCAN_YEAR", "2021")
    monkeypatch.setenv("LOGSCAN_JOBS", "")
    monkeypatch.chdir("sub")

    values = shown(capsys, "--origin")
    assert values["severity"] == {"value": "error", "origin": "../pyproject.toml"}
    assert values["year"] == {"value": 2021, "origin": "LOGSCAN_YEAR"}
    assert values["jobs"] == {"value": None, "origin": "default"}
    cli.run(["../nfs.log", "--format", "json"])
    assert json.loads(capsys.readouterr().out)["inputs"][0]["first_time"].startswith("2021-")
    cli.run(["../nfs.log", "--format", "json", "--year", "2022"])
    assert json.loads(capsys.readouterr().out)["inputs"][0]["first_time"].startswith("2022-")
    # A nearer file takes the place of the other as a whole.
    own('color = "always"\n')
    assert shown(capsys)["severity"] == "info"


# Of each key: what the file, the variable and the option say, and what the command is given of the option.
SAID: dict[str, tuple[str, str, list[str], object]] = {
    "severity": ('"warning"', "error", ["info"], "info"),
    "fail-on": ('"never"', "warning", ["info"], "info"),
    "expect": ('["a"]', "b,c", ["d", "e"], ("d", "e")),
    "forbid": ('["a"]', "b,c", ["d"], ("d",)),
    "max": ("{a = 1}", "b=2,c=3", ["d=4"], ("d=4",)),
    "min-parsed": ("50", "60.5", ["70"], 70.0),
    "baseline": ('"nfs.log"', "/b", ["/c"], "/c"),
    "ignore-file": ('"nfs.log"', "/b", ["/c"], "/c"),
    "allow-empty": ("false", "true", [], True),
    "format": ('"json"', "csv", ["text"], "text"),
    "rules": ('["sub"]', "/", ["."], (Path(),)),
    "exports": ('["nfs.log"]', "b", ["/c"], ("/c",)),
    "storageclass": ('["nfs.log"]', "b", ["/c"], ("/c",)),
    "client": ('"10.0.0.1"', "10.0.0.2", ["10.0.0.3"], "10.0.0.3"),
    "year": ("2020", "2021", ["2022"], 2022),
    "tz": ('"+01:00"', "+02:00", ["+03:00"], "+03:00"),
    "jobs": ("1", "2", ["3"], 3),
    "color": ('"always"', "never", ["auto"], "auto"),
    "redact": ("false", "true", [], True),
    "width": ("40", "50", ["60"], 60),
}


@pytest.mark.parametrize("name", config.KEYS)
def test_of_every_key_the_option_goes_before_the_variable_and_that_before_the_file(monkeypatch, name):
    in_file, in_variable, in_options, value = SAID[name]
    Path("b").touch()
    key = config.KEYS[name]

    def given(*options: str) -> object:
        command = cli.cli.get_command(click.Context(cli.cli), "check")
        return command.make_context("check", ["nfs.log", *options]).params[key.parameter]

    def shown(text: object) -> object:
        if isinstance(text, (list, tuple)):
            return tuple(str(one) for one in text)
        return text

    default = given()
    own(f"{name} = {in_file}\n")
    of_file = given()
    assert shown(of_file) == shown(config.read(Path("logscan.toml"))[name].value)
    variable = f"LOGSCAN_{name.upper().replace('-', '_')}"
    monkeypatch.setenv(variable, in_variable)
    of_variable = given()
    assert shown(of_variable) == shown(config.from_environment({variable: in_variable})[name].value)
    of_option = given(*[f"--{name}={one}" for one in in_options] or [f"--{name}"])
    assert of_option == value
    assert given("--no-config") == default
    if in_options:
        assert len({str(one) for one in (of_file, of_variable, of_option)}) == 3


def test_variables_of_other_commands_are_let_be(capsys, monkeypatch):
    assert {SALT} == config.OTHERS
    monkeypatch.setenv(SALT, "x")

    assert cli.run(["check", "nfs.log", "--fail-on", "never"]) == 0
    capsys.readouterr()


def test_beside_a_file_of_its_own_the_project_file_is_not_asked(capsys):
    Path("pyproject.toml").write_text('[tool.logscan]\nseverity = "error"\n')
    own("year = 2020\n")

    assert (shown(capsys)["severity"], shown(capsys)["year"]) == ("info", 2020)


@pytest.mark.parametrize(
    "text", ["", "[tool.ruff]\n", "[tool]\nruff = 1\n", "tool = 3 # logscan\n", "[project\nname = 'logscan'\n", "\0"]
)
def test_a_project_file_that_does_not_speak_of_logscan_is_passed_over(capsys, monkeypatch, text):
    own("year = 2020\n")
    monkeypatch.chdir("sub")
    Path("pyproject.toml").write_text(text)

    assert shown(capsys)["year"] == 2020


def test_a_broken_project_file_that_speaks_of_logscan_is_told():
    Path("pyproject.toml").write_text('[tool.logscan]\nseverity = "error\n')

    assert faults()[0].startswith("pyproject.toml:2:18: this is no TOML: ")


def test_a_pipe_or_directory_of_that_name_is_no_configuration(capsys):
    os.mkfifo("logscan.toml")
    Path("pyproject.toml").mkdir()

    assert shown(capsys)["severity"] == "info"


def test_without_configuration_there_is_none(capsys, monkeypatch):
    own('severity = "wrong"\n')
    monkeypatch.setenv("LOGSCAN_ODD", "1")

    assert cli.run(["check", "nfs.log", "--no-config", "--fail-on", "never"]) == 0
    assert cli.run(["check", "nfs.log", "--fail-on", "never"]) == edge.USAGE
    assert cli.run(["check", "--help"]) == 0
    capsys.readouterr()


# ---------------------------------------------------------------- what it does


def test_it_sets_what_the_commands_do(capsys):
    own(
        'fail-on = "never"\nformat = "json"\nforbid = ["create-mkdir-rofs"]\nmax = {mount-resolve = 2}\nmin-parsed = 50\n'
    )

    assert cli.run(["check", "nfs.log"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [one["wanted"] for one in report["check"]["requirements"]] == [
        "--forbid create-mkdir-rofs", "--max mount-resolve=2", "--min-parsed 50",
    ]  # fmt: skip
    assert cli.run(["nfs.log"]) == 0  # of diagnose it is no gate
    assert json.loads(capsys.readouterr().out)["check"] is None


def test_a_format_that_is_configured_gives_way_to_a_file_s_ending(capsys):
    own('format = "json"\n')

    assert cli.run(["nfs.log", "-o", "a.sarif", "-o", "a.odd", "-o", "markdown=-"]) == 0
    assert json.loads(Path("a.sarif").read_text())["version"] == "2.1.0"
    assert json.loads(Path("a.odd").read_text())["schema"] == "logscan.report/v1"
    assert capsys.readouterr().out.startswith("## ")
    assert cli.run(["nfs.log", "-f", "csv", "-o", "a.sarif"]) == 0
    assert Path("a.sarif").read_text().startswith('"fingerprint"')


def test_rules_and_ignore_file_of_the_repository_are_used_from_below(capsys, monkeypatch):
    Path("ci/rules").mkdir(parents=True)
    Path("ci/rules/off.yaml").write_text("disable: [create-mkdir-rofs]\n")
    Path("ci/ignore.yaml").write_text("- {id: unrecognised-failure, reason: known}\n")
    own('rules = ["ci/rules"]\nignore-file = "./ci/../ci/ignore.yaml"\nformat = "json"\n')
    monkeypatch.chdir("sub")

    assert cli.run(["check", "../nfs.log", "--fail-on", "info"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert "create-mkdir-rofs" not in report["rules"]
    assert report["suppressed"][0]["place"] == "../ci/ignore.yaml:1:3"


def test_a_baseline_that_is_configured_may_be_written_for_the_first_time(capsys):
    own('baseline = "base.json"\nfail-on = "new"\n')

    assert cli.run(["check", "nfs.log"]) == edge.USAGE
    assert cli.run(["check", "nfs.log", "--write-baseline", "base.json"]) == edge.FOUND
    assert cli.run(["check", "nfs.log"]) == 0
    capsys.readouterr()


def test_what_is_shown_is_toml_that_sets_the_same(capsys):
    own(
        'max = {dns = 2, "nfs.odd" = 0}\nexpect = ["a", "\\u202e\\u0007\\"\\\\"]\nallow-empty = true\nmin-parsed = 99.5\n'
    )
    first = shown(capsys)
    assert cli.run(["config", "show", "--origin"]) == 0
    text = capsys.readouterr().out
    assert "\u202e" not in text
    own(text)

    assert shown(capsys) == first
    assert tomllib.loads(text)["max"] == {"dns": 2, "nfs.odd": 0}


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("severty = 'info'", ["logscan.toml: severty: there is no such key", 'did you mean "severity"?']),
        ("fail_on = 'info'", ["there is no such key", 'did you mean "fail-on"?']),
        ("[check]\nseverity = 'info'", ["logscan.toml: check: there is no such key"]),
        ("severity = 'eror'", ["logscan.toml: severity: cannot be 'eror'", 'did you mean "error"?']),
        ("severity = 3", ["cannot be 3", "one of info, warning, error"]),
        ("year = '2020'", ["must be a whole number from 1970 to 9999"]),
        ("year = true", ["must be a whole number"]),
        ("year = 3", ["must be a number from 1970 to 9999"]),
        ("min-parsed = nan", ["must be a number from 0 to 100"]),
        ("allow-empty = 'yes'", ["must be true or false"]),
        ("rules = 'rules'", ["must be a list of texts", '["rules"]']),
        ("rules = [3]", ["must be a text"]),
        ("rules = ['nowhere']", ["there is no directory nowhere"]),
        ("exports = ['sub']", ["there is no file sub"]),
        ("max = {dns = -1}", ["must be a table of rules and whole numbers"]),
        ("max = {dns = true}", ["must be a table"]),
        ("tz = ' '", ["must be a text"]),
        ("severity = ", ["this is no TOML"]),
        ("severity = 'info'\nseverity = 'error'", ["logscan.toml: this is no TOML: cannot overwrite a value"]),
        ("x = " + "[" * 100_000, ["this is no TOML"]),
    ],
)
def test_each_fault_names_the_file_and_the_key(text, says):
    own(text)

    (told,) = faults()
    assert told.startswith("logscan.toml")
    if "no TOML" in says[0] and "[[" in text:
        assert "no TOML" in told or "nested too deeply" in told
    else:
        assert all(part in told for part in says), told


def test_a_hostile_file_does_not_act_on_the_terminal(capsys):
    own('"\\u001b[31m\\u202e" = 1\nseverity = "\\u001b]0;x"\n')

    assert cli.run(["nfs.log"]) == edge.USAGE
    assert not {"\x1b", "\u202e"} & set(capsys.readouterr().err)


def test_all_faults_are_told_at_once():
    own("severity = 1\nyear = 1\nodd = 1\n")
    assert len(faults()) == 3
    Path("logscan.toml").unlink()
    told = faults({"LOGSCAN_YAER": "1", "LOGSCAN_YEAR": "x", "LOGSCAN_fail_on": "new", "LOGSCAN_JOBS": "2"})
    assert [one.partition("\n  help: ") for one in told] == [
        ("LOGSCAN_YAER: there is no such variable", "\n  help: ", 'did you mean "LOGSCAN_YEAR"?'),
        ("LOGSCAN_YEAR: must be a whole number from 1970 to 9999", "", ""),
        ("LOGSCAN_fail_on: there is no such variable", "\n  help: ", 'did you mean "LOGSCAN_FAIL_ON"?'),
    ]


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("LOGSCAN_FAIL_ON", "new", "new"),
        ("LOGSCAN_EXPECT", "a, b,", ["a", "b"]),
        ("LOGSCAN_MAX", "a=1, b=2", ["a=1", "b=2"]),
        ("LOGSCAN_ALLOW_EMPTY", "True", True),
        ("LOGSCAN_ALLOW_EMPTY", "0", False),
        ("LOGSCAN_MIN_PARSED", "99.5", 99.5),
        ("LOGSCAN_RULES", os.pathsep.join(["/", "."]), ["/", "."]),
        ("LOGSCAN_BASELINE", "/any/where.json", "/any/where.json"),
    ],
)
def test_a_variable_says_what_a_file_would(variable, text, value):
    name = variable.removeprefix("LOGSCAN_").lower().replace("_", "-")

    assert config.effective(None, {variable: text})[name] == config.Setting(value, variable)


@pytest.mark.parametrize(
    ("variable", "text"),
    [("LOGSCAN_MAX", "dns"), ("LOGSCAN_MAX", "dns=x"), ("LOGSCAN_ALLOW_EMPTY", "maybe"), ("LOGSCAN_MIN_PARSED", "all")],
)
def test_a_variable_of_the_wrong_kind_is_an_error(variable, text):
    assert faults({variable: text})[0].startswith(f"{variable}: must be ")


@given(st.text(max_size=80))
def test_no_file_is_an_internal_error(text):
    path = Path("logscan.toml")
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    try:
        found = config.read(path)
    except LogscanError as error:
        assert error.place.startswith("logscan.toml")  # noqa: PT017 - either is right
    else:
        assert set(found) <= set(config.KEYS)


# ---------------------------------------------------------------- a stranger's file


def test_it_cannot_write_run_or_unmake_anything():
    """Each option that names a file to write, a program or a cluster, or hides a failure, is no key."""
    for command in ("diagnose", "check", "trace", "kubectl"):
        for one in cli.cli.get_command(click.Context(cli.cli), command).params:
            for name in (opt.removeprefix("--") for opt in one.opts if opt.startswith("--")):
                if name in {
                    "output",
                    "metrics",
                    "write-baseline",
                    "save",
                    "kubectl",
                    "kubeconfig",
                    "context",
                    "exit-zero",
                }:
                    own(f"{name} = 'x'\n")
                    (told,) = faults()
                    assert f"logscan.toml: {name}: cannot be set: " in told
    written = {"file", "files", "directories"}
    assert {name for name, key in config.KEYS.items() if key.kind in written} == {
        "baseline", "ignore-file", "rules", "exports", "storageclass",
    }  # fmt: skip


@pytest.mark.parametrize("key", ["baseline", "ignore-file", "rules", "exports", "storageclass"])
@pytest.mark.parametrize("path", ["../secret", "sub/../../secret", "link", "link/x", "/etc/hosts", "/"])
def test_it_reads_nothing_outside_of_its_directory(key, path):
    Path("../secret").mkdir()
    Path("../secret/x").touch()
    Path("link").symlink_to("../secret")
    text = f"'{path}'"
    own(f"{key} = {text if config.KEYS[key].kind == 'file' else f'[{text}]'}\n")

    (told,) = faults()
    assert "leaves the configuration file's directory" in told or "is absolute" in told


# ---------------------------------------------------------------- the table


def test_the_keys_are_options_of_their_commands_with_the_same_defaults():
    for name, key in config.KEYS.items():
        for command in key.commands:
            if command not in cli.COMMANDS:
                continue
            params = {one.name: one for one in cli.cli.get_command(click.Context(cli.cli), command).params}
            option = params[key.parameter]
            assert f"--{name}" in option.opts, (name, command)
            if isinstance(option.type, click.Choice):
                assert set(option.type.choices) == set(key.choices), (name, command)
            given = option.to_info_dict()["default"]
            assert (given or None) == (key.default or None), (name, command)


def test_the_manual_lists_the_keys():
    rows = re.findall(r"^\| `([\w-]+)` \| .* \| ([\w, ]+) \| (.+) \|$", PAGE, re.MULTILINE)

    assert rows == [(name, ", ".join(key.commands), key.meaning) for name, key in config.KEYS.items()]
    for name, key in config.KEYS.items():
        if name != "format":
            row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{name}` |"))
            assert all(f"`{choice}`" in row for choice in key.choices)


def test_the_example_of_the_manual_is_read():
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert example
    Path("ci/rules").mkdir(parents=True)
    own(example[1])

    found = config.read(Path("logscan.toml"))
    assert found["max"].value == ["mount-timeout=3"]
    assert found["rules"].value == ["ci/rules"]
