"""Add a `.env` file, remove empty directories and print the next steps.

All of this is optional: the hook needs no network and never fails. It writes to standard error,
because `cruft diff` bakes the service to print a patch on standard output.
"""

import os
import secrets
import shlex
import sys
from contextlib import suppress
from pathlib import Path

ENV_FILE = Path(".env")
EXAMPLE_FILE = Path(".env.example")
GITHUB_DIRECTORIES = [Path(".github/workflows"), Path(".github")]


def write_env_file() -> None:
    """Copy `.env.example` to `.env` with a random key; an existing `.env` is left alone.

    Only the owner can read the file. Raises `OSError` if it cannot be written.
    """
    key = secrets.token_urlsafe(48)
    text = EXAMPLE_FILE.read_text("utf-8").replace("\nSECRET_KEY=\n", f"\nSECRET_KEY={key}\n")
    try:
        descriptor = os.open(ENV_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with open(descriptor, "w", encoding="utf-8", newline="\n") as env_file:
        env_file.write(text)


def remove_empty_directories() -> None:
    """Remove directories that Cookiecutter created only for files of other choices."""
    with suppress(OSError):  # not empty
        for directory in GITHUB_DIRECTORIES:
            directory.rmdir()


def next_steps() -> str:
    return f"""\
Next steps:
cd {shlex.quote(os.getcwd())}
uv sync
uv run pytest
uv run nox -s dev
"""


def main() -> None:
    """Run the steps; none may raise, because Cookiecutter would then delete the project."""
    try:
        write_env_file()
    except OSError as error:
        warning = f"Could not write .env ({error}): copy .env.example to .env and fill it in."
        print(warning, file=sys.stderr)
    remove_empty_directories()
    sys.stderr.flush()
    # Bytes, because stderr's encoding may not have every character of a path.
    sys.stderr.buffer.write(os.fsencode(next_steps()))


if __name__ == "__main__":
    main()
