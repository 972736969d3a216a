"""Validate the OpenAPI and the AsyncAPI document of a service by the schemas of their standards."""

import json
import subprocess
from pathlib import Path

import openapi_spec_validator
from jsonschema import Draft7Validator

from demo import project_environment

SCHEMA = json.loads((Path(__file__).parent / "vectors" / "asyncapi_3_0_0.json").read_text("utf-8"))


def print_contract(project: Path, environment: Path, name: str) -> str:
    """Return the output of `python -m app`, with the environment of the same or another service."""
    return subprocess.run(
        [environment / "bin" / "python", "-m", "app", name],
        check=True,
        cwd=project,
        encoding="utf-8",
        env=project_environment(),
        stdout=subprocess.PIPE,
    ).stdout


def validate_contracts(project: Path, environment: Path) -> None:
    openapi, asyncapi = (
        json.loads(print_contract(project, environment, name)) for name in ("openapi", "asyncapi")
    )
    openapi_spec_validator.validate(openapi)
    Draft7Validator(SCHEMA).validate(asyncapi)
