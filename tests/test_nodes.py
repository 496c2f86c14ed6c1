"""What fails on one node and works on others: which, and that no other node's success is taken for a cure."""

from __future__ import annotations

import io
import json
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logscan import folds, joins, rules, scan, sources
from logscan.facts import fill
from logscan.model import Report, Volume
from logscan.report import WRITERS
from logscan.shippers import component_of
from tests import driver_simulator as sim

REFERENCE = 1_796_083_200_000_000  # 2026-12-01
RULES = rules.load()
NODES = ("worker-1", "worker-2", "worker-3")
VERSIONS = tuple(version for version in sim.VERSIONS if version not in {"v3.1.0", "master"})
HOW = {
    "client-not-allowed": "mount.nfs: access denied by server while mounting 10.1.0.3:/vol",
    "statd-missing": "mount.nfs: rpc.statd is not running but is required for remote locking.\nmount.nfs: Either use '-o nolock' to keep locks local, or start statd.",
    "server-refused": "mount.nfs: Connection refused",
}


def volume_of(dice: random.Random, number: int) -> sim.Volume:
    name = f"pvc-{dice.getrandbits(32):08x}-0000-4000-8000-{number:012x}"
    return sim.Volume(name, "shop/shared", {"server": "10.1.0.3", "share": "/vol"}, ("nfsvers=3",))


def on(volume: sim.Volume, pod: str) -> sim.Volume:
    """The same volume for a pod of its own."""
    return sim.Volume(volume.name, volume.claim, volume.parameters, volume.flags, pod=pod)


def driver_of(version: str, node: str) -> sim.Driver:
    driver = sim.Driver(version, seed=len(node))
    if node:
        sim.Call(driver, 0.2, "Node/NodeGetInfo", "", {}).ok({"node_id": node})
    return driver


def report_of(logs: dict[str, str]) -> Report:
    scanner = scan.Scanner(RULES, scan.Options(reference=REFERENCE))
    for name, text in logs.items():
        scanner.read(sources.Source(name, None, iter([text.encode()])))
    return scanner.report()


def prefixed(logs: dict[str, str]) -> dict[str, str]:
    """As ``kubectl logs -l app=csi-nfs-node --prefix`` prints them: pod after pod."""
    return {
        "nodes.log": "".join(
            f"[pod/csi-nfs-node-{number:05}/nfs] {line}\n"
            for number, text in enumerate(logs.values())
            for line in text.splitlines()
        )
    }


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(VERSIONS),
    st.sampled_from(sorted(HOW)),
    st.integers(0, 2),
    st.booleans(),
    st.booleans(),
    st.integers(1, 4),
)
def test_trouble_of_one_node_is_told_of_that_node_and_stays_open(version, category, bad, named, merged, tries):
    dice = random.Random(tries)
    volume = volume_of(dice, bad)
    logs = {}
    for number, node in enumerate(NODES):
        driver = driver_of(version, node if named else "")
        mine = on(volume, f"00000000-0000-4000-8000-{number:012x}")
        at = 1.0
        if number == bad:
            for attempt in range(tries):
                at = sim.publish(driver, mine, at, mount=HOW[category]) + 30 * 2**attempt
            other = volume_of(dice, 9)
            sim.unpublish(driver, on(other, "00000000-0000-4000-8000-00000000000f"), at + 60)  # it lives on
        else:
            sim.publish(driver, mine, 20 + number)
        logs[f"{node}.log"] = driver.text()

    report = report_of(prefixed(logs) if merged else logs)

    [found] = [one for one in report.diagnoses if one.category != "healthy" and one.severity > 0]
    assert (found.category, found.recovered, found.failures) == (category, False, tries)
    if named:
        assert found.nodes == (NODES[bad],)
        assert set(found.other_nodes) == set(NODES) - {NODES[bad]}
    assert found.pods == ((f"csi-nfs-node-{bad:05}",) if merged and not named else ())


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_later_success_on_the_same_node_heals_and_is_no_other_nodes_merit(version, named):
    volume = on(volume_of(random.Random(1), 1), "00000000-0000-4000-8000-000000000001")
    driver = driver_of(version, "worker-1" if named else "")
    end = sim.publish(driver, volume, 1, mount=HOW["server-refused"])
    sim.publish(driver, volume, end + 5)

    report = report_of({"worker-1.log": driver.text()})

    [found] = report.diagnoses
    assert found.recovered
    assert found.other_nodes == ()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_pod_that_follows_on_a_node_heals_what_failed_in_the_one_before(version):
    """Nothing tells that both pods were of one node, but one had ended when the other mounted."""
    volume = on(volume_of(random.Random(1), 1), "00000000-0000-4000-8000-000000000001")
    old, new = driver_of(version, ""), driver_of(version, "")
    end = sim.publish(old, volume, 1, mount=HOW["server-refused"])
    new.lines = []
    new.start(end + 60)
    sim.publish(new, volume, end + 90)

    [found] = report_of({"csi-nfs-node-aaaaa.log": old.text(), "csi-nfs-node-bbbbb.log": new.text()}).diagnoses

    assert found.recovered


@pytest.mark.parametrize("started", [True, False])
def test_a_pod_of_another_name_that_had_been_running_is_another_nodes(started):
    volume = on(volume_of(random.Random(1), 1), "00000000-0000-4000-8000-000000000001")
    one, other = driver_of("v4.9.0", ""), driver_of("v4.9.0", "")
    end = sim.publish(one, volume, 1, mount=HOW["server-refused"])
    other.lines = []
    if started:
        other.start(end + 60)
    sim.publish(other, volume, end + 90)

    [found] = report_of(prefixed({"a": one.text(), "b": other.text()})).diagnoses

    assert found.recovered is started


def test_a_node_that_fails_with_the_same_server_for_another_cause_is_not_called_fine():
    volume = volume_of(random.Random(1), 1)
    logs = {}
    for number, (node, mount) in enumerate(
        zip(NODES, (HOW["client-not-allowed"], HOW["statd-missing"], ""), strict=True)
    ):
        driver = driver_of("v4.9.0", node)
        mine = on(volume, f"00000000-0000-4000-8000-{number:012x}")
        if number == 1:  # it had worked there
            before = on(volume_of(random.Random(2), 2), "00000000-0000-4000-8000-00000000000a")
            sim.publish(driver, before, 1)
        sim.publish(driver, mine, 10, mount=mount)
        logs[node] = driver.text()

    found = {one.category: one for one in report_of(logs).diagnoses}

    assert found["client-not-allowed"].nodes == ("worker-1",)
    assert found["client-not-allowed"].other_nodes == ("worker-3",)
    assert found["statd-missing"].other_nodes == ("worker-3",)


def test_what_large_logs_pass_over_counts_for_nodes_too():
    """A healthy node's log is narrowed, and still tells that the server can be mounted there."""
    volume = volume_of(random.Random(1), 1)
    sick = driver_of("v4.11.0", "worker-1")
    sim.publish(sick, on(volume, "00000000-0000-4000-8000-000000000001"), 5, mount=HOW["client-not-allowed"])
    logs = {"worker-1": sick.text()}
    for node in NODES[1:]:
        driver = driver_of("v4.11.0", node)
        driver.jitter = 0.000_001  # one call after the other
        for number in range(1_500):
            mine = volume_of(random.Random(number), number)
            sim.publish(driver, on(mine, f"00000000-0000-4000-8000-{number:012x}"), 10 + 2 * number)
        logs[node] = driver.text()
    assert len(logs["worker-3"]) > 2 << 20

    reports = []
    for narrow in (True, False):
        scanner = scan.Scanner(RULES, scan.Options(reference=REFERENCE, narrow=narrow))
        for name, text in logs.items():
            data = text.encode()
            chunks = (data[start : start + 65536] for start in range(0, len(data), 65536))
            scanner.read(sources.Source(name, None, chunks))
        reports.append(scanner.report())

    assert reports[0] == reports[1]
    assert reports[0].diagnoses[0].other_nodes == ("worker-2", "worker-3")


def test_where_only_the_drivers_pod_is_known_it_is_told_and_looked_into():
    volume = on(volume_of(random.Random(1), 1), "00000000-0000-4000-8000-000000000001")
    driver = driver_of("v4.9.0", "")
    sim.publish(driver, volume, 1, mount=HOW["client-not-allowed"])
    log = "".join(f"[pod/csi-nfs-node-x2x9k/nfs] {line}\n" for line in driver.text().splitlines())

    report = report_of({"nodes.log": log})

    [found] = [one for one in report.diagnoses if one.severity > 0]
    assert (found.nodes, found.pods) == ((), ("csi-nfs-node-x2x9k",))
    for name in ("text", "markdown", "html"):
        out = io.StringIO()
        WRITERS[name](report, out, width=100, color=False)
        assert "the node of the driver" in out.getvalue().replace("&#x27;", "'")
        assert "csi-nfs-node-x2x9k" in out.getvalue()
    commands = [one.command for one in report.collect_next]
    assert "kubectl -n kube-system get pod csi-nfs-node-x2x9k -o wide" in commands


def test_the_pod_of_a_controller_is_no_nodes_pod():
    volume = volume_of(random.Random(1), 1)
    driver = driver_of("v4.9.0", "")
    sim.create(driver, volume, 1, mount="mount.nfs: Connection timed out")
    log = "".join(f"[pod/csi-nfs-controller-6c9d-x2x9k/nfs] {line}\n" for line in driver.text().splitlines())
    [found] = [one for one in report_of({"nfs.log": log}).diagnoses if one.severity > 0]
    assert found.pods == ()


@pytest.mark.parametrize(
    ("names", "command"),
    [
        ({"node": "worker-1", "driver_pod": "csi-nfs-node-a"}, "delete pod -l app=csi-nfs-node --field-selector spec.nodeName=worker-1"),
        ({"driver_pod": "csi-nfs-node-a"}, "delete pod csi-nfs-node-a"),
        ({"driver_pod": "my-nfs-abcde", "method": "NodePublishVolume"}, "delete pod my-nfs-abcde"),
        ({"driver_pod": "csi-nfs-controller-6-x", "method": "CreateVolume"}, "delete pod -l app=csi-nfs-node --field-selector spec.nodeName=<node>"),
        ({"driver_pod": "$(reboot)", "method": "NodePublishVolume"}, "delete pod <driver_pod>"),
        ({}, "delete pod -l app=csi-nfs-node --field-selector spec.nodeName=<node>"),
    ],
)  # fmt: skip
def test_a_command_picks_the_drivers_pod_by_its_node_or_its_name(names, command):
    assert fill("delete pod -l app=csi-nfs-node --field-selector spec.nodeName={node}", names, command=True) == command


def by_prefix(place: str, line: str) -> str:
    return f"[pod/csi-nfs-node-{place}/liveness-probe] {line}"


def by_shipper(place: str, line: str) -> str:
    told = {"container_name": "liveness-probe", "pod_name": f"csi-nfs-node-{place}", "host": f"worker-{place}"}
    return json.dumps({"log": f"{line}\n", "kubernetes": told})


# (where health checks fail, and when in minutes; of which places that is told)
@pytest.mark.parametrize("written", [by_prefix, by_shipper])
@pytest.mark.parametrize(
    ("failed", "told"),
    [
        ([("a", 0), ("b", 1), ("c", 2)], []),
        ([("a", 0), ("b", 1), ("a", 2)], ["a"]),
        ([("a", 0), ("b", 1), ("b", 2), ("b", 3), ("c", 4)], ["b"]),
        ([("a", 0), ("b", 1), ("a", 2), ("b", 3)], ["a", "b"]),
        ([("a", 0), ("b", 20), ("a", 40)], []),
    ],
)
def test_health_checks_are_counted_for_each_node(written, failed, told):
    """One that fails once, while its pod starts, is no trouble; several such are none either."""
    text = "main.go:70] health check failed: rpc error: code = Unavailable desc = connection error"
    log = "".join(written(place, f"E0720 09:{minute:02}:00.000001       1 {text}") + "\n" for place, minute in failed)

    found = [one for one in report_of({"probes.log": log}).diagnoses if one.category == "plugin-unreachable"]

    assert [one.id for one in found] == ["csi-probe-failed"] * bool(told)
    for one in found:
        nodes, pods = tuple(f"worker-{place}" for place in told), tuple(f"csi-nfs-node-{place}" for place in told)
        assert (one.nodes, one.pods) == ((), pods) if written is by_prefix else (nodes, ())


@pytest.mark.parametrize(
    ("ident", "component"),
    [("rpc.gssd", "gssd"), ("rpc-gssd.service", "gssd"), ("rpc.svcgssd", "nfsd"), ("rpc.mountd", "nfsd"), ("sshd", "")],
)
def test_the_program_that_gets_a_nodes_credentials_is_not_the_servers(ident, component):
    assert component_of("", ident) == component
    log = f"Jul 20 09:53:52 worker-1 {ident}[901]: WARNING: Failed to create krb5 context for user with uid 0 for server nfs01.example.net\n"
    report = report_of({"journal.log": log})
    if component == "gssd":
        assert report.inputs[0].components == ("gssd",)
        assert [(one.id, one.nodes) for one in report.diagnoses] == [("gssd-no-credentials", ("worker-1",))]


def test_what_nothing_joins_is_not_held_against_each_other(monkeypatch):
    """Some thousand pods and volumes, each with a trouble of its own, are no million pairs."""
    pairs = 0

    def counted(case: folds.Case, other: folds.Case) -> bool:
        nonlocal pairs
        pairs += 1
        return elsewhere(case, other)

    elsewhere = folds._elsewhere
    monkeypatch.setattr(folds, "_elsewhere", counted)
    probe = "main.go:70] health check failed: rpc error: code = DeadlineExceeded desc = context deadline exceeded"
    made = "utils.go:114] GRPC error: rpc error: code = Internal desc = failed to make subdirectory: mkdir /tmp/{0}/{0}: read-only file system"
    pods = "".join(by_prefix(f"{n:05}", f"E0720 09:00:00.000001       1 {probe}") + "\n" for n in range(300))
    volumes = "".join(
        f"E0720 09:00:00.000001       1 {made.format(f'pvc-{n:08}-9aa5-42a4-ae15-f4fd036142d2')}\n" for n in range(300)
    )

    report = report_of({"probes.log": pods, "nfs.log": volumes})

    assert {one.id for one in report.diagnoses} == {"csi-probe-failed", "create-mkdir-rofs"}
    assert sum(len(one.volumes) for one in report.diagnoses) == 300
    assert sum(len(one.pods) for one in report.diagnoses) == 300
    assert pairs < 3 * 600


def test_of_what_no_rule_knows_only_the_shape_is_kept():
    """However many pods say it."""
    log = "".join(f"[pod/nfs-{n}/nfs] E0720 09:53:52.387108       1 odd.go:7] odd thing {n}\n" for n in range(50))
    scanner = scan.Scanner(RULES, scan.Options(reference=REFERENCE))
    scanner.read(sources.Source("odd.log", None, iter([log.encode()])))
    assert len(scanner._collector.incidents) == 1
    assert [one.count for one in scanner.report().unrecognised] == [50]


def test_many_pods_that_wait_for_many_volumes_are_not_held_against_each(monkeypatch):
    """A server that is down stops a thousand of both, and each pod is held against what may be its own."""
    asked = 0

    def counted(namespace: str, volume: Volume) -> bool:
        nonlocal asked
        asked += 1
        return of_another(namespace, volume)

    of_another = joins._of_another
    monkeypatch.setattr(joins, "_of_another", counted)
    made = (
        "utils.go:114] GRPC error: rpc error: code = Internal desc = failed to mount nfs server: rpc error: code = Internal desc ="
        " mount failed: exit status 32\nMounting command: mount\nMounting arguments: -t nfs 10.0.0.5:/srv /tmp/{0}\n"
        "Output: mount.nfs: access denied by server while mounting 10.0.0.5:/srv\n"
    )
    volumes = "".join(
        f"E0720 09:00:00.000001       1 {made.format(f'pvc-{n:08}-9aa5-42a4-ae15-f4fd036142d2')}" for n in range(300)
    )
    waits = "Unable to attach or mount volumes: unmounted volumes=[data], unattached volumes=[data]: timed out waiting for the condition"
    events = "NAMESPACE   LAST SEEN   TYPE      REASON        OBJECT        MESSAGE\n" + "".join(
        f"default     2m          Warning   FailedMount   pod/web-{n}     {waits}\n" for n in range(300)
    )

    report = report_of({"nfs.log": volumes, "events.txt": events})

    [found] = report.diagnoses
    assert (found.id, len(found.volumes)) == ("mount-access-denied", 300)
    assert dict(found.explains)["timed-out-waiting-for-condition"] == 300
    assert asked < 5 * 600
