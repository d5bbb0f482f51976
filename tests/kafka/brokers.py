"""Which brokers do the tests run against? The embedded one, and a real Apache Kafka (KRaft) from its jars.

`python -m tests.kafka.brokers` gets the jars, from the folder KAFKA_JARS if that is set, else by Maven into .cache, and
keeps their classes as Java has them in memory: a start takes half as long then.
Where there is neither, the tests that need Apache Kafka are skipped with a line that says so;
LMSHOOKS_REQUIRE_KAFKA=1 makes that a failure. Both brokers start, die, come back and freeze by the same words.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self

from lmshooks.cli import embedded
from lmshooks.cli.embedded import BrokerError, Port, spawn
from tests.kafka.jars import NoKafka, archive, class_path, jars, java, required

JVM = ["-Xmx256m", "-Xms64m", "-Xss512k", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData"]
JVM += ["-Xlog:cds=off", "-Xlog:cds+dynamic=off", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]

PROPERTIES = """
process.roles=broker,controller
node.id={node}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
controller.quorum.voters={voters}
log.dirs={folder}
num.partitions=1
default.replication.factor={replicas}
min.insync.replicas={in_sync}
offsets.topic.num.partitions={replicas}
offsets.topic.replication.factor={replicas}
transaction.state.log.num.partitions={replicas}
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={in_sync}
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={in_sync}
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
group.min.session.timeout.ms=1000
num.network.threads=2
num.io.threads=2
num.replica.fetchers=1
background.threads=2
log.cleaner.dedupe.buffer.size=4194304
log.cleaner.io.buffer.size=262144
log.segment.bytes=67108864
log.index.size.max.bytes=1048576
# Restarts, failover, retention and compaction are to be seen soon.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
controller.quorum.fetch.timeout.ms=1000
controller.quorum.election.timeout.ms=500
controller.quorum.election.backoff.max.ms=250
controller.quorum.request.timeout.ms=1000
replica.lag.time.max.ms=3000
replica.socket.timeout.ms=3000
replica.fetch.backoff.ms=100
leader.imbalance.check.interval.seconds=2
leader.imbalance.per.broker.percentage=0
log.initial.task.delay.ms=500
log.retention.check.interval.ms=500
log.cleaner.backoff.ms=500
log.segment.delete.delay.ms=100
"""


class Broker(Protocol):
    """What a test may do to a broker."""

    @property
    def bootstrap(self) -> str: ...
    def start(self) -> Self: ...
    def kill(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def close(self) -> None: ...


class EmbeddedBroker(embedded.EmbeddedBroker):
    """The broker of `make run`, for tests that are not coroutines: it is started and waited for in place."""

    def start(self) -> Self:
        self.spawn()
        deadline = time.monotonic() + self.timeout
        while not self.answers():
            if time.monotonic() > deadline:
                raise BrokerError(f"the embedded broker did not answer within {self.timeout:g} s")
            time.sleep(0.005)
        return self

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)


class Node:
    """One process of an Apache Kafka cluster: broker and controller in one."""

    def __init__(self, number: int, folder: Path, doors: int = 0) -> None:
        self.number = number
        self.folder = folder
        self.port = Port()
        self.controller = Port()
        self.doors = [(Port(), Port()) for _ in range(doors)]
        """(where it listens, what it advertises): what lies between the two may be a proxy."""
        self.properties = folder / "server.properties"
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port.number}"

    def start(self, command: list[str]) -> None:
        if self.process is None:
            self.process = spawn([*command, "kafka.Kafka", str(self.properties)], self.log)

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None

    def signal(self, number: int) -> None:
        assert self.process is not None, f"node {self.number} does not run"
        self.process.send_signal(number)


class ApacheKafka:
    """A real Kafka that keeps its data over kill() and start(). `extra` are lines added to every node's properties.

    Give `node` (0, 1, ...) to kill, start, pause or resume one node of several; without it all are meant.
    """

    def __init__(
        self,
        nodes: int = 1,
        extra: str = "",
        timeout: float = 60.0,
        listeners: Mapping[str, str] | None = None,
        scram: Sequence[str] = (),
        doors: int = 0,
        jvm: Sequence[str] = (),
    ) -> None:
        """`timeout`: seconds in which every node must serve after start(). `jvm` are more options of Java's.

        `listeners` are more of them, by name, with their protocol (one node only); `scram` are users as StorageTool's
        --add-scram takes them. `doors` are more listeners of every node that advertise another port than their own:
        somebody must pass on what comes to it (`Node.doors`).
        """
        assert nodes == 1 or not listeners
        self.timeout = timeout
        self._protocols = dict(listeners or {})
        self._scram = tuple(scram)
        self._ports = {name: Port() for name in self._protocols}
        kept = [f"-XX:SharedArchiveFile={archive()}"] if archive().exists() else []
        # First: what may be missing leaves nothing behind.
        self._command = [java(), *JVM, *(jvm or kept), "-cp", class_path()]
        self._folder = tempfile.TemporaryDirectory(prefix="lmshooks-kafka-", ignore_cleanup_errors=True)
        self.nodes = [Node(number, Path(self._folder.name) / str(number), doors) for number in range(1, nodes + 1)]
        try:
            self._format(extra)
        except BaseException:
            self.close()
            raise

    @property
    def bootstrap(self) -> str:
        return ",".join(node.address for node in self.nodes)

    def at(self, listener: str) -> str:
        """The address of one of `listeners`."""
        return f"localhost:{self._ports[listener].number}"

    def through(self, door: int) -> str:
        """The addresses that one of `doors` advertises."""
        return ",".join(f"127.0.0.1:{node.doors[door][1].number}" for node in self.nodes)

    def controller(self) -> int:
        """Which node leads the quorum, by what the nodes wrote down; 0 where none knows."""
        newest, found = -1, 0
        for node in self.nodes:
            try:
                state = json.loads((node.data / "__cluster_metadata-0" / "quorum-state").read_text())
            except (OSError, ValueError):
                continue
            if state["leaderEpoch"] > newest and state["leaderId"] > 0:
                newest, found = state["leaderEpoch"], state["leaderId"] - 1
        return found

    def start(self, node: int | None = None) -> Self:
        """Start what does not run, and wait until it serves."""
        chosen = self._chosen(node)
        for one in chosen:
            one.start(self._command)
        deadline = time.monotonic() + self.timeout
        for one in chosen:
            while not serves(one.port.number):
                ended = one.process is not None and one.process.poll() is not None
                if ended or time.monotonic() > deadline:
                    what = "ended" if ended else f"did not serve within {self.timeout:g} s"
                    raise BrokerError(f"Kafka node {one.number} {what}: {one.log.read_text()[-3000:]}")
                time.sleep(0.02)
        return self

    def stop(self, node: int | None = None) -> None:
        """SIGTERM: the orderly way."""
        for one in self._chosen(node):
            one.kill(signal.SIGTERM)

    def kill(self, node: int | None = None) -> None:
        for one in self._chosen(node):
            one.kill()

    def restart(self, node: int | None = None) -> None:
        self.kill(node)
        self.start(node)

    def pause(self, node: int | None = None) -> None:
        """SIGSTOP: its sockets stay open, and nothing is answered."""
        for one in self._chosen(node):
            one.signal(signal.SIGSTOP)

    def resume(self, node: int | None = None) -> None:
        for one in self._chosen(node):
            one.signal(signal.SIGCONT)

    def close(self) -> None:
        """Kill it and delete its data."""
        for node in self.nodes:
            node.kill()
            node.port.release()
            node.controller.release()
            for pair in node.doors:
                for port in pair:
                    port.release()
        for port in self._ports.values():
            port.release()
        self._folder.cleanup()

    def _chosen(self, node: int | None) -> list[Node]:
        return self.nodes if node is None else [self.nodes[node]]

    def _format(self, extra: str) -> None:
        voters = ",".join(f"{node.number}@127.0.0.1:{node.controller.number}" for node in self.nodes)
        replicas = min(3, len(self.nodes))
        for node in self.nodes:
            node.folder.mkdir()
            text = PROPERTIES.format(
                node=node.number,
                port=node.port.number,
                controller=node.controller.number,
                voters=voters,
                folder=node.data,
                replicas=replicas,
                in_sync=max(1, replicas - 1),
            )
            doors = {f"DOOR{place}": pair for place, pair in enumerate(node.doors)}
            if self._ports or doors:
                # The last word of a property counts.
                more = {name: (port, port) for name, port in self._ports.items()} | doors
                own = "".join(f",{name}://127.0.0.1:{pair[0].number}" for name, pair in more.items())
                told = "".join(f",{name}://127.0.0.1:{pair[1].number}" for name, pair in more.items())
                protocols = dict.fromkeys(doors, "PLAINTEXT") | self._protocols
                mapped = "".join(f",{name}:{protocol}" for name, protocol in protocols.items())
                text += f"listeners=PLAINTEXT://{node.address},CONTROLLER://127.0.0.1:{node.controller.number}{own}\n"
                text += f"advertised.listeners=PLAINTEXT://{node.address}{told}\n"
                text += f"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{mapped}\n"
            node.properties.write_text(text + extra)
        first, *others = self.nodes
        # The x keeps a leading '-' out of an argument.
        cluster = ("x" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode())[:22]
        command = [*self._command, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(first.properties)]
        for user in self._scram:
            command += ["--add-scram", user]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise BrokerError(f"Kafka's storage could not be formatted: {done.stdout}{done.stderr}")
        for node in others:  # a copy with an identity of its own is what formatting again would give, a JVM start later
            shutil.copytree(first.data, node.data)
            directory = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            (node.data / "meta.properties").write_text(
                f"version=1\ncluster.id={cluster}\nnode.id={node.number}\ndirectory.id={directory}\n"
            )


def serves(port: int) -> bool:
    """Whether the broker of a port answers ApiVersions (version 0), the first request of any client."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(bytes.fromhex("0000000b 0012 0000 00000001 0001 74"))
            return len(connection.recv(8)) == 8
    except OSError:
        return False


def make_archive() -> None:
    """Write the file: of the classes that a broker loads until it serves."""
    file = archive()
    if file.exists():
        return
    named, new = file.with_suffix(".classes"), file.with_suffix(".new")
    with contextlib.closing(ApacheKafka(jvm=[f"-XX:DumpLoadedClassList={named}"])) as kafka:
        kafka.start().stop()
    dump = ["-Xshare:dump", f"-XX:SharedClassListFile={named}", f"-XX:SharedArchiveFile={new}"]
    done = subprocess.run([java(), *JVM, *dump, "-cp", class_path()], capture_output=True, check=False)
    if not done.returncode:
        new.replace(file)


def main() -> int:
    """Say which Apache Kafka the tests will have."""
    try:
        print(f"Apache Kafka: {len(list(jars().glob('*.jar')))} jars in {jars()}, {java()}")
        make_archive()
    except NoKafka as why:
        print(f"no Apache Kafka, its tests {'fail' if required() else 'are skipped'}: {why}", file=sys.stderr)
        return int(required())
    return 0


if __name__ == "__main__":
    sys.exit(main())
