"""Who may open a socket. No database session stays with it: its token says whose it is."""

from fastapi import WebSocket

from app.auth import users
from app.auth.tokens import AccessToken
from app.dependencies import get_database
from app.settings import Settings

PROTOCOL = "notifications.v1"
BEARER_PROTOCOL = "bearer."


def origin_allowed(websocket: WebSocket, allowed: tuple[str, ...]) -> bool:
    """Accept what is no browser (no Origin), pages of this host, and the allowed origins."""
    origin = websocket.headers.get("origin")
    if origin is None:
        return True
    origin = origin.lower()
    host = websocket.headers.get("host", "").lower()
    own = {f"http://{host}", f"https://{host}"}  # a proxy may have taken the TLS away
    return origin in own.union(map(str.lower, allowed))


def offered_protocols(websocket: WebSocket) -> list[str]:
    return [str(protocol) for protocol in websocket.scope["subprotocols"]]


async def authenticate(websocket: WebSocket, settings: Settings) -> AccessToken:
    """Return the verified token of a user who may use it; raises `InvalidTokenError` otherwise."""
    return await verify(websocket, _find_token(websocket, settings))


async def verify(websocket: WebSocket, encoded: str) -> AccessToken:
    signed = await users.read_token(encoded)  # most that are refused cost the database nothing
    async with get_database(websocket).session(read_only=True) as session:
        token, _ = await users.find_user(session, signed)
    return token


def _find_token(websocket: WebSocket, settings: Settings) -> str:
    scheme, _, credentials = websocket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials
    for protocol in offered_protocols(websocket):
        if protocol.startswith(BEARER_PROTOCOL):
            return protocol.removeprefix(BEARER_PROTOCOL)
    return websocket.query_params.get("token", "") if settings.ws_query_token else ""
