"""What has got worse since an earlier run, beyond what the rounds of either differ."""

from collections.abc import Iterator

from benchmarks.rounds import Measured, Spread
from benchmarks.run import Sections

MORE_IS_BETTER = {"per_second", "per_cpu_second", "connects_per_second"}


def worse(before: Sections, now: Sections) -> Iterator[str]:
    """Yield a line for each figure; ratios only, where there are any: machines differ."""
    for title, cases in now.items():
        for case, measured in cases.items():
            earlier = before.get(title, {}).get(case, {})
            for name in ratios(measured) & earlier.keys():
                for figure in measured[name].keys() & earlier[name].keys():
                    then, here = earlier[name][figure], measured[name][figure]
                    if is_worse(then, here, more_is_better=figure in MORE_IS_BETTER):
                        change = f"{then['median']:.3g} -> {here['median']:.3g}"
                        yield f"{title}: {case}: {figure} {name}: {change}"


def ratios(measured: Measured) -> set[str]:
    return {name for name in measured if name.startswith("of the ")} or set(measured)


def is_worse(then: Spread, now: Spread, *, more_is_better: bool) -> bool:
    """Tell whether the middle of each is beyond the other's worst or best round."""
    if more_is_better:
        return now["median"] < then["least"] and now["most"] < then["median"]
    return now["median"] > then["most"] and now["least"] > then["median"]
