"""The benchmark: its statistics, its report, and each part in miniature."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import system_program
from conftest import ROOT

from benchmarks.__main__ import CAPACITY, RECORD
from benchmarks.capacity import MAX_SHARE, Model, update
from benchmarks.compare import regressions
from benchmarks.plot import plot
from benchmarks.report import report, table
from benchmarks.rounds import Spread, interleave, spread_of_medians
from benchmarks.run import Sections
from benchmarks.scale import FITTED

# At least one case of each part.
CASES = ["GET /auth/me", "POST /posts/", "25 ", "5 sockets", "import", "suite"]
BENCH = [sys.executable, "-m", "benchmarks", "--miniature"]


def sections(minimum: float, median: float, maximum: float) -> Sections:
    spread: Spread = {"min": minimum, "median": median, "max": maximum}
    ratios = {"per_second": spread, "p99": spread}
    return {"requests": {"GET /": {"service": {}, "ratio to limit": ratios}}}


def test_docs_show_the_recorded_results() -> None:
    results = json.loads(RECORD.read_text("utf-8"))
    assert report(results) == RECORD.with_suffix(".md").read_text("utf-8")
    assert plot(results["sections"]) == RECORD.with_suffix(".svg").read_text("utf-8")


def test_capacity_page_shows_the_recorded_results() -> None:
    sections = json.loads(RECORD.read_text("utf-8"))["sections"]
    page = CAPACITY.read_text("utf-8")

    assert update(page, sections) == page
    assert update(re.sub(r"\n\| [^-].*µs \|", "", page), sections) == page


def test_model_is_found_from_the_loads_that_it_explains() -> None:
    model = Model(0.01, 1e-5, 1e-3, 2e-5, 5e-6)

    fitted = Model.fit(FITTED, [model.share(*load) for load in FITTED])

    expected = pytest.approx(dataclasses.astuple(model), rel=0.05)
    assert dataclasses.astuple(fitted) == expected


def test_processes_are_as_few_as_their_cores_and_limits_allow() -> None:
    model = Model(0.01, 1e-5, 1e-3, 2e-5, 5e-6)

    assert model.processes(10_000, 0.01) == 1
    assert model.processes(10_001, 0.01) == 2
    count = model.processes(10_000, 10)
    assert model.share(10_000 / count, 10) <= MAX_SHARE < model.share(10_000 / (count - 1), 10)


def test_ratio_compares_servers_of_the_same_round() -> None:
    figures = iter([4, 2, 2, 6])  # the second round measures in reverse order

    measured = interleave(["service", "limit"], 2, lambda _: {"seconds": next(figures)})

    assert measured["service"]["seconds"] == {"median": 5, "min": 4, "max": 6}
    assert measured["ratio to limit"]["seconds"] == {"median": 2.5, "min": 2, "max": 3}


def test_rounds_of_several_turns_count_by_their_medians() -> None:
    rounds = [{"service": {"seconds": Spread(min=0, median=n, max=99)}} for n in (4, 2, 3)]

    assert spread_of_medians(rounds) == {"service": {"seconds": {"min": 2, "median": 3, "max": 4}}}


def test_report_shows_the_p99_as_a_ratio_to_the_limit() -> None:
    latencies = iter([4, 2, 2, 6])

    measured = interleave(
        ["service", "limit"], 2, lambda _: {"per_second": 100, "p99": next(latencies)}
    )

    heads, _, row = table(("requests", {"POST /posts/": measured})).splitlines()
    assert heads == "| requests | per second | p99 | ratio to limit | p99, ratio to limit |"
    assert row == "| POST /posts/ | 100 | 5.0 ms | 1.00 | 2.50 (2.00–3.00) |"


def test_regression_is_reported_unless_it_is_within_the_spread_of_the_rounds() -> None:
    before, lower = sections(4, 5, 6), sections(1, 2, 3)

    assert list(regressions(before, lower)) == [
        "requests: GET /: per_second, ratio to limit: 5 -> 2"
    ]
    assert list(regressions(lower, before)) == ["requests: GET /: p99, ratio to limit: 2 -> 5"]
    assert list(regressions(before, sections(3, 4.5, 6))) == []


def measured(directory: Path, *arguments: str) -> dict[str, Any]:
    """Run the benchmark in miniature; return its results."""
    (directory / "tmp").mkdir()
    command = [*BENCH, *arguments, f"--output={directory}"]
    env = os.environ | {"TMPDIR": str(directory / "tmp")}
    subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL)
    assert list((directory / "tmp").iterdir()) == []
    results: dict[str, Any] = json.loads((directory / "benchmarks.json").read_text("utf-8"))
    return results


@pytest.mark.installs
def test_each_part_reports_results_and_removes_its_files(directory: Path) -> None:
    results = measured(directory, "--database=sqlite", *(f"--only={case}" for case in CASES))

    titles = {title.partition(",")[0] for title in results["sections"]}
    assert {
        "requests",
        "rows of posts",
        "rows of users",
        "layers",
        "metrics",
        "sockets",
        "streams",
    } <= titles
    assert {"Redis", "start", "developer"} <= titles
    assert (directory / "benchmarks.md").read_text("utf-8") == report(results)


@pytest.mark.installs
def test_scale_is_measured_behind_nginx_and_compared_with_the_model(directory: Path) -> None:
    system_program("nginx", "nginx-light")
    cases = ["2 processes", "25 sockets", "events per second", "readers"]

    results = measured(directory, "scale", *(f"--only={case}" for case in cases))

    assert list(results["sections"]) == [
        *("processes behind nginx", "sockets at rest", "reconnects"),
        *("model", "prediction", "readers"),
    ]


@pytest.mark.installs
def test_ctrl_c_stops_the_servers_and_removes_all_files(directory: Path) -> None:
    command = [*BENCH, "requests", "--database=postgresql", f"--output={directory / 'results'}"]
    (directory / "tmp").mkdir()
    env = os.environ | {"TMPDIR": str(directory / "tmp")}
    with subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE) as bench:
        assert bench.stderr
        bench.stderr.readline()  # the first result, so servers are running
        bench.send_signal(signal.SIGINT)
        bench.communicate()

    assert list((directory / "tmp").iterdir()) == []
