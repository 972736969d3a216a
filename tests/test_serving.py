"""Real servers: the demo, the command of the README, and start-up without settings."""

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


def test_demo_exercises_a_service_until_ctrl_c_and_removes_all_files(
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
            process.send_signal(signal.SIGINT)  # a second Ctrl-C must not interrupt the clean-up
            last_lines = process.stdout.read()
    assert last_lines == "\nStopped, all files removed\n"
    assert process.returncode == 0
    assert any("bob receives" in line and "post.created" in line for line in lines)
    assert list(directory.iterdir()) == []


def test_demo_rejects_unknown_arguments_with_its_usage(template: Path) -> None:
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


def test_readme_command_serves_and_reloads_changed_code(service: Path, database: str) -> None:
    (arguments,) = re.findall(
        r"^uv run uvicorn (\S+ --reload) ",
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
    """Return the title of the API documentation, or None while the server restarts."""
    try:
        page = httpx.get(f"{server.address}/openapi.json", trust_env=False, timeout=60)
    except httpx.TransportError:
        return None
    title: str = page.json()["info"]["title"]
    return title


def test_service_without_secret_key_exits_with_one_line_that_names_the_setting(
    service: Path, directory: Path
) -> None:
    ended = subprocess.run(
        [service / ".venv" / "bin" / "python", "-m", "app"],
        check=False,
        cwd=directory,  # which has no .env file
        env=demo.project_environment(DATABASE_URL="sqlite+aiosqlite:///service.db"),
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert ended.returncode == 1
    assert ended.stdout.count("\n") == 1
    assert "SECRET_KEY is not set" in ended.stdout
