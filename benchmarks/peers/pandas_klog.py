"""usage: python pandas_klog.py LOG OUT.parquet SIGNATURES: what people write in notebooks; the whole log is in memory."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pandas as pd

warnings.simplefilter("ignore")
HEADER = r"^(?P<sev>[IWEF])(?P<ts>\d{4} \d\d:\d\d:\d\d\.\d{6}) +(?P<tid>\d+) (?P<file>[^:\]]+):(?P<srcline>\d+)\] (?P<msg>.*)$"

log, out, signatures = sys.argv[1:4]
lines = pd.Series(Path(log).read_text(encoding="utf-8", errors="replace").split("\n"), dtype="string[pyarrow]")
fields = lines.str.extract(HEADER)
fields["lineno"] = range(1, len(lines) + 1)
record = fields["sev"].notna().cumsum()
frame = fields[fields["sev"].notna()].copy()
frame["raw"] = lines.groupby(record).agg("\n".join).loc[1:].to_numpy()
frame.to_parquet(out)
print("records", len(frame))
for line in Path(signatures).read_text(encoding="utf-8").splitlines():
    name, _, pattern = line.split("\t", 2)
    print(name, int(frame["raw"].str.contains(pattern, regex=True).sum()))
