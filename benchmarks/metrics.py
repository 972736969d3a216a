"""What it costs that requests are counted: one process, under load, takes turns with and without.

Two processes of one program differ by more than that.
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

SIDES = ("counted", "uncounted")
REQUESTS = ("GET /health/live", "GET /auth/me", "GET /posts/?limit=10")
TURNS = 30  # of each side in a round
SECONDS = 0.2  # of a turn: of what comes and goes on a machine both sides get as much


def measure_metrics(run: Run) -> None:
    project = run.project(database=run.databases[0])
    with project.database() as url:
        (token,) = project.seed(url, posts=run.sized(10_000))
        with project.serve("switched", url) as server, httpx.Client(trust_env=False) as client:
            take_turn = partial(turned, client, f"{server.address}/turn", SECONDS * run.seconds)
            for request in filter(run.wants, REQUESTS):
                method, path = request.split()
                ask = partial(load, method, server.address + path, token, connections=16)
                with repeated(partial(ask, seconds=3 * run.seconds)):
                    run.compare("metrics", request, SIDES, take_turn, turns=TURNS)


@contextmanager
def repeated(ask: Callable[[], object]) -> Iterator[None]:
    ended = Event()

    def repeat() -> None:
        while not ended.is_set():
            ask()

    with ThreadPoolExecutor() as background:
        loading = background.submit(repeat)
        try:
            yield
        finally:
            ended.set()
        loading.result()


def turned(client: httpx.Client, url: str, seconds: float, side: str) -> Figures:
    before = client.get(f"{url}/{side}").json()
    time.sleep(seconds)  # the turn itself: the load goes on beside it
    after = client.get(f"{url}/{side}").json()
    requests, passed, used = (now - then for then, now in zip(before, after, strict=True))
    return {"per_second": requests / passed, "per_cpu_second": requests / used}
