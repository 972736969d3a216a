"""Hostile answers to the real command: refused in one line, or rendered unchanged."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from conftest import CHOICES, PROMPTS
from sandbox import Sandbox, contents

TEXT_PROMPTS = ["project_name", "description", "author_name"]
TYPED_PROMPTS = ["project_name", "project_slug", "description", "author_name", "author_email"]

SAFE_TEXTS = [
    'He said "no"',
    "it's O'Brien's",
    "\\ C:\\new\\table \\",
    "'''",
    '"""',
    "\N{ROCKET}\N{FAMILY}\N{VARIATION SELECTOR-16}",
    "日本語 עברית العربية ñ",
    "null",
    "- [x](y): {a: b}, #c | > & * ! % @ `d` <e>",
    "}} %} #} {x} { { $HOME ${HOME} $(id) %s a=b",
    "../../x",
    "/etc",
    "class",
    "con",
    "x" * 100,
]
UNSAFE_TEXTS = [
    "",
    " ",
    "two\nlines",
    "carriage\rreturn",
    "tab\there",
    "escape \x1b[31m",
    "separator \u2028",
    "override \u202e",
    "{{ '{{' }}",  # Cookiecutter renders answers from the command line
    "x" * 301,
]
INVALID_SLUGS = [
    *["", ".", "..", "../x", "../../x", "../../../x", "a/b", "~/x", "%(directory)s/x"],
    *["a b", "x ", "x\n", "a\\b", 'a"b', "a'b", "\N{ROCKET}", "é", "日本語", "1abc", "-rf"],
    *[".hidden", "My-Service", "a--b", "a-", "{{ '{{' }}", "x" * 40 + "y", "x" * 300],
    *["con", "com1", "fastapi", "python_multipart", "starlette"],
]
DEFAULTS = [""] * len(CHOICES)  # an empty line selects the first choice
INVALID_EMAILS = ["x", "a@b", "A <a@b.c>", 'a"b@c.d', "a\\b@c.d", "a b@c.d", "a@b.c\n"]


def check_refusal(sandbox: Sandbox, prompt: str, answer: str) -> None:
    before = contents(sandbox.directory)
    ended = sandbox.cookiecutter("--no-input", f"{prompt}={answer}")
    assert ended.output.count("\n") == 1, ended.output
    assert ended.output.startswith(f"{prompt} ")
    assert "; use e.g. " in ended.output
    assert ended.exit_code == 1
    assert contents(sandbox.directory) == before


@pytest.mark.parametrize("answer", UNSAFE_TEXTS, ids=lambda answer: ascii(answer[:41]))
@pytest.mark.parametrize("prompt", TEXT_PROMPTS)
def test_unsafe_text_is_refused_in_one_line_before_anything_is_written(
    sandbox: Sandbox, prompt: str, answer: str
) -> None:
    check_refusal(sandbox, prompt, answer)


@pytest.mark.parametrize("answer", INVALID_SLUGS, ids=lambda answer: ascii(answer[:41]))
def test_invalid_slug_is_refused_in_one_line_before_anything_is_written(
    sandbox: Sandbox, answer: str
) -> None:
    check_refusal(sandbox, "project_slug", answer % {"directory": sandbox.directory})


@pytest.mark.parametrize("answer", INVALID_EMAILS, ids=ascii)
def test_invalid_email_address_is_refused_in_one_line_before_anything_is_written(
    sandbox: Sandbox, answer: str
) -> None:
    check_refusal(sandbox, "author_email", answer)


@pytest.mark.parametrize("answer", ["../x", "two\nlines"])
@pytest.mark.parametrize("prompt", ["project_slug", "author_email"])
def test_refusal_prints_one_line_and_exits_with_1(
    sandbox: Sandbox, template: Path, prompt: str, answer: str
) -> None:
    before = contents(sandbox.directory)
    ended = sandbox.python("cookiecutter", str(template), "--no-input", f"{prompt}={answer}")
    assert (ended.stdout.count("\n"), ended.returncode) == (1, 1)
    assert ended.stdout.startswith(f"{prompt} {answer!a} ")
    assert contents(sandbox.directory) == before


@pytest.mark.parametrize("prompt", TYPED_PROMPTS)
@pytest.mark.parametrize("answer", ["{% raw", "{{ 7 * }}", "50% {# x"])
def test_answer_that_cookiecutter_cannot_render_writes_nothing(
    sandbox: Sandbox, prompt: str, answer: str
) -> None:
    before = contents(sandbox.directory)
    assert sandbox.cookiecutter("--no-input", f"{prompt}={answer}").exit_code == 1
    assert contents(sandbox.directory) == before


@pytest.mark.parametrize("text", SAFE_TEXTS, ids=lambda text: ascii(text[:20]))
def test_safe_text_is_rendered_unchanged_in_every_file(sandbox: Sandbox, text: str) -> None:
    answers = dict.fromkeys(TEXT_PROMPTS, text) | {"project_slug": "x", "author_email": "o'b@c.io"}
    ended = sandbox.cookiecutter(
        "--no-input", *(f"{prompt}={answer}" for prompt, answer in answers.items())
    )
    assert ended.exit_code == 0, ended.output
    check_round_trip(sandbox.services / "x", answers)


@pytest.mark.parametrize("slug", ["class", "app", "tests", "con-sole", "my_service", "x" * 40])
def test_slug_with_a_special_meaning_elsewhere_is_accepted(sandbox: Sandbox, slug: str) -> None:
    ended = sandbox.cookiecutter("--no-input", f"project_slug={slug}")
    assert ended.exit_code == 0, ended.output
    assert (sandbox.services / slug / "pyproject.toml").is_file()


def test_name_that_is_too_long_for_a_slug_is_refused_with_advice(sandbox: Sandbox) -> None:
    ended = sandbox.cookiecutter("--no-input", f"project_name={'long ' * 10}name")
    assert ended.output.startswith(
        f"project_name '{'long ' * 9}lo...' gives the project_slug 'long-"
    )
    assert "set a shorter project_slug" in ended.output
    assert ended.exit_code == 1


@pytest.mark.parametrize(
    ("name", "slug"), [("123", "123"), ("!?", ""), ("Con", "con"), ("Starlette", "starlette")]
)
def test_name_that_gives_an_invalid_slug_is_refused_by_its_own_text(
    sandbox: Sandbox, name: str, slug: str
) -> None:
    before = contents(sandbox.directory)
    ended = sandbox.cookiecutter("--no-input", f"project_name={name}")
    assert ended.output.startswith(f"project_name {name!a} gives the project_slug {slug!a}, which ")
    assert ended.output.count("\n") == 1
    assert ended.exit_code == 1
    assert contents(sandbox.directory) == before


def test_typed_answers_are_rendered_unchanged_in_every_file(sandbox: Sandbox) -> None:
    typed = ['A "name"', "typed", "back\\slash \N{ROCKET}", "O'Brien", "o'b@example.com"]
    ended = sandbox.cookiecutter(typed="\n".join([*typed, *DEFAULTS, ""]))
    assert ended.exit_code == 0, ended.output
    check_round_trip(sandbox.services / "typed", dict(zip(TYPED_PROMPTS, typed, strict=True)))


@pytest.mark.parametrize("jinja", ["{{ 7 * 7 }}", "{% raw %}", "50% {# x", "# % if true"])
@pytest.mark.parametrize("prompt", TYPED_PROMPTS)
def test_typed_jinja_is_refused_in_one_line_before_anything_is_written(
    sandbox: Sandbox, prompt: str, jinja: str
) -> None:
    before = contents(sandbox.directory)
    # An empty line selects the default.
    ended = sandbox.cookiecutter(
        typed="".join(f"{jinja if name == prompt else ''}\n" for name in PROMPTS)
    )
    assert f"{prompt} {jinja!a} " in ended.output.splitlines()[-1]
    assert ended.exit_code == 1
    assert contents(sandbox.directory) == before


def check_round_trip(project: Path, answers: dict[str, str]) -> None:
    pyproject: dict[str, Any] = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    assert pyproject["project"]["name"] == answers["project_slug"]
    assert pyproject["project"]["description"] == answers["description"]
    author = {"name": answers["author_name"], "email": answers["author_email"]}
    assert pyproject["project"]["authors"] == [author]
    assert pyproject["tool"]["service"]["title"] == answers["project_name"]
    readme = (project / "README.md").read_text("utf-8").splitlines()
    assert readme[0] == f"# {answers['project_name']}"
    assert answers["description"] in readme
