"""Failures of commands are short, and nothing is lost."""

import os
import signal
import sys
from pathlib import Path

import pytest
from commands import MAX_LINES, run_uv, shorten

HANG = """
import faulthandler, os, signal
faulthandler.enable()
print("last line", flush=True)
os.kill(TESTS, signal.SIGUSR1)
signal.pause()
"""


def test_short_output_is_shown_whole() -> None:
    output = "line\n" * MAX_LINES

    assert shorten(output) == output


def test_long_output_is_shortened_and_kept_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("commands.OUTPUTS", tmp_path)
    output = "".join(f"line {number}\n" for number in range(MAX_LINES + 1))

    shown = shorten(output).splitlines()

    (file,) = tmp_path.iterdir()
    assert file.read_text("utf-8") == output
    assert shown == [f"all {MAX_LINES + 1} lines: {file}", *output.splitlines()[1:]]


def test_failure_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="uv no-such-command") as failure:
        run_uv(tmp_path, "no-such-command")

    assert "unrecognized subcommand" in str(failure.value)


def test_command_that_is_stopped_by_a_timeout_shows_its_output_and_where_it_hangs(
    tmp_path: Path,
) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: pytest.fail("Timeout"))
    python = ["run", "--no-project", "--python", sys.executable, "python"]
    try:
        with pytest.raises(pytest.fail.Exception, match="Timeout") as failure:
            run_uv(tmp_path, *python, "-c", HANG.replace("TESTS", str(os.getpid())))
    finally:
        signal.signal(signal.SIGUSR1, before)

    (note,) = failure.value.__notes__
    assert note.startswith("last line\nFatal Python error: Aborted")
    assert 'File "<string>"' in note
