"""Places in a hub that stand for a socket or a stream."""

from datetime import UTC, datetime, timedelta
from typing import Any, AnyStr

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.tokens import AccessToken
from app.realtime.broker import Message
from app.realtime.hub import Hub
from app.realtime.subscription import SocketSubscription, StreamSubscription, Subscription
from app.settings import Settings


def token(user_id: int = 1, session_id: str | None = None, *, seconds: float = 900) -> AccessToken:
    now = datetime.now(UTC)
    return AccessToken(user_id, "user", session_id, now, now + timedelta(seconds=seconds))


def socket(user_id: int = 1, session_id: str | None = None, **settings: Any) -> SocketSubscription:
    return SocketSubscription(token(user_id, session_id), Settings(**settings))


def stream(user_id: int = 1, **settings: Any) -> StreamSubscription:
    return StreamSubscription(token(user_id), Settings(**settings))


async def sent(subscription: Subscription[AnyStr]) -> list[AnyStr]:
    """Close it, and return what would be sent before its end."""
    subscription.close(1000)
    return [frame async for frame in subscription]


def revoke_while_verifying(session: AsyncSession, hub: Hub, message: Message) -> None:
    """Have a disconnection delivered with the query for the next token."""
    event.listen(session.sync_session, "do_orm_execute", lambda _: hub.deliver(message))
