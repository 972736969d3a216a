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
    """Install a service, with the Python that runs these tests.

    Without options, first try the cache alone, because revalidating a hundred responses of the
    package index takes seconds.
    """
    sync = ["sync", "--quiet", "--python", sys.executable, *options]
    if not options:
        with suppress(pytest.fail.Exception):
            run_uv(project, *sync, "--offline")
            return
    run_uv(project, *sync)


def run_uv(project: Path, *arguments: str, **env: str) -> str:
    """Return the output of a command; fail the test if it fails. Ends all its processes."""
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
    except BaseException:  # Ctrl-C or a timeout
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode != 0:
        settings = (f"{name}={shlex.quote(value)}" for name, value in env.items())
        command = " ".join([*settings, "uv", shlex.join(arguments)])
        pytest.fail(f"In a new service: {command}\n{output}", pytrace=False)
    return output
