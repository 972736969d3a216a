from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from app.realtime.broker import broker_class


class RealtimeSettings(BaseModel):
    """What only sockets and streams need."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    heartbeat_seconds: Annotated[float, Field(gt=0)] = 15
    """Time between two events of `/events/heartbeat`; proxies often cut streams idle for 30."""

    history_events: Annotated[int, Field(ge=0)] = 1000
    """The latest events that each process keeps for clients that were away."""

    ws_frames_per_second: Annotated[int, Field(ge=1)] = 100
    """Frames that one user may send; one more closes the socket with 4429."""

    ws_max_sockets: Annotated[int, Field(ge=1)] = 10_000
    """Sockets and streams of one process; one more is closed with 1013."""

    ws_max_sockets_per_user: Annotated[int, Field(ge=1)] = 10
    """Sockets and streams of one user on one process; one more is closed with 4429."""

    ws_query_token: bool = True
    """Accept `/ws/notifications?token=`: easy in a browser, but proxies may log addresses."""

    ws_queue_bytes: Annotated[int, Field(ge=1)] = 1_048_576
    """Bytes that may wait for one slow client; more closes it with 4408."""

    ws_queue_messages: Annotated[int, Field(ge=1)] = 64
    """Messages that may wait for one slow client; one more closes it with 4408."""

    ws_send_seconds: Annotated[float, Field(gt=0)] = 10
    """A client that takes longer to take a message is given up."""

    @field_validator("broker_url", check_fields=False)
    @classmethod
    def _known_broker(cls, url: str) -> str:
        broker_class(url)
        try:
            _ = urlsplit(url).port
        except ValueError:  # whose text may show a part of the password
            raise ValueError("has a port that is no number up to 65535") from None
        return url
