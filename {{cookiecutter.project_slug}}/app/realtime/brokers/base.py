"""The interface of brokers, which carry events and revocations to every process."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """A message from one process to all processes; the broker assigns the id."""

    kind: Literal["event", "disconnect", "past", "reset"]
    """`past`: an event from before this process started; `reset`: some events were lost."""
    user_id: int | None = None
    """The recipient; None means all users."""
    event: str = ""
    """The name of the event."""
    data: str = "null"
    """JSON."""
    session_id: str | None = None
    """For `disconnect`: the login session to close; None means all of the user's."""
    id: str = ""


RESET = Message("reset", event="reset", data="{}")
Deliver = Callable[[Message], None]


class Broker(Protocol):
    """Carries messages between processes; the hub has the history and the send queues.

    It calls `deliver` once with each message, in order, and keeps at least `history_events` events
    for processes that reconnect.
    """

    def __init__(self, url: str, deliver: Deliver, history_events: int) -> None: ...

    async def publish(self, message: Message) -> str:
        """Return the id; delivery in this process does not wait for the other processes."""

    async def run(self) -> None:
        """Receive the messages of other processes until cancelled."""

    async def check(self) -> bool:
        """Return whether messages reach the other processes."""
