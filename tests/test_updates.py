"""cruft updates a service and keeps local edits."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import git
from conftest import PRODUCT
from sandbox import Contents, Sandbox, contents

import demo

ANSWERS = '{"project_name": "The \\"Ñandú\\" \\\\ Service", "project_slug": "x"}'


@pytest.fixture
def repository(sandbox: Sandbox, template: Path) -> Path:
    """Return a Git repository with a copy of the template."""
    repository = sandbox.directory / "repository"
    shutil.copytree(template, repository)
    git(repository, "init", "--quiet")
    commit(repository)
    return repository


def commit(repository: Path) -> None:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "All")


def check_success(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == 0, ended.stdout


def test_update_applies_template_changes_and_leaves_env_file_alone(
    sandbox: Sandbox, repository: Path
) -> None:
    project = create(sandbox, repository)
    env_file = (project / ".env").read_text("utf-8")
    check_success(sandbox.python("cruft", "check", cwd=project))
    check_success(sandbox.python("cruft", "diff", "--exit-code", cwd=project))

    for name in (".env.example", "README.md", "pyproject.toml"):
        with (repository / PRODUCT.name / name).open("a") as file:
            file.write("\n# new in the template\n")
    # cruft renders both versions in one process; only the new one has the filter `new`.
    extension = repository / "fastapi_service_template.py"
    text = extension.read_text("utf-8")
    extension.write_text(text.replace('"quoted": quoted', '"quoted": quoted, "new": str'), "utf-8")
    with (repository / PRODUCT.name / "README.md").open("a") as file:
        file.write("{{ 'from the new filter' | new }}\n")
    commit(repository)
    check_success(sandbox.python("cruft", "update", "--skip-apply-ask", cwd=project))

    changed = git(project, "status", "--porcelain").splitlines()
    names = [".cruft.json", ".env.example", "README.md", "pyproject.toml"]
    assert sorted(line[3:] for line in changed) == names
    assert (project / "README.md").read_text("utf-8").endswith("from the new filter\n")
    assert (project / ".env").read_text("utf-8") == env_file
    check_success(sandbox.python("cruft", "check", cwd=project))


def test_cruft_diff_prints_a_clean_patch(sandbox: Sandbox, repository: Path) -> None:
    project = create(sandbox, repository)
    edit(project)
    commit(project)
    settings = {
        "HOME": str(sandbox.home),
        "COOKIECUTTER_CONFIG": str(sandbox.home / ".cookiecutterrc"),
    }
    diff = subprocess.run(
        [sys.executable, "-m", "cruft", "diff"],
        check=True,
        cwd=project,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert diff.stdout.startswith(b"diff --git ")
    patch = sandbox.directory / "edits.patch"
    patch.write_bytes(diff.stdout)
    git(project, "apply", "--check", str(patch))


def create(sandbox: Sandbox, repository: Path, *options: str) -> Path:
    """Bake a service with cruft, commit it, and return it."""
    answers = ["--no-input", "--extra-context", ANSWERS]
    check_success(sandbox.python("cruft", "create", str(repository), *answers, *options))
    project = sandbox.services / "x"
    git(project, "init", "--quiet")
    commit(project)
    return project


def edit(project: Path) -> dict[str, str]:
    """Edit the service as its team would; return the new text of each file."""
    readme = (project / "README.md").read_text("utf-8")
    _, heading, *_ = re.findall(r"^## .*\n", readme, re.MULTILINE)
    edits = {
        "README.md": (heading, f"## Who we are\n\nÑandú.\n\n{heading}"),
        "pyproject.toml": ('  "uvicorn[', '  "unidecode>=1.4",\n  "uvicorn['),
        "app/settings.py": ("    host: str", "    our_setting: int = 7\n\n    host: str"),
    }
    for name, (old, new) in edits.items():
        text = (project / name).read_text("utf-8")
        assert old in text
        (project / name).write_text(text.replace(old, new, 1), "utf-8")
    (project / "app" / "ours.py").write_text("OURS = True\n", "utf-8")
    return {name: new for name, (_, new) in edits.items()} | {"app/ours.py": "OURS = True\n"}


def check_edits(project: Path, edits: dict[str, str]) -> None:
    """Check that an update kept the edits, without rejects and conflicts."""
    for name, text in edits.items():
        assert text in (project / name).read_text("utf-8")
    assert list(project.rglob("*.rej")) == []
    for path in project.rglob("*"):
        assert not path.is_file() or b"\n<<<<<<< " not in path.read_bytes()


def contents_without_edits(project: Path, edits: dict[str, str]) -> Contents:
    excluded = edits.keys() | {".env", ".cruft.json"}
    return {
        path: content
        for path, content in contents(project).items()
        if content is not None and path not in excluded and not path.startswith(".git/")
    }


def make_older(repository: Path) -> None:
    """Remove from the template what an older version might not have had yet."""
    product = repository / PRODUCT.name
    page = min((product / "docs").glob("*.md"))
    for name in ("compose.yaml", "deploy/nginx.conf", "app/health.py", page):
        (product / name).unlink()
    readme = product / "README.md"
    text = readme.read_text("utf-8")
    readme.write_text(text[: text.rindex("\n## ")] + "\n## Last section\n", "utf-8")
    prompts = repository / "cookiecutter.json"
    text = prompts.read_text("utf-8")
    assert "Display name" in text
    prompts.write_text(text.replace("Display name", "Name"), "utf-8")
    (product / "removed_later.py").touch()
    (product / "noxfile.py").chmod(0o755)


@pytest.fixture
def tagged(sandbox: Sandbox, template: Path) -> Path:
    """Return a repository of the template with the versions 2026.10 and 2026.11."""
    repository = sandbox.directory / "repository"
    shutil.copytree(template, repository)
    git(repository, "init", "--quiet")
    make_older(repository)
    commit(repository)
    git(repository, "tag", "2026.10")
    shutil.rmtree(repository / PRODUCT.name)
    shutil.copytree(template, repository, dirs_exist_ok=True)
    commit(repository)
    git(repository, "tag", "2026.11")
    return repository


def test_update_from_an_old_tag_keeps_local_edits_without_rejects(
    sandbox: Sandbox, tagged: Path
) -> None:
    project = create(sandbox, tagged, "--checkout", "2026.10")
    assert not (project / "compose.yaml").exists()
    edits = edit(project)
    commit(project)
    assert sandbox.python("cruft", "check", "--checkout", "2026.11", cwd=project).returncode == 1
    update = ["update", "--skip-apply-ask", "--checkout", "2026.11"]
    check_success(sandbox.python("cruft", *update, cwd=project))

    check_edits(project, edits)
    check_success(sandbox.python("cruft", "check", cwd=project))
    new = sandbox.services / "new" / "x"
    options = ["--no-input", "--extra-context", ANSWERS, "--output-dir", str(new.parent)]
    check_success(sandbox.python("cruft", "create", str(tagged), *options))
    assert contents_without_edits(project, edits) == contents_without_edits(new, edits)


def print_patch(repository: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    answers = [f"{name}={answer}" for name, answer in json.loads(ANSWERS).items()]
    command = [sys.executable, "diff.py", *arguments, *answers]
    return subprocess.run(command, check=False, cwd=repository, capture_output=True)


@pytest.mark.parametrize("apply", ["git apply --3way", "patch --strip=1 --quiet --input"])
def test_patch_between_two_versions_turns_a_bake_of_one_into_the_other(
    sandbox: Sandbox, tagged: Path, directory: Path, apply: str
) -> None:
    template, answers = f"git+{tagged.as_uri()}", json.loads(ANSWERS)
    old, new = (
        demo.bake(sandbox.home / tag, "--checkout", tag, template=template, **answers)
        for tag in ("2026.10", "2026.11")
    )
    edits = edit(old) if apply.startswith("git") else {}
    git(old, "init", "--quiet")
    commit(old)

    printed = print_patch(tagged, "2026.10", "2026.11")

    assert printed.stderr == b""
    patch = directory / "update.patch"
    patch.write_bytes(printed.stdout)
    check_success(sandbox.shell(f"{apply} {patch}", old))
    check_edits(old, edits)
    assert contents_without_edits(old, edits) == contents_without_edits(new, edits)
    assert (old / "noxfile.py").stat().st_mode == (new / "noxfile.py").stat().st_mode


def test_patch_of_a_version_that_does_not_exist_is_an_error(tagged: Path) -> None:
    printed = print_patch(tagged, "2026.09", "2026.11")

    assert printed.returncode == 1
    assert printed.stdout == b""
    assert b"2026.09" in printed.stderr


@pytest.mark.parametrize(
    ("prompt", "value"), [("database", "postgresql"), ("broker", "redis"), ("ci", "gitlab")]
)
def test_answer_can_be_changed_and_changed_back_without_rejects(
    sandbox: Sandbox, repository: Path, prompt: str, value: str
) -> None:
    project = create(sandbox, repository)
    edits = edit(project)
    commit(project)
    default = json.loads((project / ".cruft.json").read_text("utf-8"))["context"]
    for answer in (value, default["cookiecutter"][prompt]):
        update = ["update", "--skip-apply-ask", "--variables-to-update"]
        check_success(sandbox.python("cruft", *update, json.dumps({prompt: answer}), cwd=project))
        check_edits(project, edits)
        new = sandbox.services / answer / "x"
        answers = json.dumps(json.loads(ANSWERS) | {prompt: answer})
        options = ["--no-input", "--extra-context", answers, "--output-dir", str(new.parent)]
        check_success(sandbox.python("cruft", "create", str(repository), *options))
        assert contents_without_edits(project, edits) == contents_without_edits(new, edits)
        commit(project)


def test_edit_next_to_a_line_that_depends_on_an_answer_is_reported_as_a_conflict(
    sandbox: Sandbox, repository: Path
) -> None:
    project = create(sandbox, repository)
    dependencies = project / "pyproject.toml"
    ours = '  "unidecode>=1.4",\n'
    text = dependencies.read_text("utf-8")
    dependencies.write_text(text.replace('  "sqlalchemy[', ours + '  "sqlalchemy[', 1), "utf-8")
    commit(project)

    answers = ["--variables-to-update", '{"database": "postgresql"}']
    check_success(sandbox.python("cruft", "update", "--skip-apply-ask", *answers, cwd=project))

    assert "UU pyproject.toml" in git(project, "status", "--porcelain")
    assert f"<<<<<<< ours\n{ours}" in dependencies.read_text("utf-8")
    assert list(project.rglob("*.rej")) == []
