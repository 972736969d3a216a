"""`nox -s bench`: measure a service against baselines on this machine, in this run."""

import argparse
import json
import os
import resource
import signal
import tempfile
from pathlib import Path

from benchmarks.developer import measure_developer, measure_template
from benchmarks.machine import describe
from benchmarks.metrics import measure_metrics
from benchmarks.plot import plot
from benchmarks.realtime import measure_realtime, measure_redis
from benchmarks.report import report
from benchmarks.requests import measure_requests, measure_rows
from benchmarks.run import Run
from benchmarks.start import measure_start
from demo import end

RESULTS = Path(__file__).parent / "results"
PARTS = {
    "requests": measure_requests,
    "rows": measure_rows,
    "metrics": measure_metrics,
    "realtime": measure_realtime,
    "redis": measure_redis,
    "start": measure_start,
    "developer": measure_developer,
    "template": measure_template,
}
LONG = {"template"}  # which takes as long as all others: measured when named


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--only", metavar="TEXT", default="", help="cases that hold this text")
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    parser.add_argument("--output", type=Path, default=RESULTS, help="directory of the results")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    return options


def main() -> None:
    signal.signal(signal.SIGTERM, end)
    options = parse()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # or each server compiles all its imports
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the servers inherit it
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        os.environ["TMPDIR"] = tempfile.tempdir = directory
        run = Run(
            Path(directory),
            [options.database] if options.database else ["sqlite", "postgresql"],
            rounds=3 if options.quick else 7,
            only=options.only,
        )
        machine = describe([run.project(database=database) for database in run.databases])
        for part in options.parts or [part for part in PARTS if part not in LONG]:
            PARTS[part](run)
            results = {"machine": machine, "sections": run.sections}
            write(options.output, {"results.json": json.dumps(results, indent=1) + "\n"})
    write(options.output, {"tables.md": report(results), "requests.svg": plot(run.sections)})
    print(report(results))


def write(directory: Path, files: dict[str, str]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
