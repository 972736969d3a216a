from ipaddress import IPv6Address, ip_address, ip_network

from fastapi.requests import HTTPConnection


def client_address(connection: HTTPConnection) -> str:
    """Return the client's address; empty if there is none, e.g. with a Unix socket."""
    return connection.client.host if connection.client else ""


def network_of(address: str) -> str:
    """Return the IPv4 address, or the /64 of an IPv6 address, which belongs to one subscriber."""
    try:
        ip = ip_address(address)
    except ValueError:  # not an IP address, e.g. of a Unix socket
        return address
    if isinstance(ip, IPv6Address) and not ip.ipv4_mapped:
        return str(ip_network((ip, 64), strict=False))
    return str(getattr(ip, "ipv4_mapped", None) or ip)
