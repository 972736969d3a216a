import logging
from collections.abc import Iterator

import pytest

from app.logs import redact_tokens


@pytest.fixture(autouse=True)
def _redacting() -> Iterator[None]:
    redact_tokens()
    yield
    for name in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).filters.clear()


@pytest.mark.parametrize(
    ("address", "logged"),
    [
        ("/ws/notifications?token=ey.J.x", "/ws/notifications?token=[redacted]"),
        ("/ws/notifications?a=1&token=ey.J.x&b=2", "/ws/notifications?a=1&token=[redacted]&b=2"),
        ("/ws/notifications?%74oken=eyJh.eyJz.c2", "/ws/notifications?%74oken=[redacted]"),
        ("/posts/?limit=3", "/posts/?limit=3"),
    ],
)
def test_a_token_in_an_address_is_not_logged(
    address: str, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).warning('%s - "WebSocket %s" %d', "client", address, 101)

    assert caplog.messages == [f'client - "WebSocket {logged}" 101'] * 2


def test_other_messages_stay_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("uvicorn.error").warning("Started %(what)s", {"what": "it"})

    assert caplog.messages == ["Started it"]
