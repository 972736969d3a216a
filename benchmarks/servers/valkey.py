"""Run the server that the tests of the service would start, until standard input ends."""

import sys
import tempfile
from pathlib import Path

from tests.redis_server import running

with tempfile.TemporaryDirectory() as directory, running(Path(directory)) as server:
    print(server.url, flush=True)
    sys.stdin.read()
