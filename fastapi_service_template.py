"""The Jinja filters `quoted` and `validate`, which Cookiecutter loads as a local extension."""

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension
from slugify import slugify  # the function behind Cookiecutter's `slugify` filter

PROMPTS = json.loads(Path(__file__).with_name("cookiecutter.json").read_text("utf-8"))
CHOICES = {
    name: values
    for name, values in PROMPTS.items()
    if isinstance(values, list) and not name.startswith("_")
}
SERVICE_PYPROJECT = Path(__file__).parent / "{{cookiecutter.project_slug}}" / "pyproject.toml"

SLUG = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
MAX_SLUG_LENGTH = 40
WINDOWS_DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)[1-9]")
# A project cannot depend on a package of its own name. Direct dependencies are read from
# SERVICE_PYPROJECT; these are the dependencies of those.
TRANSITIVE_DEPENDENCIES = frozenset(
    """aiosqlite annotated-doc annotated-types anyio argcomplete argon2-cffi
    argon2-cffi-bindings ast-serialize async-timeout asyncpg attrs certifi cffi click colorama
    colorlog coverage cryptography dependency-groups deprecated distlib dnspython execnet
    fasteners filelock greenlet grimp h11 httpcore httpcore2 httptools httpx2-jsfetch humanize
    idna iniconfig librt mako markdown-it-py markupsafe mdurl mypy-extensions opentelemetry-api
    packaging pathspec platformdirs pluggy psutil pycparser pydantic pydantic-core pygments
    python-discovery python-dotenv pyyaml rich rich-toolkit shellingham starlette truststore
    typer typing-extensions typing-inspection uvloop valkey virtualenv watchfiles websockets
    wrapt wsproto""".split()  # noqa: SIM905 - a list literal would take fifty lines
)

MAX_TEXT_LENGTHS = {
    "project_name": 100,
    "description": 300,
    "author_name": 100,
    "author_email": 254,
}
# Control characters, line and paragraph separators, lone surrogates, and the bidirectional
# controls, which can make a line of source look different from its meaning.
UNSAFE_CHARACTERS = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# `cruft update` renders stored answers again; `# %` at the start of a line is a line statement.
JINJA_SYNTAX = re.compile(r"\{[{%#]|^# %")
EMAIL = re.compile(r'[^\s@<>()\[\],;:"\\]+@[^\s@<>()\[\],;:"\\.]+(\.[^\s@<>()\[\],;:"\\.]+)+')

# Valid unescaped in JSON, but not in TOML or YAML.
MUST_BE_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def quoted(text: object) -> str:
    r"""Escape text for use between double quotes in TOML, YAML, JSON or Python.

    The quotes themselves are part of the template source, for example
    `description = "{{ cookiecutter.description | quoted }}"`, so that it parses before and after
    rendering. Emoji are not escaped, because JSON's `\u` surrogate pairs are invalid in TOML and
    mean something else in Python.
    """
    literal = json.dumps(str(text), ensure_ascii=False)
    return MUST_BE_ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", literal[1:-1])


def validate(answers: Mapping[str, object]) -> str:
    """Return an empty string if all answers are valid; raise `FailedHookException` otherwise.

    Cookiecutter prints the exception's message, which is one line, and exits with 1. A private
    variable of cookiecutter.json calls this filter before any file is written.
    """
    for message in _error_messages({name: str(answer) for name, answer in answers.items()}):
        raise FailedHookException(message)
    return ""


def _error_messages(answers: Mapping[str, str]) -> Iterator[str]:
    for name, max_length in MAX_TEXT_LENGTHS.items():
        if problem := _text_problem(answers[name], max_length):
            yield _error_message(name, answers[name], problem, f"e.g. {PROMPTS[name]}")
    email = answers["author_email"]
    if not EMAIL.fullmatch(email):
        problem = "is not a valid e-mail address"
        yield _error_message("author_email", email, problem, "e.g. you@example.com")
    if problem := _slug_problem(answers["project_slug"]):
        yield _slug_error_message(answers["project_name"], answers["project_slug"], problem)

    for name, values in CHOICES.items():  # Cookiecutter does not check the choices of a replay
        if answers[name] not in values:
            problem = "is not a valid choice"
            yield _error_message(name, answers[name], problem, " or ".join(values))


def _slug_error_message(name: str, slug: str, problem: str) -> str:
    if slug != slugify(name):
        return _error_message("project_slug", slug, problem, "e.g. my-service")
    # The user typed only the name, from which the slug is derived.
    derived = f"gives the project_slug {_printable(slug)}, which {problem}"
    return _error_message("project_name", name, derived, "e.g. My Service")


def _error_message(name: str, answer: str, problem: str, suggestion: str) -> str:
    return f"{name} {_printable(answer)} {problem}; use {suggestion}"


def _printable(answer: str) -> str:
    # ascii() keeps the message on one line and works on terminals of any encoding.
    return ascii(answer if len(answer) <= 50 else f"{answer[:47]}...")


def _text_problem(text: str, max_length: int) -> str | None:
    if text != text.strip() or not text:
        return "is empty, or starts or ends with whitespace"
    if len(text) > max_length:
        return f"is too long: {len(text)} characters, the maximum is {max_length}"
    if UNSAFE_CHARACTERS.search(text):
        return "contains a line break or another invisible character"
    if JINJA_SYNTAX.search(text):
        return "contains Jinja syntax, which template updates would render"
    return None


def _slug_problem(slug: str) -> str | None:
    if len(slug) > MAX_SLUG_LENGTH:
        return (
            f"is too long: {len(slug)} characters, the maximum is {MAX_SLUG_LENGTH}"
            " (set a shorter project_slug; project_name may stay long)"
        )
    if not SLUG.fullmatch(slug):
        return (
            "is not a valid slug: it must start with a lower-case letter and contain only"
            " lower-case letters, digits, and single - or _ between them"
        )
    if WINDOWS_DEVICE.fullmatch(slug):
        return "is a reserved device name on Windows"
    if _normalise(slug) in _dependencies():
        return "is the name of a package that the service depends on"
    return None


def _dependencies() -> frozenset[str]:
    pyproject = tomllib.loads(SERVICE_PYPROJECT.read_text("utf-8"))
    groups = [pyproject["project"]["dependencies"], *pyproject["dependency-groups"].values()]
    direct = (re.split(r"[^\w.-]", requirement)[0] for group in groups for requirement in group)
    return TRANSITIVE_DEPENDENCIES.union(map(_normalise, direct))


def _normalise(name: str) -> str:
    """Normalise the name of a distribution as PEP 503 defines it."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Filters(Extension):
    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        # `cruft update` renders the old and the new template in one process, and each has to
        # import its own version of this module.
        sys.modules.pop(__name__, None)
        environment.filters |= {"quoted": quoted, "validate": validate}
