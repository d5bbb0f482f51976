"""How is Kafka reached, and which topics are whose? The section `kafka` of daemon.yaml."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from lmshooks.adapters.kafka_client import KafkaSettings
from lmshooks.config.kinds import Kind, Listed, OneOrMore, choice, duration, flag, text, whole
from lmshooks.config.mistakes import Wrong, did_you_mean
from lmshooks.config.outline import Section
from lmshooks.config.secrets import named, secret

_KAFKA = KafkaSettings("")
_TOPIC = text("a topic's name: letters, digits, dots, dashes, at most 249", shape=r"[A-Za-z0-9._-]{1,249}")


def _start(value: Any) -> str:
    expected = "latest, earliest, or a time such as 2025-01-31T00:00:00Z"
    if value not in ("latest", "earliest"):
        try:
            datetime.fromisoformat(value)
        except (ValueError, TypeError):
            raise Wrong(expected, hint=did_you_mean(value, ("latest", "earliest"))) from None
    return str(value)


def _pattern(value: Any) -> str:
    found = str(text("a regular expression").read(value))
    try:
        re.compile(found)
    except (re.error, OverflowError, RecursionError) as why:
        raise Wrong("a regular expression", f"{found[:100]!r} ({why})") from None
    return found


class Security(Section):
    """How the daemon proves itself to Kafka, and Kafka itself to the daemon."""

    protocol: Annotated[str, choice("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")] = _KAFKA.security_protocol
    """Whether there is TLS (SSL) and whether there is a user (SASL)."""
    sasl_mechanism: Annotated[str | None, choice("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")] = "PLAIN"
    """How the user is proven."""
    username: Annotated[str | None, text()] = None
    """The user; needed with SASL."""
    password: Annotated[str | None, secret()] = Field(default=None, repr=False)
    """Their password; needed with SASL."""
    ca_file: Annotated[str | None, text("a path")] = None
    """A PEM file of the authorities that may have signed the brokers' certificates, instead of the system's."""
    cert_file: Annotated[str | None, text("a path")] = None
    """A PEM file of the daemon's own certificate, where the brokers ask for one."""
    key_file: Annotated[str | None, text("a path")] = None
    """The key of that certificate."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        lacking = " and ".join(name for name in ("username", "password") if getattr(self, name) is None)
        if self.protocol.startswith("SASL") and lacking:
            raise Wrong("username and password", f"{self.protocol} without {lacking}", at=("protocol",))
        if (self.cert_file is None) != (self.key_file is None):
            given, other = ("cert_file", "key_file") if self.cert_file else ("key_file", "cert_file")
            raise Wrong("both or neither", f"{given} without {other}", at=(given,))
        return self


class Kafka(Section):
    """Where Kafka is, who the daemon is to it, and which topics are whose."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["topics"]}, {"required": ["topic_pattern"]}]})

    bootstrap_servers: Annotated[
        tuple[Annotated[str, text("a broker's host:port", shape=r"\S+")], ...],
        Field(min_length=1),
        OneOrMore("a broker's host:port, or a list of them"),
    ]
    """Brokers to begin with, as host:port; they name the others."""
    topics: Annotated[tuple[Annotated[str, _TOPIC], ...], Listed("a list of topics")] = Field(default=(), min_length=1)
    """The source topics. This or topic_pattern is required."""
    topic_pattern: Annotated[
        str | None, Kind("a regular expression", _pattern, {"type": "string", "minLength": 1, "format": "regex"})
    ] = None
    """The source topics by a regular expression; a topic that appears later and matches is taken too."""
    group_id: Annotated[str, text()] = _KAFKA.group_id
    """The consumer group: instances of one group share the partitions."""
    instance_id: Annotated[str | None, named()] = None
    """A name that a restart keeps, or {env: NAME}: the successor goes on at once after a crash, not after the session
    time-out."""
    start: Annotated[str, Kind("latest, earliest, or a time", _start, {"type": "string", "minLength": 1})] = (
        _KAFKA.start
    )
    """Where a group without commits begins: latest, earliest, or an ISO 8601 time."""
    state_topic: Annotated[str, _TOPIC] = _KAFKA.state_topic
    """Our topic of positions, claims and windows (compacted)."""
    dead_letter_topic: Annotated[str, _TOPIC] = _KAFKA.dead_letter_topic
    """Our topic of events that were given up."""
    create_topics: Annotated[bool, flag()] = _KAFKA.create_topics
    """Whether those two are made when they are missing; source topics never are."""
    replication_factor: Annotated[int | None, whole(1, 100)] = None
    """Copies of those two; the broker's default without it."""
    session_timeout: Annotated[float, duration(1.0, 3600.0)] = _KAFKA.session_timeout
    """After how long the group misses an instance that was killed."""
    request_timeout: Annotated[float, duration(0.1, 3600.0)] = _KAFKA.request_timeout
    """How long a broker is waited for."""
    retention_check: Annotated[str, choice("refuse", "warn")] = _KAFKA.retention_check
    """What to do where a source topic forgets sooner than the longest window or retry lasts."""
    security: Security = Security()
    """TLS and users."""

    @model_validator(mode="after")
    def _source(self) -> Self:
        if self.topics and self.topic_pattern:
            raise Wrong("one of the two", "topics and topic_pattern", at=("topic_pattern",))
        if not self.topics and not self.topic_pattern:
            raise Wrong("the source topics, as topics or as topic_pattern", "neither topics nor topic_pattern")
        return self

    def settings(self) -> KafkaSettings:
        """As the adapters take them."""
        same = {each.name for each in fields(KafkaSettings)} & set(Kafka.model_fields)
        plain = {name: getattr(self, name) for name in same - {"bootstrap_servers"}}
        security = {name: getattr(self.security, name) for name in Security.model_fields if name != "protocol"}
        return KafkaSettings(
            bootstrap_servers=",".join(self.bootstrap_servers),
            security_protocol=self.security.protocol,  # type: ignore[arg-type]
            **plain,
            **security,
        )
