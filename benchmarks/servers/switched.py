"""The service, told between requests whether it counts: so both are one process."""

import time

from app import metrics
from app.main import app as service
from starlette.types import Receive, Scope, Send


class Nothing:
    """Takes whatever would be counted."""

    def count(self, *_: object) -> None:
        """Take that, too."""

    inc = dec = observe = count


NAMES = ("IN_FLIGHT", "LOOP_LAG", "POOL", "answered")
SIDES = {
    "counted": {name: getattr(metrics, name) for name in NAMES},
    "uncounted": dict.fromkeys(NAMES, Nothing()) | {"answered": Nothing().count},
}


class Used:
    """Counts the requests of both sides alike."""

    requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.requests += 1
        await service(scope, receive, send)

    def figures(self) -> list[float]:
        return [self.requests, time.perf_counter(), time.process_time()]


app = Used()


@service.get("/turn/{side}")
async def turn(side: str) -> list[float]:
    """Return what has been used so far: requests, seconds, seconds of processors."""
    vars(metrics).update(SIDES[side])
    return app.figures()
