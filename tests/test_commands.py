"""Failures of commands are short, and nothing is lost."""

from pathlib import Path

import pytest
from commands import MAX_LINES, run_uv, shorten


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
