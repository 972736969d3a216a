"""The OpenAPI and the AsyncAPI document of a new service."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import uv
from conftest import Bake
from contracts import validate_contracts

from demo import project_environment

pytestmark = pytest.mark.installs

PAGE = Path("docs", "generating-clients.md")


@pytest.fixture
def unconfigured(bake_into: Bake, directory: Path, auth: str) -> Path:
    """Bake a service without `.env`, so that it has no settings."""
    return bake_into(directory, hooks=False, auth=auth)


@pytest.mark.parametrize("auth", ["password", "oidc"])
def test_contracts_are_valid_and_need_no_settings(unconfigured: Path, service: Path) -> None:
    validate_contracts(unconfigured, service / ".venv")


@pytest.mark.parametrize("auth", ["password"])
@pytest.mark.parametrize(
    ("name", "file", "removed", "member"),
    [
        ("asyncapi", "app/realtime/websocket_frames.py", "    after: str\n", "after"),
        ("asyncapi", "app/posts/schemas.py", "    slug: str\n", "slug"),
        ("openapi", "app/posts/routes.py", "@raises(NotTheAuthorError)\n", "NotTheAuthorError"),
    ],
)
def test_documented_check_shows_a_change_of_a_route_or_a_message(
    name: str, file: str, removed: str, member: str, unconfigured: Path, service: Path
) -> None:
    commit, check = (
        f"uv run python -m app {name} {rest}"
        for rest in (f"> {name}.json", f"| diff {name}.json -")
    )
    assert {commit, check} <= {*(unconfigured / PAGE).read_text("utf-8").splitlines()}

    assert run_line(unconfigured, service, commit).returncode == 0
    assert run_line(unconfigured, service, check).stdout == ""
    path = unconfigured / file
    assert removed in path.read_text("utf-8")
    path.write_text(path.read_text("utf-8").replace(removed, ""), "utf-8")

    changed = run_line(unconfigured, service, check)
    assert changed.returncode == 1
    assert re.search(rf'^< +"{member}": {{$', changed.stdout, re.MULTILINE)


def run_line(project: Path, installed: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Run a shell command with the environment of an installed service."""
    environment = project_environment(
        PATH=f"{Path(uv.find_uv_bin()).parent}:{os.environ['PATH']}",
        UV_NO_SYNC="true",
        UV_PROJECT_ENVIRONMENT=str(installed / ".venv"),
    )
    return subprocess.run(
        ["sh", "-c", line],
        check=False,
        cwd=project,
        encoding="utf-8",
        env=environment,
        stdout=subprocess.PIPE,
    )
