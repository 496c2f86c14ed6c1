"""Stable stand-ins for what must not leave: the same for the same, of the same shape, and nothing of the original in it.

A pseudonym is a function of a key and of what it stands for, so it does not depend on what was read
before.  It carries a check that only the key's owner can compute, so what was redacted once is known
and stays as it is.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import os
import re
from collections.abc import Mapping

KEY_BYTES = 32
KINDS = (
    "ns",
    "pod",
    "claim",
    "class",
    "node",
    "host",
    "domain",
    "volume",
    "snapshot",
    "name",
    "user",
    "dir",
    "input",
    "csi",
    "csipod",
    # Hosts that are called after a product, which decides what is advised.
    "netapp",
    "ontap",
    "synology",
    "diskstation",
    "rackstation",
    "qnap",
    "truenas",
    "freenas",
)

# Neither vowels nor a-f: no pseudonym reads like a word, or is taken for a hexadecimal number.
_LETTERS = "ghjkmnpqrstvwxz"
_ALPHABET = _LETTERS + "0123456789"
_CODE = 8  # characters: 5 of the name, 3 that check them
_MINE = re.compile(rf"(?:{'|'.join(KINDS)})-([{_LETTERS}][{_ALPHABET}]{{{_CODE - 1}}})")
MAX_KEPT = 100_000  # pseudonyms whose original is remembered

# Networks, each with room for as many addresses below 240.0.0.0/4, which nobody uses: prefix lengths are kept,
# so that what was in one network is in one network still.
_BLOCKS = tuple(
    (ipaddress.IPv4Network(real), int(ipaddress.IPv4Address(place)))
    for real, place in (
        ("10.0.0.0/8", "241.0.0.0"), ("172.16.0.0/12", "242.0.0.0"), ("192.168.0.0/16", "243.0.0.0"),
        ("100.64.0.0/10", "244.0.0.0"),
    )
)  # fmt: skip
_ELSEWHERE = int(ipaddress.IPv4Address("248.0.0.0"))  # /5: all other addresses; 27 bits of theirs
_KEPT_V4 = tuple(ipaddress.IPv4Network(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"))
_DOCUMENTATION = ipaddress.IPv6Network("2001:db8::/32")


# What the methods of Pseudonyms give, in a text.
_ISSUED = re.compile(
    rf"(?:(?:\*|(?:{'|'.join(KINDS)})-[{_ALPHABET}]{{{_CODE}}})\.)+example|(?:{'|'.join(KINDS)})-[{_ALPHABET}]{{{_CODE}}}"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|2[0-9]{2}(?:\.[0-9]{1,3}){3}|2001:db8:[0-9a-f:]+"
)


def new_key() -> bytes:
    """A key that nobody has had."""
    return os.urandom(KEY_BYTES)


def key_of(salt: str) -> bytes:
    """The key that a text gives; as good as the text is long."""
    return hashlib.sha256(b"logscan redact\0" + salt.encode("utf-8", "surrogateescape")).digest()


class Pseudonyms:
    """Makes the pseudonyms of one key.

    Args:
        key: any bytes; who has them can tell whether a guess at a name is right.
        known: pseudonyms and what they stand for, of an earlier run.
    """

    def __init__(self, key: bytes, known: Mapping[str, str] | None = None) -> None:
        self.key = key
        self.originals: dict[str, str] = dict(known or {})  # by pseudonym; the oldest MAX_KEPT
        self._taken: dict[int, int] = {}  # addresses by the pseudonym that they got

    def name(self, kind: str, text: str) -> str:
        """``kind-xxxxxxxx`` for a name; *kind* is one of KINDS.  A pseudonym of this key stays."""
        if self.is_mine(text):
            return text
        return self._keep(f"{kind}-{self._code(text)}", text)

    def is_mine(self, text: str) -> bool:
        """Whether *text* is what ``name`` gives."""
        found = _MINE.fullmatch(text)
        return found is not None and self._check(found[1][: _CODE - 3]) == found[1][_CODE - 3 :]

    def names(self) -> list[tuple[str, str]]:
        """The names that pseudonyms stand for, each with its kind."""
        found = [(_MINE.fullmatch(pseudonym), text) for pseudonym, text in self.originals.items()]
        return [(text, match[0].partition("-")[0]) for match, text in found if match is not None]

    def domain(self, text: str, kind: str = "") -> str:
        """A name with dots: its host and its domain each by itself, below ``.example``.

        Args:
            kind: one of KINDS, of the first part; "host", or "domain" if that is all.
        """
        labels = text.split(".")
        if labels[-1] == "example" and all(label == "*" or self.is_mine(label) for label in labels[:-1]):
            return text
        if len(labels) < 3:
            return self._keep(f"{self.name(kind or 'domain', text)}.example", text)
        host = labels[0] if labels[0] == "*" else self.name(kind or "host", labels[0])
        return self._keep(f"{host}.{self.name('domain', '.'.join(labels[1:]))}.example", text)

    def uuid(self, text: str) -> str:
        """A UUID of version 4; a pseudonym of this key stays."""
        low = text.lower()
        digits = low.replace("-", "")
        if digits[16:] == self._tail(digits[:16]):
            return text
        # The version's digit is the 13th.
        head = self._digest(f"uuid {low}").hex()[:16]
        head = f"{head[:12]}4{head[13:]}"
        whole = head + self._tail(head)
        cut = (whole[:8], whole[8:12], whole[12:16], whole[16:20], whole[20:])
        return self._keep("-".join(cut), text)

    def ipv4(self, text: str, bits: int = 32) -> str:
        """An address of 240.0.0.0/4: two that have their first bits in common have as many in common after it.

        Loopback, link-local, multicast, masks and 0.0.0.0/8 stay, and so do pseudonyms.

        Args:
            text: a dotted quad.
            bits: how many of its leading bits count; the others become 0.

        Raises:
            ValueError: it is no address.
        """
        address = ipaddress.IPv4Address(text)
        if any(address in network for network in _KEPT_V4):
            return text
        value, shift = int(address), 0
        for network, place in _BLOCKS:
            if address in network:
                fixed, base = network.prefixlen, place
                break
        else:
            # 32 bits do not go into 27: the first 8 of them give 3, and a look-up sees to it that no two are one.
            fixed, base, shift = 8, _ELSEWHERE, 3
        mixed = 0
        for bit in range(fixed, max(bits, fixed)):
            above = value >> (32 - bit)
            flip = self._digest(f"bit {bit} {above}")[0] & 1
            mixed |= ((value >> (31 - bit) & 1) ^ flip) << (31 - bit)
        if shift:
            base += (self._digest(f"net {value >> 24}")[0] & 7) << 24
        result = self._alone(base | mixed, value) if bits == 32 else base | mixed
        return self._keep(str(ipaddress.IPv4Address(result)), text)

    def ipv6(self, text: str) -> str:
        """An address of 2001:db8::/32; what shared a /64 still does.

        Unspecified, loopback, link-local and multicast addresses stay, and so do pseudonyms.

        Raises:
            ValueError: it is no address.
        """
        address = ipaddress.IPv6Address(text)
        if address.ipv4_mapped is not None:
            return f"::ffff:{self.ipv4(str(address.ipv4_mapped))}"
        if (
            address.is_unspecified or address.is_loopback or address.is_link_local or address.is_multicast
            or address in _DOCUMENTATION
        ):  # fmt: skip
            return text
        value = int(address)
        network = int.from_bytes(self._digest(f"v6 {value >> 64}")[:4])
        # ::1 and the like are no secret, and tell routers from hosts.
        low = value & (2**64 - 1)
        host = low if low < 256 else int.from_bytes(self._digest(f"v6 {value}")[:8])
        whole = int(_DOCUMENTATION.network_address) | network << 64 | host
        return self._keep(str(ipaddress.IPv6Address(whole)), text)

    def restore(self, text: str) -> str:
        """*text* with what the pseudonyms in it stand for, as far as that is remembered."""
        return _ISSUED.sub(lambda found: self._original(found[0]), text)

    def _original(self, pseudonym: str) -> str:
        if (whole := self.originals.get(pseudonym)) is not None:
            return whole
        first, dot, rest = pseudonym.partition(".")
        return f"{self.originals.get(first, first)}{dot}{self.originals.get(rest, rest)}" if dot else pseudonym

    def _alone(self, wanted: int, value: int) -> int:
        """*wanted*, or the next address that stands for no other one."""
        while self._taken.setdefault(wanted, value) != value:
            wanted = _ELSEWHERE | ((wanted + 1) & 0x7FFFFFF)
        if len(self._taken) > MAX_KEPT:
            del self._taken[next(iter(self._taken))]
        return wanted

    def _keep(self, pseudonym: str, text: str) -> str:
        if len(self.originals) < MAX_KEPT:
            self.originals.setdefault(pseudonym, text)
        return pseudonym

    def _digest(self, text: str) -> bytes:
        return hmac.digest(self.key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)

    def _code(self, text: str) -> str:
        value = int.from_bytes(self._digest(f"name {text}")[:8])
        value, first = divmod(value, len(_LETTERS))
        code = _LETTERS[first]
        for _ in range(_CODE - 4):
            value, index = divmod(value, len(_ALPHABET))
            code += _ALPHABET[index]
        return code + self._check(code)

    def _check(self, code: str) -> str:
        value, check = int.from_bytes(self._digest(f"check {code}")[:4]), ""
        for _ in range(3):
            value, index = divmod(value, len(_ALPHABET))
            check += _ALPHABET[index]
        return check

    def _tail(self, head: str) -> str:
        # The variant's digit, then what checks the first half.
        return "8" + self._digest(f"check {head}").hex()[:15]
