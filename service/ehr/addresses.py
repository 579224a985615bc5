"""Where a connection may lead: looked at once it stands, before a byte of ours is sent.

A name that is configured in good faith may be answered with an address inside our own machine, by mistake or by
somebody who holds the name's DNS. What is resolved first and connected to later may have changed in between; the
address of the standing connection cannot. Private networks (RFC 1918) are where hospitals keep their EHR, so they
are allowed: there TLS says whether it is the EHR.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

from service.ehr.smart_configuration import is_loopback

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Trace = Callable[[str, Mapping[str, Any]], Awaitable[None]]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052 §2.1
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # RFC 4291 §2.5.5.1


class AddressRefused(httpx.ConnectError):
    """The connection stands with an address that is never an EHR's."""


def guard(host: str) -> Trace:
    """Return a ``trace`` extension for requests to ``host`` that ends a connection to an address inside.

    https://www.encode.io/httpcore/extensions/#trace. Raises AddressRefused out of the request.
    """

    async def look(event: str, info: Mapping[str, Any]) -> None:
        if event != "connection.connect_tcp.complete":
            return
        stream = info["return_value"]
        if not may_lead(host, str(stream.get_extra_info("server_addr")[0])):
            await stream.aclose()
            raise AddressRefused("the name leads to an address that is never called")

    return look


def may_lead(host: str, address: str) -> bool:
    """Say whether ``host``, as configured, may stand for ``address``: loopback only where it is written as such."""
    found = _meant(ipaddress.ip_address(address.partition("%")[0]))
    if found.is_loopback:
        return is_loopback(host)
    return not (found.is_link_local or found.is_unspecified or found.is_multicast or found.is_reserved)


def _meant(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
