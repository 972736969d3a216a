import json
from collections.abc import AsyncIterator

from fastapi import WebSocket, status
from pydantic_core import from_json

from app.errors import ServiceError
from app.http.addresses import client_address
from app.http.routing import FeatureRouter
from app.realtime.dependencies import CurrentHub
from app.realtime.hub import Hub
from app.realtime.limits import AdmissionError
from app.realtime.websocket_connection import Connection, SocketSubscription
from app.realtime.websocket_handshake import (
    SUBPROTOCOL,
    authenticate,
    is_origin_allowed,
    offered_subprotocols,
)
from app.settings import CurrentSettings, Settings

router = FeatureRouter(prefix="/ws")


@router.websocket("/echo")
async def echo(websocket: WebSocket, hub: CurrentHub, settings: CurrentSettings) -> None:
    async for text in _text_frames(websocket, hub, settings):
        await websocket.send_text(f"Echo: {text}")


@router.websocket("/json")
async def json_echo(websocket: WebSocket, hub: CurrentHub, settings: CurrentSettings) -> None:
    async for text in _text_frames(websocket, hub, settings):
        try:
            received = from_json(text, allow_inf_nan=False)
            response = json.dumps({"status": "ok", "received": received}, allow_nan=False)
        except ValueError as error:
            response = json.dumps({"status": "error", "detail": str(error)})
        await websocket.send_text(response)


@router.websocket("/notifications")
async def notifications(websocket: WebSocket, hub: CurrentHub, settings: CurrentSettings) -> None:
    if not is_origin_allowed(websocket, settings.allowed_origins):
        await websocket.close(status.WS_1008_POLICY_VIOLATION)  # before accept: HTTP 403
        return
    # Browsers fail the connection if the server selects none of the offered subprotocols.
    subprotocol = SUBPROTOCOL if SUBPROTOCOL in offered_subprotocols(websocket) else None
    revocations_seen = hub.revocations_seen
    try:
        token = await authenticate(websocket, settings)
    except ServiceError as error:
        await websocket.accept(subprotocol)  # a browser sees close codes only after accept
        await websocket.close(error.close_code, error.detail)
        return
    await websocket.accept(subprotocol)
    try:
        with hub.subscribe(SocketSubscription(token, settings)) as subscription:
            hub.close_if_revoked(subscription, since=revocations_seen)
            await Connection(websocket, hub, subscription).serve()
    except AdmissionError as error:
        await websocket.close(error.close_code, error.detail)


async def _text_frames(websocket: WebSocket, hub: Hub, settings: Settings) -> AsyncIterator[str]:
    """Accept a socket and yield its frames until it closes; a binary frame closes it with 1003."""
    await websocket.accept()
    try:
        with hub.connections.reserve_slot(settings, client_address(websocket)):
            while (message := await websocket.receive())["type"] != "websocket.disconnect":
                if message.get("text") is None:
                    await websocket.close(status.WS_1003_UNSUPPORTED_DATA)
                    break
                yield message["text"]
    except AdmissionError as error:
        await websocket.close(error.close_code, error.detail)
