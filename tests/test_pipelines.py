"""The pipelines: their syntax and permissions, and every one of their commands."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uv
import yaml
from commands import git
from conftest import Bake

import demo

FILES = {"github": ".github/workflows/ci.yml", "gitlab": ".gitlab-ci.yml"}
PINNED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
SESSIONS = ["lint", "types", "migrations", *(f"tests-{v}" for v in VERSIONS), "lowest", "audit"]
SCHEMAS = {
    ".github/workflows/ci.yml": "github-workflows",
    ".github/workflows/template.yml": "github-workflows",
    ".github/dependabot.yml": "dependabot",
    ".gitlab-ci.yml": "gitlab-ci",
    "renovate.json": "renovate",
}
# In place of Docker, which these tests do not need: it prints its arguments.
DOCKER = """#!/bin/sh
echo "docker $*"
"""


def pythons() -> dict[str, Path]:
    """Return the interpreters of this machine by version.

    pyenv's versions are searched directly, because its shims run only the selected ones.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = {f"3.{sys.version_info.minor}": Path(sys.executable)}
    for version in VERSIONS:
        name = f"python{version}"
        candidates = [shutil.which(name), *pyenv.glob(f"versions/{version}.*/bin/{name}")]
        for path in candidates:
            if path and is_cpython(path):
                found.setdefault(version, Path(path))
    return found


def is_cpython(path: str | Path) -> bool:
    code = "import sys; sys.exit(sys.implementation.name != 'cpython')"
    ended = subprocess.run([path, "-c", code], check=False, stderr=subprocess.DEVNULL)
    return ended.returncode == 0


PYTHONS = pythons()
# Without `audit`, which needs the network and is tested below.
SESSIONS_TO_RUN = [
    session
    for session in SESSIONS
    if session.removeprefix("tests-") in {"lint", "types", "migrations", "lowest", *PYTHONS}
]


class Job(NamedTuple):
    sessions: list[str]
    env: dict[str, str]
    lines: list[str]


def read_pipeline(bake: Bake, ci: str) -> dict[str, Any]:
    pipeline: dict[str, Any] = yaml.safe_load((bake(ci=ci) / FILES[ci]).read_text("utf-8"))
    return pipeline


def github_job(bake: Bake) -> Job:
    job = read_pipeline(bake, "github")["jobs"]["nox"]
    lines = [step["run"] for step in job["steps"] if "run" in step]
    return Job(job["strategy"]["matrix"]["session"], job["env"], lines)


def gitlab_job(bake: Bake) -> Job:
    job = read_pipeline(bake, "gitlab")["nox"]
    return Job(job["parallel"]["matrix"][0]["SESSION"], job["variables"], job["script"])


def run(project: Path, lines: Sequence[str], **env: str) -> subprocess.CompletedProcess[str]:
    """Run lines as a CI pipeline does, with uv and every Python on the PATH."""
    uv_bin = Path(uv.find_uv_bin()).parent
    bins = [uv_bin, *(path.parent for path in PYTHONS.values()), os.environ["PATH"]]
    path = os.pathsep.join(map(str, bins))
    return subprocess.run(
        ["sh", "-ec", "\n".join(lines)],
        check=False,
        cwd=project,
        env=demo.project_environment(**env) | {"PATH": path},
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


@pytest.mark.parametrize(("file", "schema"), SCHEMAS.items())
def test_pipeline_matches_its_schema(bake: Bake, file: str, schema: str) -> None:
    project = bake(ci="github" if file.startswith(".github") else "gitlab")
    check = ["check-jsonschema", "--builtin-schema", f"vendor.{schema}", file]
    check_output(project, *check, *(["--data-transform=gitlab-ci"] if "gitlab" in schema else []))


def test_github_workflows_have_no_security_finding(bake: Bake) -> None:
    check_output(bake(ci="github"), "zizmor", "--offline", "--pedantic", "--no-progress", ".github")


def test_github_workflows_pass_jactionlint(bake: Bake) -> None:
    project = bake(ci="github")
    files = [str(path.relative_to(project)) for path in (project / ".github").rglob("*.yml")]
    assert len(files) == 3
    check_output(project, "jactionlint", "--shellcheck=", *files)


def check_output(project: Path, program: str, *arguments: str) -> None:
    ended = subprocess.run(
        [Path(sys.executable).with_name(program), *arguments],
        check=False,
        cwd=project,
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert ended.returncode == 0, ended.stdout


def test_actions_are_pinned_to_commits_and_may_write_only_what_they_publish(bake: Bake) -> None:
    texts = [path.read_text("utf-8") for path in (bake(ci="github") / ".github").rglob("*.yml")]
    text = "".join(texts)
    assert len(PINNED.findall(text)) == text.count("uses:") == 6
    pipeline = read_pipeline(bake, "github")
    assert pipeline["permissions"] == {"contents": "read"}
    granted = {name: job.get("permissions") for name, job in pipeline["jobs"].items()}
    publish = {"contents": "read", "packages": "write"}
    assert granted == {"nox": None, "build": None, "publish": publish}
    assert "secrets." not in text


@pytest.fixture
def docker(directory: Path) -> Path:
    program = directory / "docker"
    program.write_text(DOCKER)
    program.chmod(0o755)
    return program


def job_lines(bake: Bake, ci: str, job: str) -> list[str]:
    if ci == "github":
        steps = read_pipeline(bake, ci)["jobs"][job]["steps"]
        return [step["run"] for step in steps if "run" in step]
    lines: list[str] = read_pipeline(bake, ci)[job]["script"]
    return lines


@pytest.mark.parametrize("ci", FILES)
def test_image_is_built_for_every_change_and_published_for_a_tag(
    bake: Bake, docker: Path, ci: str
) -> None:
    env = {
        "CI_COMMIT_TAG": "1.0",
        "CI_REGISTRY": "ghcr.io",
        "CI_REGISTRY_IMAGE": "ghcr.io/team/service",
        "CI_REGISTRY_PASSWORD": "a-token",
        "CI_REGISTRY_USER": "ada",
        "GITHUB_ACTOR": "ada",
        "GITHUB_REF_NAME": "1.0",
        "GITHUB_REPOSITORY": "Team/Service",
        "TOKEN": "a-token",
        "PATH": f"{docker.parent}{os.pathsep}{os.environ['PATH']}",
    }
    ran = {}
    for job in ("build", "publish"):
        script = "\n".join(job_lines(bake, ci, job))
        ended = subprocess.run(
            ["sh", "-ec", script], check=True, env=env, encoding="utf-8", stdout=subprocess.PIPE
        )
        ran[job] = ended.stdout.splitlines()
    assert ran["build"] == ["docker build ."]
    options = "--push --sbom=true --provenance=mode=max --tag ghcr.io/team/service:1.0"
    assert ran["publish"][0] == "docker login ghcr.io --username ada --password-stdin"
    assert ran["publish"][-1] == f"docker buildx build {options} ."
    assert "a-token" not in str(ran)


def test_both_pipelines_run_all_sessions_with_the_same_command_and_locked_versions(
    bake: Bake,
) -> None:
    github, gitlab = github_job(bake), gitlab_job(bake)
    assert github.sessions == gitlab.sessions == SESSIONS
    assert github.lines == gitlab.lines
    assert github.env["UV_LOCKED"] == gitlab.env["UV_LOCKED"] == "1"


@pytest.mark.installs
def test_noxfile_defines_the_sessions_of_the_pipelines(service: Path) -> None:
    ended = run(service, ["uv run nox --list"])
    found = re.findall(r"^[*-] ([\w.-]+) ->", ended.stdout, re.MULTILINE)
    assert found == ["dev", *SESSIONS[:-1], "fuzz", SESSIONS[-1], "update"]


@pytest.mark.installs
@pytest.mark.parametrize("session", SESSIONS_TO_RUN)
def test_pipeline_command_succeeds_on_the_first_commit_and_leaves_nothing_behind(
    bake: Bake, service: Path, session: str
) -> None:
    job = gitlab_job(bake)
    ended = run(service, job.lines, SESSION=session, UV_LOCKED="1", CI="true")
    assert ended.returncode == 0, ended.stdout
    assert f"Session {session} was successful" in ended.stdout
    assert git(service, "status", "--porcelain") == ""


@pytest.mark.installs
def test_pipeline_command_without_a_lock_file_names_the_remedy(
    bake: Bake, bake_into: Bake, directory: Path
) -> None:
    job = github_job(bake)
    ended = run(bake_into(directory), job.lines, SESSION="lint", UV_LOCKED="1")
    assert ended.returncode != 0
    assert "run `uv lock`" in ended.stdout


@contextmanager
def advisories(ids: Sequence[str]) -> Iterator[str]:
    """Serve the API of osv.dev, with these advisories for the first package; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            found = [{"vulns": [{"id": i, "modified": "2026-01-01T00:00:00Z"} for i in ids]}]
            self.respond({"results": found + [{}] * (len(queries) - 1)})

        def do_GET(self) -> None:
            number = self.path.rpartition("/")[2]
            self.respond({"id": number, "modified": "2026-01-01T00:00:00Z", "summary": "Bad"})

        def respond(self, body: object) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            """Suppress the log."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.installs
@pytest.mark.parametrize(("ids", "code"), [([], 0), (["GHSA-0000"], 1)])
def test_audit_fails_if_an_advisory_affects_a_locked_version(
    service: Path, ids: list[str], code: int
) -> None:
    with advisories(ids) as address:
        line = f"uv run nox --session audit -- --service-url {address}"
        ended = run(service, [line], UV_LOCKED="1", NO_PROXY="127.0.0.1")
    assert ended.returncode == code, ended.stdout
    assert all(number in ended.stdout for number in ids)


@pytest.mark.installs
def test_audit_queries_the_public_service_and_fails_without_network(service: Path) -> None:
    ended = run(service, ["uv run nox --session audit"], UV_LOCKED="1")
    if ended.returncode:  # no network, or an advisory for a current dependency
        assert "api.osv.dev" in ended.stdout or "known vulnerabilit" in ended.stdout, ended.stdout
