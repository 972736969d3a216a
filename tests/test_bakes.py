"""Baked services, not installed."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import COMBINATIONS, Bake
from sandbox import contents

EXPECTED_FILES = Path(__file__).parent / "expected_files.txt"
HOSTILE_ANSWERS = {
    "project_name": 'The "Ñandú" \\ Service',
    "project_slug": "another_slug",
    "description": "Quotes \" ' and \\ and \N{ROCKET}.",
    "author_name": "Seán O'Brien",
}
ANSWERS = [
    *(pytest.param(choices, id=" ".join(choices.values())) for choices in COMBINATIONS),
    pytest.param(HOSTILE_ANSWERS, id="hostile"),
]
PARSERS: dict[str, Callable[[str], object]] = {
    ".py": ast.parse,
    ".toml": tomllib.loads,
    ".json": json.loads,
    ".yaml": lambda text: list(yaml.safe_load_all(text)),
    ".yml": lambda text: list(yaml.safe_load_all(text)),
}
UNRENDERED = re.compile(r"\{\{ *cookiecutter|\{%|^\s*# %", re.MULTILINE)


@pytest.fixture(params=ANSWERS)
def answers(request: pytest.FixtureRequest) -> dict[str, str]:
    answers: dict[str, str] = request.param
    return answers


@pytest.fixture
def texts(bake: Bake, answers: dict[str, str]) -> dict[Path, str]:
    files = (path for path in bake(**answers).rglob("*") if path.is_file())
    return {path: path.read_bytes().decode("utf-8") for path in files}


def expected_files(answers: dict[str, str]) -> set[str]:
    """Return the listed files whose conditions all hold, as in `redis.py broker=redis`."""
    all_answers = COMBINATIONS[0] | answers
    lines = (line.split() for line in EXPECTED_FILES.read_text("utf-8").splitlines())
    return {
        name
        for name, *conditions in lines
        if all(all_answers[prompt] == value for prompt, value in map(parse_condition, conditions))
    }


def parse_condition(condition: str) -> tuple[str, str]:
    prompt, _, value = condition.partition("=")
    return prompt, value


def test_service_has_exactly_the_expected_files(bake: Bake, answers: dict[str, str]) -> None:
    project = bake(**answers)
    files = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    assert files == expected_files(answers)


def test_service_contains_no_template_syntax(texts: dict[Path, str]) -> None:
    assert [path for path, text in texts.items() if UNRENDERED.search(text)] == []


def test_structured_files_parse(texts: dict[Path, str]) -> None:
    for path, text in texts.items():
        PARSERS.get(path.suffix, str)(text)


def test_files_end_with_one_newline_and_lines_have_no_trailing_whitespace(
    texts: dict[Path, str],
) -> None:
    for path, text in texts.items():
        assert text == "" or re.search(r"\S\n\Z", text), path
        assert not re.search(r"[ \t\r]$", text, re.MULTILINE), path


def test_tables_of_documents_end_with_an_empty_line(texts: dict[Path, str]) -> None:
    for path in (path for path in texts if path.suffix == ".md"):
        assert re.findall(r"^\|.*\n(?![|\n])(.+)", texts[path], re.MULTILINE) == [], path


@pytest.mark.parametrize("command", ["check", "format --check"])
def test_service_passes_ruff(bake: Bake, answers: dict[str, str], command: str) -> None:
    ruff = [sys.executable, "-m", "ruff", *command.split(), "--no-cache", "."]
    ended = subprocess.run(
        ruff, check=False, cwd=bake(**answers), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert ended.returncode == 0, ended.stdout.decode()


def test_two_bakes_of_the_same_answers_are_identical(
    bake: Bake, bake_into: Bake, directory: Path, answers: dict[str, str]
) -> None:
    first, second = contents(bake(**answers)), contents(bake_into(directory, **answers))
    # With passwords, every service has its own random SECRET_KEY.
    assert (first.pop(".env") == second.pop(".env")) == (answers.get("auth") == "oidc")
    assert first == second


def test_bake_rejects_unknown_prompts(bake: Bake) -> None:
    with pytest.raises(AssertionError):
        bake(databse="postgresql")
