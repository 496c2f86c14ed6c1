"""Logs of the real driver against a real server, held against what was set up."""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks.recordings import RECORDINGS, Outcome, check
from logscan import rules

FOLDERS = sorted(path.parent for path in RECORDINGS.glob("*/truth.yaml"))

# The category that must come first, from the logs alone.  Where two fit what the log can tell, both are given.
EXPECTED = {
    "S01-seed-share-root": {"wrong-share-path"},
    "S01b-share-root-nfsvers3": {"path-not-exported", "wrong-share-path"},
    "S01d-fsid0-share-root-healthy": set(),
    # Without the exports a directory above the export cannot be told from an export that is ro.
    "S01e-share-parent-of-export": {"wrong-share-path", "export-read-only"},
    "S01v0-seed-no-v-flag": {"wrong-share-path", "export-read-only"},
    "S01v2-seed-verbosity-2": {"wrong-share-path"},
    "S03-export-ro": {"export-read-only"},
    "S04-root-squash": {"root-squash"},
    "S04b-root-squash-chmod": {"chmod-not-permitted"},
    "S05-all-squash-anonuid": {"root-squash"},
    "S06a-share-not-exported": {"path-not-exported"},
    "S06b-share-does-not-exist": {"path-not-exported", "path-missing-on-server"},
    "S06c-missing-dir-below-export": {"path-missing-on-server"},
    "S07-client-not-allowed": {"client-not-allowed"},
    "S09a-nfsd-not-running": {"server-refused"},
    "S09c-v3-rpcbind-down": {"server-refused"},
    "S09d-dns-nxdomain": {"dns"},
    "S09d2-dns-resolver-unreachable": {"dns"},
    "S10b-server-v4-only": {"nfs-version-mismatch"},
    "S10c-server-no-4.2": {"nfs-version-mismatch"},
    "S11a-bad-mount-options": {"bad-mount-option"},
    "S11b-v3-no-statd": {"statd-missing"},
    "S12-mount-helper-missing": {"mount-helper-missing"},
    "S20a-mixed-two-causes": {"root-squash", "wrong-share-path"},
}

# The client gave two calls up while they ran, and made two more that were running when the
# recording stopped: of its six failures the driver's log holds the ends of four.
FAILED_IN_LOG = {"S09d2-dns-resolver-unreachable": 4}

# Without -v the driver logs errors only: their lines moved neither in v4.7.0 nor in v4.8.0.
VERSION_IN_LOG = {"S01v0-seed-no-v-flag": "v4.6.0-v4.8.0"}


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


@cache
def outcome(index: int) -> Outcome:
    return check(FOLDERS[index], loaded())


def test_every_recording_is_held_to_an_expectation():
    assert {folder.name for folder in FOLDERS} == set(EXPECTED)


@pytest.mark.parametrize("index", range(len(FOLDERS)), ids=[folder.name for folder in FOLDERS])
def test_a_recording_is_diagnosed_as_it_was_set_up(index):
    one = outcome(index)
    assert one.missed == set(), "failing volumes that are not named"
    assert one.accused == set(), "healthy or recovered volumes that are accused"
    assert one.claims_wrong == {}
    assert one.failed == FAILED_IN_LOG.get(one.name, one.failed_truth)
    assert one.version == VERSION_IN_LOG.get(one.name, one.version_truth)
    assert one.unrecognised == 0
    expected = EXPECTED[one.name]
    assert set(one.categories[:1]) <= expected
    assert bool(one.categories) == bool(expected)


@pytest.mark.parametrize("index", range(len(FOLDERS)), ids=[folder.name for folder in FOLDERS])
def test_the_counts_of_a_recording_add_up(index):
    report = outcome(index).report
    counts = report.counts
    assert counts.problems == counts.matched + counts.benign + counts.unrecognised
    assert sum(failed for _, failed in report.calls.by_method.values()) == report.calls.failed
    assert sum(total for total, _ in report.calls.by_method.values()) == report.calls.total


def test_two_causes_at_once_keep_their_own_volumes():
    one = outcome([folder.name for folder in FOLDERS].index("S20a-mixed-two-causes"))
    volumes = {diagnosis.category: {volume.name for volume in diagnosis.volumes} for diagnosis in one.report.diagnoses}
    assert set(volumes) == {"root-squash", "wrong-share-path"}
    assert len(volumes["root-squash"]) == len(volumes["wrong-share-path"]) == 4
    assert not volumes["root-squash"] & volumes["wrong-share-path"]
