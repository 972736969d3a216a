"""Everyday tasks of a team: the first commit, hooks, the dev container and new migrations."""

import json
from pathlib import Path

import pytest
from commands import git, run_uv, uv_run
from test_bakes import expected_files

pytestmark = pytest.mark.installs


def test_first_commit_has_all_files_and_the_locked_versions(service: Path) -> None:
    expected = expected_files({}) - {".env"} | {"uv.lock"}
    assert set(git(service, "ls-files").splitlines()) == expected


def test_pre_commit_hooks_pass_on_the_first_commit_and_change_nothing(service: Path) -> None:
    output = run_uv(service, "tool", "run", "--quiet", "pre-commit", "run", "--all-files")
    assert output.count("Passed\n") == 4
    assert git(service, "status", "--porcelain") == ""


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
