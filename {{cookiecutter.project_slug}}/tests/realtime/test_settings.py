import pytest

from app.settings import SettingsError
from tests.test_settings import read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BROKER_URL", "amqp://localhost"),
        ("BROKER_URL", "memory://us:er:pa@host:port"),
        ("HEARTBEAT_SECONDS", "0"),
        ("WS_QUEUE_MESSAGES", "many"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=f"^Settings: {name}: [^\n]*$"):
        read()
