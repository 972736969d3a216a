import time

from app.realtime.limits import Allowance


def test_as_many_frames_as_in_a_second_may_come_at_once() -> None:
    allowance = Allowance(3)

    assert [allowance.take() for _ in range(5)] == [True, True, True, False, False]


def test_who_waits_may_send_again() -> None:
    allowance = Allowance(1000)
    while allowance.take():
        pass

    deadline = time.monotonic() + 5
    attempts = iter(lambda: time.monotonic() > deadline, True)
    assert any(allowance.take() for _ in attempts)
