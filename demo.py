"""Bake a service, run it with the servers that it needs, and exercise it."""

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
from fastapi_service_template import CHOICES, PROMPTS
from walkthrough import print_step

TEMPLATE = Path(__file__).parent
START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 60
SERVERS = {"postgresql": "PostgreSQL", "redis": "Valkey", "oidc": "identity provider"}


class DemoError(Exception):
    """A step failed."""


def project_environment(**settings: str) -> dict[str, str]:
    """Return the environment without variables that would configure the service or uv."""
    example = (TEMPLATE / "{{cookiecutter.project_slug}}" / ".env.example").read_text("utf-8")
    excluded = {line.partition("=")[0] for line in example.splitlines()}
    excluded |= {"VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON"}  # Nox sets them
    return {name: value for name, value in os.environ.items() if name not in excluded} | settings


def bake(directory: Path, *options: str, template: str = str(TEMPLATE), **answers: str) -> Path:
    directory.mkdir(exist_ok=True)
    config = directory / "cookiecutter.yaml"
    folders = {"cookiecutters_dir": f"{directory}/templates", "replay_dir": f"{directory}/replay"}
    config.write_text(json.dumps(folders), "utf-8")
    command = [sys.executable, "-m", "cookiecutter", template, "--no-input", *options]
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
    command = [uv.find_uv_bin(), "sync", "--quiet"]
    subprocess.run(command, check=True, cwd=project, env=project_environment())


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
def running(
    arguments: Sequence[str], project: Path, port: int, **settings: str
) -> Iterator[Server]:
    """Run the project's Python as a server; raise `DemoError` if it does not stop cleanly.

    Not with `uv run`, which forwards signals too late.
    """
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


@contextmanager
def serve_with_servers(project: Path, ports: list[int]) -> Iterator[list[Server]]:
    """Run a process of the service on each port, with the servers of its `nox -s dev`."""
    script = [str(TEMPLATE / "service_runner.py"), *map(str, ports)]
    settings = {"HEARTBEAT_SECONDS": "1", "LOG_LEVEL": "warning"}
    with running(script, project, ports[0], **settings) as first:
        servers = [first._replace(address=f"http://127.0.0.1:{port}") for port in ports]
        for server in servers:
            wait_until_ready(server)
        yield servers


def parse_answer(text: str) -> tuple[str, str]:
    """Split `option=value`; exit with one line if the template has no such option or value."""
    option, _, value = text.partition("=")
    names = [name for name in PROMPTS if not name.startswith("_")]
    if option not in names:
        sys.exit(f"The template has no option {option!r}; use one of {', '.join(names)}")
    if value not in CHOICES.get(option, value):
        sys.exit(f"{option} {value!r} is not a valid choice; use {' or '.join(CHOICES[option])}")
    return option, value


def run_demo(answers: dict[str, str], *, once: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="demo-") as directory:
        os.environ["TMPDIR"] = directory  # Cookiecutter and uv leave files there
        project = bake(Path(directory), **answers)
        print_step("cookiecutter", " ".join([project.name, *answers.values()]))
        install(project)
        print_step("uv sync", "installed")
        ports = [free_port(8000)]
        if answers.get("broker") == "redis":  # carries events between processes
            ports.append(free_port())
        with serve_with_servers(project, ports) as servers:
            started = [SERVERS[value] for value in answers.values() if value in SERVERS]
            print_step("started", ", ".join(started) or "nothing: SQLite is a file")
            for server in servers:
                print_step("python -m app", server.address)
            walkthrough.walk([server.address for server in servers])
            if not once:
                print(
                    f"\nRunning at {servers[0].address}, with API documentation at /docs."
                    " Press Ctrl-C to stop and clean up.",
                    flush=True,
                )
                servers[0].process.wait()
    print_step("stopped", "all files removed")


def exit_on_sigterm(signal_number: int, _: FrameType | None) -> None:
    """Exit with the code that shells report for a signal; open contexts clean up first."""
    sys.exit(128 + signal_number)


def interrupt_once(_: int, __: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would interrupt the clean-up
    raise KeyboardInterrupt


def main() -> None:
    parser = ArgumentParser(
        "demo", usage="%(prog)s [--once] [option=value ...]", description=__doc__
    )
    parser.add_argument("--once", action="store_true", help="exit after the last step")
    parser.add_argument("answers", nargs="*", help="e.g. database=postgresql")
    options = parser.parse_args()
    answers = dict(map(parse_answer, options.answers))
    signal.signal(signal.SIGTERM, exit_on_sigterm)
    signal.signal(signal.SIGINT, interrupt_once)
    try:
        run_demo(answers, once=options.once)
    except KeyboardInterrupt:
        print("\nStopped, all files removed")
    except (DemoError, subprocess.CalledProcessError, *walkthrough.FAILURES) as error:
        sys.exit(f"The demo failed: {error}")


if __name__ == "__main__":
    main()
