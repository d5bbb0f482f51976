"""Is compose.yaml one, and does what it mounts fit together? By compose's own schema; there is no engine to run it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from compose_spec import PyCompose

from lmshooks.cli import group
from lmshooks.config import load
from tests.deploy.tools import ROOT

FOLDER = ROOT / "deploy" / "compose"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())
RESOLVED = yaml.safe_dump(COMPOSE, sort_keys=False)
"""Without YAML's merge keys, which the schema does not know."""
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
INSTANCES = [service for service in SERVICES.values() if "INSTANCE_ID" in service.get("environment", {})]


def test_it_is_what_compose_understands() -> None:
    PyCompose.from_yaml(RESOLVED)
    with pytest.raises(ValueError, match="stop_grace_periods"):  # a misspelt key is not passed over
        PyCompose.from_yaml(RESOLVED.replace("stop_grace_period", "stop_grace_periods"))


def test_every_file_that_it_names_is_there() -> None:
    mounts = [mount.split(":") for service in SERVICES.values() for mount in service.get("volumes", [])]
    named = [FOLDER / source for source, *_ in mounts if source.startswith(".")]
    named += [FOLDER / secret["file"] for secret in COMPOSE["secrets"].values()]
    build = SERVICES["lmshooks-0"]["build"]
    named += [FOLDER / build["context"] / build["dockerfile"]]
    assert [path for path in named if not path.exists()] == []
    kept = {source for source, *_ in mounts if not source.startswith((".", "/"))}
    assert kept == set(COMPOSE["volumes"])


def test_the_instances_have_names_of_their_own_and_the_configuration_is_good(tmp_path: Path) -> None:
    names = [service["environment"]["INSTANCE_ID"] for service in INSTANCES]
    assert len(set(names)) == len(names) == 2
    secret = tmp_path / "sample"
    secret.write_text((FOLDER / "sample-secret").read_text())
    for file in (FOLDER / "config").rglob("*.yaml"):
        here = tmp_path / file.relative_to(FOLDER / "config")
        here.parent.mkdir(exist_ok=True)
        here.write_text(file.read_text().replace("/run/secrets/sample", str(secret)))
    loaded = load(tmp_path, {"INSTANCE_ID": names[0]})
    assert loaded.warnings == ()
    assert loaded.daemon.kafka.instance_id == names[0]
    (subnet,) = COMPOSE["networks"]["lmshooks"]["ipam"]["config"]
    assert loaded.daemon.egress.allow_networks == (subnet["subnet"],)
    for service in INSTANCES:
        # The longest stop: what is in flight, the last checkpoint, out of Kafka.
        assert int(service["stop_grace_period"].removesuffix("s")) >= loaded.daemon.drain_timeout + 30


def test_every_command_is_one_that_the_program_takes() -> None:
    taken = []
    for service in SERVICES.values():
        if service["image"] == "lmshooks" and "command" in service:
            name, *arguments = service["command"]
            command = group.get_command(click.Context(group), name)
            assert command is not None
            here = [each.replace("/run/secrets/sample", str(FOLDER / "sample-secret")) for each in arguments]
            command.make_context(name, here)  # raises where an option is unknown or its value is wrong
            taken.append(name)
    assert sorted(taken) == ["emit", "listen"]


def test_who_runs_the_image_may_nothing_else() -> None:
    ours = [service for service in SERVICES.values() if service["image"] == "lmshooks"]
    assert len(ours) == 4
    for service in ours:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["user"] == "10001:10001"


def test_every_port_is_this_machines_alone() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_prometheus_asks_the_instances_under_the_name_that_the_alerts_know() -> None:
    told = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    (job,) = told["scrape_configs"]
    assert job["job_name"] == "lmshooks"
    assert sorted(job["static_configs"][0]["targets"]) == [
        f"{name}:9400" for name, service in sorted(SERVICES.items()) if service in INSTANCES
    ]


def test_the_kafka_is_the_one_that_the_tests_run() -> None:
    (version,) = re.findall(r"<kafka.version>(.*?)<", (ROOT / "tests" / "kafka" / "pom.xml").read_text())
    assert {SERVICES[name]["image"] for name in ("kafka", "topics")} == {f"apache/kafka:{version}"}


def test_grafana_is_given_the_dashboard_and_a_prometheus() -> None:
    provisioning = ROOT / "deploy" / "grafana" / "provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "lmshooks.yaml").read_text())["providers"]
    mounts = dict(mount.removesuffix(":ro").split(":")[::-1] for mount in SERVICES["grafana"]["volumes"])
    dashboards = (FOLDER / mounts[provider["options"]["path"]]).resolve()
    assert (dashboards / "lmshooks.json").is_file()
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert source["isDefault"] is True
