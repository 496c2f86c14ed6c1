"""How the driver was installed decides between causes: kubelet's directory, DNS."""

from __future__ import annotations

import json
from functools import cache

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from logscan import evidence, rules, scan, sources
from logscan.evidence.install import Install, of_values
from logscan.evidence.trees import documents, tree
from logscan.model import Report

MICROK8S = "/var/snap/microk8s/common/var/lib/kubelet"
USUAL = "/var/lib/kubelet"
K0S = "/var/lib/k0s/kubelet"
POD = "5f0c7a3e-6b1d-4f2a-8c9e-d0b1a2c3e4f5"
PV = "pvc-0f3c5d1e-8a7b-4c2d-9e6f-1a2b3c4d5e6f"
DRIVER = "nfs.csi.k8s.io"


def daemonset(directory: str, **pod: object) -> dict[str, object]:
    """As the project's manifests have it."""
    return {
        "kind": "DaemonSet",
        "apiVersion": "apps/v1",
        "metadata": {"name": "csi-nfs-node", "namespace": "kube-system"},
        "spec": {
            "template": {
                "spec": {
                    "hostNetwork": True,
                    **pod,
                    "containers": [
                        {
                            "name": "node-driver-registrar",
                            "image": "registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.13.0",
                            "args": ["--v=2", "--csi-address=/csi/csi.sock", "--kubelet-registration-path=$(DRIVER_REG_SOCK_PATH)"],
                            "env": [{"name": "DRIVER_REG_SOCK_PATH", "value": f"{directory}/plugins/csi-nfsplugin/csi.sock"}],
                        },
                        {"name": "nfs", "image": "registry.k8s.io/sig-storage/nfsplugin:v4.11.0", "args": ["--mount-permissions=0770"]},
                    ],
                    "volumes": [
                        {"name": "socket-dir", "hostPath": {"path": f"{directory}/plugins/csi-nfsplugin"}},
                        {"name": "pods-mount-dir", "hostPath": {"path": f"{directory}/pods"}},
                    ],
                }
            }
        },
    }  # fmt: skip


def deployment(**pod: object) -> dict[str, object]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "csi-nfs-controller"},
        "spec": {"template": {"spec": {**pod, "containers": [{"name": "nfs", "image": "mirror.example/nfsplugin:v4.9.0"}]}}},
    }  # fmt: skip


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


def diagnose(log: str, *given: str) -> Report:
    scanner = scan.Scanner(loaded(), scan.Options(reference=1_796_083_200_000_000))
    for number, text in enumerate((log, *given)):
        scanner.read(sources.Source(f"input-{number}", None, iter([text.encode()])))
    return scanner.report()


def values_file(directory: str) -> str:
    return f"kubeletDir: {directory}\ncontroller:\n  replicas: 2\n"


def as_list(*objects: object) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


SHAPES = {
    "yaml": lambda directory: yaml.safe_dump(daemonset(directory), sort_keys=False),
    "yaml, keys sorted": lambda directory: yaml.safe_dump(daemonset(directory)),
    "json": lambda directory: json.dumps(daemonset(directory), indent=4),
    "list": lambda directory: as_list(deployment(), daemonset(directory)),
    "values": values_file,
    "helm get values": lambda directory: f"USER-SUPPLIED VALUES:\n{values_file(directory)}",
    "helm get values -a": lambda directory: (
        f"COMPUTED VALUES:\nfeature:\n  enableFSGroupPolicy: true\n{values_file(directory)}"
    ),
}


def not_registered(unit: str = "kubelet", path: str = "") -> str:
    """What kubelet logs where no node plugin registered, and a path of a pod that it names elsewhere."""
    where = f"Jul 20 09:53:52 worker-2 {unit}[912]: "
    said = (
        f'{where}E0720 09:53:52.123456     912 nestedpendingoperations.go:348] Operation for "{{volumeName:kubernetes.io/csi/{DRIVER}^10.0.0.5#srv/nfs#{PV}## '
        f'podName:{POD} nodeName:}}" failed. No retries permitted until 2026-07-20 09:54:24 +0000 UTC m=+8.5 (durationBeforeRetry 16s). Error: '
        f'MountVolume.SetUp failed for volume "{PV}" (UniqueName: "kubernetes.io/csi/{DRIVER}^10.0.0.5#srv/nfs#{PV}##") pod "web-0" (UID: "{POD}") : '
        f"kubernetes.io/csi: mounter.SetUpAt failed to get CSI client: driver name {DRIVER} not found in the list of registered CSI drivers"
    )
    lines = [said]
    if path:
        lines.append(
            f'{where}E0720 09:53:53.100000     912 kubelet_volumes.go:245] "There were many similar errors. Turn up verbosity to see them." '
            f'err="orphaned pod \\"{POD}\\" found, but failed to rmdir() volume at path {path}/pods/{POD}/volumes/kubernetes.io~csi/{PV}: directory not empty" numErrs=1'
        )
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("log", "own"),
    [
        (not_registered("microk8s.daemon-kubelite"), MICROK8S),
        (not_registered("k0s"), K0S),
        (not_registered(path=USUAL), USUAL),
        (not_registered(path="/data/kubelet"), "/data/kubelet"),
    ],
)
@pytest.mark.parametrize("installed", [USUAL, MICROK8S, "/data/kubelet/"])
def test_the_directory_that_the_driver_was_told_is_held_against_kubelets(shape, log, own, installed):
    [found] = [one for one in diagnose(log, SHAPES[shape](installed)).diagnoses if one.id == "driver-not-registered"]

    if own == installed.rstrip("/"):
        assert found.category == "driver-not-registered"
        assert all(one.category != "wrong-kubelet-dir" for one in found.alternatives)
    else:
        assert (found.category, found.confidence) == ("wrong-kubelet-dir", "high")
        assert own in found.cause
        assert installed.rstrip("/") in found.cause
        assert f"kubeletDir={own}" in found.remedy.commands[0]


@pytest.mark.parametrize("given", [(), (values_file(MICROK8S),), (as_list(deployment()),)])
def test_what_the_log_does_not_show_is_not_guessed(given):
    """A node whose kubelet's directory nothing tells may well be the one that the driver is installed for."""
    [found] = diagnose(not_registered(), *given).diagnoses

    assert found.category == "driver-not-registered"


def unresolved(server: str) -> str:
    body = (
        f"ount failed: exit status 32\nMounting command: mount\nMounting arguments: -t nfs {server}:/srv /tmp/{PV}\n"
        f"Output: mount.nfs: Failed to resolve server {server}: Name or service not known\n"
    )
    return (
        f"E0720 09:53:52.150000       1 mount_linux.go:230] M{body}\n"
        f"E0720 09:53:52.150400       1 utils.go:114] GRPC error: rpc error: code = Internal desc = failed to mount nfs server: "
        f"rpc error: code = Internal desc = m{body}"
    )


SERVICE = "nfs-server.storage.svc.cluster.local"


@pytest.mark.parametrize(
    ("pod", "says"),
    [
        ({"hostNetwork": True}, "dnsPolicy Default"),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirst"}, "dnsPolicy Default"),
        ({"hostNetwork": True, "dnsPolicy": "Default"}, "dnsPolicy Default"),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, "knows no Service"),
    ],
)
def test_the_policy_in_force_tells_why_a_service_name_does_not_resolve(pod, says):
    [found] = diagnose(unresolved(SERVICE), yaml.safe_dump(deployment(**pod))).diagnoses

    assert found.category == "dns"
    assert says in found.cause


def test_the_policy_says_nothing_of_a_name_outside_the_cluster():
    [alone] = diagnose(unresolved("nas01.example.net")).diagnoses
    [given_too] = diagnose(unresolved("nas01.example.net"), yaml.safe_dump(deployment(hostNetwork=True))).diagnoses

    assert alone.cause == given_too.cause


def test_values_tell_each_workload_and_leave_the_charts_default():
    text = "controller:\n  dnsPolicy: ClusterFirst\ndriver:\n  mountPermissions: 0777\nfeature: {enableInlineVolume: true}\n"
    [(offset, document)] = documents(text)
    root = tree(document, "values.yaml", offset)
    assert root is not None

    node, controller = of_values(root, "values.yaml")

    assert (node.kubelet_dir, node.dns_policy, node.mount_permissions) == (USUAL, "", "0777")
    assert (controller.role, controller.kubelet_dir, controller.dns_policy) == ("controller", "", "Default")


def test_a_workload_tells_what_its_pod_is_given():
    facts = evidence.Facts()
    facts.read("manifest", yaml.safe_dump(daemonset(MICROK8S, dnsPolicy="ClusterFirstWithHostNet")), "ds.yaml")

    [(role, found)] = facts.installs.items()

    assert not facts.errors
    assert (role, found) == (
        "node",
        Install("node", MICROK8S, "ClusterFirstWithHostNet", "0770", found.place),
    )


@pytest.mark.parametrize(
    "text",
    [
        "replicaCount: 2\nimage:\n  repository: nginx\n",
        "controller:\n  replicas: 1\n",
        "node:\n  name: x\nimage:\n  tag: v1\n",
        "kubeletDir: /var/lib/kubelet\nI0720 09:53:52.123456       1 nfs.go:90] Driver: nfs.csi.k8s.io version: v4.9.0\n",
        "driver: nfs\n",
        not_registered(),
    ],
)
def test_other_charts_values_and_logs_are_not_taken_for_them(text):
    assert evidence.recognise(text, "input") is None


@given(st.text())
def test_any_text_after_the_heading_is_read_or_refused_in_one_line(text):
    facts = evidence.Facts()
    facts.read("values", f"USER-SUPPLIED VALUES:\n{text}", "values.yaml")

    assert all("\n" not in str(error.problem) for error in facts.errors)
    assert set(facts.installs) <= {"node", "controller"}
