"""Bake a service with the default answers, start it on SQLite and show it working."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn

import httpx
import uv

import walkthrough
from walkthrough import say

TEMPLATE = Path(__file__).parent
SECONDS_TO_START = 20
SECONDS_TO_STOP = 10


class DemoError(Exception):
    """A step went wrong; the message is one line."""


def project_environment(**settings: str) -> dict[str, str]:
    """Return this environment less what would lead away from a project or change its service."""
    example = (TEMPLATE / "{{cookiecutter.project_slug}}" / ".env.example").read_text("utf-8")
    foreign = {line.partition("=")[0] for line in example.splitlines()}
    foreign |= {"VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON"}  # Nox sets them
    return {name: value for name, value in os.environ.items() if name not in foreign} | settings


def bake(directory: Path, **answers: str) -> Path:
    config = directory / "cookiecutter.yaml"
    folders = {"cookiecutters_dir": f"{directory}/templates", "replay_dir": f"{directory}/replay"}
    config.write_text(json.dumps(folders), "utf-8")
    command = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input"]
    command += ["--config-file", str(config), "--output-dir", str(directory / "services")]
    command += [f"{name}={answer}" for name, answer in answers.items()]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (project,) = (directory / "services").iterdir()
    return project


def install(project: Path) -> None:
    uv_command = uv.find_uv_bin()
    for command in (["sync", "--quiet"], ["run", "--quiet", "alembic", "upgrade", "head"]):
        subprocess.run([uv_command, *command], check=True, cwd=project, env=project_environment())


def free_port(wanted: int = 0) -> int:
    try:
        with socket.create_server(("127.0.0.1", wanted)) as listener:
            port: int = listener.getsockname()[1]
            return port
    except OSError:
        return free_port()


class Server(NamedTuple):
    address: str
    process: subprocess.Popen[bytes]


@contextmanager
def serve(project: Path, **settings: str) -> Iterator[Server]:
    """Run `python -m app`, whose signals `uv run` would not pass on in time."""
    port = free_port(8000)
    settings |= {"PORT": str(port), "HEARTBEAT_SECONDS": "1", "LOG_LEVEL": "warning"}
    with running(["-m", "app"], project, port, **settings) as server:
        yield server


@contextmanager
def running(
    arguments: Sequence[str], project: Path, port: int, **settings: str
) -> Iterator[Server]:
    """Start the project's Python as a server; on leaving, stop it, which has to go well."""
    process = subprocess.Popen(
        [project / ".venv" / "bin" / "python", *arguments],
        cwd=project,
        env=project_environment(**settings),
        process_group=0,  # Ctrl-C reaches only this program, which then stops the server
    )
    server = Server(f"http://127.0.0.1:{port}", process)
    try:
        wait_until_ready(server)
        yield server
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        code = process.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise DemoError(f"the server did not stop in {SECONDS_TO_STOP} seconds") from None
    if code not in (0, -signal.SIGTERM):
        raise DemoError(f"the server ended with exit code {code}")


def wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):  # not listening yet
            if httpx.get(f"{server.address}/health/ready", trust_env=False).is_success:
                return
        with suppress(subprocess.TimeoutExpired):
            code = server.process.wait(0.1)
            raise DemoError(f"the server ended at once with exit code {code}")
    raise DemoError(f"the server was not ready in {SECONDS_TO_START} seconds")


def demonstrate(*, once: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="demo-") as directory:
        os.environ["TMPDIR"] = directory  # Cookiecutter and uv leave files there
        project = bake(Path(directory))
        say("cookiecutter", project.name)
        install(project)
        say("uv sync, alembic upgrade", "installed, with a database in SQLite")
        with serve(project) as server:
            say("python -m app", server.address)
            walkthrough.walk(server.address)
            if not once:
                print(f"\nServing {server.address}, try /docs there. Ctrl-C ends it.", flush=True)
                server.process.wait()
    say("stopped", "and everything removed")


def end(signal_number: int, _: FrameType | None) -> None:
    sys.exit(128 + signal_number)


def interrupt(_: int, __: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave things behind
    raise KeyboardInterrupt


def main() -> None:
    parser = ArgumentParser("demo", usage="%(prog)s [--once]", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end when all has been shown")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, interrupt)
    try:
        demonstrate(once=options.once)
    except KeyboardInterrupt:
        print("\nStopped, and everything removed")
    except (DemoError, subprocess.CalledProcessError, *walkthrough.FAILURES) as error:
        sys.exit(f"The demo failed: {error}")


if __name__ == "__main__":
    main()
