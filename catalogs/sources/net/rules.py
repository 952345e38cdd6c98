"""Which URLs may be asked, and which addresses may be connected to.

A catalogue is written by others, and a link in it must not make this machine read its own
services or files. HTTPS to public addresses is allowed; everything else only for hosts that
the person who runs the build has named in EARTHLOOM_ALLOW_HOSTS.
"""

import ipaddress
import os
import re
import socket
from dataclasses import dataclass

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from catalogs.sources.net.redact import bare
from schemas.errors import Fault

ALLOW = "EARTHLOOM_ALLOW_HOSTS"
PORTS = {"https": 443, "http": 80}
# Translates IPv4 for networks without it, RFC 6052 section 2.1: the last 32 bits are the address.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Public by its range, yet answered by the machine's own cloud host (metadata, DNS) on Azure.
_PLATFORM = ipaddress.ip_address("168.63.129.16")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be asked.

    Attributes:
        url: as it will be sent.
        scheme: `https` or `http`.
        host: in lower case, without brackets.
        port: stated or the scheme's own.
    """

    url: str
    scheme: str
    host: str
    port: int


def check(url: str, also: frozenset[str] = frozenset()) -> Target:
    """The URL taken apart, when it may be asked. No name is looked up here (see `addresses`).

    Args:
        url: to be asked.
        also: `host:port` entries that are named besides those of EARTHLOOM_ALLOW_HOSTS.

    Raises:
        Fault: `blocked_href`.
    """
    if re.search(r"[\x00-\x20\x7f\\]", url):
        raise _blocked(url, "holds a blank, a control character or a backslash")
    try:
        parts = parse_url(url)
    except LocationParseError:
        parts = None
    if parts is None:
        raise _blocked(url, "is no address: its host or port cannot be read")
    if parts.scheme not in PORTS or not parts.host:
        raise _blocked(url, "only https is read over the network")
    if "@" in re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]:
        raise _blocked(url, "carries a user name")
    host = parts.host.strip("[]").rstrip(".").lower()
    target = Target(url, parts.scheme, host, parts.port or PORTS[parts.scheme])
    if named(host, target.port, also):
        return target
    if target.scheme == "http":
        raise _blocked(url, f"plain http is read only from hosts named in {ALLOW}")
    literal = _literal(host)
    local = host == "localhost" or host.endswith(".localhost")
    if local or (literal is not None and not is_public(literal)):
        raise _blocked(url, f"its address is not public; name the host in {ALLOW} to allow it")
    return target


def addresses(host: str, port: int, also: frozenset[str] = frozenset()) -> list[str]:
    """The addresses that a host may be connected at, each checked: connect to these, ask no more.

    Args:
        host: name or address.
        port: to connect to.
        also: see `check`.

    Raises:
        Fault: `blocked_href` when any address of a host that is not named is not public.
        socket.gaierror: the name has no address.
    """
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found = list(dict.fromkeys(str(row[4][0]) for row in rows))
    if not named(host.lower(), port, also):
        for text in found:
            if not is_public(ipaddress.ip_address(text.partition("%")[0])):
                raise _blocked(
                    f"https://{host}",
                    f"the name leads to {text}, which is not public; "
                    f"name the host in {ALLOW} to allow it",
                )
    return found


def named(host: str, port: int, also: frozenset[str] = frozenset()) -> bool:
    """Whether EARTHLOOM_ALLOW_HOSTS, or `also`, names the host, alone or with this port."""
    bracketed = f"[{host}]" if ":" in host else host
    entries = {entry.strip().lower() for entry in os.environ.get(ALLOW, "").split(",")} | also
    return bool(entries & {host, bracketed, f"{bracketed}:{port}"})


def is_public(address: Address) -> bool:
    """Whether an address is on the open internet, an IPv4 one also when IPv6 carries it."""
    inner = None
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if inner is not None:
        return is_public(inner)
    odd = address.is_multicast or address.is_reserved or address == _PLATFORM
    return address.is_global and not odd


def _literal(host: str) -> Address | None:
    """The address that a host states instead of a name, in the short and hexadecimal ways too."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    if not re.fullmatch(r"[0-9a-fx.]+", host):
        return None
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _blocked(url: str, why: str) -> Fault:
    return Fault("blocked_href", f"{bare(url)}: {why}")
