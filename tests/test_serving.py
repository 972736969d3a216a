"""Real servers: the demo, and start-up without settings."""

import itertools
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest
from commands import uv_run
from conftest import PROMPTS

import demo

pytestmark = pytest.mark.installs


@pytest.fixture
def database(service: Path, directory: Path) -> str:
    url = f"sqlite+aiosqlite:///{directory}/service.db"
    uv_run(service, "alembic", "upgrade", "head", DATABASE_URL=url)
    return url


@pytest.fixture
def default_port() -> Iterator[None]:
    """Occupy the port that the demo prefers, because two demos could both find it free."""
    with ExitStack() as stack:
        with suppress(OSError):  # occupied already
            stack.enter_context(socket.create_server(("127.0.0.1", 8000)))
        yield


@pytest.mark.usefixtures("default_port")
@pytest.mark.parametrize("answers", [[], ["database=postgresql", "auth=oidc", "broker=redis"]])
def test_demo_exercises_a_service_until_ctrl_c_and_removes_all_files(
    template: Path, directory: Path, answers: list[str]
) -> None:
    with subprocess.Popen(
        [sys.executable, template / "demo.py", *answers],
        env=os.environ | {"TMPDIR": str(directory)},
        encoding="utf-8",
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        try:
            lines = list(itertools.takewhile(lambda line: line != "\n", process.stdout))
            served = re.search(r"http://[\w.:]+", process.stdout.readline())
            assert served, lines
            assert httpx.get(f"{served[0]}/docs", trust_env=False).is_success
        finally:
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGINT)  # a second Ctrl-C must not interrupt the clean-up
            last_lines = process.stdout.read()
    assert last_lines == "\nStopped, all files removed\n"
    assert process.returncode == 0
    assert any("bob receives" in line and "post.created" in line for line in lines)
    processes = [line for line in lines if "python -m app" in line]
    assert len(processes) == (2 if "broker=redis" in answers else 1)
    address = processes[-1].split()[-1]
    assert any(f"connected to {address}" in line for line in lines)
    assert list(directory.iterdir()) == []


def test_demo_rejects_unknown_arguments_with_its_usage(template: Path) -> None:
    ended = subprocess.run(
        [sys.executable, template / "demo.py", "--onec"],
        check=False,
        encoding="utf-8",
        stderr=subprocess.PIPE,
    )
    assert ended.stderr.splitlines() == [
        "usage: demo [--once] [option=value ...]",
        "demo: error: unrecognized arguments: --onec",
    ]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("databse=postgresql", f"no option 'databse'; use one of {', '.join(PROMPTS)}"),
        ("database=mysql", "database 'mysql' is not a valid choice; use sqlite or postgresql"),
        ("database", "database '' is not a valid choice; use sqlite or postgresql"),
    ],
)
def test_demo_rejects_unknown_options_and_values_in_one_line(
    template: Path, answer: str, message: str
) -> None:
    ended = subprocess.run(
        [sys.executable, template / "demo.py", answer],
        check=False,
        encoding="utf-8",
        stderr=subprocess.PIPE,
    )
    assert ended.returncode == 1
    assert ended.stderr.endswith(f"{message}\n")
    assert ended.stderr.count("\n") == 1


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


@pytest.mark.parametrize(
    ("arguments", "environment"), [(["--workers=2"], {}), ([], {"WEB_CONCURRENCY": "2"})]
)
def test_several_processes_of_uvicorn_are_refused_without_a_shared_broker(
    service: Path, database: str, arguments: list[str], environment: dict[str, str]
) -> None:
    python = str(service / ".venv" / "bin" / "python")
    command = [python, "-m", "uvicorn", "app.main:app", "--port=0"]
    ended = subprocess.run(
        [*command, *arguments],
        check=False,
        cwd=service,
        env=demo.project_environment(DATABASE_URL=database, **environment),
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert "BROKER_URL: processes cannot share a memory:// broker" in ended.stdout
    assert "stopping the parent process" in ended.stdout


def test_one_process_of_uvicorn_is_served_whatever_the_environment(
    service: Path, database: str
) -> None:
    port = demo.free_port()
    command = ["-m", "uvicorn", "app.main:app", f"--port={port}", "--workers=1"]
    settings = {"DATABASE_URL": database, "WEB_CONCURRENCY": "2"}
    with demo.running(command, service, port, **settings) as server:
        ready = httpx.get(f"{server.address}/health/ready", trust_env=False, timeout=60)
    assert ready.json()["status"] == "ok"
