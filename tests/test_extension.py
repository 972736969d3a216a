import ast
import json
import tomllib
from collections.abc import Callable

import pytest
import yaml
from cookiecutter.exceptions import FailedHookException

from fastapi_service_template import quoted, validate

GOOD = {
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
EVERY_CHARACTER_BUT_SURROGATES = "".join(
    chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000
)
READERS = [
    pytest.param(lambda literal: tomllib.loads(f"x = {literal}")["x"], id="TOML"),
    pytest.param(lambda literal: yaml.safe_load(f"x: {literal}")["x"], id="YAML"),
    pytest.param(json.loads, id="JSON"),
    pytest.param(ast.literal_eval, id="Python"),
]


def refusal(**answers: str) -> str:
    with pytest.raises(FailedHookException) as refused:
        validate(GOOD | answers)
    return str(refused.value)


@pytest.mark.parametrize("read", READERS)
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
        EVERY_CHARACTER_BUT_SURROGATES,
    ],
    ids=lambda text: ascii(text[:10]),
)
def test_every_format_reads_quoted_text_back_unchanged(
    read: Callable[[str], str], text: str
) -> None:
    assert read(f'"{quoted(text)}"') == text


def test_text_that_needs_no_escapes_stays_as_it_is() -> None:
    assert quoted("O'Brien & Söhne \N{ROCKET}") == "O'Brien & Söhne \N{ROCKET}"


def test_good_answers_are_accepted() -> None:
    assert validate(GOOD) == ""


@pytest.mark.parametrize("slug", ["x", "my_service", "a1-b2_c3", "class", "con-x", "x" * 40])
def test_a_slug_of_words_joined_by_one_mark_is_accepted(slug: str) -> None:
    assert validate(GOOD | {"project_slug": slug}) == ""


@pytest.mark.parametrize(
    "slug",
    ["", ".", "..", "../x", "a/b", "/a", "~/a", "a\\b", "a b", "a\n", "A", "é", "1a", "-rf", "a-"]
    + ["a--b", "a-_b", ".a", 'a"', "a'", "\N{ROCKET}", "a\0"],
)
def test_any_other_slug_is_refused_with_an_example(slug: str) -> None:
    assert refusal(project_slug=slug).endswith("; this works: my-service")


def test_a_long_slug_is_refused_with_the_way_out() -> None:
    assert "41 characters" in refusal(project_slug="x" * 41)
    assert "give a shorter project_slug" in refusal(project_slug="x" * 41)


@pytest.mark.parametrize("slug", ["con", "prn", "aux", "nul", "com1", "lpt9"])
def test_the_name_of_a_windows_device_is_refused(slug: str) -> None:
    assert "device" in refusal(project_slug=slug)


@pytest.mark.parametrize("slug", ["fastapi", "python_multipart", "pyjwt", "pytest", "starlette"])
def test_the_name_of_a_package_that_the_service_needs_is_refused(slug: str) -> None:
    assert "needs" in refusal(project_slug=slug)


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
def test_text_that_is_no_single_line_or_is_jinja_is_refused_in_one_line(
    name: str, text: str
) -> None:
    message = refusal(**{name: text})
    assert message.startswith(name)
    assert "; this works: " in message
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 300


@pytest.mark.parametrize("email", ["o'brien+x@mail.example.com", "josé@exämple.com"])
def test_an_email_address_is_accepted(email: str) -> None:
    assert validate(GOOD | {"author_email": email}) == ""


@pytest.mark.parametrize(
    "email",
    ["x", "@a.b", "a@", "a@b", "a@b.", "a@.b", "a b@c.d", "a@b@c.d", "A <a@b.c>", '"a"@b.c', "é"],
)
def test_what_is_no_email_address_is_refused(email: str) -> None:
    assert refusal(author_email=email).endswith("; this works: you@example.com")


def test_what_is_no_choice_is_refused_with_the_choices() -> None:
    assert refusal(database="mysql") == (
        "database 'mysql' is not a choice; this works: sqlite or postgresql"
    )
