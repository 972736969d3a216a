"""The alerts and the dashboard, with a real Prometheus that scrapes a service."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from commands import system_program, uv_run

import demo
import walkthrough

pytestmark = pytest.mark.installs

CONFIG = """
global: {scrape_interval: 200ms}
rule_files: [RULES]
scrape_configs:
  - {job_name: service, static_configs: [{targets: ["TARGET"]}]}
"""
# Names that are followed by a parenthesis are functions; `by (...)` lists labels.
METRIC = re.compile(r"\b([a-z]\w*_\w+)\b(?! *\()")
GROUPING = re.compile(r"by \(([^)]*)\)")
SELECTOR = re.compile(r"\{([^}]*)\}")
TARGET_LABELS = {"job", "instance"}  # added by Prometheus
ONLY_AFTER_FAILURES = ("5..", "background_task_failures_total")


def alerts(project: Path) -> list[str]:
    (group,) = yaml.safe_load((project / "deploy" / "alerts.yml").read_text("utf-8"))["groups"]
    return [rule["expr"] for rule in group["rules"]]


def queries(project: Path) -> list[str]:
    """Return the queries of the dashboard, as Grafana sends them."""
    dashboard = json.loads((project / "deploy" / "grafana.json").read_text("utf-8"))
    texts = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return [text.replace("$job", "service").replace("$__rate_interval", "1m") for text in texts]


def metrics_of(expression: str) -> set[str]:
    return set(METRIC.findall(SELECTOR.sub("", GROUPING.sub("", expression))))


def labels_of(expression: str) -> set[str]:
    listed = re.findall(r"\w+", " ".join(GROUPING.findall(expression)))
    compared = re.findall(r"(\w+) *[=!]", " ".join(SELECTOR.findall(expression)))
    return {*listed, *compared}


def test_rules_are_valid(service: Path) -> None:
    promtool = system_program("promtool", "prometheus")
    subprocess.run([promtool, "check", "rules", "alerts.yml"], check=True, cwd=service / "deploy")


class Prometheus:
    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
        url = f"{self.address}/api/v1/{path}"
        response = httpx.get(url, params=parameters, trust_env=False, timeout=60)
        assert response.is_success, response.text
        return response.json()["data"]

    def query(self, expression: str) -> list[Any]:
        result: list[Any] = self.get("query", query=expression)["result"]
        return result


@contextmanager
def prometheus(directory: Path, target: str, rules: Path) -> Iterator[Prometheus]:
    program = system_program("prometheus")
    config = directory / "prometheus.yml"
    text = CONFIG.replace("TARGET", target.removeprefix("http://"))
    config.write_text(text.replace("RULES", json.dumps(str(rules))), "utf-8")
    address = f"127.0.0.1:{demo.free_port()}"
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={directory}/data"]
    with subprocess.Popen(
        [*command, f"--web.listen-address={address}", "--log.level=error"], cwd=directory
    ) as process:
        try:
            transport = httpx.HTTPTransport(retries=9)
            with httpx.Client(transport=transport, trust_env=False) as client:
                client.get(f"http://{address}/-/ready")
            yield Prometheus(f"http://{address}")
        finally:
            process.terminate()


def test_every_query_finds_its_metrics_and_labels_in_a_service_under_load(
    service: Path, directory: Path
) -> None:
    database = f"sqlite+aiosqlite:///{directory}/service.db"
    port = demo.free_port()
    settings = {"DATABASE_URL": database, "PORT": str(port), "HEARTBEAT_SECONDS": "0.1"}
    uv_run(service, "alembic", "upgrade", "head", **settings)
    rules = service / "deploy" / "alerts.yml"
    with (
        demo.running(["-m", "app"], service, port, **settings) as server,
        prometheus(directory, server.address, rules) as database_of_metrics,
    ):
        walkthrough.walk([server.address])
        expected = [q for q in queries(service) if not any(p in q for p in ONLY_AFTER_FAILURES)]
        deadline = time.monotonic() + 60
        while missing := [q for q in expected if not database_of_metrics.query(q)]:
            assert time.monotonic() < deadline, missing
        (group,) = database_of_metrics.get("rules")["groups"]
        assert [rule["health"] for rule in group["rules"] if rule["health"] == "err"] == []
        text = httpx.get(f"{server.address}/metrics", trust_env=False).text
        known = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
        for expression in [*alerts(service), *queries(service)]:
            database_of_metrics.query(expression)
            names = metrics_of(expression)
            assert {name.removesuffix("_bucket") for name in names} <= known
            labels = {"task"} | TARGET_LABELS  # of failures, which a service under load has not
            for name in names:
                labels |= set(database_of_metrics.get("labels", **{"match[]": name}))
            assert labels_of(expression) <= labels, expression
