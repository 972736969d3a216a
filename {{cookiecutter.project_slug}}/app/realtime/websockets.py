import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, WebSocket, status
from pydantic_core import from_json

from app.errors import ServiceError
from app.realtime.connection import Connection
from app.realtime.dependencies import CurrentHub, CurrentSettings
from app.realtime.handshake import PROTOCOL, authenticate, offered_protocols, origin_allowed
from app.realtime.hub import Hub
from app.realtime.limits import RefusedError
from app.realtime.subscription import SocketSubscription
from app.settings import Settings

router = APIRouter(prefix="/ws")


@router.websocket("/echo")
async def echo(websocket: WebSocket, hub: CurrentHub, settings: CurrentSettings) -> None:
    async for text in _texts(websocket, hub, settings):
        await websocket.send_text(f"Echo: {text}")


@router.websocket("/json")
async def json_echo(websocket: WebSocket, hub: CurrentHub, settings: CurrentSettings) -> None:
    async for text in _texts(websocket, hub, settings):
        try:
            received = from_json(text, allow_inf_nan=False)
            answer = json.dumps({"status": "ok", "received": received}, allow_nan=False)
        except ValueError as error:
            answer = json.dumps({"status": "error", "detail": str(error)})
        await websocket.send_text(answer)


@router.websocket("/notifications")
async def notifications(websocket: WebSocket, hub: CurrentHub, settings: CurrentSettings) -> None:
    if not origin_allowed(websocket, settings.allowed_origins):
        await websocket.close(status.WS_1008_POLICY_VIOLATION)  # before accept: HTTP 403
        return
    # A browser drops the connection when none of the protocols that it offers is chosen.
    protocol = PROTOCOL if PROTOCOL in offered_protocols(websocket) else None
    before = hub.ended
    try:
        token = await authenticate(websocket, settings)
    except ServiceError as refusal:
        await websocket.accept(protocol)  # or the browser would not be told the code
        await websocket.close(refusal.close_code, refusal.detail)
        return
    await websocket.accept(protocol)
    try:
        with hub.subscribe(SocketSubscription(token, settings)) as subscription:
            hub.end_if_revoked(subscription, since=before)
            await Connection(websocket, hub, subscription).serve()
    except RefusedError as refusal:
        await websocket.close(refusal.close_code, refusal.detail)


async def _texts(websocket: WebSocket, hub: Hub, settings: Settings) -> AsyncIterator[str]:
    """Accept the socket and yield its frames until it ends; a binary one ends it with 1003."""
    await websocket.accept()
    try:
        with hub.guest(settings):
            async for text in _received(websocket):
                yield text
    except RefusedError as refusal:
        await websocket.close(refusal.close_code, refusal.detail)


async def _received(websocket: WebSocket) -> AsyncIterator[str]:
    while (message := await websocket.receive())["type"] != "websocket.disconnect":
        if message.get("text") is None:
            await websocket.close(status.WS_1003_UNSUPPORTED_DATA)
            return
        yield message["text"]
