"""Attacks on a service over HTTP, directly and through nginx with the service's configuration."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attacks import http as attacks
from attacks.http import HANDSHAKE, Figures, exchange
from attacks.target import Target
from commands import system_program, uv_run

import demo
from nginx import Nginx

pytestmark = pytest.mark.installs

MAX_MEMORY_MB = 20  # a client may cost; without bounds, each of these attacks costs more
FORWARDED = {"X_Forwarded_For": "198.51.100.1, 203.0.113.9", "X_Forwarded_Proto": "https"}
# As `ulimit -n 256`; the log goes to the first argument.
SERVE = """
import os, resource, runpy, sys
log = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
os.dup2(log, 1)
if limit := int(sys.argv.pop(1)):
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
runpy.run_module("app", run_name="__main__")
"""


class Service:
    def __init__(self, server: demo.Server, port: int, log: Path) -> None:
        self.port = port
        self.direct = Target(server.address, server.process.pid)
        self._log = log

    def log(self) -> list[dict[str, object]]:
        complete = self._log.read_text("utf-8").rpartition("\n")[0]
        return [json.loads(line) for line in complete.splitlines()]

    @contextmanager
    def behind_nginx(self, directory: Path, config: str) -> Iterator[Target]:
        """Run nginx with a configuration; only addresses are replaced."""
        program = system_program("nginx", "nginx-light")
        nginx = Nginx(program, directory, config, [f"127.0.0.1:{self.port}"])
        with nginx.running():
            yield Target(nginx.address, self.direct.pid)


@contextmanager
def running(project: Path, directory: Path, files: int = 0, **settings: str) -> Iterator[Service]:
    """Run a service whose clients must send within two seconds."""
    port, log = demo.free_port(), directory / "log"
    settings |= {"DATABASE_URL": f"sqlite+aiosqlite:///{directory}/service.db", "PORT": str(port)}
    settings |= {"STUCK_PEER_SECONDS": "2", "LOG_FORMAT": "json"}
    uv_run(project, "alembic", "upgrade", "head", **settings)
    command = ["-c", SERVE, str(log), str(files)]
    with demo.running(command, project, port, **settings) as server:
        yield Service(server, port, log)


@pytest.fixture(scope="module")
def attacked(service: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(service, tmp_path_factory.mktemp("attacked")) as attacked:
        yield attacked


@pytest.fixture(scope="module")
def config(service: Path) -> str:
    return (service / "deploy" / "nginx.conf").read_text("utf-8")


@pytest.fixture(scope="module")
def proxied(
    attacked: Service, config: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    with attacked.behind_nginx(tmp_path_factory.mktemp("nginx"), config) as target:
        yield target


@pytest.fixture(params=["directly", "through nginx"])
def target(attacked: Service, proxied: Target, request: pytest.FixtureRequest) -> Target:
    return proxied if request.param == "through nginx" else attacked.direct


def test_no_request_is_smuggled_into_those_of_another_user(target: Target) -> None:
    assert attacks.smuggled_deletions(target) == {"tries": 7, "deleted": 0}


def test_request_with_an_upgrade_gets_one_response(target: Target) -> None:
    figures = attacks.upgrades(target)
    handshake = figures.pop("GET /health/live websocket")  # a handshake has no body
    assert handshake in ([400], [200])  # nginx drops the upgrade
    for name, statuses in figures.items():
        expected = {"POST": 422, "GET": 200, "OPTIONS": 405}[name.split()[0]]
        assert statuses == [expected], name


def test_handshake_always_gets_a_response(target: Target) -> None:
    figures = attacks.handshakes(target)
    assert figures.pop("20 KiB") in ([400], [431])  # 400 is from nginx
    assert figures == {
        "ordinary": [101],
        "with a body": [400],
        "500 headers": [431],
        "POST": [422],
    }


@pytest.mark.parametrize(
    ("attack", "status"),
    [
        (attacks.pipelined_requests, 200),
        (attacks.pipelined_bodies, 422),
        (attacks.many_headers, 431),
        (attacks.long_header, 431),
        (attacks.long_request_line, 431),
        (attacks.many_trailers, 431),
        (attacks.long_chunk_extension, 431),
        (attacks.blank_lines, 431),
    ],
)
def test_endless_input_takes_little_memory(
    attack: Callable[[Target], Figures], status: int, attacked: Service
) -> None:
    figures = attack(attacked.direct)
    assert isinstance(figures["memory MB"], float)
    assert figures["memory MB"] < MAX_MEMORY_MB
    assert figures["status"] == status
    assert figures["closed"]


def test_headers_of_16_kib_are_accepted_and_larger_ones_refused(target: Target) -> None:
    figures = attacks.header_limits(target)
    assert figures.pop("20 KiB") in (400, 431)  # 400 is from nginx
    assert figures.pop("500 headers") == 431
    assert set(figures.values()) == {200}


def test_path_with_a_control_character_is_no_other_name_of_a_route(target: Target) -> None:
    assert set(attacks.control_characters(target).values()) <= {400, 404}


@pytest.mark.parametrize("path", ["/metrics", "/api/metrics", "//metrics", "/./metrics"])
def test_nginx_hides_metrics(path: str, attacked: Service, proxied: Target) -> None:
    assert attacked.direct.request("GET", "/metrics").status == 200
    assert proxied.request("GET", path).status == 404


def test_connection_that_waits_for_its_client_is_closed(attacked: Service) -> None:
    figures = attacks.unfinished_requests(attacked.direct)
    print(figures)
    assert all(figures.values())


def test_idle_clients_do_not_shut_out_others_and_are_logged_once(
    service: Path, directory: Path
) -> None:
    with running(service, directory, files=256) as limited:
        figures = attacks.idle_clients(limited.direct)
        warnings = [line for line in limited.log() if line["level"] == "warning"]
    print(figures)
    assert figures["status"] == 200
    assert len(warnings) == 1
    assert "ulimit -n" in str(warnings[0]["event"])


def redirect(service: Service, proxied: Target, **headers: str) -> tuple[str, object]:
    """Return the scheme of a redirect, and the client in the log line of its request."""
    request_id = f"request-{time.time_ns()}"
    response = proxied.request("GET", "/posts", X_Request_ID=request_id, **headers)
    lines: list[dict[str, object]] = []
    deadline = time.monotonic() + 20
    while not lines:  # the line is written after the response
        assert time.monotonic() < deadline
        lines = [line for line in service.log() if line.get("request_id") == request_id]
    return response.headers["location"].partition(":")[0], lines[0]["client"]


def test_nginx_replaces_addresses_that_clients_forge(attacked: Service, proxied: Target) -> None:
    assert redirect(attacked, proxied, **FORWARDED) == ("http", "127.0.0.1")


def test_nginx_believes_a_trusted_terminator(
    attacked: Service, config: str, directory: Path
) -> None:
    setting = "set_real_ip_from 10.0.0.0/8;"
    assert config.count(setting) == 1
    trusting = config.replace(setting, "set_real_ip_from 127.0.0.0/8;")
    with attacked.behind_nginx(directory, trusting) as proxied:
        assert redirect(attacked, proxied, **FORWARDED) == ("https", "203.0.113.9")
        assert redirect(attacked, proxied) == ("http", "127.0.0.1")


@pytest.mark.parametrize("prefix", ["/api", ""])
def test_service_works_below_a_path_prefix(
    prefix: str, service: Path, config: str, directory: Path
) -> None:
    """The proxy in front of nginx has removed the prefix, or nginx does."""
    line = "# location /api/ {"
    assert config.count(line) == 1
    if prefix:
        config = config.replace(line, "location /api/ {")
    with (
        running(service, directory, ROOT_PATH="/api", PLAYGROUND="true") as prefixed,
        prefixed.behind_nginx(directory, config) as target,
    ):
        redirect = target.request("GET", f"{prefix}/posts")
        schema = target.request("GET", f"{prefix}/openapi.json").body
        handshake = HANDSHAKE.replace(b"/ws/echo", f"{prefix}/ws/echo".encode()) + b"\r\n"

        assert redirect.headers["location"].endswith("/api/posts/")
        assert b'"tokenUrl":"/api/auth/token"' in schema
        assert b"/api/openapi.json" in target.request("GET", f"{prefix}/docs").body
        assert target.request("GET", f"{prefix}/playground/page.js").status == 200
        assert target.request("GET", f"{prefix}/metrics").status == 404
        assert exchange(target, [handshake], 3).statuses() == [101]
