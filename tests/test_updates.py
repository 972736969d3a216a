"""A service follows its template with cruft, and keeps what is its own."""

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import PRODUCT
from sandbox import Sandbox

ANSWERS = '{"project_name": "The \\"Ñandú\\" \\\\ Service", "project_slug": "x"}'


@pytest.fixture
def repository(sandbox: Sandbox, template: Path) -> Path:
    """Give the template a history of its own."""
    repository = sandbox.directory / "repository"
    shutil.copytree(template, repository)
    sandbox.git(repository, "init", "--quiet")
    commit(sandbox, repository)
    return repository


def commit(sandbox: Sandbox, repository: Path) -> None:
    sandbox.git(repository, "add", "--all")
    sandbox.git(repository, "commit", "--quiet", "--message", "All")


def succeed(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == 0, ended.stdout


def test_an_update_brings_what_is_new_and_leaves_env_alone(
    sandbox: Sandbox, repository: Path
) -> None:
    create = ["create", str(repository), "--no-input", "--extra-context", ANSWERS]
    succeed(sandbox.python("cruft", *create))
    project = sandbox.services / "x"
    env = (project / ".env").read_text("utf-8")
    sandbox.git(project, "init", "--quiet")
    commit(sandbox, project)
    succeed(sandbox.python("cruft", "check", cwd=project))
    succeed(sandbox.python("cruft", "diff", "--exit-code", cwd=project))

    for name in (".env.example", "README.md", "pyproject.toml"):
        with (repository / PRODUCT.name / name).open("a") as file:
            file.write("\n# new in the template\n")
    # A filter that only the new template knows: both versions are rendered in one process.
    extension = repository / "fastapi_service_template.py"
    text = extension.read_text("utf-8")
    extension.write_text(text.replace('"quoted": quoted', '"quoted": quoted, "new": str'), "utf-8")
    with (repository / PRODUCT.name / "README.md").open("a") as file:
        file.write("{{ 'new in the filters' | new }}\n")
    commit(sandbox, repository)
    succeed(sandbox.python("cruft", "update", "--skip-apply-ask", cwd=project))

    changed = sandbox.git(project, "status", "--porcelain").splitlines()
    names = [".cruft.json", ".env.example", "README.md", "pyproject.toml"]
    assert sorted(line[3:] for line in changed) == names
    assert (project / "README.md").read_text("utf-8").endswith("new in the filters\n")
    assert (project / ".env").read_text("utf-8") == env
    succeed(sandbox.python("cruft", "check", cwd=project))
