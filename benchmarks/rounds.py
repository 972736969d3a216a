"""Interleaved measurements: in each round every server has its turn, in changing order."""

import statistics
from collections.abc import Callable, Iterable

TINY = 1e-9  # where a server was too busy to answer at all
Figures = dict[str, float]
Spread = dict[str, float]
Measured = dict[str, dict[str, Spread]]
"""By server the spread of each figure, and by "of the BASELINE" that of the ratio to it."""


def interleave(names: Iterable[str], rounds: int, measure: Callable[[str], Figures]) -> Measured:
    """Measure each name once a round; the first is compared with the others of its round."""
    order = list(names)
    first, *baselines = order
    seen: dict[str, list[Figures]] = {name: [] for name in order}
    for _ in range(rounds):
        for name in order:
            seen[name].append(measure(name))
        order.reverse()
    for name in baselines:
        pairs = zip(seen[first], seen[name], strict=True)
        seen[f"of the {name}"] = [
            {figure: ours[figure] / (theirs[figure] or TINY) for figure in ours}
            for ours, theirs in pairs
        ]
    return {
        name: {figure: spread([seen[figure] for seen in figures]) for figure in figures[0]}
        for name, figures in seen.items()
    }


def middles(measured: list[Measured]) -> Measured:
    """Return how the medians of several measurements spread."""
    return {
        name: {
            figure: spread([each[name][figure]["median"] for each in measured])
            for figure in figures
        }
        for name, figures in measured[0].items()
    }


def spread(values: list[float]) -> Spread:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}
