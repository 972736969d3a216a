"""The cost of the metrics: one process under load alternates between recording and ignoring them.

The difference between two processes of the same program would be larger than that cost.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Event

import httpx

from benchmarks.load import load
from benchmarks.rounds import Figures
from benchmarks.run import Run

MODES = ("with metrics", "without metrics")
REQUESTS = ("GET /health/live", "GET /auth/me", "GET /posts/?limit=10")
TURNS_PER_ROUND = 30  # of each mode
TURN_SECONDS = 0.2  # short, so that other activity on the machine affects both modes alike


def measure_metrics(run: Run) -> None:
    project = run.project(database=run.databases[0])
    with project.database() as url:
        (token,) = project.seed(url, posts=run.scaled(10_000))
        with (
            project.serve("metrics_switch", url) as server,
            httpx.Client(trust_env=False) as client,
        ):
            measure = partial(
                measure_turn, client, f"{server.address}/mode", TURN_SECONDS * run.seconds
            )
            for request in filter(run.includes, REQUESTS):
                method, path = request.split()
                send = partial(load, method, server.address + path, token, connections=16)
                with repeating(partial(send, seconds=3 * run.seconds)):
                    run.compare("metrics", request, MODES, measure, turns=TURNS_PER_ROUND)


@contextmanager
def repeating(function: Callable[[], object]) -> Iterator[None]:
    """Call a function again and again, in a thread, until the block ends."""
    ended = Event()

    def repeat() -> None:
        while not ended.is_set():
            function()

    with ThreadPoolExecutor() as background:
        future = background.submit(repeat)
        try:
            yield
        finally:
            ended.set()
        future.result()


def measure_turn(client: httpx.Client, url: str, seconds: float, mode: str) -> Figures:
    before = client.get(f"{url}/{mode}").json()
    time.sleep(seconds)  # meanwhile the load continues in its thread
    after = client.get(f"{url}/{mode}").json()
    requests, elapsed, used = (new - old for old, new in zip(before, after, strict=True))
    return {"per_second": requests / elapsed, "per_cpu_second": requests / used}
