"""Interleaved measurements: every round measures each server once, in alternating order."""

import statistics
from collections.abc import Callable, Iterable

EPSILON = 1e-9  # replaces 0 as a divisor, if an overloaded server completed no request
Figures = dict[str, float]
Spread = dict[str, float]
"""Median, min and max over all rounds."""
Measured = dict[str, dict[str, Spread]]
"""The figures of each server, and under "ratio to BASELINE" their ratios to a baseline."""


def interleave(names: Iterable[str], rounds: int, measure: Callable[[str], Figures]) -> Measured:
    """Measure each name once per round; divide the first by the others of the same round."""
    order = list(names)
    first, *baselines = order
    figures: dict[str, list[Figures]] = {name: [] for name in order}
    for _ in range(rounds):
        for name in order:
            figures[name].append(measure(name))
        order.reverse()
    for name in baselines:
        pairs = zip(figures[first], figures[name], strict=True)
        figures[f"ratio to {name}"] = [
            {figure: value / (baseline[figure] or EPSILON) for figure, value in measured.items()}
            for measured, baseline in pairs
        ]
    return {
        name: {figure: spread([each[figure] for each in series]) for figure in series[0]}
        for name, series in figures.items()
    }


def spread_of_medians(measured: list[Measured]) -> Measured:
    """Summarise several measurements of the same names by the spread of their medians."""
    return {
        name: {
            figure: spread([each[name][figure]["median"] for each in measured])
            for figure in figures
        }
        for name, figures in measured[0].items()
    }


def spread(values: list[float]) -> Spread:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}
