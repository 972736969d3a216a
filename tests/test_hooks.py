import json
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CHOICES, PRODUCT, ROOT, Bake
from sandbox import Sandbox, contents

from hooks import post_gen_project as post_gen

EXAMPLE = "# Settings\nSECRET_KEY=\nPORT=8000\n"


@pytest.fixture
def project(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project the current directory, as it is for a hook."""
    (directory / ".env.example").write_text(EXAMPLE)
    monkeypatch.chdir(directory)
    return directory


def secret_key(env: Path) -> str:
    (line,) = (
        line for line in env.read_text("utf-8").splitlines() if line.startswith("SECRET_KEY=")
    )
    return line.removeprefix("SECRET_KEY=")


def test_env_is_the_example_with_a_key_that_only_the_owner_reads(project: Path) -> None:
    post_gen.write_env()
    env = project / ".env"
    assert env.read_text("utf-8").replace(secret_key(env), "") == EXAMPLE
    assert len(secret_key(env)) >= 64
    assert stat.S_IMODE(env.stat().st_mode) == 0o600


def test_each_key_is_another(project: Path) -> None:
    keys = set()
    for _ in range(3):
        post_gen.write_env()
        keys.add(secret_key(project / ".env"))
        (project / ".env").unlink()
    assert len(keys) == 3


def test_the_example_of_the_service_takes_a_key(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / ".env.example").write_bytes((PRODUCT / ".env.example").read_bytes())
    monkeypatch.chdir(directory)
    post_gen.write_env()
    assert len(secret_key(directory / ".env")) >= 64


def test_an_env_that_is_there_is_left_alone(project: Path) -> None:
    (project / ".env").write_text("SECRET_KEY=mine\n")
    post_gen.main()
    assert (project / ".env").read_text() == "SECRET_KEY=mine\n"


def test_trouble_with_the_file_ends_in_a_hint_and_not_in_failure(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / ".env.example").unlink()
    post_gen.main()
    hint, *_ = capfd.readouterr().out.splitlines()
    assert hint.endswith("copy .env.example to .env and fill it in.")


def test_the_last_three_lines_go_to_the_project_whatever_its_path(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = directory / "it's a $HOME, ñ"
    project.mkdir()
    (project / ".env.example").write_text(EXAMPLE)
    ended = subprocess.run(
        [sys.executable, ROOT / "hooks" / "post_gen_project.py"],
        check=True,
        cwd=project,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        stdout=subprocess.PIPE,
    )
    go, *commands = os.fsdecode(ended.stdout).splitlines()
    assert shlex.split(go) == ["cd", str(project.resolve())]
    assert commands == ["uv sync && uv run alembic upgrade head", "uv run python -m app"]


@pytest.mark.parametrize(
    ("example", "command"),
    [
        (EXAMPLE, ""),
        ("DATABASE_URL=postgresql+asyncpg://localhost/x\n", "docker compose up --detach database"),
        (
            "DATABASE_URL=postgresql+asyncpg://localhost/x\nBROKER_URL=redis://localhost\n",
            "docker compose up --detach database redis",
        ),
    ],
)
def test_it_says_which_servers_have_to_run(project: Path, example: str, command: str) -> None:
    (project / ".env.example").write_text(example)
    assert command in post_gen.servers()
    assert bool(post_gen.servers()) is bool(command)


@pytest.mark.parametrize("ci", CHOICES["ci"])
def test_a_service_baked_without_hooks_differs_only_in_env_and_empty_directories(
    bake: Bake, bake_into: Bake, directory: Path, ci: str
) -> None:
    with_hooks = contents(bake(ci=ci))
    del with_hooks[".env"]
    without = contents(bake_into(directory, hooks=False, ci=ci))
    empty = set() if ci == "github" else {".github", ".github/workflows"}
    assert without.keys() - with_hooks.keys() == empty
    assert {path: without[path] for path in with_hooks} == with_hooks


def test_no_directory_is_left_empty(bake: Bake) -> None:
    for ci in CHOICES["ci"]:
        assert all(any(path.iterdir()) for path in bake(ci=ci).rglob("*") if path.is_dir())


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [
        ("project_slug", "../outside"),
        ("project_slug", "a/b"),
        ("project_slug", "{{ 7 * 7 }}"),
        ("description", "{% raw %}"),
        ("author_name", 'Ada"\nmalice = "yes'),
        ("database", "mysql"),
    ],
)
def test_a_replay_with_a_bad_answer_writes_no_file(
    sandbox: Sandbox, prompt: str, answer: str
) -> None:
    sandbox.cookiecutter("--no-input")
    replay = sandbox.replays / "template.json"
    recorded = json.loads(replay.read_text("utf-8"))
    recorded["cookiecutter"] |= {"project_slug": "another"} | {prompt: answer}
    replay.write_text(json.dumps(recorded), "utf-8")
    before = contents(sandbox.directory / "far")
    ended = sandbox.cookiecutter("--replay")
    assert ended.exit_code == 1
    assert f"{prompt} {answer!a} " in ended.output
    after = contents(sandbox.directory / "far")
    assert {path: content for path, content in after.items() if content is not None} == {
        path: content for path, content in before.items() if content is not None
    }


def test_the_validation_cannot_be_answered_away(sandbox: Sandbox) -> None:
    ended = sandbox.cookiecutter("--no-input", "__validated=yes", "project_slug=../outside")
    assert ended.exit_code == 1
    assert contents(sandbox.directory / "far") == {"down": None, "down/services": None}
