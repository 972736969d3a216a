"""What the documents say is what the template does."""

import json
import re
from pathlib import Path

from conftest import CHOICES, PROMPTS, ROOT

README = ROOT / "README.md"
LABELS = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))["__prompts__"]


def test_every_prompt_and_every_choice_has_a_label() -> None:
    assert list(LABELS) == list(PROMPTS)
    for prompt, values in CHOICES.items():
        assert list(LABELS[prompt]) == ["__prompt__", *values]


def test_the_table_of_options_in_the_readme_lists_every_prompt() -> None:
    first_cells = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", README.read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"\w+", " ".join(first_cells)) == list(PROMPTS)


def test_the_continuous_integration_runs_the_test_line_of_the_readme() -> None:
    (line,) = re.findall(r"^python3 -m venv .*/nox$", README.read_text("utf-8"), re.MULTILINE)
    assert line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()


def test_files_name_no_place_outside_of_the_repository(template: Path) -> None:
    foreign = re.compile(r"/(?:root|tmp|work)/|pypi\.org|pythonhosted\.org|npmjs\.org")
    for path in template.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert foreign.findall(path.read_bytes().decode("utf-8", "replace")) == [], path
