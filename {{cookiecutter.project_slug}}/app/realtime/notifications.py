from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from app.auth.dependencies import get_current_admin
from app.realtime.dependencies import CurrentHub
from app.realtime.events import EVENT_NAME_PATTERN

router = APIRouter(prefix="/notifications", tags=["notifications"])


class NotificationCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    user_id: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    """The recipient; null means all users."""
    event: Annotated[str, Field(pattern=f"^{EVENT_NAME_PATTERN}$")]
    data: JsonValue = None


class NotificationRead(BaseModel):
    id: str


@router.post("", status_code=HTTPStatus.ACCEPTED, dependencies=[Depends(get_current_admin)])
async def publish(new: NotificationCreate, hub: CurrentHub) -> NotificationRead:
    """Send an event to the sockets and streams of one user or of all users."""
    return NotificationRead(id=await hub.publish(new.event, new.data, user_id=new.user_id))
