"""Run `nox -s dev` in a service as a developer does."""

import itertools
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import uv

import demo

PROJECTS = {
    "smallest": {},
    "largest": {"database": "postgresql", "auth": "oidc", "broker": "redis"},
}


@contextmanager
def developing(project: Path, *arguments: str) -> Iterator[dict[str, str]]:
    """Run the command until it serves, yield what it shows, then press Ctrl-C."""
    with subprocess.Popen(
        [uv.find_uv_bin(), "run", "nox", "-s", "dev", "--", *arguments],
        cwd=project,
        env=demo.project_environment(),
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
    ) as process:
        assert process.stdout
        try:
            started = itertools.takewhile(
                lambda line: "startup complete" not in line, process.stdout
            )
            output = "".join(started)
            assert process.poll() is None, output
            yield dict(re.findall(r"^  (\w[\w ]*?)  +(.*)$", output, re.MULTILINE))
            os.killpg(process.pid, signal.SIGINT)
            assert "\nStopped\n" in process.stdout.read()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert processes_of(project) == []


def processes_of(project: Path) -> list[list[str]]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(project):
                found.append(process.cmdline())
    return found
