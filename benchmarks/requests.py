"""Requests over HTTP: how many a second, and what rows, connections and memory do to them."""

from contextlib import ExitStack
from functools import partial

from benchmarks.load import load
from benchmarks.rounds import Figures
from benchmarks.run import Run
from benchmarks.service import BASELINES
from benchmarks.usage import TICK, cpu_seconds, resident_kib
from demo import Server

POSTS = "GET /posts/?limit=10"
# What is asked for, and which baselines answer it too.
REQUESTS = {
    "GET /health/live": ("textbook", "bare"),
    "GET /auth/me": ("textbook", "limit"),
    POSTS: ("textbook", "limit"),
    "POST /posts/": ("textbook", "limit"),
}
ROWS = (1_000_000, 10_000, 10)
CONNECTIONS = (1, 16, 64, 256)


def measure_requests(run: Run) -> None:
    """Measure each request, and the memory before and after all of them."""
    for database in run.databases:
        project = run.project(database=database)
        with project.database() as url, ExitStack() as stack:
            (token,) = project.seed(url, posts=run.sized(10_000))
            names = ("service", *BASELINES)
            servers = {name: stack.enter_context(project.serve(name, url)) for name in names}
            memory = partial(remembered, servers)
            run.compare(f"memory, {database}", "at rest", names, memory)
            for request, baselines in REQUESTS.items():
                ask = partial(requested, servers, token, request, 16, run.seconds)
                run.compare(f"requests, {database}", request, ("service", *baselines), ask)
            for connections in map(run.sized, CONNECTIONS):
                seconds = max(run.seconds, connections / 64)  # or some are not answered at all
                ask = partial(requested, servers, token, POSTS, connections, seconds)
                case = f"{POSTS}, {connections} connections"
                run.compare(f"connections, {database}", case, ("service", *REQUESTS[POSTS]), ask)
            run.compare(f"memory, {database}", "after load", names, memory)


def measure_rows(run: Run) -> None:
    """Measure the service on databases of several sizes, the largest as ratio to the others."""
    for database in run.databases:
        project = run.project(database=database)
        with ExitStack() as stack:
            servers = {}
            for rows in map(run.sized, ROWS):
                url = stack.enter_context(project.database())
                (token,) = project.seed(url, posts=rows)
                servers[f"{rows} posts"] = stack.enter_context(project.serve("service", url))
            for request in (POSTS, f"{POSTS}&after=11", "POST /posts/"):
                ask = partial(requested, servers, token, request, 16, run.seconds)
                run.compare(f"rows, {database}", request, servers, ask)


def requested(
    servers: dict[str, Server],
    token: str,
    request: str,
    connections: int,
    seconds: float,
    name: str,
) -> Figures:
    method, path = request.split()
    url, pid = servers[name].address + path, servers[name].process.pid
    before = cpu_seconds(pid)
    figures = load(method, url, token, connections=connections, seconds=seconds)
    used = cpu_seconds(pid) - before
    measured = figures._asdict()
    return measured | {"per_cpu_second": measured.pop("requests") / max(used, TICK)}


def remembered(servers: dict[str, Server], name: str) -> Figures:
    return {"memory_mib": resident_kib(servers[name].process.pid) / 1024}
