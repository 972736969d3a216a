"""`nox -s bench`: measure a service against baselines on this machine, in this run."""

import argparse
import json
import os
import platform
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.load import generator, load
from benchmarks.plot import plot
from benchmarks.rounds import Figures, Measured, Spread, interleave
from benchmarks.service import SETTINGS, Project, Rig
from benchmarks.usage import cpu_seconds
from demo import free_port, running

RESULTS = Path(__file__).parent / "results"
LIBRARIES = "alembic.script, email_validator, fastapi, jwt, prometheus_client, pydantic_settings"
TABLE = """
{}: medians (least to most); ratios per second, and in brackets per second of processor time

| request | per second | p99 | processor | of the textbook | of the limit |
| --- | --- | --- | --- | --- | --- |"""
IMPORTS = {
    "python": "pass",
    "libraries": f"import {LIBRARIES}, pwdlib, sqlalchemy.ext.asyncio, structlog",
    "app.main": "import app.main",
}

# What is asked for, and which baselines answer it too.
REQUESTS = {
    "GET /health/live": ("bare", "textbook"),
    "GET /auth/me": ("limit", "textbook"),
    "GET /posts/?limit=10": ("limit", "textbook"),
    "POST /posts/": ("limit", "textbook"),
}


def requests(rig: Rig, options: argparse.Namespace) -> dict[str, Measured]:
    """Measure each request on the service and its baselines."""
    results = {}
    for request, baselines in REQUESTS.items():
        if options.only in request:
            measure = partial(requested, request, rig, seconds=options.seconds)
            results[request] = interleave(("service", *baselines), options.rounds, measure)
            say(row(request, results[request]))
    return results


def requested(request: str, rig: Rig, name: str, *, seconds: float) -> Figures:
    method, path = request.split()
    before = cpu_seconds(rig.pids[name])
    figures = load(method, rig.addresses[name] + path, rig.token, connections=16, seconds=seconds)
    used = cpu_seconds(rig.pids[name]) - before
    return figures._asdict() | {"per_cpu_second": figures.requests / used}


def say(line: str) -> None:
    print(line, flush=True)
    with (RESULTS / "tables.md").open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def row(request: str, measured: Measured) -> str:
    """Return a line of a table in Markdown."""
    service, limit = measured["service"], "bare" if "bare" in measured else "limit"
    cells = [
        f"`{request}`",
        spread_text(service["per_second"], ".0f"),
        f"{service['p99']['median']:.1f} ms",
        f"{1e6 / service['per_cpu_second']['median']:.0f} µs",
    ]
    for ratios in (measured["of the textbook"], measured[f"of the {limit}"]):
        processor = ratios["per_cpu_second"]["median"]
        cells.append(f"{spread_text(ratios['per_second'], '.2f')} [{processor:.2f}]")
    return f"| {' | '.join(cells)} |"


def spread_text(spread: Spread, form: str) -> str:
    return f"{spread['median']:{form}} ({spread['least']:{form}} to {spread['most']:{form}})"


def start(project: Project, url: str) -> dict[str, Any]:
    """Measure seconds: imports, each in a process of its own, and the first answer."""
    settings = {"DATABASE_URL": url}

    def seconds(name: str) -> Figures:
        began = time.perf_counter()
        if name == "first answer":
            with running(
                ["-m", "app"],
                project.path,
                port := free_port(),
                **SETTINGS,
                **settings,
                PORT=str(port),
            ):
                return {"seconds": time.perf_counter() - began}
        project.run("python", "-c", IMPORTS[name], **settings)
        return {"seconds": time.perf_counter() - began}

    results = interleave((*IMPORTS, "first answer"), 5, seconds)
    for name, figures in results.items():
        say(f"| {name} | {figures['seconds']['median']:.2f} s |")
    return results


def machine(project: Project) -> dict[str, object]:
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": models[0].partition(": ")[2] if models else platform.processor(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg()[0],
        "system": platform.system(),
        "python": project.run(
            "python", "-c", "import platform; print(platform.python_version())"
        ).strip(),
        "load": generator(),
        "versions": project.run("uv", "pip", "freeze").split(),
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--only", metavar="TEXT", default="", help="requests that hold this text")
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    options = parser.parse_args()
    options.rounds, options.seconds = (5, 1) if options.quick else (9, 2)
    return options


def main() -> None:
    options = parse()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "tables.md").write_text("# What `nox -s bench` measured\n", "utf-8")
    requested: dict[str, Any] = {}
    started: dict[str, Any] = {}
    for database in [options.database] if options.database else ["sqlite", "postgresql"]:
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            os.environ["TMPDIR"] = directory
            project = Project(Path(directory), database=database)
            with project.database() as url:
                token = project.seed(url, 10_000)
                say(TABLE.format(database))
                with project.serve(url, token) as rig:
                    requested[database] = requests(rig, options)
                if not options.only:
                    started[database] = start(project, url)
            about = machine(project)
    results = {"machine": about, "requests": requested, "start": started}
    (RESULTS / "results.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (RESULTS / "requests.svg").write_text(plot(requested), "utf-8")


if __name__ == "__main__":
    main()
