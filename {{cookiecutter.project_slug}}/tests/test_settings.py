from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, get_settings

ROOT = Path(__file__).parents[1]


def read() -> Settings:
    return get_settings.__wrapped__()  # bypasses the cache


def test_missing_setting_is_explained_in_one_line(
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
    ],
)
def test_invalid_setting_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=name):
        read()


def test_several_workers_need_a_shared_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "2")

    with pytest.raises(SettingsError, match=r"^Settings: WORKERS: .*BROKER_URL") as refusal:
        read()

    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("nonsense", "is not a valid URL, e.g. "),
        ("postgresql+asyncpg://us:er:pa/ss:word/x", "is not a valid URL"),
        ("sqlite:///service.db", "the driver is not async"),
        ("sqlite+nothing:///service.db", "is not installed"),
        ("mysql+aiomysql://host/service", "is not installed"),
    ],
)
def test_unusable_database_url_is_refused_in_one_line(
    url: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)

    with pytest.raises(SettingsError, match=f"^Settings: DATABASE_URL: .*{reason}[^\n]*$"):
        read()


def test_allowed_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://a.example, http://[::1]:3000,")

    assert read().allowed_origins == ("https://a.example", "http://[::1]:3000")


def test_allowed_origins_can_be_passed_in_code() -> None:
    assert Settings(allowed_origins=("https://a.example",)).allowed_origins == (
        "https://a.example",
    )


def test_dotenv_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PORT=7\nFOR_ANOTHER_PROGRAM=1\n", "utf-8")
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")

    assert read().port == 7


def test_example_lists_every_setting_with_its_default() -> None:
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    fields = {name.upper(): field for name, field in Settings.model_fields.items()}
    development_values = {"BROKER_URL", "PLAYGROUND"}

    assert set(example) == set(fields)
    for name, field in fields.items():
        default = "" if field.default in ((), None) else str(field.default).lower()
        assert field.is_required() or example[name] == default or name in development_values, name


def test_dotenv_file_that_is_not_utf8_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("PORT=8000", "utf-16")
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")

    with pytest.raises(SettingsError, match=r"^Settings: \.env is not UTF-8 text$"):
        read()
