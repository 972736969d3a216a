"""`nox -s bench`: measure a service against baselines on this machine, in this run."""

import argparse
import os
import platform
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.load import generator, load
from benchmarks.rounds import Figures, interleave
from benchmarks.service import Project, Rig

# What is asked for, and which baselines answer it too.
REQUESTS = {
    "GET /health/live": ("bare", "textbook"),
    "GET /auth/me": ("limit", "textbook"),
    "GET /posts/?limit=10": ("limit", "textbook"),
    "POST /posts/": ("limit", "textbook"),
}


def requests(rig: Rig, options: argparse.Namespace) -> dict[str, Any]:
    """Measure each request on the service and its baselines."""
    results = {}
    for request, baselines in REQUESTS.items():
        method, path = request.split()

        def measure(name: str, method: str = method, path: str = path) -> Figures:
            url = rig.addresses[name] + path
            return load(method, url, rig.token, connections=16, seconds=options.seconds)._asdict()

        results[request] = interleave(("service", *baselines), options.rounds, measure)
        print(row(request, results[request]), flush=True)
    return results


def row(request: str, measured: dict[str, Any]) -> str:
    rates = {name: figures["per_second"]["median"] for name, figures in measured.items()}
    p99 = measured["service"]["p99"]["median"]
    ratios = "  ".join(
        f"{rates['service'] / rates[name]:5.2f} of {name} {rates[name]:6.0f}"
        for name in rates
        if name != "service"
    )
    return f"  {request:22} {rates['service']:6.0f}/s  p99 {p99:5.1f} ms  {ratios}"


def machine() -> dict[str, object]:
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": models[0].partition(": ")[2] if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "load": generator(),
    }


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser("bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--database", choices=["sqlite", "postgresql"])
    options = parser.parse_args()
    options.rounds, options.seconds = (3, 1) if options.quick else (7, 2)
    return options


def main() -> None:
    options = parse()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        os.environ["TMPDIR"] = directory
        project = Project(Path(directory), database="sqlite")
        url = f"sqlite+aiosqlite:///{directory}/bench.db"
        with project.serve(url, project.seed(url, 10_000)) as rig:
            requests(rig, options)


if __name__ == "__main__":
    main()
