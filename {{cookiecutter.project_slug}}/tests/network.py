"""Refuse connections beyond this machine: a test must not depend on others, or change anything there."""

import os
import socket
import sys
from contextlib import suppress
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from tests.mistakes import MistakeError

# Audit events of Python (PEP 578): clients of `socket` and of asyncio raise them, those of uvloop
# do not.
CONNECTING = {"socket.connect", "socket.sendmsg", "socket.sendto"}
RESOLVING = {"socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname"}


def hosts_of(url: str) -> set[str]:
    """Return the host of a URL and its addresses; nothing if there are none."""
    with suppress(OSError, ValueError):
        if host := urlsplit(url).hostname:
            return {host, *(str(info[4][0]) for info in socket.getaddrinfo(host, None))}
    return set()


ALLOWED = {"", "localhost"}.union(
    *(hosts_of(os.environ.get(name, "")) for name in ("TEST_DATABASE_URL", "TEST_REDIS_URL"))
)


def refuse_other_machines(event: str, arguments: tuple[Any, ...]) -> None:
    """Raise `MistakeError` for a host that is not this machine; a hook of `sys.addaudithook`."""
    if event in RESOLVING:
        host = arguments[0]
    elif event in CONNECTING and isinstance(arguments[1], tuple):  # otherwise a path
        host = arguments[1][0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    if not is_allowed(host):
        raise MistakeError(
            f"a test must not reach {host}, only this machine: use the fixture `external_services`,"
            " or a server of the test on 127.0.0.1"
        )


def is_allowed(host: str | None) -> bool:
    try:
        address = ip_address(host or "")
    except ValueError:
        return not host or host in ALLOWED
    return address.is_loopback or address.is_unspecified or host in ALLOWED


sys.addaudithook(refuse_other_machines)
