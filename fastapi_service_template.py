"""What cookiecutter.json needs beyond Jinja: the filters `quoted` and `validate`."""

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension
from slugify import slugify  # as Cookiecutter's filter

CHOICES = {
    name: values
    for name, values in json.loads(
        Path(__file__).with_name("cookiecutter.json").read_text("utf-8")
    ).items()
    if isinstance(values, list) and not name.startswith("_")
}
PYPROJECT = Path(__file__).parent / "{{cookiecutter.project_slug}}" / "pyproject.toml"

SLUG = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
SLUG_LENGTH = 40
WINDOWS_DEVICE = re.compile(r"con|prn|aux|nul|(com|lpt)[1-9]")
# What the service's dependencies need in their turn; pyproject.toml has the first hand.
TRANSITIVE_DEPENDENCIES = frozenset(
    """aiosqlite annotated-doc annotated-types anyio argcomplete argon2-cffi
    argon2-cffi-bindings ast-serialize async-timeout asyncpg attrs certifi cffi click colorama
    colorlog coverage cryptography dependency-groups deprecated distlib dnspython execnet
    fasteners filelock greenlet h11 httpcore httpcore2 httptools httpx2-jsfetch humanize idna
    iniconfig librt mako markdown-it-py markupsafe mdurl mypy-extensions opentelemetry-api
    packaging pathspec platformdirs pluggy psutil pycparser pydantic pydantic-core pygments
    python-discovery python-dotenv pyyaml rich rich-toolkit shellingham starlette truststore
    typer typing-extensions typing-inspection uvloop valkey virtualenv watchfiles websockets
    wrapt wsproto""".split()  # noqa: SIM905 - as a list it is fifty lines
)

TEXT_LENGTHS = {"project_name": 100, "description": 300, "author_name": 100, "author_email": 254}
# Control characters, line and paragraph separators, lone surrogates, and the marks that make an
# editor show text in another order than it is in the file.
UNSAFE = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# `cruft update` renders the stored answers once more; `# %` at the start is a line statement.
JINJA = re.compile(r"\{[{%#]|^# %")
EMAIL = re.compile(r'[^\s@<>()\[\],;:"\\]+@[^\s@<>()\[\],;:"\\.]+(\.[^\s@<>()\[\],;:"\\.]+)+')

# Legal in JSON, but TOML or YAML wants them escaped.
UNESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def quoted(text: object) -> str:
    r"""Escape text for the inside of a double-quoted literal of TOML, YAML, JSON or Python.

    The quotes stand in the source (`description = "{{ cookiecutter.description | quoted }}"`),
    so that it parses before it is rendered as well as after. Emoji stay as they are: the pairs
    of `\u` escapes that JSON has for them are no characters in TOML, and others in Python.
    """
    literal = json.dumps(str(text), ensure_ascii=False)
    return UNESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", literal[1:-1])


def validate(answers: Mapping[str, object]) -> str:
    """Return nothing where all answers are good.

    Otherwise Cookiecutter prints the one line of the exception and exits with 1. In a private
    variable that happens before anything is written.
    """
    for problem in _problems({name: str(answer) for name, answer in answers.items()}):
        raise FailedHookException(problem)
    return ""


def _problems(answers: Mapping[str, str]) -> Iterator[str]:
    for name, length in TEXT_LENGTHS.items():
        if problem := _problem_of_text(answers[name], length):
            yield _refusal(name, answers[name], problem, "any one line of ordinary text")
    if not EMAIL.fullmatch(answers["author_email"]):
        problem = "is not an e-mail address"
        yield _refusal("author_email", answers["author_email"], problem, "you@example.com")
    if problem := _problem_of_slug(answers["project_slug"]):
        yield _refusal_of_slug(answers["project_name"], answers["project_slug"], problem)

    for name, values in CHOICES.items():  # a replay may hold anything
        if answers[name] not in values:
            yield _refusal(name, answers[name], "is not a choice", " or ".join(values))


def _refusal_of_slug(name: str, slug: str, problem: str) -> str:
    if slug != slugify(name):
        return _refusal("project_slug", slug, problem, "my-service")
    made = f"makes project_slug {_shown(slug)}, which {problem}"  # only the name was typed
    return _refusal("project_name", name, made, "My Service")


def _refusal(name: str, answer: str, problem: str, example: str) -> str:
    return f"{name} {_shown(answer)} {problem}; this works: {example}"


def _shown(answer: str) -> str:
    # ascii() keeps it on one line, and no terminal fails to show it.
    return ascii(answer if len(answer) <= 50 else f"{answer[:47]}...")


def _problem_of_text(text: str, length: int) -> str | None:
    if text != text.strip() or not text:
        return "is empty, or begins or ends with white space"
    if len(text) > length:
        return f"has {len(text)} characters, and {length} are the limit"
    if UNSAFE.search(text):
        return "holds a line break or another character that cannot be seen"
    if JINJA.search(text):
        return "holds what template updates would take for Jinja"
    return None


def _problem_of_slug(slug: str) -> str | None:
    if len(slug) > SLUG_LENGTH:
        return (
            f"has {len(slug)} characters, and {SLUG_LENGTH} are the limit:"
            " give a shorter project_slug, the name may stay long"
        )
    if not SLUG.fullmatch(slug):
        return (
            "cannot name a directory, a distribution and an image: it takes lower-case letters and"
            " digits, a letter first, in groups joined by single - or _"
        )
    if WINDOWS_DEVICE.fullmatch(slug):
        return "is the name of a device on Windows"
    if _normalized(slug) in _dependencies():
        return "is the name of a package that the service needs, and no project can need itself"
    return None


def _dependencies() -> frozenset[str]:
    pyproject = tomllib.loads(PYPROJECT.read_text("utf-8"))
    groups = [pyproject["project"]["dependencies"], *pyproject["dependency-groups"].values()]
    direct = (re.split(r"[^\w.-]", requirement)[0] for group in groups for requirement in group)
    return TRANSITIVE_DEPENDENCIES.union(map(_normalized, direct))


def _normalized(name: str) -> str:
    """Return the form in which PEP 503 compares the names of distributions."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Filters(Extension):
    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        # `cruft update` renders the old and the new template in one process: the next import has
        # to find the next template's module, not this one.
        sys.modules.pop(__name__, None)
        environment.filters |= {"quoted": quoted, "validate": validate}
