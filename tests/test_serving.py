"""The service as its users meet it: a real server on a real port."""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from commands import uv_run

import demo

pytestmark = pytest.mark.installs


@pytest.fixture
def database(service: Path, directory: Path) -> str:
    url = f"sqlite+aiosqlite:///{directory}/service.db"
    uv_run(service, "alembic", "upgrade", "head", DATABASE_URL=url)
    return url


def test_the_demo_uses_a_service_serves_it_until_ctrl_c_and_leaves_nothing(
    template: Path, directory: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, template / "demo.py"],
        env=os.environ | {"TMPDIR": str(directory)},
        encoding="utf-8",
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        try:
            lines = list(itertools.takewhile(lambda line: line != "\n", process.stdout))
            address = re.search(r"http://[\w.:]+", process.stdout.readline())
            assert address, lines
            assert httpx.get(f"{address[0]}/docs", trust_env=False).is_success
        finally:
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGINT)  # impatience leaves nothing behind either
            last_words = process.stdout.read()
    assert last_words == "\nStopped, and everything removed\n"
    assert process.returncode == 0
    assert any("bob receives" in line and "post.created" in line for line in lines)
    assert list(directory.iterdir()) == []


def test_the_demo_answers_arguments_that_it_does_not_know_with_its_usage(template: Path) -> None:
    ended = subprocess.run(
        [sys.executable, template / "demo.py", "--onec"],
        check=False,
        encoding="utf-8",
        stderr=subprocess.PIPE,
    )
    assert ended.stderr.splitlines() == [
        "usage: demo [--once]",
        "demo: error: unrecognized arguments: --onec",
    ]


def test_the_readmes_command_serves_it_and_reloads_what_changes(
    service: Path, database: str
) -> None:
    (arguments,) = re.findall(
        r"^uv run uvicorn (.*--reload)$",
        (service / "README.md").read_text("utf-8"),
        re.MULTILINE,
    )
    port = demo.free_port()
    command = ["-m", "uvicorn", *arguments.split(), f"--port={port}"]
    about = service / "app" / "about.py"
    source = about.read_text("utf-8")
    with demo.running(command, service, port, DATABASE_URL=database) as server:
        assert title(server) == "My Service"
        try:
            about.write_text(f'{source}TITLE = "Changed"\n', "utf-8")
            deadline = time.monotonic() + 60
            while title(server) != "Changed":
                assert time.monotonic() < deadline
        finally:
            about.write_text(source, "utf-8")


def title(server: demo.Server) -> str | None:
    """Return what the documentation shows, or None where the server is just ending."""
    try:
        page = httpx.get(f"{server.address}/openapi.json", trust_env=False, timeout=60)
    except httpx.TransportError:
        return None
    title: str = page.json()["info"]["title"]
    return title


def test_without_a_secret_key_it_ends_with_one_line_that_says_what_to_do(
    service: Path, directory: Path
) -> None:
    ended = subprocess.run(
        [service / ".venv" / "bin" / "python", "-m", "app"],
        check=False,
        cwd=directory,  # where no .env is
        env=demo.project_environment(DATABASE_URL="sqlite+aiosqlite:///service.db"),
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert ended.returncode == 1
    assert ended.stdout.count("\n") == 1
    assert "SECRET_KEY is not set" in ended.stdout
