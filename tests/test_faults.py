"""What clients see of each way in which PostgreSQL can fail: `pytest -s` shows the table."""

from pathlib import Path

import pytest
from commands import uv_run

import demo

pytestmark = [pytest.mark.installs, pytest.mark.timeout(300)]

FAULTS = Path(__file__).with_name("faults.py")


def test_every_fault_of_postgresql_is_told_in_time_and_passes(
    postgresql_service: Path, directory: Path
) -> None:
    print(uv_run(postgresql_service, "python", str(FAULTS), str(directory), str(demo.free_port())))
