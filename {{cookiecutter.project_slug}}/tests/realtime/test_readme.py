import re
from typing import get_args

from app.observer import CLOSE_CODES
from app.realtime.frames import ClientFrame
from tests.test_readme import table

BY_THE_CLIENT = {1000, 1001, 1005, 1006}


def test_every_frame_that_clients_may_send_is_listed() -> None:
    frames, _ = get_args(ClientFrame)
    types = {get_args(frame.model_fields["type"].annotation)[0] for frame in get_args(frames)}

    assert set(re.findall(r'"type": "(\w+)"', str([row[0] for row in table("you send")]))) == types


def test_every_close_code_is_listed() -> None:
    assert {int(row[0]) for row in table("close code")} == CLOSE_CODES - BY_THE_CLIENT
