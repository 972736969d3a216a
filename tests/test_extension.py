"""The filters `quoted` and `validate`, called directly."""

import ast
import json
import tomllib
from collections.abc import Callable

import pytest
import yaml
from cookiecutter.exceptions import FailedHookException

from fastapi_service_template import quoted, validate

VALID_ANSWERS = {
    "project_name": "My Service",
    "project_slug": "my-service",
    "description": "It serves.",
    "author_name": "Ada Lovelace",
    "author_email": "ada@example.com",
    "database": "sqlite",
    "auth": "password",
    "broker": "memory",
    "ci": "none",
}
ALL_CHARACTERS_EXCEPT_SURROGATES = "".join(
    chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000
)
PARSERS = [
    pytest.param(lambda literal: tomllib.loads(f"x = {literal}")["x"], id="TOML"),
    pytest.param(lambda literal: yaml.safe_load(f"x: {literal}")["x"], id="YAML"),
    pytest.param(json.loads, id="JSON"),
    pytest.param(ast.literal_eval, id="Python"),
]


def error_message(**answers: str) -> str:
    with pytest.raises(FailedHookException) as raised:
        validate(VALID_ANSWERS | answers)
    return str(raised.value)


@pytest.mark.parametrize("parse", PARSERS)
@pytest.mark.parametrize(
    "text",
    [
        "",
        'He said "no"',
        "C:\\new\\table\\",
        "it's",
        "two\r\nlines\n",
        "\N{ROCKET} \N{FAMILY}",
        "日本語, עברית, ñ",
        "# no comment: {a: b} ${HOME} %s",
        ALL_CHARACTERS_EXCEPT_SURROGATES,
    ],
    ids=lambda text: ascii(text[:10]),
)
def test_quoted_text_round_trips_through_every_format(
    parse: Callable[[str], str], text: str
) -> None:
    assert parse(f'"{quoted(text)}"') == text


def test_text_without_special_characters_is_not_changed() -> None:
    assert quoted("O'Brien & Söhne \N{ROCKET}") == "O'Brien & Söhne \N{ROCKET}"


def test_valid_answers_are_accepted() -> None:
    assert validate(VALID_ANSWERS) == ""


@pytest.mark.parametrize("slug", ["x", "my_service", "a1-b2_c3", "class", "con-x", "x" * 40])
def test_slug_of_words_joined_by_single_separators_is_accepted(slug: str) -> None:
    assert validate(VALID_ANSWERS | {"project_slug": slug}) == ""


@pytest.mark.parametrize(
    "slug",
    ["", ".", "..", "../x", "a/b", "/a", "~/a", "a\\b", "a b", "a\n", "A", "é", "1a", "-rf", "a-"]
    + ["a--b", "a-_b", ".a", 'a"', "a'", "\N{ROCKET}", "a\0"],
)
def test_invalid_slug_is_refused_with_a_valid_example(slug: str) -> None:
    assert error_message(project_slug=slug).endswith("; use e.g. my-service")


def test_long_slug_is_refused_with_advice() -> None:
    assert "41 characters" in error_message(project_slug="x" * 41)
    assert "set a shorter project_slug" in error_message(project_slug="x" * 41)


@pytest.mark.parametrize("slug", ["con", "prn", "aux", "nul", "com1", "lpt9"])
def test_windows_device_name_is_refused(slug: str) -> None:
    assert "reserved device name" in error_message(project_slug=slug)


@pytest.mark.parametrize("slug", ["fastapi", "python_multipart", "pyjwt", "pytest", "starlette"])
def test_name_of_a_dependency_is_refused(slug: str) -> None:
    assert "depends on" in error_message(project_slug=slug)


@pytest.mark.parametrize("name", ["project_name", "description", "author_name"])
@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param(" ", id="blank"),
        pytest.param(" x", id="space before"),
        pytest.param("x\n", id="line end"),
        pytest.param("a\nb", id="two lines"),
        pytest.param("a\0b", id="NUL"),
        pytest.param("a\x1b[31mb", id="escape"),
        pytest.param("a\x85b", id="next line"),
        pytest.param("a\u2028b", id="line separator"),
        pytest.param("a\u202eb", id="right-to-left override"),
        pytest.param("a\u2066b", id="isolate"),
        pytest.param("a\ud800b", id="lone surrogate"),
        pytest.param("{{ x }}", id="expression"),
        pytest.param("100{% x", id="statement"),
        pytest.param("100{# x", id="comment"),
        pytest.param("# % x", id="line statement"),
        pytest.param("x" * 301, id="too long"),
    ],
)
def test_unsafe_text_is_refused_with_a_one_line_message(name: str, text: str) -> None:
    message = error_message(**{name: text})
    assert message.startswith(name)
    assert "; use e.g. " in message
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 300


@pytest.mark.parametrize("email", ["o'brien+x@mail.example.com", "josé@exämple.com"])
def test_valid_email_address_is_accepted(email: str) -> None:
    assert validate(VALID_ANSWERS | {"author_email": email}) == ""


@pytest.mark.parametrize(
    "email",
    ["x", "@a.b", "a@", "a@b", "a@b.", "a@.b", "a b@c.d", "a@b@c.d", "A <a@b.c>", '"a"@b.c', "é"],
)
def test_invalid_email_address_is_refused(email: str) -> None:
    assert error_message(author_email=email).endswith("; use e.g. you@example.com")


def test_unknown_choice_is_refused_with_the_list_of_choices() -> None:
    assert error_message(database="mysql") == (
        "database 'mysql' is not a valid choice; use sqlite or postgresql"
    )
