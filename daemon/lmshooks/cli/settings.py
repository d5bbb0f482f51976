"""What does the configuration say that these commands need? The Kafka they write to, the daemon they ask.

Everything heavy is imported where it is used: `lmshooks --help` must not wait for a Kafka client.
"""

from __future__ import annotations

import difflib
import logging
import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lmshooks.adapters.kafka_client import KafkaSettings
    from lmshooks.config import DaemonSettings, Loaded
    from lmshooks.core.configuration import Configuration
    from lmshooks.core.subscriptions import Subscription

WRONG, UNREACHABLE = 1, 2

config_option = click.option(
    "--config",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default="config",
    show_default=True,
    envvar="LMSHOOKS_CONFIG",
    help="The folder of daemon.yaml and subscriptions/ (also LMSHOOKS_CONFIG).",
)

without_secrets_option = click.option(
    "--without-secrets", is_flag=True, help="Look no secret up, where there are none: in CI, or on a desk."
)


def loaded(directory: Path, *, secrets: bool = True) -> Loaded:
    """The configuration; every mistake in it ends the command, with its line. Without `secrets` none is looked up."""
    from lmshooks.config import ConfigurationMistakes, load

    try:
        return load(directory, os.environ, secrets=secrets)
    except ConfigurationMistakes as mistakes:
        raise click.ClickException(mistakes.shown()) from None


def daemon(directory: Path) -> DaemonSettings:
    """What daemon.yaml says: subscriptions, and mistakes in them, are of no matter."""
    from lmshooks.config import ConfigurationMistakes, load_daemon

    try:
        return load_daemon(directory, os.environ)
    except ConfigurationMistakes as mistakes:
        raise click.ClickException(mistakes.shown()) from None


def kafka(directory: Path) -> KafkaSettings:
    """How the daemon of this configuration reaches Kafka."""
    return daemon(directory).kafka


def admin_address(directory: Path) -> tuple[str, int]:
    """Where the daemon of this configuration listens. Reads these two values alone, as long as they are right."""
    from lmshooks.config.address import admin_address as plain

    found = plain(directory)
    if found is None:
        admin = daemon(directory).admin
        return admin.host, admin.port
    return found


def shown(directory: Path) -> str:
    """` --config DIR` for a command that is told to type; nothing where the folder is the one that is taken anyway."""
    return (
        ""
        if str(directory) == os.environ.get("LMSHOOKS_CONFIG", "config")
        else f" --config {shlex.quote(str(directory))}"
    )


def nearest(name: str, known: Iterable[str], likeness: float = 0.5) -> str:
    """` (did you mean X?)`, or nothing where nothing is as near as `likeness`, from 0 to 1."""
    names = list(known)
    close = [one for spelt in (name, name.upper()) for one in difflib.get_close_matches(spelt, names, 1, likeness)]
    return f" (did you mean {close[0]}?)" if close else ""


def subscription(configuration: Configuration, directory: Path, name: str) -> Subscription:
    """The subscription of this id; ends the command, with the nearest id, where there is none."""
    found = configuration.subscriptions.get(name)
    if found is None:
        near = nearest(name, configuration.subscriptions)
        raise click.ClickException(f"no subscription {name} in {directory}{near}; `lmshooks check` lists them")
    return found


def quiet() -> None:
    """The Kafka client's own lines are not for people: what went wrong is said once, by the command."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def source(directory: Path, bootstrap: str | None, topic: str | None) -> tuple[dict[str, Any], str]:
    """What a client of the source topic is given, and the topic. With both named, no configuration is read."""
    if bootstrap and topic:
        return {"bootstrap_servers": bootstrap, "request_timeout_ms": 5000, "client_id": "lmshooks-emit"}, topic
    from lmshooks.adapters.kafka_client import client_options

    settings = kafka(directory)
    if topic is None:
        if not settings.topics:
            raise click.UsageError("kafka.topics names no topic (a pattern is no place to write to): give --topic")
        topic = settings.topics[0]
    client = client_options(settings) | {"client_id": "lmshooks-emit"}
    return client | ({"bootstrap_servers": bootstrap} if bootstrap else {}), topic


def judge(failed: Exception, topic: str, client: dict[str, Any]) -> tuple[int, str]:
    """The exit code for what a Kafka client raised, and what to do."""
    from aiokafka.errors import KafkaConnectionError, KafkaError, UnknownTopicOrPartitionError

    if isinstance(failed, UnknownTopicOrPartitionError):
        return WRONG, f"there is no topic {topic}: make it, or name another with --topic"
    if isinstance(failed, KafkaConnectionError | OSError | TimeoutError):
        return UNREACHABLE, f"Kafka is away ({client['bootstrap_servers']}): is it up, and is this its address?"
    if isinstance(failed, KafkaError):
        return WRONG, f"Kafka did not take it: {type(failed).__name__} {failed}".strip()
    raise failed
