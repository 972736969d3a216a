"""The template as it lies in the repository, not rendered."""

import re
import tomllib
from pathlib import Path

import yaml
from conftest import CHOICES, PRODUCT

STRUCTURED = {".py", ".toml", ".json", ".yaml", ".yml"}
CONDITIONAL = re.compile(r"^\s*# % ?(if|elif|for)\b|\{%-? *(if|elif|for)\b", re.MULTILINE)
JINJA = re.compile(r"\{\{|\{%|\{#|^\s*# %", re.MULTILINE)
# Answers that hold no text of the user.
USER_TEXT = re.compile(rf"cookiecutter\.(?!(?:project_slug|{'|'.join(CHOICES)})\b)\w+")
QUOTED_USER_TEXT = re.compile(r'"\{\{ cookiecutter\.\w+ \| quoted \}\}"')


def sources(template: Path, *suffixes: str) -> list[Path]:
    files = [path for path in (template / PRODUCT.name).rglob("*") if path.is_file()]
    # "{% if ... %}name.py{% endif %}" is Python too.
    return [
        path for path in files if path.name.removesuffix("{% endif %}").endswith(suffixes or "")
    ]


def test_toml_and_yaml_parse_before_they_are_rendered(template: Path) -> None:
    for path in sources(template, ".toml"):
        tomllib.loads(path.read_text("utf-8"))
    for path in sources(template, ".yaml", ".yml"):
        list(yaml.safe_load_all(path.read_text("utf-8")))


def test_no_python_of_the_service_holds_jinja(template: Path) -> None:
    holding = [path for path in sources(template, ".py") if JINJA.search(path.read_text("utf-8"))]
    assert holding == []


def test_in_structured_files_text_of_the_user_is_quoted_by_the_filter(template: Path) -> None:
    for path in sources(template, *STRUCTURED):
        rest = QUOTED_USER_TEXT.sub("", path.read_text("utf-8"))
        assert USER_TEXT.findall(rest) == [], path


def test_there_is_less_than_one_conditional_in_100_lines(template: Path) -> None:
    texts = [path.read_text("utf-8") for path in sources(template)]
    conditionals = sum(len(CONDITIONAL.findall(text)) for text in texts)
    assert conditionals * 100 < sum(text.count("\n") for text in texts)


def test_file_names_work_on_windows(template: Path) -> None:
    for path in sources(template):
        assert not set('"<>:|?*') & set(str(path.relative_to(template)))
