"""Weigh the causes of a failure against what the server exports and what the cluster's manifests say.

One text of mount.nfs or of mkdir has several causes.  Where the exports are
known, what the mount had to meet is known too: if that is what was met, its
cause is the one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from logscan import csi, evidence
from logscan.evidence.exportclients import Kind, kind_of
from logscan.evidence.manifests import DRIVER, StorageClass
from logscan.evidence.predictor import Prediction
from logscan.model import Cause, Evidence, Remedy, Volume

# What exports can explain; all else is the network's, the node's or the disk's.
_EXPLAINED = frozenset({"EROFS", "EACCES", "EPERM", "ENOENT", "STATD"})


_MAX_LISTED = 5  # clients of an export

# What only finds out the share, or fetches the class that is corrected already.
_NOT_NEEDED = ("showmount ", "kubectl get storageclass ", "kubectl get sc ")


_CLASS = re.compile(r"StorageClass \\?\"(?P<name>[a-z0-9][-a-z0-9.]*)\\?\"")


# What was refused, and what exports say that allow it: by (errno, stage).
_ALLOWED = {
    ("EACCES", "mount"): ("{server} refuses this client", "admits it"),
    ("EROFS", "write"): ("the mounted share is read-only", "exports it rw"),
}
_BY_EXPORTS = frozenset({"client-not-allowed", "path-not-exported", "export-read-only", "wrong-share-path"})


@dataclass(frozen=True, slots=True)
class Weighed:
    """The causes in their new order, and the lines that decided."""

    causes: list[Cause]
    proof: tuple[Evidence, ...]


class Scales:
    """Everything that was given beside the logs; ``client`` is the node's address where it is known."""

    def __init__(self, client: str | None = None) -> None:
        self.facts = evidence.Facts()
        self.client = client
        self._predicted: dict[tuple[str, str, str, str, str, str | None], Prediction] = {}

    def class_name(self, volume: Volume | None, names: Mapping[str, str]) -> str:
        """The StorageClass of a volume, "" where the manifests do not tell."""
        found = None
        if volume is not None:
            found = self.facts.class_of_volume(volume.name, (volume.namespace, volume.pvc))
        found = found or self.facts.class_of(names.get("server", ""), names.get("share", ""))
        return found.name if found else ""

    def complete(self, names: dict[str, str], volume: Volume | None, message: str) -> None:
        """Add to *names* the server and the share of the class, where the log tells neither.

        It is the class that an event names, or the only one that was given.

        Args:
            message: what was logged; the provisioner names the class in it.
        """
        if names.get("server") or names.get("share"):
            return
        handle = (volume.handle or volume.name) if volume is not None else ""
        mine = [one for one in self.facts.volumes.values() if handle and one.driver == DRIVER and one.handle == handle]
        if len(mine) == 1 and mine[0].server:  # a static volume, whose handle tells nothing
            names |= {"server": csi.bare_server(mine[0].server), "share": mine[0].share, "volume": mine[0].name}
            names.setdefault("path", mine[0].share)
            return
        found = self.facts.class_of_volume(volume.name, (volume.namespace, volume.pvc)) if volume is not None else None
        if found is None:
            said = _CLASS.search(message)
            stated = names.get("storageclass") or (said["name"] if said else "")
            found = self.facts.storage_classes.get(stated) if stated else self._only_class()
        if found is not None and found.provisioner == DRIVER and found.server:
            names |= {"server": csi.bare_server(found.server), "share": found.share, "storageclass": found.name}
            names.setdefault("path", found.share)

    def _only_class(self) -> StorageClass | None:
        """The one class of this driver that was given: who gives one beside a log means it."""
        ours = [one for one in self.facts.storage_classes.values() if one.provisioner == DRIVER]
        return ours[0] if len(ours) == 1 else None

    def tell(self, field: str, names: Mapping[str, str], volume: Volume | None, role: str) -> object:
        """The value of ``evidence.<field>`` of the rules; None where nothing that was given tells it.

        Args:
            names: server, share, kubelet_dir … as for templates.
            role: of the driver's pod that failed, "" where it is not known.
        """
        install, driver = self.facts.installs.get(role), self.facts.csi_driver
        match field:
            case "storageclass":
                return self.class_name(volume, names) or None
            case "exports":
                known = names.get("server") and names.get("share") and self.facts.table(names["server"])
                return self._predict(names, volume).category if known else None
            case "dns_policy":
                policies = {one.dns_policy for one in ([install] if install else self.facts.installs.values())} - {""}
                return policies.pop() if len(policies) == 1 else None
            case "kubelet_dir":
                return self.kubelet_dir or None
            case "other_kubelet_dir":
                mine = names.get("kubelet_dir")
                return mine != self.kubelet_dir if mine and self.kubelet_dir else None
            case "mount_permissions":
                modes = {one.mount_permissions for one in self.facts.installs.values()} - {""}
                return modes.pop() if len(modes) == 1 else None
            case "fs_group_policy":
                return (driver.fs_group_policy or None) if driver else None
            case "lifecycle_modes":
                return ",".join(driver.lifecycle_modes) or None if driver else None
        return None

    @property
    def kubelet_dir(self) -> str:
        """The kubelet's root directory as the driver's node pods were told it, "" where nothing tells."""
        install = self.facts.installs.get("node")
        return install.kubelet_dir if install else ""

    def weigh(
        self, causes: Sequence[Cause], message: str, names: Mapping[str, str], volume: Volume | None
    ) -> Weighed | None:
        """Put the cause first that the exports prove; None where they say nothing of this failure.

        Args:
            causes: those that the log leaves, the likeliest first.
            message: what the driver logged.
            names: server, share, options … as for templates.
        """
        met, stage = observed(message)
        server, share = names.get("server", ""), names.get("share", "")
        if met not in _EXPLAINED or not server or not share:
            return None
        predicted = self._predict(names, volume)
        found = next((one for one in _chain(predicted) if _fits(one, met, stage)), None)
        if found is None:
            return self._contradicted(causes, predicted, (met, stage), names)
        known = next((cause for cause in causes if cause.category == found.category), None)
        # The exports may prove what no cause of the rule thinks of.
        cause = known or Cause(
            found.category,
            found.why[0] if found.why else found.category,
            remedy=_BY_PROOF.get(found.category, _AS_SHOWN),
        )
        lost = next((one for one in found.why if _NOT_READ in one), "")
        remedy = _MEND_ABOVE if lost else self._remedy(cause.remedy, found, names, volume)
        confidence = "medium" if found.confidence == "low" else "high"
        cause = replace(cause, cause=lost or cause.cause, confidence=confidence, remedy=remedy)
        return Weighed([cause, *(other for other in causes if other is not known)], _proof(found))

    def _contradicted(
        self, causes: Sequence[Cause], predicted: Prediction, met: tuple[str, str], names: Mapping[str, str]
    ) -> Weighed | None:
        """The exports allow what was refused: then they are not what the server went by, or not to this client."""
        allows = _ALLOWED.get(met)
        entry, first = predicted.entry, causes[0]
        if allows is None or entry is None or predicted.category != "healthy" or first.category not in _BY_EXPORTS:
            return None
        place = f"{entry.source}:{entry.line}"
        if allows[1] == "admits it" and self._client(names) is None and kind_of(entry.client) is not Kind.EVERYBODY:
            table = self.facts.table(names["server"])
            rows = [row.client for row in table.entries if row.path == entry.path] if table else [entry.client]
            only = " and ".join(dict.fromkeys(rows[:_MAX_LISTED]))
            cause = replace(
                first,
                cause=f"{allows[0]}: {place} exports {entry.path} to {only} only, which the node's address is none of, "
                "or these exports are not in force on {server}",
                confidence="medium",
            )
            return Weighed([cause, *causes[1:]], _proof(predicted))
        step = f"{place} {allows[1]}: compare it with what exportfs -v prints on {{server}}; run exportfs -ra there if the file is the newer."
        cause = replace(
            first,
            cause=f"{allows[0]}, though {place} {allows[1]}: these exports are not in force on {{server}}, or are another server's",
            confidence="medium",
            confirm=("sudo exportfs -v    # on {server}", *(one for one in first.confirm if not one.startswith("sudo exportfs -v"))),
            remedy=replace(first.remedy, steps=(step, *first.remedy.steps)),
        )  # fmt: skip
        return Weighed([cause, *causes[1:]], _proof(predicted))

    def _client(self, names: Mapping[str, str]) -> str | None:
        """The address by which the server knows the node, where that is known."""
        return self.client or names.get("node_address") or None

    def _predict(self, names: Mapping[str, str], volume: Volume | None) -> Prediction:
        given = self.facts.storage_classes.get(self.class_name(volume, names))
        parameters = dict(given.parameters) if given else {}
        parameters |= {key.lower(): value for key, value in volume.parameters.items()} if volume else {}
        key = (
            names["server"],
            names["share"],
            names.get("options", ""),
            parameters.get("subdir", ""),
            parameters.get("mountpermissions", ""),
            self._client(names),
        )
        if key not in self._predicted:
            server, share, options, subdir, permissions, client = key
            self._predicted[key] = evidence.predict(
                self.facts, server, share, options, client=client, subdir=subdir, mount_permissions=permissions
            )
        return self._predicted[key]

    def _remedy(self, base: Remedy, found: Prediction, names: Mapping[str, str], volume: Volume | None) -> Remedy:
        summary, manifest, steps = base.summary, base.manifest, list(base.steps)
        if found.share_right is not None:
            summary = f'Set the StorageClass parameter share to "{found.share_right}".'
            name = self.class_name(volume, names)
            manifest = evidence.corrected_manifest(
                self.facts, name or (names["server"], names["share"]), found.share_right
            )
            if manifest is not None:
                base = replace(base, commands=tuple(one for one in base.commands if not one.startswith(_NOT_NEEDED)))
                steps = [
                    "Save the corrected manifest below as storageclass.yaml; the class cannot be changed in place.",
                    *(step for step in steps if step.startswith(("Existing ", "A Pending "))),
                ]
        elif found.candidates:
            steps.insert(0, f"The server exports {', '.join(found.candidates[:5])}: one of them is meant.")
        line = evidence.exports_fix(found, self.facts, names["server"], client=self._client(names))
        if line is not None:
            steps.insert(0, f"In /etc/exports the line should be: {line}")
            table, where = self.facts.table(names["server"]), found.entry
            if table is not None and where is not None:
                spaced = ("space-before-options", where.path)
                faults = [fault for fault in table.faults if (fault.code, fault.path) == spaced]
                steps[0:0] = [f"{where.source}:{fault.line}: {fault.problem}." for fault in faults]
        if found.next_fault is not None and found.next_fault.why:
            steps.append(
                f"Mending this will show the next fault ({found.next_fault.category}): {found.next_fault.why[0]}"
            )
        return replace(base, summary=summary, manifest=manifest, steps=tuple(steps))


# What the predictor says of an entry that is written and not in force.
_NOT_READ = ", which is not exported because of line "
_EXPORT_ANEW = ("sudo exportfs -ra    # on {server}", "sudo exportfs -v    # on {server}")
_MEND_ABOVE = Remedy(
    "Mend that line of the exports on {server}, and export anew.",
    (
        "exportfs reads nothing more of a file below a line that it does not understand.",
        "Nothing in Kubernetes has to change: failed mounts are tried again by themselves.",
    ),
    _EXPORT_ANEW,
)
_BY_PROOF = {
    "kerberos-auth": Remedy(
        "Add sec=sys to the export, or set sec= in mountOptions to what it offers, with Kerberos set up on every node.",
        ("The driver's mount uses the kernel of the node: rpc.gssd must run on the host, with a keytab that it can read.",),
        _EXPORT_ANEW,
    ),
}  # fmt: skip
_AS_SHOWN = Remedy("Change the export on {server}, and export anew.", (), _EXPORT_ANEW)


def observed(message: str) -> tuple[str, str]:
    """What a failure met, as errno and stage ("mount", "write", "chmod").

    "STATD" is the complaint of the NFSv3 fallback, behind which the true error hides.
    """
    status = csi.parse_status(message)
    text = status.innermost if status else message
    if "access denied by server" in text:
        return "EACCES", "mount"
    errno = csi.errno_in(text)
    if "ount failed: exit status" in text or "mount.nfs" in text:
        return ("STATD" if not errno and "rpc.statd" in text else errno), "mount"
    if "mkdir " in text:
        return errno, "write" if csi.parse_path(csi.subject_of(text).target).where == "share" else ""
    # v4.13.3 and newer log a refused chmod as the bare errno.
    return errno, "chmod" if "chmod" in text or text.lower() in csi.ERRNOS else ""


def _proof(found: Prediction) -> tuple[Evidence, ...]:
    """The line of the exports that decided."""
    if (entry := found.entry) is None:
        return ()
    text = f"{entry.path} {entry.client}({','.join(entry.options.stated)})"
    return (Evidence(entry.source, entry.line, entry.line, text),)


def _chain(first: Prediction) -> Iterator[Prediction]:
    """What is met first, what would be met where an assumption fails, what comes after."""
    yield first
    if first.unless is not None:
        yield first.unless
    yield from first.alternatives
    after = first.next_fault
    while after is not None:
        yield after
        after = after.next_fault


def _fits(one: Prediction, met: str, stage: str) -> bool:
    if one.category in {"healthy", "insufficient-evidence"} or one.stage != stage:
        return False
    return met in ("STATD", one.outcome) or met in one.equally
