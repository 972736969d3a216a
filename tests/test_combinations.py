"""Every combination of the options that change Python code, installed, checked and run."""

import itertools
import shlex
import shutil
from pathlib import Path

import pytest
from commands import install, uv_run
from conftest import CHOICES, Bake
from contracts import validate_contracts

pytestmark = pytest.mark.installs

PROBE = Path(__file__).with_name("probe.py")
PROMPTS = ("database", "auth", "broker")
COMBINATIONS = [
    dict(zip(PROMPTS, values, strict=True))
    for values in itertools.product(*(CHOICES[prompt] for prompt in PROMPTS))
]


@pytest.fixture(scope="module")
def shared_path(workspace: Path, worker_id: str) -> Path:
    """Return a path that all combinations use in turn, so that they share one environment."""
    return workspace / f"combinations-{worker_id}" / "my-service"


@pytest.fixture
def project(shared_path: Path, bake_into: Bake, directory: Path, answers: dict[str, str]) -> Path:
    """Bake a combination and move it to the shared path, with the existing environment."""
    baked = bake_into(directory, **answers)
    if (shared_path / ".venv").exists():
        (shared_path / ".venv").rename(baked / ".venv")
    shutil.rmtree(shared_path, ignore_errors=True)
    shared_path.parent.mkdir(exist_ok=True)
    return baked.rename(shared_path)


@pytest.mark.parametrize("answers", COMBINATIONS, ids=lambda answers: " ".join(answers.values()))
def test_combination_passes_its_checks_and_serves(
    project: Path, directory: Path, answers: dict[str, str]
) -> None:
    try:
        install(project)
        uv_run(project, "mypy")
        output = uv_run(project, "pytest", "--cov")
        assert "Required test coverage of 100.0% reached" in output
        uv_run(project, "python", str(PROBE), str(directory))
        validate_contracts(project, project / ".venv")
    except pytest.fail.Exception as failure:
        bake = shlex.join(["cookiecutter", ".", "--no-input", *map("=".join, answers.items())])
        notes = getattr(failure, "__notes__", ())  # what a command that was stopped has printed
        pytest.fail("\n".join([bake, str(failure), *notes]), pytrace=False)


@pytest.mark.parametrize("resolution", ["lowest-direct", "highest"])
def test_suite_passes_with_the_oldest_and_newest_dependencies(
    bake_into: Bake, directory: Path, resolution: str
) -> None:
    project = bake_into(directory, database="postgresql")
    install(project, "--resolution", resolution)
    uv_run(project, "--no-sync", "pytest")
