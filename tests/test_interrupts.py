"""Interrupting the test suite of a service on PostgreSQL."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from demo import project_environment

pytestmark = pytest.mark.installs

ENDLESS_TEST = """
import asyncio, os
from pathlib import Path
from sqlalchemy import make_url

async def test_that_never_ends(clean_database_url):
    directory = make_url(clean_database_url).query["host"]
    Path(os.environ["STARTED"]).write_text(directory)
    await asyncio.Event().wait()
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_interrupted_suite_stops_its_server_and_removes_its_directory(
    postgresql_service: Path, directory: Path, workers: str
) -> None:
    test = postgresql_service / "tests" / "test_endless.py"
    test.write_text(ENDLESS_TEST, "utf-8")
    os.mkfifo(started := directory / "started")
    try:
        with running(postgresql_service, "-n", workers, str(test), STARTED=str(started)) as process:
            server = Path(started.read_text("utf-8"))
            postmaster = int((server / "data" / "postmaster.pid").read_text("utf-8").split()[0])
            os.killpg(process.pid, signal.SIGINT)
            process.wait(60)
    finally:
        test.unlink()
    assert not server.exists()
    assert not is_running(postmaster)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_suite_that_ends_during_the_start_of_its_server_removes_its_directory(
    postgresql_service: Path, number: signal.Signals
) -> None:
    with running(postgresql_service, "tests/test_databases.py") as process:
        cleaners: list[psutil.Process] = []
        deadline = time.monotonic() + 60
        while not cleaners:
            assert time.monotonic() < deadline
            children = psutil.Process(process.pid).children()
            cleaners = [child for child in children if "/postgresql-" in child.cwd()]
        directory = Path(cleaners[0].cwd())
        os.killpg(process.pid, number)
        process.wait(60)
        cleaners[0].wait(60)
    assert not directory.exists()


@contextmanager
def running(project: Path, *arguments: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run pytest in its own process group; kill the group if it still runs when the block ends."""
    with subprocess.Popen(
        [project / ".venv" / "bin" / "pytest", *arguments],
        cwd=project,
        env=project_environment(**env),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # ended, but not waited for
    except psutil.NoSuchProcess:
        return False
