"""What stays of a diagnosis from run to run, for systems that track findings over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

from logscan.model import Diagnosis


def fingerprints(diagnoses: Sequence[Diagnosis]) -> list[str]:
    """A name for each diagnosis, 32 hexadecimal digits, unlike those of the others in the report.

    Made of the rule, the category and the shares concerned: the same trouble in
    tomorrow's log has other lines, times, volumes and counts, and the same name.
    """
    seen: Counter[str] = Counter()
    found = []
    for one in diagnoses:
        shares = sorted({f"{volume.server}:{volume.share}" for volume in one.volumes})
        what = "\0".join((one.id, one.category, *shares))
        seen[what] += 1
        # In the report's order, worst first, as nothing else tells them apart for good.
        found.append(sha256(f"{what}\0{seen[what]}".encode(errors="surrogatepass")).hexdigest()[:32])
    return found
