"""How does a test run a Prometheus? On loopback, with data in a folder of its own; asked over its HTTP API."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

import yaml

from lmshooks.cli.embedded import Port, spawn
from tests.deploy.tools import tool


class Prometheus:
    """One process, that scrapes `targets` (host:port) as the job `lmshooks` and evaluates the rules.

    Enter it from the main thread: it ends with the thread that started it.
    """

    def __init__(self, folder: Path, targets: list[str], rules: Path, interval: str = "1s") -> None:
        self._port = Port()
        self._folder = folder
        folder.mkdir(parents=True)
        self.log = folder / "prometheus.log"
        scrape = {"job_name": "lmshooks", "static_configs": [{"targets": targets}]}
        configuration = {
            "global": {"scrape_interval": interval, "evaluation_interval": interval},
            "rule_files": [str(rules)],
            "scrape_configs": [scrape],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [str(tool("prometheus")), f"--config.file={self._folder / 'prometheus.yml'}"]
        command += [f"--storage.tsdb.path={self._folder / 'data'}", f"--web.listen-address={self.address}"]
        self._process = spawn(command, self.log)
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5).close()
            except OSError:
                ended = self._process.poll() is not None
                assert not ended and time.monotonic() < deadline, self.log.read_text()[-3000:]
                time.sleep(0.05)
            else:
                return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._port.release()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port.number}"

    def get(self, path: str, **parameters: str) -> Any:
        """What the HTTP API answers, its `data`. A refused query fails the test with Prometheus' words."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression yields now."""
        found: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return found
