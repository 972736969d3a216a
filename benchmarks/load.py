"""Generate load on a server from another process: wrk if it is installed, otherwise client.py."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
_runs = itertools.count()


class Load(NamedTuple):
    requests: int
    per_second: float
    p50: float
    """Milliseconds, like `p99`."""
    p99: float


class LoadError(Exception):
    """A request failed, so the figures are meaningless."""


def generator() -> str:
    return "wrk" if shutil.which("wrk") else "benchmarks/client.py"


def load(method: str, url: str, token: str, *, connections: int, seconds: float) -> Load:
    """Send requests for so many seconds; raise `LoadError` if one fails."""
    run = f"{os.getpid()}-{next(_runs)}"
    wrk = shutil.which("wrk")
    if wrk and seconds >= 1:  # wrk accepts whole seconds only
        command = [wrk, "--threads=1", "--timeout=30s", f"--connections={connections}"]
        command += [f"--duration={seconds:g}s"]
        command += [f"--header=Authorization: Bearer {token}"]
        command += ["--header=Content-Type: application/json"]
        command += [f"--script={HERE / 'load.lua'}", url, "--", run]
    else:
        command = [sys.executable, str(HERE / "client.py"), method, url, token]
        command += [str(connections), str(seconds), run]
    ended = subprocess.run(
        command,
        check=True,
        env=os.environ | {"BENCH_METHOD": method},
        encoding="utf-8",
        stdout=subprocess.PIPE,
    )
    result = json.loads(ended.stdout.partition("RESULT ")[2])
    if result["errors"]:
        raise LoadError(f"{result['errors']} of {result['requests']} failed: {method} {url}")
    requests = result["requests"]
    return Load(requests, requests / result["seconds"], result["p50"], result["p99"])
