"""The lock files hold what pyproject.toml asks for, on every Python and system that it promises."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = [text for texts in PROJECT["optional-dependencies"].values() for text in texts]
LOCKS = {"requirements.lock": PROJECT["dependencies"], "requirements-dev.lock": [*PROJECT["dependencies"], *EXTRAS]}
SYSTEMS = {"linux": ("posix", "Linux"), "darwin": ("posix", "Darwin"), "win32": ("nt", "Windows")}


def locked(name: str) -> list[tuple[Requirement, int]]:
    """The entries of a lock, each with the number of its hashes."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.split("--hash=") for line in text.splitlines() if line and not line.startswith("#")]
    return [(Requirement(line[0]), len(line) - 1) for line in lines]


def environments() -> list[dict[str, str]]:
    """What markers are held against: CPython of each minor version that is promised, on each system."""
    versions = re.findall(r"Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
    assert len(versions) >= 3
    return [
        {
            **default_environment(),
            "python_version": version,
            "python_full_version": f"{version}.9",
            "sys_platform": system,
            "os_name": os_name,
            "platform_system": platform,
        }
        for version in versions
        for system, (os_name, platform) in SYSTEMS.items()
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_the_project_asks_for(name):
    entries = [requirement for requirement, _ in locked(name)]
    for environment in environments():
        versions = {
            canonicalize_name(one.name): next(iter(one.specifier)).version
            for one in entries
            if one.marker is None or one.marker.evaluate(environment)
        }
        for text in LOCKS[name]:
            wanted = Requirement(text)
            if canonicalize_name(wanted.name) == "logscan":
                continue  # one extra that holds another
            if wanted.marker is not None and not wanted.marker.evaluate(environment):
                continue
            version = versions.get(canonicalize_name(wanted.name))
            assert version is not None, f"{name} lacks {wanted}: run packaging/lock"
            assert wanted.specifier.contains(version), f"{name} has {version} for {wanted}: run packaging/lock"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_by_hash_and_names_no_registry(name):
    entries = locked(name)
    assert len(entries) >= len(LOCKS[name])
    for requirement, hashes in entries:
        assert [one.operator for one in requirement.specifier] == ["=="], requirement
        assert hashes, requirement
        assert requirement.url is None
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"^\s*-", (ROOT / name).read_text(encoding="utf-8").replace("    --hash", ""), re.MULTILINE)


def test_what_runs_is_what_was_tested():
    """Each version that is needed to run is one of the development lock."""
    runs, tested = (
        {(one.name, str(one.specifier)) for one, _ in locked(name)}
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert runs
    assert runs <= tested
