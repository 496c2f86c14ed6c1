"""Runs the build stage of a Dockerfile in a directory, where there is no Docker: rehearse.py DOCKERFILE DIRECTORY.

COPY takes what .dockerignore lets through; /opt stands for DIRECTORY/opt.
"""

from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess
import sys
from pathlib import Path


def steps(text: str) -> list[tuple[str, str]]:
    """(instruction, rest) of the first stage, continued lines joined, without comments."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines()
    found = [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in joined]
    stages = [number for number, (name, _) in enumerate(found) if name == "FROM"]
    return found[stages[0] + 1 : stages[1]]


def context(ignored: list[str]) -> tuple[set[str], list[str]]:
    """What of the top level is let through, and patterns of what below it is not."""
    let = {line[1:] for line in ignored if line.startswith("!")}
    return let, [line.removeprefix("**/") for line in ignored if line[0] not in "!#*" or line.startswith("**/")]


def main(dockerfile: Path, directory: Path) -> None:
    """Run the steps; the first that fails ends it."""
    lines = [line for line in Path(".dockerignore").read_text(encoding="utf-8").splitlines() if line]
    let, out = context(lines)
    src = directory / "src"
    src.mkdir(parents=True)
    for instruction, rest in steps(dockerfile.read_text(encoding="utf-8")):
        if instruction == "COPY":
            *names, target = rest.split()
            for name in names:
                if name.rstrip("/") not in let:
                    raise SystemExit(f"COPY {name}: .dockerignore keeps it out")
                if Path(name).is_dir():
                    shutil.copytree(name, src / target, ignore=lambda at, found: {
                        one for one in found if any(fnmatch.fnmatch(one, p) or f"{at}/{one}" == p for p in out)
                    })  # fmt: skip
                else:
                    shutil.copy(name, src / target)
        elif instruction == "RUN":
            command = rest.replace("/opt/", f"{directory}/opt/")
            subprocess.run(["/bin/sh", "-euxc", command], cwd=src, check=True)
        elif instruction != "WORKDIR":
            raise SystemExit(f"{instruction} is not known here")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).resolve())
