"""Follow the pages about adding and removing a feature word for word."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from commands import install, uv_run
from conftest import Bake

BLOCK = re.compile(r"(?P<prose>.*?)```(?P<language>\w+)\n(?P<code>.*?)```\n", re.DOTALL)
REALTIME = "WebSockets and event streams"
FILE = re.compile(r"`([\w./]*\.\w+)`")


def section(project: Path, feature: str) -> str:
    """Return the steps that remove a feature, without those for features that are gone already."""
    page = (project / "docs" / "removing-a-feature.md").read_text("utf-8")
    (text,) = re.findall(rf"^## {feature}\n(.*?)(?=^## |\Z)", page, re.DOTALL | re.MULTILINE)
    steps = re.split(r"^(?=\d+\. )", text, flags=re.MULTILINE)
    conditions = [re.match(r"\d+\. If the service still has `([\w/]+)`", step) for step in steps]
    return "".join(
        step
        for step, condition in zip(steps, conditions, strict=True)
        if condition is None or (project / condition[1]).exists()
    )


def follow(project: Path, page: str) -> str:
    """Write each file, make each change and run each command; return the output of the commands."""
    name, output = "", ""
    for block in BLOCK.finditer(page):
        for empty in re.findall(r"`([\w/]+\.py)` is empty", block["prose"]):
            (project / empty).parent.mkdir()
            (project / empty).touch()
        for heading in re.findall(r"section `(#+ [\w ]+)`", block["prose"]):
            delete_section(project / "README.md", heading)
        name = ([name] + FILE.findall(block["prose"]))[-1]
        match block["language"]:
            case "python":
                (project / name).write_text(block["code"], "utf-8")
            case "diff":
                change(project / name, block["code"])
            case "text":
                delete_lines(project, FILE.findall(block["prose"]), block["code"].split())
            case "console":
                output += "".join(run(project, line) for line in block["code"].splitlines())
    return output


def delete_section(path: Path, heading: str) -> None:
    before, after = path.read_text("utf-8").split(f"\n{heading}\n")
    path.write_text(before + after[after.index("\n#") :], "utf-8")


def delete_lines(project: Path, names: list[str], settings: list[str]) -> None:
    for path in (project / name for name in names):
        kept = [
            line
            for line in path.read_text("utf-8").splitlines(keepends=True)
            if not re.match(rf"(\| `)?({'|'.join(settings)})\b", line)
        ]
        path.write_text("".join(kept), "utf-8")


def run(project: Path, line: str) -> str:
    match shlex.split(line):
        case ["uv", "run", *command]:
            return uv_run(project, *command)
        case ["rm", *_] as command:
            subprocess.run(command, cwd=project, check=True)
    return ""


def change(path: Path, diff: str) -> None:
    lines = diff.splitlines(keepends=True)
    old = "".join(line[1:] for line in lines if not line.startswith("+"))
    new = "".join(line[1:] for line in lines if not line.startswith("-"))
    text = "\n" + path.read_text("utf-8")
    assert text.count(f"\n{old}") == 1, old
    path.write_text(text.replace(f"\n{old}", f"\n{new}")[1:], "utf-8")


@pytest.mark.installs
@pytest.mark.timeout(600)
def test_following_the_page_adds_a_feature_that_passes_all_checks(
    bake_into: Bake, directory: Path
) -> None:
    project = bake_into(directory)
    install(project)
    output = follow(project, (project / "docs" / "adding-a-feature.md").read_text("utf-8"))
    assert "Required test coverage of 100.0% reached" in output
    assert "Session lint was successful" in output
    assert "Session types was successful" in output
    (migration,) = project.glob("migrations/versions/*_notes.py")
    assert '"notes",' in migration.read_text("utf-8")


@pytest.mark.installs
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("features", "answers"),
    [
        (["Posts", REALTIME], {}),
        ([REALTIME, "Posts"], {"auth": "oidc"}),
        (["Posts"], {"auth": "oidc", "broker": "redis"}),
        ([REALTIME], {"auth": "oidc", "database": "postgresql"}),
    ],
)
def test_following_the_page_removes_features_and_all_checks_pass_each_time(
    bake_into: Bake, directory: Path, features: list[str], answers: dict[str, str]
) -> None:
    project = bake_into(directory, **answers)
    install(project)
    for feature in features:
        output = follow(project, section(project, feature))
        assert "Required test coverage of 100.0% reached" in output
        assert "Session lint was successful" in output
        assert "Session types was successful" in output
