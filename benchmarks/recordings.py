"""Hold the tool against recordings of the real driver and print where it differs from the truth.

usage: python -m benchmarks.recordings [DIRECTORY]

DIRECTORY holds one folder a scenario (see tests/recordings/README.md).  Prints a
row each: verdict and category that come first, failing volumes that were missed,
healthy or recovered ones that were accused, failed calls, version, claims.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from logscan import rules, sources
from logscan.model import Report, Severity
from logscan.scan import Options, Scanner

RECORDINGS = Path(__file__).parent.parent / "tests" / "recordings"


@dataclass(frozen=True)
class Outcome:
    """One scenario: what the report says beside what was so."""

    name: str
    report: Report
    categories: list[str]
    missed: set[str]
    accused: set[str]
    failed: int
    failed_truth: int
    version: str | None
    version_truth: str
    claims_wrong: dict[str, str]
    unrecognised: int


def check(folder: Path, loaded: rules.RuleSet) -> Outcome:
    """Diagnose the two logs of one scenario and compare with its ``truth.yaml``."""
    truth = yaml.safe_load((folder / "truth.yaml").read_text())
    scanner = Scanner(loaded, Options(year=2026))
    logs = [str(path) for name in ("controller.log", "node.log") if (path := folder / name).stat().st_size]
    for source in sources.open_sources(logs):
        scanner.read(source)
    report = scanner.report()
    real = [one for one in report.diagnoses if one.severity > Severity.INFO and not one.recovered]
    named = {volume.name: f"{volume.namespace}/{volume.pvc}" for one in real for volume in one.volumes}
    failing = set(truth["failing_volumes"])
    claims = truth["pvc_of_volume"]
    versions = [one.driver_version for one in report.inputs if one.driver_version]
    return Outcome(
        folder.name,
        report,
        [one.category for one in real],
        failing - set(named),
        set(named) - failing,
        report.calls.failed,
        truth["failed_calls"],
        versions[0] if versions else None,
        truth["driver_version"],
        {name: claim for name, claim in named.items() if claim != "/" and claims.get(name) not in {claim, None}},
        report.counts.unrecognised,
    )


def main() -> None:
    """Print the table."""
    base = Path(sys.argv[1]) if len(sys.argv) > 1 else RECORDINGS
    loaded = rules.load()
    for folder in sorted(path.parent for path in base.glob("*/truth.yaml")):
        one = check(folder, loaded)
        faults = []
        if one.missed:
            faults.append(f"missed {len(one.missed)}")
        if one.accused:
            faults.append(f"accused {len(one.accused)}")
        if one.failed != one.failed_truth:
            faults.append(f"failed calls {one.failed} of {one.failed_truth}")
        if one.version != one.version_truth:
            faults.append(f"version {one.version} not {one.version_truth}")
        if one.claims_wrong:
            faults.append(f"claims {one.claims_wrong}")
        if one.unrecognised:
            faults.append(f"unrecognised {one.unrecognised}")
        categories = ", ".join(one.categories) or "-"
        print(f"{one.name:34} {one.report.verdict:20} {categories:60} {'; '.join(faults) or 'ok'}")


if __name__ == "__main__":
    main()
