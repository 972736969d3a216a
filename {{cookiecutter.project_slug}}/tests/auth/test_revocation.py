from app.auth.revocation import AccessRevocations


async def test_subscribers_are_called_until_they_unsubscribe() -> None:
    revocations = AccessRevocations()
    calls: list[tuple[int, str | None]] = []

    async def callback(user_id: int, session_id: str | None) -> None:
        calls.append((user_id, session_id))

    unsubscribe = revocations.subscribe(callback)
    await revocations.publish(1, "session")
    await revocations.publish(2)
    unsubscribe()
    await revocations.publish(3)

    assert calls == [(1, "session"), (2, None)]
