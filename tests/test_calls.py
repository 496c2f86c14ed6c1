"""Requests and how they ended: pairing, counting, and staying honest where it is ambiguous."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from logscan.calls import Tracker
from logscan.model import Origin, Record, Severity
from logscan.streams import MAX_OPEN, MAX_STREAMS
from logscan.volumes import MAX_VOLUMES, Volumes

ORIGIN = Origin("t.log", "")
MKDIR = (
    "GRPC error: rpc error: code = Internal desc = failed to make subdirectory: mkdir /tmp/{0}/{0}: permission denied"
)


def record(message: str, seconds: float = 0.0, origin: Origin = ORIGIN, number: int = 1) -> Record:
    severity = Severity.ERROR if message.startswith(("GRPC error", "Mount failed")) else Severity.INFO
    return Record(
        origin, number, number, 1, 0, severity, int(seconds * 1e6), "assumed", 1, "utils.go", 1, message
    )  # fmt: skip


def create(name: str, **parameters: str) -> list[str]:
    body = {
        "name": name,
        "parameters": {"server": "10.0.0.5", "share": "/srv", **parameters},
        "volume_capabilities": [],
    }
    return ["GRPC call: /csi.v1.Controller/CreateVolume", "GRPC request: " + json.dumps(body)]


def publish(name: str) -> list[str]:
    body = {"target_path": target(name), "volume_capability": {}, "volume_id": f"10.0.0.5#srv#{name}##"}
    return ["GRPC call: /csi.v1.Node/NodePublishVolume", "GRPC request: " + json.dumps(body)]


def target(name: str) -> str:
    return f"/var/lib/kubelet/pods/0000-{name}/volumes/kubernetes.io~csi/{name}/mount"


def succeeded(name: str) -> str:
    return f"volume(10.0.0.5#srv#{name}##) mount 10.0.0.5:/srv/{name} on {target(name)} succeeded"


def created(name: str) -> str:
    return "GRPC response: " + json.dumps({"volume": {"volume_id": f"10.0.0.5#srv#{name}##", "volume_context": {}}})


def mount_failed(name: str) -> tuple[str, str]:
    body = (
        "failed: exit status 32\nMounting command: mount\n"
        f"Mounting arguments: -t nfs 10.0.0.5:/srv /tmp/{name}\nOutput: mount.nfs: Connection refused"
    )
    status = "rpc error: code = Internal desc = "
    return f"Mount {body}\n", f"GRPC error: {status}failed to mount nfs server: {status}mount {body}"


def run(messages, tracker=None, step=0.01):
    tracker = tracker or Tracker()
    for index, message in enumerate(messages):
        tracker.feed(record(message, index * step, number=index + 1))
    tracker.close()
    return tracker, tracker.take_ended()


def outcomes(ended):
    return sorted((call.method, call.volume.name if call.volume else "", call.outcome) for call in ended)


def test_an_error_without_a_method_gets_it_from_its_request():
    pvc = {"csi.storage.k8s.io/pvc/name": "data-db-0", "csi.storage.k8s.io/pvc/namespace": "prod"}
    tracker, ended = run([*create("pvc-1", **pvc), MKDIR.format("pvc-1")])
    (call,) = ended
    assert (call.method, call.code, call.outcome, call.attempt) == ("CreateVolume", "Internal", "failed", 1)
    assert call.volume is not None
    assert (call.volume.pvc, call.volume.namespace, call.volume.share) == ("data-db-0", "prod", "/srv")
    assert tracker.failed == {"CreateVolume": 1}


def test_one_mount_failure_logged_twice_is_one_failure():
    tracker, ended = run([*create("pvc-1"), *mount_failed("pvc-1")])
    assert outcomes(ended) == [("CreateVolume", "pvc-1", "failed")]
    assert sum(tracker.failed.values()) == sum(tracker.total.values()) == 1


def test_without_requests_a_mount_failure_logged_twice_is_still_one():
    tracker, ended = run([*mount_failed("pvc-1"), *mount_failed("pvc-1"), *mount_failed("pvc-2")])
    assert sum(tracker.failed.values()) == 3
    assert {call.volume.name for call in ended if call.volume} == {"pvc-1", "pvc-2"}


def test_a_mount_error_that_comes_after_its_call_gave_up_is_not_counted_again():
    timeout = (
        "GRPC error: rpc error: code = Internal desc = mount volume 10.0.0.5:/srv to /tmp/pvc-1 timeout after 110s"
    )
    tracker, _ = run([*create("pvc-1"), timeout, mount_failed("pvc-1")[0]])
    assert sum(tracker.failed.values()) == 1


def test_a_mount_error_without_any_end_of_its_call_counts_once():
    tracker, ended = run([mount_failed("pvc-1")[0]])
    assert sum(tracker.failed.values()) == 1
    assert [call.volume.name for call in ended if call.volume] == ["pvc-1"]


def test_a_nameless_time_out_is_of_a_call_that_is_old_enough():
    tracker = Tracker()
    for seconds, name in ((0.0, "pvc-1"), (60.0, "pvc-2")):
        for message in create(name):
            tracker.feed(record(message, seconds))
    error = (
        "GRPC error: rpc error: code = Internal desc = failed to mount nfs server: rpc error: code = Internal desc = "
    )
    tracker.feed(record(error + "time out", 91.0))
    failed = [call for call in tracker.take_ended() if call.outcome == "failed"]
    assert [call.volume.name for call in failed if call.volume] == ["pvc-1"]


def test_as_many_empty_answers_as_quiet_calls_end_them_all():
    tracker, ended = run([*publish("pvc-1"), *publish("pvc-2"), "GRPC response: {}", "GRPC response: {}"], step=100.0)
    assert [call.outcome for call in ended] == ["ok", "ok"]
    assert tracker.hung == 0
    tracker, _ = run([*publish("pvc-1"), *publish("pvc-2"), "GRPC response: {}"], step=100.0)
    assert tracker.hung == 0


@given(st.permutations(range(6)))
def test_interleaved_creates_end_as_they_did_in_any_order(order):
    names = [f"pvc-{index}" for index in order]
    messages = [line for name in names for line in create(name)]
    ends = [created(name) if index % 2 else MKDIR.format(name) for index, name in zip(order, names, strict=True)]
    _, ended = run([*messages, *reversed(ends)])
    expected = sorted(("CreateVolume", f"pvc-{index}", "ok" if index % 2 else "failed") for index in order)
    assert outcomes(ended) == expected


def test_call_lines_and_request_lines_of_two_calls_may_cross():
    one, two = create("pvc-1"), publish("pvc-2")
    _, ended = run([one[0], two[0], two[1], one[1], MKDIR.format("pvc-1"), succeeded("pvc-2"), "GRPC response: {}"])
    assert outcomes(ended) == [("CreateVolume", "pvc-1", "failed"), ("NodePublishVolume", "pvc-2", "ok")]


def test_an_empty_response_belongs_to_the_call_whose_last_line_was_its_last():
    _, ended = run([*publish("pvc-1"), *publish("pvc-2"), succeeded("pvc-2"), "GRPC response: {}"])
    assert ("NodePublishVolume", "pvc-2", "ok") in outcomes(ended)
    assert ("NodePublishVolume", "pvc-1", "killed") in outcomes(ended)


def test_a_bare_error_of_one_of_two_stays_one_of_two():
    bare = "GRPC error: rpc error: code = Internal desc = operation not permitted"
    tracker, ended = run([*publish("pvc-1"), *publish("pvc-2"), bare])
    failed = [call for call in ended if call.outcome == "failed"]
    assert [(call.volume, call.candidates) for call in failed] == [(None, 2)]
    assert tracker.hung == 0
    assert sum(tracker.failed.values()) == 1


def test_a_bare_error_is_the_only_other_ones_when_the_rest_succeeded():
    bare = "GRPC error: rpc error: code = Internal desc = operation not permitted"
    _, ended = run([*publish("pvc-1"), *publish("pvc-2"), bare, succeeded("pvc-2"), "GRPC response: {}"])
    assert outcomes([call for call in ended if call.outcome == "failed"]) == [("NodePublishVolume", "pvc-1", "failed")]


def test_two_bare_errors_of_two_calls_are_one_each():
    bare = "GRPC error: rpc error: code = Internal desc = operation not permitted"
    tracker, ended = run([*publish("pvc-1"), *publish("pvc-2"), bare, bare])
    failed = [call for call in ended if call.outcome == "failed"]
    assert {call.volume.name for call in failed if call.volume} == {"pvc-1", "pvc-2"}
    assert sum(tracker.failed.values()) == 2


def test_a_bare_error_after_a_chmod_line_is_of_the_call_that_tried_it():
    chmod = f"chmod targetPath({target('pvc-2')}, mode:020000000755) with permissions(0777)"
    bare = "GRPC error: rpc error: code = Internal desc = operation not permitted"
    _, ended = run([*publish("pvc-1"), *publish("pvc-2"), chmod, bare])
    assert ("NodePublishVolume", "pvc-2", "failed") in outcomes(ended)


def test_a_retry_of_a_call_shows_that_the_nameless_error_was_its():
    bare = "GRPC error: rpc error: code = Internal desc = operation not permitted"
    _, ended = run([*publish("pvc-1"), *publish("pvc-2"), bare, *publish("pvc-1")])
    assert ("NodePublishVolume", "pvc-1", "failed") in outcomes(ended)


def test_aborted_is_the_newest_call_never_the_long_running_one():
    busy = (
        "GRPC error: rpc error: code = Aborted desc = An operation with the given Volume ID 10.0.0.5#srv#pvc-1## "
        "already exists"
    )
    _, ended = run([*publish("pvc-1"), *publish("pvc-1"), busy, succeeded("pvc-1"), "GRPC response: {}"])
    assert [call.outcome for call in ended] == ["failed", "ok"]
    assert [call.attempt for call in ended] == [2, 1]


def test_a_success_after_a_failure_is_remembered_with_its_time():
    tracker, _ = run([*create("pvc-1"), MKDIR.format("pvc-1"), *create("pvc-1"), created("pvc-1")])
    volume = tracker.volumes.known("pvc-1")
    assert volume is not None
    assert volume.successes["CreateVolume"][0] == 50_000
    assert volume.attempts["CreateVolume"] == 2


def test_newer_drivers_print_no_empty_response_and_nothing_hangs_for_that():
    unpublish = {"target_path": target("pvc-1"), "volume_id": "10.0.0.5#srv#pvc-1##"}
    handle = "10.0.0.5#srv#pvc-1##"
    tracker, ended = run(
        [
            *publish("pvc-1"), succeeded("pvc-1"),
            "GRPC call: /csi.v1.Node/NodeUnpublishVolume", "GRPC request: " + json.dumps(unpublish),
            f"NodeUnpublishVolume: unmounting volume {handle} on {target('pvc-1')}",
            f"NodeUnpublishVolume: unmount volume {handle} on {target('pvc-1')} successfully",
        ],
        step=200.0,
    )  # fmt: skip
    assert tracker.hung == 0
    assert {call.outcome for call in ended} == {"ok"}


def test_a_call_that_never_ends_hangs_once_it_is_older_than_any_time_out():
    noise = "GRPC call: /csi.v1.Identity/Probe"
    for seconds, hung in ((60.0, 0), (130.0, 1)):
        tracker = Tracker()
        for message in publish("pvc-1"):
            tracker.feed(record(message))
        tracker.feed(record(noise, seconds))
        tracker.close()
        assert tracker.hung == hung


def test_a_restart_closes_what_was_open():
    tracker, ended = run(
        [*create("pvc-1"), "Driver: nfs.csi.k8s.io version: v4.6.0", *create("pvc-1"), created("pvc-1")]
    )
    assert len(tracker.starts) == 1
    assert [call.outcome for call in ended] == ["killed", "ok"]


def test_the_sidecars_side_of_a_call_is_not_counted_again():
    tracker = Tracker()
    for message in [*create("pvc-1"), MKDIR.format("pvc-1")]:
        tracker.feed(record(message)._replace(file="connection.go"))
    tracker.close()
    assert tracker.total == {}


def test_two_streams_do_not_end_each_others_calls():
    tracker = Tracker()
    bare = "GRPC error: rpc error: code = Internal desc = operation not permitted"
    one, two = Origin("t.log", "pod-1/nfs"), Origin("t.log", "pod-2/nfs")
    for message in publish("pvc-1"):
        tracker.feed(record(message, origin=one))
    for message in publish("pvc-2"):
        tracker.feed(record(message, origin=two))
    tracker.feed(record(bare, origin=two))
    tracker.close()
    failed = [call for call in tracker.take_ended() if call.outcome == "failed"]
    assert [call.volume.name for call in failed if call.volume] == ["pvc-2"]


def test_what_is_kept_is_bounded_and_what_was_dropped_is_counted():
    tracker = Tracker()
    for index in range(MAX_OPEN + 10):
        for message in create(f"pvc-{index}"):
            tracker.feed(record(message))
    assert tracker.dropped_calls == 10
    for index in range(MAX_VOLUMES + 10):
        tracker.volumes.get(f"other-{index}")
    assert tracker.volumes.evicted > 0
    assert len(tracker.volumes) <= MAX_VOLUMES + len(tracker.volumes._pinned)


LINES = st.lists(
    st.sampled_from(
        [
            *create("pvc-1"), *create("pvc-2"), *publish("pvc-1"), *publish("pvc-2"), *mount_failed("pvc-1"),
            *mount_failed("pvc-2"), MKDIR.format("pvc-1"), created("pvc-1"), succeeded("pvc-2"), "GRPC response: {}",
            "GRPC error: rpc error: code = Internal desc = operation not permitted", "GRPC request: {", "GRPC error: x",
            "Driver: nfs.csi.k8s.io version: v4.6.0", "internally mounting 10.0.0.5:/srv at /tmp/pvc-1",
            'GRPC response: {"volume":3}', "panic: x", "Mount failed: exit status 1",
        ]
    ),
    max_size=60,
)  # fmt: skip


@given(LINES)
def test_any_order_of_lines_counts_each_error_line_at_most_once(messages):
    tracker, ended = run(messages)
    errors = sum(message.startswith("GRPC error: rpc") for message in messages)
    mounts = sum(message.startswith("Mount failed: exit status 32") for message in messages)
    failed = [call for call in ended if call.outcome == "failed"]
    assert len(failed) == sum(tracker.failed.values())
    assert errors <= len(failed) <= errors + mounts
    assert all(count >= 0 for count in tracker.total.values())
    assert len({id(call) for call in ended}) == len(ended)


def test_a_controllers_mount_error_is_never_a_node_call_of_the_same_volume():
    error = mount_failed("pvc-1")[1]
    tracker, ended = run([*publish("pvc-1"), *publish("pvc-1"), "GRPC response: {}", error])
    failed = [call for call in ended if call.outcome == "failed"]
    assert len(failed) == sum(tracker.failed.values()) == 1
    assert failed[0].method != "NodePublishVolume"


def test_a_stream_that_made_room_is_settled_and_still_tells_its_role():
    tracker = Tracker()
    first = Origin("t.log", "pod-0")
    for message in create("pvc-lost"):
        tracker.feed(record(message, origin=first))
    for index in range(1, MAX_STREAMS + 10):
        tracker.feed(record("GRPC call: /csi.v1.Node/NodePublishVolume", origin=Origin("t.log", f"pod-{index}")))
        for call in tracker.take_ended():
            assert (call.outcome, tracker.stream_of(call.origin)) == ("killed", ("controller", ""))

    assert len(tracker.streams) == MAX_STREAMS
    assert tracker.dropped_calls == 1
    assert tracker.total == {"CreateVolume": 1, "NodePublishVolume": MAX_STREAMS + 9}
    assert tracker.role("t.log") is None  # both: the one that made room counts


def test_failing_volumes_are_remembered_up_to_a_limit():
    volumes = Volumes()
    for index in range(3 * MAX_VOLUMES):
        volumes.pin(volumes.get(f"pvc-{index}"))

    assert volumes.overfull
    assert len(volumes) == 2 * MAX_VOLUMES
    assert volumes.known("pvc-0") is not None
    assert volumes.evicted == MAX_VOLUMES
