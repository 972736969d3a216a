"""The service as its users meet it: a real server on a real port."""

import signal
import subprocess
from pathlib import Path

import httpx
import pytest
from commands import uv_run

import demo
import walkthrough

pytestmark = pytest.mark.installs


@pytest.fixture
def database(service: Path, directory: Path) -> str:
    url = f"sqlite+aiosqlite:///{directory}/service.db"
    uv_run(service, "alembic", "upgrade", "head", DATABASE_URL=url)
    return url


def test_people_can_use_the_service_and_it_stops_when_told(service: Path, database: str) -> None:
    with demo.serve(service, DATABASE_URL=database) as server:
        walkthrough.walk(server.address)
    assert server.process.returncode in (0, -signal.SIGTERM)


def test_fastapi_dev_serves_it(service: Path, database: str) -> None:
    port = demo.free_port()
    command = ["-m", "fastapi", "dev", "--port", str(port)]
    with demo.running(command, service, port, DATABASE_URL=database) as server:
        live = httpx.get(f"{server.address}/health/live", trust_env=False)
    assert live.json() == {"status": "ok"}


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
