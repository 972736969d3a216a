"""What it costs that requests are counted: the service beside itself with nothing counted."""

from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from benchmarks.requests import requested
from benchmarks.run import Run

NAMES = ("counted", "uncounted")


def measure_metrics(run: Run) -> None:
    run = replace(run, rounds=3 * run.rounds)  # a small difference takes more of them
    project = run.project(database=run.databases[0])
    with project.database() as url, ExitStack() as stack:
        (token,) = project.seed(url)
        servers = {name: stack.enter_context(project.serve(name, url)) for name in NAMES}
        for request in ("GET /health/live", "GET /auth/me"):
            ask = partial(requested, servers, token, request, 16, run.seconds)
            run.compare("metrics", request, NAMES, ask)
