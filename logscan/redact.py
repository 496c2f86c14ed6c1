"""Takes out of text what must not leave, line by line, and puts stand-ins in its place.

Three things are replaced: secrets, by a word; what shows what it is (addresses, names with dots, UUIDs,
Kerberos principals), wherever it stands; and the names of machines, namespaces, pods, claims, volumes and
classes, which look like any word: they are learnt where a log says whose they are (``contexts``), and from
then on replaced everywhere.  What rules look for is never replaced where no name is expected, so a
redacted log gets the diagnosis that the log gets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from logscan import services
from logscan.contexts import named_in
from logscan.csi import other_pod
from logscan.model import Rule
from logscan.pseudonyms import Pseudonyms
from logscan.secrets import GONE, Secrets
from logscan.shippers import clean
from logscan.tables import Table

MAX_NAMES = 200_000  # learnt; a name beyond them is replaced only where a log says that it is one
MAX_CACHE = 50_000
MAX_PARTS = 24  # of a word, between which names are looked for

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_IPV4 = re.compile(r"(?<![0-9.vV])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9]|\.[0-9])")
_IP_NODE = re.compile(r"(?<![a-z0-9])ip-[0-9]{1,3}(?:-[0-9]{1,3}){3}(?![0-9])")
_FQDN = re.compile(r"(?:[A-Za-z0-9_](?:[\w-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,24}")
_SERVICE = re.compile(r"(?P<name>[a-z0-9-]+)\.(?P<ns>[a-z0-9-]+)(?P<rest>\.svc(?:\.cluster\.local)?)")
_ENDING = re.compile(r"(?i)(?:\.(?:log|txt|json|ya?ml|out|exports|tgz|tar|zip|csv|md))(?:\.(?:gz|xz|bz2|zst))?$")
# A class's subDir, which is a path that does not begin with "/".
_SUBDIR = re.compile(r"(?i)(?<!\w)sub_?dir(?:\\{0,7}[\"'])?\s?[:=]\s?(?:\\{0,7}[\"'])?(?P<path>[^\s\"'\\,)\]]+)")
_COLUMNS = re.compile(r"\S  +\S.*\S  +\S")
_PARTS = re.compile(r"([-._]+)")
_WORD = re.compile(r"[A-Za-z][\w-]{2,}")
_DOTTED = re.compile(r"[A-Za-z][\w-]*(?:\.[A-Za-z][\w-]*)+")
_ITEM = re.compile(
    r"(?P<escape>\\+(?:[nrtbf]|u[0-9a-fA-F]{4}|[0-7]{3}))"
    r"|(?P<net>(?:[0-9]{1,3}\.){3}[0-9]{1,3})/(?P<bits>[0-9]{1,2}|255(?:\.[0-9]{1,3}){3})(?![\w.])"
    r"|(?P<wild>(?:[0-9]{1,3}\.){1,3}\*)"
    r"|(?P<v6>(?=[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:]{2,45}(?:(?<=:)(?:[0-9]{1,3}\.){3}[0-9]{1,3})?)(?=:?(?:[^\w:]|$))"
    r"|(?P<user>[A-Za-z0-9][\w.+-]{0,63}(?:/[A-Za-z0-9][\w.-]{0,253})?)@(?P<realm>[A-Za-z0-9][\w.-]{0,253})"
    r"|(?P<path>(?<![\w.*~/])/(?!/|csi\.v1\.)[^\s\"'<>|:,;()\[\]{}\\#]*)"
    r"|(?P<id>#[^\s\"'#\\(){}\[\],;:]*#[^\s\"'#\\(){}\[\],;:]*)"
    r"|(?P<word>[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?)"
)

# Names that everybody has: they tell nothing, and rules and readers know them.
_WELL_KNOWN = frozenset(
    (
        "default", "kube-system", "kube-public", "kube-node-lease", "nfs-csi", "localhost", "kubernetes", "cluster.local",
        "nfs", "csi-provisioner", "csi-resizer", "csi-snapshotter", "node-driver-registrar", "liveness-probe",
        "snapshot-controller", "kube-root-ca.crt", "kubelet", "none", "null", "nil", "true", "false", "unknown", "any",
        "default-scheduler", "nfs-csi-k8s-io", "kind", "minikube",
    )
)  # fmt: skip
_KNOWN_SHAPE = re.compile(
    r"csi-nfs-(?:controller|node)(?:-[a-z0-9-]+)?|kube-api-access-[a-z0-9]+|(?:\S+\.)?csi\.\S+|(?:\S+\.)?democratic-csi\.\S+"
    r"|v?[0-9.]+|k8s-io|driver\.longhorn\.io"
)
_PREFIXES = frozenset(("", "pvc", "pv", "snapshot", "snapcontent", "archived-pvc", "volume"))
# Domains of projects, not of users; and what ends a file's name or an identifier and no host's.
_PUBLIC = re.compile(
    r"(?:^|\.)(?:k8s\.io|kubernetes\.io|x-k8s\.io|golang\.org|go\.uber\.org|gopkg\.in|github\.com|githubusercontent\.com|quay\.io"
    r"|docker\.io|gcr\.io|ghcr\.io|microsoft\.com|example\.invalid|kernel\.org|csi\.[a-z0-9.-]+)$"
)
_NO_HOST = frozenset(
    (
        "go", "log", "yaml", "yml", "json", "txt", "conf", "sock", "service", "target", "slice", "scope", "socket", "mount", "timer",
        "gz", "tgz", "tar", "xz", "zst", "bz2", "zip", "sh", "py", "so", "cc", "rs", "md", "html", "xml", "csv", "prom", "pem", "crt",
        "key", "swp", "tmp", "bak", "old", "sarif", "exports", "etab", "rmtab", "nfs", "nfs4", "cifs", "statd", "mountd", "gssd",
        "idmapd", "nfsd", "svcgssd", "d", "v1", "v2",
    )
)  # fmt: skip
# Ends of names that have one dot only: of others an identifier of a program is more likely.
_ENDS = frozenset(
    (
        "com", "net", "org", "io", "local", "lan", "internal", "intern", "corp", "home", "arpa", "example", "test", "invalid", "dev", "cloud",
        "info", "biz", "edu", "gov", "mil", "app", "site", "tech", "eu", "de", "fr", "uk", "nl", "it", "es", "at", "ch", "pl", "cz", "se",
        "no", "dk", "fi", "be", "pt", "ie", "us", "ca", "mx", "br", "cn", "jp", "kr", "in", "au", "nz", "ru", "ua", "za", "il", "tr", "localdomain",
    )
)  # fmt: skip
# Parts of paths that every node and every driver has.
_PLACES = frozenset(
    (
        "tmp", "var", "lib", "kubelet", "pods", "volumes", "kubernetes.io~csi", "kubernetes.io~nfs", "mount", "globalmount", "plugins",
        "plugins_registry", "csi", "csi-nfsplugin", "csi.sock", "registration", "run", "dev", "proc", "sys", "etc", "usr", "bin", "sbin", "log",
        "containers", "exports", "nfs.csi.k8s.io", "snap", "microk8s", "common", "k0s", "rancher", "k3s", "host", "secrets", "kubernetes.io",
        "serviceaccount", "fs", "root", "home", "mnt", "srv", "data", "volumeDevices", "volume-subpaths", "exports.d", "nfs", "..", ".",
        *(f"volume{n}" for n in range(1, 10)), *(f"CACHEDEV{n}_DATA" for n in range(1, 10)),
    )
)  # fmt: skip


class Redactor:
    """Redacts text.  It learns names from what it is given, so what was learnt once is replaced later.

    Args:
        pseudonyms: whose stand-ins are used; names that they know from an earlier run are known here.
        words: what must stay where no name is expected, in small letters: see ``words_of``.
        paths: replace the directories of paths too.
        names: what must not stay wherever it stands, whatever it is.
    """

    def __init__(
        self, pseudonyms: Pseudonyms, words: Iterable[str] = (), *, paths: bool = False, names: Iterable[str] = ()
    ) -> None:
        self.pseudonyms = pseudonyms
        given = frozenset(names)
        self._words = frozenset(words) - {name.lower() for name in given}
        self._paths = paths
        self._secrets = Secrets()
        self._table, self._learnt_table = Table(), Table()
        self._ours = False
        self._names: dict[str, str] = {}  # kind by name
        self._issued: set[str] = set()  # names of which a stand-in was given: their kind stays
        self._cache: dict[str, str] = {}
        for name, kind in pseudonyms.names():
            self._names[name] = kind
            self._issued.add(name)
        for name in given:
            self._names.setdefault(name, "name")

    def restart(self) -> None:
        """Another input begins."""
        self._secrets = Secrets()
        self._table, self._learnt_table = Table(), Table()

    def file(self, name: str) -> str:
        """The stand-in of an input's name: of it only the ending stays; a word ("exports", "-") stays as it is."""
        found = _ENDING.search(name)
        return name if self.is_word(name) else self.pseudonyms.name("input", name) + (found[0].lower() if found else "")

    def name(self, kind: str, text: str) -> str:
        """The stand-in of a whole name that is one for certain; "" stays."""
        self._learn(kind, text)
        found = self._stand_in(kind, text)
        return self.line(text) if found is None else found

    def learn_name(self, kind: str, text: str) -> None:
        """Learn a whole name that is one for certain; "" is none."""
        if text:
            self._learn(kind, text)

    def is_word(self, text: str) -> bool:
        """Whether a name is no name, or a word of the messages too."""
        return not any(letter.isalnum() for letter in text) or text.lower() in self._words

    def key(self, text: str) -> str:
        """What stands for a key that is made of names."""
        return self.pseudonyms.name("name", text).removeprefix("name-")

    def directory(self, path: str) -> str:
        """A path that does not begin with "/"."""
        return self._path(self._secrets.line(clean(path)))

    def learn(self, text: str) -> None:
        """Learn the names in a text of one line or more."""
        for line in text.split("\n"):
            for kind, start, end, doubtful in named_in(line):
                if not doubtful or line[start:end].lower() not in self._words:
                    self._learn(kind, line[start:end])
            for kind, start, end in self._learnt_table.names(line):
                self._learn(kind, line[start:end])

    def text(self, text: str, *, ours: bool = False) -> str:
        """A text of one line or more, redacted.

        Args:
            ours: it is what logscan says: no text of a program, which a name with a "-" in it could be part of.
        """
        self._ours = ours
        try:
            return "\n".join(self.line(line) for line in text.split("\n"))
        finally:
            self._ours = False

    def line(self, text: str) -> str:
        """One line, redacted; it may end with its line's end."""
        text = self._secrets.line(clean(text))
        spans = []
        for kind, start, end, doubtful in named_in(text):
            name = text[start:end]
            if doubtful and name.lower() in self._words and name not in self._names:
                continue
            if self._learn(kind, name) and (found := self._stand_in(kind, name)) is not None:
                spans.append((start, end, found))
        for kind, start, end in self._table.names(text):
            name = text[start:end]
            if self._learn(kind, name) and (found := self._stand_in(kind, name)) is not None:
                spans.append((start, end, found))
        if self._paths and "sub" in text.lower():
            spans += [(one.start("path"), one.end("path"), self._path(one["path"])) for one in _SUBDIR.finditer(text)]
        if not spans:
            return _ITEM.sub(self._item, text)
        table = _COLUMNS.search(text) is not None
        done, parts = 0, []
        for start, end, found in sorted(spans, key=lambda span: (span[0], -span[1])):
            if start < done:
                continue
            parts += [self._between(text, done, start), found]
            done = end
            # Columns stay where they are.
            if (surplus := len(found) - (end - start)) and table and text.startswith("  ", end):
                blanks = len(text) - end - len(text[end:].lstrip(" "))
                done += min(max(surplus, 0), blanks - 2)
                parts.append(" " * max(-surplus, 0))
        return "".join([*parts, self._between(text, done, len(text))])

    def _between(self, text: str, start: int, end: int) -> str:
        """What stands between names."""
        done, parts = start, []
        for found in _ITEM.finditer(text, start, end):
            parts += [text[done : found.start()], self._item(found)]
            done = found.end()
        return "".join([*parts, text[done:end]])

    # ------------------------------------------------------------ names

    def _learn(self, kind: str, text: str) -> bool:
        """Remember a name; returns whether it is one that has to be replaced."""
        if kind in {"host", "node"} and ":" in text and "::" not in text and text.count(":") == 1:
            text = text.partition(":")[0]
        if text in self._names:
            if self._names[text] == "name" and text not in self._issued:
                self._names[text] = kind
            return True
        if not self._is_secret(text):
            return False
        if _UUID.search(text):
            rest = _UUID.sub("", text).strip("-._")
            if rest in _PREFIXES or not self._is_secret(rest):
                return True
            text, kind = rest, "name"
        if _IPV4.fullmatch(text) or text.count(":") > 1:
            return True
        if "." in text and (parts := services.hidden(text)) is not None:
            # A file system's or an account's own name stands in paths and commands, too.
            for label in parts[0].split("."):
                self._learn("host", label)
            return True
        if len(self._names) < MAX_NAMES:
            self._names[text] = kind
            self._cache.clear()
        return True

    def _is_secret(self, text: str) -> bool:
        return (
            any(letter.isalpha() for letter in text) and text not in _WELL_KNOWN and _KNOWN_SHAPE.fullmatch(text) is None
            and _PUBLIC.search(text) is None and not self.pseudonyms.is_mine(text)
        )  # fmt: skip

    def _stand_in(self, kind: str, text: str) -> str | None:
        """What stands for a name, None if what it consists of decides."""
        kind = self._names.get(text, kind)
        if not text or _UUID.search(text) or ":" in text or _IPV4.fullmatch(text) or not self._is_secret(text):
            return None
        if len(self._issued) < MAX_NAMES:
            self._issued.add(text)
        if "." in text and kind in {"host", "node", "domain"}:
            return self._dotted(text)
        if kind in {"host", "name", "node"} and (product := services.product(text)):
            kind = product
        # Whose trouble a log is, is told by pods of other storage drivers: by their names, or with their containers'.
        if kind == "pod" and other_pod(text, "plugin"):
            kind = "csi" if other_pod(text, "x") else "csipod"
        return self.pseudonyms.name(kind, text)

    def _dotted(self, text: str) -> str:
        if service := _SERVICE.fullmatch(text):
            return f"{self.name('host', service['name'])}.{self.name('ns', service['ns'])}{service['rest']}"
        if (parts := services.hidden(text)) is not None:
            return ".".join(self.name("host", label) for label in parts[0].split(".")) + parts[1]
        return self.pseudonyms.domain(text, services.product(text))

    def _free(self, text: str) -> bool:
        """Whether a name that was learnt is to be replaced where nothing says that it is one."""
        if text not in self._names or len(text) < 3:
            return False
        return text.lower() not in self._words or (self._ours and not text.isalpha())

    # ------------------------------------------------------------ what stands for itself

    def _item(self, found: re.Match[str]) -> str:
        kind = found.lastgroup
        if kind == "word":
            return self._word(found["word"])
        if kind == "path":
            return self._path(found["path"])
        if kind == "v6":
            return self._ipv6(found["v6"])
        if kind == "realm":
            return self._principal(found["user"], found["realm"])
        if kind == "bits":
            return self._network(found["net"], found["bits"])
        if kind == "wild":
            return self._wildcard(found["wild"])
        if kind == "id":
            return "#".join(self._path(part) for part in found["id"].split("#"))
        return found[0]

    def _word(self, word: str) -> str:
        if self._ours:
            return self._replaced(word)
        done = self._cache.get(word)
        if done is None:
            if len(self._cache) >= MAX_CACHE:
                self._cache.clear()
            done = self._cache[word] = self._replaced(word)
        return done

    def _replaced(self, word: str) -> str:
        if self._free(word) and (found := self._stand_in("name", word)) is not None:
            return found
        if self.pseudonyms.is_mine(word) or word in _WELL_KNOWN:
            return word
        if _UUID.search(word):
            parts, done = [], 0
            for uuid in _UUID.finditer(word):
                parts += [self._plain(word[done : uuid.start()]), self.pseudonyms.uuid(uuid[0])]
                done = uuid.end()
            return "".join([*parts, self._plain(word[done:])])
        return self._plain(word)

    def _plain(self, word: str) -> str:
        """A word without UUIDs."""
        if word.count(".") > 2:
            word = _IPV4.sub(lambda found: self._address(found[0]), word)
        if "." in word and self._is_host(word):
            return self._dotted(word)
        if "_" in word:
            word = "_".join(self._dotted(part) if self._is_host(part) else part for part in word.split("_"))
        if "ip-" in word:
            word = _IP_NODE.sub(lambda found: self.pseudonyms.name("node", found[0]), word)
        parts = _PARTS.split(word)
        if len(parts) < 3 or len(parts) > 2 * MAX_PARTS or _KNOWN_SHAPE.fullmatch(word):
            return word
        done, at = [], 0
        while at < len(parts):
            for end in range(len(parts), at, -2):
                run = "".join(parts[at:end])
                if self.pseudonyms.is_mine(run):
                    break
                if self._free(run) and (found := self._stand_in("name", run)) is not None:
                    run = found
                    break
            else:
                run, end = parts[at], at + 1
            done += [run, *parts[end : end + 1]]
            at = end + 1
        return "".join(done)

    def _is_host(self, word: str) -> bool:
        last = word.rpartition(".")[2]
        if word.lower() in self._words:
            return False
        if _FQDN.fullmatch(word) is None or last in _NO_HOST or _PUBLIC.search(word) or _KNOWN_SHAPE.fullmatch(word):
            return False
        if word.count(".") == 1:
            return last.lower() in _ENDS and word not in _WELL_KNOWN
        return last.islower() or last.isupper()

    def _address(self, text: str) -> str:
        try:
            return self.pseudonyms.ipv4(text)
        except ValueError:
            return text

    def _ipv6(self, text: str) -> str:
        for address in (text, text.removesuffix(":")):  # "fd00::1:/srv" is a path on fd00::1
            try:
                return self.pseudonyms.ipv6(address) + text[len(address) :]
            except ValueError:
                continue
        return re.sub(r"\w+", lambda found: self._word(found[0]), text)

    def _network(self, net: str, bits: str) -> str:
        try:
            length = int(bits) if bits.isdigit() else _length(bits)
            octets = [int(part) for part in net.split(".")]
            value = sum(octet << shift for octet, shift in zip(octets, (24, 16, 8, 0), strict=True))
            host = value & (0xFFFFFFFF >> length) if length <= 32 else 1
            return f"{self.pseudonyms.ipv4(net, length if not host else 32)}/{bits}"
        except ValueError:
            return f"{self._address(net)}/{bits}"

    def _wildcard(self, text: str) -> str:
        count = text.count(".")
        try:
            full = self.pseudonyms.ipv4(".".join([*text.split(".")[:count], *["0"] * (4 - count)]), 8 * count)
        except ValueError:
            return text
        return ".".join([*full.split(".")[:count], "*"])

    def _principal(self, user: str, realm: str) -> str:
        realm, dots = realm.rstrip("."), realm[len(realm.rstrip(".")) :]
        service, _, host = user.partition("/")
        named = self._free(realm) or self.pseudonyms.is_mine(realm)
        if not (self._is_host(realm) or (realm.isupper() and realm.isalpha()) or named or _IPV4.fullmatch(realm)):
            whole = _ITEM.sub(self._item, user.replace("@", "")) + "@" + self._word(realm)
            return whole + dots
        if "." in realm or not named:
            realm = self._address(realm) if _IPV4.fullmatch(realm) else self.pseudonyms.domain(realm)
        else:
            realm = self._word(realm)
        if service not in {"nfs", "host", "root", "HTTP", GONE}:
            service = self.pseudonyms.name("user", service)
        return f"{service}/{self.name('host', host)}@{realm}{dots}" if host else f"{service}@{realm}{dots}"

    # ------------------------------------------------------------ paths

    def _path(self, path: str) -> str:
        return "/".join(self._step(part) if part else "" for part in path.split("/"))

    def _step(self, part: str) -> str:
        """One directory of a path."""
        found = _ITEM.sub(self._item, part)
        if (
            not self._paths
            or part.startswith("$")
            or part in _PLACES
            or part.strip(".").lower() in self._words
            or self._is_whole(part)
        ):
            return found
        if part.startswith("archived-"):
            return "archived-" + self._step(part.removeprefix("archived-"))
        return self.pseudonyms.name("dir", part)

    def _is_whole(self, part: str) -> bool:
        """Whether all of a directory's name is known to tell nothing, or has a stand-in."""
        known = part in self._names or self.pseudonyms.is_mine(part) or _KNOWN_SHAPE.fullmatch(part) is not None
        return known or (_UUID.search(part) is not None and _UUID.sub("", part).strip("-._") in _PREFIXES)


def _length(mask: str) -> int:
    """The prefix length of a mask like 255.255.0.0.

    Raises:
        ValueError: it is no mask.
    """
    from ipaddress import IPv4Network

    return IPv4Network(f"0.0.0.0/{mask}").prefixlen


def words_of(rules: Iterable[Rule]) -> frozenset[str]:
    """The words that rules look for or use: a name that is one of them is replaced only where a log names somebody."""
    texts: list[str] = []
    for rule in rules:
        texts.append(rule.title)
        texts += [text for one in rule.match for text in (one.literal, one.pattern or "")]
        for cause in rule.causes:
            remedy = cause.remedy
            texts += [
                cause.cause,
                remedy.summary,
                *remedy.steps,
                *remedy.commands,
                remedy.manifest or "",
                *cause.confirm,
            ]
    texts += services.texts()
    found = {word.lower() for text in texts for pattern in (_WORD, _DOTTED) for word in pattern.findall(text)}
    # Hosts are called after products, and no rule looks for these.
    return _COMMON | (found - set(services.PRODUCTS))


def examples_of(rules: Iterable[Rule]) -> frozenset[str]:
    """The addresses in what rules advise, which are nobody's."""
    return frozenset(
        found[0]
        for rule in rules
        for cause in rule.causes
        for text in (cause.cause, cause.remedy.summary, *cause.remedy.steps, *cause.remedy.commands, *cause.confirm)
        for found in _ITEM.finditer(text)
        if found.lastgroup in {"bits", "wild"}
    )


# Words of the driver's, kubelet's and the kernel's messages that no rule may use today.
_MESSAGES = """
error failed failure warning mount mounting mounted unmount unmounting unmounted volume volumes volumeid target
targetpath path paths source server share subdir node nodes pod pods claim class storage storageclass event
events message reason code desc internal aborted grpc call request response create delete publish unpublish
createvolume deletevolume nodepublishvolume nodeunpublishvolume timeout timed out waiting for the condition exit
status output command arguments denied permission operation permitted read only file system directory such not
found exist exists already busy resource stale handle input device connection refused network unreachable host
name service known resolve lookup dial tcp udp context deadline exceeded cancelled canceled kubernetes
parameters archive retain true false null normal type test data app apps web nfs4 nfsvers hard soft intr nolock
proto port name namespace key value kind list items metadata spec log logs info debug trace user group root mode
permissions
"""
_COMMON = frozenset(_MESSAGES.split())
