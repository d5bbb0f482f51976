"""Are the manifests good? Built by kustomize, held against Kubernetes' own schemas, and against one another."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from lmshooks.adapters.watching import changes
from lmshooks.config import load
from tests.deploy import dockerfiles
from tests.deploy.tools import ROOT, kustomize

FOLDER = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.31", "1.37")
"""The oldest and the newest Kubernetes that the manifests are held against."""
Manifests = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", params=["base", "overlays/production"])
def built(request: pytest.FixtureRequest) -> Manifests:
    """Kind -> object; ConfigMaps by their names without the hash."""
    command = [*kustomize(), str(FOLDER / request.param)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: Manifests = {}
    for one in yaml.safe_load_all(done.stdout):
        name = re.sub(r"-[a-z0-9]{10}$", "", one["metadata"]["name"])
        found[name if one["kind"] == "ConfigMap" else one["kind"]] = one
    return found


def pod(built: Manifests) -> tuple[dict[str, Any], dict[str, Any]]:
    """The pod's spec and its container's."""
    spec = built["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    return spec, container


def test_kubernetes_understands_every_manifest(built: Manifests) -> None:
    assert len(built) >= 7
    for one in built.values():
        for version in VERSIONS:
            if not one["apiVersion"].startswith("monitoring.coreos.com/"):  # not Kubernetes' own
                kubernetes_validate.validate(one, version, strict=True)


def test_the_pod_may_nothing(built: Manifests) -> None:
    """As the Pod Security Standard `restricted` has it, and no write anywhere."""
    spec, container = pod(built)
    (user,) = [step.rest for step in dockerfiles.stages(ROOT / "deploy" / "Dockerfile")[1] if step.word == "USER"]
    context = spec["securityContext"]
    assert context["runAsNonRoot"] is True
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == user
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}
    }  # fmt: skip
    assert spec["automountServiceAccountToken"] is False
    assert all(mount["readOnly"] for mount in container["volumeMounts"])


def test_what_selects_the_pods_selects_them(built: Manifests) -> None:
    labels = built["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        built["StatefulSet"]["spec"]["selector"]["matchLabels"],
        built["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        built["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        built["Service"]["spec"]["selector"],
        *(each["labelSelector"]["matchLabels"] for each in pod(built)[0]["topologySpreadConstraints"]),
    ]
    if "PodMonitor" in built:
        spec = built["PodMonitor"]["spec"]
        selectors.append(spec["selector"]["matchLabels"])
        assert labels[spec["jobLabel"]] == "lmshooks", "the alerts know the job by this name"
    assert all(selector and selector.items() <= labels.items() for selector in selectors)
    assert built["StatefulSet"]["spec"]["serviceName"] == built["Service"]["metadata"]["name"]


def test_every_port_is_the_one_that_the_daemon_listens_on(built: Manifests) -> None:
    _, container = pod(built)
    assert container["ports"] == [{"name": "admin", "containerPort": 9400}]
    asked = [container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")]
    asked += [port["targetPort"] for port in built["Service"]["spec"]["ports"]]
    asked += [port["port"] for port in built["NetworkPolicy"]["spec"]["ingress"][0]["ports"]]
    asked += [each["port"] for each in built.get("PodMonitor", {"spec": {}})["spec"].get("podMetricsEndpoints", [])]
    assert set(asked) == {"admin"}
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_the_mounted_files_are_a_good_configuration(built: Manifests, tmp_path: Path) -> None:
    spec, container = pod(built)
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["daemon"]["configMap"]["name"] == built["lmshooks-daemon"]["metadata"]["name"]
    assert volumes["subscriptions"]["configMap"]["name"] == built["lmshooks-subscriptions"]["metadata"]["name"]
    # A ConfigMap that is replaced in place must not be mounted by subPath: those never change.
    assert "subPath" not in mounts["subscriptions"]
    assert mounts["daemon"]["mountPath"] == "/etc/lmshooks/daemon.yaml"
    assert mounts["subscriptions"]["mountPath"] == "/etc/lmshooks/subscriptions"
    assert container["args"] == ["run", "--config", "/etc/lmshooks"]

    assert mounts["secrets"]["mountPath"] == "/etc/lmshooks/secrets", "in the watched folder"

    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (tmp_path / "subscriptions").mkdir()
    files = {"daemon.yaml": built["lmshooks-daemon"]["data"]["daemon.yaml"]}
    files |= {f"subscriptions/{name}": text for name, text in built["lmshooks-subscriptions"]["data"].items()}
    for name, text in files.items():
        for secret in re.findall(r"file: secrets/([\w-]+)", text):
            (secrets / secret).write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        (tmp_path / name).write_text(text)
    assert list(secrets.iterdir()), "secrets come as files"
    names = {each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"] for each in container["env"]}
    assert names == {"POD_NAME": "metadata.name"}
    loaded = load(tmp_path, {"POD_NAME": "lmshooks-1"})
    assert loaded.warnings == ()
    assert loaded.daemon.kafka.instance_id == "lmshooks-1", "the ordinal is the place in the group"
    # The longest stop: what is in flight, the last checkpoint, out of Kafka.
    assert spec["terminationGracePeriodSeconds"] >= loaded.daemon.drain_timeout + 30
    # Events in memory, and the process beside them, with some room.
    assert (
        int(container["resources"]["limits"]["memory"].removesuffix("Mi")) >= loaded.daemon.limits.memory / 2**20 + 128
    )
    assert "cpu" not in container["resources"]["limits"]
    assert loaded.daemon.admin.host == "0.0.0.0"


async def test_a_rotated_secret_is_seen_and_is_a_change(tmp_path: Path) -> None:
    """As Kubernetes rotates it: the files are links into a folder that is swapped below them."""
    secrets = tmp_path / "secrets"
    for number, secret in (("..1", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), ("..2", "whsec_" + "A" * 32)):
        (secrets / number).mkdir(parents=True)
        (secrets / number / "example").write_text(secret)
    (secrets / "..data").symlink_to("..1")
    (secrets / "example").symlink_to("..data/example")
    shutil.copytree(FOLDER / "base" / "config", tmp_path, dirs_exist_ok=True)
    before = load(tmp_path, {"POD_NAME": "lmshooks-0"}).configuration.version
    watch = changes(tmp_path)
    seen = asyncio.ensure_future(anext(watch))
    async with asyncio.timeout(60):
        while not seen.done():  # the watch has no sign that it stands: swapped until it is seen
            for number in ("..1", "..2"):
                (secrets / "..next").symlink_to(number)
                (secrets / "..next").rename(secrets / "..data")
            await asyncio.sleep(0.2)
    await watch.aclose()  # type: ignore[attr-defined]
    assert load(tmp_path, {"POD_NAME": "lmshooks-0"}).configuration.version != before


def test_one_pod_may_go_at_a_time(built: Manifests) -> None:
    assert built["StatefulSet"]["spec"]["replicas"] >= 2
    assert built["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1


def test_a_mistake_is_seen() -> None:
    """The schemas are strict: a misspelt key is not passed over."""
    wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"clusterIp": "None"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)
