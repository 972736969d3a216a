"""Serve with reload, with the servers that .env needs; --fresh deletes their data first."""

import os
import secrets
import sys
from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path

import uvicorn
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from uvicorn.supervisors import ChangeReload

from app.server.process import configure, listen
from app.settings import SettingsError, get_settings
from dev import broker, database, delete_data, free_port, lock_project, show, sign_in

ENV_FILE = Path(".env")


def main() -> None:
    parser = ArgumentParser("uv run nox -s dev --", description=__doc__)
    parser.add_argument("--fresh", action="store_true", help="start with an empty database")
    fresh = parser.parse_args().fresh
    try:
        with ExitStack() as stack:
            start(stack, fresh=fresh)
            serve()
    except KeyboardInterrupt:
        pass  # Ctrl-C during the start; later the reloader handles it
    except (SettingsError, CommandError) as error:
        sys.exit(str(error))
    print("Stopped")


def start(stack: ExitStack, *, fresh: bool) -> None:
    if not ENV_FILE.exists():
        write_env_file()
    stack.enter_context(lock_project())
    if fresh:
        database.delete()
        delete_data()
    for server in (database, broker):
        set_environment(stack.enter_context(server.running()))
    command.upgrade(Config(toml_file="pyproject.toml"), "head")
    set_environment(stack.enter_context(sign_in.running()))
    settings = get_settings()
    port = free_port(settings.host, settings.port)
    if port != settings.port:
        show("Port", f"{settings.port} is in use, using {port}")
    set_environment({"PLAYGROUND": "true", "PORT": str(port)})
    show("Playground", f"http://{settings.host}:{port}/")
    show("API", f"http://{settings.host}:{port}/docs")
    show("Stop", "Ctrl-C; all data is kept for the next time")


def set_environment(settings: dict[str, str]) -> None:
    """Override settings of `.env`, also for the processes that are started later."""
    os.environ.update(settings)
    get_settings.cache_clear()


def write_env_file() -> None:
    """Copy `.env.example` with a random key: a fresh clone has no `.env`."""
    key = f"\nSECRET_KEY={secrets.token_urlsafe(48)}\n"
    text = Path(".env.example").read_text("utf-8").replace("\nSECRET_KEY=\n", key)
    ENV_FILE.touch(0o600)
    ENV_FILE.write_text(text, "utf-8")
    show("Settings", "copied .env.example to .env")


def serve() -> None:
    """Serve as `python -m app` does, but restart when a file of `app/` changes."""
    settings = get_settings()
    config = configure(settings)
    config.reload_dirs = [Path("app").absolute()]
    with listen(config, settings.stuck_peer_seconds) as listener:
        ChangeReload(config, uvicorn.Server(config).run, [listener]).run()


if __name__ == "__main__":
    main()
