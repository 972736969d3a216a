"""Drive the clients of `subscribers.py`, which run in a process of their own."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.load import LoadError
from benchmarks.rounds import Figures
from benchmarks.service import Project
from demo import Server

PROGRAM = Path(__file__).with_name("subscribers.py")
# The clients do not always respond to pings, and one event takes seconds to reach all 5000.
PATIENT = {"STUCK_PEER_SECONDS": "300", "WS_SEND_SECONDS": "60"}


class Subscribers:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, step: str, *arguments: object) -> Figures:
        """Run a step; return its figures, or raise `LoadError` if a client fails."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps([step, *arguments]) + "\n")
        self._process.stdin.flush()
        output = self._process.stdout.readline()
        if not output:
            raise LoadError(f"subscribers.py failed in the step {step!r}")
        figures: Figures = json.loads(output)
        return figures


@contextmanager
def subscribers(
    project: Project, kind: str, addresses: list[str], publisher: Server
) -> Iterator[Subscribers]:
    """Run clients of a kind, which are spread over the addresses."""
    command = [str(project.path / ".venv/bin/python"), str(PROGRAM)]
    command += [kind, ",".join(addresses), publisher.address]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, encoding="utf-8") as process:
        try:
            yield Subscribers(process)
        finally:
            process.kill()
