"""The examples of docs/testing.md are complete, pass, and detect what they claim to detect."""

import re
from pathlib import Path

import pytest
from commands import install, run_uv, uv_run
from conftest import Bake
from guide import BREAKS, PAGE, Break, read_guide, write_examples

PYTEST = ("pytest", "-p", "no:cacheprovider", "--quiet", "--tb=short", "--show-capture=no")
VARIANTS = [{}, {"auth": "oidc", "database": "postgresql", "broker": "redis"}]


def install_with_examples(project: Path) -> Path:
    """Install a service and follow the guide: write its examples, add its dependencies."""
    install(project)
    for command in write_examples(project).commands:
        if command.startswith("uv add "):
            run_uv(project, *command.split()[1:], "--quiet")
    return project


@pytest.fixture(scope="module")
def broken_service(bake_into: Bake, workspace: Path) -> Path:
    """Install a service with the examples; tests change its files and restore them."""
    project = install_with_examples(bake_into(workspace / "broken"))
    pyproject = project / "pyproject.toml"
    text = pyproject.read_text("utf-8")
    assert 'timeout = "300"' in text
    # Some of the changes make tests wait for something that never happens.
    pyproject.write_text(text.replace('timeout = "300"', 'timeout = "30"'), "utf-8")
    return project


def test_table_of_contents_lists_all_sections(bake: Bake) -> None:
    page = (bake() / PAGE).read_text("utf-8")
    links = re.findall(r"\]\(#([\w-]+)\)", page[: page.index("\n## ")])
    sections = read_guide(bake()).headings[1:]
    assert links == [section.lower().replace(" ", "-") for section in sections]


def test_each_example_must_detect_a_change(bake: Bake) -> None:
    code = "".join(read_guide(bake()).examples.values())
    examples = re.findall(r"^(?:async )?def (test_\w+)", code, re.MULTILINE)
    assert len(examples) == len({*examples})
    assert {*examples} == {test for change in BREAKS for test in change.tests}


@pytest.mark.installs
@pytest.mark.parametrize("answers", VARIANTS, ids=lambda answers: "-".join(answers.values()))
def test_examples_and_commands_of_the_guide_pass(
    bake_into: Bake, directory: Path, answers: dict[str, str]
) -> None:
    project = install_with_examples(bake_into(directory, **answers))
    guide = read_guide(project)
    uv_run(project, "ruff", "check", *guide.examples)
    uv_run(project, "ruff", "format", "--check", *guide.examples)
    uv_run(project, "mypy", *guide.examples)
    uv_run(project, *PYTEST, "-n", "2", *guide.examples)
    for command in guide.commands:
        if command.startswith("uv run "):
            uv_run(project, *command.replace('"', "").split()[2:])


@pytest.mark.installs
@pytest.mark.parametrize("change", BREAKS, ids=lambda change: change.tests[0])
def test_example_fails_if_the_service_breaks_its_promise(
    change: Break, broken_service: Path
) -> None:
    path = broken_service / change.file
    original = path.read_text("utf-8")
    assert original.count(change.old) >= 1, change
    path.write_text(original.replace(change.old, change.new), "utf-8")
    try:
        names = " or ".join(change.tests)
        command = [
            *PYTEST,
            "-p",
            "no:randomly",
            "-rfE",
            "-k",
            names,
            *read_guide(broken_service).examples,
        ]
        output = uv_run(broken_service, "sh", "-c", '"$@" || test $? -eq 1', "sh", *command)
    finally:
        path.write_text(original, "utf-8")
    failed = set(re.findall(r"^FAILED \S+::(test_\w+)", output, re.MULTILINE))
    assert failed == {*change.tests}, output


@pytest.mark.installs
def test_fixtures_are_described_in_one_line_each_and_listed_in_the_readme(service: Path) -> None:
    output = uv_run(service, "pytest", "--fixtures", "--quiet", "tests/test_conftest.py")
    own = r"^(\w+)(?: \[\w+ scope\])? -- tests/(?!test_)\S+\n((?:    .+\n)+)"
    descriptions = dict(re.findall(own, output, re.MULTILINE))
    assert {"async_client", "clock", "external_services"} <= descriptions.keys()
    readme = (service / "README.md").read_text("utf-8")
    for name, description in descriptions.items():
        assert len(description.splitlines()) == 1, description
        assert f"`{name}`" in readme or description.startswith("    Lower-level fixture: "), name
