"""The stress session: its runs, its report, and what it calls a failure."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import psutil
import pytest
from conftest import CHOICES, ROOT

import stress

REPORT = """
<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_passed" />
<testcase classname="tests.test_a" name="test_failed"><failure /></testcase>
<testcase classname="tests.test_a" name="test_broken"><error /></testcase>
</testsuite></testsuites>
"""


def test_combinations_cover_every_choice() -> None:
    for number, prompt in enumerate(("database", "auth", "broker")):
        assert {answers[number] for answers in stress.COMBINATIONS} == set(CHOICES[prompt])
    pairs = {answers[:2] for answers in stress.COMBINATIONS}
    assert len(pairs) == len(CHOICES["database"]) * len(CHOICES["auth"])


def test_failed_and_broken_tests_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "report.xml"
    file.write_text(REPORT, "utf-8")

    assert stress.failed_tests(file) == ["tests.test_a::test_broken", "tests.test_a::test_failed"]


def test_report_sorts_by_the_number_of_failures() -> None:
    lines = stress.report(Counter({"a": 1, "b": 2}), 5).splitlines()

    assert lines[0] == "3 failures in 5 runs of pytest"
    assert lines[-2:] == ["| b | 2 |", "| a | 1 |"]
    assert stress.report(Counter(), 5) == "0 failures in 5 runs of pytest"


def test_every_order_runs_in_one_and_in_two_processes_and_every_file_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").touch()
    suite = stress.Suite("name", tmp_path, tmp_path)

    runs = list(stress.runs(suite, 2, alone=True))

    assert [options for _, options in runs] == [
        ["--numprocesses=0", "--randomly-seed=1"],
        ["--numprocesses=0", "--randomly-seed=2"],
        ["--numprocesses=2", "--randomly-seed=1"],
        ["--numprocesses=2", "--randomly-seed=2"],
        ["tests/test_a.py"],
    ]
    assert len(list(stress.runs(suite, 2, alone=False))) == 4


def test_busy_processes_end_with_the_block() -> None:
    before = psutil.Process().children()
    with stress.busy_machine(2):
        assert len(psutil.Process().children()) == len(before) + 2

    assert psutil.Process().children() == before


@pytest.mark.parametrize("option", ["--quick", "--seeds", "--busy", "--only"])
def test_session_can_be_narrowed(option: str) -> None:
    usage = subprocess.check_output([sys.executable, "stress.py", "--help"], cwd=ROOT, text=True)

    assert option in usage
