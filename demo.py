"""Bake a service with the default answers, run it on SQLite and exercise it."""

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
from walkthrough import print_step

TEMPLATE = Path(__file__).parent
START_TIMEOUT_SECONDS = 20
STOP_TIMEOUT_SECONDS = 10


class DemoError(Exception):
    """A step failed."""


def project_environment(**settings: str) -> dict[str, str]:
    """Return the environment without variables that would configure the service or uv."""
    example = (TEMPLATE / "{{cookiecutter.project_slug}}" / ".env.example").read_text("utf-8")
    excluded = {line.partition("=")[0] for line in example.splitlines()}
    excluded |= {"VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON"}  # Nox sets them
    return {name: value for name, value in os.environ.items() if name not in excluded} | settings


def bake(directory: Path, **answers: str) -> Path:
    config = directory / "cookiecutter.yaml"
    folders = {"cookiecutters_dir": f"{directory}/templates", "replay_dir": f"{directory}/replay"}
    config.write_text(json.dumps(folders), "utf-8")
    command = [sys.executable, "-m", "cookiecutter", str(TEMPLATE), "--no-input"]
    command += ["--config-file", str(config), "--output-dir", str(directory / "services")]
    command += [f"{name}={answer}" for name, answer in answers.items()]
    # Hide the next steps that the hook prints, but show an error.
    baked = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if baked.returncode:
        raise DemoError(f"cookiecutter exited with code {baked.returncode}:\n{baked.stdout}")
    (project,) = (directory / "services").iterdir()
    return project


def install(project: Path) -> None:
    uv_command = uv.find_uv_bin()
    for command in (["sync", "--quiet"], ["run", "--quiet", "alembic", "upgrade", "head"]):
        subprocess.run([uv_command, *command], check=True, cwd=project, env=project_environment())


def free_port(preferred: int = 0) -> int:
    """Return the preferred TCP port if it is free, otherwise any free port."""
    try:
        with socket.create_server(("127.0.0.1", preferred)) as listener:
            port: int = listener.getsockname()[1]
            return port
    except OSError:
        return free_port()


class Server(NamedTuple):
    address: str
    process: subprocess.Popen[bytes]


@contextmanager
def serve(project: Path, **settings: str) -> Iterator[Server]:
    """Run `python -m app` directly, because `uv run` forwards signals too late."""
    port = free_port(8000)
    settings |= {"PORT": str(port), "HEARTBEAT_SECONDS": "1", "LOG_LEVEL": "warning"}
    with running(["-m", "app"], project, port, **settings) as server:
        yield server


@contextmanager
def running(
    arguments: Sequence[str], project: Path, port: int, **settings: str
) -> Iterator[Server]:
    """Run the project's Python as a server; raise `DemoError` if it does not stop cleanly."""
    process = subprocess.Popen(
        [project / ".venv" / "bin" / "python", *arguments],
        cwd=project,
        env=project_environment(**settings),
        process_group=0,  # Ctrl-C reaches only this process, which then stops the server
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
        code = process.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise DemoError(f"the server did not stop within {STOP_TIMEOUT_SECONDS} seconds") from None
    if code not in (0, -signal.SIGTERM):
        raise DemoError(f"the server exited with code {code}")


def wait_until_ready(server: Server) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):  # not listening yet
            if httpx.get(f"{server.address}/health/ready", trust_env=False).is_success:
                return
        with suppress(subprocess.TimeoutExpired):
            code = server.process.wait(0.1)
            raise DemoError(f"the server exited during start-up with code {code}")
    raise DemoError(f"the server was not ready within {START_TIMEOUT_SECONDS} seconds")


def run_demo(*, once: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="demo-") as directory:
        os.environ["TMPDIR"] = directory  # Cookiecutter and uv leave files there
        project = bake(Path(directory))
        print_step("cookiecutter", project.name)
        install(project)
        print_step("uv sync, alembic upgrade", "installed, with a database in SQLite")
        with serve(project) as server:
            print_step("python -m app", server.address)
            walkthrough.walk(server.address)
            if not once:
                print(
                    f"\nRunning at {server.address}, with API documentation at /docs."
                    " Press Ctrl-C to stop and clean up.",
                    flush=True,
                )
                server.process.wait()
    print_step("stopped", "all files removed")


def exit_on_sigterm(signal_number: int, _: FrameType | None) -> None:
    """Exit with the code that shells report for a signal; open contexts clean up first."""
    sys.exit(128 + signal_number)


def interrupt_once(_: int, __: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would interrupt the clean-up
    raise KeyboardInterrupt


def main() -> None:
    parser = ArgumentParser("demo", usage="%(prog)s [--once]", description=__doc__)
    parser.add_argument("--once", action="store_true", help="exit after the last step")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, exit_on_sigterm)
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        run_demo(once=options.once)
    except KeyboardInterrupt:
        print("\nStopped, all files removed")
    except (DemoError, subprocess.CalledProcessError, *walkthrough.FAILURES) as error:
        sys.exit(f"The demo failed: {error}")


if __name__ == "__main__":
    main()
