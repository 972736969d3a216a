"""A baked service and the baselines, installed in one environment, on one database."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import uv

from demo import Server, bake, free_port, project_environment, running

SERVERS = Path(__file__).parent / "servers"
BASELINES = ("textbook", "limit", "bare")
OURS = {"service": ["-m", "app"], "publisher": [str(SERVERS / "publisher.py")]}
# What the service does not do, or not as often, the baselines need not do either.
BARE = ["--log-level=critical", "--no-access-log", "--ws-per-message-deflate=false"]
BARE += ["--ws-ping-interval=150"]
SECRET_KEY = "one key for all of the servers, so that one token opens them"  # noqa: S105 - no secret
SETTINGS = {"SECRET_KEY": SECRET_KEY, "LOG_LEVEL": "warning", "ACCESS_TOKEN_MINUTES": "1440"}
# The textbook waits as long for a connection: nobody refuses requests on a busy machine.
SETTINGS["DATABASE_CONNECT_SECONDS"] = "30"


class Project:
    """A service of the answers given, baked and installed."""

    def __init__(self, directory: Path, *options: str, **answers: str) -> None:
        self.path = bake(directory, **answers)
        self.run("uv", "sync", "--quiet", *options)

    def run(self, command: str, *arguments: str, **settings: str) -> str:
        program = uv.find_uv_bin() if command == "uv" else str(self.path / ".venv/bin" / command)
        return subprocess.run(
            [program, *arguments],
            check=True,
            cwd=self.path,
            env=project_environment(**SETTINGS | settings),
            encoding="utf-8",
            stdout=subprocess.PIPE,
        ).stdout

    def seed(self, url: str, *, posts: int = 1, users: int = 1) -> list[str]:
        """Migrate an empty database and fill it; return a token of each user."""
        self.run("alembic", "upgrade", "head", DATABASE_URL=url)
        counts = (str(posts), str(users))
        settings = {"DATABASE_URL": url, "DATABASE_STATEMENT_SECONDS": "600"}
        return self.run("python", str(SERVERS / "seed.py"), *counts, **settings).split()

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield the URL of an empty database: a file of SQLite, or a PostgreSQL server."""
        if not (self.path / "tests" / "postgresql.py").exists():
            with TemporaryDirectory(dir=self.path) as directory:
                yield f"sqlite+aiosqlite:///{directory}/bench.db"
            return
        with self.helper("postgresql.py") as url:
            yield url

    @contextmanager
    def helper(self, program: str) -> Iterator[str]:
        """Run a server that the service needs; yield its URL."""
        helper = subprocess.Popen(
            [self.path / ".venv/bin/python", SERVERS / program],
            cwd=self.path,
            env=project_environment(PYTHONPATH=str(self.path)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        try:
            yield helper.stdout.readline().strip() if helper.stdout else ""
        finally:
            helper.communicate()  # ends its input, and waits

    @contextmanager
    def serve(self, name: str, url: str, **settings: str) -> Iterator[Server]:
        """Run the service, or a baseline by its name."""
        port = free_port()
        settings = SETTINGS | {"DATABASE_URL": url, "PORT": str(port)} | settings
        command = ["-m", "uvicorn", f"{name}:app", f"--app-dir={SERVERS}", f"--port={port}", *BARE]
        if name in OURS:
            command = OURS[name]
        with running(command, self.path, port, **settings) as server:
            yield server
