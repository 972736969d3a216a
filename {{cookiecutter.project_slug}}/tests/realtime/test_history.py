import pytest

from app.realtime import history
from app.realtime.broker import Message
from app.realtime.history import History


def filled(max_events: int, count: int) -> History:
    events = History(max_events)
    for number in range(1, count + 1):
        events.append(Message("event", data="12345678", id=str(number)))
    return events


def ids(missed: list[Message] | None) -> list[str] | None:
    return None if missed is None else [message.id for message in missed]


def test_it_has_what_came_after_an_event_in_order() -> None:
    assert ids(filled(5, 3).after("1", until=3)) == ["2", "3"]
    assert ids(filled(5, 3).after("3", until=3)) == []


def test_it_leaves_out_what_came_after_a_number() -> None:
    assert ids(filled(5, 5).after("2", until=4)) == ["3", "4"]
    assert ids(filled(5, 5).after("5", until=3)) == []


def test_it_keeps_the_latest_events_and_says_when_older_ones_may_be_gone() -> None:
    events = filled(3, 5)

    assert ids(events.after("3", until=5)) == ["4", "5"]
    assert events.after("2", until=5) is None
    assert events.after("of another run", until=5) is None
    assert events.newest_id == "5"


def test_it_is_bounded_in_bytes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_BYTES", 20)

    assert ids(filled(5, 5).after("4", until=5)) == ["5"]
    assert filled(5, 5).after("3", until=5) is None


def test_it_may_keep_nothing() -> None:
    assert filled(0, 5).after("5", until=5) is None
    assert filled(0, 5).newest_id == ""
