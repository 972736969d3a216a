"""Sockets and event streams: connecting, what each costs in memory, and how fast events reach it."""

import json
import subprocess
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from benchmarks.load import LoadError
from benchmarks.rounds import Figures
from benchmarks.run import Run
from benchmarks.service import Project
from benchmarks.usage import TICK, cpu_seconds, resident_kib
from demo import Server

ROUNDS = 5  # of what takes many seconds
CLIENTS = (100, 1000, 5000)
CLIENTS_PER_USER = 10  # what the service allows, if nobody says otherwise
AUDIENCE = Path(__file__).with_name("audience.py")
# The clients answer no pings, and in the largest case take seconds to receive an event each.
SETTINGS = {"STUCK_PEER_SECONDS": "300", "WS_SEND_SECONDS": "60"}


def measure_realtime(run: Run) -> None:
    """Measure on fresh servers each: what connections have left would hide their memory."""
    project = run.project(database="sqlite")
    with project.database() as url:
        tokens = cycle(project.seed(url, users=max(CLIENTS) // CLIENTS_PER_USER))
        for clients in map(run.sized, CLIENTS):
            for kind in ("socket", "stream"):
                holders = list(islice(tokens, clients))
                measure = partial(one_process, project, url, kind, holders, run.seconds)
                run.compare(f"{kind}s", f"{clients} {kind}s", ("service", "bare"), measure, ROUNDS)


def measure_redis(run: Run) -> None:
    """Measure events that one process publishes and another one sends."""
    project = run.project(broker="redis")
    with project.database() as url, project.helper("valkey.py") as broker_url:
        tokens = cycle(project.seed(url, users=max(CLIENTS) // CLIENTS_PER_USER))
        for kind in ("socket", "stream"):
            holders = list(islice(tokens, run.sized(CLIENTS[1])))
            measure = partial(over_redis, project, url, broker_url, kind, holders, run.seconds)
            case = f"{len(holders)} {kind}s"
            run.compare("Redis", case, ("two processes", "one process"), measure, ROUNDS)


def one_process(
    project: Project, url: str, kind: str, tokens: list[str], seconds: float, name: str
) -> Figures:
    program = {"service": "publisher", "bare": "queues"}[name]
    with project.serve(program, url, **SETTINGS) as server:
        return received(project, kind, server, server, tokens, seconds)


def over_redis(
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
        return received(project, kind, server, publisher, tokens, seconds)


def received(
    project: Project,
    kind: str,
    server: Server,
    publisher: Server,
    tokens: list[str],
    seconds: float,
) -> Figures:
    """Let clients connect and receive; the memory is that of each client on the server."""
    pid = server.process.pid
    arguments = [kind, server.address, publisher.address, str(seconds)]
    command = [str(project.path / ".venv/bin/python"), str(AUDIENCE), *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, encoding="utf-8") as audience:
        try:
            memory = resident_kib(pid)
            connected = step(audience, json.dumps(tokens))
            memory = resident_kib(pid) - memory
            used = cpu_seconds(pid)
            burst = step(audience)
            used = cpu_seconds(pid) - used
            paced = step(audience)
        finally:
            audience.kill()
    rate = {"per_cpu_second": burst.pop("deliveries") / max(used, TICK)}
    return burst | rate | paced | connected | {"client_kib": memory / len(tokens)}


def step(audience: subprocess.Popen[str], line: str = "") -> Figures:
    """Have the audience take its next step; return the figures of it."""
    assert audience.stdin
    assert audience.stdout
    audience.stdin.write(f"{line}\n")
    audience.stdin.flush()
    answer = audience.stdout.readline()
    if not answer:
        raise LoadError("the clients have failed")
    figures: Figures = json.loads(answer)
    return figures
