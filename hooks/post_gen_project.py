"""Comfort only, offline: a `.env` with a key of its own, no empty directories, the next steps."""

import os
import secrets
import shlex
import sys
from contextlib import suppress
from pathlib import Path

ENV = Path(".env")
EXAMPLE = Path(".env.example")
SERVERS = {"postgresql": "database", "redis:": "redis"}  # of .env, as compose.yaml names them
GITHUB = [Path(".github/workflows"), Path(".github")]


def write_env() -> None:
    """Make `.env` of the example, readable by its owner alone, unless there is one already."""
    key = secrets.token_urlsafe(48)
    text = EXAMPLE.read_text("utf-8").replace("\nSECRET_KEY=\n", f"\nSECRET_KEY={key}\n")
    try:
        descriptor = os.open(ENV, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with open(descriptor, "w", encoding="utf-8", newline="\n") as env:
        env.write(text)


def remove_empty_directories() -> None:
    """Remove what Cookiecutter has made for files that other answers would have brought."""
    with suppress(OSError):  # not empty
        for directory in GITHUB:
            directory.rmdir()


def servers() -> str:
    """Say what has to run before the service; nothing has to with SQLite and one process."""
    example = EXAMPLE.read_text("utf-8") if EXAMPLE.exists() else ""
    names = [name for scheme, name in SERVERS.items() if f"={scheme}" in example]
    if not names:
        return ""
    return (
        f"docker compose up --detach {' '.join(names)}"
        "  # or what else .env names; the tests start servers of their own\n"
    )


def next_steps() -> str:
    return f"""\
cd {shlex.quote(os.getcwd())}
{servers()}uv sync && uv run alembic upgrade head
uv run python -m app
"""


def main() -> None:
    """Do the comforts; none of them may fail, or Cookiecutter would delete the project."""
    try:
        write_env()
    except OSError as error:
        print(f"No .env was written ({error}): copy .env.example to .env and fill it in.")
    remove_empty_directories()
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(next_steps()))  # a path may not fit stdout's encoding


if __name__ == "__main__":
    main()
