"""`uv run nox -s dev`: the service with reload, and the servers that `.env` needs."""

import shutil
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

DATA = Path(".dev").absolute()  # of the servers; Git ignores it
LOCK = DATA / "lock"


def lock_project() -> closing[sqlite3.Connection]:
    """Exit if another process serves this project; SQLite's lock works on every platform."""
    DATA.mkdir(exist_ok=True)
    lock = sqlite3.connect(LOCK, timeout=0)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        sys.exit("nox -s dev is already running in this project")
    return closing(lock)


def delete_data() -> None:
    for path in {*DATA.iterdir()} - {LOCK}:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def require_this_machine(setting: str, host: str | None) -> None:
    """Exit if a setting names a server on another machine, whose data may be in use."""
    if host and not host.startswith("/") and host not in {"localhost", "127.0.0.1", "::1"}:
        sys.exit(f"{setting} names {host}: nox -s dev changes data on this machine only")


def show(name: str, text: object) -> None:
    print(f"  {name:<12} {text}", flush=True)


def free_port(host: str, preferred: int) -> int:
    """Return the preferred port, or any free one if another process uses it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, preferred), family=family)
    except OSError:
        listener = socket.create_server((host, 0), family=family)
    with listener:
        port: int = listener.getsockname()[1]
    return port
