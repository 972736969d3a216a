import re
from typing import get_args

from app.observability.middleware import CLOSE_CODES
from app.realtime.websocket_frames import ClientFrame
from tests.test_readme import table

CLIENT_CLOSE_CODES = {1000, 1001, 1005, 1006}


def listed_frame_types() -> set[str]:
    return set(re.findall(r'"type": "(\w+)"', str([row[0] for row in table("client sends")])))


def existing_frame_types() -> set[str]:
    frames, _ = get_args(ClientFrame)
    return {get_args(frame.model_fields["type"].annotation)[0] for frame in get_args(frames)}


def listed_close_codes() -> set[int]:
    return {int(row[0]) for row in table("close code")}


def test_client_frames_in_the_readme_exist() -> None:
    assert listed_frame_types()
    assert listed_frame_types() <= existing_frame_types()


def test_close_codes_in_the_readme_exist() -> None:
    assert listed_close_codes()
    assert listed_close_codes() <= CLOSE_CODES - CLIENT_CLOSE_CODES
