"""Tickets for `EventSource`, which cannot send a header: each opens one event stream.

A ticket stands for the access token of the request that obtained it. The broker keeps the token,
encrypted with the ticket, until a process takes it.
"""

import secrets
from hashlib import sha256
from http import HTTPStatus
from typing import Annotated, ClassVar

from cryptography.fernet import Fernet, InvalidToken
from fastapi import Depends, Request
from fastapi.security import APIKeyQuery
from pydantic import BaseModel

from app.auth.dependencies import BearerToken, get_current_user
from app.errors import ServiceError, raises
from app.http.routing import FeatureRouter
from app.realtime.brokers.base import BrokerUnavailableError
from app.realtime.dependencies import CurrentHub

TICKET_SECONDS = 30

router = FeatureRouter(prefix="/events", tags=["events"])
ticket_parameter = APIKeyQuery(
    name="ticket",
    scheme_name="EventTicket",
    description="from `POST /events/tickets`; replaces the header `Authorization` once",
    auto_error=False,
)


class InvalidTicketError(ServiceError):
    status = HTTPStatus.UNAUTHORIZED
    detail = "Invalid, expired or used ticket"
    headers: ClassVar = {"WWW-Authenticate": "Bearer"}


class Ticket(BaseModel):
    ticket: str
    expires_in: int
    """Seconds."""


@router.post("/tickets", status_code=HTTPStatus.CREATED, dependencies=[Depends(get_current_user)])
@raises(BrokerUnavailableError)
async def create_ticket(token: BearerToken, hub: CurrentHub) -> Ticket:
    """Issue a ticket for one request to `/events/notifications?ticket=`."""
    ticket = secrets.token_urlsafe(32)
    encrypted = _cipher(ticket).encrypt(token.encode()).decode()
    await hub.broker.one_time_store.put(_key(ticket), encrypted, TICKET_SECONDS)
    return Ticket(ticket=ticket, expires_in=TICKET_SECONDS)


@raises(InvalidTicketError, BrokerUnavailableError)
async def redeem_ticket(
    request: Request, hub: CurrentHub, ticket: Annotated[str | None, Depends(ticket_parameter)]
) -> None:
    """Replace a ticket by the header with the access token, which is then verified as usual.

    Raise `InvalidTicketError` if the ticket is unknown, has expired or was used before.
    """
    if ticket is None or "authorization" in request.headers:
        return
    encrypted = await hub.broker.one_time_store.take(_key(ticket))
    try:
        token = _cipher(ticket).decrypt(encrypted or "")
    except (InvalidToken, ValueError):
        raise InvalidTicketError from None
    request.scope["headers"].append((b"authorization", b"Bearer " + token))


def _cipher(ticket: str) -> Fernet:
    return Fernet(f"{ticket}=")  # the padding of its 32 bytes in base64


def _key(ticket: str) -> str:
    return f"ticket:{sha256(ticket.encode()).hexdigest()}"
