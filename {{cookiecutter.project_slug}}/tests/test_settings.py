from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, get_settings

ROOT = Path(__file__).parents[1]


def read() -> Settings:
    return get_settings.__wrapped__()  # past its cache


def test_a_missing_setting_is_named_in_one_line_that_says_what_it_means(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DATABASE_URL")

    with pytest.raises(SettingsError, match=r"^Settings: DATABASE_URL is not set;.*SQLAlchemy URL"):
        read()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "null"),
        ("ALLOWED_ORIGINS", "app.example"),
        ("ALLOWED_ORIGINS", "https://app.example/"),
        ("ALLOWED_ORIGINS", "https://App.example"),
        ("DATABASE_URL", ""),
        ("LOG_LEVEL", "loud"),
        ("PORT", "65536"),
        ("WORKERS", "0"),
        ("WS_MAX_FRAME_BYTES", "0"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=name):
        read()


def test_several_processes_need_a_broker_that_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "2")

    with pytest.raises(SettingsError, match=r"^Settings: WORKERS: .*BROKER_URL") as refusal:
        read()

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nonsense", "is no URL"),
        ("postgresql+asyncpg://us:er:pa/ss:word/x", "is no URL"),
        ("sqlite:///service.db", "is not asynchronous"),
        ("sqlite+nothing:///service.db", "is not installed"),
        ("mysql+aiomysql://host/service", "is not installed"),
    ],
)
def test_a_url_of_no_use_is_refused_with_one_line(
    url: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)

    with pytest.raises(SettingsError, match=f"^Settings: DATABASE_URL: .*{reason}[^\n]*$"):
        read()


def test_allowed_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://a.example, http://[::1]:3000,")

    assert read().allowed_origins == ("https://a.example", "http://[::1]:3000")


def test_allowed_origins_may_be_given_in_code() -> None:
    assert Settings(allowed_origins=("https://a.example",)).allowed_origins == (
        "https://a.example",
    )


def test_a_dotenv_file_is_read_in_development(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("PORT=7\nFOR_ANOTHER_PROGRAM=1\n", "utf-8")
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")

    assert read().port == 7


def test_the_example_lists_every_setting_with_its_default() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    fields = {name.upper(): field for name, field in Settings.model_fields.items()}
    for_development = {"BROKER_URL", "PLAYGROUND"}

    assert set(example) == set(fields)
    for name, field in fields.items():
        default = "" if field.default in ((), None) else str(field.default).lower()
        assert field.is_required() or example[name] == default or name in for_development, name


def test_a_file_that_is_no_text_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("PORT=8000", "utf-16")
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")

    with pytest.raises(SettingsError, match=r"^Settings: \.env is not UTF-8 text$"):
        read()
