"""The installed service: its checks, its suite, and suites in the style of tutorials."""

import shutil
from pathlib import Path

import pytest
from commands import install, uv_run
from conftest import Bake

pytestmark = pytest.mark.installs

TUTORIAL = Path(__file__).parent / "tutorial"


@pytest.mark.parametrize(
    "command", ["ruff check", "ruff format --check", "mypy --strict app tests"]
)
def test_service_passes_its_checks(service: Path, command: str) -> None:
    uv_run(service, *command.split())


def test_suite_covers_everything_and_does_not_touch_the_database_in_env_file(service: Path) -> None:
    output = uv_run(service, "pytest", "--randomly-seed=1", "--cov")
    assert "Required test coverage of 100.0% reached" in output
    assert not list(service.glob("*.db*"))


def test_suite_passes_in_parallel_and_in_another_order(service: Path) -> None:
    uv_run(service, "pytest", "--randomly-seed=2", "-n", "auto")


@pytest.mark.parametrize("fixture", ["service", "postgresql_service"])
@pytest.mark.parametrize("tutorial", sorted(TUTORIAL.glob("test_*.py")), ids=lambda path: path.stem)
def test_suite_in_the_style_of_a_tutorial_passes(
    fixture: str, tutorial: Path, request: pytest.FixtureRequest
) -> None:
    project: Path = request.getfixturevalue(fixture)
    copy = Path(shutil.copy(tutorial, project / "tests"))
    try:
        uv_run(project, "--with=aiosqlite", "python", "-m", "pytest", f"tests/{copy.name}")
    finally:
        copy.unlink()


def test_suite_needs_no_env_file_and_does_not_touch_the_database_in_the_environment(
    bake_into: Bake, directory: Path
) -> None:
    project = bake_into(directory, hooks=False)
    # Its overrides stay active while the generated tests run.
    shutil.copy(TUTORIAL / "test_module_app.py", project / "tests")
    install(project)
    uv_run(project, "pytest", DATABASE_URL=f"sqlite+aiosqlite:///{directory}/production.db")
    assert list(directory.iterdir()) == [project]


def test_migrations_match_the_models(service: Path, directory: Path) -> None:
    env = {"DATABASE_URL": f"sqlite+aiosqlite:///{directory}/service.db"}
    uv_run(service, "alembic", "upgrade", "head", **env)
    assert "No new upgrade operations detected" in uv_run(service, "alembic", "check", **env)
