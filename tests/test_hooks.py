"""The hooks: a second validation, a `.env` file and the next steps."""

import json
import os
import re
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
    """Return a project that is the current directory, as it is for a hook."""
    (directory / ".env.example").write_text(EXAMPLE)
    monkeypatch.chdir(directory)
    return directory


def secret_key(env_file: Path) -> str:
    (line,) = (
        line for line in env_file.read_text("utf-8").splitlines() if line.startswith("SECRET_KEY=")
    )
    return line.removeprefix("SECRET_KEY=")


def test_env_file_is_the_example_with_a_key_that_only_the_owner_can_read(project: Path) -> None:
    post_gen.write_env_file()
    env_file = project / ".env"
    assert env_file.read_text("utf-8").replace(secret_key(env_file), "") == EXAMPLE
    assert len(secret_key(env_file)) >= 64
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600


def test_each_bake_gets_a_different_key(project: Path) -> None:
    keys = set()
    for _ in range(3):
        post_gen.write_env_file()
        keys.add(secret_key(project / ".env"))
        (project / ".env").unlink()
    assert len(keys) == 3


def test_example_file_of_the_service_has_a_place_for_the_key(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / ".env.example").write_bytes((PRODUCT / ".env.example").read_bytes())
    monkeypatch.chdir(directory)
    post_gen.write_env_file()
    assert len(secret_key(directory / ".env")) >= 64


def test_existing_env_file_is_left_alone(project: Path) -> None:
    (project / ".env").write_text("SECRET_KEY=mine\n")
    post_gen.main()
    assert (project / ".env").read_text() == "SECRET_KEY=mine\n"


def test_missing_example_file_is_reported_and_does_not_fail_the_bake(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / ".env.example").unlink()
    post_gen.main()
    warning, *_ = capfd.readouterr().err.splitlines()
    assert warning.endswith("copy .env.example to .env and fill it in.")


def test_hook_writes_nothing_to_standard_output(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    post_gen.main()
    (project / ".env").unlink()
    (project / ".env.example").unlink()
    post_gen.main()  # with a warning
    assert capfd.readouterr().out == ""


def test_next_steps_can_be_pasted_whatever_the_path_of_the_project(directory: Path) -> None:
    project = directory / "it's a $HOME, ñ"
    project.mkdir()
    (project / ".env.example").write_text(EXAMPLE)
    ended = subprocess.run(
        [sys.executable, ROOT / "hooks" / "post_gen_project.py"],
        check=True,
        cwd=project,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
    )
    title, change_directory, *commands = os.fsdecode(ended.stderr).splitlines()
    assert title == "Next steps:"
    assert shlex.split(change_directory) == ["cd", str(project.resolve())]
    assert commands == ["uv sync", "uv run pytest", "uv run nox -s dev"]
    assert ended.stdout == b""


def test_next_steps_are_those_of_the_readme(bake: Bake) -> None:
    readme = (bake() / "README.md").read_text("utf-8")
    commands = re.findall(r"^(uv .*?)  +#", readme, re.MULTILINE)
    assert post_gen.next_steps().splitlines()[2:] == commands[:3]


@pytest.mark.parametrize("ci", CHOICES["ci"])
def test_bake_without_hooks_differs_only_in_env_file_and_empty_directories(
    bake: Bake, bake_into: Bake, directory: Path, ci: str
) -> None:
    with_hooks = contents(bake(ci=ci))
    del with_hooks[".env"]
    without = contents(bake_into(directory, hooks=False, ci=ci))
    empty = set() if ci == "github" else {".github", ".github/workflows"}
    assert without.keys() - with_hooks.keys() == empty
    assert {path: without[path] for path in with_hooks} == with_hooks


def test_hook_leaves_no_directory_empty(bake: Bake) -> None:
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
def test_replay_of_an_invalid_answer_writes_no_file(
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


def test_validation_cannot_be_disabled_by_an_answer(sandbox: Sandbox) -> None:
    ended = sandbox.cookiecutter("--no-input", "__validated=yes", "project_slug=../outside")
    assert ended.exit_code == 1
    assert contents(sandbox.directory / "far") == {"down": None, "down/services": None}
