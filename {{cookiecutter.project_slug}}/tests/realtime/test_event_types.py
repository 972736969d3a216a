import json
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from app.realtime import asyncapi
from app.realtime.event_types import EventType
from app.realtime.hub import Hub
from tests.realtime.subscriptions import close_and_drain, socket_subscription


class Moved(BaseModel):
    """The data of a declared event."""

    distance: int


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> EventType[Moved]:
    monkeypatch.setattr(EventType, "declared", {})
    return EventType("cat.moved", Moved)


async def test_declared_event_reaches_its_recipient(moved: EventType[Moved]) -> None:
    hub = Hub()
    with (
        hub.subscribe(socket_subscription(1)) as ada,
        hub.subscribe(socket_subscription(2)) as bob,
    ):
        event_id = await moved.publish(hub, Moved(distance=3), user_id=1)

        (frame,) = await close_and_drain(ada)
        assert await close_and_drain(bob) == []
    assert json.loads(frame) == {
        "type": "event",
        "id": event_id,
        "event": "cat.moved",
        "data": {"distance": 3},
    }


async def test_data_that_differs_from_the_declaration_fails_the_test(
    moved: EventType[Moved],
) -> None:
    wrong: Any = "far"
    with pytest.warns(UserWarning, match="Expected `int`"):
        await moved.publish(Hub(), Moved.model_construct(distance=wrong))


def test_event_cannot_be_declared_twice(moved: EventType[Moved]) -> None:
    with pytest.raises(ValueError, match="'cat.moved' is declared twice"):
        EventType(moved.name, Moved)


def test_declared_event_is_in_the_document(moved: EventType[Moved]) -> None:
    document = asyncapi.document()

    schemas = document["components"]["schemas"]
    assert schemas["Moved"]["properties"]["distance"]["type"] == "integer"
    frame = schemas["CatMovedFrame"]["properties"]
    assert frame["event"]["const"] == moved.name
    assert frame["data"] == {"$ref": "#/components/schemas/Moved"}
    for channel, payload in (("notifications", "CatMovedFrame"), ("notification-stream", "Moved")):
        message = document["channels"][channel]["messages"][moved.name]
        assert message["payload"] == {"$ref": f"#/components/schemas/{payload}"}


def test_schemas_of_events_with_the_same_data_are_named_after_the_events(
    moved: EventType[Moved],
) -> None:
    EventType("dog.moved", moved.data)

    schemas = asyncapi.document()["components"]["schemas"]
    assert {"Moved", "CatMovedFrame", "DogMovedFrame"} <= schemas.keys()


async def test_admin_cannot_publish_a_declared_event(
    moved: EventType[Moved], anonymous_client: httpx.AsyncClient, admin_headers: dict[str, str]
) -> None:
    response = await anonymous_client.post(
        "/notifications", json={"event": moved.name}, headers=admin_headers
    )

    assert response.status_code == 422
    assert "only the service itself" in response.text
