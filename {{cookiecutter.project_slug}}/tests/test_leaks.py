"""What a test leaves behind fails that test, by name, and is undone before the next test."""

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable
from weakref import ref

import pytest
import structlog

from app.main import app
from app.observability.logs import configure_logging
from app.settings import Settings, get_settings
from tests import leaks
from tests.leaks import refuse_leaks
from tests.mistakes import MistakeError


@pytest.fixture
def _short_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "END_SECONDS", 0.01)


@pytest.mark.usefixtures("_short_timeout")
def test_task_left_running_is_cancelled_and_named(loop: asyncio.AbstractEventLoop) -> None:
    named = pytest.raises(
        MistakeError, match="left running: <Task .* name='forgotten'.*await tasks"
    )
    with named, refuse_leaks(loop):
        task = loop.create_task(asyncio.Event().wait(), name="forgotten")

    assert task.cancelled()


@pytest.mark.usefixtures("_short_timeout")
def test_thread_left_running_is_named() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="forgotten")
    with (
        pytest.raises(MistakeError, match=r"<Thread\(forgotten, .*join threads"),
        refuse_leaks(None),
    ):
        thread.start()
    stop.set()
    thread.join()


@pytest.mark.usefixtures("_short_timeout")
def test_socket_left_open_is_named() -> None:
    with pytest.raises(MistakeError, match="<socket.socket .*127.0.0.1.*close"), refuse_leaks(None):
        server = socket.create_server(("127.0.0.1", 0))
    server.close()


def test_new_sockets_are_noted() -> None:
    with socket.socket() as new:
        assert ref(new) in leaks.sockets

    leaks.sockets.remove(ref(new))
    leaks.note_socket("socket.bind", (new,))  # the interpreter's calls of hooks are not traced
    assert ref(new) not in leaks.sockets
    leaks.note_socket("socket.__new__", (new,))
    assert ref(new) in leaks.sockets


def test_event_loop_and_daemon_of_a_module_are_no_leaks() -> None:
    started, stop, runner = threading.Event(), threading.Event(), asyncio.Runner()

    def serve() -> None:
        with socket.create_server(("127.0.0.1", 0)):
            started.set()
            stop.wait()

    daemon = threading.Thread(target=serve, daemon=True)
    with refuse_leaks(None):
        runner.get_loop()
        daemon.start()
        started.wait()
    runner.close()
    stop.set()
    daemon.join()


def test_what_ends_soon_is_no_leak(loop: asyncio.AbstractEventLoop) -> None:
    with refuse_leaks(loop), socket.socket():
        thread = threading.Thread(target=asyncio.run, args=(asyncio.sleep(0.01),))
        thread.start()
        task = loop.create_task(asyncio.sleep(0.01))

    assert task.done()
    assert not thread.is_alive()


def test_what_runs_before_is_no_leak(loop: asyncio.AbstractEventLoop) -> None:
    task = loop.create_task(asyncio.Event().wait())
    with refuse_leaks(loop):
        pass
    with refuse_leaks(loop) as running:
        another = loop.create_task(asyncio.Event().wait())
        running.accept()

    assert not task.done()
    task.cancel()
    another.cancel()


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda: os.environ.update(CHANGED="1"), r"\['CHANGED'\]; use `monkeypatch`"),
        (lambda: os.environ.pop("PATH"), r"\['PATH'\]; use `monkeypatch`"),
        (
            lambda: app.dependency_overrides.update({get_settings: get_settings}),
            "dependency_overrides; use the fixture `app`",
        ),
        (lambda: logging.getLogger().setLevel(1), "logging; use `caplog.set_level`"),
        (
            lambda: logging.getLogger().addHandler(logging.NullHandler()),
            "logging; use `caplog.set_level`",
        ),
    ],
    ids=["variable", "no-variable", "override", "level", "handler"],
)
def test_change_is_named_and_undone(change: Callable[[], object], name: str) -> None:
    all_undone = refuse_leaks(None)
    with all_undone, pytest.raises(MistakeError, match=name), refuse_leaks(None):
        change()


def test_logging_that_a_service_configures_is_undone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("LOG_LEVEL", "critical")
    with refuse_leaks(None):
        configure_logging(Settings())
        logging.getLogger("created").setLevel(logging.CRITICAL)
    for name in ("app.posts", "uvicorn.error", "created"):
        logging.getLogger(name).error(name)

    assert caplog.messages == ["app.posts", "uvicorn.error", "created"]
    assert not structlog.is_configured()


def test_settings_that_stay_after_their_variables_are_named_and_read_again() -> None:
    named = pytest.raises(MistakeError, match="the settings; use the fixture `fresh_settings`")
    with named, refuse_leaks(None), pytest.MonkeyPatch.context() as environment:
        environment.setenv("FORWARDED_ALLOW_IPS", "192.0.2.1")
        get_settings.cache_clear()
        get_settings()

    assert get_settings() == Settings()
