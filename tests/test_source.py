"""The unrendered source of the service."""

import re
import tomllib
from pathlib import Path

import yaml
from conftest import CHOICES, PRODUCT

STRUCTURED = {".py", ".toml", ".json", ".yaml", ".yml"}
CONDITIONAL = re.compile(r"^\s*# % ?(if|elif|for)\b|\{%-? *(if|elif|for)\b", re.MULTILINE)
JINJA = re.compile(r"\{\{|\{%|\{#|^\s*# %", re.MULTILINE)
# Only the slug and choices may appear without the filter.
USER_TEXT = re.compile(rf"cookiecutter\.(?!(?:project_slug|{'|'.join(CHOICES)})\b)\w+")
QUOTED_USER_TEXT = re.compile(r'"\{\{ cookiecutter\.\w+ \| quoted \}\}"')


def sources(template: Path, *suffixes: str) -> list[Path]:
    files = [path for path in (template / PRODUCT.name).rglob("*") if path.is_file()]
    # Names of conditional files end in "{% endif %}".
    return [
        path for path in files if path.name.removesuffix("{% endif %}").endswith(suffixes or "")
    ]


def test_unrendered_toml_and_yaml_files_parse(template: Path) -> None:
    for path in sources(template, ".toml"):
        tomllib.loads(path.read_text("utf-8"))
    for path in sources(template, ".yaml", ".yml"):
        list(yaml.safe_load_all(path.read_text("utf-8")))


def test_python_files_contain_no_jinja(template: Path) -> None:
    rendered = [path for path in sources(template, ".py") if JINJA.search(path.read_text("utf-8"))]
    assert rendered == []


def test_structured_files_quote_user_text_with_the_filter(template: Path) -> None:
    for path in sources(template, *STRUCTURED):
        rest = QUOTED_USER_TEXT.sub("", path.read_text("utf-8"))
        assert USER_TEXT.findall(rest) == [], path


def test_source_has_less_than_one_conditional_per_100_lines(template: Path) -> None:
    texts = [path.read_text("utf-8") for path in sources(template)]
    conditionals = sum(len(CONDITIONAL.findall(text)) for text in texts)
    assert conditionals * 100 < sum(text.count("\n") for text in texts)


def test_file_names_are_valid_on_windows(template: Path) -> None:
    for path in sources(template):
        assert not set('"<>:|?*') & set(str(path.relative_to(template)))
