"""The machine and the versions of a run."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.load import generator
from benchmarks.service import Project

LIBRARIES = {"aiosqlite", "asyncpg", "fastapi", "redis", "sqlalchemy", "starlette", "uvicorn"}


def describe(projects: list[Project]) -> dict[str, Any]:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    installed = {
        line for project in projects for line in project.run("uv", "pip", "freeze").split()
    }
    versions = dict(line.split("==") for line in sorted(installed) if "==" in line)
    print_version = "import platform; print(platform.python_version())"
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "load_average": os.getloadavg()[0],
        "python": projects[0].run("python", "-c", print_version).strip(),
        "load": generator(),
        "versions": {name: versions[name] for name in sorted(LIBRARIES & versions.keys())},
    }
