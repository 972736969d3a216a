"""`/asyncapi.json`: the messages, close codes and authentication of sockets and event streams."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, Field, JsonValue, TypeAdapter, WithJsonSchema, create_model
from pydantic.json_schema import JsonSchemaMode

from app import about
from app.http.documentation import require_docs
from app.realtime import websocket_frames as frames
from app.realtime.event_types import EventType, Heartbeat

CLOSE_CODES = {
    1003: "a binary frame",
    1008: "no valid token, or ten bad frames in a row",
    1009: "a frame above `WS_MAX_FRAME_BYTES`",
    1011: "server error",
    1012: "the service restarts",
    1013: "at capacity: `WS_MAX_SOCKETS` are open, or half as many without a user",
    4401: "the token expired or was revoked",
    4408: "too slow: more than `WS_QUEUE_MESSAGES` or `WS_QUEUE_BYTES` were queued",
    4429: "above `WS_MAX_SOCKETS_PER_USER`, `WS_MAX_SOCKETS_PER_ADDRESS` or `WS_FRAMES_PER_SECOND`",
}
ECHO_CODES = (1003, 1009, 1011, 1012, 1013, 4429)
NOTIFICATION_CODES = (1008, 1009, 1011, 1012, 1013, 4401, 4408, 4429)

# Any one of those that a channel names is enough.
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "subprotocol": {
        "type": "httpApiKey",
        "in": "header",
        "name": "Sec-WebSocket-Protocol",
        "description": "`notifications.v1, bearer.<token>`",
    },
    "token": {
        "type": "httpApiKey",
        "in": "query",
        "name": "token",
        "description": "unless `WS_QUERY_TOKEN=false`",
    },
    "ticket": {
        "type": "httpApiKey",
        "in": "query",
        "name": "ticket",
        "description": "from `POST /events/tickets`; replaces the header `Authorization` once",
    },
}

Messages = Mapping[str, Any]
"""The types of the payloads by the names of the messages."""


@dataclass(frozen=True)
class Channel:
    address: str
    description: str
    from_service: Messages
    from_client: Messages = field(default_factory=dict)
    close_codes: Sequence[int] = ()
    security: Sequence[str] = ()


def channels() -> dict[str, Channel]:
    declared = {name: event.data for name, event in EventType.declared.items()}
    return {
        "echo": Channel(
            "/ws/echo",
            "A WebSocket that sends each text back.",
            from_client={"text": str},
            from_service={"echo": Annotated[str, Field(pattern="^Echo: ")]},
            close_codes=ECHO_CODES,
        ),
        "json": Channel(
            "/ws/json",
            "A WebSocket that sends each JSON value back.",
            from_client={"value": JsonValue},
            from_service={"received": frames.JsonReceived, "refused": frames.JsonRefused},
            close_codes=ECHO_CODES,
        ),
        "notifications": Channel(
            "/ws/notifications",
            "A WebSocket with the events for the user and for all users.",
            from_client={"ping": frames.Ping, "resume": frames.Resume, "auth": frames.Auth},
            from_service={
                **{name: _event_frame(name, data) for name, data in declared.items()},
                "event": frames.EventFrame,
                "pong": frames.Pong,
                "reset": frames.Reset,
                "authenticated": frames.Authenticated,
                "token_expiring": frames.TokenExpiring,
                "error": frames.ErrorFrame,
            },
            close_codes=NOTIFICATION_CODES,
            security=("bearer", "subprotocol", "token"),
        ),
        "heartbeat": Channel(
            "/events/heartbeat",
            "Server-sent events in a fixed interval.",
            from_service={"heartbeat": Heartbeat},
        ),
        "notification-stream": Channel(
            "/events/notifications",
            "Server-sent events: those of `/ws/notifications`, of which the others have the name of"
            " the event and any JSON. After `reset`, reload the state.",
            from_service=declared | {"event": JsonValue, "reset": dict[str, JsonValue]},
            security=("bearer", "ticket"),
        ),
    }


def _event_frame(name: str, data: type[BaseModel]) -> type[frames.EventFrame]:
    """Return the model of a declared event, e.g. `PostCreatedFrame` for `post.created`."""
    constant = Annotated[str, WithJsonSchema({"type": "string", "const": name})]
    title = re.sub(r"\W", "", name.title()) + "Frame"
    return create_model(title, __base__=frames.EventFrame, event=(constant, ...), data=(data, ...))


def _payloads(
    described: Mapping[str, Channel],
) -> Iterator[tuple[tuple[str, str], JsonSchemaMode, TypeAdapter[Any]]]:
    for name, channel in described.items():
        for message, kind in channel.from_client.items():
            yield (name, message), "validation", TypeAdapter(kind)
        for message, kind in channel.from_service.items():
            yield (name, message), "serialization", TypeAdapter(kind)


def document(root_path: str = "") -> dict[str, Any]:
    described = channels()
    payloads, schemas = TypeAdapter.json_schemas(
        list(_payloads(described)), ref_template="#/components/schemas/{model}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {"title": about.TITLE, "version": about.VERSION, "description": about.DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {
            name: {
                "address": root_path + channel.address,
                "description": channel.description,
                "messages": {
                    message: {"name": message, "payload": payload}
                    for ((owner, message), _), payload in payloads.items()
                    if owner == name
                },
                "x-close-codes": {str(code): CLOSE_CODES[code] for code in channel.close_codes},
            }
            for name, channel in described.items()
        },
        "operations": {
            f"{name}.{action}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [{"$ref": f"#/channels/{name}/messages/{one}"} for one in messages],
                "security": [
                    {"$ref": f"#/components/securitySchemes/{scheme}"}
                    for scheme in channel.security
                ],
            }
            for name, channel in described.items()
            for action, messages in (
                ("receive", channel.from_client),
                ("send", channel.from_service),
            )
            if messages
        },
        "components": {"schemas": schemas.get("$defs", {}), "securitySchemes": SECURITY_SCHEMES},
    }


router = APIRouter(include_in_schema=False, dependencies=[Depends(require_docs)])


@router.get("/asyncapi.json")
async def asyncapi(request: Request) -> dict[str, Any]:
    return document(request.scope["root_path"])
