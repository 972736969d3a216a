"""Waiting times of developers of a service and of the template."""

import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from xml.etree import ElementTree

from benchmarks.rounds import Figures
from benchmarks.run import Run
from benchmarks.service import Project
from demo import TEMPLATE, bake

SERIAL, PARALLEL, SQLITE = "serial", "parallel", "SQLite"
PYTEST_OPTIONS = {PARALLEL: ["--numprocesses=2"]}
MAX_ROUNDS = 3  # because each takes many seconds
COMBINATIONS = ["tests/test_combinations.py", "-k", "combination and password"]


def measure_developer(run: Run) -> None:
    """Measure baking, installing and testing a service, with a warm cache and without network."""
    run.compare("developer", "bake", ["service"], partial(measure_bake, run.directory))
    for database in run.databases:
        names = [PARALLEL, SERIAL]
        measure = partial(measure_new_service, run, database)
        case = f"bake, install and test, {database}"
        run.compare("developer", case, names, measure, MAX_ROUNDS)
    for database in run.databases:
        names = [SERIAL, PARALLEL, *([SQLITE] if database == "postgresql" else [])]
        measure = partial(measure_suite, run, database)
        run.compare("developer", f"test suite, {database}", names, measure, MAX_ROUNDS)


def measure_template(run: Run) -> None:
    """Measure the template's own tests: one combination of options, and all tests."""
    for case, tests in {"one combination of options": COMBINATIONS, "all tests": []}.items():
        measure = partial(measure_template_tests, run, tests)
        run.compare("template", case, [PARALLEL], measure, 1)


def measure_bake(directory: Path, _: str) -> Figures:
    started = time.perf_counter()
    bake(Path(mkdtemp(dir=directory)))
    return {"seconds": time.perf_counter() - started}


def measure_new_service(run: Run, database: str, name: str) -> Figures:
    started = time.perf_counter()
    project = Project(Path(mkdtemp(dir=run.directory)), "--offline", database=database)
    command = ["run", "--offline", "pytest", "--quiet", *run.tests]
    project.run("uv", *command, *PYTEST_OPTIONS.get(name, []))
    return {"seconds": time.perf_counter() - started}


def measure_suite(run: Run, database: str, name: str) -> Figures:
    project = run.project(database="sqlite" if name == SQLITE else database)
    junit = Path(mkdtemp(dir=run.directory)) / "junit.xml"
    started = time.perf_counter()
    project.run("pytest", f"--junit-xml={junit}", *run.tests, *PYTEST_OPTIONS.get(name, []))
    elapsed = time.perf_counter() - started
    return {"seconds": elapsed, "test_ms": statistics.median(durations(junit)) * 1000}


def measure_template_tests(run: Run, tests: list[str], name: str) -> Figures:
    """Run tests of the template in two processes; return seconds per test, or of all tests."""
    junit = Path(mkdtemp(dir=run.directory)) / "junit.xml"
    command = [sys.executable, "-m", "pytest", "--quiet", f"--junit-xml={junit}", *tests]
    command += [*PYTEST_OPTIONS[name], "--dist=worksteal"]
    started = time.perf_counter()
    subprocess.run(command, check=True, cwd=TEMPLATE, stdout=subprocess.DEVNULL)
    elapsed = time.perf_counter() - started
    return {"seconds": elapsed / (len(durations(junit)) if tests else 1)}


def durations(junit: Path) -> list[float]:
    """Return the seconds of each test."""
    tree = ElementTree.parse(junit)  # noqa: S314 - pytest wrote the file
    return [float(test.attrib["time"]) for test in tree.iter("testcase")]
