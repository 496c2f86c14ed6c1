"""Folding, ranking and honesty: what becomes of findings when the log is over."""

from __future__ import annotations

import json
import re
import shlex
import string
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logscan import rules
from logscan.facts import fill, say
from logscan.model import Report, Severity
from logscan.scan import Options, Scanner
from logscan.sources import Source

DENIED = "mount.nfs: access denied by server while mounting {server}:{share}"
REFUSED = "mount.nfs: Connection refused"


@cache
def loaded() -> rules.RuleSet:
    return rules.load()


class Log:
    """Writes what a driver of v4.6.0 prints, so that a test reads like a story."""

    def __init__(self, server: str = "10.0.0.5", share: str = "/srv/nfs") -> None:
        self.lines: list[str] = []
        self.server, self.share, self.seconds = server, share, 0

    def klog(self, severity: str, source: str, message: str) -> Log:
        self.seconds += 1
        minute, second = divmod(self.seconds, 60)
        hour, minute = divmod(minute, 60)
        self.lines.append(f"{severity}0720 {hour:02}:{minute:02}:{second:02}.000000       1 {source}] {message}")
        return self

    def wait(self, seconds: int) -> Log:
        self.seconds += seconds
        return self

    def request(self, name: str, method: str = "CreateVolume") -> Log:
        self.klog("I", "utils.go:109", f"GRPC call: /csi.v1.Controller/{method}")
        body: dict[str, object] = {"volume_id": f"{self.server}#{self.share.strip('/')}#{name}##"}
        if method == "CreateVolume":
            parameters = {
                "server": self.server, "share": self.share, "csi.storage.k8s.io/pvc/name": f"claim-{name}",
                "csi.storage.k8s.io/pvc/namespace": "prod",
            }  # fmt: skip
            body = {"name": name, "parameters": parameters, "volume_capabilities": []}
        return self.klog("I", "utils.go:110", "GRPC request: " + json.dumps(body))

    def mount_error(self, name: str, why: str, options: str = "nfsvers=4.1") -> Log:
        why = why.format(server=self.server, share=self.share)
        flags = f"-o {options} " if options else ""
        body = (
            "failed: exit status 32\nMounting command: mount\n"
            f"Mounting arguments: -t nfs {flags}{self.server}:{self.share} /tmp/{name}\nOutput: {why}"
        )
        status = "rpc error: code = Internal desc = "
        self.klog("E", "mount_linux.go:230", f"Mount {body}\n")
        return self.klog("E", "utils.go:114", f"GRPC error: {status}failed to mount nfs server: {status}mount {body}")

    def mkdir_error(self, name: str, why: str) -> Log:
        text = f"failed to make subdirectory: mkdir /tmp/{name}/{name}: {why}"
        return self.klog("E", "utils.go:114", f"GRPC error: rpc error: code = Internal desc = {text}")

    def created(self, name: str) -> Log:
        body = {"volume": {"volume_id": f"{self.server}#{self.share.strip('/')}#{name}##", "volume_context": {}}}
        return self.klog("I", "utils.go:116", "GRPC response: " + json.dumps(body))

    def report(self) -> Report:
        return diagnose("\n".join(self.lines) + "\n")


def diagnose(*texts: str) -> Report:
    scanner = Scanner(loaded(), Options(year=2026))
    for index, text in enumerate(texts):
        scanner.read(Source(name=f"log-{index}", mtime=None, chunks=iter([text.encode()])))
    return scanner.report()


def wrong(report: Report) -> dict[str, set[str]]:
    """Category -> volumes of what is wrong now."""
    return {
        one.category: {volume.name for volume in one.volumes}
        for one in report.diagnoses
        if one.severity > Severity.INFO
    }


def test_one_cause_of_many_volumes_is_one_diagnosis_and_retries_are_attempts():
    log = Log()
    for _ in range(3):
        for name in ("pvc-a", "pvc-b"):
            log.request(name).mount_error(name, DENIED)
    (one,) = log.report().diagnoses
    assert one.category == "client-not-allowed"
    assert {volume.name for volume in one.volumes} == {"pvc-a", "pvc-b"}
    assert (one.failures, one.attempts, one.ongoing, one.recovered) == (6, 3, True, False)
    assert {(volume.namespace, volume.pvc) for volume in one.volumes} == {
        ("prod", "claim-pvc-a"),
        ("prod", "claim-pvc-b"),
    }


def test_causes_at_once_keep_their_own_volumes():
    log = Log()
    log.request("pvc-a").mkdir_error("pvc-a", "permission denied")
    log.server = "10.0.0.6"
    log.request("pvc-b").mount_error("pvc-b", REFUSED)
    assert wrong(log.report()) == {"root-squash": {"pvc-a"}, "server-refused": {"pvc-b"}}


def test_what_a_later_success_healed_is_info_and_marked():
    log = Log().request("pvc-a").mount_error("pvc-a", REFUSED).request("pvc-a").created("pvc-a")
    report = log.report()
    (one,) = report.diagnoses
    assert (one.severity, one.recovered, one.ongoing) == (Severity.INFO, True, False)
    assert report.verdict == "info"
    assert report.collect_next == ()


def test_a_success_on_the_very_next_line_heals_without_any_stamps():
    log = Log().request("pvc-a").mkdir_error("pvc-a", "permission denied").created("pvc-a")
    bare = "\n".join(line.partition("] ")[2] for line in log.lines) + "\n"  # as -skip_headers writes it
    (one,) = diagnose(bare).diagnoses
    assert (one.recovered, one.last_time) == (True, None)


def test_a_success_before_the_failure_heals_nothing():
    log = Log().request("pvc-a").created("pvc-a").request("pvc-a").mount_error("pvc-a", REFUSED)
    assert wrong(log.report()) == {"server-refused": {"pvc-a"}}


def test_the_success_of_another_volume_heals_nothing():
    log = Log().request("pvc-a").mkdir_error("pvc-a", "permission denied").request("pvc-b").created("pvc-b")
    assert wrong(log.report()) == {"root-squash": {"pvc-a"}}


def test_one_volume_recovered_and_one_not_are_told_apart():
    log = Log().request("pvc-a").mount_error("pvc-a", REFUSED).request("pvc-b").mount_error("pvc-b", REFUSED)
    log.request("pvc-a").created("pvc-a")
    report = log.report()
    assert wrong(report) == {"server-refused": {"pvc-b"}}
    assert [{volume.name for volume in one.volumes} for one in report.diagnoses if one.recovered] == [{"pvc-a"}]


def test_a_text_that_hides_the_cause_is_read_in_the_light_of_another_volume_of_the_share():
    """Unpinned, mount.nfs falls back to v3 and complains of statd; a pinned volume shows the v4 error."""
    statd = (
        "mount.nfs: rpc.statd is not running but is required for remote locking.\n"
        "mount.nfs: Either use '-o nolock' to keep locks local, or start statd."
    )
    log = Log().request("pvc-a").mount_error("pvc-a", statd, "")
    log.request("pvc-b").mount_error("pvc-b", DENIED, "nfsvers=4.1")
    assert wrong(log.report()) == {"client-not-allowed": {"pvc-a", "pvc-b"}}
    alone = Log().request("pvc-a").mount_error("pvc-a", statd, "").report().diagnoses[0]
    assert alone.confidence == "low"
    pinned = Log().request("pvc-a").mount_error("pvc-a", statd, "nfsvers=3").report().diagnoses[0]
    assert (pinned.category, pinned.confidence) == ("statd-missing", "high")


def test_the_shape_of_the_path_tells_the_share_from_the_container():
    share = Log(share="/").request("pvc-a").mkdir_error("pvc-a", "read-only file system").report()
    assert set(wrong(share)) == {"wrong-share-path"}
    log = Log().request("pvc-a")
    log.klog(
        "E", "utils.go:114", "GRPC error: rpc error: code = Internal desc = mkdir /tmp/pvc-a: read-only file system"
    )
    assert set(wrong(log.report())) == {"working-dir-read-only"}


def test_a_symptom_folds_under_the_cause_of_the_same_volume_even_from_another_log():
    name = "pvc-ca0ab165-9aa5-42a4-ae15-f4fd036142d2"
    log = Log(share="/").request(name).mkdir_error(name, "read-only file system")
    event = (
        f'2m  Warning  ProvisioningFailed  persistentvolumeclaim/data  failed to provision volume with StorageClass "c": '
        f"rpc error: code = Internal desc = failed to make subdirectory: mkdir /tmp/{name}/{name}: read-only file system\n"
    )
    report = diagnose("\n".join(log.lines) + "\n", event)
    assert wrong(report) == {"wrong-share-path": {name}}
    assert report.diagnoses[0].failures == 1


def test_a_healthy_log_is_healthy():
    log = Log()
    for index in range(5):
        log.request(f"pvc-{index}").created(f"pvc-{index}")
    report = log.report()
    assert (report.verdict, report.diagnoses, report.collect_next) == ("healthy", (), ())


def test_what_no_rule_knows_is_shown_by_shape_with_counts_that_sum_up():
    log = Log()
    for index in range(7):
        log.klog("E", "strange.go:1", f"the frobnicator {index} of 10.0.0.{index} is out of order")
    log.klog("W", "strange.go:2", "careful")
    report = log.report()
    assert report.verdict == "not-enough-evidence"
    assert [(one.severity, one.count) for one in report.unrecognised] == [(Severity.ERROR, 7), (Severity.WARNING, 1)]
    assert report.unrecognised[0].template == "the frobnicator <n> of <address> is out of order"
    assert report.collect_next


def test_a_volume_whose_calls_fail_is_named_even_where_no_rule_knows_why():
    log = Log()
    error = "GRPC error: rpc error: code = Internal desc = failed to make subdirectory: mkdir /tmp/{0}/{0}: odd errno"
    for name in ("pvc-a", "pvc-b", "pvc-b"):
        log.request(name).klog("E", "utils.go:114", error.format(name))
    log.request("pvc-a").created("pvc-a")
    report = log.report()
    assert {(one.id, one.recovered) for one in report.diagnoses} == {
        ("unrecognised-failure", True), ("unrecognised-failure", False)
    }  # fmt: skip
    assert wrong(report) == {"insufficient-evidence": {"pvc-b"}}
    assert report.verdict == "not-enough-evidence"
    assert report.counts.unrecognised == 3
    assert sum(one.failures for one in report.diagnoses) == report.calls.failed == 3


def test_a_text_that_quotes_the_error_beside_the_log_is_no_trouble_of_its_own():
    log = Log(share="/").request("pvc-a").mkdir_error("pvc-a", "read-only file system")
    note = "- 'failed to make subdirectory: mkdir /tmp/pvc-<uid>/pvc-<uid>: read-only file system'\n"
    report = diagnose("\n".join(log.lines) + "\n", note)
    assert wrong(report) == {"wrong-share-path": {"pvc-a"}}
    assert len(report.diagnoses) == 1
    assert set(wrong(diagnose(note))) == {"wrong-share-path"}


def test_a_warning_that_no_rule_knows_does_not_make_a_healthy_log_doubtful():
    report = Log().request("pvc-a").created("pvc-a").klog("W", "strange.go:2", "careful").report()
    assert (report.verdict, len(report.unrecognised)) == ("healthy", 1)


def test_nothing_at_all_is_not_healthy():
    assert diagnose("").verdict == "not-enough-evidence"


def test_the_order_of_the_inputs_does_not_change_the_diagnosis():
    one = Log().request("pvc-a").mount_error("pvc-a", DENIED)
    two = Log(server="10.0.0.9").request("pvc-b").mkdir_error("pvc-b", "permission denied")
    texts = ["\n".join(log.lines) + "\n" for log in (one, two)]
    assert wrong(diagnose(*texts)) == wrong(diagnose(*reversed(texts)))


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["pvc-a", "pvc-b", "pvc-c"]),
        st.sampled_from(["denied", "refused", "mkdir", "rofs", "ok", "odd", "warn"]),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(EVENTS)
def test_every_bad_record_is_in_exactly_one_place_and_only_the_last_end_of_a_volume_counts(events):
    log, last, failures = Log(), {}, 0
    for name, what in events:
        if what in {"odd", "warn"}:
            log.klog("EW"[what == "warn"], "odd.go:3", "nobody knows this")
            continue
        log.request(name)
        last[name] = what
        failures += what != "ok"
        if what == "ok":
            log.created(name)
        elif what in {"denied", "refused"}:
            log.mount_error(name, DENIED if what == "denied" else REFUSED)
        else:
            log.mkdir_error(name, "permission denied" if what == "mkdir" else "read-only file system")
    report = log.report()
    counts = report.counts
    assert counts.problems == counts.matched + counts.benign + counts.unrecognised
    assert report.calls.failed == failures
    assert sum(one.failures for one in report.diagnoses) == failures
    bad = {volume.name for one in report.diagnoses if not one.recovered for volume in one.volumes}
    assert bad == {name for name, what in last.items() if what != "ok"}
    lines = sum(one.lines for one in report.inputs)
    assert lines == "\n".join(log.lines).count("\n") + 1


@given(st.text(), st.dictionaries(st.sampled_from(["server", "share", "options", "x"]), st.text()))
def test_filling_a_template_never_fails_and_evaluates_nothing(template, names):
    fill(template, names)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{server}:{share}", "10.0.0.5:<share>"),
        ("{server.__class__}", "{server.__class__}"),
        ("jsonpath='{.mountOptions}'", "jsonpath='{.mountOptions}'"),
        ("{", "{"),
        ("a } b", "a } b"),
    ],
)
def test_a_template_names_what_is_known_and_leaves_the_rest(template, expected):
    assert fill(template, {"server": "10.0.0.5"}) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (
            "{server} squashes root, who may not write in {share}",
            "the NFS server squashes root, who may not write in the share",
        ),
        ("{share} is no export of {server}'s", "the share is no export of the NFS server's"),
        ("{server}:{share} and 'share {share}', \"{share}\"", "<server>:<share> and 'share <share>', \"<share>\""),
        ("{node} does not reach {server}", "<node> does not reach the NFS server"),
    ],
)
def test_a_sentence_has_words_for_a_server_and_a_share_that_are_not_known(template, expected):
    assert say(template, {}) == expected
    known = {"server": "10.0.0.5", "share": "/srv", "node": "n1"}
    assert say(template, known) == fill(template, known)


def test_a_class_that_the_log_does_not_name_is_asked_of_the_claim():
    names = {"pvc": "data-db-0", "namespace": "prod"}
    shown = fill("kubectl get storageclass {storageclass} -o yaml", names, command=True)
    asked = "$(kubectl get pvc data-db-0 -n prod -o jsonpath={.spec.storageClassName})"
    assert shown == f"kubectl get storageclass {asked} -o yaml"
    for hostile in ({"pvc": "$(reboot)", "namespace": "prod"}, {"pvc": "a"}, {}):
        assert fill("get {storageclass}", hostile, command=True) == "get <storageclass>"


WORD = frozenset(string.ascii_letters + string.digits + "_.-")  # after these a shell expands no "~"


@given(st.text(min_size=1))
def test_log_text_in_a_command_is_one_plain_word_or_left_out(value):
    shown = fill("showmount -e {server} # {server}", {"server": value}, command=True)
    assert shown in {f"showmount -e {value} # {value}", "showmount -e <server> # <server>"}
    if "<server>" not in shown:
        assert shlex.split(f"x {value}") == ["x", value]
        assert not set(value) & set("$`;&|<>()'\"\\ \n*?!")
        assert not any(before not in WORD for before, char in zip(" " + value, value, strict=False) if char == "~")


def test_a_path_of_kubelet_is_one_plain_word():
    path = "/var/lib/kubelet/pods/5f0c/volumes/kubernetes.io~csi/pv-web/mount"
    assert fill("umount {path}", {"path": path}, command=True) == f"umount {path}"
    for expanded in ("~", "~root/x", "a=~", "a:~/x", "/~"):
        assert fill("umount {path}", {"path": expanded}, command=True) == "umount <path>"


@pytest.mark.parametrize("rule", loaded().rules, ids=lambda rule: rule.id)
def test_no_template_of_a_rule_shows_a_brace_or_none_when_nothing_is_known(rule):
    for cause in rule.causes:
        remedy = cause.remedy
        texts = [cause.cause, *cause.confirm, remedy.summary, *remedy.steps, *remedy.commands, remedy.manifest or ""]
        for text in texts:
            shown = fill(text, {})
            assert shown.split().count("None") == text.split().count("None")
            assert not re.search(r"\{[a-z_]+\}", shown)
