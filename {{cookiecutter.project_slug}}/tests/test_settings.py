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

    with pytest.raises(SettingsError, match=r"^Settings: DATABASE_URL is not set;.*URL of the dat"):
        read()


@pytest.mark.parametrize(
    ("exists", "remedy"), [(False, "copy .env.example to .env"), (True, "add it to .env")]
)
def test_message_for_a_missing_setting_says_where_to_set_it(
    exists: bool, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    if exists:
        (tmp_path / ".env").write_text("PORT=7", "utf-8")

    with pytest.raises(SettingsError, match=f"DATABASE_URL is not set; {remedy}, or set it in"):
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
        ("FORWARDED_ALLOW_IPS", "nginx"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.1/8"),
        ("FORWARDED_ALLOW_IPS", "*,10.0.0.0/8"),
        ("LOG_LEVEL", "loud"),
        ("PORT", "65536"),
        ("ROOT_PATH", "api"),
        ("ROOT_PATH", "/api/"),
        ("ROOT_PATH", "/a b"),
        ("ROOT_PATH", "/"),
        ("WORKERS", "0"),
    ],
)
def test_invalid_setting_is_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=name):
        read()


@pytest.mark.parametrize(
    ("name", "value"), [("LOG_LEVEL", "DEBUG"), ("LOG_LEVEL", "Info"), ("LOG_FORMAT", "JSON")]
)
def test_choice_may_be_in_upper_case(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    assert getattr(read(), name.lower()) == value.lower()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FORWARDED_ALLOW_IPS", "*"),
        ("FORWARDED_ALLOW_IPS", "127.0.0.1, ::1,10.0.0.0/8,fd00::/8"),
        ("ROOT_PATH", "/api"),
        ("ROOT_PATH", "/a/b"),
    ],
)
def test_valid_setting_is_accepted(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)

    assert getattr(read(), name.lower()) == value


def test_messages_for_several_settings_are_separated_by_semicolons(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("PORT", "x")

    with pytest.raises(SettingsError, match=r"provider shows it; PORT: "):
        read()


@pytest.mark.parametrize("line", ["WORKER=2", "DATABASE-URL=x", "LOGLEVEL=debug"])
def test_misspelt_setting_in_the_dotenv_file_is_refused_in_one_line(
    line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(f"PORT=7\n{line}\n", "utf-8")
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")

    name = line.partition("=")[0]
    with pytest.raises(
        SettingsError, match=f"^Settings: {name} in .env is not a .* mean [A-Z_]+\\?$"
    ):
        read()


def test_several_workers_need_a_shared_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "2")

    with pytest.raises(SettingsError, match=r"^Settings: WORKERS: .*BROKER_URL") as refusal:
        read()

    assert "\n" not in str(refusal.value)


def test_unusable_database_url_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://us:er:pa/ss:word/x")

    with pytest.raises(SettingsError, match="^Settings: DATABASE_URL: is not [^\n]*e.g. [^\n]*$"):
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
