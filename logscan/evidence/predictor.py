"""What a mount will meet, from the server's exports alone: the pseudo-root, fsid=0, ro, squashing, clients, flavours.

The steps are those that mountd and nfsd take.  What exports cannot tell
(whether a directory exists, who owns it, whether the network is open) is said
and never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from logscan.csi import mount_flavour, mount_version
from logscan.evidence.exportclients import Kind, client_matches, is_address_pattern, kind_of
from logscan.evidence.exportoptions import Export, ExportFault, Flavour, below, clean_path
from logscan.evidence.exports import user_mapping

_WORDS = {"high": 2, "medium": 1, "low": 0}
_MAX_AFTER = 3  # faults that are told to follow one another
_MAX_PATH = 4096  # characters; no server takes more
_MAX_LISTED = 8  # candidates that a sentence names


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is met first, why, and what comes after it."""

    outcome: str  # "ok" "EROFS" "ENOENT" "EACCES" "EPERM"
    stage: str  # where it shows: "mount" "write" "chmod" "none"
    category: str  # of the cause; "healthy" where exports allow it
    share: str  # as asked, cleaned
    why: tuple[str, ...] = ()
    confidence: str = "high"  # high | medium | low
    entry: Export | None = None  # the export that decides
    share_right: str | None = None  # what share should be, where one value is plainly meant
    candidates: tuple[str, ...] = ()  # what share could be, the likeliest first
    equally: tuple[str, ...] = ()  # other outcomes by which the same fault may show
    next_fault: Prediction | None = None  # what shows once this one is mended
    unless: Prediction | None = None  # what is met where an assumption fails: the directory does not exist
    alternatives: tuple[Prediction, ...] = ()  # by other entries, where the client's address is not known


@dataclass(frozen=True, slots=True)
class Table:
    """What one server exports, put together from all that was given."""

    entries: tuple[Export, ...] = ()
    dropped: tuple[Export, ...] = ()
    faults: tuple[ExportFault, ...] = ()
    notes: tuple[str, ...] = ()  # where two listings disagree
    sure: bool = True  # False: the listing may be incomplete or another server's


@dataclass(frozen=True, slots=True)
class _Seen:
    """The entry of a path that a client gets."""

    entry: Export
    sure: bool
    others: tuple[Export, ...] = ()


@dataclass(frozen=True, slots=True)
class _Ask:
    """One question."""

    table: Table
    share: str
    options: str
    client: str | None
    subdir: str
    mount_permissions: str
    seen: dict[str, _Seen] = field(default_factory=dict)
    depth: int = 0  # faults mended in thought

    @property
    def version(self) -> str:
        return mount_version(self.options)

    @property
    def v3(self) -> bool:
        return self.version[:1] in {"2", "3"}


def predict(
    table: Table, share: str, options: str, *, client: str | None = None, subdir: str = "", mount_permissions: str = ""
) -> Prediction:
    """Tell what mounting *share* and making a directory in it will meet.

    Args:
        options: of the mount, comma separated.
        client: the node's address as the server sees it; None: not known.
        subdir: of the class; templates in it are no fixed directories.
        mount_permissions: of the class: "" and "0" ask for no chmod.
    """
    ask = _Ask(table, clean_path(share[:_MAX_PATH]), options, client, subdir[:_MAX_PATH], mount_permissions)
    ask.seen.update(_seen_by(client, table.entries))
    found = _first_fault(ask)
    notes = (*found.why, *table.notes, *_lost(ask, found))
    if not table.sure and found.confidence == "high":
        found = replace(found, confidence="medium")
    return replace(found, why=tuple(dict.fromkeys(notes)), alternatives=found.alternatives or _alternatives(ask, found))


# ---------------------------------------------------------------- who sees what


def _seen_by(client: str | None, entries: Iterable[Export]) -> dict[str, _Seen]:
    """The entry that a client gets of each path: hosts before networks before patterns, whatever the order of lines."""
    by_path: dict[str, list[Export]] = {}
    for one in entries:
        if not one.options.v4root:
            by_path.setdefault(one.path, []).append(one)
    seen = {}
    for path, rows in by_path.items():
        if client is None:
            best = max(rows, key=lambda row: (row.options.rw, not _squashes(row), -row.line))
            others = tuple(row for row in rows if row is not best)
            seen[path] = _Seen(best, all(row.options == best.options for row in others), others)
            continue
        ranked = sorted(rows, key=lambda row: kind_of(row.client))
        admits = [(row, client_matches(row.client, client)) for row in ranked]
        sure = [row for row, matches in admits if matches]
        maybe = [row for row, matches in admits if matches is None]
        if sure:
            before = [row for row in maybe if kind_of(row.client) < kind_of(sure[0].client)]
            seen[path] = _Seen(sure[0], all(row.options == sure[0].options for row in before), tuple(before))
        elif maybe:
            seen[path] = _Seen(maybe[0], sure=False, others=tuple(maybe[1:]))
    return seen


def _squashes(one: Export) -> bool:
    return user_mapping(one.options).squashed


def _holder(ask: _Ask, path: str) -> _Seen | None:
    """The export that *path* lies in, the innermost."""
    while True:
        if path in ask.seen:
            return ask.seen[path]
        if path == "/":
            return None
        path = path.rpartition("/")[0] or "/"


def _hidden(ask: _Ask, path: str) -> Export | None:
    """An export that *path* lies in, but not for this client."""
    hidden = [
        one
        for one in ask.table.entries
        if one.path not in ask.seen and below(path, one.path) and not one.options.v4root
    ]
    return max(hidden, key=lambda one: len(one.path), default=None)


# ---------------------------------------------------------------- the steps


def _first_fault(ask: _Ask) -> Prediction:
    if not ask.seen:
        if ask.table.entries:
            return _client_refused(ask, _hidden(ask, ask.share) or ask.table.entries[0], "EACCES")
        return _not_exported(ask, "EACCES" if ask.v3 or ask.version == "auto" else "ENOENT")
    if ask.v3:
        holder = _holder(ask, ask.share)
        if holder:
            return _enter(ask, holder, exists=holder.entry.path == ask.share)
        hidden = _hidden(ask, ask.share)
        return _client_refused(ask, hidden, "EACCES") if hidden else _not_exported(ask, "EACCES")
    roots = [one for one in ask.table.entries if one.options.fsid == "0"]
    return _rooted(ask, roots) if roots else _pseudo(ask)


def _pseudo(ask: _Ask) -> Prediction:
    """NFSv4 without fsid=0: the server makes read-only directories down to its exports."""
    if holder := _holder(ask, ask.share):
        return _enter(ask, holder, exists=holder.entry.path == ask.share)
    inner = [seen for path, seen in ask.seen.items() if below(path, ask.share)]
    if inner:
        fixed = ask.subdir.partition("$")[0]
        whole = clean_path(f"{ask.share}/{fixed if fixed == ask.subdir else fixed.rpartition('/')[0]}")
        reached = _holder(ask, whole) if fixed else None
        if reached is None:
            return _wrong_share(ask, inner)
        rest = clean_path(f"{ask.share}/{ask.subdir}").removeprefix(reached.entry.path).strip("/")
        found = _enter(ask, reached, exists=reached.entry.path == whole)
        advice = f"subDir leads from {ask.share} into {reached.entry.path}, so it works; share {reached.entry.path} with subDir {rest or '(none)'} says it plainly"
        return replace(found, why=(*found.why, advice), share_right=reached.entry.path)
    pinned = ask.version != "auto"
    if hidden := _hidden(ask, ask.share):
        return _client_refused(ask, hidden, "ENOENT" if pinned else "EACCES")
    return _not_exported(ask, "ENOENT" if pinned else "EACCES")


def _rooted(ask: _Ask, roots: Sequence[Export]) -> Prediction:
    """NFSv4 with fsid=0: paths begin at that export, and nothing outside it is seen."""
    root = next((seen for seen in ask.seen.values() if seen.entry.options.fsid == "0"), None)
    if root is None and ask.client is None:
        root = _Seen(roots[0], sure=False)
    if root is None:
        found = _client_refused(ask, roots[0], "ENOENT")
        why = f"{_cite(roots[0])} is the NFSv4 root (fsid=0), and who is not admitted by it finds no path at all"
        return _by_v3(ask, replace(found, why=(why, *found.why)))
    top = root.entry.path
    effective = clean_path(f"{top}/{ask.share}")
    holder = _holder(ask, effective) or root
    inside = [seen for path, seen in ask.seen.items() if below(path, effective)]
    if top not in {effective, "/"} and not inside and holder.entry.path == top:
        outside = _holder(ask, ask.share)
        if outside and below(ask.share, top):
            return _by_v3(ask, _absolute(ask, root, effective))
        if outside and not below(top, outside.entry.path):
            why = f"{_cite(root.entry)} has fsid=0, which hides {outside.entry.path} ({_cite(outside.entry)}) from NFSv4; remove fsid=0 or mount with nfsvers=3"
            return _by_v3(
                ask,
                Prediction("ENOENT", "mount", "path-not-exported", ask.share, (why,), _level(ask, root), outside.entry),
            )
    found = _enter(ask, holder, exists=effective == holder.entry.path or bool(inside))
    writable = [seen for seen in inside if seen.entry.options.rw and seen.entry.path != holder.entry.path]
    if found.category == "export-read-only" and writable:
        paths = tuple(clean_path(seen.entry.path.removeprefix(top)) for seen in _ranked(ask, writable))
        right = paths[0] if len(paths) == 1 else None
        after = _after(ask, share=right) if right else None
        return replace(found, category="wrong-share-path", candidates=paths, share_right=right, next_fault=after)
    return found


def _absolute(ask: _Ask, root: _Seen, effective: str) -> Prediction:
    """The share is the server's own path, where NFSv4 wants it from the fsid=0 export on."""
    top = root.entry.path
    right = ask.share
    while below(right, top):
        right = clean_path(right.removeprefix(top))
    why = (
        f"{_cite(root.entry)} has fsid=0, so NFSv4 paths begin at {top}: {ask.share} would be {effective} on the server"
    )
    after = _after(ask, share=right)
    found = Prediction(
        "ENOENT", "mount", "path-not-exported", ask.share, (why,), _level(ask, root), root.entry, right, (right,), next_fault=after
    )  # fmt: skip
    if after and after.category == "wrong-share-path":  # the root itself is read-only and holds exports
        return replace(found, share_right=after.share_right, candidates=after.candidates, next_fault=after.next_fault)
    return found


def _by_v3(ask: _Ask, found: Prediction) -> Prediction:
    """With no version pinned mount.nfs goes on to NFSv3, which has neither pseudo-root nor fsid=0."""
    if ask.version != "auto":
        return found
    other = _first_fault(replace(ask, options=f"{ask.options},nfsvers=3".lstrip(",")))
    why = "no version is pinned, so mount.nfs tries NFSv3 after NFSv4"
    if other.outcome == "ok" and "nolock" in ask.options.split(","):
        return replace(other, why=(*found.why, f"{why}, and that works"), confidence="low", unless=found)
    return replace(found, why=(*found.why, f"{why}, which needs rpc.statd or nolock"), equally=("EACCES",))


def _enter(ask: _Ask, seen: _Seen, *, exists: bool) -> Prediction:
    """The path lies in an export: what its options do."""
    one, confidence = seen.entry, _level(ask, seen)
    fail = "EACCES" if ask.v3 else "EPERM"
    here = f"{_cite(one)} exports {one.path} to {one.client or '*'}"
    if not one.known:
        why = f"{here}; the listing does not show its options, so ro and root_squash are open"
        return _unless(ask, Prediction("ok", "none", "healthy", ask.share, (why,), "low", one), exists=exists)
    asked = mount_flavour(ask.options)
    flavour = one.options.flavour(asked or "sys")
    names = ":".join(known.name for known in one.options.flavours)
    if flavour is None:
        category = "kerberos-auth" if names.startswith("krb5") or asked.startswith("krb5") else "mount-eperm"
        why = f"{here} with sec={names}, and the mount {'asks for sec=' + asked if asked else 'has no sec='}"
        return Prediction(fail, "mount", category, ask.share, (why,), confidence, one)
    if flavour.secure and "noresvport" in ask.options.split(","):
        why = f"{here} with secure, and noresvport makes the client use a port above 1023"
        return Prediction(fail, "mount", "mount-eperm", ask.share, (why,), confidence, one)
    found = _write(ask, one, flavour, confidence)
    if asked.startswith("krb5"):
        found = replace(found, why=(*found.why, f"sec={asked} also needs rpc.gssd and a keytab on every node"))
    return _unless(ask, found, exists=exists)


def _write(ask: _Ask, one: Export, flavour: Flavour, confidence: str) -> Prediction:
    here = f"{_cite(one)} exports {one.path} to {one.client or '*'}"
    base = Prediction("ok", "none", "healthy", ask.share, (), confidence, one)
    if not flavour.rw:
        said = "ro" if one.options.states("ro") else "without rw, and ro is the default"
        mended = _write(ask, one, flavour._replace(rw=True), confidence)
        return replace(
            base, outcome="EROFS", stage="write", category="export-read-only", why=(f"{here} {said}",),
            next_fault=None if mended.outcome == "ok" else mended,
        )  # fmt: skip
    if "ro" in ask.options.split(","):
        return replace(base, outcome="EROFS", stage="write", category="bad-mount-option", why=("mountOptions have ro",))
    mapped = user_mapping(replace(one.options, flavours=(flavour,)), flavour=flavour.name)
    if mapped.uid == 0:
        why = f"{here} rw for root: exports allow it; if it fails, look at the network, the node or the directory"
        return replace(base, why=(why,))
    squash = (
        "all_squash"
        if flavour.all_squash
        else "root_squash"
        if one.options.states("root_squash")
        else "root_squash (the default)"
    )
    why = f"{here} with {squash}: the driver's root becomes {mapped.uid}:{mapped.gid}"
    chmod = None
    if ask.mount_permissions.strip("0 "):
        reason = f"mountPermissions {ask.mount_permissions} makes the driver chmod, which {mapped.uid} may only do to what it owns"
        chmod = replace(
            base, outcome="EPERM", stage="chmod", category="chmod-not-permitted", why=(reason,), confidence="medium"
        )
    unless = f"mkdir fails unless the directory is writable for {mapped.uid}:{mapped.gid}; `ls -ldn {one.path}` on the server tells"
    return replace(
        base, outcome="EACCES", stage="write", category="root-squash", why=(why, unless), next_fault=chmod,
        confidence="low" if confidence == "low" else "medium",
    )  # fmt: skip


def _unless(ask: _Ask, found: Prediction, *, exists: bool) -> Prediction:
    """Add what is met where the directory is missing: exports cannot tell."""
    one = found.entry
    mounted = one.options.mountpoint if one else None
    if exists and mounted is None:
        return found
    why = (
        f"whether {ask.share} exists in {one.path if one else ''} is not told by exports; if not, the server says No such file or directory"
        if not exists
        else f"{one.path if one else ''} is exported only while {mounted or 'it'} is mounted"
    )
    missing = Prediction("ENOENT", "mount", "path-missing-on-server", ask.share, (why,), "medium", one)
    parent = one.path if one and not exists else None
    return replace(found, why=(*found.why, why), unless=replace(missing, share_right=parent))


# ---------------------------------------------------------------- what is wrong with the path or the client


def _wrong_share(ask: _Ask, inner: Sequence[_Seen]) -> Prediction:
    ranked = _ranked(ask, inner)
    writable = [seen for seen in ranked if seen.entry.options.rw or not seen.entry.known]
    named = [seen for seen in writable if below(clean_path(ask.subdir), seen.entry.path)] if ask.subdir else []
    meant = next((some for some in (named, writable, ranked) if some), [])
    right = meant[0].entry.path if len(meant) == 1 else None
    what = (
        "the NFSv4 pseudo-root" if ask.share == "/" else "a directory of the NFSv4 pseudo file system above the export"
    )
    listed = ", ".join(f"{seen.entry.path} ({_cite(seen.entry)})" for seen in ranked[:_MAX_LISTED])
    return Prediction(
        "EROFS", "write", "wrong-share-path", ask.share,
        (f"{ask.share} is {what}: it mounts and is always read-only", f"what is exported: {listed}"),
        min((_level(ask, seen) for seen in meant), key=_WORDS.__getitem__),
        meant[0].entry, right, tuple(seen.entry.path for seen in ranked),
        next_fault=_after(ask, share=right) if right else None,
    )  # fmt: skip


def _ranked(ask: _Ask, some: Iterable[_Seen]) -> list[_Seen]:
    """What may be written first, then where root stays root, then what subDir names, then by line."""
    wanted = clean_path(ask.subdir)
    return sorted(
        some,
        key=lambda seen: (
            not (seen.entry.options.rw or not seen.entry.known),
            _squashes(seen.entry) and seen.entry.known,
            not (ask.subdir and below(wanted, seen.entry.path)),
            seen.entry.line,
        ),
    )


def _not_exported(ask: _Ask, outcome: str) -> Prediction:
    ranked = _ranked(ask, ask.seen.values())
    inner = [seen.entry.path for seen in ranked if below(seen.entry.path, ask.share)]
    near = inner or similar(ask.share, [seen.entry.path for seen in ranked])
    paths = near or [seen.entry.path for seen in ranked]
    right = near[0] if len(near) == 1 else None
    whole = ask.seen and not all(seen.sure for seen in ask.seen.values())
    listed = ", ".join(f"{ask.seen[path].entry.path} ({_cite(ask.seen[path].entry)})" for path in paths[:_MAX_LISTED])
    why = [f"{ask.share} lies in none of the exports" + (f"; there are {listed}" if listed else ", as there are none")]
    if ask.v3 and inner:
        why.append("NFSv3 has no pseudo-root: a directory above an export cannot be mounted")
    elif ask.version == "auto":
        why.append(
            "no version is pinned, so NFSv3 has the last word: `access denied by server`, or, where rpc.statd is missing,"
            " its message before `No such file or directory`"
        )
    return Prediction(
        outcome, "mount", "path-not-exported", ask.share, tuple(why), "medium" if whole else "high", None, right,
        tuple(paths[:_MAX_LISTED]), ("ENOENT",) if ask.version == "auto" else (),
        next_fault=_after(ask, share=right) if right else None,
    )  # fmt: skip


def _client_refused(ask: _Ask, one: Export, outcome: str) -> Prediction:
    path = one.path
    clients = list(dict.fromkeys(row.client or "*" for row in ask.table.entries if row.path == path))
    why = f"{_cite(one)} exports {path} to {', '.join(clients[:_MAX_LISTED])}, which does not admit {ask.client}"
    after = replace(ask, client=None, seen=_seen_by(None, ask.table.entries))
    then = _first_fault(after)
    equally = tuple({"EACCES", "ENOENT"} - {outcome}) if ask.version == "auto" else ()
    return Prediction(
        outcome, "mount", "client-not-allowed", ask.share, (why,), "high", one, equally=equally,
        next_fault=None if then.outcome == "ok" else then,
    )  # fmt: skip


def _after(ask: _Ask, *, share: str) -> Prediction | None:
    """What is met when share is mended; None if nothing."""
    if share == ask.share or ask.depth >= _MAX_AFTER:
        return None
    found = _first_fault(replace(ask, share=share, subdir="", depth=ask.depth + 1))
    return None if found.outcome == "ok" else found


def _alternatives(ask: _Ask, found: Prediction) -> tuple[Prediction, ...]:
    """What other clients of the deciding path get, where nobody knows which one this is."""
    one = found.entry
    seen = ask.seen.get(one.path) if one else None
    if one is None or seen is None or found.stage == "mount":
        return ()
    made = []
    for other in seen.others[:_MAX_LISTED]:
        there = _first_fault(replace(ask, seen={**ask.seen, one.path: _Seen(other, sure=False)}))
        if (there.outcome, there.category) != (found.outcome, found.category):
            made.append(replace(there, confidence="low"))
    return tuple(made)


def _lost(ask: _Ask, found: Prediction) -> list[str]:
    """Entries that are written and are not exported, where that is what the share misses."""
    if found.category not in {"path-not-exported", "client-not-allowed", "wrong-share-path"}:
        return []
    lost = next((one for one in ask.table.dropped if below(ask.share, one.path) or below(one.path, ask.share)), None)
    if lost is None:
        return []
    causes = [fault for fault in ask.table.faults if fault.level == "error" and fault.line <= lost.line]
    stop = next((fault for fault in causes if fault.line == lost.line), causes[0] if causes else None)
    reason = f" because of line {stop.line}: {stop.problem}" if stop else ""
    return [f"{_cite(lost)} has {lost.path} for {lost.client or '*'}, which is not exported{reason}"]


# ---------------------------------------------------------------- small things


def _cite(one: Export) -> str:
    return f"{one.source}:{one.line}"


def _level(ask: _Ask, seen: _Seen) -> str:
    one = seen.entry
    if ask.client is None:
        if kind_of(one.client) is Kind.EVERYBODY and not seen.others:
            return "high"
        return "medium" if seen.sure else "low"
    if seen.sure:
        return "high"
    return "low" if kind_of(one.client) is not Kind.EVERYBODY or is_address_pattern(one.client) else "medium"


def similar(path: str, paths: Sequence[str]) -> list[str]:
    """The paths that may have been meant: another case, a component more or less in front, a slip of the keys."""
    wanted = path.lower()
    parts = [part for part in wanted.split("/") if part]
    scored: list[tuple[int, int, str]] = []
    for order, other in enumerate(paths[:2000]):
        lower = other.lower()
        theirs = [part for part in lower.split("/") if part]
        if lower == wanted:
            score = 0
        elif parts and theirs and (parts[-len(theirs) :] == theirs or theirs[-len(parts) :] == parts):
            score = 1
        elif len(wanted) > 3 and (slips := _distance(wanted, lower)) <= 2:
            score = 1 + slips
        elif parts and theirs and parts[-1] == theirs[-1]:
            score = 4
        else:
            continue
        scored.append((score, order, other))
    best = min(scored, default=(0, 0, ""))[0]
    return [other for score, _, other in sorted(scored) if score <= max(best, 3)]


def _distance(left: str, right: str) -> int:
    """Edits between two texts, a swap of neighbours being one; 3 stands for more than 2."""
    if abs(len(left) - len(right)) > 2 or len(left) > 256:
        return 3
    before: list[int] = []
    row = list(range(len(right) + 1))
    for at, char in enumerate(left, 1):
        older, before, row = before, row, [at]
        for to, other in enumerate(right, 1):
            cost = min(before[to] + 1, row[to - 1] + 1, before[to - 1] + (char != other))
            if at > 1 and to > 1 and char == right[to - 2] and left[at - 2] == other:
                cost = min(cost, older[to - 2] + 1)
            row.append(cost)
        if min(row) > 2:
            return 3
    return min(row[-1], 3)
