"""What `nox -s bench` measures with, each part once and in miniature."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from benchmarks.__main__ import RECORD
from benchmarks.compare import worse
from benchmarks.report import report, summary
from benchmarks.rounds import Spread, interleave, middles
from benchmarks.run import Sections

# A case or two of each part.
CASES = ["GET /auth/me", "POST /posts/", "25 ", "5 sockets", "import", "suite"]
BENCH = [sys.executable, "-m", "benchmarks", "--miniature"]


def sections(least: float, median: float, most: float) -> Sections:
    spread: Spread = {"least": least, "median": median, "most": most}
    ratios = {"per_second": spread, "p99": spread}
    return {"requests": {"GET /": {"service": {}, "of the limit": ratios}}}


def test_the_readme_shows_what_was_recorded() -> None:
    results = json.loads(RECORD.read_text("utf-8"))
    assert summary(results) in (ROOT / "README.md").read_text("utf-8")
    assert report(results) == RECORD.with_suffix(".md").read_text("utf-8")


def test_a_ratio_is_that_of_servers_measured_in_the_same_round() -> None:
    figures = iter([4, 2, 2, 6])  # the second round goes the other way

    measured = interleave(["ours", "theirs"], 2, lambda _: {"seconds": next(figures)})

    assert measured["ours"]["seconds"] == {"median": 5, "least": 4, "most": 6}
    assert measured["of the theirs"]["seconds"] == {"median": 2.5, "least": 2, "most": 3}


def test_the_spread_of_rounds_of_many_turns_is_that_of_their_medians() -> None:
    rounds = [{"ours": {"seconds": Spread(least=0, median=n, most=99)}} for n in (4, 2, 3)]

    assert middles(rounds) == {"ours": {"seconds": {"least": 2, "median": 3, "most": 4}}}


def test_what_got_worse_is_named_unless_the_rounds_differ_as_much() -> None:
    before, lower = sections(4, 5, 6), sections(1, 2, 3)

    assert list(worse(before, lower)) == ["requests: GET /: per_second of the limit: 5 -> 2"]
    assert list(worse(lower, before)) == ["requests: GET /: p99 of the limit: 2 -> 5"]
    assert list(worse(before, sections(3, 4.5, 6))) == []


@pytest.mark.installs
@pytest.mark.timeout(600)
def test_each_part_measures_and_leaves_nothing_behind(directory: Path) -> None:
    (directory / "tmp").mkdir()
    command = [*BENCH, "--database=sqlite", *(f"--only={case}" for case in CASES)]
    command.append(f"--output={directory}")
    env = os.environ | {"TMPDIR": str(directory / "tmp")}
    subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL)

    results = json.loads((directory / "benchmarks.json").read_text("utf-8"))
    measured = {title.partition(",")[0] for title in results["sections"]}
    parts = {"requests", "rows", "metrics", "sockets", "streams", "Redis", "start", "developer"}
    assert parts <= measured
    assert (directory / "benchmarks.md").read_text("utf-8") == report(results)
    assert list((directory / "tmp").iterdir()) == []


@pytest.mark.installs
@pytest.mark.timeout(600)
def test_ctrl_c_leaves_nothing_behind(directory: Path) -> None:
    command = [*BENCH, "requests", "--database=postgresql", f"--output={directory / 'results'}"]
    (directory / "tmp").mkdir()
    env = os.environ | {"TMPDIR": str(directory / "tmp")}
    with subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE) as bench:
        assert bench.stderr
        bench.stderr.readline()  # the servers run
        bench.send_signal(signal.SIGINT)
        bench.communicate()

    assert list((directory / "tmp").iterdir()) == []
