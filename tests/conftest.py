import functools
import itertools
import json
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import install, make_first_commit
from cookiecutter.main import cookiecutter
from sandbox import Sandbox

Bake = Callable[..., Path]

ROOT = Path(__file__).parents[1]
PRODUCT = ROOT / "{{cookiecutter.project_slug}}"
PROMPTS: dict[str, str | list[str]] = {
    name: default
    for name, default in json.loads((ROOT / "cookiecutter.json").read_text("utf-8")).items()
    if not name.startswith("_")
}
CHOICES = {name: values for name, values in PROMPTS.items() if isinstance(values, list)}
# All combinations of choices; the first one has the defaults.
COMBINATIONS = [dict(zip(CHOICES, v, strict=True)) for v in itertools.product(*CHOICES.values())]

# Shells let commands in the background ignore Ctrl-C, and the processes of tests would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def workspace() -> Iterator[Path]:
    """Yield a directory for everything that the tests write; it is removed when they end."""
    with (
        tempfile.TemporaryDirectory(prefix="template-tests-") as directory,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("TMPDIR", directory)  # Cookiecutter, uv and pytest leave files there
        patch.setattr(tempfile, "tempdir", directory)
        # Services share bytecode and the results of type checks.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", f"{directory}/bytecode")
        patch.setenv("MYPY_CACHE_DIR", f"{directory}/mypy")
        yield Path(directory)


@pytest.fixture
def directory(workspace: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=workspace))


@pytest.fixture(scope="session")
def template(workspace: Path) -> Path:
    """Copy the template without caches, because Cookiecutter would copy them into services."""
    template = workspace / "template"
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(listing, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    for name in listed.decode().split("\0"):
        if (ROOT / name).is_file():
            (template / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, template / name)
    return template


@pytest.fixture(scope="session")
def bake_into(template: Path, workspace: Path) -> Bake:
    """Return a function that bakes into a directory, without the configuration of the user."""
    config = workspace / "cookiecutter.yaml"
    folders = {name: f"{workspace}/{name}" for name in ("cookiecutters_dir", "replay_dir")}
    config.write_text(json.dumps(folders), "utf-8")

    def bake_into(output: Path, *, hooks: bool = True, **answers: str) -> Path:
        assert answers.keys() <= PROMPTS.keys()  # Cookiecutter ignores unknown ones
        project = cookiecutter(
            str(template),
            no_input=True,
            extra_context=answers,
            output_dir=str(output),
            config_file=str(config),
            accept_hooks=hooks,
        )
        return Path(project)

    return bake_into


@pytest.fixture(scope="session")
def bake(bake_into: Bake, workspace: Path) -> Bake:
    """Return a function that bakes each set of answers once; tests must not change the result."""

    @functools.cache
    def bake(**answers: str) -> Path:
        return bake_into(Path(tempfile.mkdtemp(dir=workspace)), **answers)

    return bake


@pytest.fixture(scope="session")
def service(bake_into: Bake, workspace: Path) -> Path:
    """Install and commit the default service at a path with spaces and non-ASCII letters."""
    project = bake_into(workspace / "Ünï cödé 日本")
    install(project)
    make_first_commit(project)
    return project


@pytest.fixture(scope="session")
def postgresql_service(bake_into: Bake, workspace: Path) -> Path:
    """Install a service on PostgreSQL; its tests start a server."""
    project = bake_into(workspace / "on PostgreSQL", database="postgresql")
    install(project)
    return project


@pytest.fixture
def sandbox(directory: Path, template: Path) -> Sandbox:
    return Sandbox(directory, template)
