"""Faults of PostgreSQL as clients see them; `pytest -s` prints the table."""

from pathlib import Path

import pytest
from commands import uv_run

import demo

pytestmark = pytest.mark.installs

FAULTS = Path(__file__).with_name("faults.py")


def test_service_reports_every_fault_in_time_and_recovers(
    postgresql_service: Path, directory: Path
) -> None:
    print(uv_run(postgresql_service, "python", str(FAULTS), str(directory), str(demo.free_port())))
