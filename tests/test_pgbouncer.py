"""A service behind PgBouncer, in session and in transaction mode; `pytest -s` prints the result."""

import os
from pathlib import Path

import pytest
from commands import system_program, uv_run

pytestmark = pytest.mark.installs

SCRIPT = Path(__file__).with_name("pgbouncer.py")


def test_service_works_behind_pgbouncer_as_documented(postgresql_service: Path) -> None:
    path = f"{Path(system_program('pgbouncer')).parent}:{os.environ['PATH']}"
    print(uv_run(postgresql_service, "python", str(SCRIPT), PATH=path))
