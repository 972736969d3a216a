"""`nox -s mutants`: one mutant of each kind of change, with the tool installed."""

from pathlib import Path

import pytest
from commands import run_uv
from nox.project import dependency_groups, load_toml

pytestmark = pytest.mark.installs

OPERATORS = """
from cosmic_ray.mutating import mutate_code
from mutants.operators import RemoveArgument, RemoveStatement

for operator in (RemoveArgument(), RemoveStatement()):
    for occurrence in range(3):
        print(mutate_code("f(1, a=2, b=3)\\nx = 1\\nx.y = 2\\n", operator, occurrence))
"""


def run_tool(template: Path, *arguments: str) -> str:
    group = dependency_groups(load_toml(template / "pyproject.toml"), "mutants")
    tools = [option for tool in group for option in ("--with", tool)]
    return run_uv(
        template, "run", "--quiet", "--isolated", "--no-project", *tools, "python", *arguments
    )


def test_own_operators_remove_one_argument_or_statement(template: Path) -> None:
    assert run_tool(template, "-c", OPERATORS).split("\n\n") == [
        "f(1, b=3)\nx = 1\nx.y = 2",
        "f(1, a=2,)\nx = 1\nx.y = 2",
        "None\npass\nx = 1\nx.y = 2",
        "f(1, a=2, b=3)\nx = 1\npass",
        "None\n",
    ]


def test_mutant_is_reported_with_its_package(template: Path) -> None:
    output = run_tool(template, "-m", "mutants", "app/posts", "--sample", "1")

    assert "Service: sqlite, password, memory." in output
    assert "| app/posts | 1 | 1 | 0 | 100.0 % |" in output
