"""The events that the service publishes, with the models of their data."""

from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel

from app.realtime.hub import Hub
from app.realtime.websocket_frames import Time

Data = TypeVar("Data", bound=BaseModel)


class EventType(Generic[Data]):
    """An event of a feature; the AsyncAPI document lists all instances."""

    declared: ClassVar[dict[str, "EventType[Any]"]] = {}

    def __init__(self, name: str, data: type[Data]) -> None:
        self.name = name
        self.data = data
        if name in self.declared:
            raise ValueError(f"the event {name!r} is declared twice")
        self.declared[name] = self

    async def publish(self, hub: Hub, data: Data, *, user_id: int | None = None) -> str:
        """Send the event to one user or to all users; return its id."""
        return await hub.publish(self.name, data.model_dump(mode="json"), user_id=user_id)


class Heartbeat(BaseModel):
    """The data of the event `heartbeat`."""

    time: Time
