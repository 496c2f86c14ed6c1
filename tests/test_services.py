"""What a server's name proves, and that no advice for such a server needs what it has not."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from logscan import rules, services
from logscan.facts import fill, say
from logscan.model import Cause, Remedy
from tests.test_cases import case_of, inputs_of, report_of

# (the server, what it is): names that prove it, names that say it, and names that are like them.
NAMES = (
    ("fs-0123456789abcdef0.efs.eu-west-1.amazonaws.com", "Amazon EFS"),
    ("eu-west-1a.fs-0123abcd.efs.eu-west-1.amazonaws.com", "Amazon EFS"),
    ("FS-0123ABCD.EFS.cn-north-1.amazonaws.com.cn.", "Amazon EFS"),
    ("fs-0123abcd.fsx.us-east-1.amazonaws.com", "Amazon FSx for OpenZFS"),
    ("svm-0f.fs-0123abcd.fsx.us-east-1.amazonaws.com", "Amazon FSx for NetApp ONTAP"),
    ("acme.file.core.windows.net", "Azure Files"),
    ("acme.privatelink.file.core.windows.net", "Azure Files"),
    ("acme.z12.file.storage.azure.net", "Azure Files"),
    ("acme.blob.core.windows.net", "Azure Blob Storage"),
    ("truenas.lan", "TrueNAS"),
    ("backup-truenas2", "TrueNAS"),
    ("TrueNAS-01.corp.example.com", "TrueNAS"),
    ("synology", "Synology"),
    ("qnap1.home", "QNAP"),
    ("ontap-lif1.corp", "NetApp ONTAP"),
    ("fs-0123abcd.efs.eu-west-1.amazonaws.com.evil.net", None),
    ("efs.eu-west-1.amazonaws.com", None),
    ("ec2-1-2-3-4.eu-west-1.compute.amazonaws.com", None),
    ("fs-0123abcd.efs.eu-west-1.amazonaws.com:/x", None),
    ("file.core.windows.net", None),
    ("nfs.synology.me", None),
    ("nas.truenas.corp", None),
    ("nontrueness", None),
    ("mytruenas", None),
    ("nfs-server.default.svc.cluster.local", None),
    ("10.0.0.5", None),
    ("", None),
)
CASE = Path(__file__).parent / "cases" / "exports-not-in-force.yaml"
# What only a Linux server answers, or is done on one.
LINUX = re.compile(
    r"exportfs|/etc/exports|showmount|rpcinfo|systemctl \S+(?: --now)? nfs-server|# on (?:\{server\}|the server)|/proc/fs/nfsd"
)


@cache
def causes() -> tuple[Cause, ...]:
    return tuple(cause for rule in rules.load().rules for cause in rule.causes)


def advice(cause: Cause) -> tuple[str, ...]:
    remedy = cause.remedy
    return (cause.cause, *cause.confirm, remedy.summary, *remedy.steps, *remedy.commands)


@pytest.mark.parametrize(("server", "name"), NAMES)
def test_a_name_proves_or_says_what_it_is(server, name):
    known = services.of(server)
    assert (known[0].name if known else None) == name


def servers(*, proven: bool) -> list[str]:
    named = {name: server for server, name in NAMES if name}
    return [server for name, server in named.items() if services.is_proven(server) is proven]


@pytest.mark.parametrize("server", servers(proven=True))
def test_no_advice_for_a_managed_server_needs_a_linux_server(server):
    changed = 0
    for cause in causes():
        names = {"server": server}
        for one in services.fitted([cause], names):
            assert not [text for text in advice(one) if LINUX.search(text)]
            assert one.remedy.summary or not cause.remedy.summary
            assert len(one.remedy.steps) >= len(
                [step for step in cause.remedy.steps if step.startswith("StorageClass")]
            )
            changed += one != cause
            if one != cause and any(LINUX.search(text) for text in advice(cause)):
                assert one.remedy.steps[0].startswith("By its name {server} is ")
    assert changed > 100


@pytest.mark.parametrize("server", servers(proven=False))
def test_what_an_appliance_writes_itself_is_not_edited(server):
    for cause in causes():
        for one in services.fitted([cause], {"server": server}):
            assert not re.search(r"exportfs|/etc/exports", " ".join(advice(one)))


@pytest.mark.parametrize("server", [server for server, name in NAMES if name is None])
def test_a_name_that_proves_nothing_changes_nothing(server):
    names = {"server": server}
    assert services.fitted(causes(), names) == list(causes())
    assert names == {"server": server}


@pytest.mark.parametrize("server", [server for server, name in NAMES if name])
def test_all_names_of_the_advice_are_known(server):
    names = {"server": server, "share": "/data", "path": "/data", "options": "nfsvers=4.1"}
    for cause in services.fitted([Cause(category, "c") for category in sorted(rules.CATEGORIES)], names):
        own = (*cause.remedy.steps, *cause.confirm)
        for text in own:
            unknown = set(re.findall(r"\{(\w+)\}", text)) - names.keys()
            assert not unknown, (text, unknown)
        assert all("{" not in fill(text, names, command=True) for text in cause.confirm)
        assert all("{" not in say(text, names) for text in own)


def test_what_an_account_is_called_is_no_command():
    names = {"server": "acme.file.core.windows.net"}
    (cause,) = services.fitted([Cause("root-squash", "c", remedy=Remedy("s"))], names)
    names["account"] = "$(reboot)"
    assert all("$(reboot)" not in fill(text, names, command=True) for text in cause.confirm)


@pytest.mark.parametrize(
    ("server", "options", "category", "expected"),
    [
        (NAMES[0][0], "nfsvers=3,nolock", "server-unreachable", ["nfs-version-mismatch", "server-unreachable"]),
        (NAMES[0][0], "nfsvers=4.2", "nfs-version-mismatch", ["nfs-version-mismatch", "nfs-version-mismatch"]),
        (NAMES[0][0], "nfsvers=4.1", "server-unreachable", ["server-unreachable"]),
        (NAMES[0][0], "", "server-unreachable", ["server-unreachable"]),
        (NAMES[0][0], "nfsvers=3", "root-squash", ["root-squash"]),
        ("acme.file.core.windows.net", "vers=4.0", "client-not-allowed", ["nfs-version-mismatch", "client-not-allowed"]),
        ("acme.blob.core.windows.net", "vers=4.1", "mount-failed", ["nfs-version-mismatch", "mount-failed"]),
        ("acme.blob.core.windows.net", "vers=3", "mount-failed", ["mount-failed"]),
        ("fs-0123abcd.fsx.us-east-1.amazonaws.com", "vers=3", "mount-failed", ["mount-failed"]),
        ("truenas.lan", "vers=3", "server-refused", ["server-refused"]),
        ("10.0.0.5", "vers=3", "server-refused", ["server-refused"]),
    ],
)  # fmt: skip
def test_a_version_that_the_service_does_not_speak_comes_first(server, options, category, expected):
    """Of a mount that went well no version was wrong."""
    found = services.fitted([Cause(category, "c")], {"server": server, "options": options})
    assert [cause.category for cause in found] == expected
    if expected[0] != category or len(expected) > 1:
        assert "{options}" in found[0].cause
        assert any("nfsvers=" in step for step in found[0].remedy.steps)


@pytest.mark.parametrize(
    ("share", "name"),
    [
        ("/volume1/k8s", "Synology"), ("/volume3", "Synology"), ("/share/CACHEDEV1_DATA/k8s", "QNAP"), ("/volumes/k8s", ""),
        ("/srv/volume1/k8s", ""), ("/volume12/k8s", ""), ("/share/k8s", ""), ("/", ""), ("", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("server", ["10.0.0.5", "nas.example.net"])
def test_a_path_as_an_appliance_names_them_is_a_hint_beside_the_rest(share, name, server):
    found = services.fitted(causes(), {"server": server, "share": share})
    hinted = [(one, cause) for one, cause in zip(found, causes(), strict=True) if one != cause]
    assert bool(hinted) is bool(name)
    for one, cause in hinted:
        assert f"as a {name} names them; if {{server}} is one" in one.remedy.steps[0]
        assert one.remedy.steps[-len(cause.remedy.steps) or len(one.remedy.steps) :] == cause.remedy.steps
        assert replace(one, remedy=cause.remedy) == cause


def test_where_no_options_are_known_no_version_is_blamed():
    assert len(services.fitted([Cause("server-unreachable", "c")], {"server": NAMES[0][0]})) == 1


def test_a_root_directory_of_efs_is_no_pseudo_root():
    left = services.fitted([Cause("wrong-share-path", "a"), Cause("export-read-only", "b")], {"server": NAMES[0][0]})
    assert [cause.category for cause in left] == ["export-read-only"]
    alone = services.fitted([Cause("wrong-share-path", "a")], {"server": NAMES[0][0]})
    assert len(alone) == 1, "a diagnosis needs a cause"


def test_a_long_name_takes_no_time():
    started = time.process_time()
    for text in ("-" * 100_000, "truenas-" * 20_000, "a." * 50_000, "efs." * 63):
        services.of(text)
    assert time.process_time() - started < 1


def test_exports_beside_the_log_are_not_those_of_a_managed_server(tmp_path):
    """They say that the client is admitted, and would be blamed themselves."""
    case = case_of(CASE)
    causes = []
    for server in ("172.18.3.9", "acme.file.core.windows.net"):
        case["files"] = {name: text.replace("172.18.3.9", server) for name, text in case["files"].items()}
        report = report_of([str(path) for path in inputs_of(case, tmp_path)])
        causes.append(report["diagnoses"][0]["cause"])
    assert "not in force" in causes[0]
    assert causes[1] == "the access rules of acme.file.core.windows.net do not admit this client"
