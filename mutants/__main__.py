"""`nox -s mutants`: mutate a service, and report the mutants that no test kills.

A mutant first meets the tests of its package, then all tests. An interrupted run is continued by the
same command, in which survivors of earlier runs meet the tests again.
"""

import argparse
import contextlib
import hashlib
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from cosmic_ray.commands.init import init
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkItem

from benchmarks.service import Project
from demo import TEMPLATE, exit_on_sigterm
from mutants import operators
from mutants.report import report
from mutants.worker import check, start, test

RESULTS = Path(__file__).parent / "results"
RECORD = TEMPLATE / "docs" / "mutants.md"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("mutants", description=__doc__)
    parser.add_argument("paths", nargs="*", default=["app"], help="default: app")
    parser.add_argument("--sample", type=int, metavar="N", help="test only N mutants, at random")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--record", action="store_true", help=f"write docs/{RECORD.name}")
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--auth", choices=["password", "oidc"], default="password")
    parser.add_argument("--broker", choices=["memory", "redis"], default="memory")
    return parser.parse_args()


def main() -> None:
    signal.signal(signal.SIGTERM, exit_on_sigterm)
    options = parse()
    operators.register()
    answers = {name: getattr(options, name) for name in ("database", "auth", "broker")}
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        project = Project(Path(directory), "--compile-bytecode", **answers).path
        session = RESULTS / f"{'-'.join(answers.values())}-{digest(project)}.sqlite"
        session.parent.mkdir(exist_ok=True)
        with contextlib.chdir(project), use_db(session) as results:
            if not results.num_work_items:
                init(sorted(modules(project)), results, {})
            items = chosen(results, options.paths, options.sample, options.seed)
            run(project, items, results, options.processes)
            text = report(answers, items, results)
    print(text)
    if options.record:
        RECORD.write_text(text, "utf-8")


def modules(project: Path) -> Iterator[Path]:
    """Yield the files that may be mutated, relative to the service."""
    for path in [*project.glob("app/**/*.py"), project / "tests" / "conftest.py"]:
        yield path.relative_to(project)


def digest(project: Path) -> str:
    """Return a digest of the mutated files: results are valid until one of them changes."""
    content = b"".join((project / module).read_bytes() for module in sorted(modules(project)))
    return hashlib.sha256(content).hexdigest()[:12]


def chosen(results: WorkDB, paths: list[str], sample: int | None, seed: int) -> list[WorkItem]:
    def position(item: WorkItem) -> tuple[str, tuple[int, int], str, int]:
        (mutation,) = item.mutations
        module = mutation.module_path.as_posix()
        return module, mutation.start_pos, mutation.operator_name, mutation.occurrence

    items = [
        item
        for item in results.work_items
        if operators.CHOSEN.match(item.mutations[0].operator_name)
        and any(item.mutations[0].module_path.is_relative_to(path) for path in paths)
    ]
    items.sort(key=position)  # job ids are random
    random.Random(seed).shuffle(items)  # noqa: S311 - not a secret; a larger sample has the smaller
    return sorted(items[:sample], key=position)


def run(project: Path, items: list[WorkItem], results: WorkDB, processes: int) -> None:
    """Test the mutants that have not been killed, each process in a copy of the service."""
    killed = {job for job, result in results.results if result.test_outcome == TestOutcome.KILLED}
    pending = [item for item in items if item.job_id not in killed]
    spawn = get_context("spawn")
    copies = spawn.Queue()
    for number in range(processes):
        copy = project.parent / str(number) / project.name
        copies.put(shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".venv")))
    python = project / ".venv" / "bin" / "python"
    check(project, python)
    with ProcessPoolExecutor(processes, spawn, initializer=start, initargs=(copies,)) as pool:
        futures = {pool.submit(test, item.mutations[0], python): item for item in pending}
        for number, future in enumerate(as_completed(futures), 1):
            results.set_result(futures[future].job_id, future.result())
            print(f"\r{number}/{len(pending)}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
