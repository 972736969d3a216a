import pytest

from app.settings import Settings, SettingsError
from tests.test_settings import read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BROKER_URL", "amqp://localhost"),
        ("BROKER_URL", "memory"),
        ("BROKER_URL", "memory://us:er:pa@host:port"),
        ("BROKER_URL", "memory://?history=5"),
        ("WS_QUEUE_MESSAGES", "many"),
    ],
)
def test_invalid_setting_is_refused_with_its_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=f"^Settings: {name}: [^\n]*$"):
        read()


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        ("HEARTBEAT_SECONDS", 0.01, 0),
        ("HISTORY_EVENTS", 0, -1),
        ("WS_FRAMES_PER_SECOND", 1, 0),
        ("WS_MAX_FRAME_BYTES", 1, 0),
        ("WS_MAX_SOCKETS", 1, 0),
        ("WS_MAX_SOCKETS_PER_ADDRESS", 1, 0),
        ("WS_MAX_SOCKETS_PER_USER", 1, 0),
        ("WS_QUEUE_BYTES", 1, 0),
        ("WS_QUEUE_MESSAGES", 1, 0),
        ("WS_SEND_SECONDS", 0.01, 0),
    ],
)
def test_value_below_the_bound_of_a_setting_is_refused(
    name: str, accepted: float, refused: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(accepted))
    assert getattr(read(), name.lower()) == accepted

    monkeypatch.setenv(name, str(refused))
    with pytest.raises(SettingsError, match=f"^Settings: {name}: [^\n]*$"):
        read()


@pytest.mark.parametrize("url", ["amqp://localhost", "memory", ""])
def test_error_for_an_unsupported_broker_names_the_supported_ones(url: str) -> None:
    with pytest.raises(ValueError, match="unsupported scheme .*; use memory://"):
        Settings(broker_url=url)
