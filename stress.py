"""`nox -s stress`: run the suites of services on a busy machine, and count what fails.

Each suite runs with several seeds of the order, in one and in two processes, and then each file of
tests alone. The suites must not depend on speed, order or free ports, so nothing may fail.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import uv

from demo import bake, exit_on_sigterm, project_environment

# Both databases with both kinds of authentication, and both brokers.
COMBINATIONS = [
    ("sqlite", "password", "memory"),
    ("postgresql", "oidc", "redis"),
    ("sqlite", "oidc", "redis"),
    ("postgresql", "password", "memory"),
]
PROCESSES = (0, 2)
MAX_SECONDS = 1800  # of one run


class Suite(NamedTuple):
    name: str
    project: Path
    output: Path

    def run(self, label: str, *options: str) -> list[str]:
        """Run pytest; return the tests that failed. Keep the output of a failure."""
        report = self.output / "report.xml"
        report.unlink(missing_ok=True)
        log = self.output / f"{self.name}-{label}.txt".replace(" ", "-").replace("/", "-")
        command = [uv.find_uv_bin(), "run", "--quiet", "--no-sync", "pytest", *options]
        with log.open("w", encoding="utf-8") as file:
            done = subprocess.run(
                [*command, f"--junitxml={report}"],
                check=False,
                cwd=self.project,
                env=project_environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=MAX_SECONDS,
            )
        failed = failed_tests(report) if report.exists() else []
        if done.returncode and not failed:
            failed = [f"pytest exited with {done.returncode}"]
        if not failed:
            log.unlink()
        print(f"{self.name}, {label}: {len(failed)} failed {log if failed else ''}", flush=True)
        return [f"{self.name}: {test}" for test in failed]


def failed_tests(report: Path) -> list[str]:
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314 - pytest has written it
    return sorted(
        f"{case.get('classname')}::{case.get('name')}"
        for case in cases
        if case.find("failure") is not None or case.find("error") is not None
    )


@contextmanager
def busy_machine(processes: int) -> Iterator[None]:
    """Keep so many processors busy."""
    with ExitStack() as stack:
        for _ in range(processes):
            busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
            stack.callback(busy.wait)
            stack.callback(busy.kill)
        yield


def install(directory: Path, answers: tuple[str, str, str]) -> Suite:
    """Bake and install a service."""
    choices = dict(zip(("database", "auth", "broker"), answers, strict=True))
    (directory / "-".join(answers)).mkdir()
    project = bake(directory / "-".join(answers), **choices)
    subprocess.run(
        [uv.find_uv_bin(), "sync", "--quiet", "--python", sys.executable],
        check=True,
        cwd=project,
        env=project_environment(),
    )
    return Suite(" ".join(answers), project, directory)


def runs(suite: Suite, seeds: int, *, alone: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield the label and the options of each run."""
    for processes in PROCESSES:
        for seed in range(1, seeds + 1):
            order = f"--randomly-seed={seed}"
            yield f"-n {processes} seed {seed}", [f"--numprocesses={processes}", order]
    for file in sorted(suite.project.glob("tests/**/test_*.py")) if alone else ():
        name = str(file.relative_to(suite.project))
        yield name, [name]


def report(failures: Counter[str], runs: int) -> str:
    """Return a table of what failed how often."""
    rows = [f"| {test} | {number} |" for test, number in failures.most_common()]
    if rows:
        rows[:0] = ["", "| test | failures |", "| --- | --- |"]
    heading = f"{sum(failures.values())} failures in {runs} runs of pytest"
    return "\n".join([heading, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(prog="nox -s stress --", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one service, two seeds, no files alone"
    )
    parser.add_argument("--seeds", type=int, default=10, help="orders of the tests (default: 10)")
    parser.add_argument("--busy", type=int, default=4, help="busy processes (default: 4)")
    parser.add_argument(
        "--only", default="", help='services whose options contain this, e.g. "oidc"'
    )
    parser.add_argument("paths", nargs="*", help="tests to run, e.g. tests/posts (default: all)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, exit_on_sigterm)
    seeds = 2 if options.quick else options.seeds
    chosen = [answers for answers in COMBINATIONS if options.only in " ".join(answers)]
    output = Path(tempfile.mkdtemp(prefix="stress-"))
    failures: Counter[str] = Counter()
    number = 0
    suites = [install(output, answers) for answers in chosen[: 1 if options.quick else None]]
    with busy_machine(options.busy):
        for suite in suites:
            for label, arguments in runs(suite, seeds, alone=not (options.quick or options.paths)):
                number += 1
                failures.update(suite.run(label, *arguments, *options.paths))
    print(report(failures, number))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
