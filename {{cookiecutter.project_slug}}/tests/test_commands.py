import pytest

from app.__main__ import main


def test_an_unknown_command_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["no-such-command"])

    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("python -m app: ")
    assert error.count("\n") == 1
