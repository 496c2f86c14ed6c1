"""Re-creates exportfs.json: asks the real exportfs about every exports file in it.

    apt-get download nfs-kernel-server nfs-common …      # unpack with dpkg -x into ROOT, add the libraries that ldd names
    sudo python tests/record_exportfs.py ROOT

exportfs runs in a chroot of ROOT, where no kernel server is needed.  Its line
numbers are left out: it does not count the lines of comments.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

DIRECTORIES = ("srv/a", "srv/b", "srv/c", "srv/a b", "home/ubuntu/nfs", "var/lib/nfs")
SAID = (
    r"exportfs: (?:/etc/exports: ?\d+: )?((?:syntax error|unknown |bad |expected |Invalid |Failed to resolve )[^\n]*)"
)


def ask(root: Path, text: str) -> dict[str, object]:
    """What exportfs makes of an exports file: the table in force, whether it stopped, what it said."""
    (root / "etc/exports").write_bytes(text.encode())
    etab = root / "var/lib/nfs/etab"
    etab.write_bytes(b"")
    done = subprocess.run(
        ["chroot", root, "/usr/sbin/exportfs", "-ra"],
        capture_output=True,
        env={"LD_LIBRARY_PATH": "/usr/lib/x86_64-linux-gnu", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
        check=False,
    )
    said = re.findall(SAID, done.stderr.decode("utf-8", "replace"))
    rows = [row for row in etab.read_text("utf-8", "replace").split("\n") if row.startswith("/")]
    stops = any(one.startswith(("syntax", "unknown", "bad", "expected")) for one in said)
    return {"exports": text, "etab": rows, "stops": stops, "said": list(dict.fromkeys(said))}


def main(root: Path) -> None:
    """Write the answers over those that were recorded before."""
    for directory in (*DIRECTORIES, "etc"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    (root / "etc/nsswitch.conf").write_text("hosts: files\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    path = Path(__file__).with_name("exportfs.json")
    recorded = json.loads(path.read_text("utf-8"))
    rows = ",\n".join("  " + json.dumps(ask(root, case["exports"])) for case in recorded["cases"])
    path.write_text(f'{{"about": {json.dumps(recorded["about"])},\n "cases": [\n{rows}\n]}}\n', "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
