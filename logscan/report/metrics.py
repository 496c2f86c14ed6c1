"""Figures of a report in the text format of Prometheus, for the textfile collector of node_exporter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TextIO

from logscan.model import Report

VERDICTS = ("healthy", "info", "warning", "error", "not-enough-evidence")

Sample = tuple[dict[str, str], float]


class Metrics:
    """Writes reports on one log that grows; a counter of it never goes back.

    A report on a log that goes on may take back what it counted: the last record, say, once its next line has come.
    """

    def __init__(self) -> None:
        self._highest: dict[str, float] = {}

    def write(self, report: Report, out: TextIO) -> None:
        """Write all figures of *report* to *out*, each with its HELP and TYPE."""
        for name, kind, help_, samples in self._families(report):
            out.write(f"# HELP {name} {help_}\n# TYPE {name} {kind}\n")
            for labels, value in samples:
                if kind == "counter":
                    value = self._highest[name] = max(value, self._highest.get(name, 0))  # noqa: PLW2901
                inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
                out.write(f"{name}{{{inside}}} {_number(value)}\n" if inside else f"{name} {_number(value)}\n")

    @staticmethod
    def _families(report: Report) -> Iterable[tuple[str, str, str, list[Sample]]]:
        yield (
            "logscan_build_info",
            "gauge",
            "Always 1; the version of logscan is a label.",
            [({"version": report.version}, 1)],
        )
        yield (
            "logscan_verdict",
            "gauge",
            "1 for the verdict on all that was read, 0 for the others.",
            [({"verdict": one}, float(one == report.verdict)) for one in VERDICTS],
        )
        findings = Counter((one.category, one.severity.name.lower()) for one in report.diagnoses)
        yield (
            "logscan_findings",
            "gauge",
            "Diagnoses, recovered ones among them, which have severity info.",
            [
                ({"category": category, "severity": severity}, number)
                for (category, severity), number in sorted(findings.items())
            ],
        )
        still = Counter(one.category for one in report.diagnoses if not one.recovered)
        yield "logscan_open_diagnoses", "gauge", "Diagnoses that have not recovered.", [({}, still.total())]
        yield (
            "logscan_affected_volumes",
            "gauge",
            "Volumes of the diagnoses that have not recovered.",
            [({}, len({volume for one in report.diagnoses if not one.recovered for volume in one.volumes}))],
        )
        yield (
            "logscan_unrecognised_records",
            "gauge",
            "Records of severity W, E or F that no rule knows.",
            [({}, report.counts.unrecognised)],
        )
        yield "logscan_hung_calls", "gauge", "gRPC calls of the driver that hang.", [({}, report.calls.hung)]
        yield "logscan_calls_total", "counter", "gRPC calls of the driver.", [({}, report.calls.total)]
        yield (
            "logscan_failed_calls_total",
            "counter",
            "gRPC calls of the driver that failed.",
            [({}, report.calls.failed)],
        )
        yield "logscan_records_total", "counter", "Records read.", [({}, report.counts.records)]
        yield (
            "logscan_unparsed_lines_total",
            "counter",
            "Lines that no grammar of logs knows.",
            [({}, sum(one.unparsed_lines for one in report.inputs))],
        )
        yield "logscan_unreadable_inputs", "gauge", "Inputs that could not be read.", [({}, len(report.errors))]
        times = [one.last_time for one in report.inputs if one.last_time is not None]
        yield (
            "logscan_last_record_timestamp_seconds", "gauge", "Time of the latest record, by its own stamp.",
            [({}, max(times) / 1_000_000)] if times else [],
        )  # fmt: skip


def _escaped(text: str) -> str:
    safe = text.encode("utf-8", "replace").decode()  # a lone surrogate is no UTF-8
    return safe.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.6f}"
