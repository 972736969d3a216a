"""Follow the recipes word for word."""

import re
from pathlib import Path

import pytest
from commands import git, install, uv_run
from conftest import Bake
from pages import (
    RECIPE_SERVICES,
    RECIPES,
    change,
    diffs,
    follow,
    recipes,
    reverse,
    running_database,
    undo,
)

POSTS = "removing-posts.md"
REALTIME = "removing-websockets-and-event-streams.md"
# They check what every recipe changes.
COMMON_TESTS = [
    "tests/auth/test_public_operations.py",
    "tests/http/test_openapi.py",
    "tests/http/test_random_requests.py",
    "tests/realtime/test_random_sockets.py",
    "tests/test_main.py",
    "tests/test_migrations.py",
    "tests/test_readme.py",
    "tests/test_settings.py",
]


def remaining_steps(project: Path, page: str) -> str:
    """Return the steps of a page, without those for features that are gone already."""
    steps = re.split(r"^(?=\d+\. )", page, flags=re.MULTILINE)
    conditions = [re.match(r"\d+\. If the service still has `([\w/]+)`", step) for step in steps]
    return "".join(
        step
        for step, condition in zip(steps, conditions, strict=True)
        if condition is None or (project / condition[1]).exists()
    )


@pytest.mark.installs
def test_following_the_page_adds_a_feature_that_passes_all_checks(
    bake_into: Bake, directory: Path
) -> None:
    project = bake_into(directory)
    install(project)
    page = project / "docs" / "recipes" / "adding-a-feature.md"
    output = follow(project, page.read_text("utf-8"))
    assert "Required test coverage of 100.0% reached" in output
    assert "Session lint was successful" in output
    assert "Session types was successful" in output
    (migration,) = project.glob("migrations/versions/*_notes.py")
    assert '"notes",' in migration.read_text("utf-8")


@pytest.mark.installs
@pytest.mark.parametrize(
    ("removed", "answers"),
    [
        ([POSTS, REALTIME], {}),
        ([REALTIME, POSTS], {"auth": "oidc"}),
        ([POSTS], {"auth": "oidc", "broker": "redis"}),
        ([REALTIME], {"auth": "oidc", "database": "postgresql"}),
    ],
)
def test_following_the_page_removes_a_feature_and_all_checks_pass_each_time(
    bake_into: Bake, directory: Path, removed: list[str], answers: dict[str, str]
) -> None:
    project = bake_into(directory, **answers)
    install(project)
    for name in removed:
        page = (project / "docs" / "recipes" / name).read_text("utf-8")
        output = follow(project, remaining_steps(project, page))
        assert "Required test coverage of 100.0% reached" in output
        assert "Session lint was successful" in output
        assert "Session types was successful" in output


@pytest.mark.parametrize("answers", RECIPE_SERVICES)
@pytest.mark.parametrize("direction", [1, -1])
def test_changes_of_all_recipes_are_made_and_undone_in_any_order(
    bake_into: Bake, directory: Path, answers: dict[str, str], direction: int
) -> None:
    project = bake_into(directory, **answers)
    pages = [(project / "docs" / "recipes" / name).read_text("utf-8") for name in recipes(answers)]
    changes = [
        [(project / name, diff) for name, diff in diffs(page) if (project / name).exists()]
        for page in pages[::direction]
    ]  # without files that commands create
    before = {path: path.read_text("utf-8") for of_page in changes for path, _ in of_page}

    for of_page in changes:
        for path, diff in of_page:
            change(path, diff)
    # Each page is undone while the changes of all later ones remain.
    for of_page in changes:
        for path, diff in reversed(of_page):
            change(path, reverse(diff))

    assert {path: path.read_text("utf-8") for path in before} == before


@pytest.mark.installs
@pytest.mark.parametrize(
    ("recipe", "answers"),
    [*sorted(RECIPES.items()), ("api-keys-and-scopes.md", {"auth": "oidc"})],
    ids=str,
)
def test_recipe_can_be_followed_and_undone(
    bake_into: Bake, directory: Path, recipe: str, answers: dict[str, str]
) -> None:
    project = bake_into(directory, **answers)
    install(project)
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    with running_database(project):
        follow_and_undo(project, recipe)


def follow_and_undo(project: Path, recipe: str) -> None:
    page = (project / "docs" / "recipes" / recipe).read_text("utf-8")
    steps, _, _ = page.partition("\n## Checks\n")  # `nox -s recipes` also runs the whole suite

    follow(project, steps)

    uv_run(project, "mypy")
    uv_run(project, "nox", "--session", "lint")
    touched = [name for name in changed_files(project) if re.match(r"tests/.*test_\w+\.py", name)]
    no_report = ("--cov-report=", "--cov-fail-under=0")
    uv_run(project, "pytest", "-n", "2", "--cov", *no_report, *COMMON_TESTS, *touched)
    created = git(project, "ls-files", "--others", "--exclude-standard", "app", "tests").split()
    uv_run(project, "coverage", "report", f"--include={','.join(created)}")

    undo(project, page)

    remaining = {name for name in changed_files(project) if "migrations/versions/" not in name}
    assert remaining <= {"uv.lock"}  # it may have newer versions
    uv_run(project, "pytest", "tests/test_migrations.py")


def changed_files(project: Path) -> list[str]:
    """Return the files that are new or differ from Git's index."""
    options = ["--modified", "--others", "--exclude-standard"]
    return git(project, "ls-files", *options).split()
