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

PARALLEL = "--numprocesses=2"
# The second one takes over what the first has installed, as all but the first do in a whole run.
COMBINATIONS = ["tests/test_combinations.py", "-k", "combination and password and memory"]


def measure_developer(run: Run) -> None:
    """Measure baking, installing and testing, with a warm cache."""
    run.compare("developer", "bake", ["service"], partial(baked, run.directory))
    rounds = max(1, run.rounds // 2)  # of what takes many seconds
    for database in run.databases:
        project = run.project(database=database)
        measure = partial(green, run, database)
        names = (PARALLEL, "serial")
        run.compare("developer", f"bake to green, {database}", names, measure, rounds)
        measure = partial(suite, project, run)
        run.compare("developer", f"suite, {database}", names, measure, rounds)


def measure_template(run: Run) -> None:
    """Measure the tests of the template: one more combination of answers, and all."""
    run.compare("template", "one more combination", ["service"], partial(combination, run), 1)
    run.compare("template", "all tests", [PARALLEL], partial(meta_tests, run), 1)


def baked(directory: Path, _: str) -> Figures:
    began = time.perf_counter()
    bake(Path(mkdtemp(dir=directory)))
    return {"seconds": time.perf_counter() - began}


def green(run: Run, database: str, name: str) -> Figures:
    began = time.perf_counter()
    project = Project(Path(mkdtemp(dir=run.directory)), database=database)
    project.run("uv", "run", "pytest", "--quiet", *run.tests, *options(name))
    return {"seconds": time.perf_counter() - began}


def suite(project: Project, run: Run, name: str) -> Figures:
    began = time.perf_counter()
    junit = Path(mkdtemp(dir=run.directory)) / "junit.xml"
    project.run("pytest", f"--junit-xml={junit}", *run.tests, *options(name))
    taken = time.perf_counter() - began
    return {"seconds": taken, "test_ms": statistics.median(durations(junit)) * 1000}


def options(name: str) -> list[str]:
    return [] if name == "serial" else [name]


def combination(run: Run, _: str) -> Figures:
    return {"seconds": meta(run, *COMBINATIONS)[-1]}


def meta_tests(run: Run, name: str) -> Figures:
    began = time.perf_counter()
    meta(run, name, "--dist=worksteal")
    return {"seconds": time.perf_counter() - began}


def meta(run: Run, *arguments: str) -> list[float]:
    """Run tests of the template; return the seconds that each took."""
    junit = Path(mkdtemp(dir=run.directory)) / "junit.xml"
    command = [sys.executable, "-m", "pytest", "--quiet", f"--junit-xml={junit}", *arguments]
    subprocess.run(command, check=True, cwd=TEMPLATE, stdout=subprocess.DEVNULL)
    return durations(junit)


def durations(junit: Path) -> list[float]:
    tree = ElementTree.parse(junit)  # noqa: S314 - our own file
    return [float(test.attrib["time"]) for test in tree.iter("testcase")]
