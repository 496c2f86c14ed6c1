"""Ids, paths, mounts, errors and versions of the driver."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logscan import csi

NAMES = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,20}[a-z0-9]", fullmatch=True)
PATHS = st.lists(NAMES, min_size=0, max_size=4).map("/".join)
SERVERS = st.one_of(NAMES, st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(lambda ip: f"[{ip}]"))
UUIDS = st.uuids().map(str)


@given(SERVERS, PATHS, NAMES, st.sampled_from(["", "#", "##", "#pvc-1#retain", "#pvc-1#"]))
def test_a_handle_of_any_version_gives_back_server_share_and_directory(server, share, subdir, tail):
    parsed = csi.parse_volume_id(f"{server}#{share}#{subdir}{tail}")
    assert parsed is not None
    assert (parsed.server, parsed.share, parsed.subdir) == (server, "/" + share, subdir)
    assert parsed.volume == ("pvc-1" if "pvc-1" in tail else subdir)


@pytest.mark.parametrize(
    ("handle", "expected"),
    [
        ("10.0.0.5/export/pvc-1", ("10.0.0.5", "/export", "pvc-1", "slash")),
        ("10.0.0.5//pvc-1", ("10.0.0.5", "/", "pvc-1", "slash")),
        ("10.0.0.5##pvc-1##", ("10.0.0.5", "/", "pvc-1", "hash")),
        ("nfs#srv/nfs#team/a#pvc-9#archive#more", ("nfs", "/srv/nfs", "team/a", "hash")),
    ],
)
def test_handles_of_the_known_versions(handle, expected):
    parsed = csi.parse_volume_id(handle)
    assert parsed is not None
    assert (parsed.server, parsed.share, parsed.subdir, parsed.format) == expected


@pytest.mark.parametrize("handle", ["my-static-volume", "", "#a#b", "a#b", "/srv/x/y"])
def test_a_free_form_handle_says_nothing(handle):
    assert csi.parse_volume_id(handle) is None


@given(UUIDS, UUIDS)
def test_the_shape_of_a_path_tells_share_from_container_from_node(one, pod):
    volume = f"pvc-{one}"
    assert csi.parse_path(f"/tmp/{volume}/{volume}") == csi.Target("share", volume)
    assert csi.parse_path(f"/tmp/{volume}") == csi.Target("container", volume)
    for root in ("/var/lib/kubelet", "/var/snap/microk8s/common/var/lib/kubelet", "/var/lib/k0s/kubelet"):
        path = f"{root}/pods/{pod}/volumes/kubernetes.io~csi/{volume}/mount"
        assert csi.parse_path(path) == csi.Target("node", volume, pod)
    # --working-mount-dir elsewhere: the volume's name repeats on the share.
    assert csi.parse_path(f"/workdir/{volume}/{volume}").where == "share"
    assert csi.parse_path(f"/workdir/{volume}").where == "container"


@given(SERVERS, PATHS, st.sampled_from(["", "nfsvers=4.1", "nfsvers=3,nolock,hard", "nfsvers=4.1 , hard"]), UUIDS)
def test_mount_arguments_are_read_back_whatever_the_options_hold(server, path, options, one):
    target = f"/tmp/pvc-{one}"
    flags = f"-o {options} " if options else ""
    for text in (
        f"Mounting cmd (mount) with arguments (-t nfs {flags}{server}:/{path} {target})",
        (
            f"mount failed: exit status 32\nMounting command: mount\nMounting arguments: -t nfs {flags}{server}:/{path} "
            f"{target}\nOutput: mount.nfs: Connection refused"
        ),
    ):
        assert csi.parse_mount(text) == csi.Mount(server, f"/{path}", target, options)
        assert csi.subject_of(text).volume == f"pvc-{one}"


def test_a_raw_ipv6_source_is_split_where_the_path_begins():
    mount = csi.parse_mount("with arguments (-t nfs fd00::1:/srv /tmp/pvc-1)")
    assert mount is not None
    assert (mount.server, mount.path) == ("fd00::1", "/srv")
    assert csi.server_kind(mount.server) == "ipv6"


@pytest.mark.parametrize(
    ("options", "version"),
    [
        ("", "auto"), ("hard,intr", "auto"), ("nfsvers=4.1", "4.1"), ("vers=3,nolock", "3"), ("v4.2", "4.2"),
        ("nfsvers=4,minorversion=1", "4.1"), ("nfsvers=4.1,vers=3", "3"), ("nconnect=4", "auto"),
        ("nfsvers=4.1 , hard", "4.1"), ("nfsver=4.1", "auto"), ("mountvers=3", "auto"),
    ],
)  # fmt: skip
def test_the_version_that_options_pin(options, version):
    assert csi.mount_version(options) == version


def test_the_outer_code_and_the_innermost_text_of_a_nested_error():
    status = csi.parse_status(
        "GRPC error: rpc error: code = Internal desc = failed to mount nfs server: rpc error: code = PermissionDenied "
        "desc = mount failed: exit status 32\nOutput: mount.nfs: access denied by server while mounting 10.0.0.5:/x\n"
    )
    assert status is not None
    assert status.code == "Internal"
    assert status.innermost.startswith("mount failed: exit status 32\nOutput: ")
    empty = csi.parse_status("GRPC error: rpc error: code = Unimplemented desc = ")
    assert empty is not None
    assert (empty.code, empty.desc) == ("Unimplemented", "")


@given(st.text())
def test_no_text_makes_the_readers_fail(text):
    csi.parse_volume_id(text)
    csi.parse_path(text)
    csi.parse_mount(text)
    csi.parse_status(text)
    csi.subject_of(text)
    csi.mount_version(text)
    csi.banner_version(text)
    csi.version_matches(text, ">=4.1")


def _print(version_row: int) -> csi.Fingerprint:
    fingerprint = csi.Fingerprint()
    _, lines = csi._ROWS[version_row]
    for (file, prefix), line in zip(csi.ANCHORS, lines, strict=True):
        if line:
            fingerprint.see(file, line, prefix + "x")
    return fingerprint


@pytest.mark.parametrize("row", range(len(csi._ROWS)))
def test_each_release_is_among_those_that_its_own_lines_name(row):
    assert csi._ROWS[row][0] in _print(row).versions()


@pytest.mark.parametrize("row", range(len(csi._ROWS)))
def test_one_anchor_that_disagrees_leaves_no_version(row):
    fingerprint = _print(row)
    fingerprint.see("controllerserver.go", 9999, "internally mounting x")
    assert fingerprint.versions() == ()


def test_lines_of_other_files_and_messages_say_nothing_of_the_version():
    fingerprint = csi.Fingerprint()
    fingerprint.see("utils.go", 93, "chmod targetPath(/x)")
    fingerprint.see("connection.go", 93, "GRPC error: x")
    assert fingerprint.versions() == ()


@pytest.mark.parametrize(
    ("message", "version"),
    [
        ("Driver: nfs.csi.k8s.io version: v4.6.0", "v4.6.0"),
        ("Driver: nfs.csi.k8s.io version: 3.0.0", "v3.0.0"),
        ("Driver: nfs.csi.k8s.io version: N/A", None),
        ('GRPC response: {"name":"nfs.csi.k8s.io","vendor_version":"v4.13.4"}', "v4.13.4"),
        ('GRPC response: {"name":"smb.csi.k8s.io","vendor_version":"v1.2.3"}', None),
    ],
)
def test_the_version_that_the_driver_states(message, version):
    assert csi.banner_version(message) == version


@pytest.mark.parametrize(
    ("version", "spec", "inside"),
    [
        ("v4.10.0", ">=4.9,<4.11", True), ("v4.9.0", ">=4.10", False), ("v4.6.0-v4.8.0", "<4.9", True),
        ("v4.6.0-v4.8.0", "<4.8", False), ("master", ">=4.13", True), ("v4.1.0", "4.1", True), ("N/A", ">=1", False),
        ("v4.13.4", "<=v4.13.4", True),
    ],
)  # fmt: skip
def test_a_span_of_versions_lies_in_a_range_only_as_a_whole(version, spec, inside):
    assert csi.version_matches(version, spec) is inside


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mkdir /tmp/a/b: read-only file system", "EROFS"), ("mount.nfs: Stale file handle", "ESTALE"),
        ("mount.nfs: No route to host", "EHOSTUNREACH"), ("all is well", ""),
    ],
)  # fmt: skip
def test_errno_by_the_words_of_go_and_of_glibc(text, name):
    assert csi.errno_in(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "applyFSGroup failed for vol nas.int#vol/a#pvc-1##: lchown /x: read-only file system",
        'failed to take snapshot of the volume nas.int#vol/a#pvc-1##: "rpc error: code = Internal"',
        'Volume ID "nas.int#vol/a#sub/dir#pvc-1#retain" is busy',
    ],
)
def test_a_handle_is_found_wherever_it_stands(text):
    found = csi.handle_in(text, "pvc-1")
    assert found is not None
    assert (found.server, found.share) == ("nas.int", "/vol/a")
    assert csi.handle_in(text, "pvc-2") is None


def test_the_block_below_the_start_states_the_version():
    block = "DRIVER INFORMATION:\n-------------------\nCompiler: gc\nDriver Version: v3.1.0\nGo Version: go1.17.3"
    assert csi.banner_version(block) == "v3.1.0"
    assert csi.banner_version(block.replace("v3.1.0", "N/A")) is None


@pytest.mark.parametrize(
    ("pod", "container", "other"),
    [
        ("ebs-csi-node-9lx", "ebs-plugin", True),
        ("ebs-csi-controller-7c9", "csi-provisioner", True),
        ("csi-azuredisk-node-x1", "azuredisk", True),
        ("democratic-csi-nfs-node-abcde", "csi-driver", True),
        ("csi-nfs-node-x7x2k", "liveness-probe", False),
        ("rke2-csi-driver-nfs-controller-0", "csi-provisioner", False),
        ("csi-demo-0", "web", False),
        ("web-0", "driver", False),
        ("", "", False),
    ],
)
def test_another_drivers_container_is_known_by_its_pod(pod, container, other):
    assert csi.other_pod(pod, container) is other


@given(st.lists(st.sampled_from([*csi.ERRNOS, "Permission denied", "x", "not", " "]), max_size=5).map(" ".join))
def test_of_several_errnos_the_last_and_longest_counts(text):
    low = text.lower()
    places = [(low.rfind(words), len(words), name) for words, name in csi.ERRNOS.items() if words in low]
    assert csi.errno_in(text) == (max(places)[2] if places else "")
