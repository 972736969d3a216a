"""Project metadata from pyproject.toml, which is deployed with the code."""

import tomllib
from pathlib import Path

_pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))

NAME: str = _pyproject["project"]["name"]
VERSION: str = _pyproject["project"]["version"]
DESCRIPTION: str = _pyproject["project"]["description"]
TITLE: str = _pyproject["tool"]["service"]["title"]
