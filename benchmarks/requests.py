"""HTTP requests: rates, the influence of rows and connections, and memory."""

from contextlib import ExitStack
from functools import partial

from benchmarks.load import load
from benchmarks.rounds import Figures
from benchmarks.run import Run
from benchmarks.service import BASELINES
from benchmarks.usage import CLOCK_TICK_SECONDS, cpu_seconds, resident_kib
from demo import Server

POSTS = "GET /posts/?limit=10"
# The requests, and the baselines that have the same route.
REQUESTS = {
    "GET /health/live": ("textbook", "bare"),
    "GET /auth/me": ("textbook", "limit"),
    POSTS: ("textbook", "limit"),
    "POST /posts/": ("textbook", "limit"),
}
CONNECTIONS = 16
CONNECTION_COUNTS = (1, 16, 64, 256)
# The rows of a table, and the requests that may depend on their number.
ROW_COUNTS = {"posts": (1_000_000, 10_000, 10), "users": (1_000_000, 1000)}
ROW_REQUESTS = {"posts": (POSTS, f"{POSTS}&after=11", "POST /posts/"), "users": ("GET /auth/me",)}


def measure_requests(run: Run) -> None:
    """Measure each request, and the memory before and after all of them."""
    for database in run.databases:
        project = run.project(database=database)
        with project.database() as url, ExitStack() as stack:
            (token,) = project.seed(url, posts=run.scaled(10_000))
            names = ("service", *BASELINES)
            servers = {name: stack.enter_context(project.serve(name, url)) for name in names}
            memory = partial(measure_memory, servers)
            run.compare(f"memory, {database}", "at rest", names, memory)
            for request, baselines in REQUESTS.items():
                rate = partial(measure_rate, servers, token, request, CONNECTIONS, run.seconds)
                run.compare(f"requests, {database}", request, ("service", *baselines), rate)
            for connections in map(run.scaled, CONNECTION_COUNTS):
                seconds = max(run.seconds, connections / 64)  # so that every connection is served
                rate = partial(measure_rate, servers, token, POSTS, connections, seconds)
                case = f"{POSTS}, {connections} connections"
                run.compare(f"connections, {database}", case, ("service", *REQUESTS[POSTS]), rate)
            run.compare(f"memory, {database}", "after load", names, memory)


def measure_rows(run: Run) -> None:
    """Measure the service on databases of several sizes; ratios compare the largest to others."""
    for database in run.databases:
        project = run.project(database=database)
        for table, counts in ROW_COUNTS.items():
            with ExitStack() as stack:
                servers = {}
                for rows in map(run.scaled, counts):
                    url = stack.enter_context(project.database())
                    (token,) = project.seed(url, tokens=1, **{table: rows})
                    servers[f"{rows} {table}"] = stack.enter_context(project.serve("service", url))
                for request in ROW_REQUESTS[table]:
                    rate = partial(measure_rate, servers, token, request, CONNECTIONS, run.seconds)
                    run.compare(f"rows of {table}, {database}", request, servers, rate)


def measure_rate(
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
    figures = load(method, url, token, connections=connections, seconds=seconds)._asdict()
    used = max(cpu_seconds(pid) - before, CLOCK_TICK_SECONDS)
    return figures | {"per_cpu_second": figures.pop("requests") / used}


def measure_memory(servers: dict[str, Server], name: str) -> Figures:
    return {"memory_mib": resident_kib(servers[name].process.pid) / 1024}
