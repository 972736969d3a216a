"""A baked service and its baselines, installed in one environment and run on one database."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import uv

from demo import Server, bake, free_port, project_environment, running

SERVERS = Path(__file__).parent / "servers"
BASELINES = ("textbook", "limit", "bare")
SERVICE_COMMANDS = {"service": ["-m", "app"], "publisher": [str(SERVERS / "publisher.py")]}
# The service has no access log or compression either, and pings sockets as rarely.
UVICORN_OPTIONS = ["--log-level=critical", "--no-access-log", "--ws-per-message-deflate=false"]
UVICORN_OPTIONS += ["--ws-ping-interval=150"]
SECRET_KEY = "a common key, so that all servers accept the same tokens"  # noqa: S105 - not a secret
SETTINGS = {"SECRET_KEY": SECRET_KEY, "LOG_LEVEL": "warning", "ACCESS_TOKEN_MINUTES": "1440"}
# As long as in the textbook, so that requests wait instead of failing on a busy machine.
SETTINGS["DATABASE_CONNECT_SECONDS"] = "30"


class Project:
    """A service with the given answers, baked and installed."""

    def __init__(self, directory: Path, *options: str, **answers: str) -> None:
        self.path = bake(directory, **answers)
        self.run("uv", "sync", "--quiet", *options)

    def run(self, command: str, *arguments: str, **settings: str) -> str:
        """Run a program of the service's environment, or uv; return its output."""
        program = uv.find_uv_bin() if command == "uv" else str(self.path / ".venv/bin" / command)
        return subprocess.run(
            [program, *arguments],
            check=True,
            cwd=self.path,
            env=project_environment(**SETTINGS | settings),
            encoding="utf-8",
            stdout=subprocess.PIPE,
        ).stdout

    def seed(
        self, url: str, *, posts: int = 1, users: int = 1, tokens: int | None = None
    ) -> list[str]:
        """Migrate an empty database and fill it; return the tokens of so many users, or of all."""
        self.run("alembic", "upgrade", "head", DATABASE_URL=url)
        counts = map(str, (posts, users, users if tokens is None else tokens))
        settings = {"DATABASE_URL": url, "DATABASE_STATEMENT_SECONDS": "600"}
        return self.run("python", str(SERVERS / "seed.py"), *counts, **settings).split()

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield the URL of an empty database: an SQLite file, or one on a new PostgreSQL server."""
        if not (self.path / "tests" / "postgresql.py").exists():
            with TemporaryDirectory(dir=self.path) as directory:
                yield f"sqlite+aiosqlite:///{directory}/bench.db"
            return
        with self.backend("postgresql.py") as url:
            yield url

    @contextmanager
    def backend(self, program: str) -> Iterator[str]:
        """Run a server that the service needs, from `servers/`; yield its URL."""
        process = subprocess.Popen(
            [self.path / ".venv/bin/python", SERVERS / program],
            cwd=self.path,
            env=project_environment(PYTHONPATH=str(self.path)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.communicate()  # closes its input, which stops it

    @contextmanager
    def serve(self, name: str, url: str, **settings: str) -> Iterator[Server]:
        """Run the service, or the baseline with this name."""
        port = free_port()
        settings = SETTINGS | {"DATABASE_URL": url, "PORT": str(port)} | settings
        command = ["-m", "uvicorn", f"{name}:app", f"--app-dir={SERVERS}", f"--port={port}"]
        command = SERVICE_COMMANDS.get(name, [*command, *UVICORN_OPTIONS])
        with running(command, self.path, port, **settings) as server:
            yield server
