"""The service with a route that turns its metrics on and off: both modes share one process."""

import time

from app.main import app as service
from app.observability import metrics
from starlette.types import Receive, Scope, Send


class NoMetric:
    """Ignores every call of a gauge, a counter or a histogram."""

    def ignore(self, *_: object) -> None: ...

    inc = dec = observe = set = ignore


NAMES = ("IN_FLIGHT", "LOOP_LAG", "POOL", "record_response")
MODES = {
    "with metrics": {name: getattr(metrics, name) for name in NAMES},
    "without metrics": dict.fromkeys(NAMES, NoMetric()) | {"record_response": NoMetric().ignore},
}


class CountingApp:
    """Counts requests in both modes alike."""

    requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += 1
        await service(scope, receive, send)

    def totals(self) -> list[float]:
        return [self.requests, time.perf_counter(), time.process_time()]


app = CountingApp()


@service.get("/mode/{mode}")
async def switch(mode: str) -> list[float]:
    """Switch the mode; return requests, seconds and CPU seconds so far."""
    vars(metrics).update(MODES[mode])
    return app.totals()
