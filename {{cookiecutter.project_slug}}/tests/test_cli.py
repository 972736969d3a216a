import json
import runpy

import pytest

from app import cli
from app.settings import Settings, SettingsError, get_settings


def test_unknown_command_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["app", "no-such-command"])

    with pytest.raises(SystemExit) as end:
        runpy.run_module("app", run_name="__main__")

    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("python -m app: ")
    assert error.count("\n") == 1


def test_no_command_runs_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Settings] = []
    monkeypatch.setattr(cli, "serve", served.append)

    cli.main()

    assert len(served) == 1


@pytest.mark.usefixtures("fresh_settings")
def test_invalid_setting_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "-1")

    with pytest.raises(SystemExit, match=r"^Settings: PORT: [^\n]+$"):
        cli.main()


@pytest.mark.usefixtures("fresh_settings")
@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
def test_contracts_are_printed_without_settings(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(SettingsError):
        get_settings()

    cli.main([name])

    assert json.loads(capsys.readouterr().out)[name] > "3"
