"""What the NFS server and the cluster say besides the log, and what a mount will therefore meet.

Texts are known by their content, put together by server, and asked: what will
mounting this share meet, what should share be, what should the manifest or
/etc/exports say.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from logscan.csi import server_kind
from logscan.errors import EvidenceError
from logscan.evidence import exports as export_files
from logscan.evidence import manifestlint, manifests, predictor
from logscan.evidence.exportclients import network_of
from logscan.evidence.exportoptions import Export, ExportFault, amend, clean_path, quote
from logscan.evidence.exports import Exports
from logscan.evidence.install import Install, is_values, of_values, without_heading
from logscan.evidence.manifestlint import Remark
from logscan.evidence.manifests import DRIVER, Claim, Driver, Object, SnapshotClass, StorageClass, Volume
from logscan.evidence.predictor import Prediction, Table
from logscan.evidence.trees import documents, tree

__all__ = [
    "Facts",
    "Prediction",
    "corrected_manifest",
    "exports_fix",
    "predict",
    "predict_class",
    "predict_volume",
    "recognise",
]

MAX_TEXT = 4 * 1024 * 1024  # characters of an input
_LIVE = ("etab", "exportfs-s", "exportfs-v")  # the whole table in force, best first
# showmount run on the server itself does not tell which server that is.
_HERE = frozenset({"", "localhost", "127.0.0.1", "::1"})


def recognise(text: str, name: str) -> str | None:
    """Tell what evidence a text is: one of exports.KINDS, "manifest", "values", or None for anything else, as a log."""
    if len(text) > MAX_TEXT:
        return None
    if kind := export_files.kind_of(text, name):
        return kind
    return "manifest" if manifests.is_manifest(text) else "values" if is_values(text) else None


class Facts:
    """Everything that was given; ``read`` adds to it, nothing else changes it."""

    def __init__(self) -> None:
        self.listings: list[Exports] = []
        self.storage_classes: dict[str, StorageClass] = {}
        self.volumes: dict[str, Volume] = {}
        self.claims: dict[tuple[str, str], Claim] = {}  # by (namespace, name)
        self.drivers: dict[str, Driver] = {}
        self.installs: dict[str, Install] = {}  # by role
        self.snapshot_classes: dict[str, SnapshotClass] = {}
        self.remarks: list[tuple[str, Remark]] = []  # (input, what is wrong with a manifest)
        self.errors: list[EvidenceError] = []  # what could not be understood; the rest counts

    def __bool__(self) -> bool:
        objects = (
            self.storage_classes, self.snapshot_classes, self.volumes, self.claims, self.drivers, self.installs,
        )  # fmt: skip
        return bool(self.listings) or any(objects)

    def read(self, kind: str, text: str, name: str, *, server: str = "") -> None:
        """Add a text; faults are collected in ``errors``.

        Args:
            kind: what ``recognise`` said, or the user.
            name: of the input, as sentences cite it.
            server: whose exports these are, where the user said it.
        """
        if kind == "manifest":
            objects, errors = manifests.read(text, name)
            self.errors += errors
            self.remarks += [(name, one) for one in manifestlint.remarks(objects, self.volumes)]
            for one in objects:
                self._add(one)
        elif kind == "values":
            self._read_values(text, name)
        elif kind in export_files.KINDS:
            try:
                self.listings.append(export_files.parse(text, name, kind, server=server))
            except EvidenceError as error:
                self.errors.append(error)
        else:
            known = ", ".join((*export_files.KINDS, "manifest", "values"))
            self.errors.append(EvidenceError(name, f"no evidence is called {kind!r}", f"known are {known}"))

    def _read_values(self, text: str, name: str) -> None:
        bare, _ = without_heading(text.removeprefix("\ufeff"))
        for offset, document in documents(bare):
            try:
                root = tree(document, name, offset)
            except EvidenceError as error:
                self.errors.append(error)
                continue
            for one in of_values(root, name) if root is not None else ():
                self._add(one)

    def _add(self, one: Object) -> None:
        if isinstance(one, StorageClass):
            self.storage_classes[one.name] = one
        elif isinstance(one, SnapshotClass):
            self.snapshot_classes[one.name] = one
        elif isinstance(one, Volume):
            self.volumes[one.name] = one
        elif isinstance(one, Claim):
            self.claims[one.namespace, one.name] = one
        elif isinstance(one, Driver):
            self.drivers[one.name] = one
        else:
            # What runs says more than what the chart was given.
            before = self.installs.get(one.role)
            self.installs[one.role] = one if before is None else _joined(before, one)

    @property
    def exports(self) -> Exports | None:
        """The listing that says most: an exports file, else the table in force, else what there is."""
        order = ("exports", *_LIVE, "proc", "showmount")
        return min(self.listings, key=lambda one: order.index(one.kind), default=None)

    @property
    def faults(self) -> list[tuple[str, ExportFault]]:
        """(input, fault) of all exports that were given."""
        return [(listing.name, fault) for listing in self.listings for fault in listing.faults]

    def table(self, server: str) -> Table | None:
        """What *server* exports as far as it was given; None: nothing of it was."""
        wanted = _plain(server)
        named = [one for one in self.listings if _plain(one.server) == wanted and wanted]
        unnamed = [one for one in self.listings if _plain(one.server) in _HERE]
        # A listing that names its server by name may be of a server that the class gives by address.
        other = [
            one
            for one in self.listings
            if one not in named and one not in unnamed and server_kind(one.server) != server_kind(server)
        ]
        chosen = named + unnamed or other
        if not chosen:
            return None
        return replace(_merge(chosen), sure=chosen is not other)

    @property
    def csi_driver(self) -> Driver | None:
        """The driver's CSIDriver object."""
        return self.drivers.get(DRIVER)

    def class_of(self, server: str, share: str) -> StorageClass | None:
        """The class that provisions on this server and share, where it is only one."""
        found = [
            one
            for one in self.storage_classes.values()
            if _plain(one.server) == _plain(server) and clean_path(one.share) == clean_path(share)
        ]
        return found[0] if len(found) == 1 else None

    def class_of_volume(self, volume: str, claim: tuple[str, str] | None = None) -> StorageClass | None:
        """The class of a PV or of a claim (namespace, name), as far as it was given."""
        names = [self.volumes[volume].storage_class] if volume in self.volumes else []
        if claim in self.claims:
            names.append(self.claims[claim].storage_class)
        return next((self.storage_classes[name] for name in names if name in self.storage_classes), None)


def _joined(before: Install, one: Install) -> Install:
    """Both of what tells of one workload; the latter where they differ."""
    return Install(
        one.role,
        one.kubelet_dir or before.kubelet_dir,
        one.dns_policy or before.dns_policy,
        one.mount_permissions or before.mount_permissions,
        one.place,
    )


def _plain(server: str) -> str:
    return server.strip().strip("[]").rstrip(".").lower()


def _merge(listings: Iterable[Exports]) -> Table:
    """One table: what is in force counts, lines of /etc/exports are what is cited."""
    every = list(listings)
    files = [one for one in every if one.kind == "exports"]
    live = next((one for kind in _LIVE for one in every if one.kind == kind), None)
    faults = tuple(fault for one in files for fault in one.faults)
    dropped = [entry for one in files for entry in one.dropped]
    if live is None:
        rest = files or [one for one in every if one.kind in {"proc", "showmount"}]
        first: dict[tuple[str, str], Export] = {}
        for entry in (entry for one in rest for entry in one.entries):
            first.setdefault((entry.path, entry.client or "*"), entry)
        return Table(tuple(first.values()), tuple(dropped), faults, sure=bool(files))
    written = {(entry.path, entry.client.lower() or "*"): entry for one in files for entry in one.entries}
    entries: list[Export] = []
    notes: list[str] = []
    for entry in live.entries:
        line = written.pop((entry.path, entry.client.lower() or "*"), None)
        if line is not None and (not entry.known or _effect(line) == _effect(entry)):
            entries.append(line)
            continue
        entries.append(entry)
        if line is not None:
            notes.append(
                f"{line.source}:{line.line} and {entry.source}:{entry.line} give {entry.path} other options: the file was changed, run exportfs -ra"
            )
    for line in list(written.values())[:20]:
        dropped.append(line)
        notes.append(
            f"{line.source}:{line.line} has {line.path} for {line.client or '*'}, which {live.name} does not show: run exportfs -ra"
        )
    return Table(tuple(entries), tuple(dropped), faults, tuple(notes))


def _effect(one: Export) -> tuple[object, ...]:
    options = one.options
    flavours = [(flavour.name, flavour.rw, flavour.root_squash, flavour.all_squash) for flavour in options.flavours]
    return (*flavours, options.anonuid, options.anongid, options.fsid)


# ---------------------------------------------------------------- asking


def predict(
    facts: Facts,
    server: str,
    share: str,
    options: str,
    *,
    client: str | None = None,
    subdir: str = "",
    mount_permissions: str = "",
) -> Prediction:
    """Tell what mounting ``server:share`` and making a directory in it will meet.

    Args:
        options: of the mount, comma separated, "" for none.
        client: the node's address as the server sees it.
        subdir: the class's subDir.
        mount_permissions: the class's mountPermissions.

    Returns:
        "ok" of category "insufficient-evidence" where no exports of this server were given.
    """
    table = facts.table(server)
    if table is None:
        why = f"no exports of {server or 'this server'} were given"
        return Prediction("ok", "none", "insufficient-evidence", clean_path(share), (why,), "low")
    return predictor.predict(table, share, options, client=client, subdir=subdir, mount_permissions=mount_permissions)


def predict_class(facts: Facts, one: StorageClass, *, client: str | None = None) -> Prediction:
    """Tell what provisioning by a class will meet."""
    found = predict(
        facts,
        one.server,
        one.share,
        one.options,
        client=client,
        subdir=one.parameters.get("subdir", ""),
        mount_permissions=one.parameters.get("mountpermissions", ""),
    )
    return replace(found, why=(*found.why, f"{one.place} gives StorageClass {one.name} the share {one.share}"))


def predict_volume(facts: Facts, one: Volume, *, client: str | None = None) -> Prediction:
    """Tell what mounting a PersistentVolume will meet."""
    found = predict(
        facts,
        one.server,
        clean_path(f"{one.share}/{one.attributes.get('subdir', '')}"),
        one.options,
        client=client,
        mount_permissions=one.attributes.get("mountpermissions", ""),
    )
    return replace(found, why=(*found.why, f"{one.place} gives PersistentVolume {one.name} the share {one.share}"))


# ---------------------------------------------------------------- mending


def corrected_manifest(facts: Facts, which: str | tuple[str, str], new_share: str) -> str | None:
    """The StorageClass or PersistentVolume with another share, ready for ``kubectl apply``.

    Args:
        which: a name, or the (server, share) of the one class that has them.

    Returns:
        YAML; None where no such manifest was given.
    """
    one: StorageClass | Volume | None
    if isinstance(which, str):
        one = facts.storage_classes.get(which) or facts.volumes.get(which)
    else:
        one = facts.class_of(*which)
    if one is None:
        return None
    try:
        return manifests.with_share(one.node, new_share)
    except EvidenceError:
        return None


def exports_fix(found: Prediction, facts: Facts, server: str, *, client: str | None = None) -> str | None:
    """The line that /etc/exports should have for this path; None where the server is right.

    All clients of the path are kept.  A client that is to be admitted is
    written as its usual network, and as ``<nodes>`` where its address is not known.
    """
    table = facts.table(server)
    one = found.entry
    if table is None:
        return None
    if found.category == "path-not-exported":
        if found.share == "/" or found.share_right is not None:
            return None
        return f"{quote(found.share)} {_network(client, table.entries)}(rw,sync,no_subtree_check,no_root_squash)"
    if one is None or not one.known:
        return None
    if found.category == "export-read-only":
        changed = amend(one.options.stated, rw=True)
    elif found.category == "root-squash":
        wanted = {"all_squash": False} if one.options.all_squash else {}
        changed = amend(one.options.stated, root_squash=False, **wanted)
    elif found.category == "mount-eperm" and one.options.secure:
        changed = amend(one.options.stated, secure=False)
    elif found.category == "client-not-allowed":
        changed = None
    else:
        return None
    rows = [entry for entry in table.entries if entry.path == one.path and entry.source == one.source]
    words = [_item(row, changed if row is one and changed else ",".join(row.options.stated)) for row in rows]
    if changed is not None and (meant := _without_blank(rows, one, found, table)):
        words = meant
    if changed is None:
        words.append(
            _item(
                replace(one, client=_network(client, rows)), ",".join(one.options.stated) or "rw,sync,no_subtree_check"
            )
        )
    return " ".join([quote(one.path), *words])


def _without_blank(rows: Sequence[Export], one: Export, found: Prediction, table: Table) -> list[str]:
    """The clients of a line whose blank before ``(`` made two of one: what was meant, with what *found* still lacks."""
    if not any(fault.code == "space-before-options" and fault.path == one.path for fault in table.faults):
        return []
    words, skip = [], False
    for row, after in zip(rows, (*rows[1:], None), strict=True):
        if skip:
            skip = False
        elif after is not None and not row.options.stated and after.client == "*" and after.line == row.line:
            stated, skip = after.options.stated, True
            squashed = found.category == "root-squash" and row is one
            words.append(_item(row, amend(stated, root_squash=False) if squashed else ",".join(stated)))
        else:
            words.append(_item(row, ",".join(row.options.stated)))
    return words


def _item(one: Export, options: str) -> str:
    return f"{quote(one.client or '*')}({options})" if options else quote(one.client or "*")


def _network(client: str | None, entries: Iterable[Export]) -> str:
    return network_of(client, [one.client for one in entries]) if client else "<nodes>"
