"""Where a log names somebody: after which words and keys, in which prefixes and tables.

A group of a pattern is named for what it finds, a kind of ``pseudonyms.KINDS``; a digit at its end
only keeps it apart from another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_NAME = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?"
_SHORT = r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"  # without "_", which joins pod and namespace
_HOST = r"\[?[A-Za-z0-9:](?:[\w.:%-]*[A-Za-z0-9])?\]?"
_VALUE = r"(?:(?P<ns>[A-Za-z0-9][A-Za-z0-9.-]*)/)?(?P<value>\[?[A-Za-z0-9:](?:[\w.:%-]*[A-Za-z0-9])?\]?)"
_QUOTE = r"\\{0,7}[\"']"
_PROGRAM = (
    r"(?:[^\s:\[]+\[[0-9]+\]|kernel|systemd|kubelet|containerd|dockerd|crio|k3s|rpcbind|mount|umount|NetworkManager)"
)
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_AGE = r"(?:<unknown>|<invalid>|(?:[0-9]{1,9}(?:ms|[ydhms])){1,5})(?: \(x[0-9]{1,9} over \S+\))?"

# Keys of objects, of key=value pairs, and flags: their last part, in small letters and without "_" and "-".
_KEYS: Mapping[str, str] = {
    "host": "server servername hostname mounthost",
    "node": "nodeid nodename node host _hostname computer sysloghost fromhost leader reportinginstance",
    "ns": "namespace namespacename podnamespace claimnamespace secretnamespace pvcnamespace",
    "pod": "podname pod",
    "claim": "claimname claim persistentvolumeclaim pvc pvcname",
    "class": "storageclass storageclassname volumesnapshotclassname volumesnapshotclass",
    "volume": "volumename pv pvname volumeid volumehandle sourcevolumeid persistentvolumename specname outervolumespecname",
    "snapshot": "volumesnapshotname volumesnapshotcontentname snapshotname snapshotid volumesnapshotcontent volumesnapshot",
    "user": "user username login",
    "name": "name resourcename object secretname serviceaccount serviceaccountname",
}  # fmt: skip
# Words before a name in quotes.
_WORDS: Mapping[str, str] = {
    "claim": "claim claims pvc persistentvolumeclaim persistentvolumeclaims provision provisioning",
    "class": "storageclass class",
    "pod": "pod pods",
    "node": "node nodes machine",
    "ns": "namespace namespaces",
    "volume": "volume volumes pv persistentvolume persistentvolumes",
    "snapshot": "snapshot volumesnapshot content volumesnapshotcontent",
    "name": "secret secrets configmap configmaps serviceaccount statefulset deployment service job",
    "user": "user",
    "host": "server host",
}
# Kinds of objects before a slash, as kubectl and its tables write them.
_OBJECTS: Mapping[str, str] = {
    "pod": "pod pods po",
    "claim": "persistentvolumeclaim persistentvolumeclaims pvc",
    "volume": "persistentvolume persistentvolumes pv",
    "node": "node nodes",
    "ns": "namespace namespaces ns",
    "class": "storageclass storageclasses sc",
    "snapshot": "volumesnapshot volumesnapshots volumesnapshotcontent volumesnapshotcontents vs vsc",
    "name": (
        "daemonset daemonsets deployment deployments replicaset replicasets statefulset statefulsets job jobs cronjob service"
        " services svc secret secrets configmap serviceaccount ds deploy rs sts sa"
    ),
}


def _by_word(table: Mapping[str, str]) -> Mapping[str, str]:
    return {word: kind for kind, words in table.items() for word in words.split()}


# What must be in a line (any of them), the pattern, and the kinds by the group "word" or whether it is prose.
Context = tuple[tuple[str, ...], re.Pattern[str], Mapping[str, str] | bool]


def _keyed() -> Iterator[tuple[tuple[str, ...], str, Mapping[str, str]]]:
    """Patterns whose group "value" is of the kind that a table has for their group "word"."""
    keys, words, objects = _by_word(_KEYS), _by_word(_WORDS), _by_word(_OBJECTS)
    yield ('":', "':", '" :'), rf"{_QUOTE}(?P<word>[\w./-]+){_QUOTE} ?: ?{_QUOTE}{_VALUE}(?={_QUOTE})", keys
    yield ("=",), rf"(?<![\w./-])(?P<word>[-\w./]+)=(?:{_QUOTE})?{_VALUE}(?=[\s,;)\]}}\"'\\#]|$)", keys
    yield (": ",), rf"^[ \t-]*(?P<word>[\w./-]+): +(?:{_QUOTE})?{_VALUE}(?:{_QUOTE})?,?\s*$", keys
    yield (
        ('"', "'"),
        rf"(?<![\w.-])(?P<word>[A-Za-z]+)(?:\.[a-z.0-9]+)?:? (?:named |with name )?{_QUOTE}{_VALUE}{_QUOTE}",
        words,
    )
    yield ("/",), rf"(?<![\w/.-])(?P<word>[A-Za-z]+)(?:\.[a-z.0-9]+)?/(?P<value>{_NAME})", objects
    yield (
        ("kubectl",),
        (
            r"(?:get|describe|delete|edit|logs|patch|exec|annotate|label)(?: -n \S+)? (?P<word>[A-Za-z]+)"
            rf"(?:\.[a-z.0-9]+)?[ /](?P<value>{_NAME})"
        ),
        objects,
    )


def _plain() -> Iterator[tuple[tuple[str, ...], str]]:
    """What must be in a line for a pattern to be tried (any of them), and the pattern."""
    pair = rf"(?P<ns>{_SHORT})/"
    yield ("laim ", "PVC ", "pvc "), rf"(?:[cC]laim|PVC|pvc) {pair}(?P<claim>{_NAME})"
    yield ("pod ", "assigned ", "Pod "), rf"(?:[pP]od|assigned) {pair}(?P<pod>{_NAME})"
    yield ("assigned ",), rf"assigned \S+ to (?P<node>{_NAME})"
    yield ("lease ", "resource lock "), rf"(?:lease|resource lock) {pair}(?=[\w-])"
    yield ("lock=",), rf"lock={_QUOTE}{pair}"
    yield ("key=",), rf"(?<![\w.-])key=(?:{_QUOTE})?(?P<ns>[a-z0-9-]+)/(?P<name>{_NAME})"
    yield (
        ("ode ID", "odeID", "ode Name", "on machine", "odeid"),
        (rf"(?:[nN]ode ?ID|[nN]ode ?Name|[nN]odeid|Running on machine): ?(?P<node>{_NAME})"),
    )
    yield ("serviceaccount",), rf"system:serviceaccounts?:(?P<ns>{_SHORT})"
    yield ("system:node:",), rf"system:node:(?P<node>{_SHORT})"
    # The event that a sidecar logs, of client-go before it was structured.
    for kind, group in (
        ("PersistentVolumeClaim", "claim"),
        ("PersistentVolume", "volume"),
        ("Pod", "pod"),
        ("[A-Za-z]+", "name"),
    ):
        yield (
            ("ObjectReference{",),
            rf'ObjectReference{{Kind:"{kind}", Namespace:"(?P<ns>{_SHORT})?", Name:"(?P<{group}>{_NAME})"',
        )
    # Pods as kubelet writes them, and the identity that a sidecar gives itself.
    yield ("_",), rf"(?<![\w.-])(?P<pod>{_SHORT})_(?P<ns>{_SHORT})(?:\({_UUID}\)|_{_UUID})"
    yield ("io_", "com_", "_"), rf"(?<![\w.-])[a-z0-9-]+\.[a-z0-9.-]+_(?P<node>{_SHORT})_[0-9a-f]{{8}}"
    yield ("/var/log/pods/",), rf"/var/log/pods/(?P<ns>{_SHORT})_(?P<pod>{_SHORT})_"
    yield ("/var/log/containers/",), rf"/var/log/containers/(?P<pod>{_SHORT})_(?P<ns>{_SHORT})_"
    yield ("kubernetes.io~csi/",), rf"kubernetes\.io~csi/(?P<volume>{_NAME})"
    # What kubectl and stern put before a line.
    yield ("[pod/",), rf"\[pod/(?P<pod>{_SHORT})/"
    yield (
        (" I", " W", " E", " F", " {"),
        (rf"^(?:(?P<ns>{_SHORT}) )?(?P<pod>{_SHORT}-[a-z0-9]+) [a-z0-9-]+ (?=[A-Z][0-9]{{4}} |\{{\")"),
    )
    yield ("›",), rf"^[+-] (?:(?P<ns>{_SHORT}) )?(?P<pod>{_SHORT}) › "
    # Hosts of a journal.
    yield (
        (": ", "]:"),
        (
            rf"^(?:<[0-9]{{1,3}}>)?[A-Z][a-z]{{2}} [ 0-9][0-9] [0-9:]{{8}}(?:\.[0-9]+)? (?P<node>{_HOST}) [^\s:\[]+(?:\[[0-9]+\])?:"
        ),
    )
    yield (
        (": ", "]:"),
        rf"^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T\S+ (?!stdout |stderr )(?P<node>{_HOST}) {_PROGRAM}: ",
    )
    yield (">1 ",), rf"^<[0-9]{{1,3}}>1 \S+ (?P<node>{_HOST}) "
    yield ("]:",), rf"^[MTWFS][a-z]{{2}} [0-9-]{{10}} [0-9:.]+ (?:[A-Z]+ )?(?P<node>{_HOST}) \S+\[[0-9]+\]:"
    # Tables and descriptions of kubectl.
    yield ("Normal", "Warning"), rf"^\s*(?P<ns>{_SHORT})\s+{_AGE}\s+(?:Normal|Warning)\s"
    yield ("kubelet, ",), rf"kubelet, (?P<node>{_SHORT})"
    yield ("Node: ",), rf"^\s*Node: +(?P<node>{_SHORT})(?:/|\s*$)"
    yield ("Claim: ",), rf"^\s*Claim: +{pair}(?P<claim>{_NAME})"
    yield ("Service Account: ",), rf"^\s*Service Account: +(?P<name>{_NAME})\s*$"
    yield ("By:",), rf"^\s*(?:Used|Mounted|Controlled) By: +(?:[A-Z]\w+/)?(?P<pod>{_NAME})\s*$"
    # NFS servers, and who mounts from them.
    yield (
        (":/",),
        (
            r"(?<![\w./@-])(?!(?:unix|https?|file|s3|gs|dns|passthrough|containerd|docker|tcp|udp):)"
            rf"(?P<host>{_HOST}):/(?!/)"
        ),
    )
    # Our own words on the form of a handle name nobody.
    yield ("#",), rf"(?<![\w./#:\[-])(?!server#share#)(?P<host>{_HOST})#[^\s\"'#]*#"
    yield (
        ("olume_id", "olumeID", "olumeHandle", "olume ID"),
        (rf"[vV]olume(?:_id|ID|Handle| ID)(?:{_QUOTE})?[:=( ]+(?:{_QUOTE})?(?P<host>{_SHORT})/[^\s\"'#]*/"),
    )
    yield ("xport list for ", "xports on "), rf"xport(?: list for|s on) (?P<host>{_HOST})"
    yield ("/",), rf"^\"?/\S*\s+(?P<host>{_SHORT})\([a-z0-9_]+[=,)]"
    yield ("(",), rf"(?<=\) )(?P<host>{_SHORT})\([a-z0-9_]+[=,)]"
    # Commands that we propose.
    yield (" -n ", "--namespace"), rf"(?: -n|--namespace)[= ](?P<ns>{_SHORT})"
    yield ("--nodeid", "--node-name"), rf"--node(?:id|-name)[= ](?P<node>{_NAME})"


def _prose() -> Iterator[tuple[tuple[str, ...], str]]:
    """Patterns after which any other word may stand as well."""
    yield ("namespace ",), rf"in(?: the)? namespace (?P<ns>{_SHORT})"
    yield (" node ",), rf" (?:on|from|for|to) node (?P<node>{_SHORT})"
    yield (
        ("server ",),
        (
            rf"(?<![\w-])server (?P<host>{_HOST})(?=:|,| not responding| OK| still trying| is not| timed out| returned|$)"
        ),
    )
    yield ("lookup ",), rf"lookup (?P<host>{_SHORT})(?= on |[: ]|$)"
    yield ("request from ", "mount from"), rf"(?:request|mount) from (?P<host>{_SHORT})(?=[:\s])"
    yield (
        ("showmount", "rpcinfo", "getent", "nslookup", "ping", "dig ", "nc ", "ssh "),
        (
            rf"(?<![\w-])(?:showmount|rpcinfo|getent (?:a?hosts|ahostsv[46])|nslookup|ping|dig|nc|ssh)(?: -\w+(?: (?:[0-9]+|do|want|dont)(?= ))?)*"
            rf" (?P<host>{_HOST})(?=[\s'\"`;),.]|$)"
        ),
    )


_CONTEXTS: tuple[Context, ...] = (
    *((needed, re.compile(pattern), table) for needed, pattern, table in _keyed()),
    *((needed, re.compile(pattern), False) for needed, pattern in _plain()),
    *((needed, re.compile(pattern), True) for needed, pattern in _prose()),
)
_IN_NAMESPACES = frozenset(("pod", "claim", "name", "snapshot", "volume"))  # may be "namespace/name"
# Keys that hold something else than their last part says.
_OTHER_KEYS = re.compile(
    r"(?:container|image|driver|plugin|method|component|csi|controller|provisioner|snapshotter|app)[._/-]?name|secretref"
)


def named_in(line: str) -> Iterator[tuple[str, int, int, bool]]:
    """What a line names: (kind, start, end, whether it may be any word as well), also overlapping."""
    for needed, pattern, table in _CONTEXTS:
        for text in needed:  # a loop, because any() of a generator costs as much as a search
            if text in line:
                break
        else:
            continue
        for found in pattern.finditer(line):
            if not isinstance(table, bool):
                kind = _kind(found["word"], table)
                if kind is None:
                    continue
                yield kind, found.start("value"), found.end("value"), False
                if kind not in _IN_NAMESPACES:
                    continue
            for group in found.re.groupindex:
                if group not in {"word", "value"} and found[group]:
                    yield group, found.start(group), found.end(group), table is True


def _kind(word: str, table: Mapping[str, str]) -> str | None:
    low = word.lower()
    if (kind := table.get(low)) is not None:
        return kind
    if low.isalpha() or _OTHER_KEYS.search(low):
        return None
    parts = low.replace("_", "").replace("-", "").replace(".", "/").strip("/").split("/")
    return table.get("".join(parts[-2:])) or table.get(parts[-1])
