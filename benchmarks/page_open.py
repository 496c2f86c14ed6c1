"""Show how soon the HTML report of many findings is there to be used.

usage: python -m benchmarks.page_open [FINDINGS...]

For each number: makes a report of so many findings of differing shares, volumes and evidence, writes
it as HTML, and opens it in Chromium five times; prints the file's size, seconds to write it, and
the median of seconds until it is loaded, drawn and answers a filter.
"""

from __future__ import annotations

import io
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from selenium import webdriver

from logscan import rules, scan, sources
from logscan.model import Report
from logscan.report import html

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--window-size=1280,900")  # fmt: skip
DRAWN = "requestAnimationFrame(() => setTimeout(() => arguments[arguments.length - 1](performance.now()), 0))"
FILTER = "const field = document.getElementById('f-text'); field.value = 'share-77'; const start = performance.now();"
FILTER += "field.dispatchEvent(new Event('input', {bubbles: true})); document.body.offsetHeight; return performance.now() - start"


def report_of(findings: int) -> Report:
    """A real report, its findings repeated under other names."""
    scanner = scan.Scanner(rules.load())
    for source in sources.open_sources([str(path) for path in sorted(SAMPLES.glob("*.log"))], io.BytesIO()):
        scanner.read(source)
    real = scanner.report()
    many = []
    for number in range(findings):
        one = real.diagnoses[number % len(real.diagnoses)]
        volumes = tuple(replace(ref, name=f"pvc-{number:06}", share=f"/share-{number}") for ref in one.volumes)
        evidence = tuple(replace(item, line=item.line + number) for item in one.evidence)
        many.append(replace(one, cause=f"{one.cause} (/share-{number})", volumes=volumes, evidence=evidence))
    return replace(real, diagnoses=tuple(many))


def opened(path: Path) -> tuple[float, float, float]:
    """Seconds until the page is loaded, until it is drawn, and that a filter takes."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            driver.get(path.as_uri())
            drawn = driver.execute_async_script(DRAWN)
            loaded = driver.execute_script("return performance.getEntriesByType('navigation')[0].loadEventEnd")
            return loaded / 1e3, drawn / 1e3, driver.execute_script(FILTER) / 1e3
        finally:
            driver.quit()


def main() -> None:
    """Print a row a number of findings."""
    print("| findings | MB | written, s | loaded, s | drawn, s | filter, s |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for findings in map(int, sys.argv[1:] or ["100", "1000", "10000"]):
        report = report_of(findings)
        out, start = io.StringIO(), time.perf_counter()
        html.write(report, out)
        written = time.perf_counter() - start
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "report.html"
            path.write_text(out.getvalue(), encoding="utf-8")
            times = [statistics.median(column) for column in zip(*(opened(path) for _ in range(5)), strict=True)]
            row = (
                f"{findings:,}",
                f"{path.stat().st_size / 1e6:.1f}",
                f"{written:.2f}",
                *(f"{one:.2f}" for one in times),
            )
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
