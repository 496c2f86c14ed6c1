"""The option list of an export, as nfs-utils reads it (support/nfs/exports.c, 2.6.2 to 2.9).

What is said here of exportfs was tried with the program itself.
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

NOBODY = 65534

FLAVOURS = ("sys", "krb5", "krb5i", "krb5p", "null", "none", "unix")
# RPC's numbers of them, as /proc/fs/nfsd/exports writes them.
_FLAVOUR_NUMBERS = {"0": "null", "1": "sys", "390003": "krb5", "390004": "krb5i", "390005": "krb5p"}

# keyword -> (field, value).  The fields of Flavour apply to the security flavours named before them.
_FLAGS: dict[str, tuple[str, bool]] = {
    "ro": ("rw", False), "rw": ("rw", True),
    "secure": ("secure", True), "insecure": ("secure", False),
    "root_squash": ("root_squash", True), "no_root_squash": ("root_squash", False),
    "all_squash": ("all_squash", True), "no_all_squash": ("all_squash", False),
    "sync": ("sync", True), "async": ("sync", False),
    "wdelay": ("wdelay", True), "no_wdelay": ("wdelay", False),
    "hide": ("hide", True), "nohide": ("hide", False),
    "crossmnt": ("crossmnt", True), "nocrossmnt": ("crossmnt", False),
    "subtree_check": ("subtree_check", True), "no_subtree_check": ("subtree_check", False),
    "auth_nlm": ("auth_nlm", True), "secure_locks": ("auth_nlm", True),
    "no_auth_nlm": ("auth_nlm", False), "insecure_locks": ("auth_nlm", False),
    "acl": ("acl", True), "no_acl": ("acl", False),
    "pnfs": ("pnfs", True), "no_pnfs": ("pnfs", False),
    "nordirplus": ("nordirplus", True),
    "security_label": ("security_label", True),
    "sign_fh": ("sign_fh", True),
    "v4root": ("v4root", True),  # only in /proc/fs/nfsd/exports
}  # fmt: skip
_FLAVOUR_FIELDS = frozenset({"rw", "root_squash", "all_squash", "secure"})
_VALUES = (
    "anonuid",
    "anongid",
    "fsid",
    "mountpoint",
    "mp",
    "refer",
    "replicas",
    "sec",
    "xprtsec",
    "reexport",
    "squash_uids",
    "squash_gids",
)
KEYWORDS = tuple(sorted({*(_FLAGS.keys() - {"v4root"}), *_VALUES}))


class Flavour(NamedTuple):
    """What a client meets that authenticates so."""

    name: str = "sys"
    rw: bool = False
    root_squash: bool = True
    all_squash: bool = False
    secure: bool = True  # only source ports below 1024


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that an export's options say; the defaults are those of exports(5).

    ``rw``, ``root_squash``, ``all_squash`` and ``secure`` may differ between
    security flavours; as properties they are those of ``sec=sys``, or of the
    first flavour where ``sys`` is not offered.
    """

    flavours: tuple[Flavour, ...] = (Flavour(),)
    sync: bool = True
    wdelay: bool = True
    hide: bool = True
    crossmnt: bool = False
    subtree_check: bool = False
    auth_nlm: bool = True
    acl: bool = True
    pnfs: bool = False
    nordirplus: bool = False
    security_label: bool = False
    sign_fh: bool = False
    v4root: bool = False  # an entry of the pseudo file system, which the server made by itself
    anonuid: int = NOBODY
    anongid: int = NOBODY
    fsid: str = ""  # "0" is the NFSv4 root ("root" is read as "0"); a number or a UUID; "" is none
    mountpoint: str | None = None  # None: not asked for; "": the path itself must be a mount point
    refer: str = ""
    replicas: str = ""
    xprtsec: tuple[str, ...] = ()
    reexport: str = ""
    squash_uids: str = ""
    squash_gids: str = ""
    stated: tuple[str, ...] = field(default=(), compare=False)  # as written, defaults of the line first

    def flavour(self, name: str = "sys") -> Flavour | None:
        """The flavour of that name; None: the export does not offer it."""
        name = {"unix": "sys", "none": "null"}.get(name, name)
        return next((one for one in self.flavours if one.name == name), None)

    @property
    def usual(self) -> Flavour:
        """The flavour that a mount without ``sec=`` gets."""
        return self.flavour() or self.flavours[0]

    @property
    def rw(self) -> bool:
        """Whether clients may write."""
        return self.usual.rw

    @property
    def root_squash(self) -> bool:
        """Whether uid 0 becomes the anonymous user."""
        return self.usual.root_squash

    @property
    def all_squash(self) -> bool:
        """Whether everybody becomes the anonymous user."""
        return self.usual.all_squash

    @property
    def secure(self) -> bool:
        """Whether requests must come from a source port below 1024."""
        return self.usual.secure

    def states(self, keyword: str) -> bool:
        """Whether the line says *keyword* (or ``keyword=…``) itself."""
        return any(text.partition("=")[0] == keyword for text in self.stated)


@dataclass(frozen=True, slots=True)
class Export:
    """One path for one client: a row of the server's table."""

    path: str  # as the server names it: no trailing slash, symbolic links unknown
    client: str  # as written; "" and "*" are everybody
    options: Options
    line: int  # 1-based, of the client in ``source``
    source: str  # the input's name
    known: bool = True  # False: the listing does not show options


@dataclass(frozen=True, slots=True)
class ExportFault:
    """Something about an exports file that its writer should know."""

    line: int
    code: str  # "unknown-keyword", "space-before-options" …: stable names
    problem: str  # one clause; for what exportfs refuses, its own words
    explains: str = ""  # what it makes the cluster see
    level: str = "error"  # "error": something is not exported; "warning": a trap; "note": a default worth knowing
    path: str = ""


def clean_path(path: str) -> str:
    """*path* with one leading slash and none that is doubled or trailing; "" is "/"."""
    return "/" + "/".join(part for part in path.split("/") if part)


def below(path: str, parent: str) -> bool:
    """Whether *path* is *parent* or lies in it."""
    return parent in {"/", path} or path.startswith(parent + "/")


class OptionFault(Exception):  # noqa: N818 - it is a fault of the file, turned into an ExportFault
    """exportfs cannot read the list; the text is what it prints."""


class Builder:
    """Reads option lists one upon the other: the defaults of a line, then those of a client.

    A flavour takes the flags that were set when it was first named; flags after
    a ``sec=`` change the flavours of that ``sec=`` and what later flavours begin with.
    """

    def __init__(self, *, lenient: bool = False) -> None:
        self.lenient = lenient  # a program's output: what is not known is passed over
        self.unknown: tuple[str, ...] = ()
        self._base = Flavour("")
        self._flavours: dict[str, Flavour] = {}
        self._values: dict[str, Any] = {}
        self._stated: tuple[str, ...] = ()

    def copy(self) -> Builder:
        """One that goes on from here by itself."""
        return copy.copy(self)  # what it holds is replaced, never changed

    def read(self, text: str) -> None:
        """Add an option list.

        Raises:
            OptionFault: exportfs would not take it; what stood before it counts.
        """
        active: tuple[str, ...] = ()
        words = text.split(",") if text else []
        if words and not words[-1]:
            words.pop()  # a comma may end the list, but not begin it or stand twice
        stated, unknown = [], []
        try:
            for word in words:
                try:
                    active = self._word(word.lstrip(" \t"), active)
                except OptionFault:
                    if not self.lenient:
                        raise
                    unknown.append(word)
                else:
                    stated.append(word)
        finally:
            self._stated += tuple(stated)
            self.unknown += tuple(unknown)

    def _word(self, word: str, active: tuple[str, ...]) -> tuple[str, ...]:
        flag = _FLAGS.get(word)
        if flag and (word != "v4root" or self.lenient):
            name, value = flag
            if name in _FLAVOUR_FIELDS:
                change: dict[str, Any] = {name: value}
                self._base = self._base._replace(**change)
                changed = {one: self._flavours[one]._replace(**change) for one in active}
                self._flavours = {**self._flavours, **changed}
            else:
                self._values = {**self._values, name: value}
            return active
        key, equals, value_text = word.partition("=")
        if key == "sec" and equals:
            return self._sec(value_text)
        self._value(word, key, equals, value_text)
        return active

    def _sec(self, text: str) -> tuple[str, ...]:
        names = []
        for part in text.split(":"):
            name = _FLAVOUR_NUMBERS.get(part, part) if self.lenient else part
            if name not in FLAVOURS:
                raise OptionFault(f"unknown flavor {name}")
            names.append({"unix": "sys", "none": "null"}.get(name, name))
        new = {name: self._base._replace(name=name) for name in names if name not in self._flavours}
        self._flavours = {**self._flavours, **new}
        return tuple(names)

    def _value(self, word: str, key: str, equals: str, text: str) -> None:
        values: dict[str, Any] = {}
        if key in {"mountpoint", "mp"}:
            values["mountpoint"] = text
        elif not equals:
            raise OptionFault(f'unknown keyword "{word}"')
        elif key in {"anonuid", "anongid"}:
            number = _integer(text, 10)
            if number is None:
                raise OptionFault(f'bad {key} "{word}"')
            values[key] = number
        elif key == "fsid":
            values[key] = _fsid(word, text)
        elif key in {"refer", "replicas"} or (self.lenient and key == "uuid"):
            if key != "uuid":
                values[key] = text
        elif key in {"squash_uids", "squash_gids"}:
            if not re.fullmatch(r"[0-9]*(?:-[0-9]*)?", text):
                raise OptionFault("syntax error: bad uid/gid list")
            values[key] = text
        elif key == "xprtsec":
            parts = tuple(text.split(":"))
            if not set(parts) <= {"none", "tls", "mtls"}:
                raise OptionFault(f"unknown transport security {text}")
            values[key] = parts
        elif key == "reexport" and text in {"auto-fsidnum", "predefined-fsidnum", "none"}:
            values[key] = text
        else:
            raise OptionFault(f'unknown keyword "{word}"')
        self._values = {**self._values, **values}

    def build(self) -> Options:
        """What has been read so far."""
        flavours = tuple(self._flavours.values()) or (self._base._replace(name="sys"),)
        return Options(flavours=flavours, stated=self._stated, **self._values)


def _integer(text: str, base: int) -> int | None:
    """C's strtol, to 32 bits; base 0 also knows 0x10 and 010."""
    shape = r"0[xX][0-9a-fA-F]+|[0-9]+" if base == 0 else r"[0-9]+"
    found = re.fullmatch(rf"[ \t\n\v\f\r]*([+-]?)({shape})", text)
    if not found:
        return None
    digits = found[2]
    if base == 0 and len(digits) > 1 and digits[0] == "0":
        base = 16 if digits[1] in "xX" else 8
    try:
        number = min(int(digits[:40], base or 10), 2**63 - 1)
    except ValueError:  # 089 is no octal number
        return None
    return (-number if found[1] == "-" else number) & 0xFFFFFFFF


def _fsid(word: str, text: str) -> str:
    if text == "root":
        return "0"
    if sum(letter in "0123456789abcdefABCDEF" for letter in text) == 32:
        return text  # a UUID, however it is cut into groups
    number = _integer(text, 0)
    if number is None:
        raise OptionFault(f'bad fsid "{word}"')
    return str(number)


def render_options(options: Options) -> str:
    """Write options so that reading them gives the same; defaults are left out but for ro, rw and the squashing."""
    default = Options()
    words = [
        next(word for word, meaning in _FLAGS.items() if meaning == (name, getattr(options, name)))
        for name in dict.fromkeys(name for name, _ in _FLAGS.values())
        if name not in _FLAVOUR_FIELDS and getattr(options, name) != getattr(default, name)
    ]
    texts = (
        (name, getattr(options, name))
        for name in ("reexport", "fsid", "refer", "replicas", "squash_uids", "squash_gids")
    )
    words += [f"{name}={text}" for name, text in texts if text]
    if options.mountpoint is not None:
        words.append(f"mountpoint={options.mountpoint}" if options.mountpoint else "mountpoint")
    if options.xprtsec:
        words.append("xprtsec=" + ":".join(options.xprtsec))
    words += [f"{name}={getattr(options, name)}" for name in ("anonuid", "anongid") if getattr(options, name) != NOBODY]
    plain = len(options.flavours) == 1 and options.flavours[0].name == "sys"
    for flavour in options.flavours:
        words += _flavour_words(flavour, plain=plain)
    return ",".join(words)


def _flavour_words(flavour: Flavour, *, plain: bool) -> list[str]:
    own = ((name, getattr(flavour, name)) for name in ("rw", "root_squash", "all_squash", "secure"))
    words = [next(word for word, meaning in _FLAGS.items() if meaning == one) for one in own]
    return words if plain else [f"sec={flavour.name}", *words]


def amend(stated: Iterable[str], **wanted: bool) -> str:
    """The option list as it was written with single flags set otherwise: the smallest edit that a person would make."""
    words = list(stated)
    for name, value in wanted.items():
        word = next(word for word, meaning in _FLAGS.items() if meaning == (name, value))
        both = {text for text, (which, _) in _FLAGS.items() if which == name}
        first_flavour = next((at for at, text in enumerate(words) if text.startswith("sec=")), None)
        stands = [at for at, text in enumerate(words) if text in both]
        if stands and (first_flavour is None or stands == [at for at in stands if at < first_flavour]):
            words = [word if text in both else text for text in words]
        else:
            # Before the first sec=, so that it holds for every flavour.
            at = 0 if name == "rw" else len(words) if first_flavour is None else first_flavour
            before, after = ([text for text in part if text not in both] for part in (words[:at], words[at:]))
            words = [*before, word, *after]
    return ",".join(words)


def render(entries: Iterable[Export]) -> str:
    """Write entries as an exports file that reads back as they are."""
    return "".join(f"{quote(one.path)} {quote(one.client or '*')}({render_options(one.options)})\n" for one in entries)


def quote(text: str) -> str:
    """A path or client as a token: what would end it or mean something is written in octal."""
    return "".join(
        f"\\{byte:03o}" if byte <= 0x20 or byte in b'"\\#()' or byte >= 0x7F else chr(byte)
        for byte in text.encode("utf-8", "replace")
    )


def suggestion(keyword: str) -> str:
    """The keyword that was meant, "" if none is near."""
    near = difflib.get_close_matches(keyword.strip().lower().partition("=")[0], KEYWORDS, 1, 0.6)
    return near[0] if near else ""
