"""What is legal in an exports file and still surprises: the traps of exports(5), each with what the cluster sees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from logscan.evidence.exportclients import Kind, is_address_pattern, kind_of, parse_subnet
from logscan.evidence.exportoptions import Export, ExportFault, below

# Networks that Kubernetes distributions give to pods and services; a server sees the nodes' addresses instead.
_CLUSTER_NETWORKS = ("10.244.0.0/16", "10.42.0.0/16", "10.43.0.0/16", "10.96.0.0/12")
# Where tmpfs is usual: it has no identity of its own that would survive a restart.
_VOLATILE = ("/dev/shm", "/run", "/tmp", "/var/run")  # noqa: S108 - paths of the server, nothing is opened


def lint(text: str, entries: Sequence[Export]) -> list[ExportFault]:
    """Judge what an exports file exports, which exportfs would take without a word or with a warning only."""
    faults = [*_nobody(entries), *_trailing_backslash(text), *_twice(entries)]
    roots = [one for one in entries if one.options.fsid == "0"]
    paths = sorted({one.path for one in entries}, key=lambda path: path.split("/"))
    nested = dict(_nested(paths))
    by_path: dict[str, list[Export]] = {}
    for one in entries:
        by_path.setdefault(one.path, []).append(one)
    for one in entries:
        faults += _client(one)
        faults += _options(one)
        if one.path in nested:
            faults += _inner(one, nested[one.path], by_path[nested[one.path]])
    faults += _root(roots, entries)
    return faults


def _warning(one: Export, code: str, problem: str, explains: str, level: str = "warning") -> ExportFault:
    return ExportFault(one.line, code, problem, explains, level, one.path)


def _nobody(entries: Sequence[Export]) -> Iterator[ExportFault]:
    """A path, or options after a dash, and no client: that is everybody."""
    for one in entries:
        if one.client == "":
            yield _warning(
                one,
                "no-client",
                f"{one.path} names no client here, so it is exported to everybody, {'rw' if one.options.rw else 'read-only'}",
                "" if one.options.rw else "`read-only file system` on mkdir",
            )


def _trailing_backslash(text: str) -> Iterator[ExportFault]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.lstrip().startswith("#") and line.endswith(("\\ ", "\\\t", "\\\r")):
            yield ExportFault(
                number,
                "broken-continuation",
                "a blank or a carriage return follows the backslash, so the line is not continued",
                "the next line is read as an entry of its own",
                "warning",
            )


def _twice(entries: Sequence[Export]) -> Iterator[ExportFault]:
    """One fsid for two paths; two networks of which a host may be in both."""
    first: dict[str, Export] = {}
    for one in entries:
        if not one.options.fsid:
            continue
        other = first.setdefault(one.options.fsid, one)
        if other.path != one.path:
            yield _warning(
                one,
                "duplicate-fsid",
                f"fsid={one.options.fsid} is also that of {other.path} in line {other.line}",
                "`same filehandle … using first`, `Stale file handle`, `fileid changed`: clients get the other directory",
            )
    networks: dict[str, list[Export]] = {}
    for one in entries:
        if kind_of(one.client) is Kind.SUBNET and len(networks.setdefault(one.path, [])) < 50:
            networks[one.path].append(one)
    for same in networks.values():
        for at, one in enumerate(same):
            if (earlier := next((old for old in same[:at] if _overlap(old.client, one.client)), None)) is not None:
                yield _warning(
                    one,
                    "overlapping-networks",
                    f"{one.client} and {earlier.client} in line {earlier.line} overlap",
                    "`exported to both …, arbitrarily choosing options from first`",
                )


def _overlap(left: str, right: str) -> bool:
    one, other = parse_subnet(left), parse_subnet(right)
    if one is None or other is None or one[0].version != other[0].version:
        return False
    mask = one[1] & other[1]
    return int(one[0]) & mask == int(other[0]) & mask


def _nested(paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(path, nearest path above it), of paths sorted by their parts."""
    open_paths: list[str] = []
    for path in paths:
        while open_paths and not below(path, open_paths[-1]):
            open_paths.pop()
        if open_paths:
            yield path, open_paths[-1]
        open_paths.append(path)


def _client(one: Export) -> Iterator[ExportFault]:
    client = one.client
    kind = kind_of(client)
    if client.startswith("[") and ":" in client:
        yield _warning(
            one,
            "bracketed-address",
            f"{client} is a pattern for names, as it begins with a bracket",
            "no client is admitted by it: `access denied by server`; write the address without brackets",
        )
    elif is_address_pattern(client):
        network = _network_for(client)
        yield _warning(
            one,
            "address-wildcard",
            f"{client} is compared with host names, not with addresses",
            "`access denied by server`, `unmatched host`: it works only where the server finds no name for an address"
            + (f"; write {network}" if network else ""),
        )
    elif client in _CLUSTER_NETWORKS:
        yield _warning(
            one,
            "cluster-network",
            f"{client} looks like the pods' or services' network, but the server sees the nodes' addresses",
            "`access denied by server`, `unmatched host`; admit the nodes' network",
        )
    elif kind is Kind.NETGROUP or (kind is Kind.HOST and re.search(r"[a-zA-Z]", client) and ":" not in client):
        yield _warning(
            one,
            "client-by-name",
            f"{client} is a name that the server must resolve",
            "`unmatched host` when DNS, the reverse entry or the netgroup breaks; exportfs drops what it cannot resolve",
            "note",
        )


def _network_for(pattern: str) -> str:
    """The network that ``192.168.1.*`` was meant to be."""
    parts = pattern.split(".")
    fixed = [part for part in parts if part.isdigit()]
    whole = parts == fixed + ["*"] * (len(parts) - len(fixed)) and 0 < len(fixed) < 4
    if not whole or any(int(part[:4]) > 255 for part in fixed):
        return ""
    return ".".join(fixed + ["0"] * (4 - len(fixed))) + f"/{8 * len(fixed)}"


def _options(one: Export) -> Iterator[ExportFault]:
    options = one.options
    if not any(flavour.rw for flavour in options.flavours) and (one.client or options.stated):
        said = "is exported ro" if options.states("ro") else "is not exported rw, and ro is the default"
        yield _warning(
            one, "read-only", f"{one.path} {said}", "`read-only file system` on mkdir though share is right", "note"
        )
    if options.all_squash:
        yield _warning(
            one,
            "all-squash",
            f"every user becomes {options.anonuid}:{options.anongid}",
            "files belong to that user and chown gives `operation not permitted`; fine where the directory is its own",
            "note",
        )
    elif options.root_squash:
        yield _warning(
            one,
            "root-squash",
            f"root becomes {options.anonuid}:{options.anongid} (root_squash is the default)",
            "`permission denied` on mkdir and `operation not permitted` on chmod and chown, unless that user may write",
            "note",
        )
    if options.flavour() is None and all(flavour.name.startswith("krb5") for flavour in options.flavours):
        names = ":".join(flavour.name for flavour in options.flavours)
        yield _warning(
            one,
            "kerberos-only",
            f"only sec={names} is accepted",
            "without sec=krb5* in mountOptions: `Operation not permitted` (v4) or `access denied by server` (v3)",
        )
    if not options.sync:
        yield _warning(
            one, "async", "async answers before data are on disk", "no error; data are lost when the server crashes"
        )
    if options.subtree_check:
        yield _warning(
            one,
            "subtree-check",
            "subtree_check is on",
            "`Stale file handle` after a file is moved to another directory",
        )
    if options.mountpoint is not None:
        where = options.mountpoint or one.path
        yield _warning(
            one,
            "mountpoint",
            f"exported only while something is mounted at {where}",
            "`No such file or directory` when it is not",
            "note",
        )
    if options.squash_uids or options.squash_gids:
        yield _warning(one, "no-effect", "squash_uids and squash_gids are read and do nothing", "", "note")
    if not options.fsid and any(below(one.path, place) for place in _VOLATILE):
        yield _warning(
            one,
            "needs-fsid",
            f"{one.path} may be on tmpfs, which has no identity of its own",
            "`requires fsid= for NFS export`; clients see `access denied` (v3), `No such file or directory` or"
            " `Stale file handle` (v4); give it fsid=N",
        )


def _inner(one: Export, outer: str, around: Sequence[Export]) -> Iterator[ExportFault]:
    crossed = any(parent.options.crossmnt for parent in around) or not one.options.hide
    if not crossed and all(parent.options.fsid != "0" for parent in around):
        yield _warning(
            one,
            "nested",
            f"{one.path} lies in {outer}, which is exported without crossmnt",
            f"if it is a file system of its own, a client of {outer} sees an empty directory there (v3)",
            "note",
        )


def _root(roots: Sequence[Export], entries: Sequence[Export]) -> Iterator[ExportFault]:
    """fsid=0 moves the NFSv4 root for the whole table."""
    if not roots:
        return
    root = roots[0]
    lost = sorted({one.path for one in entries if not any(below(one.path, other.path) for other in roots[:9])})
    more = f"; {', '.join(lost[:5])} cannot be mounted over NFSv4 any more" if lost else ""
    yield _warning(
        root,
        "fsid-root",
        f"fsid=0 makes {root.path} the root of NFSv4: its clients mount / and paths in it{more}",
        f"`No such file or directory` for {root.path} over NFSv4, and for clients that this entry does not admit",
        "warning" if lost else "note",
    )
