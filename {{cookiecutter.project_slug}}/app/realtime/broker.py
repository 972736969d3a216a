"""How events and disconnections reach every process of the service."""

import asyncio
import itertools
import pkgutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """What one process tells all of them; the broker gives the id."""

    kind: Literal["event", "disconnect", "past", "reset"]
    """`past` is an event of before this process was there, `reset` says that some are lost."""
    user_id: int | None = None
    """Whom it concerns; None is everybody."""
    event: str = ""
    data: str = "null"
    """JSON."""
    session_id: str | None = None
    id: str = ""


RESET = Message("reset", event="reset", data="{}")
Deliver = Callable[[Message], None]


class Broker(Protocol):
    """Carries messages, and nothing more: history and queues are the hub's.

    Created with its URL, a function, which it calls once with each message, in order, and the
    number of events that it shall keep for processes that were away.
    """

    def __init__(self, url: str, deliver: Deliver, history_events: int) -> None: ...

    async def publish(self, message: Message) -> str:
        """Return the id; delivery here does not wait for other processes."""

    async def run(self) -> None:
        """Receive what other processes publish, until cancelled."""

    async def check(self) -> bool:
        """Say whether messages reach the other processes."""


class MemoryBroker:
    """For one process: its own messages are all there are."""

    def __init__(self, _url: str, deliver: Deliver, _history_events: int) -> None:
        self._deliver = deliver
        # Unique over restarts, so that no id of an earlier run is taken for one of this run.
        self._ids = (f"{time.time_ns() // 1_000_000}-{n}" for n in itertools.count(1))

    async def publish(self, message: Message) -> str:
        message = replace(message, id=next(self._ids))
        self._deliver(message)
        await asyncio.sleep(0)  # a turn for the writers: a loop that publishes leaves none
        return message.id

    async def run(self) -> None:
        """There is nobody else to receive from."""

    async def check(self) -> bool:
        return True


_BROKERS = {
    "memory:": "app.realtime.broker:MemoryBroker",
    "redis:": "app.realtime.redis:RedisBroker",
    "rediss:": "app.realtime.redis:RedisBroker",
}


def broker_class(url: str) -> type[Broker]:
    """Import the broker that a URL asks for; raises `ValueError` where there is none."""
    try:
        broker: type[Broker] = pkgutil.resolve_name(_BROKERS[url.partition("//")[0]])
    except (KeyError, ModuleNotFoundError):
        raise ValueError("names no broker of this service: memory:// always works") from None
    return broker


def create_broker(url: str, deliver: Deliver, history_events: int) -> Broker:
    return broker_class(url)(url, deliver, history_events)
