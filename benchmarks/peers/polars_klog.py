"""usage: python polars_klog.py LOG OUT.parquet SIGNATURES: klog to a table of records with polars, then counts by signature."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

HEADER = r"^(?P<sev>[IWEF])(?P<ts>\d{4} \d\d:\d\d:\d\d\.\d{6}) +(?P<tid>\d+) (?P<file>[^:\]]+):(?P<srcline>\d+)\] (?P<msg>.*)$"
OPENS = r"^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ [^:\]]+:\d+\] "

log, out, signatures = sys.argv[1:4]
lines = pl.scan_csv(log, has_header=False, new_columns=["line"], separator="\x01", quote_char=None, infer_schema=False)
lines = lines.with_row_index("n", offset=1).with_columns(h=pl.col("line").fill_null("").str.contains(OPENS))
records = (
    lines.with_columns(rec=pl.col("h").cum_sum())
    .filter(pl.col("rec") > 0)
    .group_by("rec", maintain_order=True)
    .agg(
        lineno=pl.col("n").first(),
        nlines=pl.len(),
        first=pl.col("line").first(),
        raw=pl.col("line").fill_null("").str.join("\n"),
    )
)
frame = records.with_columns(pl.col("first").str.extract_groups(HEADER).alias("k")).unnest("k").collect()
frame.drop("first").write_parquet(out)
print("records", frame.height)
for line in Path(signatures).read_text(encoding="utf-8").splitlines():
    name, _, pattern = line.split("\t", 2)
    print(name, frame.filter(pl.col("raw").str.contains(pattern)).height)
