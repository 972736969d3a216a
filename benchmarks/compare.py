"""Regressions between two runs that exceed the spread of their rounds."""

from collections.abc import Iterator

from benchmarks.rounds import Measured, Spread
from benchmarks.run import Sections

MORE_IS_BETTER = {"per_second", "per_cpu_second", "connects_per_second", "requests_per_second"}


def regressions(before: Sections, now: Sections) -> Iterator[str]:
    """Yield one line per regression.

    Absolute figures are compared only in cases without ratios, because machines differ.
    """
    for title, cases in now.items():
        for case, measured in cases.items():
            earlier = before.get(title, {}).get(case, {})
            for name in comparable(measured) & earlier.keys():
                for figure in measured[name].keys() & earlier[name].keys():
                    old, new = earlier[name][figure], measured[name][figure]
                    if is_worse(old, new, more_is_better=figure in MORE_IS_BETTER):
                        change = f"{old['median']:.3g} -> {new['median']:.3g}"
                        yield f"{title}: {case}: {figure}, {name}: {change}"


def comparable(measured: Measured) -> set[str]:
    return {name for name in measured if name.startswith("ratio to ")} or set(measured)


def is_worse(old: Spread, new: Spread, *, more_is_better: bool) -> bool:
    """Return whether each median lies beyond all rounds of the other run, on the worse side."""
    if more_is_better:
        return new["median"] < old["min"] and new["max"] < old["median"]
    return new["median"] > old["max"] and new["min"] > old["median"]
