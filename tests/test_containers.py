"""The image, Compose and nginx files, without a container engine: linted, parsed and emulated."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import uv
import yaml
from conftest import COMBINATIONS, Bake

import demo

DEPLOYABLE = [choices for choices in COMBINATIONS if choices["ci"] == "none"]


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Return pairs of instruction and arguments, without comments and line breaks."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text("utf-8"), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line]


def compose_services(project: Path) -> dict[str, dict[str, Any]]:
    text = (project / "compose.yaml").read_text("utf-8")
    services: dict[str, dict[str, Any]] = yaml.safe_load(text)["services"]
    return services


@pytest.fixture(params=DEPLOYABLE, ids=lambda choices: " ".join(choices.values()))
def project(bake: Bake, request: pytest.FixtureRequest) -> Path:
    return bake(**request.param)


def test_dockerfile_passes_hadolint(project: Path) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    ended = subprocess.run(
        [hadolint, "Dockerfile"], check=False, cwd=project, stdout=subprocess.PIPE
    )
    assert ended.returncode == 0, ended.stdout.decode()


def test_image_runs_as_unprivileged_user_and_stops_with_sigterm(
    project: Path,
) -> None:
    found = dict(instructions(project / "Dockerfile"))
    assert found["USER"] == "10001:10001"
    assert found["STOPSIGNAL"] == "SIGTERM"
    assert found["EXPOSE"] == "8000"
    assert json.loads(found["CMD"]) == ["python", "-m", "app"]


def test_docker_context_contains_only_what_the_image_copies(project: Path) -> None:
    sources = {
        source
        for instruction, arguments in instructions(project / "Dockerfile")
        if instruction == "COPY" and "--from" not in arguments
        for source in arguments.split()[:-1]
    }
    ignore = (project / ".dockerignore").read_text("utf-8").splitlines()
    allowed = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert allowed == sources | {"uv.lock"}


def test_compose_starts_the_servers_that_the_options_require(
    bake: Bake, project: Path, request: pytest.FixtureRequest
) -> None:
    choices = request.node.callspec.params["project"]
    services = compose_services(project)
    assert ("database" in services) == (choices["database"] == "postgresql")
    assert ("redis" in services) == (choices["broker"] == "redis")
    replicas = [name for name in services if name.startswith("app-")]
    # Several processes need Redis to share events.
    assert replicas == (["app-1", "app-2"] if choices["broker"] == "redis" else ["app-1"])
    nginx = (project / "deploy" / "nginx.conf").read_text("utf-8")
    assert re.findall(r"server (app-\d):8000", nginx) == replicas
    for name in replicas:
        assert services[name]["depends_on"]["migrate"] == {
            "condition": "service_completed_successfully"
        }


def test_compose_sets_only_known_settings_and_all_required_ones(project: Path) -> None:
    example = (project / ".env.example").read_text("utf-8")
    known = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    configured = compose_services(project)["app-1"]["environment"].keys()
    assert configured <= known
    required = {"DATABASE_URL", "SECRET_KEY", "OIDC_ISSUER", "OIDC_AUDIENCE"} & known
    assert required <= configured


def test_compose_passes_the_env_file_and_keeps_the_address_of_the_image(project: Path) -> None:
    image = dict(re.findall(r"(HOST|PORT)=(\S+)", (project / "Dockerfile").read_text("utf-8")))
    app = compose_services(project)["app-1"]
    assert app["env_file"] == ".env"
    assert {name: app["environment"][name] for name in ("HOST", "PORT")} == image


class Image:
    """Emulates a Dockerfile in directories instead of `/`, with the Python of these tests."""

    def __init__(self, root: Path, project: Path) -> None:
        self.srv, self.data, self.project = root / "srv", root / "data", project
        self.srv.mkdir(parents=True)
        self.data.mkdir()
        self.env = demo.project_environment(UV_PYTHON=sys.executable)
        self.env["PATH"] = f"{Path(uv.find_uv_bin()).parent}{os.pathsep}{self.env['PATH']}"
        self.commands: list[str] = []
        self.command: list[str] = []
        self.health: list[str] = []

    def build(self) -> None:
        for name in ("pyproject.toml", "uv.lock"):  # bind mounts of the Dockerfile
            shutil.copy(self.project / name, self.srv)
        for instruction, arguments in instructions(self.project / "Dockerfile"):
            match instruction:
                case "ENV":
                    self.set(re.sub(r"(?<![\w.])/srv\b", str(self.srv), arguments))
                case "COPY" if "--from" not in arguments:
                    self.copy(*arguments.split()[:-1])
                case "RUN":
                    line = re.sub(r"--mount=\S+\s+", "", arguments)
                    self.run("sh", "-ec", line).check_returncode()
                    self.commands.append(line)
                case "HEALTHCHECK":
                    self.health = json.loads(arguments.partition("CMD ")[2])
                case "CMD":
                    self.command = json.loads(arguments)
        (self.srv / "uv.lock").unlink()

    def set(self, variables: str) -> None:
        for name, value in (pair.split("=", 1) for pair in shlex.split(variables)):
            self.env[name] = value.replace("$PATH", self.env["PATH"])

    def copy(self, *names: str) -> None:
        for name in names:
            source = self.project / name
            if source.is_dir():
                shutil.copytree(source, self.srv / name, dirs_exist_ok=True)
            else:
                shutil.copy(source, self.srv)

    def run(self, *command: str) -> subprocess.CompletedProcess[bytes]:
        program = self.find(command[0])
        return subprocess.run(
            [program, *command[1:]],
            check=False,
            cwd=self.srv,
            env=self.env,
            stderr=subprocess.DEVNULL,
        )

    def find(self, program: str) -> str:
        return shutil.which(program, path=self.env["PATH"]) or program


@pytest.mark.installs
def test_every_instruction_of_the_dockerfile_works(bake_into: Bake, directory: Path) -> None:
    project = bake_into(directory / "project")
    subprocess.run([uv.find_uv_bin(), "lock", "--quiet"], check=True, cwd=project)
    image = Image(directory / "image", project)
    image.build()
    assert [line.split()[:2] for line in image.commands] == [["uv", "sync"], ["python", "-m"]]
    image.env |= {
        "DATABASE_URL": f"sqlite+aiosqlite:///{image.data}/service.db",
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuv",
        "PORT": str(demo.free_port()),
    }
    image.run(*compose_services(project)["migrate"]["command"]).check_returncode()
    assert image.run(*image.health).returncode == 1  # not started yet
    program = image.find(image.command[0])
    assert Path(program).is_relative_to(image.srv)
    with subprocess.Popen([program, *image.command[1:]], cwd=image.srv, env=image.env) as serving:
        try:
            deadline = time.monotonic() + 60
            while image.run(*image.health).returncode:
                assert time.monotonic() < deadline
                assert serving.poll() is None
        finally:
            serving.terminate()
    assert serving.returncode in (0, -signal.SIGTERM)
    assert not list(image.srv.rglob("pytest-*"))  # no development dependencies
