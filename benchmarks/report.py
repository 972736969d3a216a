"""Markdown tables of the results of a run."""

from collections.abc import Callable
from typing import Any

from benchmarks.rounds import Measured, Spread

Format = Callable[[float], str]
FIGURES: dict[str, tuple[str, Format]] = {
    "seconds": ("seconds", "{:.2f}".format),
    "test_ms": ("median test", "{:.0f} ms".format),
    "memory_mib": ("memory", "{:.0f} MiB".format),
    "per_second": ("per second", "{:.0f}".format),
    "p50": ("p50", "{:.1f} ms".format),
    "p99": ("p99", "{:.1f} ms".format),
    "requests_per_second": ("requests per second", "{:.0f}".format),
    "retries": ("refused attempts", "{:.0f}".format),
    "others_p99": ("p99 of other requests", "{:.0f} ms".format),
    "others_max": ("slowest of them", "{:.0f} ms".format),
    "p99_before": ("p99 before", "{:.0f} ms".format),
    "rest_us": ("CPU time per second", "{:.1f} µs".format),
    "cost_us": ("CPU time", "{:.1f} µs".format),
    "load_percent": ("share of a core", "{:.1f} %".format),
    "reader_us": ("CPU time of a reader per event", "{:.0f} µs".format),
    "redis_us": ("of Redis per event and reader", "{:.1f} µs".format),
    "client_kib": ("memory per client", "{:.1f} KiB".format),
    "connects_per_second": ("connects per second", "{:.0f}".format),
    "per_cpu_second": ("CPU time", lambda rate: f"{1e6 / rate:.0f} µs"),
}
LIMIT = "ratio to limit"  # the only ratio whose p99 has a column
PICTURE = "![Requests per second of the service and its baselines](benchmarks.svg)"
NOTES = """\
`nox -s bench` measures on your machine; `nox -s bench -- --record` updates this page.

Figures are medians, some followed by (min–max over all rounds). CPU time is per request or
delivery. A ratio compares two servers that were measured one after the other in the same round, by
the first figure of the row; [square brackets] contain the ratio of requests or deliveries per
second of CPU time. Requests use 16 connections unless the case says otherwise.

There are three baselines. *textbook* is FastAPI with SQLAlchemy as their documentation shows.
*limit* is Starlette on the bare database driver, with the same durability as the service: neither
changes `synchronous` of SQLite or `synchronous_commit` of PostgreSQL. *bare* is Starlette without
a database, or with one queue per client of a WebSocket or stream.

*Layers* are measured in one process, without a network: each is the difference between two
applications. The *model* says what a process costs with another process that publishes, on
PostgreSQL and Redis; *prediction* compares it with loads that it was not fitted to. Clients, nginx,
database and service share the cores of the machine, so more processes than cores gain nothing."""


def report(results: dict[str, Any]) -> str:
    tables = map(table, results["sections"].items())
    head = ["# Benchmark results", PICTURE, machine(results["machine"]), NOTES]
    return "\n\n".join([*head, *tables]) + "\n"


def machine(description: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in description["versions"].items())
    return (
        f"Measured on {description['date']}: {description['processor']}, "
        f"{description['cores']} cores, {description['system']}, "
        f"load average {description['load_average']:.1f} at the start; "
        f"Python {description['python']}, {versions}; load by {description['load']}."
    )


def table(section: tuple[str, dict[str, Measured]]) -> str:
    """Return a table with one row per case; the first of its figures has a spread."""
    title, cases = section
    first, *others = [
        name for name in FIGURES if any(name in next(iter(m.values())) for m in cases.values())
    ]
    names = dict.fromkeys(name for measured in cases.values() for name in measured)
    ratios = [name for name in names if name.startswith("ratio to ")]
    has_p99 = any("p99" in measured.get(LIMIT, {}) for measured in cases.values())
    rows = [[title, *(FIGURES[name][0] for name in (first, *others)), *ratios]]
    if has_p99:
        rows[0].append(f"p99, {LIMIT}")
    rows.append(["---"] * len(rows[0]))
    for case, measured in cases.items():
        service = next(iter(measured.values()))
        row = [case, with_spread(service[first], FIGURES[first][1])]
        row += [
            FIGURES[name][1](service[name]["median"]) if name in service else "" for name in others
        ]
        row += [ratio(measured.get(name), first) for name in ratios]
        if has_p99:
            row.append(ratio(measured.get(LIMIT), "p99"))
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def ratio(figures: dict[str, Spread] | None, figure: str) -> str:
    """Format the ratio of a figure; that of a rate is followed by the ratio per CPU time."""
    if figures is None:
        return ""
    text = with_spread(figures[figure], "{:.2f}".format)
    if figure == "p99" or "per_cpu_second" not in figures:
        return text
    return f"{text} [{figures['per_cpu_second']['median']:.2f}]"


def with_spread(spread: Spread, show: Format) -> str:
    median, minimum, maximum = (show(spread[name]) for name in ("median", "min", "max"))
    return median if median == minimum == maximum else f"{median} ({minimum}–{maximum})"
