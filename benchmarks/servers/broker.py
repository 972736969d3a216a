"""Run the Redis server of the service's tests until standard input closes; print its URL."""

import sys
import tempfile
from pathlib import Path

from tests.redis_server import running

with tempfile.TemporaryDirectory() as directory, running(Path(directory)) as server:
    print(server.url, flush=True)
    sys.stdin.read()
