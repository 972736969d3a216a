"""Fail a test that leaves something behind, by name, and undo it before the next test."""

import asyncio
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ref

import structlog

from app.main import app
from app.settings import get_settings
from tests.mistakes import MistakeError

END_SECONDS = 10  # what has been closed or cancelled may take so long to end
POLL_SECONDS = 0.001
IDLE_THREADS = ("argon2_", "asyncio_")  # of pools, which keep them

sockets: set[ref[socket.socket]] = set()  # a WeakSet cannot be read while a thread adds to it


def note_socket(event: str, arguments: tuple[Any, ...]) -> None:
    # Like a daemon, its sockets belong to an object that may live longer, e.g. a started TestClient.
    if event == "socket.__new__" and not threading.current_thread().daemon:
        sockets.add(ref(arguments[0], sockets.discard))


sys.addaudithook(note_socket)


class Running:
    """The tasks, threads and open sockets that are not accepted yet."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._loop = loop
        self.accept()

    def accept(self) -> None:
        """Accept what runs now, e.g. because it belongs to all tests."""
        self._accepted = self._running()

    def _running(self) -> set[Any]:
        threads = {
            thread
            for thread in threading.enumerate()
            # Daemons belong to objects that may live longer, e.g. to the engine of a module.
            if not (thread.daemon or thread.name.startswith(IDLE_THREADS))
        }
        return self._tasks() | threads | open_sockets()

    def _tasks(self) -> set[asyncio.Task[Any]]:
        return asyncio.all_tasks(self._loop) if self._loop else set()

    def end(self) -> list[str]:
        """Wait for the end of everything else; cancel the remaining tasks and describe what is left."""
        left = self._wait()
        descriptions = sorted(map(repr, left))
        for task in left & self._tasks():
            task.cancel()
        if left:
            self._run()  # cancelled tasks end in the next turn of the loop
            self._wait()
        return descriptions

    def _wait(self) -> set[Any]:
        deadline = time.monotonic() + END_SECONDS
        while (left := self._running() - self._accepted) and time.monotonic() < deadline:
            self._run()
        return left

    def _run(self) -> None:
        if self._loop:
            self._loop.run_until_complete(asyncio.sleep(POLL_SECONDS))
        else:
            time.sleep(POLL_SECONDS)  # lets the threads run


def open_sockets() -> set[socket.socket]:
    return {each for noted in tuple(sockets) if (each := noted()) and is_open(each)}


def is_open(each: socket.socket) -> bool:
    """Return whether a socket has an address; pairs have none, which event loops use to wake up."""
    try:
        return bool(each.getsockname() or each.getpeername())
    except OSError:
        return False


@contextmanager
def refuse_leaks(loop: asyncio.AbstractEventLoop | None) -> Iterator[Running]:
    """Raise `MistakeError` if the block leaves something running or changed.

    What a lifespan configures for the whole process, the levels of loggers and structlog, is undone.
    """
    running = Running(loop)
    root = logging.getLogger()
    environ, overrides = environment(), dict(app.dependency_overrides)
    levels, handlers = logger_levels(), list(root.handlers)
    settings = get_settings()
    yield running
    mistakes = []
    if left := running.end():
        mistakes.append(
            f"left running: {', '.join(left)}; await tasks, join threads, and close clients, servers"
            " and engines, e.g. by `async with`"
        )
    if changed := environment().items() ^ environ.items():
        mistakes.append(f"changed in os.environ: {sorted({*dict(changed)})}; use `monkeypatch`")
        for name, _ in changed:
            os.environ.pop(name, None)
        os.environ.update(environ)
    if app.dependency_overrides != overrides:
        mistakes.append("changed: app.dependency_overrides; use the fixture `app`")
        app.dependency_overrides = overrides
    if get_settings() != settings:
        mistakes.append("changed: the settings; use the fixture `fresh_settings`")
        get_settings.cache_clear()
    if (root.level, root.handlers) != (levels[root], handlers):
        mistakes.append("changed: the level or the handlers of logging; use `caplog.set_level`")
        root.handlers[:] = handlers
    for logger, level in logger_levels().items():
        if level != (before := levels.get(logger, logging.NOTSET)):
            logger.setLevel(before)
    structlog.reset_defaults()
    if mistakes:
        raise MistakeError("\n".join(mistakes))


def logger_levels() -> dict[logging.Logger, int]:
    root = logging.getLogger()
    loggers = (
        each for each in root.manager.loggerDict.values() if isinstance(each, logging.Logger)
    )
    return {logger: logger.level for logger in (root, *loggers)}


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
