"""The GitHub action, the GitLab job, the hook for rule repositories, and the example of the manual: as they will be run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

HERE = Path(__file__).parent
ROOT = HERE.parent
SAMPLES = ROOT / "samples"
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
GITLAB = yaml.safe_load((ROOT / "ci" / "logscan.gitlab-ci.yml").read_text(encoding="utf-8"))
WORKFLOW, GITLAB_EXAMPLE, HOOKS_EXAMPLE = (
    yaml.safe_load(block)
    for block in re.findall(r"```yaml\n(.*?)```", PAGE[PAGE.index("## GitHub Actions") :], re.DOTALL)
)
WORDS = 'it\'s "a" $(touch pwned) `touch pwned`; touch pwned & | > pwned ${IFS} \\ * ~ %0A ::error::x -- --exit-zero'


def schema(name: str) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads((HERE / "schemas" / name).read_text(encoding="utf-8")))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A checkout with logs, and a logscan on the PATH."""
    (tmp_path / "work").mkdir()
    (tmp_path / "bin").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("logs").mkdir()
    Path("logs/nfs.log").write_bytes((SAMPLES / "readonly-share.log").read_bytes())
    program = (
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom logscan.cli import main\nmain()\n"
    )
    executable(tmp_path / "bin/logscan", program)


def executable(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def recorder(path: Path) -> None:
    """A program that writes its arguments to PATH.args, one after another, NUL between them."""
    executable(path, f"#!/bin/sh\nprintf '%s\\0' \"$@\" > {shlex.quote(str(path))}.args\n")


def recorded(path: Path) -> list[str]:
    return path.with_name(f"{path.name}.args").read_bytes().decode().split("\0")[:-1]


# ---------------------------------------------------------------- GitHub


def evaluated(text: str, inputs: dict[str, str], outputs: dict[str, str]) -> str:
    """What a runner makes of the expressions that the action has."""

    def value(found: re.Match[str]) -> str:
        for part in found[1].split("||"):
            word = part.strip()
            if word.startswith("'"):
                said = word.strip("'")
            elif word.startswith("inputs."):
                said = inputs[word.removeprefix("inputs.")]
            else:
                said = outputs.get(word, "")
            if said:
                return said
        return ""

    return re.sub(r"\$\{\{(.*?)\}\}", value, text)


def act(*names: str, **given: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Run steps of the action as a runner does; returns the last one, and all outputs."""
    home = Path.cwd().parent
    inputs = {name: str(one.get("default", "")) for name, one in ACTION["inputs"].items()}
    inputs |= {name.replace("_", "-"): text for name, text in given.items()}
    outputs: dict[str, str] = {}
    for name in names:
        step = STEPS[name]
        files = {
            variable: home / variable.lower() for variable in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
        }
        for file in (files["GITHUB_OUTPUT"], files["GITHUB_PATH"]):
            file.write_text("")
        script = home / "step.sh"
        script.write_text(step["run"], encoding="utf-8")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            env={
                "PATH": f"{home / 'bin'}:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8", "GITHUB_ACTIONS": "true",
                "RUNNER_TEMP": str(home), "GITHUB_ACTION_PATH": str(home / "action"),
                **{variable: str(file) for variable, file in files.items()},
                **{key: evaluated(text, inputs, outputs) for key, text in step.get("env", {}).items()},
            },
            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        for line in files["GITHUB_OUTPUT"].read_text().splitlines():
            key, _, said = line.partition("=")
            outputs[f"steps.{step.get('id')}.outputs.{key}"] = said
        assert "set-output" not in done.stdout
    return done, outputs


def test_the_action_is_one_by_the_schema_and_its_inputs_are_told():
    schema("github-action.json").validate(ACTION)
    table = PAGE[PAGE.index("## GitHub Actions") : PAGE.index("### A whole example")]
    told = {
        name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`([\w-]+)`", row)
    }
    assert told == set(ACTION["inputs"])
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    assert {name for name in ACTION["inputs"] if f"inputs.{name}" in text} == set(ACTION["inputs"])


def test_no_expression_becomes_part_of_a_script():
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        assert ("run" in step) == ("shell" in step)
        # Configuration takes all that begins so for a key.
        assert not [key for key in step.get("env", {}) if key.startswith(("LOGSCAN_", "GITHUB_"))]


def test_the_action_checks_reports_and_fails_last():
    done, outputs = act("Check", files="logs", fail_on="error")

    assert done.returncode == 0, done.stderr
    assert outputs == {"steps.check.outputs.status": "1", "steps.check.outputs.verdict": "error"}
    assert "check failed: --fail-on error" in done.stderr
    assert "::error file=logs/nfs.log,line=" in done.stdout
    assert "::group::logscan: error\nERROR: 1 problem (wrong-share-path)" in done.stdout
    assert done.stdout.endswith("::endgroup::\n")
    assert "**Check failed**" in (Path.cwd().parent / "github_step_summary").read_text()
    reports = Path("logscan-reports")
    assert {one.name for one in reports.iterdir()} == {
        f"logscan.{ending}" for ending in ("json", "sarif", "xml", "md", "html")
    }
    assert json.loads((reports / "logscan.sarif").read_text())["version"] == "2.1.0"
    done, _ = act("Check", "Outcome", files="logs", fail_on="error")
    assert done.returncode == 1
    done, _ = act("Check", "Outcome", files="logs", expect="create-mkdir-rofs", annotations="false", summary="false")
    assert (done.returncode, done.stdout) == (0, "")


def test_what_cannot_be_checked_fails_with_its_status():
    done, outputs = act("Check", files="nowhere\nlogs")
    assert (outputs["steps.check.outputs.status"], outputs["steps.check.outputs.verdict"]) == ("3", "error")
    # The report of an earlier step is not taken for this one's.
    for given in ({"files": "logs", "forbid": "no-such-rule"}, {"files": " \n "}):
        done, outputs = act("Check", **given)
        assert outputs == {"steps.check.outputs.status": "2", "steps.check.outputs.verdict": ""}
        assert "logscan: error: " in done.stderr
        assert act("Check", "Outcome", **given)[0].returncode == 2


def test_an_input_is_an_argument_whatever_it_says():
    program = Path.cwd().parent / "bin/logscan"
    recorder(program)
    lines = {
        "expect": f"a\n\n  {WORDS}  \n-b", "files": f"logs\n{WORDS}\n--exit-zero", "max": "x=1\r\ny=2", "fail_on": WORDS,
        "severity": WORDS, "baseline": WORDS, "ignore_file": WORDS, "min_parsed": WORDS, "rules": WORDS, "exports": WORDS,
        "forbid": WORDS, "allow_empty": WORDS, "trust_repository": WORDS, "annotations": WORDS, "summary": WORDS,
    }  # fmt: skip
    done, outputs = act("Check", **lines)

    assert done.returncode == 0, done.stderr
    assert outputs["steps.check.outputs.status"] == "0"
    assert recorded(program) == [
        "check", f"--fail-on={WORDS}", f"--severity={WORDS}", "--expect=a", f"--expect={WORDS}", "--expect=-b",
        f"--forbid={WORDS}", "--max=x=1", "--max=y=2", f"--min-parsed={WORDS}", f"--baseline={WORDS}",
        f"--ignore-file={WORDS}", f"--rules={WORDS}", f"--exports={WORDS}", "--no-config", "--no-ignore",
        *(f"--output={kind}=logscan-reports/logscan.{ending}" for kind, ending in (
            ("json", "json"), ("sarif", "sarif"), ("junit", "xml"), ("markdown", "md"), ("html", "html"))),
        "--", "logs", WORDS, "--exit-zero",
    ]  # fmt: skip
    act("Check", files="logs", reports=WORDS.replace("/", ""))
    assert not [path for path in Path.cwd().parent.rglob("pwned") if path.is_file()]


def test_the_action_installs_what_is_locked_and_uses_it():
    home = Path.cwd().parent
    # A python3 whose virtual environment has a python that writes down what it is asked.
    executable(
        home / "bin/python3",
        '#!/bin/sh\n[ "$1 $2" = "-m venv" ] || exit 9\nmkdir -p "$3/bin"\n'
        'printf \'#!/bin/sh\\necho "$@" >> "$0.asked"\\n\' > "$3/bin/python"\nchmod +x "$3/bin/python"\n',
    )
    done, outputs = act("Install logscan", files="logs")

    assert done.returncode == 0, done.stderr
    asked = (home / "logscan-venv/bin/python.asked").read_text().splitlines()
    assert [line.partition(" install ")[2] for line in asked] == [
        f"--require-hashes --requirement {home}/action/requirements.lock", f"--no-deps {home}/action",
    ]  # fmt: skip
    assert outputs == {"steps.install.outputs.program": f"{home}/logscan-venv/bin/logscan"}
    recorder(home / "logscan-venv/bin/logscan")
    act("Install logscan", "Check", files="logs")
    assert recorded(home / "logscan-venv/bin/logscan")[0] == "check"
    assert (ROOT / "requirements.lock").read_text().count("--hash=sha256:") > 50


# ---------------------------------------------------------------- the example


def test_the_example_is_a_workflow_by_the_schema_and_gives_what_the_action_takes():
    pinned = json.loads(json.dumps(WORKFLOW).replace("OWNER/logscan@COMMIT", f"owner/logscan@{'0' * 40}"))
    pinned["on"] = pinned.pop("true", None)  # YAML 1.1 takes the key for a boolean
    schema("github-workflow.json").validate(pinned)
    (step,) = [step for step in WORKFLOW["jobs"]["nfs"]["steps"] if "logscan" in step.get("uses", "")]
    assert set(step["with"]) <= set(ACTION["inputs"])
    for other in WORKFLOW["jobs"]["nfs"]["steps"]:
        assert "${{" not in other.get("run", "")


def test_the_example_captures_the_logs_of_all_containers_and_they_are_understood(tmp_path):
    log = (SAMPLES / "readonly-share.log").read_text()
    stamped = "".join(
        f"[pod/csi-nfs-controller-0/nfs] 2026-07-20T09:53:{second:02}.000000000Z {line}\n"
        for second, line in enumerate(log.splitlines())
    )
    (tmp_path / "fake").mkdir()
    Path("stamped").write_text(stamped)
    answers = {
        "*get pods*=csi-nfs-controller *": "echo csi-nfs-controller-0 csi-provisioner nfs",
        "*get pods*=csi-nfs-node *": "echo csi-nfs-node-x liveness-probe nfs",
        "*logs csi-nfs-controller-0 --container nfs --prefix --timestamps": f"cat {Path('stamped').resolve()}",
        "*logs csi-nfs-controller-0 --container csi-provisioner --prefix --timestamps": f"cat {SAMPLES / 'provisioner.log'}",
        "*logs csi-nfs-node-x --container nfs --prefix --timestamps --previous": f"cat {SAMPLES / 'healthy-node.log'}",
        "get events --all-namespaces": f"cat {SAMPLES / 'events.txt'}",
        "get storageclasses,persistentvolumes --output yaml": f"cat {SAMPLES / 'readonly-share.storageclass.yaml'}",
        "get persistentvolumeclaims --all-namespaces --output yaml": "echo 'apiVersion: v1\nkind: List\nitems: []'",
        "*": "echo 'container is waiting to start' >&2; exit 1",
    }
    cases = "\n".join(f"{pattern.replace(' ', chr(92) + ' ')}) {command};;" for pattern, command in answers.items())
    executable(tmp_path / "fake/kubectl", f'#!/bin/sh\ncase "$*" in\n{cases}\nesac\n')
    executable(tmp_path / "fake/kind", "#!/bin/sh\necho e2e-worker\n")
    executable(
        tmp_path / "fake/docker", f'#!/bin/sh\n[ "$2" = e2e-worker ] && cat {SAMPLES / "driver-not-registered.log"}\n'
    )
    (step,) = [step for step in WORKFLOW["jobs"]["nfs"]["steps"] if step.get("name") == "Capture the logs"]
    Path("logs/nfs.log").unlink()
    environ = {"PATH": f"{tmp_path / 'fake'}:/usr/bin:/bin", "CLUSTER": "e2e"}
    subprocess.run(["bash", "-eo", "pipefail", "-c", step["run"]], env=environ, check=True, capture_output=True)

    assert {path.name for path in Path("logs").iterdir()} == {
        "csi-nfs-controller-0.nfs.log", "csi-nfs-controller-0.csi-provisioner.log", "csi-nfs-node-x.nfs.previous.log",
        "events.txt", "volumes.yaml", "claims.yaml", "e2e-worker.kubelet.log",
    }  # fmt: skip
    _, outputs = act("Check", files="logs", expect="create-mkdir-rofs")
    assert outputs["steps.check.outputs.verdict"] == "error"
    report = json.loads(Path("logscan-reports/logscan.json").read_text())
    (found,) = [one for one in report["diagnoses"] if one["id"] == "create-mkdir-rofs"]
    assert found["category"] == "wrong-share-path"
    assert found["evidence"][0]["input"] == "logs/csi-nfs-controller-0.nfs.log"
    assert report["errors"] == []
    assert {"csi-nfs-controller-0/nfs"} <= {pod for one in report["inputs"] for pod in one["pods"]}


# ---------------------------------------------------------------- GitLab, pre-commit


def test_the_gitlab_job_is_one_by_the_schema_and_so_is_its_example():
    validator = schema("gitlab-ci.json")
    validator.validate(GITLAB)
    validator.validate(GITLAB_EXAMPLE)
    assert GITLAB_EXAMPLE["nfs-logs"]["extends"] in GITLAB
    assert not [key for key in GITLAB[".logscan-check"]["variables"] if key.startswith("LOGSCAN_")]


@pytest.mark.parametrize("logs", ["logs", "log*", "$(touch pwned); touch pwned"])
def test_the_gitlab_job_checks_and_leaves_its_reports(logs):
    job: dict[str, Any] = GITLAB[".logscan-check"]
    variables = {**job["variables"], "CHECK_LOGS": logs, "CHECK_PACKAGE": "", "LOGSCAN_FORBID": "create-mkdir-rofs"}
    done = subprocess.run(
        ["sh", "-e"], input="\n".join([*job["before_script"], *job["script"]]), text=True, capture_output=True, check=False,
        env={"PATH": f"{Path.cwd().parent / 'bin'}:/usr/bin:/bin", **variables},
    )  # fmt: skip

    assert done.returncode == (1 if logs.startswith("log") else 3), done.stderr
    assert not Path("pwned").exists()
    kept = {one.name for one in Path("logscan-reports").iterdir()}
    assert kept == {"code-quality.json", "junit.xml", "logscan.sarif", "logscan.json", "logscan.html"}
    for path in job["artifacts"]["reports"].values():
        assert path.replace("$CHECK_REPORTS/", "") in kept
    if logs.startswith("log"):
        assert "ERROR: 1 problem" in done.stdout
        assert "check failed: --forbid create-mkdir-rofs" in done.stderr


def test_the_hook_lints_the_rules_of_a_repository():
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert set(hook) <= {"id", "name", "description", "entry", "args", "language", "files", "pass_filenames"}
    (named,) = HOOKS_EXAMPLE["repos"][0]["hooks"]
    assert (named["id"], hook["language"], hook["pass_filenames"]) == (hook["id"], "python", False)
    assert re.search(hook["files"], "rules/odd.yaml")
    assert not re.search(hook["files"], "README.md")

    command = [str(Path.cwd().parent / "bin" / "logscan"), *shlex.split(hook["entry"])[1:], *hook["args"]]
    environ = {"PATH": os.environ["PATH"], "COLUMNS": "200"}
    assert subprocess.run(command, capture_output=True, check=False, env=environ).returncode == 2  # no such directory
    Path("rules").mkdir()
    Path("rules/odd.yaml").write_text("id: odd\ntitel: x\n")
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert done.returncode == 1
    assert 'rules/odd.yaml:2:1  error  unknown key "titel"' in done.stdout
