"""Follow the pages of a service word for word: write their files, apply their diffs, run commands."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from commands import run_uv, uv_run
from conftest import PRODUCT

from demo import project_environment

BLOCK = re.compile(r"(?P<prose>.*?)```(?P<language>\w+)\n(?P<code>.*?)```\n", re.DOTALL)
FILE = re.compile(r"`([\w./]*\.\w+)`")
CONDITION = re.compile(r"\{% if cookiecutter\.(\w+) == '(\w+)' %\}|\{% endif %\}")
RECIPES = {
    CONDITION.sub("", page.name): dict(CONDITION.findall(page.name)[:1])
    for page in (PRODUCT / "docs" / "recipes").glob("*-*")
    if not page.name.startswith("removing-")
}
"""The names of all recipes that add something, each with the answer that it requires, if any."""
RECIPE_SERVICES = [{"database": "sqlite"}, {"database": "postgresql", "broker": "redis"}]
"""Services in which recipes are combined."""
# Runs in a service: prints the URL of a server, which stops at the end of the input.
SERVER = """
import sys
sys.path.insert(0, ".")
from tests.postgresql import running_server

with running_server() as server:
    print(server.url.render_as_string(), flush=True)
    sys.stdin.read()
"""


def recipes(answers: dict[str, str]) -> list[str]:
    """Return the names of all recipes of a service with passwords."""
    given = answers | {"auth": "password"}
    return [name for name, required in sorted(RECIPES.items()) if required.items() <= given.items()]


@contextmanager
def running_database(project: Path) -> Iterator[None]:
    """Run the database of `.env`, in which the recipes create their tables."""
    env = (project / ".env").read_text("utf-8")
    if "DATABASE_URL=sqlite" in env:
        yield
        return
    with subprocess.Popen(
        [project / ".venv" / "bin" / "python", "-c", SERVER],
        cwd=project,
        env=project_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin
        assert server.stdout
        url = server.stdout.readline().strip()
        env = re.sub(r"^DATABASE_URL=.*$", f"DATABASE_URL={url}", env, flags=re.MULTILINE)
        (project / ".env").write_text(env, "utf-8")
        try:
            yield
        finally:
            server.stdin.close()


def blocks(page: str) -> Iterator[tuple[str, re.Match[str]]]:
    """Yield the code blocks of a page, each with the file that the text named last."""
    name = ""
    for block in BLOCK.finditer(page):
        name = ([name] + FILE.findall(block["prose"]))[-1]
        yield name, block


def follow(project: Path, page: str) -> str:
    """Write each file, make each change and run each command; return the output of the commands.

    Leave out the section about the removal.
    """
    output = ""
    for name, block in blocks(page.partition("\n## Removal\n")[0]):
        for empty in re.findall(r"`([\w/]+\.py)` is empty", block["prose"]):
            (project / empty).parent.mkdir()
            (project / empty).touch()
        for heading in re.findall(r"section `(#+ [\w ]+)`", block["prose"]):
            delete_section(project / "README.md", heading)
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


def undo(project: Path, page: str) -> str:
    """Undo the changes of a recipe, and follow its section about the removal."""
    for name, diff in reversed([*diffs(page)]):
        change(project / name, reverse(diff))
    return follow(project, page.partition("\n## Removal\n")[2])


def diffs(page: str) -> Iterator[tuple[str, str]]:
    """Yield each diff of a recipe, with the name of its file."""
    for name, block in blocks(page.partition("\n## Removal\n")[0]):
        if block["language"] == "diff":
            yield name, block["code"]


def reverse(diff: str) -> str:
    sides = str.maketrans("+-", "-+")
    lines = diff.splitlines(keepends=True)
    return "".join(line[0].translate(sides) + line[1:] for line in lines)


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
        case ["uv", "add" | "remove" as change, *packages]:
            return run_uv(project, change, "--quiet", *packages)
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
