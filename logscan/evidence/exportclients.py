"""Whom a line of an NFS server's exports admits: the spellings of a client, and which addresses they mean.

Facts are of exports(5) and of nfs-utils 2.6.2 (support/export/client.c), tried with its exportfs.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import re
import socket
from collections.abc import Iterable
from enum import IntEnum

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# How everybody is written: in /etc/exports, by exportfs -v, by showmount.
EVERYBODY = frozenset({"", "*", "<world>", "(everyone)"})


class Kind(IntEnum):
    """The spellings in the order in which mountd tries them: the first kind that admits a host gives its options."""

    HOST = 0  # a name or one address
    SUBNET = 1
    WILDCARD = 2
    NETGROUP = 3
    EVERYBODY = 4
    GSS = 5  # "gss/krb5": the old way to ask for Kerberos


def kind_of(client: str) -> Kind:
    """Tell how *client* is spelt.

    The first of ``*?[`` and ``/`` decides, so ``[fd00::1]`` is a pattern for names.
    """
    if client in EVERYBODY:
        return Kind.EVERYBODY
    if client.startswith("gss/"):
        return Kind.GSS
    if client.startswith("@"):
        return Kind.NETGROUP
    sign = re.search(r"[*?\[/]", client)
    if sign is None:
        return Kind.HOST
    return Kind.SUBNET if sign[0] == "/" else Kind.WILDCARD


def parse_address(text: str) -> Address | None:
    """Read one IP address as a server does: old IPv4 forms count, a scope does not; None for a name."""
    bare = text.strip().removeprefix("[").removesuffix("]").partition("%")[0]
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        # inet_aton's forms: "10.5" is 10.0.0.5, "010.0.0.1" is 8.0.0.1.
        if not re.fullmatch(
            r"(?:0[xX][0-9a-fA-F]{1,8}|[0-9]{1,12})(?:\.(?:0[xX][0-9a-fA-F]{1,8}|[0-9]{1,12})){0,3}", bare
        ):
            return None
        try:
            return ipaddress.IPv4Address(socket.inet_aton(bare))
        except OSError:
            return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def parse_subnet(client: str) -> tuple[Address, int] | None:
    """Read ``address/prefix`` or ``address/mask`` to (address, mask); None where exportfs drops the entry.

    No prefix after the slash is the prefix 0, and a mask may have holes: exportfs takes both.
    """
    bare, _, wanted = client.partition("/")
    address = parse_address(bare)
    if address is None or bare.count(".") not in {0, 3} or bare.isdigit() or bare.startswith("["):
        return None  # no short forms here
    bits = address.max_prefixlen
    if re.search(r"[.:]", wanted):
        mask = parse_address(wanted)
        return (address, int(mask)) if mask is not None and mask.version == address.version else None
    if not re.fullmatch(r"\+?[0-9]{0,9}", wanted):
        return None
    prefix = int(wanted.lstrip("+") or "0")
    if prefix > bits:
        return None
    return address, (2**bits - 1) ^ (2 ** (bits - prefix) - 1)


def is_address_pattern(client: str) -> bool:
    """Whether *client* is a pattern that was meant for addresses (``192.168.1.*``, ``[fd00::1]``).

    Patterns are compared with names; with an address only by accident, where the server finds no name for it.
    """
    if kind_of(client) is not Kind.WILDCARD or client in EVERYBODY:
        return False
    if client.startswith("["):
        return ":" in client
    return bool(re.fullmatch(r"[0-9.*?\[\]-]+", client)) and "." in client


def client_matches(client: str, address: str | None) -> bool | None:
    """Whether a host of *address* (an IP address or a name) is meant by *client*.

    None: it takes the server's DNS, netgroups or Kerberos to know, or no address was given.
    """
    kind = kind_of(client)
    if kind is Kind.EVERYBODY:
        return True
    if address is None or kind in {Kind.NETGROUP, Kind.GSS}:
        return None
    host = parse_address(address)
    if kind is Kind.SUBNET:
        return _in_subnet(client, host)
    if kind is Kind.WILDCARD:
        return _fits(client, address, host)
    if host is None:
        return True if client.lower() == address.strip().lower() else None
    one = parse_address(client) if not client.startswith("[") else None
    return None if one is None else one == host


def _in_subnet(client: str, host: Address | None) -> bool | None:
    subnet = parse_subnet(client)
    if subnet is None:
        return False
    if host is None:
        return None
    address, mask = subnet
    return address.version == host.version and int(address) & mask == int(host) & mask


def _fits(pattern: str, address: str, host: Address | None) -> bool | None:
    """Compare with a name; an address is compared only where the server has no name for it."""
    if not is_address_pattern(pattern):
        return True if host is None and _matches(pattern, address) else None
    if pattern.startswith("["):
        return False
    return None if _matches(pattern, address) else False


def _matches(pattern: str, name: str) -> bool:
    # A row of stars would be tried in every way: it means one.
    return fnmatch.fnmatchcase(name.strip().lower(), re.sub(r"\*+", "*", pattern.lower()))


def mistake_in(client: str) -> str:
    """Why exportfs drops an entry for *client* ("" where it does not, as far as this can be told without DNS)."""
    kind = kind_of(client)
    if kind is Kind.SUBNET and parse_subnet(client) is None:
        address, _, mask = client.partition("/")
        if parse_subnet(f"{address}/0") is None:
            return f"Invalid IP address {client}"
        what = "netmask" if re.search(r"[.:]", mask) else "prefix"
        return f"Invalid {what} `{mask}' for {client}"
    # A range, a list, an address with a part over 255, a stray backslash.
    odd = re.search(r"^-|[\s,;=\\()<>{}'\"]", client) or re.fullmatch(r"[0-9.]+(?:-[0-9.]+)?", client)
    if kind is Kind.HOST and odd and parse_address(client) is None:
        return f"Failed to resolve {client}"
    return ""


def network_of(address: str, like: Iterable[str] = ()) -> str:
    """The network that a node's address is usually in: as long as those in *like*, else /24 (IPv4) or /64 (IPv6)."""
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return address
    lengths = [
        int(found[1])
        for text in like
        if (found := re.fullmatch(r"[0-9a-fA-F:.]+/(\d{1,3})", text)) and (":" in text) == (one.version == 6)
    ]
    length = next((size for size in lengths if 0 < size <= one.max_prefixlen), 24 if one.version == 4 else 64)
    return str(ipaddress.ip_network(f"{one}/{length}", strict=False))
