import pytest

from app.realtime.websocket_frames import Auth, BadFrameError, Ping, Resume, parse


def test_frame_is_parsed_by_its_type() -> None:
    assert parse('{"type": "ping"}') == Ping(type="ping")
    assert parse('{"type": "resume", "after": "1-2"}') == Resume(type="resume", after="1-2")
    assert parse('{"type": "auth", "token": "x"}') == Auth(type="auth", token="x")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "invalid_json"),
        ('{"type": "ping"', "invalid_json"),
        ("[" * 50_000, "invalid_json"),
        ('{"type": "\\ud800"}', "invalid_json"),
        ('{"type": "subscribe"}', "unknown_type"),
        ('{"token": "x"}', "unknown_type"),
        ('["ping"]', "invalid_frame"),
        ("null", "invalid_frame"),
        ('{"type": "resume"}', "invalid_frame"),
        ('{"type": "resume", "after": 1}', "invalid_frame"),
        ('{"type": "ping", "extra": 1}', "invalid_frame"),
    ],
)
def test_bad_frame_is_refused_with_a_code(text: str, code: str) -> None:
    with pytest.raises(BadFrameError) as error:
        parse(text)

    frame = error.value.frame()
    assert (frame.type, frame.code, frame.detail) == ("error", code, str(error.value))
    assert frame.detail
