"""Subscriptions without a connection, and revocations during the verification of a token."""

from datetime import UTC, datetime, timedelta
from typing import Any, AnyStr

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.tokens import AccessToken
from app.realtime.brokers.base import Message
from app.realtime.hub import Hub
from app.realtime.sse_routes import StreamSubscription
from app.realtime.subscription import Subscription
from app.realtime.websocket_connection import SocketSubscription
from app.settings import Settings


def access_token(
    user_id: int = 1, session_id: str | None = None, *, expires_in: float = 900
) -> AccessToken:
    """Return a token that expires in so many seconds."""
    now = datetime.now(UTC)
    return AccessToken(user_id, "user", session_id, now, now + timedelta(seconds=expires_in))


def socket_subscription(
    user_id: int = 1, session_id: str | None = None, **settings: Any
) -> SocketSubscription:
    return SocketSubscription(access_token(user_id, session_id), Settings(**settings))


def stream_subscription(user_id: int = 1, **settings: Any) -> StreamSubscription:
    return StreamSubscription(access_token(user_id), Settings(**settings))


async def close_and_drain(subscription: Subscription[AnyStr]) -> list[AnyStr]:
    """Close a subscription and return the frames that its connection would still send."""
    subscription.close(1000)
    return [frame async for frame in subscription]


def revoke_while_verifying(session: AsyncSession, hub: Hub, revocation: Message) -> None:
    """Deliver a revocation when the connection is next used, which is to verify a token."""
    event.listen(session.get_bind(), "savepoint", lambda *_: hub.deliver(revocation))
