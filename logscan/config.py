"""What a configuration file and the environment say: typed values, each with where it comes from.

A configuration file may come with a repository that a stranger wrote.  It can
choose what is read and judged, and within its own directory alone; it cannot
name a file to write or a program to run, nor make logscan read elsewhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from logscan import filing
from logscan.errors import FaultsError, LogscanError
from logscan.report import WRITERS
from logscan.rulebook.vocabulary import suggest

OWN_FILE = "logscan.toml"
PROJECT_FILE = "pyproject.toml"
PREFIX = "LOGSCAN_"
MAX_BYTES = 1 << 20
OTHERS = frozenset(("LOGSCAN_REDACT_SALT",))  # variables that no file may hold; who needs them reads them
DEFAULT = "default"  # the origin of what nobody has set

_READING = ("diagnose", "check")
_ALL = ("diagnose", "check", "trace", "diff", "kubectl")
_YES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Key:
    """What may be set, and for which commands."""

    kind: str  # choice | text | number | whole | flag | file | directories | files | rules | limits
    parameter: str  # of the commands' functions
    commands: tuple[str, ...]
    meaning: str
    choices: tuple[str, ...] = ()
    low: float = 0
    high: float = 0
    default: Any = None


KEYS: Mapping[str, Key] = {
    "severity": Key(
        "choice", "severity", ("diagnose", "check", "kubectl"), "the least severity of diagnoses that is shown",
        ("info", "warning", "error"), default="info",
    ),
    "fail-on": Key(
        "choice", "fail_on", ("check",), "what fails the check",
        ("error", "warning", "info", "new", "never"), default="error",
    ),
    "expect": Key("rules", "expected", ("check",), "rules that must appear", default=()),
    "forbid": Key("rules", "forbidden", ("check",), "rules that must not appear", default=()),
    "max": Key("limits", "most", ("check",), "how often rules may appear", default=()),
    "min-parsed": Key("number", "min_parsed", ("check",), "the percentage of lines of a known form", low=0, high=100),
    "baseline": Key("file", "baseline", ("check",), "a JSON report; what it has is known"),
    "ignore-file": Key("file", "ignore_file", ("check",), "what to ignore, instead of .logscan-ignore.yaml"),
    "allow-empty": Key("flag", "allow_empty", ("check",), "whether an input may be empty", default=False),
    "format": Key(
        "choice", "format_", _READING, "the format where neither an option nor a file's ending says it",
        tuple(WRITERS),
    ),
    "rules": Key("directories", "rule_dirs", _ALL, "directories with more rules", default=()),
    "exports": Key("files", "exports", (*_READING, "diff"), "the NFS server's exports, or a listing of them", default=()),
    "storageclass": Key("files", "manifests", (*_READING, "diff"), "StorageClasses, volumes or claims", default=()),
    "client": Key("text", "client", (*_READING, "diff"), "the nodes' address as the NFS server sees it"),
    "year": Key("whole", "year", (*_READING, "trace", "diff"), "year of klog's stamps", low=1970, high=9999),
    "tz": Key("text", "tz", (*_READING, "trace", "diff"), "time zone of klog's stamps"),
    "jobs": Key("whole", "jobs", (*_READING, "diff"), "processes for large or many files", low=1, high=256),
    "redact": Key("flag", "redact", ("diagnose", "check", "trace", "diff", "kubectl"), "whether what is written is redacted", default=False),
    "color": Key("choice", "color", _ALL, "when to use colours", ("auto", "always", "never"), default="auto"),
    "width": Key("whole", "width", _ALL, "columns of the text", low=20, high=1000),
}  # fmt: skip

# Options that would let a repository write files, run programs or unmake the check.
REFUSED: Mapping[str, str] = {
    "output": "a configuration file cannot name a file to write",
    "metrics": "a configuration file cannot name a file to write",
    "write-baseline": "a configuration file cannot name a file to write",
    "save": "a configuration file cannot name a file to write",
    "kubectl": "a configuration file cannot name a program to run",
    "kubeconfig": "a configuration file cannot choose a cluster",
    "context": "a configuration file cannot choose a cluster",
    "exit-zero": "the check would not fail any more, and nothing would show it",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it comes from."""

    value: Any
    origin: str  # "logscan.toml", "pyproject.toml", "LOGSCAN_SEVERITY", DEFAULT


def effective(start: Path | None, environ: Mapping[str, str]) -> dict[str, Setting]:
    """What holds for a run that is started in *start* (None: nowhere), for every key.

    The environment goes before the file, and options before both.

    Raises:
        FaultsError: with all that is wrong in the file, or in the environment.
    """
    found = {name: Setting(key.default, DEFAULT) for name, key in KEYS.items()}
    path = find(start) if start is not None else None
    if path is not None:
        found |= read(path)
    return found | from_environment(environ)


def for_command(settings: Mapping[str, Setting], command: str) -> dict[str, Any]:
    """The values that are set for a command, by the names of its parameters."""
    return {
        key.parameter: settings[name].value
        for name, key in KEYS.items()
        if command in key.commands and settings[name].origin != DEFAULT
    }


# ---------------------------------------------------------------- the file


def find(start: Path) -> Path | None:
    """The configuration file of the nearest directory, *start* or above it, that has one.

    A pyproject.toml that says nothing of logscan is none; beside a logscan.toml it is not asked.
    """
    for directory in (start, *start.parents):
        for name in (OWN_FILE, PROJECT_FILE):
            path = directory / name
            # Only a regular file: reading a pipe that lies there would wait for good.
            if os.path.isfile(path) and (name == OWN_FILE or _speaks_of_us(path)):  # noqa: PTH113 - Path.is_file raises where access is denied
                return path
    return None


def _speaks_of_us(path: Path) -> bool:
    # Most projects' files say nothing of us, and a fault in them is not ours to tell.
    try:
        text = _text(path, _shown(path))
    except LogscanError:
        return False
    if "logscan" not in text:
        return False
    import tomllib

    try:
        tool = tomllib.loads(text).get("tool")
    except (tomllib.TOMLDecodeError, RecursionError):
        # It may be about us: whoever wrote [tool.logscan] must hear of the fault.
        return re.search(r"^\s*\[\s*tool\s*\.\s*\"?logscan\b", text, re.MULTILINE) is not None
    return isinstance(tool, dict) and "logscan" in tool


def read(path: Path) -> dict[str, Setting]:
    """What a configuration file sets.

    Raises:
        FaultsError: with all that is wrong in it, each with its key.
    """
    import tomllib

    shown = _shown(path)
    text = _text(path, shown)
    try:
        table: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        at = re.search(r" \(at line (\d+), column (\d+)\)$", said)
        place = f"{shown}:{at[1]}:{at[2]}" if at else shown
        problem = said[: at.start()] if at else said.removesuffix(" (at end of document)")
        raise LogscanError(place, f"this is no TOML: {problem.lower()}", "see docs/configuration.md") from None
    except RecursionError:
        raise LogscanError(shown, "is nested too deeply for a configuration") from None
    prefix = ""
    if path.name == PROJECT_FILE:
        table, prefix = table.get("tool", {}).get("logscan", {}), "tool.logscan."
    if not isinstance(table, dict):
        raise LogscanError(f"{shown}: tool.logscan", "must be a table", "[tool.logscan]")
    found: dict[str, Setting] = {}
    faults: list[LogscanError] = []
    for name, value in table.items():
        place = f"{shown}: {prefix}{name}"
        if name not in KEYS:
            faults.append(_unknown(place, name))
            continue
        try:
            found[name] = Setting(_Checker(place, KEYS[name], path.parent).value(value), shown)
        except LogscanError as error:
            faults.append(error)
    if faults:
        raise FaultsError(faults)
    return found


def _text(path: Path, shown: str) -> str:
    data = filing.read(path, MAX_BYTES, "configuration", place=shown, missing="--no-config does without it")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LogscanError(shown, f"is no UTF-8 at byte {error.start}", "save it as UTF-8") from None


def _shown(path: Path) -> str:
    try:
        return os.path.relpath(path)
    except OSError:  # the working directory has been removed
        return str(path)


def _unknown(place: str, name: str) -> LogscanError:
    if name in REFUSED:
        return LogscanError(place, f"cannot be set: {REFUSED[name]}", "give it as an option")
    return LogscanError(place, "there is no such key", suggest(name, list(KEYS), "keys"))


# ---------------------------------------------------------------- the environment


def from_environment(environ: Mapping[str, str]) -> dict[str, Setting]:
    """What variables set: LOGSCAN_FAIL_ON is fail-on.  An empty one sets nothing.

    Raises:
        FaultsError: with all variables of ours that mean nothing.
    """
    found: dict[str, Setting] = {}
    faults: list[LogscanError] = []
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        name = variable.removeprefix(PREFIX).lower().replace("_", "-")
        if not environ[variable] or variable in OTHERS:
            continue
        if name not in KEYS or variable != _variable(name):
            known = [_variable(one) for one in KEYS]
            faults.append(
                LogscanError(variable, "there is no such variable", suggest(variable.upper(), known, "variables"))
            )
            continue
        try:
            checker = _Checker(variable, KEYS[name], None)
            found[name] = Setting(checker.value(_typed(environ[variable], KEYS[name])), variable)
        except LogscanError as error:
            faults.append(error)
    if faults:
        raise FaultsError(faults)
    return found


def _variable(name: str) -> str:
    return PREFIX + name.upper().replace("-", "_")


def _typed(text: str, key: Key) -> Any:
    """A variable's text as a file would hold it; as it is where it is not of the key's kind."""
    if key.kind in {"directories", "files"}:
        return [part for part in text.split(os.pathsep) if part]
    if key.kind == "rules":
        return [part.strip() for part in text.split(",") if part.strip()]
    if key.kind == "limits":
        pairs = [part.strip().partition("=") for part in text.split(",") if part.strip()]
        return {rule: int(number) if number.isascii() and number.isdigit() else number for rule, _, number in pairs}
    if key.kind == "flag":
        return _YES.get(text.lower(), text)
    if key.kind in {"whole", "number"}:
        try:
            return int(text) if key.kind == "whole" else float(text)
        except ValueError:
            return text
    return text


# ---------------------------------------------------------------- values


class _Checker:
    """Makes of a value what the commands take.

    Args:
        place: names the key in errors.
        within: the directory that paths are relative to and must not leave; None: the working directory, and they may.
    """

    def __init__(self, place: str, key: Key, within: Path | None) -> None:
        self._place = place
        self._key = key
        self._within = within

    def value(self, value: Any) -> Any:
        """The value for click.

        Raises:
            LogscanError: it is not of the key's kind.
        """
        makers: Mapping[str, Callable[[Any], Any]] = {
            "choice": self._choice, "text": self._text, "whole": self._whole, "number": self._number,
            "flag": self._flag, "file": self._file, "files": self._files, "directories": self._files,
            "rules": self._texts, "limits": self._limits,
        }  # fmt: skip
        return makers[self._key.kind](value)

    def _fault(self, problem: str, advice: str = "") -> LogscanError:
        return LogscanError(self._place, problem, advice)

    def _choice(self, value: Any) -> str:
        choices = self._key.choices
        if not isinstance(value, str) or value not in choices:
            listed = f"one of {', '.join(choices)}"
            near = suggest(value, choices) if isinstance(value, str) else ""
            raise self._fault(f"cannot be {value!r}", near if near.startswith("did you") else listed)
        return value

    def _text(self, value: Any) -> str:
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise self._fault("must be a text")
        return value

    def _whole(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._fault(f"must be a whole number from {self._key.low:g} to {self._key.high:g}")
        return int(self._number(value))

    def _number(self, value: Any) -> float:
        low, high = self._key.low, self._key.high
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise self._fault(f"must be a number from {low:g} to {high:g}")
        return value

    def _flag(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self._fault("must be true or false")
        return value

    def _texts(self, value: Any) -> Sequence[str]:
        if not isinstance(value, list):
            raise self._fault("must be a list of texts", f'such as ["{value}"]' if isinstance(value, str) else "")
        return [self._text(one) for one in value]

    def _limits(self, value: Any) -> Sequence[str]:
        right = isinstance(value, dict) and all(
            isinstance(number, int) and not isinstance(number, bool) and number >= 0 for number in value.values()
        )
        if not right:
            raise self._fault("must be a table of rules and whole numbers", "such as {mount-timeout = 3}")
        return [f"{rule}={number}" for rule, number in value.items()]

    def _file(self, value: Any) -> str:
        return self._path(self._text(value))

    def _files(self, value: Any) -> Sequence[str]:
        paths = [self._path(one) for one in self._texts(value)]
        for given, path in zip(value, paths, strict=True):
            is_there = os.path.isdir if self._key.kind == "directories" else os.path.isfile
            if not is_there(path):
                what = "directory" if self._key.kind == "directories" else "file"
                place = "the working directory" if self._within is None else "the configuration file"
                raise self._fault(f"there is no {what} {given}", f"it is relative to {place}")
        return paths

    def _path(self, value: str) -> str:
        if self._within is None:
            return value
        if Path(value).is_absolute():
            raise self._fault(f"{value} is absolute", "name what lies below the configuration file's directory")
        base = os.path.realpath(self._within)
        target = os.path.realpath(Path(base) / value)
        if os.path.commonpath([base, target]) != base:
            advice = "name what lies below it; an option or a variable may name any place"
            raise self._fault(f"{value} leaves the configuration file's directory", advice)
        return os.path.relpath(target)
