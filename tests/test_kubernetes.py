"""The manifest for Kubernetes."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Bake
from test_containers import DEPLOYABLE, compose_services, instructions

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123, without dots
SECONDS = r"^(?:NOTICE|DRAIN)_SECONDS = ([\d.]+)"
ANSWERS = [*DEPLOYABLE, {"project_slug": "another_slug"}]


@pytest.fixture(params=ANSWERS, ids=lambda answers: " ".join(answers.values()))
def project(bake: Bake, request: pytest.FixtureRequest) -> Path:
    return bake(**request.param)


@pytest.fixture
def resources(project: Path) -> dict[str, Any]:
    """Return the resources by kind."""
    text = (project / "deploy" / "kubernetes.yaml").read_text("utf-8")
    return {resource["kind"]: resource for resource in yaml.safe_load_all(text)}


@pytest.fixture
def pod(resources: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = resources["Deployment"]["spec"]["template"]["spec"]
    return spec


@pytest.fixture
def container(pod: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod["containers"]
    found: dict[str, Any] = container
    return found


def test_manifest_matches_the_strict_schema_of_kubernetes(
    project: Path, resources: dict[str, Any]
) -> None:
    manifest = project / "deploy" / "kubernetes.yaml"
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", str(manifest)]
    ended = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )
    assert ended.returncode == 0, ended.stdout
    assert set(resources) == {"Job", "Deployment", "PodDisruptionBudget", "Service"}
    assert all(NAME.fullmatch(resource["metadata"]["name"]) for resource in resources.values())


def test_settings_exist_and_include_the_proxies(project: Path, container: dict[str, Any]) -> None:
    example = (project / ".env.example").read_text("utf-8")
    known = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    assert {"FORWARDED_ALLOW_IPS"} <= {variable["name"] for variable in container["env"]} <= known


def test_probes_request_routes_at_the_port_of_the_image(
    project: Path, container: dict[str, Any]
) -> None:
    (port,) = container["ports"]
    assert f"PORT={port['containerPort']}" in (project / "Dockerfile").read_text("utf-8")
    readme = (project / "README.md").read_text("utf-8")
    for probe in ("livenessProbe", "readinessProbe"):
        request = container[probe]["httpGet"]
        assert request["port"] == port["name"]
        assert f"`GET {request['path']}`" in readme


def test_grace_period_exceeds_the_time_that_the_service_needs_to_stop(
    project: Path, pod: dict[str, Any], container: dict[str, Any]
) -> None:
    sources = "".join(path.read_text("utf-8") for path in (project / "app" / "server").glob("*.py"))
    notice, drain = map(float, re.findall(SECONDS, sources, re.MULTILINE))
    sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > sleep + notice + drain


def test_migration_runs_the_command_of_compose_in_the_image_of_the_service(
    project: Path, resources: dict[str, Any], container: dict[str, Any]
) -> None:
    (migration,) = resources["Job"]["spec"]["template"]["spec"]["containers"]
    assert migration["command"] == compose_services(project)["migrate"]["command"]
    for key in ("image", "envFrom", "securityContext"):
        assert migration[key] == container[key]


def test_pods_run_as_the_unprivileged_user_of_the_image_and_can_write_only_to_tmp(
    project: Path, pod: dict[str, Any], container: dict[str, Any]
) -> None:
    user, _, _ = dict(instructions(project / "Dockerfile"))["USER"].partition(":")
    assert user.isdecimal()  # runAsNonRoot cannot check names
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]  # noqa: S108 - of the pod


def test_service_and_disruption_budget_select_the_pods(resources: dict[str, Any]) -> None:
    labels = resources["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert resources[kind]["spec"]["selector"]["matchLabels"] == labels
    assert resources["Service"]["spec"]["selector"] == labels


def test_only_a_service_with_redis_has_several_pods(
    project: Path, resources: dict[str, Any]
) -> None:
    has_redis = "redis" in compose_services(project)
    assert resources["Deployment"]["spec"]["replicas"] == (2 if has_redis else 1)


def test_page_names_the_manifest_and_its_resources(
    project: Path, resources: dict[str, Any]
) -> None:
    page = (project / "docs" / "deploying-to-kubernetes.md").read_text("utf-8")
    assert "--filename deploy/kubernetes.yaml" in page
    assert f"delete job {resources['Job']['metadata']['name']} " in page
    assert f"deployment/{resources['Deployment']['metadata']['name']}\n" in page
    (source,) = resources["Job"]["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    assert f"secret generic {source['secretRef']['name']} " in page
