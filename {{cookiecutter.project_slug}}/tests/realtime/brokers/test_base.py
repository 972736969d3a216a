import pytest
from pydantic import TypeAdapter, ValidationError

from app.realtime.brokers.base import Message


def test_data_of_a_message_is_json() -> None:
    message: TypeAdapter[Message] = TypeAdapter(Message)

    assert message.validate_python({"kind": "event", "data": "[1]"}).data == "[1]"
    with pytest.raises(ValidationError, match="data"):
        message.validate_python({"kind": "event", "data": "[1"})
