"""The scheduled job that proposes the changes of the template, as both pipelines run it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import uv
import yaml
from commands import git
from conftest import PRODUCT
from sandbox import Sandbox

pytestmark = pytest.mark.installs

# Runs the commands in the environment of these tests, and prints those of the suite.
UV = """#!/bin/sh
case "$*" in
"run nox --session update") exec {python} -m nox --session update ;;
lock) ;;
*) echo "uv $*" ;;
esac
"""
# There is no open pull request.
GH = """#!/bin/sh
case "$*" in
"pr list"*) ;;
*) echo "gh $*" ;;
esac
"""
HOSTS = {
    "github": {"GITHUB_ACTOR": "ada"},
    "gitlab": {
        "CI_DEFAULT_BRANCH": "main",
        "CI_JOB_TOKEN": "token",
        "CI_PROJECT_PATH": "team/x",
        "CI_SERVER_HOST": "gitlab.example",
        "GITLAB_USER_EMAIL": "ada@example.com",
        "GITLAB_USER_NAME": "Ada",
    },
}


@pytest.fixture
def repository(sandbox: Sandbox, template: Path) -> Path:
    """Return the repository of the template."""
    repository = sandbox.directory / "repository"
    shutil.copytree(template, repository)
    git(repository, "init", "--quiet")
    commit(repository, "First version")
    return repository


def commit(repository: Path, message: str) -> None:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", message)


def append(repository: Path, name: str) -> None:
    """Make a version of the template that adds a line to a file of the service."""
    path = repository / PRODUCT.name / name
    with path.open("a", encoding="utf-8") as file:
        file.write("\n# new in the template\n")
    commit(repository, f"Extend {name}")


def create(sandbox: Sandbox, repository: Path, ci: str) -> Path:
    """Bake a service with cruft, with a remote repository that accepts push options."""
    answers = json.dumps({"project_slug": "x", "ci": ci})
    options = ["--no-input", "--extra-context", answers]
    sandbox.python("cruft", "create", str(repository), *options).check_returncode()
    project = sandbox.services / "x"
    git(project, "init", "--quiet")
    commit(project, "Created")
    remote = sandbox.directory / "remote.git"
    git(project, "init", "--quiet", "--bare", str(remote))
    git(remote, "config", "receive.advertisePushOptions", "true")
    git(project, "remote", "add", "origin", str(remote))
    return project


def run_job(sandbox: Sandbox, project: Path, ci: str) -> subprocess.CompletedProcess[str]:
    """Run the commands of the pipeline one after the other, until one fails."""
    if ci == "github":
        file = project / ".github" / "workflows" / "template.yml"
        steps = yaml.safe_load(file.read_text("utf-8"))["jobs"]["update"]["steps"]
        lines = [step["run"] for step in steps if "run" in step]
    else:
        lines = yaml.safe_load((project / ".gitlab-ci.yml").read_text("utf-8"))["update"]["script"]
    programs = sandbox.directory / "programs"
    programs.mkdir(exist_ok=True)
    for name, text in {"uv": UV.format(python=sys.executable), "gh": GH}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    path = [str(programs), str(Path(uv.find_uv_bin()).parent), os.environ["PATH"]]
    env = HOSTS[ci] | {
        "PATH": os.pathsep.join(path),
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(Path.home() / ".cache" / "uv")),
        # The address that the job of GitLab pushes to leads to the remote repository.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{sandbox.directory / 'remote.git'}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://gitlab-ci-token:token@gitlab.example/team/x.git",
    }
    script = "\n".join(f"({line}\n)" for line in lines)  # as separate shells, which may exit
    return sandbox.shell(script, project, **env)


def proposed(sandbox: Sandbox) -> str:
    """Return the commit of the pushed branch; empty if there is none."""
    remote = sandbox.directory / "remote.git"
    if not git(remote, "branch", "--list", "template-update"):
        return ""
    return git(remote, "show", "--stat", "--format=%B", "template-update")


@pytest.mark.parametrize("ci", HOSTS)
@pytest.mark.parametrize("edit", ["", "OUR_SETTING=7\n"], ids=["clean", "edited"])
def test_job_proposes_the_changes_of_two_versions(
    sandbox: Sandbox, repository: Path, ci: str, edit: str
) -> None:
    project = create(sandbox, repository, ci)
    example = project / ".env.example"
    example.write_text(edit + example.read_text("utf-8"), "utf-8")
    git(project, "commit", "--quiet", "--all", "--allow-empty", "--message", "Ours")
    append(repository, ".env.example")
    append(repository, "CONTRIBUTING.md")

    for _ in ("first", "again"):
        ended = run_job(sandbox, project, ci)
        assert ended.returncode == 0, ended.stdout
        assert "uv run nox --session lint types tests-3.14" in ended.stdout
        assert ("gh pr create --fill" in ended.stdout) is (ci == "github")
        commit_text = proposed(sandbox)
        assert "- Extend CONTRIBUTING.md\n- Extend .env.example\n" in commit_text
        assert "3 files changed" in commit_text  # with .cruft.json
        assert example.read_text("utf-8").startswith(edit or "# Settings")
        git(project, "switch", "--quiet", "-")
        git(project, "branch", "--quiet", "-D", "template-update")


@pytest.mark.parametrize("ci", HOSTS)
def test_job_fails_on_a_conflict_and_proposes_nothing(
    sandbox: Sandbox, repository: Path, ci: str
) -> None:
    project = create(sandbox, repository, ci)
    with (project / "CONTRIBUTING.md").open("a", encoding="utf-8") as file:
        file.write("\n# ours\n")
    commit(project, "Ours")
    append(repository, "CONTRIBUTING.md")

    ended = run_job(sandbox, project, ci)

    assert ended.returncode != 0
    assert "resolve the conflicts of the update in CONTRIBUTING.md" in ended.stdout
    assert proposed(sandbox) == ""


@pytest.mark.parametrize("ci", HOSTS)
def test_job_proposes_nothing_if_the_template_has_not_changed(
    sandbox: Sandbox, repository: Path, ci: str
) -> None:
    project = create(sandbox, repository, ci)

    ended = run_job(sandbox, project, ci)

    assert ended.returncode == 0, ended.stdout
    assert "nox --session lint" not in ended.stdout
    assert proposed(sandbox) == ""
