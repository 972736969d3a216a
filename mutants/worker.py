"""Tests one mutant at a time in a copy of the service."""

import os
import shlex
import subprocess
from multiprocessing import Queue
from pathlib import Path

from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkResult

from demo import project_environment
from mutants import operators

TIMEOUT_SECONDS = 300  # each test has a shorter one; this is for mutants that end no import
PYTEST = ["-m", "pytest", "-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]


def check(project: Path, python: Path) -> None:
    """Raise `CalledProcessError` if the tests fail without a mutation."""
    subprocess.run([python, *PYTEST], check=True, cwd=project, env=project_environment())


def start(copies: "Queue[Path]") -> None:
    """Enter a copy; no variable of the shell configures the service."""
    os.chdir(copies.get())
    environment = project_environment()
    os.environ.clear()
    os.environ.update(environment)
    operators.register()


def test(mutation: MutationSpec, python: Path) -> WorkResult:
    for tests in (nearest(mutation.module_path), []):
        command = shlex.join([str(python), *PYTEST, *tests])
        result: WorkResult = mutate_and_test([mutation], command, TIMEOUT_SECONDS)
        if result.worker_outcome != WorkerOutcome.NORMAL:
            raise RuntimeError(f"cannot apply {mutation}:\n{result.output}")
        if result.test_outcome != TestOutcome.SURVIVED:
            break
    return result


def nearest(module: Path) -> list[str]:
    """Return the tests of a module, followed by those of its package: tests mirror the code."""
    *packages, name = module.parts[1:]
    directory = Path("tests", *packages)
    own = directory / f"test_{name}"
    found = [path for path in (own, directory) if path.exists() and path != Path("tests")]
    return [str(path) for path in found]
