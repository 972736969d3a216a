"""Somebody follows docs/adding-a-feature.md, word for word."""

import re
import shlex
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
                for line in block["code"].splitlines():
                    output += uv_run(project, *shlex.split(line)[2:])
    return output


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
