"""The model behind `docs/capacity.md` of a service, and the tables of that page."""

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from benchmarks.rounds import spread
from benchmarks.run import Sections

MAX_SHARE = 0.6  # of a core; the rest is for requests, reconnects and unequal processes
MAX_SOCKETS = 10_000  # of one process, by default
SOCKETS = (1000, 10_000, 50_000, 200_000)
EVENT_RATES = (1, 10, 50)  # per second
MANY_READERS = "100 readers of one stream"
COSTS = {
    "process": "the process itself, per second",
    "socket": "an open socket and its pings, per second",
    "event": "an event that another process has published",
    "delivery": "its delivery to one socket",
    "thousand_sockets_and_delivery": "more per delivery for each 1000 sockets",
}


@dataclass(frozen=True)
class Model:
    """Seconds of processor time.

    A delivery takes longer the more sockets there are, because each of them has to be fetched from
    memory again.
    """

    process: float
    socket: float
    event: float
    delivery: float
    thousand_sockets_and_delivery: float

    @classmethod
    def fit(cls, loads: Sequence[tuple[int, int]], shares: Sequence[float]) -> "Model":
        """Return the model that agrees with measured shares of a core.

        The loads, as sockets and events per second: nothing, sockets at rest, events for one
        socket, and events for few and for many sockets.
        """
        nothing, resting, reading, *delivering = shares
        socket = (resting - nothing) / loads[1][0]
        event = (reading - nothing) / loads[2][1]
        few, many = (
            ((share - nothing - sockets * socket) / rate - event) / sockets
            for share, (sockets, rate) in zip(delivering, loads[3:], strict=True)
        )
        slope = (many - few) / max(1, loads[4][0] - loads[3][0])
        return cls(nothing, socket, event, few - slope * loads[3][0], slope * 1000)

    @classmethod
    def read(cls, sections: Sections) -> "Model":
        """Return the model of recorded results."""
        return cls(*(_seconds(sections, COSTS[field.name]) for field in fields(cls)))

    def sections(self) -> Sections:
        microseconds = ((COSTS[name], seconds * 1e6) for name, seconds in asdict(self).items())
        return {
            "model": {
                cost: {"service": {"cost_us": spread([value])}} for cost, value in microseconds
            }
        }

    def share(self, sockets: float, rate: float) -> float:
        """Return the share of a core that a process uses, with so many events per second."""
        delivery = self.delivery + self.thousand_sockets_and_delivery * sockets / 1000
        return self.process + sockets * self.socket + rate * (self.event + sockets * delivery)

    def processes(self, sockets: int, rate: float) -> int:
        """Return how many processes share so many sockets within `MAX_SHARE`."""
        count = math.ceil(sockets / MAX_SOCKETS)
        while self.share(sockets / count, rate) > MAX_SHARE:
            count += 1
        return count


def update(page: str, sections: Sections) -> str:
    """Replace the tables of `docs/capacity.md` by those of recorded results."""
    for table in (costs(sections), processes(sections)):
        head = re.escape(table.partition("\n")[0])
        page = re.sub(rf"{head}\n(\|.*\n)*", table, page)
    return page


def costs(sections: Sections) -> str:
    rows = []
    for cost in COSTS.values():
        microseconds = float(f"{_seconds(sections, cost) * 1e6:.3g}")
        rows.append(f"| {cost} | {microseconds:g} µs |")
    return "\n".join(["| what | processor time |", "| --- | --- |", *rows]) + "\n"


def processes(sections: Sections) -> str:
    model = Model.read(sections)
    per_reader = sections["readers"][MANY_READERS][MANY_READERS]["redis_us"]["median"] / 1e6
    rows = []
    for sockets in SOCKETS:
        for rate in EVENT_RATES:
            count = model.processes(sockets, rate)
            cells = f"{sockets:,}", str(rate), f"{sockets * rate:,}", f"{count:,}"
            rows.append(f"| {' | '.join(cells)} | {rate * count * per_reader * 100:.0f} % |")
    head = "| sockets | events per second | deliveries per second | processes | Redis |"
    return "\n".join([head, "| --- | --- | --- | --- | --- |", *rows]) + "\n"


def _seconds(sections: Sections, cost: str) -> float:
    """Return a recorded cost of the model."""
    return sections["model"][cost]["service"]["cost_us"]["median"] / 1e6
