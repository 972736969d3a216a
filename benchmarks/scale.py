"""Several processes behind nginx, sockets at rest, a loss of all connections, and the model."""

import math
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from benchmarks.capacity import MAX_SOCKETS, Model
from benchmarks.load import LoadError, load
from benchmarks.realtime import deliver
from benchmarks.requests import CONNECTIONS, POSTS
from benchmarks.rounds import Figures
from benchmarks.run import Run
from benchmarks.service import SERVERS, Project
from benchmarks.subscribing import PATIENT, Subscribers, subscribers
from benchmarks.usage import cpu_seconds, resident_kib
from demo import Server
from nginx import Nginx

MAX_ROUNDS = 2  # because each takes up to a minute
PROCESS_COUNTS = (1, 2, 4)
CLIENTS = 1000
CLIENTS_PER_USER = 5  # half of the limit: after a loss, a process may still hold old sockets
RESTING = (1000, 5000, 20_000)
REST_SECONDS = 20
LOST, MISSED = 5000, 20
"""Sockets that lose their connection, and events that are published meanwhile."""
PROBE_SECONDS = 0.02  # between two requests that compete with the sockets
LOAD_SECONDS = 10
# Sockets and events per second: the model is fitted to the first five and predicts the others.
FITTED = ((0, 0), (5000, 0), (1, 100), (500, 40), (5000, 2))
PREDICTED = ((1000, 20), (2000, 4), (8000, 1))
READERS = (1, 10, 100)
READ_EVENTS = 300


@dataclass(frozen=True)
class Stack:
    """A database, Redis, and the service on both."""

    project: Project
    database: str
    broker: str
    tokens: list[str]

    @contextmanager
    def serve(self, processes: int, **settings: str) -> Iterator[list[Server]]:
        """Run processes of the service, each with its own port."""
        with ExitStack() as stack:
            settings = {"BROKER_URL": self.broker} | settings
            serve = partial(self.project.serve, "publisher", self.database, **settings)
            yield [stack.enter_context(serve()) for _ in range(processes)]

    def some_tokens(self, count: int) -> list[str]:
        """Return tokens for so many connections, with `CLIENTS_PER_USER` of each user."""
        return list(islice(cycle(self.tokens), count))


def measure_scale(run: Run) -> None:
    project = run.project(database="postgresql", broker="redis")
    users = run.scaled(RESTING[-1] // CLIENTS_PER_USER)
    with project.database() as database, project.backend("broker.py") as broker:
        tokens = project.seed(database, posts=run.scaled(10_000), users=users)
        stack = Stack(project, database, broker, tokens)
        measure_processes(run, stack)
        measure_rest(run, stack)
        measure_storm(run, stack)
        measure_model(run, stack)
        measure_readers(run, stack)


def measure_processes(run: Run, stack: Stack) -> None:
    """Measure requests and deliveries of several processes, divided by those of one process."""
    for count in PROCESS_COUNTS:
        case = process_count(count)
        measure = partial(in_processes, stack, run.scaled(CLIENTS), run.seconds)
        names = dict.fromkeys([case, process_count(1)])
        run.compare("processes behind nginx", case, names, measure, MAX_ROUNDS)


def process_count(count: int) -> str:
    return f"{count} {'process' if count == 1 else 'processes'}"


@contextmanager
def proxied(project: Project, servers: list[Server]) -> Iterator[str]:
    """Run nginx in front of the servers; yield its address."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        raise LoadError("nginx is missing; install it, e.g. with `apt-get install nginx-light`")
    config = (project.path / "deploy" / "nginx.conf").read_text("utf-8")
    hosts = [server.address.removeprefix("http://") for server in servers]
    with TemporaryDirectory(dir=project.path) as directory:
        nginx = Nginx(program, Path(directory), config, hosts)
        with nginx.running():
            yield nginx.address


def in_processes(stack: Stack, clients: int, seconds: float, name: str) -> Figures:
    with (
        stack.serve(int(name.split()[0]), **PATIENT) as servers,
        proxied(stack.project, servers) as address,
    ):
        tokens = stack.some_tokens(clients)
        figures = deliver(stack.project, "socket", servers, servers[0], tokens, seconds, address)
        method, path = POSTS.split()
        requests = load(method, address + path, tokens[0], connections=CONNECTIONS, seconds=seconds)
    del figures["connects_per_second"]  # by the clients, which take turns with the processes
    return figures | {"requests_per_second": requests.per_second}


def measure_rest(run: Run, stack: Stack) -> None:
    """Measure what sockets cost while nothing happens, with and without pings."""
    for sockets in map(run.scaled, RESTING):
        processes = math.ceil(sockets / run.scaled(MAX_SOCKETS))
        measure = partial(at_rest, stack, sockets, processes, REST_SECONDS * run.seconds)
        case = f"{sockets} sockets, {process_count(processes)}"
        names = ["with pings", "without pings"]
        if processes > 1:
            names.pop()  # pings cost as much as in one process
        run.compare("sockets at rest", case, names, measure, MAX_ROUNDS)


def at_rest(stack: Stack, sockets: int, processes: int, seconds: float, name: str) -> Figures:
    settings = PATIENT if name == "without pings" else {}
    with stack.serve(processes, **settings) as servers, ExitStack() as connected:
        pids = [server.process.pid for server in servers]
        memory = sum(map(resident_kib, pids))
        for server in servers:  # clients of their own, because a process may open few files
            arguments = (stack.project, "socket", [server.address], server)
            clients = connected.enter_context(subscribers(*arguments))
            clients.run("connect", stack.some_tokens(sockets // processes))
        memory = sum(map(resident_kib, pids)) - memory
        used = sum(map(cpu_seconds, pids))
        time.sleep(seconds)  # the period that is measured; meanwhile the clients respond to pings
        used = sum(map(cpu_seconds, pids)) - used
    return {"rest_us": used / seconds / sockets * 1e6, "client_kib": memory / sockets}


def measure_storm(run: Run, stack: Stack) -> None:
    """Measure how soon all sockets have come back, and what other requests feel meanwhile."""
    sockets = run.scaled(LOST)
    for processes in PROCESS_COUNTS[:2]:
        name = process_count(processes)
        measure = partial(storm, stack, sockets, processes)
        run.compare("reconnects", f"{sockets} sockets, {name}", [name], measure, MAX_ROUNDS)


def storm(stack: Stack, sockets: int, processes: int, _: str) -> Figures:
    with stack.serve(processes) as servers:
        addresses = [server.address for server in servers]
        with (
            subscribers(stack.project, "socket", addresses, servers[0]) as clients,
            ThreadPoolExecutor(1) as thread,
        ):
            clients.run("connect", stack.some_tokens(sockets))
            before = probe(addresses[0], thread, clients, "rest", 1)
            meanwhile = probe(addresses[0], thread, clients, "storm", MISSED)
    return meanwhile | {"p99_before": before["others_p99"]}


def probe(
    address: str, thread: ThreadPoolExecutor, clients: Subscribers, step: str, argument: float
) -> Figures:
    """Run a step of the clients, and send other requests until it ends."""
    delays: list[float] = []
    ended = thread.submit(clients.run, step, argument)
    with httpx.Client(trust_env=False, timeout=60) as client:
        while not ended.done() or len(delays) < 2:
            started = time.perf_counter()
            client.get(f"{address}/health/live").raise_for_status()
            delays.append((time.perf_counter() - started) * 1000)
            time.sleep(PROBE_SECONDS)  # a steady rate; without a pause the probe is itself a load
    delays.sort()
    percentile = delays[len(delays) * 99 // 100]
    return ended.result() | {"others_p99": percentile, "others_max": delays[-1]}


def measure_model(run: Run, stack: Stack) -> None:
    """Fit the model of `docs/capacity.md` to some loads, and predict others with it."""
    if not run.includes("events per second"):
        return
    loads = [(run.scaled(sockets), rate) for sockets, rate in FITTED]
    shares = [consumed(stack, *load, LOAD_SECONDS * run.seconds) for load in loads]
    model = Model.fit(loads, shares)
    run.sections.update(model.sections())
    for sockets, rate in PREDICTED:
        sockets = run.scaled(sockets)
        prediction = model.share(sockets, rate)
        measure = partial(
            predicted_or_measured, stack, sockets, rate, LOAD_SECONDS * run.seconds, prediction
        )
        case = f"{sockets} sockets, {rate} events per second"
        run.compare("prediction", case, ("measured", "predicted"), measure, MAX_ROUNDS)


def predicted_or_measured(
    stack: Stack, sockets: int, rate: int, seconds: float, prediction: float, name: str
) -> Figures:
    share = prediction if name == "predicted" else consumed(stack, sockets, rate, seconds)
    return {"load_percent": share * 100}


def consumed(stack: Stack, sockets: int, rate: int, seconds: float) -> float:
    """Return the share of a core that a process uses for the events of another process."""
    with (
        stack.serve(2) as (server, publisher),
        subscribers(stack.project, "socket", [server.address], publisher) as clients,
    ):
        clients.run("connect", stack.some_tokens(sockets))
        used, started = cpu_seconds(server.process.pid), time.perf_counter()
        if rate:
            clients.run("pace", max(2, round(rate * seconds)), 1 / rate)
        else:
            clients.run("rest", seconds)
        used = cpu_seconds(server.process.pid) - used
        return used / (time.perf_counter() - started)


def measure_readers(run: Run, stack: Stack) -> None:
    """Measure what each event costs Redis and each process that reads the stream."""
    for readers in map(run.scaled, READERS):
        measure = partial(read_stream, stack, readers, run.scaled(READ_EVENTS))
        case = f"{readers} readers of one stream"
        run.compare("readers", case, [case], measure, MAX_ROUNDS)


def read_stream(stack: Stack, readers: int, events: int, _: str) -> Figures:
    command = [str(SERVERS / "readers.py"), stack.broker, str(readers), str(events)]
    output = stack.project.run(
        "python", *command, DATABASE_URL=stack.database, PYTHONPATH=str(stack.project.path)
    )
    names = ("reader_us", "redis_us", "p99")
    return dict(zip(names, map(float, output.split()), strict=True))
