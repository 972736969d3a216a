import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile
from typing import TextIO

import pytest
import uv

from demo import project_environment

MAX_LINES = 50  # of a failed command, in the report
STACKS_SECONDS = 10  # for processes that print their stacks
OUTPUTS = tempfile.gettempdir()  # not the workspace, which is removed when the tests end


def system_program(name: str, package: str = "") -> str:
    """Return the path of a program; install it first if this is Debian and we are root."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    package = package or name
    if not shutil.which(name, path=path) and shutil.which("apt-get") and os.geteuid() == 0:
        for command in (["update"], ["install", "--yes", package]):
            wait = ["-o", "DPkg::Lock::Timeout=60"]  # another test process may do the same
            subprocess.run(["apt-get", "--quiet", *wait, *command], check=False)
    found = shutil.which(name, path=path)
    if not found:
        pytest.skip(f"{name} is missing; install it, e.g. with `apt-get install {package}`")
    return found


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


def git(repository: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    config = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    ended = subprocess.run(
        ["git", *identity, *arguments],
        check=True,
        cwd=repository,
        env=os.environ | config,
        encoding="utf-8",
        stdout=subprocess.PIPE,
    )
    return ended.stdout


def make_first_commit(project: Path) -> None:
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "First commit")


def run_uv(project: Path, *arguments: str, **env: str) -> str:
    """Return the output of a command; fail the test if it fails. Ends all its processes.

    A command that is stopped by the timeout of the test shows its output, and Python the stacks of
    its threads.
    """
    with (
        TemporaryFile("w+", encoding="utf-8") as output,
        subprocess.Popen(
            [uv.find_uv_bin(), *arguments],
            cwd=project,
            env=project_environment(**env),
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        ) as process,
    ):
        try:
            process.wait()
        except BaseException as stop:  # Ctrl-C or a timeout
            if isinstance(stop, pytest.fail.Exception):
                os.killpg(process.pid, signal.SIGABRT)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(STACKS_SECONDS)
                stop.add_note(shorten(read(output)))
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        printed = read(output)
    if process.returncode != 0:
        settings = (f"{name}={shlex.quote(value)}" for name, value in env.items())
        command = " ".join([*settings, "uv", shlex.join(arguments)])
        pytest.fail(f"In a new service: {command}\n{shorten(printed)}", pytrace=False)
    return printed


def read(file: TextIO) -> str:
    file.seek(0)
    return file.read()


def shorten(output: str) -> str:
    """Return the last lines of a long output, and the path of a file with all of it."""
    lines = output.splitlines()
    if len(lines) <= MAX_LINES:
        return output
    with NamedTemporaryFile(
        "w", encoding="utf-8", prefix="output-", suffix=".txt", dir=OUTPUTS, delete=False
    ) as file:
        file.write(output)
    return "\n".join([f"all {len(lines)} lines: {file.name}", *lines[-MAX_LINES:]])
