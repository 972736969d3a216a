"""The interface of brokers, which carry events and revocations to every process."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, Field

from app.errors import UnavailableError

EVENT_NAME_PATTERN = r"[A-Za-z0-9_.:-]{1,100}"  # no line breaks: SSE separates fields by lines


def _validate_json(text: str) -> str:
    json.loads(text)
    return text


@dataclass(frozen=True, slots=True)
class Message:
    """A message from one process to all processes; the broker assigns the id."""

    kind: Literal["event", "disconnect", "past", "reset"]
    """`past`: an event from before this process started; `reset`: some events were lost."""
    user_id: int | None = None
    """The recipient; None means all users."""
    event: Annotated[str, Field(pattern=f"^({EVENT_NAME_PATTERN})?$")] = ""
    """The name of the event."""
    data: Annotated[str, AfterValidator(_validate_json)] = "null"
    """JSON."""
    session_id: str | None = None
    """For `disconnect`: the login session to close; None means all of the user's."""
    id: str = ""


RESET = Message("reset", event="reset", data="{}")


class BrokerUnavailableError(UnavailableError):
    detail = "Event broker unavailable"


Deliver = Callable[[Message], None]


class OneTimeStore(Protocol):
    """Keeps values that one caller of all processes may take once, within some seconds.

    Its methods raise `BrokerUnavailableError`.
    """

    async def put(self, key: str, value: str, seconds: int) -> None: ...

    async def take(self, key: str) -> str | None:
        """Return the value; None if it is unknown, expired or taken."""


class Broker(Protocol):
    """Carries messages between processes; the hub has the history and the send queues.

    It calls `deliver` once with each message, in order, and keeps at least `history_events` events
    for processes that reconnect.
    """

    def __init__(self, url: str, deliver: Deliver, history_events: int) -> None: ...

    @property
    def one_time_store(self) -> OneTimeStore: ...

    @staticmethod
    def invalid_options(url: str) -> Iterable[str]:
        """Return the query parameters of a URL that the broker does not accept."""

    async def publish(self, message: Message) -> str:
        """Return the id; delivery in this process does not wait for the other processes."""

    async def run(self) -> None:
        """Receive the messages of other processes until cancelled."""

    async def check(self) -> bool:
        """Return whether messages reach the other processes."""
