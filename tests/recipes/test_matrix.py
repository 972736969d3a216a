"""Every recipe on both databases: alone, together with another one, and after the other's removal.

`nox -s recipes` runs this in about an hour, and prints the seconds of each step.
"""

import time
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import pytest
from commands import install
from conftest import Bake
from pages import RECIPE_SERVICES, follow, recipes, running_database, undo

CHECKS = "```console\nuv run pytest --cov\nuv run nox --session lint types\n```\n"


def cases() -> Iterator[tuple[dict[str, str], str, str]]:
    """Yield each recipe of each database, with the next one."""
    for answers in RECIPE_SERVICES:
        names = recipes(answers)
        yield from zip(repeat(answers), names, names[1:] + names[:1])


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("answers", "recipe", "other"),
    list(cases()),
    ids=lambda value: value if isinstance(value, str) else value["database"],
)
def test_recipe_passes_all_checks_alone_with_another_and_removed(
    bake_into: Bake, directory: Path, answers: dict[str, str], recipe: str, other: str
) -> None:
    project = bake_into(directory, **answers)
    install(project)
    pages = project / "docs" / "recipes"
    page, other_page = ((pages / name).read_text("utf-8") for name in (recipe, other))
    steps: list[Callable[[], str]] = [
        lambda: follow(project, page),
        lambda: follow(project, other_page),
        lambda: undo(project, page) + follow(project, CHECKS),
    ]
    seconds = []
    with running_database(project):
        for step in steps:
            started = time.monotonic()
            output = step()
            assert "Required test coverage of 100.0% reached" in output
            assert "Session lint was successful" in output
            assert "Session types was successful" in output
            seconds.append(round(time.monotonic() - started))
    alone, pair, removed = seconds
    print(
        f"\n{answers['database']}: {recipe} alone {alone} s, with {other} {pair} s,"
        f" removed {removed} s"
    )
