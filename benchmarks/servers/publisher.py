"""The service as `python -m app` runs it, with an additional route that publishes events."""

import asyncio
import time

from app.cli import main
from app.main import app


@app.post("/publish")
async def publish(events: int, every: float) -> None:
    for _ in range(events):
        await app.state.hub.publish("bench", {"sent": time.time(), "text": "x" * 60})
        await asyncio.sleep(every)


if __name__ == "__main__":
    main()
