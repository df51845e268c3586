"""Codes and addresses of places: regions, industries, networks. The longer a code, the narrower; so is a network.

Sources: ISO 3166-1 and -2; GB/T 2260 (six digits, two by level); GB/T 4754 (a letter, then digits); RFC 4291, RFC 1123.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

_REGION = re.compile(r"([A-Z]{2})(?:-([A-Z0-9]{1,3}|[0-9]{2}|[0-9]{4}|[0-9]{6}))?\Z", re.ASCII)
_INDUSTRY = re.compile(r"[A-Z](?:[0-9]{2,4})?\Z", re.ASCII)
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*\Z")
_NUMBERS = re.compile(r"[0-9.]+\Z")


def region_lineage(code: str) -> frozenset[str] | None:
    """A region with all that contain it: CN-310104 lies in CN-3101, CN-31 and CN. None where it is no code."""
    found = _REGION.match(code)
    if found is None:
        return None
    country, part = found[1], found[2]
    whole = {country, code}
    if part and part.isdigit() and len(part) % 2 == 0:
        whole |= {f"{country}-{part[:length]}" for length in range(2, len(part), 2)}
    return frozenset(whole)


def industry_lineage(code: str) -> frozenset[str] | None:
    """An industry with all that contain it: C2710 lies in C271, C27 and C. None where it is no code."""
    if not _INDUSTRY.match(code):
        return None
    return frozenset({code[0]} | {code[:length] for length in range(3, len(code) + 1)})


def read_network(text: str) -> Network | str | None:
    """A network, an address as a network of one, or a host name in small letters; None where it is none of these."""
    try:
        return _plain(ip_network(text))
    except ValueError:
        name = text.lower().removesuffix(".")
        return name if _HOST.match(name) and not _NUMBERS.match(name) else None


def read_address(text: str) -> IPv4Address | IPv6Address | str | None:
    """An address or a host name; None where it is neither."""
    try:
        address = ip_address(text)
    except ValueError:
        found = read_network(text)
        return found if isinstance(found, str) else None
    return getattr(address, "ipv4_mapped", None) or address


def _plain(network: Network) -> Network:
    """An IPv4 network that is written inside IPv6 as what it is."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    return IPv4Network((mapped, network.prefixlen - 96)) if mapped and network.prefixlen >= 96 else network
