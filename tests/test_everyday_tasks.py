"""Everyday tasks of a team: pre-commit hooks, the dev container and new migrations."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from commands import run_uv, uv_run

pytestmark = pytest.mark.installs


def test_pre_commit_hooks_pass_with_the_locked_tools(service: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], check=True, cwd=service)
    try:
        subprocess.run(["git", "add", "--all"], check=True, cwd=service)
        output = run_uv(service, "tool", "run", "--quiet", "pre-commit", "run", "--all-files")
    finally:
        shutil.rmtree(service / ".git")
    assert output.count("Passed\n") == 4


def test_dev_container_command_succeeds(service: Path) -> None:
    container = json.loads((service / ".devcontainer" / "devcontainer.json").read_text("utf-8"))
    assert container["postCreateCommand"] == "uv sync"
    run_uv(service, "sync")


def test_new_migration_passes_the_linter_unchanged(service: Path, directory: Path) -> None:
    env = {"DATABASE_URL": f"sqlite+aiosqlite:///{directory}/service.db"}
    uv_run(service, "alembic", "upgrade", "head", **env)
    versions = service / "migrations" / "versions"
    before = set(versions.iterdir())
    try:
        uv_run(service, "alembic", "revision", "--message", "drop unused columns.", **env)
        (new,) = set(versions.glob("*.py")) - before
        assert new.read_text("utf-8").startswith('"""Drop unused columns."""\n')
        uv_run(service, "ruff", "check", str(new))
        uv_run(service, "ruff", "format", "--check", str(new))
    finally:
        for path in set(versions.glob("*.py")) - before:
            path.unlink()
