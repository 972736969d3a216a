"""The documentation matches the template."""

import json
import re
from pathlib import Path

from conftest import CHOICES, PROMPTS, ROOT

README = ROOT / "README.md"
LABELS = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))["__prompts__"]


def test_prompts_and_choices_all_have_labels() -> None:
    assert list(LABELS) == list(PROMPTS)
    for prompt, values in CHOICES.items():
        assert list(LABELS[prompt]) == ["__prompt__", *values]


def test_readme_lists_every_prompt_in_order() -> None:
    first_cells = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", README.read_text("utf-8"), re.MULTILINE)
    assert re.findall(r"\w+", " ".join(first_cells)) == list(PROMPTS)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    (line,) = re.findall(r"^python3 -m venv .*/nox$", README.read_text("utf-8"), re.MULTILINE)
    assert line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()


def test_no_file_names_a_place_outside_the_repository(template: Path) -> None:
    foreign = re.compile(r"/(?:root|tmp|work)/|pypi\.org|pythonhosted\.org|npmjs\.org")
    for path in template.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert foreign.findall(path.read_bytes().decode("utf-8", "replace")) == [], path


def test_decision_records_share_one_format_and_are_all_in_the_index() -> None:
    directory = ROOT / "docs" / "decisions"
    records = sorted(directory.glob("0*.md"))
    rows = []
    for number, record in enumerate(records, start=1):
        title, *lines = record.read_text("utf-8").splitlines()
        assert record.name.startswith(f"{number:04d}-")
        assert title.startswith(f"# {number}. ")
        headings = [line for line in lines if line.startswith("#")]
        assert headings == ["## Status", "## Context", "## Decision", "## Consequences"], record
        rows.append(f"| [{number}]({record.name}) | {title.partition('. ')[2]} |")
    index = (directory / "README.md").read_text("utf-8")
    assert rows == [row.rpartition(" accepted")[0] for row in index.splitlines() if "](0" in row]


def test_links_between_documents_lead_to_existing_files() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]:
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_changelog_says_for_each_version_what_owners_have_to_do() -> None:
    _, *versions = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
    for version in versions:
        assert "\n\nOwners of an existing service:\n\n- " in version, version.splitlines()[0]
