"""Tables in Markdown of what a run has measured."""

from collections.abc import Callable
from typing import Any

from benchmarks.rounds import Measured, Spread
from benchmarks.run import Sections

Show = Callable[[float], str]
FIGURES: dict[str, tuple[str, Show]] = {
    "seconds": ("seconds", "{:.2f}".format),
    "test_ms": ("median test", "{:.0f} ms".format),
    "memory_mib": ("memory", "{:.0f} MiB".format),
    "per_second": ("per second", "{:.0f}".format),
    "p50": ("p50", "{:.1f} ms".format),
    "p99": ("p99", "{:.1f} ms".format),
    "client_kib": ("memory each", "{:.1f} KiB".format),
    "connects_per_second": ("connects per second", "{:.0f}".format),
    "per_cpu_second": ("processor", lambda rate: f"{1e6 / rate:.0f} µs"),
}
START, END = "<!-- `nox -s bench -- --record` writes this. -->", "<!-- End of what it writes. -->"
IN_README = ("requests", "sockets", "streams", "start", "developer", "template")
NOTE = """Medians, in brackets least and most of all rounds. A ratio to a baseline is that of
pairs measured one after the other; in square brackets the ratio per second of processor time."""


def report(results: dict[str, Any]) -> str:
    return f"# What `nox -s bench` measured\n\n{tables(results, results['sections'])}\n"


def summary(results: dict[str, Any]) -> str:
    shown = {
        title: cases for title, cases in results["sections"].items() if title.startswith(IN_README)
    }
    return f"{START}\n\n{tables(results, shown)}\n\n{END}"


def with_summary(readme: str, results: dict[str, Any]) -> str:
    before, after = readme.partition(START)[0], readme.partition(END)[2]
    return before + summary(results) + after


def tables(results: dict[str, Any], sections: Sections) -> str:
    return "\n\n".join([about(results["machine"]), NOTE, *map(table, sections.items())])


def about(machine: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['date']}: {machine['processor']}, {machine['cores']} cores, "
        f"{machine['system']}, load average {machine['load_average']:.1f} at the start; "
        f"Python {machine['python']}, {versions}; load by {machine['load']}."
    )


def table(section: tuple[str, dict[str, Measured]]) -> str:
    title, cases = section
    figures = [
        name for name in FIGURES if any(name in next(iter(m.values())) for m in cases.values())
    ]
    ratios = list(
        dict.fromkeys(name for m in cases.values() for name in m if name.startswith("of "))
    )
    heads = [title, *(FIGURES[name][0] for name in figures), *ratios]
    lines = [heads, ["---"] * len(heads)]
    for case, measured in cases.items():
        first = next(iter(measured.values()))
        cells = [shown(first[figures[0]], FIGURES[figures[0]][1])]
        cells += [
            FIGURES[name][1](first[name]["median"]) if name in first else "" for name in figures[1:]
        ]
        lines.append([case, *cells, *(ratio(measured.get(name), figures[0]) for name in ratios)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def ratio(figures: dict[str, Spread] | None, main: str) -> str:
    if figures is None:
        return ""
    processor = figures.get("per_cpu_second")
    text = shown(figures[main], "{:.2f}".format)
    return f"{text} [{processor['median']:.2f}]" if processor else text


def shown(spread: Spread, show: Show) -> str:
    median, least, most = (show(spread[name]) for name in ("median", "least", "most"))
    return median if median == least == most else f"{median} ({least} to {most})"
