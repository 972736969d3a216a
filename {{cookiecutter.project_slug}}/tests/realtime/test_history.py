import pytest

from app.realtime import history
from app.realtime.brokers.base import Message
from app.realtime.history import History


def history_of(events: int, *, max_events: int) -> History:
    """Return a history to which events with the ids 1, 2, ... were appended."""
    filled = History(max_events)
    for number in range(1, events + 1):
        filled.append(Message("event", data="12345678", id=str(number)))
    return filled


def ids(messages: list[Message] | None) -> list[str] | None:
    return None if messages is None else [message.id for message in messages]


def test_history_returns_the_events_after_an_id_in_order() -> None:
    events = history_of(3, max_events=5)

    assert ids(events.after("1", until=3)) == ["2", "3"]
    assert ids(events.after("3", until=3)) == []


def test_history_leaves_out_the_events_after_a_number() -> None:
    events = history_of(5, max_events=5)

    assert ids(events.after("2", until=4)) == ["3", "4"]
    assert ids(events.after("5", until=3)) == []


def test_history_keeps_the_newest_events_and_does_not_know_evicted_ids() -> None:
    events = history_of(5, max_events=3)

    assert ids(events.after("3", until=5)) == ["4", "5"]
    assert events.after("2", until=5) is None
    assert events.after("id of another run", until=5) is None
    assert events.newest_id == "5"


def test_history_has_a_maximum_size_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_HISTORY_BYTES", 20)
    events = history_of(5, max_events=5)

    assert ids(events.after("4", until=5)) == ["5"]
    assert events.after("3", until=5) is None


def test_history_can_be_disabled() -> None:
    events = history_of(5, max_events=0)

    assert events.after("5", until=5) is None
    assert events.newest_id == ""
