"""exports(5): what exportfs itself does with a file, the traps, whom a client means, what the server's tools print."""

from __future__ import annotations

import ipaddress
import json
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logscan.errors import EvidenceError
from logscan.evidence import exports
from logscan.evidence.exportclients import Kind, is_address_pattern, kind_of, network_of
from logscan.evidence.exportoptions import Builder, Flavour, Options, amend, clean_path
from logscan.evidence.exports import client_matches, parse, render, user_mapping

RECORDED = json.loads((Path(__file__).parent / "exportfs.json").read_text(encoding="utf-8"))["cases"]


def read(text: str) -> exports.Exports:
    return parse(text, "exports", "exports")


def only(text: str) -> exports.Export:
    (one,) = read(text).entries
    return one


def codes(text: str) -> list[str]:
    return [fault.code for fault in read(text).faults if fault.level != "note"]


def every_code(text: str) -> list[str]:
    return [fault.code for fault in read(text).faults]


# ---------------------------------------------------------------- against exportfs


def comparable(entries):
    """What of an entry etab shows too: it does not tell ports by flavour."""
    rows = []
    for one in entries:
        flavours = tuple(flavour._replace(secure=True) for flavour in one.options.flavours)
        rows.append((one.path, one.client, replace(one.options, flavours=flavours)))
    return sorted(rows, key=repr)


@pytest.mark.parametrize("case", RECORDED, ids=[ascii(case["exports"])[1:-1] for case in RECORDED])
def test_a_file_is_read_as_exportfs_reads_it(case):
    """The answers were recorded from the program; it resolves no name but localhost, which it writes in small letters."""
    wanted = parse("\n".join(case["etab"]), "etab", "etab")
    assert not wanted.faults
    got = read(case["exports"])
    entries = [
        replace(one, client="localhost") if one.client.lower() == "localhost" else one
        for one in got.entries
        if one.client.lower() == "localhost" or not re.fullmatch(r"[A-Za-z][\w.-]*", one.client)
    ]
    # etab cannot be read back where a client or path holds what it sets off with.
    odd = {one.client for one in got.entries if ")" in one.client or "\n" in one.client}
    assert comparable(one for one in entries if one.client not in odd) == comparable(wanted.entries)
    stops = [
        fault
        for fault in got.faults
        if fault.explains.startswith("exportfs stops") and "does not say so" not in fault.problem
    ]
    assert bool(stops) == case["stops"]
    if stops:
        said = re.sub(r" \(did you mean.*", "", stops[0].problem)
        assert said.strip() in [text.strip() for text in case["said"]]
    for text in case["said"]:
        name = text.removeprefix("Failed to resolve ")
        if text.startswith("Invalid") or (text != name and re.search(r"[,\\ ]|^[\d.-]+$|^-", name)):
            assert any(fault.problem.partition("\n")[0] == text for fault in got.faults), text


# ---------------------------------------------------------------- the grammar, in words


def test_the_first_unparsable_entry_ends_the_reading():
    got = read("/a *(rw)\n/b *(rw,bogus)\n/c *(rw)\n")
    assert [one.path for one in got.entries] == ["/a"]
    assert [(one.path, one.line) for one in got.dropped] == [("/b", 2), ("/c", 3)]
    (stop,) = [fault for fault in got.faults if fault.level == "error"]
    assert (stop.line, stop.code, stop.problem) == (2, "unknown-keyword", 'unknown keyword "bogus"')
    assert "not exported" in stop.explains


def test_faults_below_the_first_are_told_too():
    got = read("/a *(rw,rx)\n/b *(ro, sync)\n/c *(no_root_sqash)\n")
    errors = [fault for fault in got.faults if fault.level == "error"]
    assert [(fault.line, fault.code) for fault in errors] == [
        (1, "unknown-keyword"),
        (2, "bad-option-list"),
        (3, "unknown-keyword"),
    ]
    assert "did you mean no_root_squash?" in errors[2].problem
    assert [fault.explains.startswith("exportfs stops") for fault in errors] == [True, False, False]


@pytest.mark.parametrize(
    ("text", "path", "client"),
    [
        ("/srv/a *(rw)", "/srv/a", "*"),
        ("/srv/a/ *(rw)", "/srv/a", "*"),
        ("/srv//a/../b *(rw)", "/srv/b", "*"),
        ('"/srv/a b" *(rw)', "/srv/a b", "*"),
        ("/srv/a\\040b *(rw)", "/srv/a b", "*"),
        ("/srv/é *(rw)", "/srv/é", "*"),
        ("  /srv/a\t*(rw) # note", "/srv/a", "*"),
        ("/srv/a (rw)", "/srv/a", "*"),
        ("/srv/a", "/srv/a", ""),
        ("/srv/a \\\n   10.0.0.5(rw)", "/srv/a", "10.0.0.5"),
    ],
)
def test_paths_and_clients(text, path, client):
    one = only(text + "\n")
    assert (one.path, one.client) == (path, client)


def test_lines_are_those_of_the_clients():
    got = read("# head \\\n/a *(rw) \\\n   10.0.0.5(ro)\n\n/b *(rw)\n")
    assert [(one.path, one.client, one.line) for one in got.entries] == [
        ("/a", "*", 2),
        ("/a", "10.0.0.5", 3),
        ("/b", "*", 5),
    ]


def test_options_of_a_dash_hold_for_the_rest_of_the_line():
    got = read("/a -rw,no_root_squash * 10.0.0.5(ro)\n/b *\n")
    assert [(one.options.rw, one.options.root_squash) for one in got.entries] == [
        (True, False),
        (False, False),
        (False, True),
    ]


def test_the_first_of_two_equal_entries_wins():
    got = read("/a *(rw)\n/a *(ro)\n")
    assert [one.options.rw for one in got.entries] == [True]
    assert [one.line for one in got.dropped] == [2]
    assert codes("/a *(rw)\n/a *(ro)\n") == ["duplicate"]
    assert codes("/a HOST.example.com(rw)\n/a host.example.com(rw)\n") == ["duplicate"]


@pytest.mark.parametrize(
    "client", ["10.0.0.0/33", "10.0/16", "10.0.0.300", "10.0.0.1-10.0.0.9", "10.0.0.5,10.0.0.6", "\\", "host/24"]
)
def test_a_client_that_exportfs_drops(client):
    got = read(f"/a {client}(rw)\n/b *(rw)\n")
    assert [one.path for one in got.entries] == ["/b"]
    assert [(fault.line, fault.code) for fault in got.faults if fault.level == "error"] == [(1, "bad-client")]


def test_a_file_of_dos_ends_at_its_first_empty_line_without_a_word():
    got = read("/a *(rw)\r\n\r\n/b *(rw)\r\n/c *(rw)\r\n")
    assert [one.path for one in got.entries] == ["/a"]
    assert [one.path for one in got.dropped] == ["/b", "/c"]
    assert [fault.code for fault in got.faults if fault.level == "error"] == ["empty-path"]
    assert not [fault for fault in read("/a *(rw)\r\n\r\n").faults if fault.level == "error"]


def test_defaults_are_those_of_the_manual():
    assert Options() == replace(
        Options(), flavours=(Flavour("sys", rw=False, root_squash=True, all_squash=False, secure=True),), sync=True, wdelay=True,
        hide=True, crossmnt=False, subtree_check=False, auth_nlm=True, acl=True, pnfs=False, anonuid=65534, anongid=65534,
    )  # fmt: skip
    assert only("/a *\n").options == Options()


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("fsid=root", "fsid", "0"), ("fsid=0x10", "fsid", "16"), ("fsid=6d0f8a7e-5b0e-4b13-a5c6-7f2a1e0a1b2c", "fsid", "6d0f8a7e-5b0e-4b13-a5c6-7f2a1e0a1b2c"),
        ("anonuid=-2", "anonuid", 4294967294), ("anongid=100", "anongid", 100), ("mp", "mountpoint", ""), ("mountpoint=/mnt", "mountpoint", "/mnt"),
        ("insecure_locks", "auth_nlm", False), ("secure_locks", "auth_nlm", True), ("nohide", "hide", False), ("crossmnt", "crossmnt", True),
        ("no_acl", "acl", False), ("pnfs", "pnfs", True), ("security_label", "security_label", True), ("nordirplus", "nordirplus", True),
        ("refer=/x@h", "refer", "/x@h"), ("xprtsec=tls:mtls", "xprtsec", ("tls", "mtls")), ("reexport=auto-fsidnum", "reexport", "auto-fsidnum"),
        ("async", "sync", False), ("ro,rw", "rw", True), ("insecure", "secure", False), ("subtree_check", "subtree_check", True), ("sign_fh", "sign_fh", True),
    ],
)  # fmt: skip
def test_options(text, field, value):
    assert getattr(only(f"/a *({text})\n").options, field) == value


def test_flags_after_a_flavour_are_that_flavours():
    options = only("/a *(sec=krb5:krb5i,rw,sec=sys,ro,all_squash)\n").options
    assert [(one.name, one.rw, one.all_squash) for one in options.flavours] == [
        ("krb5", True, False), ("krb5i", True, False), ("sys", False, True),
    ]  # fmt: skip
    assert options.flavour("krb5p") is None
    assert not options.rw


# ---------------------------------------------------------------- the traps


@pytest.mark.parametrize(
    ("text", "code", "explains"),
    [
        ("/a host (rw)\n", "space-before-options", "read-only file system"),
        ("/a * (rw)\n", "space-before-options", "read-only file system"),
        ("/a\n", "no-client", "read-only file system"),
        ("/a *(sync)\n", "read-only", "read-only file system"),
        ("/a *(rw)\n", "root-squash", "permission denied"),
        ("/a *(rw,all_squash,anonuid=5)\n", "all-squash", "operation not permitted"),
        ("/a *(rw,fsid=0)\n/b *(rw)\n", "fsid-root", "No such file or directory"),
        ("/a *(rw,fsid=5)\n/b *(rw,fsid=5)\n", "duplicate-fsid", "Stale file handle"),
        ("/dev/shm/x *(rw)\n", "needs-fsid", "requires fsid="),
        ("/a *(rw)\n/a/b *(rw)\n", "nested", "empty directory"),
        ("/a *(rw,mountpoint)\n", "mountpoint", "No such file or directory"),
        ("/a *(rw,sec=krb5:krb5p)\n", "kerberos-only", "Operation not permitted"),
        ("/a *(rw,async)\n", "async", "lost"),
        ("/a *(rw,subtree_check)\n", "subtree-check", "Stale file handle"),
        ("/a @nodes(rw)\n", "client-by-name", "unmatched host"),
        ("/a node1.example.com(rw)\n", "client-by-name", "unmatched host"),
        ("/a 192.168.1.*(rw)\n", "address-wildcard", "192.168.1.0/24"),
        ("/a [fd00::1](rw)\n", "bracketed-address", "access denied"),
        ("/a 10.244.0.0/16(rw)\n", "cluster-network", "nodes"),
        ("/a 10.0.0.0/24(rw) 10.0.0.0/16(ro)\n", "overlapping-networks", "arbitrarily"),
        ("/a *(rw) \\ \n10.0.0.5(ro)\n", "broken-continuation", "entry of its own"),
        ("/a *(rw,squash_uids=5)\n", "no-effect", ""),
        ('"/a *(rw)\n/b *(rw)\n', "open-quote", "not exported"),
        ("data *(rw)\n", "relative-path", "nothing is exported"),
    ],
)
def test_traps_are_found(text, code, explains):
    found = [fault for fault in read(text).faults if fault.code == code]
    assert found, every_code(text)
    assert explains in found[0].explains


@pytest.mark.parametrize(
    "text",
    [
        "/a *(rw,sync,no_root_squash,no_subtree_check)\n",
        "/a 10.0.0.0/24(rw,no_root_squash) fd00::/64(rw,no_root_squash)\n/b 10.0.0.5(rw,no_root_squash)\n",
        "/a *(rw,no_root_squash,fsid=0,crossmnt)\n/a/b *(rw,no_root_squash)\n",
        "/a *(rw,no_root_squash,sec=sys:krb5)\n",
        "# nothing\n\n",
    ],
)
def test_a_sound_file_has_no_faults(text):
    assert every_code(text) in ([], ["fsid-root"])


def test_the_blank_before_the_options_gives_the_world_what_the_host_should_have():
    got = read("/a node1 (rw,no_root_squash)\n")
    assert [(one.client, one.options.rw) for one in got.entries] == [("node1", False), ("*", True)]
    (fault,) = [fault for fault in got.faults if fault.code == "space-before-options"]
    assert "write node1(rw,no_root_squash)" in fault.explains


# ---------------------------------------------------------------- clients


@pytest.mark.parametrize(
    ("client", "address", "wanted"),
    [
        ("*", None, True), ("", "10.0.0.5", True), ("<world>", "10.0.0.5", True), ("(everyone)", None, True),
        ("10.0.0.5", "10.0.0.5", True), ("10.0.0.5", "10.0.0.6", False), ("10.5", "10.0.0.5", True), ("10.0.0.5", None, None),
        ("10.0.0.0/24", "10.0.0.77", True), ("10.0.0.0/24", "10.0.1.77", False), ("10.0.0.0/255.255.0.0", "10.0.1.77", True),
        ("10.0.0.0/255.0.255.0", "10.9.0.4", True), ("10.0.0.0/255.0.255.0", "10.9.1.4", False), ("10.0.0.7/24", "10.0.0.1", True),
        ("10.0.0.0/33", "10.0.0.1", False), ("10.0.0.0/24", "fd00::1", False), ("10.0.0.0/24", "::ffff:10.0.0.9", True),
        ("fd00::/64", "fd00::5", True), ("fd00::/64", "fd01::5", False), ("fd00::/ffff:ffff::", "fd00:0:1::", True), ("fd00::1", "fd00:0::1", True),
        ("[fd00::1]", "fd00::1", False), ("0.0.0.0/0", "203.0.113.9", True), ("10.0.0.0/24", "node1", None),
        ("@nodes", "10.0.0.5", None), ("gss/krb5", "10.0.0.5", None), ("node1.example.com", "10.0.0.5", None),
        ("node1.example.com", "NODE1.example.com", True), ("*.example.com", "10.0.0.5", None), ("*.example.com", "node1.example.com", True),
        ("192.168.1.*", "192.168.1.5", None), ("192.168.1.*", "192.168.2.5", False), ("192.168.1.*", None, None),
    ],
)  # fmt: skip
def test_client_matches(client, address, wanted):
    assert client_matches(client, address) is wanted


ADDRESSES = st.ip_addresses()


@given(ADDRESSES, ADDRESSES, st.data())
def test_a_network_admits_the_addresses_in_it(base, host, data):
    prefix = data.draw(st.integers(0, base.max_prefixlen))
    network = ipaddress.ip_network(f"{base}/{prefix}", strict=False)
    mapped = getattr(base, "ipv4_mapped", None) or getattr(host, "ipv4_mapped", None)
    if not mapped:
        assert client_matches(f"{base}/{prefix}", str(host)) == (host.version == network.version and host in network)
        inside = network[data.draw(st.integers(0, network.num_addresses - 1))]
        assert getattr(inside, "ipv4_mapped", None) or client_matches(str(network), str(inside)) is True
        assert client_matches(network.with_netmask, str(inside)) in {True, prefix not in {0, 128}}


@given(st.text(max_size=40), st.none() | st.text(max_size=40))
def test_any_text_may_be_a_client(client, address):
    assert client_matches(client, address) in {True, False, None}
    assert kind_of(client) in Kind
    assert is_address_pattern(client) in {True, False}
    network_of(client, [address or ""])


def test_the_order_of_kinds():
    spelt = ["gss/krb5", "*", "@g", "*.example.com", "10.0.0.0/24", "node1"]
    assert sorted(spelt, key=kind_of) == spelt[::-1]


def test_the_network_of_a_node():
    assert network_of("192.168.59.22") == "192.168.59.0/24"
    assert network_of("192.168.59.22", ["*", "10.9.0.0/16"]) == "192.168.0.0/16"
    assert network_of("fd00::5", ["10.9.0.0/16"]) == "fd00::/64"
    assert network_of("node1") == "node1"


# ---------------------------------------------------------------- users


@pytest.mark.parametrize(
    ("options", "uid", "gid", "wanted"),
    [
        ("rw", 0, None, (65534, 65534)), ("rw", 1000, None, (1000, 1000)), ("rw", 1000, 0, (1000, 65534)),
        ("no_root_squash", 0, None, (0, 0)), ("no_root_squash", 1000, 100, (1000, 100)),
        ("all_squash", 0, None, (65534, 65534)), ("all_squash", 1000, None, (65534, 65534)),
        ("all_squash,anonuid=1001,anongid=1002", 7, 8, (1001, 1002)), ("no_root_squash,all_squash,anonuid=5", 0, None, (5, 65534)),
        ("anonuid=1001,anongid=1001", 0, None, (1001, 1001)), ("anonuid=1001", 1000, None, (1000, 1000)),
        ("all_squash,no_all_squash,no_root_squash", 0, None, (0, 0)), ("anonuid=0,anongid=0", 0, None, (0, 0)),
    ],
)  # fmt: skip
def test_whom_a_user_becomes(options, uid, gid, wanted):
    mapped = user_mapping(only(f"/a *({options})\n").options, uid, gid)
    assert (mapped.uid, mapped.gid) == wanted
    assert mapped.squashed == (wanted != (uid, gid if gid is not None else uid))


# ---------------------------------------------------------------- what programs print

EXPORTFS_V = """\
/srv/a        \t10.0.0.0/24(sync,wdelay,hide,no_subtree_check,sec=sys,ro,secure,root_squash,no_all_squash)
/srv/a b      \t@g(sync,wdelay,hide,no_subtree_check,sec=sys,rw,secure,root_squash,no_all_squash)
/home/ubuntu/nfs
\t\t<world>(sync,wdelay,hide,crossmnt,no_subtree_check,fsid=5,mountpoint=/srv,anonuid=7,sec=krb5:sys,rw,secure,no_root_squash,no_all_squash)
"""
EXPORTFS_S = """\
/srv/a  10.0.0.0/24(sync,wdelay,hide,no_subtree_check,sec=sys,ro,secure,root_squash,no_all_squash)
/srv/a\\040b  @g(sync,wdelay,hide,no_subtree_check,sec=sys,rw,secure,root_squash,no_all_squash)
/home/ubuntu/nfs  *(sync,wdelay,hide,crossmnt,no_subtree_check,fsid=5,mountpoint=/srv,anonuid=7,sec=krb5:sys,rw,secure,no_root_squash,no_all_squash)
"""
_ETAB = "sync,wdelay,hide,{},secure,{},no_subtree_check,secure_locks,acl,no_pnfs,"
ETAB = (
    "/srv/a\t10.0.0.0/24(ro," + _ETAB.format("nocrossmnt", "root_squash,no_all_squash") + "anonuid=65534,anongid=65534,sec=sys,ro,root_squash,no_all_squash)\n"
    "/srv/a\\040b\t@g(rw," + _ETAB.format("nocrossmnt", "root_squash,no_all_squash") + "anonuid=65534,anongid=65534,sec=sys,rw,root_squash,no_all_squash)\n"
    "/home/ubuntu/nfs\t*(rw," + _ETAB.format("crossmnt", "no_root_squash,no_all_squash")
    + "fsid=5,mountpoint=/srv,anonuid=7,anongid=65534,sec=krb5:sys,rw,no_root_squash,no_all_squash)\n"
)  # fmt: skip
PROC = """\
# Version 1.1
# Path Client(Flags) # IPs
/\t*(ro,insecure,no_root_squash,sync,no_wdelay,v4root,fsid=0,uuid=4a2f9b1c:00000000:00000000:00000000,sec=390003:1)
/home/ubuntu/nfs\t*,10.0.0.0/24(rw,no_root_squash,sync,wdelay,no_subtree_check,uuid=4a2f9b1c:0d1e2f3a:00000000:00000000,sec=1)
"""
SHOWMOUNT = "Export list for 192.168.59.102:\n/srv/small       (everyone)\n/srv/a b         10.0.0.0/24,node1\n/home/ubuntu/nfs *\n"


@pytest.mark.parametrize(("kind", "text"), [("exportfs-v", EXPORTFS_V), ("exportfs-s", EXPORTFS_S), ("etab", ETAB)])
def test_the_views_of_one_table_agree(kind, text):
    assert exports.kind_of(text, "listing.txt") == kind
    got = parse(text, "listing.txt")
    assert (got.kind, got.faults) == (kind, ())
    assert [(one.path, one.client) for one in got.entries] == [
        ("/srv/a", "10.0.0.0/24"),
        ("/srv/a b", "@g"),
        ("/home/ubuntu/nfs", "*"),
    ]
    options = got.entries[2].options
    assert (options.rw, options.root_squash, options.crossmnt, options.fsid, options.anonuid, options.mountpoint) == (
        True, False, True, "5", 7, "/srv",
    )  # fmt: skip
    assert [flavour.name for flavour in options.flavours] == ["krb5", "sys"]
    assert not got.entries[0].options.rw


def test_tabs_that_a_terminal_made_blanks():
    got = parse(EXPORTFS_V.replace("\t", "        "), "x")
    assert got.kind == "exportfs-v"
    assert [one.client for one in got.entries] == ["10.0.0.0/24", "@g", "*"]


def test_exportfs_without_options():
    got = parse("/srv/a        \t10.0.0.0/24\n/home/ubuntu/nfs\n\t\t<world>\n", "x")
    assert got.kind == "exportfs-v"
    assert [(one.path, one.client, one.known) for one in got.entries] == [
        ("/srv/a", "10.0.0.0/24", False),
        ("/home/ubuntu/nfs", "*", False),
    ]


def test_the_kernels_table():
    got = parse(PROC, "proc-exports")
    assert got.kind == "proc"
    assert [(one.path, one.client, one.options.v4root) for one in got.entries] == [
        ("/", "*", True), ("/home/ubuntu/nfs", "*", False), ("/home/ubuntu/nfs", "10.0.0.0/24", False),
    ]  # fmt: skip
    assert [flavour.name for flavour in got.entries[0].options.flavours] == ["krb5", "sys"]


def test_showmount():
    got = parse(SHOWMOUNT, "x")
    assert (got.kind, got.server) == ("showmount", "192.168.59.102")
    assert [(one.path, one.client, one.known) for one in got.entries] == [
        ("/srv/small", "*", False), ("/srv/a b", "10.0.0.0/24", False), ("/srv/a b", "node1", False), ("/home/ubuntu/nfs", "*", False),
    ]  # fmt: skip
    assert parse("/srv/a (everyone)\n/b *\n", "x").kind == "showmount"


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("/home/ubuntu/nfs *(rw,sync,no_root_squash)\n", "x", "exports"),
        ("# comment\n\n/a \\\n  *(rw)\n", "bundle.tgz!etc/exports", "exports"),
        ("/a -rw *\n", "x", "exports"),
        ("# nothing is exported\n", "exports", "exports"),
        ("", "/etc/exports", "exports"),
        ("", "x", None),
        ("# comment\n", "notes.txt", None),
        ("/a *(rw)\nE0720 09:53:52.387108       1 utils.go:93] GRPC error\n", "x", None),
        ("/usr/lib/go/proc.go:250 +0x1d3\n/usr/lib/go/asm.s:1594\n", "x", None),
        ("/var/log/pods x (deleted)\n", "x", None),
        ("Export list for a log:\nnot a path\n", "x", None),
    ],
)
def test_listings_are_known_by_their_content(text, name, kind):
    assert exports.kind_of(text, name) == kind


# ---------------------------------------------------------------- laws

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=12
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join).map(clean_path)
CLIENTS = st.sampled_from(
    ["*", "10.0.0.5", "10.0.0.0/24", "fd00::/64", "@nodes", "*.example.com", "node1", "192.168.1.*", "gss/krb5"]
)
FLAGS = [
    "ro",
    "rw",
    "secure",
    "insecure",
    "sync",
    "async",
    "root_squash",
    "no_root_squash",
    "all_squash",
    "crossmnt",
    "nohide",
    "no_wdelay",
]
VALUES = [
    "fsid=0",
    "fsid=12",
    "anonuid=5",
    "anongid=-2",
    "mp",
    "mountpoint=/m",
    "sec=sys",
    "sec=krb5:krb5p",
    "sec=none",
    "refer=/x@h",
    "xprtsec=tls",
]
OPTIONS = st.lists(st.sampled_from(FLAGS + VALUES), max_size=8).map(",".join)


@given(st.lists(st.tuples(PATHS, CLIENTS, OPTIONS), max_size=6, unique_by=lambda row: (row[0], row[1])))
def test_what_is_written_reads_back(rows):
    entries = []
    for path, client, options in rows:
        builder = Builder()
        builder.read(options)
        if ".." not in path.split("/") and "." not in path.split("/") and len(path.encode()) < 200:
            entries.append(exports.Export(path, client, builder.build(), 1, "exports"))
    got = read(render(entries))
    assert not [fault for fault in got.faults if fault.level == "error" and fault.code != "open-quote"]
    assert [(one.path, one.client, one.options) for one in got.entries] == [
        (one.path, one.client, one.options) for one in entries
    ]


@given(OPTIONS, st.booleans())
def test_an_amended_list_says_what_was_wanted(options, squash):
    builder = Builder()
    builder.read(amend(options.split(",") if options else [], rw=True, root_squash=squash))
    assert {(one.rw, one.root_squash) for one in builder.build().flavours} == {(True, squash)}


PIECES = st.sampled_from(
    [
        '"',
        "\\",
        "\n",
        "\r",
        "\t",
        " ",
        "(",
        ")",
        ",",
        "#",
        "-",
        "/",
        "*",
        "rw",
        "sec=",
        "fsid=",
        "\\040",
        "=",
        "\0",
        "/a *(rw)\n",
        "@",
        "[",
    ]
)


@settings(max_examples=300)
@given(
    st.lists(PIECES | st.text(max_size=5), max_size=25).map("".join),
    st.sampled_from((None, *exports.KINDS)),
    st.sampled_from(["x", "exports"]),
)
def test_any_text_is_read(text, kind, name):
    got = parse(text, name, kind)
    assert all(1 <= one.line <= text.count("\n") + 1 for one in (*got.entries, *got.dropped, *got.faults))
    assert all(one.path for one in got.entries)


def test_too_much_is_refused():
    with pytest.raises(EvidenceError):
        parse("x" * (exports.MAX_TEXT + 1), "x")
    assert exports.kind_of("/a *(rw)\n" * 500_000, "x") is None


@pytest.mark.parametrize(
    "text",
    [
        "/a" + " " * 150_000 + "x\n", "/a" + "\t" * 150_000 + "x", "/a *(" + "rw," * 100_000, "/a\t(rw,sync,wdelay,hide,crossmnt," * 4_000,
        "\r\n" * 150_000, "/a *(rw)\n" * 4_000, "".join(f"/a{n} 10.0.0.0/24(rw,fsid=0)\n" for n in range(2_000)), "/a " + "*" * 150_000, '"' * 150_000,
        "/a" * 150_000, "/a *" + "(" * 150_000, "/a\\\n" * 15_000, "\\040" * 100_000, "/a 10.0.0.0/24(rw)\n" + "".join(f"/a 10.0.0.{n % 250}/2{n % 9}(rw)\n" for n in range(2_000)),
    ],
    ids=range(14),
)  # fmt: skip
def test_hostile_text_costs_no_more_than_its_size(text):
    start = time.process_time()
    exports.kind_of(text, "x")
    for kind in exports.KINDS:
        parse(text, "x", kind)
    assert time.process_time() - start < 8
