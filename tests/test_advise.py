"""What to collect next: the exact command for each way in which a log can be the wrong one, and none on a good one."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logscan import advise, rules, scan, sources
from logscan.model import (
    Alternative,
    Diagnosis,
    Evidence,
    InputSummary,
    MountTried,
    Remedy,
    Report,
    Severity,
    VolumeRef,
)

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
PV = "pvc-ca0ab165-9aa5-42a4-ae15-f4fd036142d2"
HEAD = "I1002 06:00:01.004123       1 "
PROBE = HEAD + 'main.go:135] "Calling CSI driver to discover driver name"\n'
BANNER = HEAD + "nfs.go:90] Driver: nfs.csi.k8s.io version: v4.6.0\n"
READ_ONLY = (
    "E1002 06:00:02.000000       1 utils.go:114] GRPC error: rpc error: code = Internal desc = failed to make"
    f" subdirectory: mkdir /tmp/{PV}/{PV}: read-only file system\n"
)
SET_UP = (
    "Oct 02 06:00:02 worker-3 kubelet[812]: E1002 06:00:02.000000     812 nestedpendingoperations.go:348] Operation for"
    f' "{{volumeName:kubernetes.io/csi/nfs.csi.k8s.io^10.0.0.5#srv#{PV}## podName: nodeName:}}" failed. No retries'
    " permitted until 2026-10-02 06:00:03 +0000 UTC m=+1.0 (durationBeforeRetry 500ms). Error: MountVolume.SetUp failed"
    f' for volume "{PV}" (UniqueName: "x") pod "web-0" (UID: "6e15d43c-373c-4eaf-b43b-fee100907386") : rpc error: code ='
    " DeadlineExceeded desc = context deadline exceeded\n"
)
PROVISION = (
    'E1002 06:00:00.000000       1 controller.go:974] "Unhandled Error" err="error syncing claim'
    r" \"ca0ab165-9aa5-42a4-ae15-f4fd036142d2\": failed to provision volume with StorageClass \"nfs-csi\": rpc error: code"
    ' = DeadlineExceeded desc = context deadline exceeded" logger="UnhandledError"\n'
)
MY_NODE = "$(kubectl -n kube-system get pod -l app=csi-nfs-node --field-selector spec.nodeName=worker-3 -o name)"


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


def report_of(*texts: str) -> Report:
    scanner = scan.Scanner(loaded(), scan.Options(reference=1_796_083_200_000_000))
    for number, text in enumerate(texts):
        scanner.read(sources.Source(name=f"{number}.log", mtime=None, chunks=iter([text.encode()])))
    return scanner.report()


def commands(*texts: str) -> list[str]:
    report = report_of(*texts)
    assert report.verdict == "not-enough-evidence"
    return [one.command for one in report.collect_next]


# ---------------------------------------------------------------- the wrong log


def test_the_container_that_kubectl_took_in_the_controller():
    picked = 'Defaulted container "liveness-probe" out of: liveness-probe, csi-provisioner, csi-snapshotter, nfs\n'
    assert commands(picked + PROBE) == [advise.CONTROLLER_LOG]


def test_the_container_that_kubectl_took_on_a_node():
    picked = 'Defaulted container "liveness-probe" out of: liveness-probe, node-driver-registrar, nfs\n'
    assert commands(picked + PROBE) == [advise.NODE_LOG]


def test_a_registrars_log_is_of_a_node():
    log = HEAD + "node_register.go:55] Starting Registration Server at: /registration/nfs.csi.k8s.io-reg.sock\n"
    assert commands(log) == [advise.NODE_LOG]


def test_a_replica_that_waits_for_its_lease():
    waits = HEAD + 'leaderelection.go:257] "Attempting to acquire leader lease..." lock="kube-system/nfs-csi-k8s-io"\n'
    version = HEAD + 'csi-provisioner.go:154] "Version" version="v5.0.2"\n'
    holder, logs = commands(version + waits)
    assert holder.startswith("kubectl get lease -A ")
    assert "--all-containers --prefix" in logs
    leads = HEAD + 'leaderelection.go:271] "Successfully acquired lease" lock="kube-system/nfs-csi-k8s-io"\n'
    report = report_of(version + waits + leads)
    assert (report.verdict, report.collect_next) == ("healthy", ())


def test_the_drivers_log_without_its_requests():
    listening = 'server.go:117] Listening for connections on address: &net.UnixAddr{Name:"//csi/csi.sock", Net:"unix"}'
    skipped = "nodeserver.go:149] skip chmod on targetPath(/x) since mountPermissions is set as 0"
    flags, log = commands(HEAD + listening + "\n" + HEAD + skipped + "\n")
    assert flags.startswith("kubectl -n kube-system get deploy csi-nfs-controller -o jsonpath=")
    assert log == advise.CONTROLLER_LOG


def test_a_driver_that_nobody_calls():
    # It tells of its start where it would tell of its calls.
    listening = 'server.go:117] Listening for connections on address: &net.UnixAddr{Name:"//csi/csi.sock", Net:"unix"}'
    assert commands(BANNER + HEAD + listening + "\n") == [
        advise.PROVISIONER_LOG,
        advise.PODS,
        advise.CONTROLLER_LOG,
    ]
    old = BANNER.replace("v4.6.0", "3.0.0")  # which says so without -v=2
    assert commands(old)[0].startswith("kubectl -n kube-system get deploy csi-nfs-controller -o jsonpath=")


def test_a_class_and_exports_tell_something_without_a_log():
    scanner = scan.Scanner(loaded())
    manifest = b"apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: a}\nprovisioner: nfs.csi.k8s.io\nparameters: {server: a, share: /a}\n"
    scanner.evidence("my class.yaml", "manifest", manifest)
    scanner.evidence("exports", "exports", b"/a *(rw)\n")
    first = advise.complete(scanner.report()).collect_next[0]
    assert first.command == "logscan predict --exports exports --storageclass 'my class.yaml'"


def test_an_error_without_its_request_leaves_the_share_open():
    report = report_of(BANNER + READ_ONLY)
    assert report.inputs[0].hints == ("no-requests",)
    assert report.diagnoses[0].alternatives
    whys = [one.why for one in report.collect_next]
    assert any("-v is below 2" in why for why in whys)
    assert any("to decide between the causes" in why for why in whys)


def test_a_log_that_starts_after_the_request_that_failed():
    asked = (
        HEAD
        + "utils.go:109] GRPC call: /csi.v1.Controller/ControllerGetCapabilities\n"
        + HEAD
        + "utils.go:110] GRPC request: {}\n"
    )
    report = report_of(READ_ONLY + asked)
    assert report.inputs[0].hints == ("starts-late",)
    assert [one.command for one in report.collect_next][-2:] == [
        advise.CONTROLLER_LOG,
        f"{advise.CONTROLLER_LOG} --previous",
    ]


def test_text_that_is_no_log():
    wanted = commands("hello world\n")
    assert wanted[:3] == [advise.CONTROLLER_LOG, advise.NODE_LOG, advise.EVENTS]


# ---------------------------------------------------------------- symptoms only


def test_a_provisioner_that_waited_in_vain_wants_the_controllers_log():
    claim, log = commands(PROVISION)
    assert claim.endswith("| grep ca0ab165-9aa5-42a4-ae15-f4fd036142d2")
    assert log == advise.CONTROLLER_LOG


def test_a_claim_that_only_waits():
    described = (
        "Name:          data-web-0\nNamespace:     shop\nEvents:\n"
        "  Type    Reason                Age               From                         Message\n"
        "  ----    ------                ----              ----                         -------\n"
        "  Normal  ExternalProvisioning  3s (x5 over 51s)  persistentvolume-controller  Waiting for a volume to be created"
        " either by the external provisioner 'nfs.csi.k8s.io' or manually by the system administrator. If volume creation"
        " is delayed, please verify that the provisioner is running and correctly registered.\n"
    )
    wanted = commands(described)
    assert advise.CONTROLLER_LOG in wanted
    assert advise.PROVISIONER_LOG in wanted
    assert advise.NODE_LOG not in wanted


def test_a_pod_that_waited_in_vain_wants_its_nodes_log():
    table = (
        "LAST SEEN   TYPE      REASON        OBJECT        MESSAGE\n"
        "2m          Warning   FailedMount   pod/web-0     Unable to attach or mount volumes: unmounted volumes=[data],"
        " unattached volumes=[data]: timed out waiting for the condition\n"
    )
    assert commands(table) == ["kubectl get pod -A -o wide", advise.NODE_LOG]


def test_a_node_that_is_named_has_its_own_command():
    wanted = commands(SET_UP)
    assert wanted[0] == f"kubectl -n kube-system logs {MY_NODE} -c nfs --tail=-1"
    assert wanted[1].startswith("sudo mkdir -p /tmp/test && sudo mount -v -t nfs 10.0.0.5:/srv")


def test_a_controllers_log_does_not_tell_of_a_mount_on_a_node():
    healthy = (SAMPLES / "healthy-controller.log").read_text(encoding="utf-8")
    assert f"kubectl -n kube-system logs {MY_NODE} -c nfs --tail=-1" in commands(healthy, SET_UP)


def test_another_nodes_log_does_not_tell_either():
    other = (SAMPLES / "healthy-node.log").read_text(encoding="utf-8")
    assert report_of(other).inputs[0].nodes not in {(), ("worker-3",)}
    assert f"kubectl -n kube-system logs {MY_NODE} -c nfs --tail=-1" in commands(other, SET_UP)


# ---------------------------------------------------------------- ambiguous causes

OPEN = Diagnosis(
    "mount-x", "server-unreachable", Severity.ERROR, "medium", "t", "c", Remedy(),
    confirm=("nc -zvw3 10.0.0.5 2049",), alternatives=(Alternative("dns", "or so"),),
    volumes=(VolumeRef(PV, "data", "shop"),), evidence=(Evidence("a.log", 1, 1, "x"),),
    mount=MountTried("10.0.0.5:/srv", "nfsvers=4.1,hard"),
)  # fmt: skip


def advised(one: Diagnosis, *inputs: InputSummary) -> list[str]:
    report = Report("0", "error", inputs=inputs, diagnoses=(one,))
    return [item.command for item in advise.complete(report).collect_next]


def changed(**values: Any) -> Diagnosis:
    return replace(OPEN, **values)


def test_the_manual_mount_is_made_where_the_driver_makes_it():
    assert advised(changed(methods=("NodePublishVolume",), nodes=("w1",))) == [
        "nc -zvw3 10.0.0.5 2049",
        "sudo mkdir -p /tmp/test && sudo mount -v -t nfs -o nfsvers=4.1,hard 10.0.0.5:/srv /tmp/test; sudo umount /tmp/test",
    ]
    assert advised(changed(methods=("CreateVolume",)))[1] == (
        "kubectl -n kube-system exec deploy/csi-nfs-controller -c nfs -- sh -c"
        " 'mkdir -p /tmp/test && mount -v -t nfs -o nfsvers=4.1,hard 10.0.0.5:/srv /tmp/test; umount /tmp/test'"
    )


def test_the_manual_mount_is_made_in_the_drivers_pod_where_only_that_is_known():
    of_pod = changed(methods=("NodePublishVolume",), pods=("storage/csi-nfs-node-a",))
    assert advised(of_pod) == [
        "nc -zvw3 10.0.0.5 2049",
        (
            "kubectl -n storage exec csi-nfs-node-a -c nfs -- sh -c"
            " 'mkdir -p /tmp/test && mount -v -t nfs -o nfsvers=4.1,hard 10.0.0.5:/srv /tmp/test; umount /tmp/test'"
        ),
        "kubectl -n storage get pod csi-nfs-node-a -o wide",
    ]
    late = InputSummary("a.log", role="node", component="nfs", hints=("starts-late",))
    assert "kubectl -n storage logs csi-nfs-node-a -c nfs --tail=-1 --previous" in advised(of_pod, late)
    known = changed(methods=("NodePublishVolume",), nodes=("w1",), pods=("csi-nfs-node-a",))
    assert not any("csi-nfs-node-a" in command for command in advised(known))


def test_nolock_where_locking_is_the_trouble():
    statd = changed(category="statd-missing", methods=("NodePublishVolume",), mount=MountTried("a:/b", "nfsvers=3"))
    assert "-o nfsvers=3,nolock a:/b" in advised(statd)[1]


def test_a_rule_that_mounts_by_hand_itself_is_not_repeated():
    assert advised(changed(confirm=("mount -v -t nfs a:/b /tmp/test",))) == ["mount -v -t nfs a:/b /tmp/test"]


@pytest.mark.parametrize("one", [changed(alternatives=()), changed(recovered=True), changed(severity=Severity.INFO)])
def test_what_leaves_nothing_open_wants_nothing(one):
    assert advised(one) == []


@pytest.mark.parametrize("verdict", ["healthy", "info"])
def test_nothing_is_advised_on_a_good_log(verdict):
    assert advise.complete(Report("0", verdict, diagnoses=(OPEN,))).collect_next == ()


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("healthy-*.log")), ids=lambda path: path.name)
def test_nothing_is_advised_on_the_healthy_samples(path):
    assert report_of(path.read_text(encoding="utf-8")).collect_next == ()


hostile = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda text: "\0" not in text)


@given(hostile, hostile, hostile)
@settings(max_examples=100, deadline=None)
def test_names_out_of_a_log_stay_one_word(claim, source, node):
    """Commands are made to be pasted, and the names in them are a stranger's."""
    one = changed(
        category="deadline-exceeded", alternatives=(), confirm=(), volumes=(VolumeRef("v", claim, claim),),
        mount=MountTried(source, source.replace(",", "")), nodes=(node,), methods=(),
    )  # fmt: skip
    wanted = advised(one)
    describe = next(shlex.split(command) for command in wanted if " describe " in command)
    assert describe == ["kubectl", "-n", claim, "describe", "pvc", claim]
    by_hand = next(shlex.split(command) for command in wanted if "mount -v" in command)
    assert source in by_hand
    of_node = next(command for command in wanted if "spec.nodeName=" in command)
    assert f"spec.nodeName={node}" in shlex.split(of_node.partition("$(")[2].rpartition(")")[0])
