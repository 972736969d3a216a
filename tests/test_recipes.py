"""Somebody follows the pages that add and remove a feature, word for word."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from commands import run_uv, uv_run
from conftest import Bake

BLOCK = re.compile(r"(?P<words>.*?)```(?P<language>\w+)\n(?P<code>.*?)```\n", re.DOTALL)
FILE = re.compile(r"`([\w./]+\.\w+)`")


def follow(project: Path, page: str) -> str:
    """Write each file, make each change and run each command; return what was printed."""
    name, output = "", ""
    for block in BLOCK.finditer(page):
        for empty in re.findall(r"`([\w/]+\.py)` is empty", block["words"]):
            (project / empty).parent.mkdir()
            (project / empty).touch()
        name = ([name] + FILE.findall(block["words"]))[-1]
        match block["language"]:
            case "python":
                (project / name).write_text(block["code"], "utf-8")
            case "diff":
                change(project / name, block["code"])
            case "console":
                output += "".join(run(project, line) for line in block["code"].splitlines())
    return output


def run(project: Path, line: str) -> str:
    match shlex.split(line):
        case ["uv", "run", *command]:
            return uv_run(project, *command)
        case ["rm", "-r", *names]:
            subprocess.run(["rm", "-r", *names], cwd=project, check=True)
    return ""


def change(path: Path, diff: str) -> None:
    lines = diff.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if not line.startswith("+"))
    new = "".join(line[1:] for line in lines if not line.startswith("-"))
    text = path.read_text("utf-8")
    assert text.count(f"\n{old}") == 1, old
    path.write_text(text.replace(f"\n{old}", f"\n{new}"), "utf-8")


@pytest.mark.installs
@pytest.mark.timeout(300)
def test_the_page_adds_a_feature_whose_suite_and_checks_are_green(
    bake_into: Bake, directory: Path
) -> None:
    project = bake_into(directory)
    run_uv(project, "sync", "--quiet", "--python", sys.executable)
    output = follow(project, (project / "docs" / "adding-a-feature.md").read_text("utf-8"))
    assert "Required test coverage of 100.0% reached" in output
    assert "Session types was successful" in output
    (migration,) = project.glob("migrations/versions/*_notes.py")
    assert '"notes",' in migration.read_text("utf-8")


@pytest.mark.installs
@pytest.mark.timeout(300)
@pytest.mark.parametrize("answers", [{}, {"auth": "oidc", "broker": "redis"}], ids=str)
@pytest.mark.parametrize("feature", ["Posts"])
def test_the_page_removes_a_feature_and_leaves_a_green_suite(
    bake_into: Bake, directory: Path, feature: str, answers: dict[str, str]
) -> None:
    project = bake_into(directory, **answers)
    run_uv(project, "sync", "--quiet", "--python", sys.executable)
    page = (project / "docs" / "removing-a-feature.md").read_text("utf-8")
    (section,) = re.findall(rf"^## {feature}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    output = follow(project, section)
    assert "No new upgrade operations detected" in output
    assert "Required test coverage of 100.0% reached" in output
    assert "Session types was successful" in output
