"""WebSockets and event streams: connecting, memory per client, throughput and delay of events."""

import json
import subprocess
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from benchmarks.load import LoadError
from benchmarks.rounds import Figures
from benchmarks.run import Run
from benchmarks.service import Project
from benchmarks.usage import CLOCK_TICK_SECONDS, cpu_seconds, resident_kib
from demo import Server

MAX_ROUNDS = 5  # because each takes many seconds
CLIENTS = (100, 1000, 5000)
CLIENTS_PER_USER = 10  # default limit of the service
SUBSCRIBERS = Path(__file__).with_name("subscribers.py")
# The clients do not respond to pings, and one event takes seconds to reach all 5000 of them.
SETTINGS = {"STUCK_PEER_SECONDS": "300", "WS_SEND_SECONDS": "60"}


def measure_realtime(run: Run) -> None:
    """Measure the service and the bare server, each on a new process for a comparable memory."""
    project = run.project(database="sqlite")
    with project.database() as url:
        tokens = cycle(project.seed(url, users=max(CLIENTS) // CLIENTS_PER_USER))
        for clients in map(run.scaled, CLIENTS):
            for kind in ("socket", "stream"):
                client_tokens = list(islice(tokens, clients))
                measure = partial(in_one_process, project, url, kind, client_tokens, run.seconds)
                case = f"{clients} {kind}s"
                run.compare(f"{kind}s", case, ("service", "bare"), measure, MAX_ROUNDS)


def measure_redis(run: Run) -> None:
    """Measure events that one process publishes and another process delivers, through Redis."""
    project = run.project(broker="redis")
    with project.database() as url, project.backend("valkey.py") as broker_url:
        tokens = cycle(project.seed(url, users=max(CLIENTS) // CLIENTS_PER_USER))
        for kind in ("socket", "stream"):
            client_tokens = list(islice(tokens, run.scaled(CLIENTS[1])))
            measure = partial(
                through_redis, project, url, broker_url, kind, client_tokens, run.seconds
            )
            case = f"{len(client_tokens)} {kind}s"
            run.compare("Redis", case, ("two processes", "one process"), measure, MAX_ROUNDS)


def in_one_process(
    project: Project, url: str, kind: str, tokens: list[str], seconds: float, name: str
) -> Figures:
    program = {"service": "publisher", "bare": "bare_realtime"}[name]
    with project.serve(program, url, **SETTINGS) as server:
        return deliver(project, kind, server, server, tokens, seconds)


def through_redis(
    project: Project,
    url: str,
    broker_url: str,
    kind: str,
    tokens: list[str],
    seconds: float,
    name: str,
) -> Figures:
    settings = SETTINGS | {"BROKER_URL": broker_url}
    with (
        project.serve("publisher", url, **settings) as server,
        project.serve("publisher", url, **settings) as other,
    ):
        publisher = other if name == "two processes" else server
        return deliver(project, kind, server, publisher, tokens, seconds)


def deliver(
    project: Project,
    kind: str,
    server: Server,
    publisher: Server,
    tokens: list[str],
    seconds: float,
) -> Figures:
    """Connect clients to the server and publish events; raise `LoadError` if a client fails.

    `client_kib` is the memory that the server uses per client.
    """
    pid = server.process.pid
    arguments = [kind, server.address, publisher.address, str(seconds)]
    command = [str(project.path / ".venv/bin/python"), str(SUBSCRIBERS), *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, encoding="utf-8") as subscribers:
        try:
            memory = resident_kib(pid)
            connected = run_step(subscribers, json.dumps(tokens))
            memory = resident_kib(pid) - memory
            used = cpu_seconds(pid)
            burst = run_step(subscribers)
            used = cpu_seconds(pid) - used
            paced = run_step(subscribers)
        finally:
            subscribers.kill()
    rate = {"per_cpu_second": burst.pop("deliveries") / max(used, CLOCK_TICK_SECONDS)}
    return burst | rate | paced | connected | {"client_kib": memory / len(tokens)}


def run_step(subscribers: subprocess.Popen[str], line: str = "") -> Figures:
    """Start the next step of subscribers.py; return its figures."""
    assert subscribers.stdin
    assert subscribers.stdout
    subscribers.stdin.write(f"{line}\n")
    subscribers.stdin.flush()
    output = subscribers.stdout.readline()
    if not output:
        raise LoadError("subscribers.py failed")
    figures: Figures = json.loads(output)
    return figures
