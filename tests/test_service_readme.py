"""The README of a new service is complete; the tests of the service allow a team to leave gaps."""

import subprocess
from pathlib import Path

import pytest
from conftest import Bake

from demo import project_environment

CHECKS = """
from app.main import app
from app.observability.middleware import CLOSE_CODES
from tests import test_readme as readme
from tests.realtime import test_readme as realtime_readme

assert readme.listed_routes() == readme.existing_routes(app)
assert readme.listed_settings() == readme.existing_settings()
assert all(meaning for *_, meaning in readme.listed_settings())
assert realtime_readme.listed_frame_types() == realtime_readme.existing_frame_types()
assert realtime_readme.listed_close_codes() == CLOSE_CODES - realtime_readme.CLIENT_CLOSE_CODES
"""


@pytest.mark.installs
@pytest.mark.parametrize("auth", ["password", "oidc"])
def test_readme_of_a_new_service_lists_every_route_setting_frame_and_close_code(
    bake: Bake, service: Path, auth: str
) -> None:
    python = service / ".venv" / "bin" / "python"
    ended = subprocess.run(
        [python, "-c", CHECKS],
        check=False,
        cwd=bake(auth=auth),  # its code is found first, and the environment suits both variants
        encoding="utf-8",
        env=project_environment(),
        stderr=subprocess.PIPE,
    )
    assert ended.returncode == 0, ended.stderr
