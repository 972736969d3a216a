import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import uv

from demo import project_environment


def uv_run(project: Path, *command: str, **env: str) -> str:
    return run_uv(project, "run", "--quiet", *command, **env)


def install(project: Path, *options: str) -> None:
    """Install a service with the Python of these tests.

    Unless options say which versions, the index is asked only where the cache lacks something: to
    have a hundred of its answers confirmed takes seconds.
    """
    sync = ["sync", "--quiet", "--python", sys.executable, *options]
    if not options:
        with suppress(pytest.fail.Exception):
            run_uv(project, *sync, "--offline")
            return
    run_uv(project, *sync)


def run_uv(project: Path, *arguments: str, **env: str) -> str:
    """Return the output of a command that has to succeed; nothing of it outlives this call."""
    process = subprocess.Popen(
        [uv.find_uv_bin(), *arguments],
        cwd=project,
        env=project_environment(**env),
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
    )
    try:
        output, _ = process.communicate()
    except BaseException:  # Ctrl-C, or too much time
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode != 0:
        settings = (f"{name}={shlex.quote(value)}" for name, value in env.items())
        by_hand = " ".join([*settings, "uv", shlex.join(arguments)])
        pytest.fail(f"In a new service: {by_hand}\n{output}", pytrace=False)
    return output
