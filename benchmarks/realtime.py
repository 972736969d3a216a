"""WebSockets and event streams: connecting, memory per client, throughput and delay of events."""

from functools import partial
from itertools import cycle, islice

from benchmarks.rounds import Figures
from benchmarks.run import Run
from benchmarks.service import Project
from benchmarks.subscribing import PATIENT, subscribers
from benchmarks.usage import CLOCK_TICK_SECONDS, cpu_seconds, resident_kib
from demo import Server

MAX_ROUNDS = 5  # because each takes many seconds
CLIENTS = (100, 1000, 5000)
CLIENTS_PER_USER = 10  # default limit of the service
DELIVERIES_PER_SECOND = 20_000  # the moderate rate, over all clients
MIN_INTERVAL_SECONDS = 0.05  # between two events at the moderate rate


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
    with project.database() as url, project.backend("broker.py") as broker_url:
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
    with project.serve(program, url, **PATIENT) as server:
        return deliver(project, kind, [server], server, tokens, seconds)


def through_redis(
    project: Project,
    url: str,
    broker_url: str,
    kind: str,
    tokens: list[str],
    seconds: float,
    name: str,
) -> Figures:
    settings = PATIENT | {"BROKER_URL": broker_url}
    with (
        project.serve("publisher", url, **settings) as server,
        project.serve("publisher", url, **settings) as other,
    ):
        publisher = other if name == "two processes" else server
        return deliver(project, kind, [server], publisher, tokens, seconds)


def deliver(
    project: Project,
    kind: str,
    servers: list[Server],
    publisher: Server,
    tokens: list[str],
    seconds: float,
    address: str = "",
) -> Figures:
    """Connect clients to the servers, or to a proxy's address, and publish events.

    `client_kib` is the memory that the servers use per client.
    """
    pids = [server.process.pid for server in servers]
    addresses = [address] if address else [server.address for server in servers]
    with subscribers(project, kind, addresses, publisher) as clients:
        memory = sum(map(resident_kib, pids))
        connected = clients.run("connect", tokens)
        memory = sum(map(resident_kib, pids)) - memory
        used = sum(map(cpu_seconds, pids))
        burst = clients.run("burst", seconds)
        used = sum(map(cpu_seconds, pids)) - used
        every = max(MIN_INTERVAL_SECONDS, len(tokens) / DELIVERIES_PER_SECOND)
        paced = clients.run("pace", max(2, int(seconds / every)), every)
    rate = {"per_cpu_second": burst.pop("deliveries") / max(used, CLOCK_TICK_SECONDS)}
    return burst | rate | paced | connected | {"client_kib": memory / len(tokens)}
