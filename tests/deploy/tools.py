"""Which tools that are no Python do the tests of deploy/ have? Prometheus, promtool, kustomize.

`python -m tests.deploy.tools` gets them, into .cache, without installing anything. Where one cannot be had, the tests
that need it are skipped with a line that says so; LMSHOOKS_REQUIRE_TOOLS=1 makes that a failure.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache" / "tools"
KUSTOMIZE = "sigs.k8s.io/kustomize/kustomize/v5@v5.7.1"


class NoTool(Exception):
    """This machine cannot have it; the text says what is missing and what to do."""


def required() -> bool:
    """Whether a missing tool is a failure rather than a skip: so in CI."""
    return os.environ.get("LMSHOOKS_REQUIRE_TOOLS", "") not in ("", "0")


def tool(name: str) -> str:
    """The path of a tool, for a test: where there is none, the test is skipped, or fails where it is required."""
    try:
        return find(name)
    except NoTool as why:
        without(str(why))


def kustomize() -> list[str]:
    """The command that builds a folder of manifests, for a test; kubectl has it in it."""
    kubectl = shutil.which("kubectl")
    return [kubectl, "kustomize"] if kubectl else [tool("kustomize"), "build"]


def without(why: str) -> NoReturn:
    """Skip the test that cannot do its work here, or fail it where it must be done."""
    (pytest.fail if required() else pytest.skip)(why)


def find(name: str) -> str:
    """The path of `prometheus`, `promtool` or `kustomize`: of the machine, else got into the cache. Raises NoTool."""
    if found := shutil.which(name):
        return found
    CACHE.mkdir(parents=True, exist_ok=True)
    cached = CACHE / ("kustomize" if name == "kustomize" else f"usr/bin/{name}")
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one of the test processes gets it, the others wait
        if not cached.is_file():
            (_kustomize if name == "kustomize" else _prometheus)()
    return str(cached)


def _prometheus() -> None:
    """Debian's package, unpacked."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NoTool("there is no Prometheus, and no apt to get it with: put prometheus and promtool on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        done = _run(["apt-get", "-qq", "download", "prometheus"], folder)
        if done.returncode and os.geteuid() == 0:
            # Slim images come without the lists of packages.
            _run(["apt-get", "-qq", "update"], folder)
            done = _run(["apt-get", "-qq", "download", "prometheus"], folder)
        packages = list(Path(folder).glob("prometheus_*.deb"))
        if done.returncode or not packages:
            raise NoTool(f"there is no Prometheus, and apt could not get it: {done.stderr.strip()[-500:]}")
        done = _run(["dpkg-deb", "-x", str(packages[0]), str(CACHE)], folder)
        if done.returncode:
            raise NoTool(f"Prometheus' package could not be unpacked: {done.stderr.strip()[-500:]}")


def _kustomize() -> None:
    """Built from its source by Go's own means."""
    go = shutil.which("go")
    if go is None:
        raise NoTool("there is no kustomize, and no Go to build it with: put kustomize on the PATH")
    done = _run([go, "install", KUSTOMIZE], str(CACHE), GOBIN=str(CACHE), GOFLAGS="")
    if done.returncode:
        raise NoTool(f"there is no kustomize, and Go could not build it: {done.stderr.strip()[-500:]}")


def _run(command: list[str], folder: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True, timeout=600, check=False
    )


def main() -> int:
    """Say which tools the tests will have."""
    missing = 0
    wanted = ["prometheus", "promtool"] + ([] if shutil.which("kubectl") else ["kustomize"])
    for name in wanted:
        try:
            print(f"{name}: {find(name)}")
        except NoTool as why:
            missing += 1
            print(f"the tests that need {name} {'fail' if required() else 'are skipped'}: {why}", file=sys.stderr)
    return int(required() and missing > 0)


if __name__ == "__main__":
    sys.exit(main())
