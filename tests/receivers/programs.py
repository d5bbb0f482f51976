"""How does a test run the receivers of docs/receivers? As a listener's owner does: build it, start it, send to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.kafka.jars import NoKafka, jars

ROOT = Path(__file__).resolve().parents[2] / "docs" / "receivers"


class NoToolchain(Exception):
    """This machine cannot run a receiver of this language; the text says what is missing."""


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise NoToolchain(f"there is no {name} here")
    return found


def _build(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def _python(folder: Path) -> list[str]:
    return [sys.executable, str(ROOT / "python" / "receiver.py"), "0"]


def _javascript(folder: Path) -> list[str]:
    return [_tool("node"), str(ROOT / "javascript" / "receiver.mjs"), "0"]


def _go(folder: Path) -> list[str]:
    _build([_tool("go"), "build", "-o", str(folder / "receiver"), str(ROOT / "go" / "receiver.go")], folder)
    return [str(folder / "receiver"), "0"]


def _java(folder: Path) -> list[str]:
    compiler = _tool("javac")
    try:
        libraries = sorted(map(str, jars().glob("jackson-*.jar")))
    except NoKafka as why:
        raise NoToolchain(f"Jackson comes with Kafka's jars: {why}") from None
    path = ":".join(libraries)
    _build(
        [compiler, "-Werror", "-Xlint:all", "-cp", path, "-d", str(folder), str(ROOT / "java" / "Receiver.java")],
        folder,
    )
    return [_tool("java"), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", f"{folder}:{path}", "Receiver", "0"]


LANGUAGES: dict[str, Callable[[Path], list[str]]] = {
    "python": _python, "javascript": _javascript, "go": _go, "java": _java,
}  # fmt: skip
"""Language -> builds the program in a folder and says how it is started. Raises NoToolchain."""


class Program:
    """A receiver that runs. `with` waits until it listens; `url` is where."""

    def __init__(self, command: Sequence[str], folder: Path, secrets: Sequence[str]) -> None:
        self.url = ""
        self.account = "1010"
        """Whose events `processed` tells of."""
        self._command = command
        self._said = folder / "said.txt"
        self._secrets = secrets
        self._process: subprocess.Popen[bytes] | None = None

    def said(self) -> list[str]:
        """Its whole lines so far."""
        return self._said.read_text().split("\n")[:-1]

    def processed(self) -> list[str]:
        """The ids of the events that it has processed, in order."""
        return [line.split()[2] for line in self.said() if line.startswith(f"processed {self.account}")]

    def until_processed(self, event_id: str, timeout: float = 60.0) -> list[str]:
        """Wait for an event; all ids up to now."""
        deadline = time.monotonic() + timeout
        while event_id not in (found := self.processed()):
            assert time.monotonic() < deadline, f"{event_id} was not processed: {self.said()[-5:]}"
            time.sleep(0.02)
        return found

    def __enter__(self) -> Program:
        with self._said.open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, "WEBHOOK_SECRETS": " ".join(self._secrets)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 60
        while not (listening := [line for line in self.said() if line.startswith("listening on ")]):
            assert self._process.poll() is None and time.monotonic() < deadline, self.said()
            time.sleep(0.02)
        self.url = listening[0].split()[2]
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()
