"""Ctrl-C in the middle of a suite on PostgreSQL."""

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from demo import project_environment

pytestmark = pytest.mark.installs

WAITING = """
import asyncio, os
from pathlib import Path
from sqlalchemy import make_url

async def test_that_never_ends(clean_database_url):
    directory = make_url(clean_database_url).query["host"]
    Path(os.environ["STARTED"]).write_text(directory)
    await asyncio.Event().wait()
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_suite_that_is_interrupted_leaves_no_server_and_no_directory(
    postgresql_service: Path, directory: Path, workers: str
) -> None:
    test = postgresql_service / "tests" / "test_waiting.py"
    test.write_text(WAITING, "utf-8")
    os.mkfifo(started := directory / "started")
    command: list[str | Path] = [
        postgresql_service / ".venv" / "bin" / "pytest",
        "-n",
        workers,
        str(test),
    ]
    with subprocess.Popen(
        command,
        cwd=postgresql_service,
        env=project_environment(STARTED=str(started)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    ) as process:
        try:
            server = Path(started.read_text("utf-8"))
            postmaster = int((server / "data" / "postmaster.pid").read_text("utf-8").split()[0])
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
        finally:
            test.unlink()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert not server.exists()
    assert not is_running(postmaster)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # which nobody has waited for
    except psutil.NoSuchProcess:
        return False
