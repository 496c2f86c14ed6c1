"""Re-creates exportfs.json: asks the real exportfs about every exports file in it.

    apt-get download nfs-kernel-server nfs-common …      # unpack with dpkg -x into ROOT, add the libraries that ldd names
    sudo python tests/record_exportfs.py ROOT [--made COUNT]

``--made`` replaces the files that hypothesis made by COUNT new ones, those on which the program said something new first.
exportfs runs in a chroot of ROOT, where no kernel server is needed.  Its line
numbers are left out: it does not count the lines of comments.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


OPTIONS = (
    "rw", "ro", "sync", "async", "no_root_squash", "root_squash", "all_squash", "no_all_squash", "insecure", "secure", "subtree_check",
    "no_subtree_check", "crossmnt", "nohide", "hide", "fsid=0", "fsid=root", "fsid=7", "anonuid=1000", "anongid=100", "anonuid=-2", "anonuid=x",
    "sec=sys", "sec=krb5:krb5i", "sec=sys:krb5p", "sec=none", "sec=bad", "wdelay", "no_wdelay", "no_acl", "acl", "pnfs", "mountpoint", "mp=/srv/b",
    "rx", "", "RW", "no_auth_nlm", "insecure_locks", "security_label", "refer=/x@10.0.0.9", "replicas=/x@10.0.0.9", "fsid=x", "nordirplus",
)  # fmt: skip
CLIENTS = (
    "*", "10.0.0.5", "10.0.0.0/24", "10.0.0.0/255.255.255.0", "10.0.0.0/33", "192.168.1.*", "*.example.com", "@nodes", "fd00::1", "fd00::/64",
    "localhost", "LOCALHOST", "node?", "10.0.0.5/32", "gss/krb5", "", "10.0.0.0/255.0.255.0",
)  # fmt: skip
# No relative path: what it means depends on the directory in which exportfs is started.
PATHS = (
    "/srv/a",
    "/srv/b",
    "/srv/c",
    "/home/ubuntu/nfs",
    "/srv/a\\040b",
    '"/srv/a b"',
    "/srv/missing",
    "/srv/a/",
    "//srv/a",
    '"/srv/a"',
)


def exports_files() -> st.SearchStrategy[str]:
    """Files as people write them, and as they should not."""
    options = st.lists(st.sampled_from(OPTIONS), max_size=5).map(lambda chosen: f"({','.join(chosen)})")
    listed = st.one_of(
        st.just(""),
        options,
        options,
        options,
        st.sampled_from(["(rw", "(rw) ", " (rw)", "(rw,\\\n no_root_squash)", "(rw )", "()"]),
    )
    client = st.builds("{}{}".format, st.sampled_from(CLIENTS), listed)
    defaults = st.one_of(st.just(""), st.just(""), options.map(lambda text: f"-{text[1:-1]} "))
    line = st.builds(
        "{}{}{}{}{}".format, st.sampled_from(PATHS), st.sampled_from([" ", "\t", "  ", " \\\n  "]), defaults,
        st.lists(client, max_size=3).map(" ".join), st.sampled_from(["", "", " # why", " \\", "\t"]),
    )  # fmt: skip
    other = st.sampled_from(["", "# a comment", "  # another", "# one that goes on \\", "   ", "\\"])
    return st.lists(st.one_of(line, line, line, other), min_size=1, max_size=4).map(
        lambda lines: "\n".join(lines) + "\n"
    )


def made(root: Path, count: int, known: set[str]) -> list[dict[str, object]]:
    """*count* new files and the answers to them."""
    found: list[dict[str, object]] = []
    fresh: list[dict[str, object]] = []
    shapes: set[object] = set()

    @settings(
        max_examples=6 * count, database=None, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(exports_files())
    def collect(text: str) -> None:
        if text in known:
            return
        known.add(text)
        answer = ask(root, text)
        shape = (len(answer["etab"]), tuple(re.sub(r"[^a-z ]", "", one) for one in answer["said"]))  # type: ignore[arg-type, attr-defined]
        (found if shape in shapes else fresh).append({**answer, "made": True})
        shapes.add(shape)

    collect()
    return [*fresh, *found][:count]


def main(root: Path, count: int = 0) -> None:
    """Write the answers over those that were recorded before."""
    for directory in (*DIRECTORIES, "etc"):
        (root / directory).mkdir(parents=True, exist_ok=True)
    (root / "etc/nsswitch.conf").write_text("hosts: files\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    path = Path(__file__).with_name("exportfs.json")
    recorded = json.loads(path.read_text("utf-8"))
    cases = [case for case in recorded["cases"] if not (count and case.get("made"))]
    answers = [{**ask(root, case["exports"]), **({"made": True} if case.get("made") else {})} for case in cases]
    answers += made(root, count, {case["exports"] for case in cases}) if count else []
    rows = ",\n".join("  " + json.dumps(answer) for answer in answers)
    path.write_text(f'{{"about": {json.dumps(recorded["about"])},\n "cases": [\n{rows}\n]}}\n', "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[3]) if sys.argv[2:3] == ["--made"] else 0)
