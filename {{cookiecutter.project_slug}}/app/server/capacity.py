"""How many connections one process may have, by its settings and its file descriptors."""

import os
import sys
from contextlib import suppress

MAX_REQUEST_CONNECTIONS = 2000  # in addition to those of sockets


def max_connections(sockets: int) -> int:
    """Return the limit, with so many sockets at most.

    A quarter of the descriptors is left to the database and the broker. Without descriptors,
    uvloop would close the listening socket without a word.
    """
    limit = sockets + MAX_REQUEST_CONNECTIONS
    files = os.sysconf("SC_OPEN_MAX") if hasattr(os, "sysconf") else -1  # not on Windows
    return min(limit, files * 3 // 4) if files > 0 else limit


def raise_descriptor_limit() -> None:
    """Open as many files as the administrator allows; shells start programs with a lower limit."""
    if sys.platform != "win32":  # pragma: no branch - Windows has no such limit
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(OSError, ValueError):  # macOS refuses the limit that it reports
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
