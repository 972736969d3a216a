"""Wait for events, with a limit that only ends tests that hang."""

import asyncio
import inspect
from collections.abc import Callable

WAIT_SECONDS = 60  # no test depends on the speed of the machine


def limited() -> asyncio.Timeout:
    """Return a context manager that raises `TimeoutError` after WAIT_SECONDS."""
    return asyncio.timeout(WAIT_SECONDS)


async def wait_until(condition: Callable[[], object]) -> None:
    """Poll a function, which may be asynchronous, until it returns a true value."""

    async def is_met() -> object:
        result = condition()
        return await result if inspect.isawaitable(result) else result

    async with limited():
        while not await is_met():
            await asyncio.sleep(0.001)
