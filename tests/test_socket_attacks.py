"""Attacks on the sockets of a running service, with bounds; `pytest -s` prints the figures."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from attacks.sockets import (
    MIB,
    PING,
    POST_CHARACTERS,
    TEXT,
    Figures,
    flood,
    frame,
    idle_guests,
    oversized_frames,
    pings,
    refused_handshake,
    resume_loop,
    unanswered_close,
)
from attacks.target import Target
from commands import uv_run

import demo

pytestmark = pytest.mark.installs

RATE = 100  # the default of WS_FRAMES_PER_SECOND
READ_FRAMES = 86  # parsed at once, whatever the rate
REPLAY_BYTES_PER_SECOND = 8 * MIB  # to one user
LOG = "attacked.log"


@contextmanager
def attacked(service: Path, directory: Path, command: Sequence[str]) -> Iterator[Target]:
    """Serve with a limit of 50 connections, and write a log."""
    url = f"sqlite+aiosqlite:///{directory}/attacked.db"
    uv_run(service, "alembic", "upgrade", "head", DATABASE_URL=url)
    port = demo.free_port()
    settings = {"DATABASE_URL": url, "PORT": str(port), "WS_MAX_SOCKETS": "50"}
    with (
        (directory / LOG).open("wb") as output,
        subprocess.Popen(
            [service / ".venv" / "bin" / "python", "-m", *command, *options(command, port)],
            cwd=service,
            env=demo.project_environment(LOG_LEVEL="warning", **settings),
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        server = demo.Server(f"http://127.0.0.1:{port}", process)
        try:
            demo.wait_until_ready(server)
            yield Target(server.address, process.pid)
        finally:
            demo.stop(process)


def options(command: Sequence[str], port: int) -> list[str]:
    return ["--port", str(port)] if command[0] == "uvicorn" else []


@pytest.fixture(scope="module")
def target(service: Path, workspace: Path) -> Iterator[Target]:
    """Run a service; its log must contain no traceback after all attacks and its shutdown."""
    with attacked(service, workspace, ["app"]) as target:
        yield target
    assert "Traceback" not in (workspace / LOG).read_text("utf-8")


def show(figures: Figures) -> Figures:
    print(figures)
    return figures


def allowed_frames(figures: Figures) -> float:
    """Return how many frames the rate allows for the time of a flood, the burst included."""
    return RATE * (2 + float(str(figures["open for seconds"]))) + READ_FRAMES


@pytest.mark.parametrize(
    ("path", "opcode", "response_bytes"),
    [
        ("/ws/echo", PING, 2),
        ("/ws/echo", TEXT, 8),
        ("/ws/json", PING, 2),
        ("/ws/notifications", PING, 2),
    ],
)
def test_flood_of_empty_frames_gets_no_more_responses_than_the_rate_allows(
    target: Target, path: str, opcode: int, response_bytes: int
) -> None:
    token = target.sign_up()
    figures = show(flood(target, path, frame(opcode), seconds=2, read=True, token=token))

    assert 0 < int(str(figures["received bytes"])) <= allowed_frames(figures) * response_bytes


@pytest.mark.parametrize("data", [frame(PING, bytes(125)), frame(TEXT, b"x" * 60_000)])
def test_responses_to_a_peer_that_does_not_read_take_no_memory(target: Target, data: bytes) -> None:
    figures = show(flood(target, "/ws/echo", data, seconds=4, read=False))

    assert float(str(figures["memory in MiB"])) < 8


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/ws/echo", f"X-A: {'a' * 10_240}\r\n", 101),
        ("/ws/echo", f"X-A: {'a' * 20_480}\r\n", 431),
        ("/ws/echo", "".join(f"X-{number}: a\r\n" for number in range(150)), 431),
        (f"/ws/echo?{'a' * 20_480}", "", 431),
        ("/ws/echo", "Content-Length: 5\r\n", 400),
    ],
)
def test_every_handshake_gets_a_response(
    target: Target, path: str, headers: str, status: int
) -> None:
    figures = show(refused_handshake(target, path, headers))

    assert (figures["status"], figures["closed"]) == (status, status != 101)


def test_peer_that_does_not_answer_a_close_frame_loses_its_connection(target: Target) -> None:
    assert show(unanswered_close(target))["close code"] == 1003


def test_peer_that_sends_a_too_large_frame_sees_1009_and_no_reset(target: Target) -> None:
    figures = show(oversized_frames(target, attempts=5))

    assert figures == {"close codes": {1009: 5}, "connections reset": 0}


def test_idle_sockets_without_a_user_leave_half_of_the_slots_to_users(target: Target) -> None:
    figures = show(idle_guests(target, guests=50))

    assert figures == {"guests admitted": 25, "close code of the user": None}


def test_sockets_of_one_user_cannot_replay_without_end(target: Target) -> None:
    seconds = 4
    figures = show(resume_loop(target, seconds=seconds, posts=50))

    allowed = 2 * 50 * (POST_CHARACTERS + 1000) + REPLAY_BYTES_PER_SECOND * seconds
    assert int(str(figures["received in MB"])) <= allowed / 1e6


def test_class_of_uvicorn_still_needs_the_limits(service: Path, directory: Path) -> None:
    command = ["uvicorn", "app.main:app", "--ws-max-size=65536"]
    with attacked(service, directory, command) as target:
        handshake = refused_handshake(target, headers="Content-Length: 5\r\n", timeout=2)
        pinging = pings(target)
        oversized = oversized_frames(target, attempts=5)

    assert handshake["status"] == 0
    assert int(str(pinging["pongs"])) > allowed_frames(pinging)
    assert oversized["connections reset"]
