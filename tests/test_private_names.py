"""The service uses no private name (leading underscore) of a library."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PRODUCT

# SLF001 finds private attributes; PLC2701 finds private imports, and is a preview rule.
RUFF = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--ignore-noqa"]
RUFF += ["--output-format=concise", "--preview", "--select=SLF001,PLC2701"]
RUFF += ["--config", 'extension = {"py{% endif %}" = "python"}']
RUFF += ["--config", 'extend-include = ["*.py[{]% endif %[}]"]']
PRIVATE = re.compile(r"_(?!_)\w*[^_]")


def ruff_findings(app: Path) -> list[str]:
    ended = subprocess.run(
        [*RUFF, "."], check=False, cwd=app, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert ended.returncode in {0, 1}  # 2 is an error of Ruff itself
    return re.findall(r"^.+:\d+:\d+: .+$", ended.stdout, re.MULTILINE)


def undefined_names(app: Path) -> set[str]:
    """Return the private names that are used in the service and defined nowhere in it.

    Ruff accepts any private attribute of `self`, including those of a library's base class, and
    private imports that are used in annotations only.
    """
    # Names of conditional files end in ".py{% endif %}".
    files = [
        path for path in app.rglob("*") if path.name.removesuffix("{% endif %}").endswith(".py")
    ]
    trees = [ast.parse(path.read_text("utf-8")) for path in files]
    return set().union(*map(used, trees)).difference(*map(defined, trees))


def used(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, ctx=ast.Load()):
                names.add(name)
            case ast.ImportFrom(module=module, names=aliases) if module:
                names |= {*module.split("."), *(alias.name for alias in aliases)}
            case ast.Import(names=aliases):
                names |= {part for alias in aliases for part in alias.name.split(".")}
            case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
                names.add(name)
    return set(filter(PRIVATE.fullmatch, names))


def defined(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, ctx=ast.Store()) | ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name):
                names.add(name)
    return names


def test_service_uses_no_private_name_of_a_library(template: Path) -> None:
    app = template / PRODUCT.name / "app"
    assert (ruff_findings(app), undefined_names(app)) == ([], set())


@pytest.fixture(params=["x.py", "{% if cookiecutter.ci == 'none' %}x.py{% endif %}"])
def planted_file(request: pytest.FixtureRequest, directory: Path) -> Path:
    (directory / "package").mkdir()
    return directory / "package" / str(request.param)


@pytest.mark.parametrize(
    "code",
    [
        "connection._conn",
        "connection._conn  # noqa: SLF001",
        "from sqlalchemy import _x\n_x()",
        "from sqlalchemy._x import y\ny()",
    ],
)
def test_ruff_reports_a_planted_private_name(
    directory: Path, planted_file: Path, code: str
) -> None:
    planted_file.write_text(f"{code}\n", "utf-8")
    assert ruff_findings(directory)
    assert undefined_names(directory)


@pytest.mark.parametrize(
    "code",
    [
        "from sqlalchemy import _X\nx: _X",
        "import sqlalchemy._x",
        "getattr(connection, '_conn')",
        "class S(Session):\n    def x(self):\n        return self._flushing",
    ],
)
def test_check_of_definitions_reports_a_planted_private_name(
    directory: Path, planted_file: Path, code: str
) -> None:
    planted_file.write_text(f"{code}\n", "utf-8")
    assert undefined_names(directory)


def test_private_names_of_the_service_itself_are_accepted(directory: Path) -> None:
    code = (
        "class A:\n    def x(self):\n        self._y = 1\n        return self._y, self.__dict__\n"
    )
    (directory / "own.py").write_text(code, "utf-8")
    assert (ruff_findings(directory), undefined_names(directory)) == ([], set())
