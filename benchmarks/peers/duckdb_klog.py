"""usage: python duckdb_klog.py LOG OUT.parquet SIGNATURES: klog to a table of records with DuckDB, then counts by signature."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

log, out, signatures = sys.argv[1:4]
db = duckdb.connect()
# One reader, as the order of lines is what records are made of.
db.execute(
    """
    CREATE TABLE lines AS SELECT row_number() OVER () AS n, line
    FROM read_csv(?, columns={'line': 'VARCHAR'}, delim='\x01', quote='', escape='', header=false, auto_detect=false,
                  null_padding=true, parallel=false, strict_mode=false, max_line_size=4000000)
    """,
    [log],
)
db.execute(r"""
    CREATE TABLE h AS SELECT n, line, sum(CASE WHEN regexp_matches(
        line, '^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ [^:\]]+:\d+\] ') THEN 1 ELSE 0 END) OVER (ORDER BY n) AS rec FROM lines
""")
db.execute(r"""
    CREATE TABLE records AS SELECT min(n) AS lineno, count(*) AS nlines, regexp_extract(first(line ORDER BY n),
        '^([IWEF])(\d{4} \d\d:\d\d:\d\d\.\d{6}) +(\d+) ([^:\]]+):(\d+)\] (.*)$', ['sev', 'ts', 'tid', 'file', 'srcline', 'msg']) AS k,
        string_agg(line, chr(10) ORDER BY n) AS raw FROM h WHERE rec > 0 GROUP BY rec
""")
db.execute(f"COPY (SELECT lineno, nlines, k.*, raw FROM records ORDER BY lineno) TO '{out}' (FORMAT parquet)")
print("records", db.execute("SELECT count(*) FROM records").fetchone()[0])  # type: ignore[index]
for line in Path(signatures).read_text(encoding="utf-8").splitlines():
    name, _, pattern = line.split("\t", 2)
    print(name, db.execute("SELECT count(*) FROM records WHERE regexp_matches(raw, ?)", [pattern]).fetchone()[0])  # type: ignore[index]
