"""`nox -s bench`: benchmark a service against baselines on this machine."""

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.capacity import update
from benchmarks.compare import regressions
from benchmarks.developer import measure_developer, measure_template
from benchmarks.layers import measure_layers
from benchmarks.machine import describe
from benchmarks.metrics import measure_metrics
from benchmarks.plot import plot
from benchmarks.realtime import measure_realtime, measure_redis
from benchmarks.report import report
from benchmarks.requests import measure_requests, measure_rows
from benchmarks.run import Run
from benchmarks.scale import measure_scale
from benchmarks.start import measure_start
from demo import TEMPLATE, exit_on_sigterm

RESULTS = Path(__file__).parent / "results"
RECORD = TEMPLATE / "docs" / "benchmarks.json"  # benchmarks.md and .svg are written next to it
CAPACITY = TEMPLATE / "{{cookiecutter.project_slug}}" / "docs" / "capacity.md"
PARTS = {
    "requests": measure_requests,
    "rows": measure_rows,
    "layers": measure_layers,
    "metrics": measure_metrics,
    "realtime": measure_realtime,
    "redis": measure_redis,
    "start": measure_start,
    "developer": measure_developer,
    "scale": measure_scale,
    "template": measure_template,
}
OPTIONAL_PARTS = {"scale", "template"}  # run only when named, because each takes many minutes


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument(
        "--only", metavar="TEXT", action="append", help="run only cases whose name contains TEXT"
    )
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    parser.add_argument(
        "--compare", metavar="JSON", type=Path, help="fail on regressions since these results"
    )
    destination = parser.add_mutually_exclusive_group()
    destination.add_argument("--output", type=Path, default=RESULTS, help="directory of results")
    destination.add_argument("--record", action="store_true", help="write the results to docs/")
    parser.add_argument("--miniature", action="store_true", help="test the benchmark itself")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(unknown)}; use {', '.join(PARTS)}")
    options.databases = [options.database] if options.database else ["sqlite", "postgresql"]
    options.rounds = 3 if options.quick else 7
    options.output = RECORD.parent if options.record else options.output
    return options


def main() -> None:
    signal.signal(signal.SIGTERM, exit_on_sigterm)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # `&` in a shell ignores SIGINT
    options = parse()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # otherwise every server compiles its imports
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))  # servers inherit it
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        os.environ["TMPDIR"] = tempfile.tempdir = directory
        run = Run(Path(directory), options.databases, options.rounds, only=options.only or ())
        if options.miniature:
            tests = ("tests/test_health.py",)
            run = replace(run, rounds=1, seconds=0.1, scale=0.005, tests=tests)
        machine = describe([run.project(database=database) for database in run.databases])
        for part in options.parts or [part for part in PARTS if part not in OPTIONAL_PARTS]:
            PARTS[part](run)
            results = {"machine": machine, "sections": run.sections}
            write(options.output, results)
    print(report(results))
    if options.compare:
        before = json.loads(options.compare.read_text("utf-8"))
        sys.exit("\n".join(regressions(before["sections"], run.sections)) or 0)


def write(directory: Path, results: dict[str, Any]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / RECORD.name
    path.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    path.with_suffix(".md").write_text(report(results), "utf-8")
    path.with_suffix(".svg").write_text(plot(results["sections"]), "utf-8")
    if path == RECORD and "readers" in results["sections"]:
        page = update(CAPACITY.read_text("utf-8"), results["sections"])
        CAPACITY.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
