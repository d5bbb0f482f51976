"""What does daemon.yaml say? The settings of the process, and the windows and cadences that subscriptions rely on."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import yaml

from lmshooks.adapters.kafka_client import KafkaSettings
from lmshooks.config.nodes import scalar, tell
from lmshooks.config.reading import Section
from lmshooks.core.catalogue import Cadence
from lmshooks.core.configuration import Limits, Schedule
from lmshooks.core.windows import parse_schedule

SECTIONS = ("kafka", "admin", "egress", "limits", "windows", "cadences", "orphan_grace", "drain_timeout", "logs")
_KAFKA = (
    "bootstrap_servers", "group_id", "topics", "topic_pattern", "state_topic", "dead_letter_topic", "create_topics",
    "instance_id", "session_timeout", "request_timeout", "start", "replication_factor", "retention_check", "security",
)  # fmt: skip
_SECURITY = ("protocol", "sasl_mechanism", "username", "password", "ca_file", "cert_file", "key_file")
_COUNTS = ("posts", "failing_posts", "checkpoint_events", "checkpoint_records", "pending_letters")
_SIZES = ("memory", "event_bytes")
_DURATIONS = ("checkpoint_interval", "checkpoint_pause", "write_timeout", "compaction_lag")
_OURS = ("subscriptions_per_account", "queue_events", "queue_bytes")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """Where health and metrics are served."""

    host: str = "127.0.0.1"
    port: int = 9400


@dataclass(frozen=True, slots=True)
class EgressSettings:
    """Where deliveries may go."""

    allow_http: bool = False
    allow_networks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How much is logged, and for whom."""

    level: str = "info"
    format: str = "json"


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """What only a restart changes. Durations in seconds."""

    kafka: KafkaSettings
    http: AdminSettings = AdminSettings()
    egress: EgressSettings = EgressSettings()
    limits: Limits = field(default_factory=Limits)
    log: LogSettings = LogSettings()
    drain_timeout: float = 20.0
    subscriptions_per_account: int = 5
    queue_events: int = 1000
    queue_bytes: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Process:
    """daemon.yaml as values; `schedules` is how each window was written, for the digest."""

    daemon: DaemonSettings
    windows: Mapping[str, Schedule]
    schedules: Mapping[str, Any] = field(default_factory=dict)
    cadences: Mapping[str, Cadence] = field(default_factory=dict)
    orphan_grace: float = 3600.0


def process(root: Section) -> Process:
    """Read every section of the file."""
    windows, schedules = _windows(root.section("windows", ()))
    admin = root.section("admin", ("host", "port"))
    logs = root.section("logs", ("level", "format"))
    limits = root.section("limits", (*_COUNTS, *_SIZES, *_DURATIONS, *_OURS))
    bounds: dict[str, Any] = {}
    bounds |= {name: limits.whole(name, None) for name in _COUNTS}
    bounds |= {name: limits.size(name, 0) for name in _SIZES}
    bounds |= {name: limits.duration(name, None) for name in _DURATIONS}
    bounds = {name: value for name, value in bounds.items() if value}
    daemon = DaemonSettings(
        kafka=_kafka(root),
        http=AdminSettings(admin.text("host", "127.0.0.1"), admin.whole("port", 9400, 0, 65535)),
        egress=_egress(root.section("egress", ("allow_http", "allow_networks"))),
        limits=Limits(**bounds),
        log=LogSettings(
            logs.choice("level", ("debug", "info", "warning", "error"), "info"),
            logs.choice("format", ("json", "console"), "json"),
        ),
        drain_timeout=root.duration("drain_timeout", 20.0),
        subscriptions_per_account=limits.whole("subscriptions_per_account", 5),
        queue_events=limits.whole("queue_events", 1000),
        queue_bytes=limits.size("queue_bytes", 4 * 1024 * 1024),
    )
    grace = root.duration("orphan_grace", 3600.0)
    return Process(daemon, windows, schedules, _cadences(root.section("cadences", ())), grace)


def _kafka(root: Section) -> KafkaSettings:
    if "kafka" not in root.values:
        root.required("kafka", root.text)
        return KafkaSettings("")
    kafka = root.section("kafka", _KAFKA)
    security = kafka.section("security", _SECURITY)
    servers = kafka.required("bootstrap_servers", lambda key: kafka.texts(key, alone=True)) or ()
    topics, pattern = kafka.texts("topics"), kafka.text("topic_pattern")
    for index, topic in enumerate(topics):
        if not _TOPIC.fullmatch(topic):
            kafka.wrong(kafka.values["topics"], f"topics.{index}", repr(topic), "a topic name")
    if "topics" not in kafka.values and "topic_pattern" not in kafka.values:
        kafka.wrong(None, "topics", "nothing", "topics or topic_pattern")
    if "topics" in kafka.values and "topic_pattern" in kafka.values:
        kafka.wrong(kafka.keys["topic_pattern"], "topic_pattern", "topics as well", "one of topics and topic_pattern")
    if pattern is not None:
        try:
            re.compile(pattern)
        except re.error as why:
            kafka.wrong(kafka.values["topic_pattern"], "topic_pattern", f"{pattern!r} ({why})", "a regular expression")
    start = kafka.text("start", "latest")
    if start not in ("latest", "earliest"):
        try:
            datetime.fromisoformat(start)
        except ValueError:
            kafka.wrong(kafka.values["start"], "start", repr(start), "latest, earliest or an ISO 8601 time")
    protocol = security.choice("protocol", ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"), "PLAINTEXT")
    if protocol.startswith("SASL"):
        security.required("username", security.text)
        security.required("password", lambda key: None)
    return KafkaSettings(
        bootstrap_servers=",".join(servers),
        group_id=kafka.text("group_id", "lmshooks"),
        topics=topics,
        topic_pattern=pattern,
        state_topic=kafka.text("state_topic", "lmshooks.state"),
        dead_letter_topic=kafka.text("dead_letter_topic", "lmshooks.dead-letters"),
        create_topics=kafka.flag("create_topics", True),
        instance_id=kafka.named("instance_id"),
        session_timeout=kafka.duration("session_timeout", 10.0, 1.0),
        request_timeout=kafka.duration("request_timeout", 5.0),
        start=start,
        replication_factor=kafka.whole("replication_factor", None, 1, 100),
        retention_check=kafka.choice("retention_check", ("refuse", "warn"), "refuse"),
        security_protocol=protocol,
        sasl_mechanism=security.choice("sasl_mechanism", ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"), None),
        username=security.text("username"),
        password=security.secret("password"),
        ca_file=security.text("ca_file"),
        cert_file=security.text("cert_file"),
        key_file=security.text("key_file"),
    )


def _egress(egress: Section) -> EgressSettings:
    node = egress.values.get("allow_networks")
    networks = () if isinstance(node, yaml.SequenceNode) and not node.value else egress.texts("allow_networks")
    for index, network in enumerate(networks):
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            egress.wrong(node, f"allow_networks.{index}", repr(network), "a network such as 10.0.0.0/8")
    return EgressSettings(egress.flag("allow_http", False), networks)


def _windows(section: Section) -> tuple[dict[str, Schedule], dict[str, Any]]:
    windows: dict[str, Schedule] = {"default": parse_schedule(every=900.0)}
    schedules: dict[str, Any] = {"default": [900.0, (), None, "UTC"]}
    for name in section.values:
        one = section.section(name, ("every", "at", "cron", "timezone"))
        before = len(section.reading.mistakes)
        every = one.duration("every", None)
        at = one.texts("at", alone=True) or None
        cron, zone = one.text("cron"), one.text("timezone", "UTC")
        if len(section.reading.mistakes) > before:
            continue
        try:
            windows[name] = parse_schedule(every=every, at=at, cron=cron, timezone=zone)
            schedules[name] = [every, at or (), cron, zone]
        except ValueError as error:
            found, _, expected = str(error).partition(", expected ")
            one.wrong(section.values[name], "", found, expected or "a schedule")
    return windows, schedules


def _cadences(section: Section) -> dict[str, Cadence]:
    allowed = {cadence.value.replace("_", "-"): cadence for cadence in Cadence}
    cadences: dict[str, Cadence] = {}
    for name, node in section.values.items():
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if isinstance(value, str) and value in allowed:
            cadences[name] = allowed[value]
        else:
            section.wrong(node, name, tell(node), f"one of {', '.join(allowed)}")
    return cadences
