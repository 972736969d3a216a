"""The tables of README.md say what the code does."""

import itertools
import re
from pathlib import Path

from fastapi import FastAPI

from app.settings import Settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
ROUTE = re.compile(r"((?:`[A-Z]+`, )*`[A-Z]+) (/[^`?]*)")


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column has that heading."""
    lines = README[README.index(f"| {heading} |") :].splitlines()[2:]
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in rows]


def anonymous(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def test_every_route_is_listed(app: FastAPI) -> None:
    listed = {
        (method, anonymous(path))
        for route, _ in table("route")
        for methods, path in ROUTE.findall(route)
        for method in re.findall(r"[A-Z]+", methods)
    }

    assert listed == {
        (method.upper(), anonymous(path))
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }


def test_every_setting_is_listed_with_its_default_and_meaning() -> None:
    settings = {
        (
            name.upper(),
            "required" if field.is_required() else text(field.default),
            field.description,
        )
        for name, field in Settings.model_fields.items()
    }

    assert all(meaning for *_, meaning in settings)
    assert {tuple(cell.strip("`") for cell in row) for row in table("setting")} == settings


def text(default: object) -> str:
    """Write a default as the environment has it."""
    return {"()": "", "None": "", "True": "true", "False": "false"}.get(str(default), str(default))
