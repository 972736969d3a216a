import json

from app.realtime.brokers.base import RESET, Message
from app.realtime.events import Event
from app.realtime.websocket_frames import EventFrame

EVENT = Event(Message("event", event="news", data='{"a": "\\u00fc\\n"}', id="1-1"))


def test_socket_frame_has_the_id_the_name_and_the_data_of_the_event() -> None:
    frame = {"type": "event", "id": "1-1", "event": "news", "data": {"a": "ü\n"}}
    assert json.loads(EVENT.json) == frame == EventFrame.model_validate(frame).model_dump()


def test_server_sent_event_has_the_id_the_name_and_the_data_of_the_event() -> None:
    assert EVENT.sse == b'event: news\ndata: {"a": "\\u00fc\\n"}\nid: 1-1\n\n'


def test_reset_has_a_frame_of_its_own_on_sockets() -> None:
    assert json.loads(Event(RESET).json) == {"type": "reset"}


def test_event_is_encoded_once() -> None:
    assert EVENT.json is EVENT.json
    assert EVENT.sse is EVENT.sse
