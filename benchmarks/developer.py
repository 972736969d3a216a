"""What those who work on a service, or on the template, wait for."""

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

SERIAL, PARALLEL, ON_SQLITE = "serial", "parallel", "same on SQLite"
OPTIONS = {PARALLEL: ["--numprocesses=2"]}
ROUNDS = 3  # of what takes many seconds
COMBINATIONS = ["tests/test_combinations.py", "-k", "combination and password"]


def measure_developer(run: Run) -> None:
    """Measure baking, installing and testing, with a warm cache and without a network."""
    run.compare("developer", "bake", ["service"], partial(baked, run.directory))
    for database in run.databases:
        names = [PARALLEL, SERIAL]
        measure = partial(green, run, database)
        run.compare("developer", f"bake to green, {database}", names, measure, ROUNDS)
    for database in run.databases:
        names = [SERIAL, PARALLEL, *([ON_SQLITE] if database == "postgresql" else [])]
        measure = partial(suite, run, database)
        run.compare("developer", f"suite, {database}", names, measure, ROUNDS)


def measure_template(run: Run) -> None:
    """Measure the tests of the template: one more combination of answers, and all."""
    for case, tests in {"a combination of answers": COMBINATIONS, "all tests": []}.items():
        run.compare("template", case, [PARALLEL], partial(meta, run, tests), 1)


def baked(directory: Path, _: str) -> Figures:
    began = time.perf_counter()
    bake(Path(mkdtemp(dir=directory)))
    return {"seconds": time.perf_counter() - began}


def green(run: Run, database: str, name: str) -> Figures:
    began = time.perf_counter()
    project = Project(Path(mkdtemp(dir=run.directory)), "--offline", database=database)
    command = ["run", "--offline", "pytest", "--quiet", *run.tests, *OPTIONS.get(name, [])]
    project.run("uv", *command)
    return {"seconds": time.perf_counter() - began}


def suite(run: Run, database: str, name: str) -> Figures:
    project = run.project(database="sqlite" if name == ON_SQLITE else database)
    junit = Path(mkdtemp(dir=run.directory)) / "junit.xml"
    began = time.perf_counter()
    project.run("pytest", f"--junit-xml={junit}", *run.tests, *OPTIONS.get(name, []))
    taken = time.perf_counter() - began
    return {"seconds": taken, "test_ms": statistics.median(durations(junit)) * 1000}


def meta(run: Run, tests: list[str], name: str) -> Figures:
    """Run tests of the template, two at a time; return how long all took, or each combination."""
    junit = Path(mkdtemp(dir=run.directory)) / "junit.xml"
    command = [sys.executable, "-m", "pytest", "--quiet", f"--junit-xml={junit}", *tests]
    command += [*OPTIONS[name], "--dist=worksteal"]
    began = time.perf_counter()
    subprocess.run(command, check=True, cwd=TEMPLATE, stdout=subprocess.DEVNULL)
    taken = time.perf_counter() - began
    return {"seconds": taken / (len(durations(junit)) if tests else 1)}


def durations(junit: Path) -> list[float]:
    tree = ElementTree.parse(junit)  # noqa: S314 - our own file
    return [float(test.attrib["time"]) for test in tree.iter("testcase")]
