"""What a team does every day, as the service has prepared it."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from commands import run_uv, uv_run

pytestmark = pytest.mark.installs


def test_the_hooks_of_pre_commit_pass_and_run_the_locked_tools(service: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], check=True, cwd=service)
    try:
        subprocess.run(["git", "add", "--all"], check=True, cwd=service)
        output = run_uv(service, "tool", "run", "--quiet", "pre-commit", "run", "--all-files")
    finally:
        shutil.rmtree(service / ".git")
    assert output.count("Passed\n") == 4


def test_the_command_of_the_dev_container_succeeds(service: Path) -> None:
    container = json.loads((service / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert container["postCreateCommand"] == "uv sync"
    run_uv(service, "sync")


def test_a_new_migration_passes_the_checks_as_it_is(service: Path, directory: Path) -> None:
    env = {"DATABASE_URL": f"sqlite+aiosqlite:///{directory}/service.db"}
    uv_run(service, "alembic", "upgrade", "head", **env)
    versions = service / "migrations" / "versions"
    before = set(versions.iterdir())
    try:
        uv_run(service, "alembic", "revision", "--message", "drop what nobody reads.", **env)
        (new,) = set(versions.glob("*.py")) - before
        assert new.read_text("utf-8").startswith('"""Drop what nobody reads."""\n')
        uv_run(service, "ruff", "check", str(new))
        uv_run(service, "ruff", "format", "--check", str(new))
    finally:
        for path in set(versions.glob("*.py")) - before:
            path.unlink()
