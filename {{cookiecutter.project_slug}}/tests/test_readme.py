"""README.md agrees with the code; routes and settings that it omits are not checked."""

import itertools
import re
from pathlib import Path

from fastapi import FastAPI

from app.settings import Settings

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
CODE = re.compile(r"^`([^`]*)`$")
ROUTE = re.compile(r"((?:`[A-Z]+`, )*`[A-Z]+) (/[^`?]*)")


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column has this heading."""
    lines = README[README.index(f"| {heading} |") :].splitlines()[2:]
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in rows]


def listed_routes() -> set[tuple[str, str]]:
    return {
        (method, without_names(path))
        for route, _ in table("route")
        for methods, path in ROUTE.findall(route)
        for method in re.findall(r"[A-Z]+", methods)
    }


def existing_routes(app: FastAPI) -> set[tuple[str, str]]:
    return {
        (method.upper(), without_names(path))
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    }


def without_names(path: str) -> str:
    """Return the path with nameless parameters: the README shortens their names."""
    return re.sub(r"\{\w+\}", "{}", path)


def listed_settings() -> set[tuple[str, ...]]:
    return {tuple(CODE.sub(r"\1", cell) for cell in row) for row in table("setting")}


def existing_settings() -> set[tuple[str, ...]]:
    return {
        (
            name.upper(),
            "required" if field.is_required() else environment_value(field.default),
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    }


def environment_value(default: object) -> str:
    """Return a default as it is written in the environment."""
    return {"()": "", "None": "", "True": "true", "False": "false"}.get(str(default), str(default))


def test_routes_in_the_readme_exist(app: FastAPI) -> None:
    assert listed_routes()
    assert listed_routes() <= existing_routes(app)


def test_settings_in_the_readme_have_the_default_and_the_docstring_of_the_code() -> None:
    assert listed_settings()
    assert listed_settings() <= existing_settings()
