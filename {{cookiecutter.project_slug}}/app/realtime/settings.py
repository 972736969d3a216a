from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.realtime.brokers.registry import BROKERS


def _validate_broker_url(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in BROKERS:
        supported = " or ".join(f"{name}://" for name in BROKERS)
        raise ValueError(f"unsupported scheme {scheme[:20]!r}; use {supported}")
    try:
        _ = urlsplit(url).port
    except ValueError:  # its message may contain the password
        raise ValueError("the port is not a number up to 65535") from None
    for option in BROKERS[scheme].invalid_options(url):
        raise ValueError(f"the option {option[:40]!r} is unknown or has an invalid value")
    return url


class RealtimeSettings(BaseModel):
    """Settings of the broker, of WebSockets and of event streams."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    broker_url: Annotated[str, AfterValidator(_validate_broker_url)] = "memory://"
    """Broker that carries events between processes; `memory://` serves one process."""

    heartbeat_seconds: Annotated[float, Field(gt=0)] = 15
    """Interval of `/events/heartbeat`; many proxies close streams that are idle for 30 s."""

    history_events: Annotated[int, Field(ge=0)] = 1000
    """Number of recent events that each process keeps for clients that resume."""

    ws_frames_per_second: Annotated[int, Field(ge=1)] = 100
    """Frames per second that are read from one socket; a user who sends more gets 4429."""

    ws_max_frame_bytes: Annotated[int, Field(ge=1)] = 65536
    """Maximum size of a frame from a client; a larger one closes the socket with 1009."""

    ws_max_sockets: Annotated[int, Field(ge=1)] = 10_000
    """Maximum sockets and streams of one process, at most half without a user; more get 1013."""

    ws_max_sockets_per_address: Annotated[int, Field(ge=1)] = 1000
    """Maximum sockets and streams without a user from one address; one more gets 4429."""

    ws_max_sockets_per_user: Annotated[int, Field(ge=1)] = 10
    """Maximum sockets and streams of one user per process; one more is closed with 4429."""

    ws_query_token: bool = True
    """Accept `/ws/notifications?token=`: easy in a browser, but proxies may log URLs."""

    ws_queue_bytes: Annotated[int, Field(ge=1)] = 1_048_576
    """Maximum bytes queued for one client; more closes its socket with 4408."""

    ws_queue_messages: Annotated[int, Field(ge=1)] = 64
    """Maximum messages queued for one client; one more closes its socket with 4408."""

    ws_send_seconds: Annotated[float, Field(gt=0)] = 10
    """Timeout for sending one message; after it the client is disconnected."""
