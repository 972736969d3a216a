"""A service follows its template with cruft, and keeps what is its own."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import PRODUCT
from sandbox import Contents, Sandbox, contents

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
    project = create(sandbox, repository)
    env = (project / ".env").read_text("utf-8")
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


def create(sandbox: Sandbox, repository: Path, *options: str) -> Path:
    """Bake a service with cruft, commit it, and return it."""
    answers = ["--no-input", "--extra-context", ANSWERS]
    succeed(sandbox.python("cruft", "create", str(repository), *answers, *options))
    project = sandbox.services / "x"
    sandbox.git(project, "init", "--quiet")
    commit(sandbox, project)
    return project


def edit(project: Path) -> dict[str, str]:
    """Do what teams do between two updates, and return what they wrote where."""
    edits = {
        "README.md": ("## What it does\n", "## Who we are\n\nÑandú.\n\n## What it does\n"),
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
    """See that an update kept them, rejected nothing and left nothing to resolve."""
    for name, text in edits.items():
        assert text in (project / name).read_text("utf-8")
    assert list(project.rglob("*.rej")) == []
    for path in project.rglob("*"):
        assert not path.is_file() or b"\n<<<<<<< " not in path.read_bytes()


def all_but_edits(project: Path, edits: dict[str, str]) -> Contents:
    left_out = edits.keys() | {".env", ".cruft.json"}
    return {
        path: content
        for path, content in contents(project).items()
        if content is not None and path not in left_out and not path.startswith(".git/")
    }


def age(repository: Path) -> None:
    """Take from the template what an older one did not have yet."""
    product = repository / PRODUCT.name
    for name in ("compose.yaml", "deploy/nginx.conf", "docs/kubernetes.md", "app/health.py"):
        (product / name).unlink()
    readme = product / "README.md"
    text = readme.read_text("utf-8")
    readme.write_text(text[: text.index("## Where things are")] + "## Testing\n", "utf-8")
    prompts = repository / "cookiecutter.json"
    prompts.write_text(prompts.read_text("utf-8").replace("one sentence", "a few words"), "utf-8")


def test_an_update_from_an_old_tag_to_the_newest_keeps_local_edits_and_rejects_nothing(
    sandbox: Sandbox, template: Path
) -> None:
    repository = sandbox.directory / "repository"
    shutil.copytree(template, repository)
    sandbox.git(repository, "init", "--quiet")
    age(repository)
    commit(sandbox, repository)
    sandbox.git(repository, "tag", "2026.10")
    shutil.rmtree(repository / PRODUCT.name)
    shutil.copytree(template, repository, dirs_exist_ok=True)
    commit(sandbox, repository)
    sandbox.git(repository, "tag", "2026.11")

    project = create(sandbox, repository, "--checkout", "2026.10")
    assert not (project / "compose.yaml").exists()
    edits = edit(project)
    commit(sandbox, project)
    assert sandbox.python("cruft", "check", "--checkout", "2026.11", cwd=project).returncode == 1
    update = ["update", "--skip-apply-ask", "--checkout", "2026.11"]
    succeed(sandbox.python("cruft", *update, cwd=project))

    check_edits(project, edits)
    succeed(sandbox.python("cruft", "check", cwd=project))
    new = sandbox.services / "new" / "x"
    options = ["--no-input", "--extra-context", ANSWERS, "--output-dir", str(new.parent)]
    succeed(sandbox.python("cruft", "create", str(repository), *options))
    assert all_but_edits(project, edits) == all_but_edits(new, edits)


@pytest.mark.parametrize(
    ("prompt", "value"), [("database", "postgresql"), ("broker", "redis"), ("ci", "gitlab")]
)
def test_an_answer_can_be_changed_later_and_back_without_a_reject(
    sandbox: Sandbox, repository: Path, prompt: str, value: str
) -> None:
    project = create(sandbox, repository)
    edits = edit(project)
    commit(sandbox, project)
    default = json.loads((project / ".cruft.json").read_text("utf-8"))["context"]
    for answer in (value, default["cookiecutter"][prompt]):
        update = ["update", "--skip-apply-ask", "--variables-to-update"]
        succeed(sandbox.python("cruft", *update, json.dumps({prompt: answer}), cwd=project))
        check_edits(project, edits)
        new = sandbox.services / answer / "x"
        answers = json.dumps(json.loads(ANSWERS) | {prompt: answer})
        options = ["--no-input", "--extra-context", answers, "--output-dir", str(new.parent)]
        succeed(sandbox.python("cruft", "create", str(repository), *options))
        assert all_but_edits(project, edits) == all_but_edits(new, edits)
        commit(sandbox, project)


def test_an_edit_beside_a_line_that_an_answer_decides_is_a_conflict_to_resolve(
    sandbox: Sandbox, repository: Path
) -> None:
    project = create(sandbox, repository)
    dependencies = project / "pyproject.toml"
    ours = '  "unidecode>=1.4",\n'
    text = dependencies.read_text("utf-8")
    dependencies.write_text(text.replace('  "sqlalchemy[', ours + '  "sqlalchemy[', 1), "utf-8")
    commit(sandbox, project)

    answers = ["--variables-to-update", '{"database": "postgresql"}']
    succeed(sandbox.python("cruft", "update", "--skip-apply-ask", *answers, cwd=project))

    assert "UU pyproject.toml" in sandbox.git(project, "status", "--porcelain")
    assert f"<<<<<<< ours\n{ours}" in dependencies.read_text("utf-8")
    assert list(project.rglob("*.rej")) == []
