"""Every combination of the answers that change Python, installed and run as its team would."""

import itertools
import shlex
import shutil
from pathlib import Path

import pytest
from commands import install, uv_run
from conftest import CHOICES, Bake

pytestmark = [pytest.mark.installs, pytest.mark.timeout(600)]

PROBE = Path(__file__).with_name("probe.py")
PROMPTS = ("database", "auth", "broker")
COMBINATIONS = [
    dict(zip(PROMPTS, values, strict=True))
    for values in itertools.product(*(CHOICES[prompt] for prompt in PROMPTS))
]


@pytest.fixture(scope="module")
def workshop(workspace: Path, worker_id: str) -> Path:
    return workspace / f"combinations-{worker_id}" / "my-service"


@pytest.fixture
def project(workshop: Path, bake_into: Bake, directory: Path, answers: dict[str, str]) -> Path:
    """Bake into a directory that all combinations share, and its environment, one by one."""
    baked = bake_into(directory, **answers)
    if (workshop / ".venv").exists():
        (workshop / ".venv").rename(baked / ".venv")
    shutil.rmtree(workshop, ignore_errors=True)
    workshop.parent.mkdir(exist_ok=True)
    return baked.rename(workshop)


@pytest.mark.parametrize("answers", COMBINATIONS, ids=lambda answers: " ".join(answers.values()))
def test_a_combination_of_answers_works(
    project: Path, directory: Path, answers: dict[str, str]
) -> None:
    try:
        install(project)
        uv_run(project, "mypy")
        output = uv_run(project, "pytest", "--cov")
        assert "Required test coverage of 100.0% reached" in output
        uv_run(project, "python", str(PROBE), str(directory))
    except pytest.fail.Exception as failure:
        bake = shlex.join(["cookiecutter", ".", "--no-input", *map("=".join, answers.items())])
        pytest.fail(f"{bake}\n{failure.msg}", pytrace=False)


@pytest.mark.parametrize("resolution", ["lowest-direct", "highest"])
def test_the_suite_passes_with_the_oldest_and_the_newest_versions(
    bake_into: Bake, directory: Path, resolution: str
) -> None:
    project = bake_into(directory, database="postgresql")
    install(project, "--resolution", resolution)
    uv_run(project, "--no-sync", "pytest")
