"""What the exports and manifests say a mount will meet: the recorded situations, every step of the way, and hostile input."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logscan import evidence
from logscan.evidence import (
    Facts,
    corrected_manifest,
    exports,
    exports_fix,
    predict,
    predict_class,
    recognise,
)
from logscan.evidence.predictor import similar

SERVER = "192.168.59.102"
NODE = "192.168.59.22"
DATA = "/home/ubuntu/nfs"


def storage_class(share: str, *options: str, name: str = "nfs-csi", **parameters: str) -> str:
    more = "".join(f"  {key}: '{value}'\n" for key, value in parameters.items())
    mount = "mountOptions:\n" + "".join(f"- {one}\n" for one in options) if options else ""
    return (
        f"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata:\n  name: {name}\nprovisioner: nfs.csi.k8s.io\nparameters:\n"
        f"  server: {SERVER}\n  share: {share}\n{more}reclaimPolicy: Delete\nvolumeBindingMode: Immediate\n{mount}"
    )


def facts(table: str, *manifests_: str, kind: str = "exports") -> Facts:
    known = Facts()
    known.read(kind, table, kind)
    for text in manifests_:
        known.read("manifest", text, "storageclass.yaml")
    assert not known.errors
    return known


def ask(table: str, share: str, options: str = "", **more: str) -> evidence.Prediction:
    more.setdefault("client", NODE)
    return predict(facts(table), SERVER, share, options, **more)


# ---------------------------------------------------------------- the recorded situations

SITUATIONS = {
    "S01": (f"{DATA} *(rw,sync,no_root_squash)", "/", (), "EROFS", "wrong-share-path", DATA),
    "S01b": (f"{DATA} *(rw,sync,no_root_squash)", "/", ("nfsvers=3", "nolock"), "EACCES", "path-not-exported", DATA),
    "S01d": (f"{DATA} *(rw,sync,fsid=0,no_root_squash,no_subtree_check)", "/", ("nfsvers=4.1",), "ok", "healthy", None),
    "S01e": (f"{DATA} *(rw,sync,no_root_squash)", "/home/ubuntu", (), "EROFS", "wrong-share-path", DATA),
    "S03": (f"{DATA} *(ro,sync,no_root_squash,no_subtree_check)", DATA, (), "EROFS", "export-read-only", None),
    "S03-v3": (
        f"{DATA} *(ro,sync,no_root_squash,no_subtree_check)",
        DATA,
        ("nfsvers=3", "nolock"),
        "EROFS",
        "export-read-only",
        None,
    ),
    "S04": (f"{DATA} *(rw,sync,no_subtree_check)", DATA, (), "EACCES", "root-squash", None),
    "S04-v3": (f"{DATA} *(rw,sync,no_subtree_check)", DATA, ("nfsvers=3", "nolock"), "EACCES", "root-squash", None),
    "S05": (
        f"{DATA} *(rw,sync,all_squash,anonuid=1001,anongid=1001,no_subtree_check)",
        DATA,
        (),
        "EACCES",
        "root-squash",
        None,
    ),
    "S06a": (
        f"{DATA} *(rw,sync,no_root_squash,no_subtree_check)",
        "/srv/private",
        (),
        "EACCES",
        "path-not-exported",
        None,
    ),
    "S06a-v41": (
        f"{DATA} *(rw,sync,no_root_squash,no_subtree_check)",
        "/srv/private",
        ("nfsvers=4.1",),
        "ENOENT",
        "path-not-exported",
        None,
    ),
    "S06a-v3": (
        f"{DATA} *(rw,sync,no_root_squash,no_subtree_check)",
        "/srv/private",
        ("nfsvers=3",),
        "EACCES",
        "path-not-exported",
        None,
    ),
    "S06b": (
        f"{DATA} *(rw,sync,no_root_squash,no_subtree_check)",
        "/home/ubuntu/nsf",
        ("nfsvers=4.1",),
        "ENOENT",
        "path-not-exported",
        DATA,
    ),
    "S06c": (f"{DATA} *(rw,sync,no_root_squash,no_subtree_check)", f"{DATA}/team-a", (), "ok", "healthy", None),
    "S07": (
        f"{DATA} 10.9.9.0/24(rw,sync,no_root_squash,no_subtree_check)",
        DATA,
        (),
        "EACCES",
        "client-not-allowed",
        None,
    ),
    "S07-v41": (
        f"{DATA} 10.9.9.0/24(rw,sync,no_root_squash,no_subtree_check)",
        DATA,
        ("nfsvers=4.1",),
        "EACCES",
        "client-not-allowed",
        None,
    ),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_recorded_situations(name):
    table, share, options, outcome, category, right = SITUATIONS[name]
    known = facts(table + "\n", storage_class(share, *options))
    found = predict_class(known, known.storage_classes["nfs-csi"], client=NODE)
    assert (found.outcome, found.category, found.share_right) == (outcome, category, right)
    assert any("exports:1" in sentence for sentence in found.why)
    assert "storageclass.yaml:8 gives StorageClass nfs-csi the share" in found.why[-1]
    assert found.stage == {"EROFS": "write", "ok": "none"}.get(
        outcome, "write" if category == "root-squash" else "mount"
    )
    # Without the node's address all but the refused client is known as well.
    if category != "client-not-allowed":
        assert predict_class(known, known.storage_classes["nfs-csi"]).category == category


def test_whether_a_directory_exists_is_not_told_by_exports():
    found = ask(f"{DATA} *(rw,no_root_squash)\n", f"{DATA}/team-a")
    assert found.unless is not None
    assert (found.unless.outcome, found.unless.category, found.unless.share_right) == (
        "ENOENT",
        "path-missing-on-server",
        DATA,
    )
    assert ask(f"{DATA} *(rw,no_root_squash)\n", DATA).unless is None


def test_the_mixed_recording():
    table = f"{DATA} *(rw,sync,no_root_squash)\n/srv/data *(rw,sync)\n/srv/small *(rw,sync,no_root_squash)\n"
    found = ask(table, "/", "nfsvers=4.1")
    assert (found.category, found.share_right) == ("wrong-share-path", None)
    assert found.candidates == (DATA, "/srv/small", "/srv/data")
    assert ask(table, "/srv/data").category == "root-squash"
    assert ask(table, "/", subdir="srv/small").share_right == "/srv/small"


# ---------------------------------------------------------------- each step


@pytest.mark.parametrize(
    ("table", "share", "options", "outcome", "category"),
    [
        # who is admitted
        ("/a 10.0.0.0/8(rw)\n", "/", "nfsvers=4.1", "EACCES", "client-not-allowed"),
        ("/a 10.0.0.0/8(rw)\n/b *(rw,no_root_squash)\n", "/a", "nfsvers=4.1", "ENOENT", "client-not-allowed"),
        ("/a 10.0.0.0/8(rw)\n/b *(rw,no_root_squash)\n", "/a", "nfsvers=3", "EACCES", "client-not-allowed"),
        ("/a 10.0.0.0/8(rw)\n/b *(rw,no_root_squash)\n", "/b", "", "ok", "healthy"),
        ("# nothing\n", "/a", "nfsvers=4.1", "ENOENT", "path-not-exported"),
        ("/a 192.168.59.22(ro) *(rw,no_root_squash)\n", "/a", "", "EROFS", "export-read-only"),
        ("/a *(rw,no_root_squash) 192.168.59.0/24(ro)\n", "/a", "", "EROFS", "export-read-only"),
        # NFSv3 has no pseudo-root
        ("/a *(rw,no_root_squash)\n", "/a/b", "vers=3", "ok", "healthy"),
        ("/a/b *(rw,no_root_squash)\n", "/a", "vers=3", "EACCES", "path-not-exported"),
        ("/a *(rw,no_root_squash,fsid=0)\n", "/a", "vers=3", "ok", "healthy"),
        # fsid=0
        ("/a *(rw,no_root_squash,fsid=0)\n", "/", "", "ok", "healthy"),
        ("/a *(rw,no_root_squash,fsid=root)\n", "/x", "v4.1", "ok", "healthy"),
        ("/a *(rw,no_root_squash,fsid=0)\n", "/a", "v4.1", "ENOENT", "path-not-exported"),
        ("/a *(rw,no_root_squash,fsid=0)\n", "/a", "", "ENOENT", "path-not-exported"),
        ("/a *(rw,no_root_squash,fsid=0)\n", "/a", "nolock", "ok", "healthy"),
        ("/a *(rw,no_root_squash,fsid=0)\n/b *(rw,no_root_squash)\n", "/b", "v4.1", "ENOENT", "path-not-exported"),
        ("/a 10.0.0.0/8(rw,fsid=0)\n/b *(rw,no_root_squash)\n", "/b", "v4.1", "ENOENT", "client-not-allowed"),
        ("/ *(rw,no_root_squash,fsid=0)\n", "/srv", "v4.1", "ok", "healthy"),
        ("/x *(ro,fsid=0)\n/x/data *(rw,no_root_squash)\n", "/", "v4.1", "EROFS", "wrong-share-path"),
        ("/x *(ro,fsid=0)\n/x/data *(rw,no_root_squash)\n", "/data", "v4.1", "ok", "healthy"),
        ("/x *(ro,fsid=0)\n", "/", "v4.1", "EROFS", "export-read-only"),
        # the innermost export decides
        ("/a *(ro)\n/a/b *(rw,no_root_squash)\n", "/a/b/c", "", "ok", "healthy"),
        ("/ *(rw,no_root_squash)\n", "/any", "", "ok", "healthy"),
        ("/a/nfs *(rw)\n", "/a/nfs2", "v4.1", "ENOENT", "path-not-exported"),
        # flavours and ports
        ("/a *(rw,no_root_squash,sec=krb5)\n", "/a", "v4.1", "EPERM", "kerberos-auth"),
        ("/a *(rw,no_root_squash,sec=krb5)\n", "/a", "nfsvers=3", "EACCES", "kerberos-auth"),
        ("/a *(rw,no_root_squash,sec=krb5:sys)\n", "/a", "v4.1", "ok", "healthy"),
        ("/a *(ro,sec=krb5,rw,no_root_squash)\n", "/a", "sec=krb5", "ok", "healthy"),
        ("/a *(rw,no_root_squash)\n", "/a", "v4.1,sec=krb5", "EPERM", "kerberos-auth"),
        ("/a *(sec=krb5,rw,no_root_squash,sec=sys,ro)\n", "/a", "v4.1", "EROFS", "export-read-only"),
        ("/a *(rw,no_root_squash)\n", "/a", "v4.1,noresvport", "EPERM", "mount-eperm"),
        ("/a *(rw,no_root_squash)\n", "/a", "nfsvers=3,noresvport", "EACCES", "mount-eperm"),
        ("/a *(rw,no_root_squash,insecure)\n", "/a", "v4.1,noresvport", "ok", "healthy"),
        # writing
        ("/a *(rw,no_root_squash)\n", "/a", "ro", "EROFS", "bad-mount-option"),
        ("/a *\n", "/a", "", "EROFS", "export-read-only"),
        ("/a *(rw,no_root_squash,all_squash)\n", "/a", "", "EACCES", "root-squash"),
        ("/a *(rw,anonuid=0,anongid=0)\n", "/a", "", "ok", "healthy"),
        # a space too much
        ("/a * (rw)\n", "/a", "", "EROFS", "export-read-only"),
        ("/a 192.168.59.22 (rw)\n", "/a", "", "EROFS", "export-read-only"),
        # spelling of the share
        ("/a *(rw,no_root_squash)\n", "a/", "", "ok", "healthy"),
        ("/a *(rw,no_root_squash)\n", "//a//", "", "ok", "healthy"),
        ("/a *(rw,no_root_squash)\n", "", "v4.1", "EROFS", "wrong-share-path"),
    ],
)
def test_each_step(table, share, options, outcome, category):
    found = ask(table, share, options)
    assert (found.outcome, found.category) == (outcome, category), found.why
    assert found.why


def test_fsid_0_tells_the_share_below_it():
    found = ask("/export *(rw,no_root_squash,fsid=0)\n", "/export/team", "nfsvers=4.2")
    assert (found.outcome, found.share_right) == ("ENOENT", "/team")
    assert ask("/export *(rw,no_root_squash,fsid=0)\n", "/export", "nfsvers=4.2").share_right == "/"
    assert ask("/x *(ro,fsid=0)\n/x/data *(rw,no_root_squash)\n", "/", "v4.1").share_right == "/data"


def test_read_only_hides_the_squashing():
    found = ask(f"{DATA} *(sync)\n", DATA)
    assert found.category == "export-read-only"
    assert found.next_fault is not None
    assert found.next_fault.category == "root-squash"
    assert ask(f"{DATA} *(ro,no_root_squash)\n", DATA).next_fault is None


def test_the_wrong_share_hides_what_the_right_one_meets():
    found = ask(f"{DATA} *(ro)\n", "/")
    chain = [found.category]
    while found.next_fault:
        found = found.next_fault
        chain.append(found.category)
    assert chain == ["wrong-share-path", "export-read-only", "root-squash"]


def test_a_refused_client_hides_what_the_others_meet():
    found = ask(f"{DATA} 10.9.9.0/24(ro)\n", "/", "nfsvers=4.1")
    assert found.category == "client-not-allowed"
    assert found.next_fault is not None
    assert (found.next_fault.category, found.next_fault.share_right) == ("wrong-share-path", DATA)


def test_squashing_and_mount_permissions():
    found = ask("/a *(rw)\n", "/a", mount_permissions="0777")
    assert found.next_fault is not None
    assert (found.next_fault.outcome, found.next_fault.stage, found.next_fault.category) == (
        "EPERM",
        "chmod",
        "chmod-not-permitted",
    )
    assert ask("/a *(rw)\n", "/a", mount_permissions="0").next_fault is None
    assert found.confidence == "medium"
    assert any("writable for 65534:65534" in sentence for sentence in found.why)


def test_a_sub_directory_may_lead_into_the_export():
    found = ask(f"{DATA} *(rw,no_root_squash)\n", "/", subdir="home/ubuntu/nfs/${pvc.metadata.name}")
    assert (found.outcome, found.share_right) == ("ok", DATA)
    assert ask(f"{DATA} *(rw,no_root_squash)\n", "/", subdir="${pvc.metadata.name}").outcome == "EROFS"
    assert ask(f"{DATA} *(rw,no_root_squash)\n", "/", subdir="home/ubuntu").outcome == "EROFS"


def test_an_unknown_client_is_told_of_all_that_may_be():
    found = ask("/a 10.0.0.5(ro) 10.0.0.0/24(rw,no_root_squash)\n", "/a", client=None)
    assert (found.outcome, found.confidence) == ("ok", "low")
    assert [other.category for other in found.alternatives] == ["export-read-only"]
    assert ask("/a 10.0.0.0/24(rw,no_root_squash)\n", "/a", client=None).confidence == "medium"
    assert ask("/a *(rw,no_root_squash)\n", "/a", client=None).confidence == "high"


def test_what_takes_dns_is_not_sure():
    assert ask("/a @nodes(rw,no_root_squash)\n", "/a").confidence == "low"
    assert ask("/a 192.168.59.*(rw,no_root_squash)\n", "/a").confidence == "low"
    assert ask("/a 192.168.60.*(rw,no_root_squash)\n", "/a").category == "client-not-allowed"


def test_what_exportfs_dropped_is_the_reason():
    found = ask("/a *(rw,bogus)\n/srv/data *(rw)\n", "/srv/data", "nfsvers=4.1")
    assert found.category == "path-not-exported"
    assert any(
        "exports:2 has /srv/data" in sentence and 'unknown keyword "bogus"' in sentence for sentence in found.why
    )


def test_both_wordings_of_an_unpinned_version():
    found = ask(f"{DATA} *(rw)\n", "/srv/private")
    assert (found.outcome, found.equally) == ("EACCES", ("ENOENT",))


@pytest.mark.parametrize(
    ("share", "paths", "wanted"),
    [
        ("/home/ubuntu/nsf", [DATA, "/srv"], [DATA]), ("/Home/Ubuntu/NFS", [DATA, "/srv"], [DATA]), ("/ubuntu/nfs", [DATA, "/srv/x"], [DATA]),
        ("/export/data", ["/data", "/other"], ["/data"]), ("/data", ["/volume1/data", "/volume1/homes"], ["/volume1/data"]),
        ("/srv/x/data", ["/mnt/data", "/b"], ["/mnt/data"]), ("/srv/private", [DATA], []), ("/", ["/a", "/b"], []),
    ],
)  # fmt: skip
def test_the_path_that_was_meant(share, paths, wanted):
    assert similar(share, paths) == wanted


# ---------------------------------------------------------------- several listings, several servers

LIVE = f"{DATA}\n\t\t<world>(sync,wdelay,hide,no_subtree_check,sec=sys,ro,secure,no_root_squash,no_all_squash)\n"


def test_what_is_in_force_counts_and_the_difference_is_told():
    known = facts(f"{DATA} *(rw,no_root_squash)\n/new *(rw)\n")
    known.read("exportfs-v", LIVE, "exportfs-v.txt")
    found = predict(known, SERVER, DATA, "")
    assert found.category == "export-read-only"
    assert any("exportfs -ra" in sentence for sentence in found.why)
    assert predict(known, SERVER, "/new", "nfsvers=4.1").category == "path-not-exported"


def test_lines_of_the_file_are_cited_where_both_agree():
    known = facts(f"# head\n{DATA} *(ro,no_root_squash)\n")
    known.read("exportfs-v", LIVE, "exportfs-v.txt")
    assert predict(known, SERVER, DATA, "").why[0].startswith("exports:2 ")


def test_showmount_cannot_tell_the_options():
    known = facts(f"Export list for {SERVER}:\n{DATA} *\n", kind="showmount")
    found = predict(known, SERVER, "/", "")
    assert (found.category, found.share_right) == ("wrong-share-path", DATA)
    found = predict(known, SERVER, DATA, "")
    assert (found.outcome, found.confidence) == ("ok", "low")
    assert "does not show its options" in found.why[0]


def test_listings_are_kept_apart_by_server():
    known = Facts()
    known.read("showmount", "Export list for 10.0.0.1:\n/a *\n", "one")
    known.read("showmount", "Export list for 10.0.0.2:\n/b *\n", "two")
    known.read("exports", "/c *(rw,no_root_squash)\n", "three", server="10.0.0.3")
    assert predict(known, "10.0.0.1", "/", "").share_right == "/a"
    assert predict(known, "10.0.0.2", "/", "").share_right == "/b"
    assert predict(known, "10.0.0.3", "/c", "").outcome == "ok"
    found = predict(known, "10.0.0.9", "/", "")
    assert (found.category, found.confidence) == ("insufficient-evidence", "low")
    assert known.exports is known.listings[2]


def test_a_listing_made_on_the_server_itself():
    known = facts(f"Export list for 127.0.0.1:\n{DATA} *\n", kind="showmount")
    assert predict(known, SERVER, "/", "").share_right == DATA


# ---------------------------------------------------------------- what the server should say


@pytest.mark.parametrize(
    ("table", "share", "options", "line"),
    [
        (f"{DATA} *(ro,sync,no_root_squash)\n", DATA, "", f"{DATA} *(rw,sync,no_root_squash)"),
        ("/a *\n", "/a", "", "/a *(rw)"),
        ("/a *(rw,sync)\n", "/a", "", "/a *(rw,sync,no_root_squash)"),
        ("/a *(rw,root_squash,sync)\n", "/a", "", "/a *(rw,no_root_squash,sync)"),
        ("/a 10.0.0.5(ro) 192.168.59.0/24(ro,sync)\n", "/a", "", "/a 10.0.0.5(ro) 192.168.59.0/24(rw,sync)"),
        (
            "/a 10.9.9.0/24(rw,no_root_squash)\n",
            "/a",
            "",
            "/a 10.9.9.0/24(rw,no_root_squash) 192.168.59.0/24(rw,no_root_squash)",
        ),
        (
            "/a *(rw,no_root_squash)\n",
            "/srv/private",
            "v4.1",
            "/srv/private 192.168.59.0/24(rw,sync,no_subtree_check,no_root_squash)",
        ),
        ("/a *(rw,no_root_squash)\n", "/a", "noresvport,v4.1", "/a *(rw,no_root_squash,insecure)"),
        ("/a *(rw,no_root_squash)\n", "/", "", None),
        ("/a *(rw,no_root_squash)\n", "/a", "", None),
        ("/a *(rw,sec=krb5)\n", "/a", "", None),
        ('"/a b" *(ro,no_root_squash)\n', "/a b", "", "/a\\040b *(rw,no_root_squash)"),
        # A blank before the parenthesis made two clients of one; another one on the line stays.
        ("/a 192.168.59.0/24 (rw,no_root_squash)\n", "/a", "", "/a 192.168.59.0/24(rw,no_root_squash)"),
        ("/a 192.168.59.0/24 (rw,sync) @ops(ro)\n", "/a", "", "/a 192.168.59.0/24(rw,sync) @ops(ro)"),
    ],
)
def test_the_line_that_the_server_should_have(table, share, options, line):
    known = facts(table)
    found = predict(known, SERVER, share, options, client=NODE)
    assert exports_fix(found, known, SERVER, client=NODE) == line
    if line and found.category != "client-not-allowed":
        mended = predict(facts(line + "\n"), SERVER, share, options, client=NODE)
        assert mended.category != found.category


# ---------------------------------------------------------------- laws

KINDS = st.sampled_from([*exports.KINDS, "manifest", "nonsense"])
PIECES = st.sampled_from([
    "apiVersion: v1\n", "kind: StorageClass\n", "kind: List\n", "metadata:\n  name: x\n", "parameters:\n  share: ", "items:\n- ", "&a ", "*a", "!!python/object:x ",
    "[", "{", "}", "]", "---\n", "\t", "'", '"', ": ", "- ", "|\n", "/a *(rw)\n", "\0", "\ufeff", "\x85",
])  # fmt: skip


@settings(max_examples=300)
@given(st.lists(PIECES | st.text(max_size=6), max_size=20).map("".join), KINDS, st.text(max_size=10))
def test_any_text_is_evidence_or_an_error(text, kind, share):
    recognise(text, "input")
    known = Facts()
    known.read(kind, text, "input")
    for name in (*known.storage_classes, *known.volumes):
        corrected_manifest(known, name, share)
    found = predict(known, SERVER, share, "", client=NODE, subdir=text[:20])
    exports_fix(found, known, SERVER)


TABLES = st.lists(
    st.tuples(
        st.sampled_from(["/", "/a", "/a/b", "/a/b/c", "/srv/nfs", "/srv"]),
        st.sampled_from(["*", "192.168.59.0/24", "10.0.0.0/8", "@g", "192.168.59.22"]),
        st.lists(
            st.sampled_from(["ro", "rw", "no_root_squash", "fsid=0", "all_squash", "sec=krb5", "mp", "nohide"]),
            max_size=4,
        ).map(",".join),
    ),
    max_size=5,
).map(lambda rows: "".join(f"{path} {client}({options})\n" for path, client, options in rows))


@settings(max_examples=300)
@given(
    TABLES,
    st.sampled_from(["/", "/a", "/a/b", "/a/a/a", "/srv", "/x", "/a/b/c/d"]),
    st.sampled_from(["", "nfsvers=3", "nfsvers=4.1", "nolock", "sec=krb5", "vers=3,noresvport"]),
    st.sampled_from([None, NODE, "10.1.2.3", "node1"]),
)
def test_every_prediction_holds_together(table, share, options, client):
    found = ask(table, share, options, client=client)
    assert found.outcome in {"ok", "EROFS", "ENOENT", "EACCES", "EPERM"}
    assert found.stage in {"mount", "write", "chmod", "none"}
    assert found.confidence in {"high", "medium", "low"}
    assert (found.outcome == "ok") == (found.category == "healthy") == (found.stage == "none")
    assert found.why
    if found.share_right is not None and found.outcome != "ok":
        assert found.share_right != found.share
        after = ask(table, found.share_right, options, client=client)
        assert after.category not in {"wrong-share-path", "path-not-exported"}
        if found.next_fault is None:
            assert after.outcome == "ok"
