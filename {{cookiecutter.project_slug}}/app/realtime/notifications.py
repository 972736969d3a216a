from http import HTTPStatus
from typing import Annotated

from fastapi import Depends
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from app.auth.dependencies import get_current_admin
from app.errors import raises
from app.http.routing import FeatureRouter
from app.realtime.brokers.base import EVENT_NAME_PATTERN, BrokerUnavailableError
from app.realtime.dependencies import CurrentHub
from app.realtime.event_types import EventType

router = FeatureRouter(prefix="/notifications", tags=["notifications"])


def _validate_event(name: str) -> str:
    if name in EventType.declared:
        raise ValueError("only the service itself publishes this event")
    return name


class NotificationCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    user_id: Annotated[int, Field(ge=1, lt=2**53)] | None = None
    """The recipient; null means all users."""
    event: Annotated[
        str,
        Field(pattern=f"^{EVENT_NAME_PATTERN}$", examples=["maintenance.planned"]),
        AfterValidator(_validate_event),
    ]
    data: JsonValue = None


class NotificationRead(BaseModel):
    id: str


@router.post("", status_code=HTTPStatus.ACCEPTED, dependencies=[Depends(get_current_admin)])
@raises(BrokerUnavailableError)
async def publish_notification(new: NotificationCreate, hub: CurrentHub) -> NotificationRead:
    """Send an event to the sockets and streams of one user or of all users."""
    return NotificationRead(id=await hub.publish(new.event, new.data, user_id=new.user_id))
