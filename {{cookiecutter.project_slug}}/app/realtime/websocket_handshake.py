"""Origin check and authentication of `/ws/notifications`.

The token is verified in a short database session, because a socket must not hold a connection.
"""

from fastapi import WebSocket

from app.auth.authentication import find_user
from app.auth.tokens import AccessToken, read_token
from app.database import Database
from app.http.state import from_state
from app.settings import Settings

SUBPROTOCOL = "notifications.v1"
BEARER_PREFIX = "bearer."  # of the subprotocol that carries the token


def is_origin_allowed(websocket: WebSocket, allowed_origins: tuple[str, ...]) -> bool:
    """Accept pages of this host and of allowed origins, and non-browsers (without Origin)."""
    origin = websocket.headers.get("origin")
    if origin is None:
        return True
    host = websocket.headers.get("host", "").lower()
    same_host = {f"http://{host}", f"https://{host}"}  # a proxy may have terminated TLS
    return origin.lower() in same_host.union(map(str.lower, allowed_origins))


def offered_subprotocols(websocket: WebSocket) -> list[str]:
    return [str(subprotocol) for subprotocol in websocket.scope["subprotocols"]]


async def authenticate(websocket: WebSocket, settings: Settings) -> AccessToken:
    """Return the verified token of the handshake; raise `InvalidTokenError`."""
    return await verify_token(websocket, _find_token(websocket, settings))


async def verify_token(websocket: WebSocket, encoded: str) -> AccessToken:
    """Return the verified token of an active user; raise `InvalidTokenError`."""
    # The signature is checked before the database is used: forged tokens must cost little.
    signed = await read_token(encoded)
    database = from_state(websocket, "database", Database)
    async with database.session(read_only=True) as session:
        token, _ = await find_user(session, signed)
    return token


def _find_token(websocket: WebSocket, settings: Settings) -> str:
    scheme, _, credentials = websocket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials
    for subprotocol in offered_subprotocols(websocket):
        if subprotocol.startswith(BEARER_PREFIX):
            return subprotocol.removeprefix(BEARER_PREFIX)
    return websocket.query_params.get("token", "") if settings.ws_query_token else ""
