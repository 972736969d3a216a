"""Interleaved measurements: in each round every server has its turn, in changing order."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable

Figures = dict[str, float]


def interleave(
    names: Iterable[str], rounds: int, measure: Callable[[str], Figures]
) -> dict[str, dict[str, Figures]]:
    """Return for each name and figure the median, and the least and the most of all rounds."""
    order = list(names)
    seen: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(rounds):
        for name in order:
            for figure, value in measure(name).items():
                seen[name][figure].append(value)
        order.reverse()
    return {
        name: {figure: spread(values) for figure, values in figures.items()}
        for name, figures in seen.items()
    }


def spread(values: list[float]) -> Figures:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}
